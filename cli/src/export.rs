//! `chainrule export`.

use std::io::Write as _;

use chainrule::Linked;
use chainrule_data::Step;
use chainrule_model::{ElementType, Model, write_atomically};
use chainrule_onnx::{ExportOptions, Preprocess, to_onnx};
use serde_json::json;

use crate::args::ExportArgs;
use crate::failure::Failure;
use crate::known::Known;
use crate::{outputs, run};

/// `chainrule export`.
pub(crate) fn command(args: &ExportArgs) -> Result<(), Failure> {
    let model = run::open(&args.model)?;
    outputs::check(&args.onnx, [&*run::network(&args.model)])?;
    let bytes = match model.element_type() {
        ElementType::F64 => onnx::<f64>(&model)?,
        _ => onnx::<f32>(&model)?,
    };
    write_atomically(&args.onnx, &bytes)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: {} bytes of ONNX", args.onnx.display(), bytes.len())?;
    Ok(out.flush()?)
}

fn onnx<T: Linked>(model: &Model) -> Result<Vec<u8>, Failure> {
    let known = Known::<T>::new(model)?;
    let mut options = ExportOptions::default();
    for step in known.preparation.preprocessing.steps() {
        for step in onnx_steps(step)? {
            options = options.preprocess(step);
        }
    }
    if !known.classes.is_empty() {
        options = options.metadata("classes", json!(known.classes).to_string());
    }
    if let Some(encoder) = &known.preparation.encoder {
        options = options.metadata("inputs", json!(encoder.input_names()).to_string());
    }
    Ok(to_onnx(&known.network, &options)?)
}

/// A step of preprocessing as ONNX has it: (x − mean) / scale, then a matrix.
fn onnx_steps(step: &Step) -> Result<Vec<Preprocess>, Failure> {
    let centred = |mean: &[f64]| Preprocess::Affine { mean: mean.to_vec(), scale: vec![1.0; mean.len()] };
    Ok(match (step, step.matrix()) {
        (Step::Divide { by }, _) => vec![Preprocess::divide(*by)],
        (Step::Scale { offset, divisor }, _) => {
            vec![Preprocess::Affine { mean: offset.clone(), scale: divisor.clone() }]
        }
        (Step::Pca { mean, .. } | Step::Zca { mean, .. }, Some(matrix)) => {
            vec![centred(mean), Preprocess::Matrix(matrix)]
        }
        _ => return Err(Failure::Other("this version cannot write such preprocessing as ONNX".to_owned())),
    })
}
