//! From steps to layers, parameters and preprocessing.

use chainrule_core::{Activation, LayerConfig, Network, NetworkConfig, Scalar};

use super::graph::{Graph, described, unsupported};
use super::linear::{Affine, Linear};
use super::shape::{Shape, shown};
use super::steps::{BatchNorm, Step, What};
use super::tensor::Tensor;
use crate::proto::NodeProto;
use crate::{Error, Preprocess, Result};

/// What the last steps amount to until it is known what follows.
enum Pending<'a> {
    Nothing,
    Linear(Linear),
    /// To be drawn into a linear function that follows; the node is for messages.
    Affine(Affine, &'a NodeProto),
}

pub(super) struct Assembler<'g, 'a, T> {
    graph: &'g Graph<'a>,
    shape: Shape,
    preprocess: Vec<Preprocess>,
    parameters: Vec<T>,
    buffers: Vec<T>,
}

impl<'g, 'a, T: Scalar> Assembler<'g, 'a, T> {
    pub(super) fn new(graph: &'g Graph<'a>, shape: Shape) -> Self {
        Self { graph, shape, preprocess: Vec::new(), parameters: Vec::new(), buffers: Vec::new() }
    }

    /// The network and what comes before it.
    pub(super) fn assemble(mut self, steps: Vec<Step<'a>>) -> Result<(Network<T>, Vec<Preprocess>)> {
        let mut layers = self.chain(steps, true)?;
        if layers.is_empty() {
            layers.push(LayerConfig::Activation { function: Activation::Identity });
        }
        let unknown = || {
            Error::unfit(
                format!("the input \"{}\"", self.graph.input.name),
                "an unknown number of features",
                "a known one",
            )
        };
        let inputs = self.shape.inputs.ok_or_else(unknown)?;
        let layers = NetworkConfig { inputs, layers }.layers()?;
        Ok((Network::from_parts(layers, &self.parameters, &self.buffers)?, self.preprocess))
    }

    fn chain(&mut self, steps: Vec<Step<'a>>, outermost: bool) -> Result<Vec<LayerConfig>> {
        let mut layers = Vec::new();
        let mut pending = Pending::Nothing;
        for Step { node, what } in steps {
            let first = outermost && layers.is_empty() && matches!(pending, Pending::Nothing);
            pending = match what {
                What::Add(_) | What::Multiply(_) | What::Divide(_) if first => {
                    self.preprocess(node, what)?;
                    pending
                }
                What::Add(c) => self.arithmetic(node, Arithmetic::Add, c, pending, &mut layers)?,
                What::Multiply(c) => self.arithmetic(node, Arithmetic::Multiply, c, pending, &mut layers)?,
                What::Divide(c) => self.arithmetic(node, Arithmetic::Divide, c, pending, &mut layers)?,
                What::Linear(mut linear) => {
                    self.shape.width(node, linear.inputs)?;
                    match pending {
                        Pending::Nothing => {}
                        Pending::Linear(before) => layers.push(self.dense(before, Activation::Identity)?),
                        Pending::Affine(affine, _) => linear.after(&affine),
                    }
                    self.shape.sample = vec![Some(linear.outputs)];
                    Pending::Linear(linear)
                }
                What::Flatten { axis } => {
                    self.shape.flatten(node, axis)?;
                    pending
                }
                What::Reshape(shape) => {
                    self.shape.reshape(node, &shape)?;
                    pending
                }
                What::Activation(Activation::Identity) => pending,
                What::Activation(function) => {
                    let layer = match pending {
                        Pending::Linear(linear) => self.dense(linear, function)?,
                        other => {
                            self.flush(other, &mut layers)?;
                            LayerConfig::Activation { function }
                        }
                    };
                    layers.push(layer);
                    Pending::Nothing
                }
                other => {
                    self.flush(pending, &mut layers)?;
                    layers.push(self.layer(node, other)?);
                    Pending::Nothing
                }
            };
        }
        self.flush(pending, &mut layers)?;
        Ok(layers)
    }

