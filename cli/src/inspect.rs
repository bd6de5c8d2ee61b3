//! `chainrule inspect`.

use std::io::Write as _;

use chainrule::{Linked, Network};
use chainrule_model::{ElementType, Model};
use serde_json::{Value, json};

use crate::args::InspectArgs;
use crate::failure::Failure;
use crate::known::Known;
use crate::progress::count;
use crate::recipe::architecture;
use crate::report::{memory, right_aligned, table};
use crate::run;

/// `chainrule inspect`.
pub(crate) fn command(args: &InspectArgs) -> Result<(), Failure> {
    let model = run::open(&args.model)?;
    match model.element_type() {
        ElementType::F64 => inspect::<f64>(args, &model),
        _ => inspect::<f32>(args, &model),
    }
}

/// A layer in numbers.
struct Row {
    name: String,
    inputs: usize,
    outputs: usize,
    parameters: usize,
    buffers: usize,
    /// Of one sample's way forward: a multiplication and an addition for each weight of a matrix, one operation for each other
    /// parameter and, in layers without any, each output.
    operations: usize,
}

fn rows<T: Linked>(network: &Network<T>) -> Vec<Row> {
    let layer = |layer: &std::sync::Arc<dyn chainrule::Layer<T>>| {
        let sizes = |parts: &[chainrule::layer::Parameter]| -> Vec<(usize, bool)> {
            parts.iter().map(|p| (p.rows * p.columns.unwrap_or(1), p.columns.is_some())).collect()
        };
        let parameters = sizes(layer.parameters());
        let operations: usize =
            parameters.iter().map(|&(n, is_matrix)| if is_matrix { 2 * n } else { n }).sum();
        Row {
            name: layer.name().to_owned(),
            inputs: layer.input_size(),
            outputs: layer.output_size(),
            parameters: parameters.iter().map(|&(n, _)| n).sum(),
            buffers: sizes(layer.buffers()).iter().map(|&(n, _)| n).sum(),
            operations: if parameters.is_empty() { layer.output_size() } else { operations },
        }
    };
    network.layers().iter().map(layer).collect()
}

fn inspect<T: Linked>(args: &InspectArgs, model: &Model) -> Result<(), Failure> {
    let known = Known::<T>::new(model)?;
    let network = &known.network;
    let rows = rows(network);
    let values = network.parameters().len() + network.buffers().len();
    let bytes = (values * size_of::<T>()) as u64;
    let operations: usize = rows.iter().map(|row| row.operations).sum();
    let description = model.description();
    let names = known.preparation.encoder.as_ref().map(chainrule_data::Encoder::input_names);
    let names = names.unwrap_or_else(|| description.features.clone());
    let mut out = std::io::stdout().lock();
    if args.told.json {
        let layers = rows.iter().map(|row| {
            json!({
                "layer": row.name,
                "inputs": row.inputs,
                "outputs": row.outputs,
                "parameters": row.parameters,
                "buffers": row.buffers,
                "flops": row.operations,
            })
        });
        let object = json!({
            "task": description.task,
            "dtype": T::NAME,
            "layers": layers.collect::<Vec<_>>(),
            "parameters": network.parameters().len(),
            "buffers": network.buffers().len(),
            "bytes": bytes,
            "flops": operations,
            "loss": description.loss,
            "classes": known.classes,
            "inputs": names,
            "targets": description.targets,
            "network": model.config(),
            "preprocessing": description.preprocessing.as_ref().unwrap_or(&Value::Null),
            "written_by": model.written_by(),
        });
        writeln!(out, "{object}")?;
        return Ok(out.flush()?);
    }
    let mut table = table(&["", "layer", "inputs", "outputs", "parameters", "buffers", "flops"]);
    for (index, row) in rows.iter().enumerate() {
        table.add_row([
            index.to_string(),
            row.name.clone(),
            row.inputs.to_string(),
            row.outputs.to_string(),
            count(row.parameters as f64),
            count(row.buffers as f64),
            count(row.operations as f64),
        ]);
    }
    right_aligned(&mut table, 2);
    writeln!(out, "{}\n{table}", architecture(model.config()))?;
    writeln!(
        out,
        "{} parameters in {}: {}; {} flops a sample forward, about three times as many in training",
        count(network.parameters().len() as f64),
        T::NAME,
        memory(bytes),
        count(operations as f64),
    )?;
    for (what, list) in [("inputs", &names), ("classes", &known.classes), ("predicts", &description.targets)]
    {
        if !list.is_empty() {
            writeln!(out, "{what}: {}", shortened(list))?;
        }
    }
    if let Some(loss) = &description.loss {
        writeln!(out, "loss: {loss}; written by chainrule {}", model.written_by())?;
    }
    Ok(out.flush()?)
}

/// The first names of a list.
fn shortened(names: &[String]) -> String {
    const MOST: usize = 20;
    let rest = names.len().saturating_sub(MOST);
    let list = names.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if rest > 0 { format!("{list} and {rest} more") } else { list }
}
