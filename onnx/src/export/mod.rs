//! Networks as ONNX files.

mod activation;
mod graph;

use std::collections::HashMap;

use chainrule_core::{LayerConfig, NamedParameter, Network, Scalar};
use prost::Message;

pub(crate) use self::activation::selu_constants;
use self::activation::{activation, two_slopes};
use self::graph::{Graph, float, int};
use crate::proto::{ModelProto, OperatorSetIdProto, StringStringEntryProto};
use crate::{ElementType, Error, Preprocess, Result};

/// The version of the file format (of ONNX 1.15, 2023).
const IR_VERSION: i64 = 9;
/// The version of the operators: the first that has Gelu.
const OPSET: i64 = 20;
/// The length from which on protobuf's readers refuse a message.
const LONGEST: usize = 1 << 31;

/// What a file holds besides the network, and what it is called.
///
/// ```
/// use chainrule_onnx::{ElementType, ExportOptions, Preprocess};
/// let options = ExportOptions::default()
///     .output("probabilities")
///     .element(ElementType::F32)
///     .preprocess(Preprocess::divide(255.0))
///     .metadata("classes", r#"["cat","dog"]"#);
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ExportOptions {
    input: String,
    output: String,
    producer: (String, String),
    element: Option<ElementType>,
    preprocess: Vec<Preprocess>,
    metadata: Vec<(String, String)>,
}

impl Default for ExportOptions {
    /// From `input` to `output` in the network's own element type, by `chainrule` of this version.
    fn default() -> Self {
        Self {
            input: "input".to_owned(),
            output: "output".to_owned(),
            producer: ("chainrule".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            element: None,
            preprocess: Vec::new(),
            metadata: Vec::new(),
        }
    }
}

impl ExportOptions {
    /// With another name of the input, N × n_x.
    #[must_use]
    pub fn input(self, input: impl Into<String>) -> Self {
        Self { input: input.into(), ..self }
    }

    /// With another name of the output, N × n_y.
    #[must_use]
    pub fn output(self, output: impl Into<String>) -> Self {
        Self { output: output.into(), ..self }
    }

    /// With another name and version of the producer.
    #[must_use]
    pub fn producer(self, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { producer: (name.into(), version.into()), ..self }
    }

    /// With another element type than the network's, to which its numbers are rounded.
    #[must_use]
    pub fn element(self, element: ElementType) -> Self {
        Self { element: Some(element), ..self }
    }

    /// With one more step that inputs go through before they reach the network.
    #[must_use]
    pub fn preprocess(mut self, step: Preprocess) -> Self {
        self.preprocess.push(step);
        self
    }

    /// With one more entry of the file's metadata, such as the names of classes.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((key.into(), value.into()));
        self
    }
}

/// The network as an ONNX file that computes what [`Network::predict`] does, with the batch's size N left open.
///
/// Layers become the operators in the table on the crate's [front page](crate#what-becomes-of-a-layer). The same network and options give the same bytes.
///
/// ```
/// use chainrule_core::{Activation, Network};
/// use chainrule_onnx::{ExportOptions, to_onnx};
/// let network = Network::<f32>::builder(4).dense(8, Activation::Gelu).dense(3, Activation::Identity).softmax().build(1)?;
/// let bytes = to_onnx(&network, &ExportOptions::default())?;
/// assert!(bytes.len() > 4 * network.parameters().len());
/// # Ok::<(), chainrule_onnx::Error>(())
/// ```
///
/// # Errors
/// [`Error::Network`] for layers that are not chainrule's own; [`Error::Unfit`] for numbers that are not finite in the element type,
/// preprocessing that does not fit the network, names that are empty or the same, and networks of 2 GiB or more, which no reader takes.
pub fn to_onnx<T: Scalar>(network: &Network<T>, options: &ExportOptions) -> Result<Vec<u8>> {
    let (input, output) = (options.input.as_str(), options.output.as_str());
    if input.is_empty() || output.is_empty() || input == output {
        let found = format!("\"{input}\" and \"{output}\"");
        return Err(Error::unfit("the names of input and output", found, "two names"));
    }
    let config = network.config()?;
    let inputs = features(&options.preprocess, config.inputs)?;
    let mut export = Export {
        graph: Graph::new(options.element.unwrap_or_else(ElementType::of::<T>), input, output),
        network,
        parameters: by_name(network.named_parameters()),
        buffers: by_name(network.named_buffers()),
    };
    let mut value = input.to_owned();
    for (index, step) in options.preprocess.iter().enumerate() {
        export.graph.scope = format!("preprocess.{index}");
        value = export.preprocess(step, &value)?;
    }
    value = export.chain("", &config.layers, config.inputs, value)?;
    let graph = export.graph.finish((input, inputs), &value, (output, network.output_size()));
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: options.producer.0.clone(),
        producer_version: options.producer.1.clone(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata(&options.metadata),
    };
    if model.encoded_len() >= LONGEST {
        let found = format!("{} bytes", model.encoded_len());
        return Err(Error::unfit(
            "the exported network",
            found,
            "less than 2 GiB, the most that protobuf holds",
        ));
    }
    Ok(model.encode_to_vec())
}

