//! The trait behind which every layer lies, so that backpropagation knows none of them by name.

use std::fmt::{self, Debug};

use ndarray::{ArrayRef2, ArrayView2, ArrayViewMut2, Axis};

use crate::loss::Link;
use crate::random::Generator;
use crate::{Accumulate, Backend, Descent, Result, Scalar, Slope};

/// A parameter of a layer: a matrix or a vector.
///
/// A matrix is rows × columns with the row as its destination, as the weights W of a dense layer. Its memory order in
/// the flat vector is the other way round: column after column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// The name within the layer: `"weight"` or `"bias"`.
    pub name: &'static str,
    /// Rows, or the length of a vector.
    pub rows: usize,
    /// Columns; none for a vector.
    pub columns: Option<usize>,
    /// Whether weight decay applies: to weights, not to biases.
    pub decays: bool,
}

impl Parameter {
    /// The number of scalars.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows * self.columns.unwrap_or(1)
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a pass through the network is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// To use the network, or to measure it.
    #[default]
    Evaluate,
    /// To train it. Layers that draw noise, such as dropout, draw it from the seed and the step.
    Train {
        /// The seed of the training run.
        seed: u64,
        /// The step since training began, counted from 0.
        step: u64,
    },
}

/// What a layer may look at in either direction.
#[derive(Clone, Copy)]
pub struct Pass<'a, T> {
    /// What computes.
    pub backend: &'a dyn Backend<T>,
    /// The layer's parameters, in the order of [`Layer::parameters`].
    pub parameters: &'a [T],
    /// The activations of the layer below, batch × n_k.
    pub input: ArrayView2<'a, T>,
    /// What the pass is for.
    pub mode: Mode,
    /// The position of the layer in the network.
    pub index: usize,
    /// Whether the layer's [`Layer::link`] is left out, since the loss takes it in.
    pub without_link: bool,
}

impl<T> Debug for Pass<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("index", &self.index).field("mode", &self.mode).finish_non_exhaustive()
    }
}

/// What the forward pass of a layer left for its backward pass.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a, T> {
    /// The layer's output, batch × n_j.
    pub output: ArrayView2<'a, T>,
    /// The scratch that [`Layer::forward`] was given.
    pub scratch: &'a [T],
}

/// A layer of a network.
///
/// A layer is immutable: its parameters, activations and gradients lie outside it, in the flat vectors of the
/// [`Network`](crate::Network) and in the [`Workspace`](crate::Workspace). Required are the two directions;
/// a layer with parameters adds [`Layer::parameters`], [`Layer::initialize`] and [`Layer::gradient`]. Sizes of all arguments
/// are as the layer's own methods tell: a layer may rely on them.
pub trait Layer<T: Scalar>: Debug + Send + Sync {
    /// The kind of layer, for messages and summaries: `"dense"`.
    fn name(&self) -> &'static str;

    /// n_k, the number of inputs.
    fn input_size(&self) -> usize;

    /// n_j, the number of outputs.
    fn output_size(&self) -> usize;

    /// The parameters, in the order in which they lie in the flat vector.
    fn parameters(&self) -> &[Parameter] {
        &[]
    }

    /// Fills the parameters with their initial values.
    fn initialize(&self, generator: &mut Generator, parameters: &mut [T]) {
        let _ = (generator, parameters);
    }

    /// How many scalars the layer keeps from the forward to the backward pass of a batch, besides its output.
    fn scratch_len(&self, batch: usize) -> usize {
        let _ = batch;
        0
    }

    /// The function that the layer ends with, if a loss may take it in.
    fn link(&self) -> Option<Link> {
        None
    }

    /// Forward propagation: computes `output`, batch × n_j, from the pass's input.
    ///
    /// # Errors
    /// What the backend refuses.
    fn forward(&self, pass: &Pass<'_, T>, scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()>;

    /// The slope g′(z) of the activation that the layer ends with, if that is left to its neighbours: then
    /// [`Layer::backward`] and [`Layer::gradient`] get δ = Δa ⊙ g′(z), else they get Δa itself.
    fn slope<'a>(&self, without_link: bool, kept: Kept<'a, T>) -> Option<Slope<'a, T>> {
        let _ = (without_link, kept);
        None
    }

    /// The change in activation: computes Δa_k (`below`, batch × n_k) from δ_j (`delta`, batch × n_j).
    ///
    /// # Errors
    /// What the backend refuses.
    fn backward(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()>;

    /// [`Layer::backward`] and the Hadamard product with the slope of the layer below: δ_k = Δa_k ⊙ g′(z_k).
    ///
    /// # Errors
    /// What the backend refuses.
    fn backward_through(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        slope: Slope<'_, T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        self.backward(pass, kept, delta, below)?;
        pass.backend.apply_slope(slope, below)
    }

    /// The change in parameters, summed over the batch, into `gradient` (as long as the parameters).
    ///
    /// # Errors
    /// What the backend refuses.
    fn gradient(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        how: Accumulate,
        gradient: &mut [T],
    ) -> Result<()> {
        let _ = (pass, kept, delta, how, gradient);
        Ok(())
    }

    /// [`Layer::gradient`] of a single example in its textbook form, by the outer product. The batch has one row.
    ///
    /// # Errors
    /// What the backend refuses.
    fn gradient_of_example(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        how: Accumulate,
        gradient: &mut [T],
    ) -> Result<()> {
        self.gradient(pass, kept, delta, how, gradient)
    }

    /// [`Layer::gradient`] and the step of gradient descent as one, W′ = β W − α ΔW, where nobody needs the gradient
    /// itself. Here the parameters are the argument, the pass's are empty; parameters that do not decay have β = 1.
    /// `gradient` is a place to work in.
    ///
    /// # Errors
    /// What the backend refuses.
    fn descend(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        step: Descent<T>,
        gradient: &mut [T],
        parameters: &mut [T],
    ) -> Result<()> {
        self.gradient(pass, kept, delta, Accumulate::Replace, gradient)?;
        let (mut gradient, mut parameters) = (&*gradient, parameters);
        for parameter in self.parameters() {
            let (dw, w);
            (dw, gradient) = gradient.split_at(parameter.len());
            (w, parameters) = parameters.split_at_mut(parameter.len());
            let decay = if parameter.decays { step.decay } else { T::one() };
            pass.backend.descend(Descent { decay, ..step }, dw, w)?;
        }
        Ok(())
    }
}

/// The matrix, rows × columns, that lies row after row in a slice of at least that length.
#[inline]
pub(crate) fn matrix<T>(slice: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((rows, columns), &slice[..rows * columns]).expect("as long as its shape")
}

/// [`matrix`], to write to.
#[inline]
pub(crate) fn matrix_mut<T>(slice: &mut [T], rows: usize, columns: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((rows, columns), &mut slice[..rows * columns]).expect("as long as its shape")
}

/// The rows from `start` to `end` of a matrix.
#[inline]
pub(crate) fn rows_of<T>(matrix: ArrayView2<'_, T>, start: usize, end: usize) -> ArrayView2<'_, T> {
    matrix.split_at(Axis(0), end).0.split_at(Axis(0), start).1
}
