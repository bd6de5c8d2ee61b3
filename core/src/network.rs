//! A network: a chain of layers over one flat vector of parameters.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use crate::aligned::Aligned;
use crate::dense::Dense;
use crate::layer::{Layer, Parameter, matrix, matrix_mut};
use crate::random::{Generator, Stream};
use crate::softmax::{Elementwise, Softmax};
use crate::{Activation, Error, Initializer, Result, Scalar};

/// A feed-forward network: layers in a chain, and all their parameters in one flat vector.
///
/// ```
/// use chainrule_core::{Activation, Network};
/// let network = Network::<f32>::builder(784)
///     .dense(30, Activation::Sigmoid)
///     .dense(10, Activation::Sigmoid)
///     .build(1)?;
/// assert_eq!(network.parameters().len(), 784 * 30 + 30 + 30 * 10 + 10);
/// assert_eq!(network.weights(0).unwrap().dim(), (30, 784));
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Network<T> {
    pub(crate) layers: Vec<Arc<dyn Layer<T>>>,
    /// The range of each layer in `parameters`.
    pub(crate) ranges: Vec<Range<usize>>,
    pub(crate) parameters: Aligned<T>,
}

/// A parameter of a network and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedParameter {
    /// The layer's position and the parameter's name: `"0.weight"`, as in PyTorch's `Sequential`.
    pub name: String,
    /// Its shape and kind.
    pub parameter: Parameter,
    /// Its range in the flat vector.
    pub range: Range<usize>,
}

impl NamedParameter {
    /// The name of one scalar, `"0.weight[3, 17]"`, of the one at `offset` in the range.
    #[must_use]
    pub fn element(&self, offset: usize) -> String {
        match self.parameter.columns {
            Some(_) => {
                format!("{}[{}, {}]", self.name, offset % self.parameter.rows, offset / self.parameter.rows)
            }
            None => format!("{}[{offset}]", self.name),
        }
    }
}

impl<T: Scalar> Network<T> {
    /// Starts a network of `inputs` inputs.
    #[must_use]
    pub fn builder(inputs: usize) -> NetworkBuilder<T> {
        NetworkBuilder { inputs, layers: Vec::new(), error: None }
    }

    /// A network of layers that fit together, with the initial parameters that `seed` means.
    ///
    /// # Errors
    /// [`Error::Empty`] without layers or with a layer of size 0, [`Error::Shape`] if a layer's inputs are not the outputs of the
    /// one before.
    pub fn new(layers: Vec<Arc<dyn Layer<T>>>, seed: u64) -> Result<Self> {
        let Some(first) = layers.first() else {
            return Err(Error::Empty { what: "the network", expected: "layer" });
        };
        let mut size = first.input_size();
        let mut ranges = Vec::with_capacity(layers.len());
        let mut end = 0;
        for layer in &layers {
            if layer.input_size() != size {
                return Err(Error::Shape {
                    operation: "building a network",
                    operand: "a layer's input",
                    found: layer.input_size().into(),
                    expected: size.into(),
                });
            }
            if size == 0 || layer.output_size() == 0 {
                return Err(Error::Empty { what: "a layer", expected: "input and output" });
            }
            let start = end;
            end += layer.parameters().iter().map(Parameter::len).sum::<usize>();
            ranges.push(start..end);
            size = layer.output_size();
        }
        let mut network = Self { layers, ranges, parameters: Aligned::new(T::zero(), end) };
        network.initialize(seed);
        Ok(network)
    }

    /// Sets all parameters to the initial values that `seed` means.
    pub fn initialize(&mut self, seed: u64) {
        let mut generator = Generator::new(seed, Stream::Initial);
        for (layer, range) in self.layers.iter().zip(&self.ranges) {
            layer.initialize(&mut generator, &mut self.parameters[range.clone()]);
        }
    }

    /// The layers, from the input to the output.
    #[must_use]
    pub fn layers(&self) -> &[Arc<dyn Layer<T>>] {
        &self.layers
    }

    /// n_x, the number of inputs.
    #[must_use]
    pub fn input_size(&self) -> usize {
        self.layers[0].input_size()
    }

    /// n_y, the number of outputs.
    #[must_use]
    pub fn output_size(&self) -> usize {
        self.layers[self.layers.len() - 1].output_size()
    }