/// How many features there are before preprocessing, if `inputs` shall come out of it.
fn features(steps: &[Preprocess], inputs: usize) -> Result<usize> {
    let first = steps.iter().find_map(|step| match step {
        Preprocess::Affine { mean, scale } => {
            [mean, scale].into_iter().map(Vec::len).find(|&length| length != 1)
        }
        Preprocess::Matrix(matrix) => Some(matrix.ncols()),
    });
    let features = first.unwrap_or(inputs);
    let mut size = features;
    for step in steps {
        size = step.outputs(size)?;
    }
    if size != inputs {
        let expected = format!("{inputs}, the network's inputs");
        return Err(Error::unfit("what preprocessing gives", format!("{size} features"), expected));
    }
    Ok(features)
}

fn metadata(entries: &[(String, String)]) -> Vec<StringStringEntryProto> {
    let entry =
        |(key, value): &(String, String)| StringStringEntryProto { key: key.clone(), value: value.clone() };
    entries.iter().map(entry).collect()
}

fn by_name(named: Vec<NamedParameter>) -> HashMap<String, NamedParameter> {
    named.into_iter().map(|named| (named.name.clone(), named)).collect()
}

struct Export<'a, T> {
    graph: Graph,
    network: &'a Network<T>,
    parameters: HashMap<String, NamedParameter>,
    buffers: HashMap<String, NamedParameter>,
}

