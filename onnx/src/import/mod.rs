//! ONNX files as networks.

mod assemble;
mod graph;
mod linear;
mod patterns;
mod shape;
mod steps;
mod tensor;
#[cfg(test)]
mod tests;

use chainrule_core::{Backend, Network, Scalar};
use ndarray::{Array2, ArrayRef2};
use prost::Message;

use self::assemble::Assembler;
use self::graph::Graph;
use self::shape::Shape;
use crate::proto::ModelProto;
use crate::{ElementType, Error, Preprocess, Result};

/// The first version of the operators in which arithmetic broadcasts as it does now.
const OLDEST_OPSET: i64 = 7;

/// A file's network and what is around it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportedModel<T> {
    /// The network.
    pub network: Network<T>,
    /// What inputs go through before they reach it, in this order.
    pub preprocess: Vec<Preprocess>,
    /// The input's name.
    pub input: String,
    /// The output's name.
    pub output: String,
    /// The element type of the file, whatever `T` is.
    pub element: ElementType,
    /// The name and the version of the program that wrote the file.
    pub producer: (String, String),
    /// The file's metadata.
    pub metadata: Vec<(String, String)>,
}

impl<T: Scalar> ImportedModel<T> {
    /// The outputs for rows of inputs as the file takes them. Samples of more than one dimension are rows, one element after another.
    ///
    /// # Errors
    /// As [`Preprocess::apply`] and [`Network::predict`].
    pub fn predict(&self, backend: &dyn Backend<T>, inputs: &ArrayRef2<T>) -> Result<Array2<T>> {
        let mut x = inputs.to_owned();
        for step in &self.preprocess {
            x = step.apply(&x)?;
        }
        Ok(self.network.predict(backend, &x)?)
    }
}

/// The network in the bytes of an ONNX file, its numbers rounded to `T`.
///
/// Read are files with one input (a batch of samples, of `FLOAT` or `DOUBLE`) and one output in between which there is a chain of the
/// operators in the table on the crate's [front page](crate#what-can-be-read), of version 7 or later. Whatever else there is on the way is refused, and
/// so are numbers that are not finite. What the output does not depend on is not looked at.
///
/// Any bytes may be given: there is no panic, and the memory taken is in proportion to their number. (Honest files take a few times their
/// length; nothing but empty nodes takes about 75 times theirs.)
///
/// ```
/// use chainrule_core::{Activation, Network};
/// use chainrule_onnx::{ExportOptions, Preprocess, from_onnx, to_onnx};
/// let network = Network::<f32>::builder(4).dense(8, Activation::Gelu).dense(3, Activation::Identity).softmax().build(1)?;
/// let options = ExportOptions::default().preprocess(Preprocess::divide(255.0)).metadata("classes", "a,b,c");
/// let model = from_onnx::<f32>(&to_onnx(&network, &options)?)?;
/// assert_eq!(model.network.parameters(), network.parameters());
/// assert_eq!(model.network.config()?, network.config()?);
/// assert_eq!(model.preprocess, [Preprocess::divide(255.0)]);
/// assert_eq!(model.metadata[0].1, "a,b,c");
/// # Ok::<(), chainrule_onnx::Error>(())
/// ```
///
/// # Errors
/// [`Error::Decode`] for other bytes, [`Error::Unsupported`] for a node that no layer stands for, [`Error::Unfit`] for what contradicts itself,
/// [`Error::Network`] for settings that a layer refuses.
pub fn from_onnx<T: Scalar>(bytes: &[u8]) -> Result<ImportedModel<T>> {
    let model = ModelProto::decode(bytes).map_err(|error| Error::Decode(error.to_string()))?;
    let Some(graph) = &model.graph else { return Err(Error::Decode("there is no graph".to_owned())) };
    let versions = model.opset_import.iter().filter(|opset| ["", "ai.onnx"].contains(&opset.domain.as_str()));
    let opset = versions.map(|opset| opset.version).max();
    let Some(opset) = opset.filter(|&opset| opset >= OLDEST_OPSET) else {
        let found = opset.map_or("none".to_owned(), |opset| opset.to_string());
        return Err(Error::unfit(
            "the version of ONNX's operators",
            found,
            format!("at least {OLDEST_OPSET}"),
        ));
    };
    let graph = Graph::new(graph, opset, bytes.len())?;
    let (shape, element) = Shape::new(graph.input)?;
    let steps = steps::steps(&graph)?;
    let (network, preprocess) = Assembler::new(&graph, shape).assemble(steps)?;
    Ok(ImportedModel {
        network,
        preprocess,
        input: graph.input.name.clone(),
        output: graph.output.name.clone(),
        element,
        producer: (model.producer_name, model.producer_version),
        metadata: model.metadata_props.into_iter().map(|entry| (entry.key, entry.value)).collect(),
    })
}