    /// All parameters, layer after layer.
    #[must_use]
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// All parameters, to write to.
    pub fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }

    /// The range of a layer in [`Network::parameters`].
    #[must_use]
    pub fn range(&self, layer: usize) -> Range<usize> {
        self.ranges[layer].clone()
    }

    /// Every parameter with its name, shape and range, in the order of the flat vector.
    #[must_use]
    pub fn named_parameters(&self) -> Vec<NamedParameter> {
        let mut named = Vec::new();
        for (index, (layer, range)) in self.layers.iter().zip(&self.ranges).enumerate() {
            let mut start = range.start;
            for &parameter in layer.parameters() {
                let range = start..start + parameter.len();
                start = range.end;
                named.push(NamedParameter { name: format!("{index}.{}", parameter.name), parameter, range });
            }
        }
        named
    }

    /// The weights W of a layer, n_j × n_k, row = destination; none for a layer without weights.
    #[must_use]
    pub fn weights(&self, layer: usize) -> Option<ArrayView2<'_, T>> {
        let (range, rows, columns) = self.find(layer, "weight")?;
        Some(matrix(&self.parameters[range], columns?, rows).reversed_axes())
    }

    /// The weights W of a layer, to write to.
    pub fn weights_mut(&mut self, layer: usize) -> Option<ArrayViewMut2<'_, T>> {
        let (range, rows, columns) = self.find(layer, "weight")?;
        Some(matrix_mut(&mut self.parameters[range], columns?, rows).reversed_axes())
    }

    /// The bias b of a layer, n_j; none for a layer without a bias.
    #[must_use]
    pub fn bias(&self, layer: usize) -> Option<ArrayView1<'_, T>> {
        let (range, ..) = self.find(layer, "bias")?;
        Some(ArrayView1::from(&self.parameters[range]))
    }

    /// The bias b of a layer, to write to.
    pub fn bias_mut(&mut self, layer: usize) -> Option<ArrayViewMut1<'_, T>> {
        let (range, ..) = self.find(layer, "bias")?;
        Some(ArrayViewMut1::from(&mut self.parameters[range]))
    }

    fn find(&self, layer: usize, name: &str) -> Option<(Range<usize>, usize, Option<usize>)> {
        let mut start = self.ranges.get(layer)?.start;
        for parameter in self.layers[layer].parameters() {
            if parameter.name == name {
                return Some((start..start + parameter.len(), parameter.rows, parameter.columns));
            }
            start += parameter.len();
        }
        None
    }
}

/// Builds a [`Network`] layer by layer; [`NetworkBuilder::build`] tells what was wrong.
#[derive(Debug)]
pub struct NetworkBuilder<T> {
    inputs: usize,
    layers: Vec<Arc<dyn Layer<T>>>,
    error: Option<Error>,
}

impl<T: Scalar> NetworkBuilder<T> {
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
        mut self,
        outputs: usize,
        activation: Activation,
        change: impl FnOnce(Dense) -> Dense,
    ) -> Self {
        let dense = change(Dense::new(self.size(), outputs, activation));
        if let Err(error) = dense.check() {
            self.error.get_or_insert(error);
        }
        self.layer(dense)
    }

    /// Adds a dense layer with the same initialiser for its weights and its biases.
    #[must_use]
    pub fn dense_from(self, outputs: usize, activation: Activation, values: Initializer) -> Self {
        self.dense_with(outputs, activation, |dense| dense.initializer(values).bias_initializer(values))
    }

    /// Adds an activation as a layer of its own.
    #[must_use]
    pub fn activation(mut self, activation: Activation) -> Self {
        if let Err(error) = activation.check() {
            self.error.get_or_insert(error);
        }
        let size = self.size();
        self.layer(Elementwise::new(size, activation))
    }

    /// Adds softmax over the outputs so far.
    #[must_use]
    pub fn softmax(self) -> Self {
        let size = self.size();
        self.layer(Softmax::new(size))
    }

    /// The network, with the initial parameters that `seed` means.
    ///
    /// # Errors
    /// The first thing that was wrong with a layer, else as [`Network::new`].
    pub fn build(self, seed: u64) -> Result<Network<T>> {
        match self.error {
            Some(error) => Err(error),
            None => Network::new(self.layers, seed),
        }
    }
}