impl<T: Scalar> Export<'_, T> {
    fn preprocess(&mut self, step: &Preprocess, x: &str) -> Result<String> {
        let scope = self.graph.scope.clone();
        match step {
            Preprocess::Affine { mean, scale } => {
                let mut x = x.to_owned();
                for (op, what, values, nothing) in [("Sub", "mean", mean, 0.0), ("Div", "scale", scale, 1.0)]
                {
                    if values.iter().any(|&value| (value - nothing).abs() > 0.0) {
                        let name = format!("{scope}.{what}");
                        if op == "Div" && values.iter().any(|&value| self.graph.element.round(value) == 0.0) {
                            let found = format!("a number that {} rounds to 0", self.graph.element);
                            return Err(Error::unfit(name, found, "numbers to divide by"));
                        }
                        let values = self.graph.tensor(&name, &[values.len()], values.iter().copied())?;
                        x = self.graph.plain(op, &[&x, &values]);
                    }
                }
                Ok(x)
            }
            Preprocess::Matrix(matrix) => {
                let dims = [matrix.nrows(), matrix.ncols()];
                let matrix = self.graph.tensor(&format!("{scope}.matrix"), &dims, matrix.iter().copied())?;
                Ok(self.graph.node("Gemm", &[x, &matrix], vec![int("transB", 1)]))
            }
        }
    }

    /// Layers in a chain; `prefix` is the position of the block they are in, and `size` the number of its inputs.
    fn chain(&mut self, prefix: &str, layers: &[LayerConfig], size: usize, x: String) -> Result<String> {
        let (mut x, mut size) = (x, size);
        for (index, layer) in layers.iter().enumerate() {
            let scope = format!("{prefix}{index}");
            self.graph.scope.clone_from(&scope);
            x = self.layer(&scope, layer, size, x)?;
            if let LayerConfig::Dense { outputs, .. } = layer {
                size = *outputs;
            }
        }
        Ok(x)
    }

    fn layer(&mut self, scope: &str, layer: &LayerConfig, size: usize, x: String) -> Result<String> {
        Ok(match layer {
            LayerConfig::Dense { activation: g, bias, .. } => {
                let weight = self.parameter(scope, "weight")?;
                let bias = if *bias { Some(self.parameter(scope, "bias")?) } else { None };
                let inputs: Vec<&str> = [x.as_str(), &weight].into_iter().chain(bias.as_deref()).collect();
                let z = self.graph.node("Gemm", &inputs, vec![int("transB", 1)]);
                activation(&mut self.graph, *g, &z)?
            }
            LayerConfig::Activation { function } => activation(&mut self.graph, *function, &x)?,
            LayerConfig::Softmax {} => self.graph.node("Softmax", &[&x], vec![int("axis", -1)]),
            LayerConfig::LogSoftmax {} => self.graph.node("LogSoftmax", &[&x], vec![int("axis", -1)]),
            LayerConfig::Dropout { .. } => x,
            LayerConfig::BatchNorm { epsilon, momentum, affine } => {
                let weight = self.parameter_or(*affine, scope, "weight", size, 1.0)?;
                let bias = self.parameter_or(*affine, scope, "bias", size, 0.0)?;
                let mean = self.buffer(scope, "running_mean")?;
                let variance = self.buffer(scope, "running_var")?;
                // ONNX's momentum is the part of the running statistics that stays.
                let attributes = vec![float("epsilon", *epsilon), float("momentum", 1.0 - momentum)];
                self.graph.node("BatchNormalization", &[&x, &weight, &bias, &mean, &variance], attributes)
            }
            LayerConfig::LayerNorm { epsilon, affine, bias } => {
                let weight = self.parameter_or(*affine, scope, "weight", size, 1.0)?;
                let bias = if *affine && *bias { Some(self.parameter(scope, "bias")?) } else { None };
                let inputs: Vec<&str> = [x.as_str(), &weight].into_iter().chain(bias.as_deref()).collect();
                let attributes = vec![int("axis", -1), float("epsilon", *epsilon)];
                self.graph.node("LayerNormalization", &inputs, attributes)
            }
            LayerConfig::RmsNorm { epsilon, affine } => {
                let epsilon = epsilon.unwrap_or_else(|| T::epsilon().as_f64());
                let normal = self.root_mean_square(epsilon, &x);
                if *affine {
                    let weight = self.parameter(scope, "weight")?;
                    self.graph.plain("Mul", &[&normal, &weight])
                } else {
                    normal
                }
            }
            LayerConfig::Prelu { .. } => {
                let slope = self.parameter(scope, "weight")?;
                match self.graph.element {
                    ElementType::F32 => self.graph.plain("PRelu", &[&x, &slope]),
                    ElementType::F64 => two_slopes(&mut self.graph, &slope, &x),
                }
            }
            LayerConfig::Residual { layers } => {
                let through = self.chain(&format!("{scope}."), layers, size, x.clone())?;
                scope.clone_into(&mut self.graph.scope);
                self.graph.plain("Add", &[&x, &through])
            }
            other => {
                return Err(Error::unfit(format!("layer {scope}"), format!("{other:?}"), "a known layer"));
            }
        })
    }

    /// x / √(mean x² + ε). (RMSNormalization is an operator from opset 23 on.)
    fn root_mean_square(&mut self, epsilon: f64, x: &str) -> String {
        let graph = &mut self.graph;
        let square = graph.plain("Mul", &[x, x]);
        let axes = graph.integers(&[-1]);
        let mean = graph.node("ReduceMean", &[&square, &axes], vec![int("keepdims", 1)]);
        let mean = graph.with("Add", &mean, epsilon);
        let root = graph.plain("Sqrt", &[&mean]);
        graph.plain("Div", &[x, &root])
    }

    /// A parameter of a layer, as a constant of its name.
    fn parameter(&mut self, scope: &str, name: &str) -> Result<String> {
        let named = self.parameters.get(&format!("{scope}.{name}")).cloned();
        self.constant(scope, name, named, self.network.parameters())
    }

    fn buffer(&mut self, scope: &str, name: &str) -> Result<String> {
        let named = self.buffers.get(&format!("{scope}.{name}")).cloned();
        self.constant(scope, name, named, self.network.buffers())
    }

    /// The parameter if there is one, else as many times `value`.
    fn parameter_or(
        &mut self,
        there: bool,
        scope: &str,
        name: &str,
        size: usize,
        value: f64,
    ) -> Result<String> {
        if there {
            return self.parameter(scope, name);
        }
        self.graph.tensor(&format!("{scope}.{name}"), &[size], std::iter::repeat_n(value, size))
    }

    fn constant(
        &mut self,
        scope: &str,
        name: &str,
        named: Option<NamedParameter>,
        flat: &[T],
    ) -> Result<String> {
        let missing =
            || Error::unfit(format!("layer {scope}"), format!("no {name}"), "a parameter of that name");
        let NamedParameter { name, parameter, range } = named.ok_or_else(missing)?;
        let (values, rows) = (&flat[range], parameter.rows);
        match parameter.columns {
            // In the network a matrix lies column after column, in the file row after row.
            Some(columns) => {
                let by_row = (0..rows)
                    .flat_map(|row| (0..columns).map(move |column| values[column * rows + row].as_f64()));
                self.graph.tensor(&name, &[rows, columns], by_row)
            }
            None => self.graph.tensor(&name, &[rows], values.iter().map(|x| x.as_f64())),
        }
    }
}
