//! A network: a chain of layers over one flat vector of parameters.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use crate::aligned::Aligned;
use crate::builder::NetworkBuilder;
use crate::layer::{Layer, Parameter, matrix, matrix_mut};
use crate::random::{Generator, Stream};
use crate::stack::Stack;
use crate::{Result, Scalar};

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
    pub(crate) stack: Stack<T>,
    pub(crate) parameters: Aligned<T>,
    pub(crate) buffers: Vec<T>,
}

/// A parameter or buffer of a network and where it lies.
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
        NetworkBuilder::new(inputs)
    }

    /// A network of layers that fit together, with the initial parameters that `seed` means.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) without layers or with a layer of size 0, [`Error::Shape`](crate::Error::Shape) if a
    /// layer's inputs are not the outputs of the one before, [`Error::Setting`](crate::Error::Setting) for a layer's setting out of range.
    pub fn new(layers: Vec<Arc<dyn Layer<T>>>, seed: u64) -> Result<Self> {
        let stack = Stack::new("the network", layers)?;
        let parameters = Aligned::zeros(stack.parameters_len());
        let buffers = vec![T::zero(); stack.buffers_len()];
        let mut network = Self { stack, parameters, buffers };
        network.initialize(seed);
        Ok(network)
    }

    /// A network of layers that fit together, with these parameters and buffers, flat as [`Network::parameters`] and [`Network::buffers`] are.
    ///
    /// # Errors
    /// As [`Network::new`]; [`Error::Shape`](crate::Error::Shape) for another number of parameters or buffers than the layers have.
    pub fn from_parts(layers: Vec<Arc<dyn Layer<T>>>, parameters: &[T], buffers: &[T]) -> Result<Self> {
        let stack = Stack::new("the network", layers)?;
        let what = "putting a network together";
        crate::check::same_length(what, "the parameters", parameters.len(), stack.parameters_len())?;
        crate::check::same_length(what, "the buffers", buffers.len(), stack.buffers_len())?;
        let mut own = Aligned::zeros(parameters.len());
        own.copy_from_slice(parameters);
        Ok(Self { stack, parameters: own, buffers: buffers.to_vec() })
    }

    /// Sets all parameters and buffers to the initial values that `seed` means.
    pub fn initialize(&mut self, seed: u64) {
        self.stack.initialize(&mut Generator::new(seed, Stream::Initial), &mut self.parameters);
        self.stack.initialize_buffers(&mut self.buffers);
    }

    /// The layers, from the input to the output.
    #[must_use]
    pub fn layers(&self) -> &[Arc<dyn Layer<T>>] {
        &self.stack.layers
    }

    /// n_x, the number of inputs.
    #[must_use]
    pub fn input_size(&self) -> usize {
        self.stack.input_size()
    }

    /// n_y, the number of outputs.
    #[must_use]
    pub fn output_size(&self) -> usize {
        self.stack.last().output_size()
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
        self.stack.ranges[layer].clone()
    }

    /// All buffers, layer after layer: what layers learn other than by gradients, such as running statistics. Part of a trained
    /// network as much as the parameters.
    #[must_use]
    pub fn buffers(&self) -> &[T] {
        &self.buffers
    }

    /// All buffers, to write to.
    pub fn buffers_mut(&mut self) -> &mut [T] {
        &mut self.buffers
    }

    /// Every parameter with its name, shape and range, in the order of the flat vector.
    #[must_use]
    pub fn named_parameters(&self) -> Vec<NamedParameter> {
        let of = |layer: &dyn Layer<T>| (layer.parameter_names(), layer.parameters().to_vec());
        self.named(&self.stack.ranges, of)
    }

    /// Every buffer with its name, shape and range, in the order of the flat vector.
    #[must_use]
    pub fn named_buffers(&self) -> Vec<NamedParameter> {
        let of = |layer: &dyn Layer<T>| (layer.buffer_names(), layer.buffers().to_vec());
        self.named(&self.stack.buffer_ranges, of)
    }

    fn named(
        &self,
        ranges: &[Range<usize>],
        of: impl Fn(&dyn Layer<T>) -> (Vec<String>, Vec<Parameter>),
    ) -> Vec<NamedParameter> {
        let mut named = Vec::new();
        for (index, (layer, range)) in self.layers().iter().zip(ranges).enumerate() {
            let mut start = range.start;
            let (names, parameters) = of(&**layer);
            for (name, parameter) in names.into_iter().zip(parameters) {
                let range = start..start + parameter.len();
                start = range.end;
                named.push(NamedParameter { name: format!("{index}.{name}"), parameter, range });
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
        let mut start = self.stack.ranges.get(layer)?.start;
        let layer = &self.stack.layers[layer];
        for (parameter, of_layer) in layer.parameters().iter().zip(layer.parameter_names()) {
            if of_layer == name {
                return Some((start..start + parameter.len(), parameter.rows, parameter.columns));
            }
            start += parameter.len();
        }
        None
    }
}
