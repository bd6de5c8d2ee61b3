//! Building a network layer by layer.

use std::sync::Arc;

use crate::layer::Layer;
use crate::{
    Activation, BatchNorm, Dense, Dropout, Elementwise, Error, Initializer, LayerNorm, LogSoftmax, Network,
    Prelu, Residual, Result, RmsNorm, Scalar, Softmax,
};

/// Builds a [`Network`] layer by layer; [`NetworkBuilder::build`] tells what was wrong.
#[derive(Debug)]
pub struct NetworkBuilder<T> {
    inputs: usize,
    layers: Vec<Arc<dyn Layer<T>>>,
    error: Option<Error>,
}

impl<T: Scalar> NetworkBuilder<T> {
    pub(crate) fn new(inputs: usize) -> Self {
        Self { inputs, layers: Vec::new(), error: None }
    }

    /// The layers so far, or the first thing that was wrong with one.
    fn finish(self) -> Result<Vec<Arc<dyn Layer<T>>>> {
        if let Some(error) = self.error {
            return Err(error);
        }
        match self.layers.first().map(|first| first.input_size()) {
            Some(found) if found != self.inputs => Err(Error::Shape {
                operation: "building a network",
                operand: "the first layer's input",
                found: found.into(),
                expected: self.inputs.into(),
            }),
            _ => Ok(self.layers),
        }
    }

    fn size(&self) -> usize {
        self.layers.last().map_or(self.inputs, |layer| layer.output_size())
    }

    /// Adds a layer of any kind.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer<T> + 'static) -> Self {
        self.layers.push(Arc::new(layer));
        self
    }

    /// Adds a dense layer of n_j outputs with its activation and the usual initial values (see [`Dense::new`]).
    #[must_use]
    pub fn dense(self, outputs: usize, activation: Activation) -> Self {
        self.dense_with(outputs, activation, |dense| dense)
    }

    /// Adds a dense layer after `change` has had its way with it.
    ///
    /// ```
    /// use chainrule_core::{Activation, Initializer, Network};
    /// let network = Network::<f64>::builder(4)
    ///     .dense_with(3, Activation::Tanh, |dense| dense.initializer(Initializer::Orthogonal).without_bias())
    ///     .build(1)?;
    /// assert!(network.bias(0).is_none());
    /// # Ok::<(), chainrule_core::Error>(())
    /// ```
    #[must_use]
    pub fn dense_with(
        self,
        outputs: usize,
        activation: Activation,
        change: impl FnOnce(Dense) -> Dense,
    ) -> Self {
        let dense = change(Dense::new(self.size(), outputs, activation));
        self.layer(dense)
    }

    /// Adds a dense layer with the same initialiser for its weights and its biases.
    #[must_use]
    pub fn dense_from(self, outputs: usize, activation: Activation, values: Initializer) -> Self {
        self.dense_with(outputs, activation, |dense| dense.initializer(values).bias_initializer(values))
    }

    /// Adds an activation as a layer of its own.
    #[must_use]
    pub fn activation(self, activation: Activation) -> Self {
        let size = self.size();
        self.layer(Elementwise::new(size, activation))
    }

    /// Adds softmax over the outputs so far.
    #[must_use]
    pub fn softmax(self) -> Self {
        let size = self.size();
        self.layer(Softmax::new(size))
    }

    /// Adds the logarithm of softmax over the outputs so far.
    #[must_use]
    pub fn log_softmax(self) -> Self {
        let size = self.size();
        self.layer(LogSoftmax::new(size))
    }

    /// Adds dropout, which sets each output so far to 0 with the probability given while the network is trained.
    #[must_use]
    pub fn dropout(self, probability: f64) -> Self {
        let size = self.size();
        self.layer(Dropout::new(size, probability))
    }

    /// Adds batch normalisation with PyTorch's defaults; [`NetworkBuilder::layer`] takes a [`BatchNorm`] with others.
    #[must_use]
    pub fn batch_norm(self) -> Self {
        let size = self.size();
        self.layer(BatchNorm::new(size))
    }

    /// Adds layer normalisation with PyTorch's defaults; [`NetworkBuilder::layer`] takes a [`LayerNorm`] with others.
    #[must_use]
    pub fn layer_norm(self) -> Self {
        let size = self.size();
        self.layer(LayerNorm::new(size))
    }

    /// Adds RMS normalisation with PyTorch's defaults; [`NetworkBuilder::layer`] takes an [`RmsNorm`] with others.
    #[must_use]
    pub fn rms_norm(self) -> Self {
        let size = self.size();
        self.layer(RmsNorm::new(size))
    }

    /// Adds a ReLU whose slope below 0 is trained, the same for all outputs so far.
    #[must_use]
    pub fn prelu(self) -> Self {
        let size = self.size();
        self.layer(Prelu::new(size))
    }

    /// Adds a block of layers and the sum of its outputs and its inputs, of which there are as many.
    ///
    /// ```
    /// use chainrule_core::{Activation, Network};
    /// let network = Network::<f32>::builder(4)
    ///     .residual(|block| block.layer_norm().dense(16, Activation::Gelu).dense(4, Activation::Identity))
    ///     .build(1)?;
    /// assert_eq!(network.named_parameters()[2].name, "0.1.weight");
    /// # Ok::<(), chainrule_core::Error>(())
    /// ```
    #[must_use]
    pub fn residual(mut self, block: impl FnOnce(Self) -> Self) -> Self {
        let block = block(Self::new(self.size()));
        match block.finish().and_then(Residual::new) {
            Ok(layer) => self.layer(layer),
            Err(error) => {
                self.error.get_or_insert(error);
                self
            }
        }
    }

    /// The network, with the initial parameters that `seed` means.
    ///
    /// # Errors
    /// The first thing that was wrong with a layer, else as [`Network::new`].
    pub fn build(self, seed: u64) -> Result<Network<T>> {
        Network::new(self.finish()?, seed)
    }
}
