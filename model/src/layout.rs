//! Which tensors a network consists of, by the names that PyTorch gives them.
//!
//! `torch.nn.Sequential` names a module by its position. A dense layer with an activation is two modules there, `Linear` and the
//! activation, and so it takes two positions here; every other layer takes one.

use chainrule_core::layer::Parameter;
use chainrule_core::{Activation, LayerConfig, NetworkConfig, Result};

/// Where the values of a tensor lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Among the network's parameters.
    Parameters,
    /// Among the network's buffers.
    Buffers,
    /// Nowhere: PyTorch's count of the batches that a batch normalisation has seen, which nothing here depends on.
    Count,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) part: Part,
    pub(crate) rows: usize,
    /// None for a vector. A matrix lies row after row in files, column after column in the network.
    pub(crate) columns: Option<usize>,
}

impl Slot {
    fn new(name: String, part: Part, parameter: Parameter) -> Self {
        Self { name, part, rows: parameter.rows, columns: parameter.columns }
    }

    /// Its shape in files.
    pub(crate) fn shape(&self) -> Vec<usize> {
        match (self.part, self.columns) {
            (Part::Count, _) => Vec::new(),
            (_, Some(columns)) => vec![self.rows, columns],
            (_, None) => vec![self.rows],
        }
    }
}

/// The tensors of a network, in the order in which their values lie in its flat vectors. Nothing is allocated for the values, and no
/// size is believed.
///
/// # Errors
/// As [`LayerConfig::layer`].
pub(crate) fn slots(config: &NetworkConfig) -> Result<Vec<Slot>> {
    let mut slots = Vec::new();
    collect(config.inputs, &config.layers, "", &mut slots)?;
    Ok(slots)
}

/// Adds the tensors of layers over so many inputs; returns their outputs.
fn collect(inputs: usize, layers: &[LayerConfig], prefix: &str, slots: &mut Vec<Slot>) -> Result<usize> {
    let (mut size, mut position) = (inputs, 0);
    for config in layers {
        let prefix = format!("{prefix}{position}.");
        position += positions(config);
        if let LayerConfig::Residual { layers } = config {
            size = collect(size, layers, &prefix, slots)?;
            continue;
        }
        // Names and shapes are the same for both element types.
        let layer = config.layer::<f32>(size)?;
        let add = |part| move |(name, parameter)| Slot::new(name, part, parameter);
        let named = |names: Vec<String>, parameters: &[Parameter]| {
            let names = names.into_iter().map(|name| format!("{prefix}{name}"));
            names.zip(parameters.to_vec()).collect::<Vec<_>>()
        };
        slots.extend(
            named(layer.parameter_names(), layer.parameters()).into_iter().map(add(Part::Parameters)),
        );
        slots.extend(named(layer.buffer_names(), layer.buffers()).into_iter().map(add(Part::Buffers)));
        if let LayerConfig::BatchNorm { .. } = config {
            let name = format!("{prefix}num_batches_tracked");
            slots.push(Slot { name, part: Part::Count, rows: 1, columns: None });
        }
        size = layer.output_size();
    }
    Ok(size)
}

/// How many modules of a `Sequential` a layer is.
fn positions(layer: &LayerConfig) -> usize {
    match layer {
        LayerConfig::Dense { activation, .. } if *activation != Activation::Identity => 2,
        _ => 1,
    }
}