    /// What is pending, as a layer.
    fn flush(&mut self, pending: Pending<'_>, layers: &mut Vec<LayerConfig>) -> Result<()> {
        match pending {
            Pending::Nothing => Ok(()),
            Pending::Linear(linear) => {
                layers.push(self.dense(linear, Activation::Identity)?);
                Ok(())
            }
            Pending::Affine(_, node) => Err(unsupported(
                node,
                "arithmetic with constants that has no linear operator next to it is not supported",
            )),
        }
    }

    fn dense(&mut self, linear: Linear, activation: Activation) -> Result<LayerConfig> {
        let Linear { outputs, weight, bias, .. } = linear;
        self.parameters("the weights of a dense layer", &weight)?;
        if let Some(bias) = &bias {
            self.parameters("the bias of a dense layer", bias)?;
        }
        Ok(LayerConfig::Dense { outputs, activation, bias: bias.is_some(), weights: None, biases: None })
    }

    fn parameters(&mut self, what: &str, values: &[f64]) -> Result<()> {
        push(&mut self.parameters, what, values)
    }

    /// Layers that nothing is drawn into from their neighbours.
    fn layer(&mut self, node: &'a NodeProto, what: What<'a>) -> Result<LayerConfig> {
        Ok(match what {
            What::Softmax { logarithm, axis } => {
                self.shape.last_axis(node, axis)?;
                if logarithm { LayerConfig::LogSoftmax {} } else { LayerConfig::Softmax {} }
            }
            What::Dropout(probability) => LayerConfig::Dropout { probability },
            What::Prelu(slope) => {
                let slope = self.graph.tensor(node, "slope", slope)?;
                let slope = self.shape.columns(node, slope)?;
                self.parameters(&described(node), &slope)?;
                LayerConfig::Prelu { per_input: slope.len() > 1, initial: 0.25 }
            }
            What::BatchNorm(BatchNorm { epsilon, momentum, scale, bias, mean, variance }) => {
                for tensor in [scale, bias] {
                    let values = self.shape.vector(node, tensor)?;
                    self.parameters(&described(node), &values)?;
                }
                for tensor in [mean, variance] {
                    let values = self.shape.vector(node, tensor)?;
                    push(&mut self.buffers, &described(node), &values)?;
                }
                LayerConfig::BatchNorm { epsilon, momentum: momentum.clamp(0.0, 1.0), affine: true }
            }
            What::LayerNorm { epsilon, axis, scale, bias } => {
                self.shape.last_axis(node, axis)?;
                let (affine, with_bias) = (scale.is_some(), bias.is_some());
                for tensor in scale.into_iter().chain(bias) {
                    let values = self.shape.vector(node, tensor)?;
                    self.parameters(&described(node), &values)?;
                }
                LayerConfig::LayerNorm { epsilon, affine, bias: with_bias }
            }
            What::RmsNorm { epsilon, axis, scale } => {
                self.shape.last_axis(node, axis)?;
                let affine = scale.is_some();
                if let Some(scale) = scale {
                    let values = self.shape.vector(node, scale)?;
                    self.parameters(&described(node), &values)?;
                }
                LayerConfig::RmsNorm { epsilon: Some(epsilon), affine }
            }
            What::Residual(steps) => {
                let layers = self.residual(node, steps)?;
                LayerConfig::Residual { layers }
            }
            _ => return Err(unsupported(node, "it is not supported at this place")),
        })
    }

    fn residual(&mut self, node: &'a NodeProto, steps: Vec<Step<'a>>) -> Result<Vec<LayerConfig>> {
        let before = self.shape.sample.clone();
        let layers = self.chain(steps, false)?;
        // Before a linear operator the number of features may have been unknown.
        let before = if before == [None] { vec![self.shape.inputs] } else { before };
        if layers.is_empty() || before != self.shape.sample {
            let found =
                format!("a sum of samples of shapes {} and {}", shown(&before), shown(&self.shape.sample));
            return Err(Error::unfit(described(node), found, "the same shape, and layers between them"));
        }
        self.shape.sample = before;
        Ok(layers)
    }

    /// Arithmetic at the beginning.
    fn preprocess(&mut self, node: &NodeProto, what: What<'_>) -> Result<()> {
        let (tensor, is_shift) = match what {
            What::Add(tensor) => (tensor, true),
            What::Divide(tensor) => (tensor, false),
            What::Multiply(mut tensor) => {
                tensor.values.iter_mut().for_each(|x| *x = x.recip());
                (tensor, false)
            }
            _ => return Ok(()),
        };
        let mut values = self.shape.columns(node, tensor)?;
        if is_shift {
            for x in &mut values {
                *x = -*x;
            }
        }
        if let Some(x) = values.iter().find(|x| !x.is_finite() || (!is_shift && **x == 0.0)) {
            return Err(Error::unfit(
                described(node),
                format!("a constant that amounts to {x}"),
                "finite numbers, none to divide by 0",
            ));
        }
        let nothing = |x: f64| vec![x];
        match self.preprocess.last_mut() {
            Some(Preprocess::Affine { scale, .. }) if !is_shift && is_one(scale) => *scale = values,
            _ if is_shift => self.preprocess.push(Preprocess::Affine { mean: values, scale: nothing(1.0) }),
            _ => self.preprocess.push(Preprocess::Affine { mean: nothing(0.0), scale: values }),
        }
        Ok(())
    }

    /// Arithmetic with a constant, drawn into what is beside it.
    fn arithmetic(
        &mut self,
        node: &'a NodeProto,
        how: Arithmetic,
        tensor: Tensor,
        pending: Pending<'a>,
        layers: &mut [LayerConfig],
    ) -> Result<Pending<'a>> {
        let is_vector = tensor.dims.len() == 1;
        let values = self.shape.columns(node, tensor)?;
        let (mut affine, node) = match pending {
            Pending::Linear(mut linear) => {
                match how {
                    Arithmetic::Add => linear.add(&values),
                    Arithmetic::Multiply => linear.multiply(&values),
                    Arithmetic::Divide => linear.divide(&values),
                }
                return Ok(Pending::Linear(linear));
            }
            Pending::Nothing => {
                if is_vector
                    && self.shape.features() == Some(values.len())
                    && belongs_to(layers.last_mut(), how)
                {
                    self.parameters(&described(node), &values)?;
                    return Ok(Pending::Nothing);
                }
                (Affine::nothing(), node)
            }
            Pending::Affine(affine, node) => (affine, node),
        };
        match how {
            Arithmetic::Add => affine.add(&values),
            Arithmetic::Multiply => affine.multiply(&values),
            Arithmetic::Divide => affine.divide(&values),
        }
        Ok(Pending::Affine(affine, node))
    }
}

#[derive(Clone, Copy)]
enum Arithmetic {
    Add,
    Multiply,
    Divide,
}

/// Whether a vector is the scale or the shift of the normalisation before it, which then has one.
fn belongs_to(layer: Option<&mut LayerConfig>, how: Arithmetic) -> bool {
    match (layer, how) {
        (Some(LayerConfig::RmsNorm { affine, .. }), Arithmetic::Multiply) if !*affine => {
            *affine = true;
            true
        }
        (Some(LayerConfig::LayerNorm { affine, bias, .. }), Arithmetic::Multiply) if !*affine => {
            (*affine, *bias) = (true, false);
            true
        }
        (Some(LayerConfig::LayerNorm { affine: true, bias, .. }), Arithmetic::Add) if !*bias => {
            *bias = true;
            true
        }
        _ => false,
    }
}

fn is_one(scale: &[f64]) -> bool {
    matches!(scale, [x] if x.to_bits() == 1.0_f64.to_bits())
}

fn push<T: Scalar>(flat: &mut Vec<T>, what: &str, values: &[f64]) -> Result<()> {
    for &x in values {
        let value = T::of(x);
        if !value.is_finite() {
            return Err(Error::unfit(
                what,
                format!("{x}"),
                format!("numbers that are finite as {}", T::NAME),
            ));
        }
        flat.push(value);
    }
    Ok(())
}
