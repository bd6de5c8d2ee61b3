//! The trait behind which every layer lies, so that backpropagation knows none of them by name.
//!
//! # Writing a layer
//!
//! A layer of your own implements [`Layer`] and enters a network by [`NetworkBuilder::layer`](crate::NetworkBuilder::layer); nothing else
//! changes. `examples/own_layer.rs` in the repository is one with parameters. This one has none:
//!
//! ```
//! use chainrule_core::layer::{Kept, Layer, Pass};
//! use chainrule_core::{Activation, Network, Quadratic, Result, Scalar, Targets, gradient_check};
//! use ndarray::{ArrayRef2, array};
//!
//! /// a_j = a_k², so that Δa_k = 2 a_k ⊙ δ_j.
//! #[derive(Debug)]
//! struct Square(usize);
//!
//! impl<T: Scalar> Layer<T> for Square {
//!     fn name(&self) -> &'static str {
//!         "square"
//!     }
//!     fn input_size(&self) -> usize {
//!         self.0
//!     }
//!     fn output_size(&self) -> usize {
//!         self.0
//!     }
//!     fn forward(&self, pass: &Pass<'_, T>, _: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
//!         output.assign(&pass.input);
//!         pass.backend.hadamard(&pass.input, output)
//!     }
//!     fn backward(
//!         &self,
//!         pass: &Pass<'_, T>,
//!         _: Kept<'_, T>,
//!         delta: &ArrayRef2<T>,
//!         below: &mut ArrayRef2<T>,
//!     ) -> Result<()> {
//!         below.assign(delta);
//!         below.map_inplace(|d| *d = *d + *d);
//!         pass.backend.hadamard(&pass.input, below)
//!     }
//! }
//!
//! let network = Network::<f64>::builder(2).dense(3, Activation::Tanh).layer(Square(3)).build(1)?;
//! let (x, y) = (array![[0.5, -1.0]], array![[0.1, 0.2, 0.3]]);
//! let check = gradient_check(&network, &chainrule_naive::Naive, &Quadratic, &x, Targets::Values(y.view()))?;
//! assert!(check.relative_error < 1e-7);
//! # Ok::<(), chainrule_core::Error>(())
//! ```
//!
//! | what the layer has | the methods for it |
//! | --- | --- |
//! | settings that can be wrong | [`Layer::check`] |
//! | parameters | [`Layer::parameters`], [`Layer::initialize`], [`Layer::gradient`] (or [`Layer::backpropagate`], if the two changes share their work) |
//! | something to remember from the forward pass | [`Layer::scratch_len`]; it comes back as [`Kept::scratch`] |
//! | noise | a [`Generator`] of [`Stream::Noise`](crate::random::Stream::Noise) with the pass's seed, step and [`Pass::index`], in [`Mode::Train`] alone |
//! | state that is not trained | [`Layer::buffers`], [`Layer::initialize_buffers`], [`Layer::update_buffers`], [`Pass::buffers`] |
//! | layers inside | [`Layer::count`], [`Layer::parameter_names`], [`Layer::backpropagate`]; [`Residual`](crate::Residual) is one |
//! | a function at its end that a loss may take in | [`Layer::link`], [`Pass::without_link`] |
//!
//! Products and functions of whole matrices go to [`Pass::backend`], whatever it is. Nothing may be allocated in a pass. Names of
//! parameters and buffers are those that PyTorch gives them, so that files fit. [`gradient_check`](crate::gradient_check()) tells whether it is right.

use std::fmt::{self, Debug};
use std::ops::Range;

use ndarray::{ArrayRef2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};

use crate::loss::Link;
use crate::random::Generator;
use crate::{Accumulate, Backend, Descent, LayerConfig, Result, Scalar, Slope};

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
    /// The layer's buffers, in the order of [`Layer::buffers`].
    pub buffers: &'a [T],
    /// The activations of the layer below, batch × n_k. They may have any strides if they are the network's inputs.
    pub input: ArrayView2<'a, T>,
    /// What the pass is for.
    pub mode: Mode,
    /// The position of the layer in the network, those inside of other layers counted as well.
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

/// What becomes of a layer's δ. Slices are as long as the parameters of the layers concerned.
#[derive(Debug)]
pub enum Change<'a, T> {
    /// ΔW = δᵀ X over the batch, kept in the gradient.
    Batch {
        /// W and b.
        parameters: &'a [T],
        /// Whether the gradient is replaced or added to.
        how: Accumulate,
        /// ΔW and Δb.
        gradient: &'a mut [T],
    },
    /// ΔW = δ ⊗ a of a single example, kept in the gradient.
    Example {
        /// W and b.
        parameters: &'a [T],
        /// Whether the gradient is replaced or added to.
        how: Accumulate,
        /// ΔW and Δb.
        gradient: &'a mut [T],
    },
    /// W′ = β W − α ΔW at once.
    Descend {
        /// α and β.
        step: Descent<T>,
        /// W and b, which become W′ and b′.
        parameters: &'a mut [T],
        /// A place to work in.
        gradient: &'a mut [T],
    },
}

impl<T: Scalar> Change<'_, T> {
    /// The parameters as they are before the change.
    #[must_use]
    pub fn parameters(&self) -> &[T] {
        match self {
            Self::Batch { parameters, .. } | Self::Example { parameters, .. } => parameters,
            Self::Descend { parameters, .. } => parameters,
        }
    }

    /// The part of it that concerns a range of the parameters.
    #[must_use]
    pub fn part(&mut self, range: Range<usize>) -> Change<'_, T> {
        match self {
            Self::Batch { parameters, how, gradient } => Change::Batch {
                parameters: &parameters[range.clone()],
                how: *how,
                gradient: &mut gradient[range],
            },
            Self::Example { parameters, how, gradient } => Change::Example {
                parameters: &parameters[range.clone()],
                how: *how,
                gradient: &mut gradient[range],
            },
            Self::Descend { step, parameters, gradient } => Change::Descend {
                step: *step,
                parameters: &mut parameters[range.clone()],
                gradient: &mut gradient[range],
            },
        }
    }
}

/// Where a layer puts the change in activation of the layer below it.
#[derive(Debug)]
pub struct Below<'d, 's, T> {
    /// Becomes Δa_k, or δ_k = Δa_k ⊙ g′(z_k) where there is a slope; batch × n_k.
    pub delta: ArrayViewMut2<'d, T>,
    /// g′(z_k), if the layer below leaves it to this one.
    pub slope: Option<Slope<'s, T>>,
}

/// A layer of a network.
///
/// A layer is immutable: its parameters, activations and gradients lie outside it, in the flat vectors of the
/// [`Network`](crate::Network) and in the [`Workspace`](crate::Workspace). Required are the two directions;
/// a layer with parameters adds [`Layer::parameters`], [`Layer::initialize`] and [`Layer::gradient`]. Sizes of all arguments
/// are as the layer's own methods tell, and matrices other than [`Pass::input`] lie row after row without gaps: a layer may rely on it.
///
/// The [module](self) tells how to write one.
pub trait Layer<T: Scalar>: Debug + Send + Sync {
    /// The kind of layer, for messages and summaries: `"dense"`.
    fn name(&self) -> &'static str;

    /// n_k, the number of inputs.
    fn input_size(&self) -> usize;

    /// n_j, the number of outputs.
    fn output_size(&self) -> usize;

    /// Refuses settings out of range; called when a network is built.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting).
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// The layer as a description that files can hold; none for a kind that [`LayerConfig`] does not know.
    fn config(&self) -> Option<LayerConfig> {
        None
    }

    /// The parameters, in the order in which they lie in the flat vector.
    fn parameters(&self) -> &[Parameter] {
        &[]
    }

    /// The names of the parameters within the layer. A layer that holds others puts their position before theirs: `"0.weight"`.
    fn parameter_names(&self) -> Vec<String> {
        self.parameters().iter().map(|parameter| parameter.name.to_owned()).collect()
    }

    /// Fills the parameters with their initial values.
    fn initialize(&self, generator: &mut Generator, parameters: &mut [T]) {
        let _ = (generator, parameters);
    }

    /// The buffers: what the layer learns other than by gradients, such as the running statistics of batch normalisation. They lie in a flat
    /// vector of the network, in this order.
    fn buffers(&self) -> &[Parameter] {
        &[]
    }

    /// The names of the buffers within the layer, as [`Layer::parameter_names`].
    fn buffer_names(&self) -> Vec<String> {
        self.buffers().iter().map(|buffer| buffer.name.to_owned()).collect()
    }

    /// Fills the buffers with their initial values.
    fn initialize_buffers(&self, buffers: &mut [T]) {
        let _ = buffers;
    }

    /// Changes the buffers by what a forward pass in [`Mode::Train`] left; called once for each batch that is trained on.
    fn update_buffers(&self, kept: Kept<'_, T>, buffers: &mut [T]) {
        let _ = (kept, buffers);
    }

    /// How many layers this one counts for: itself and those inside of it.
    fn count(&self) -> usize {
        1
    }

    /// How many scalars the layer keeps from the forward to the backward pass of a batch, besides its output.
    fn scratch_len(&self, batch: usize) -> usize {
        let _ = batch;
        0
    }

    /// How many scalars [`Layer::backpropagate`] needs to work in.
    fn work_len(&self, batch: usize) -> usize {
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

    /// All that backpropagation does with a layer: the change in activation if `below` is asked for, then the change in parameters.
    /// The pass's parameters are empty here, since a change may hold them to write to; `work` has [`Layer::work_len`] scalars.
    ///
    /// The default calls the methods above. A layer that holds other layers, or whose two changes share much of their work, does it
    /// here at once.
    ///
    /// # Errors
    /// What the backend refuses.
    fn backpropagate(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: Option<Below<'_, '_, T>>,
        change: Change<'_, T>,
        work: &mut [T],
    ) -> Result<()> {
        let _ = work;
        if let Some(Below { delta: mut below, slope }) = below {
            let pass = Pass { parameters: change.parameters(), ..*pass };
            match slope {
                // δ_k = Δa_k ⊙ g′(z_k), with Δa_k = Wᵀ δ_j
                Some(slope) => self.backward_through(&pass, kept, delta, slope, &mut below)?,
                // Δa_k = Wᵀ δ_j
                None => self.backward(&pass, kept, delta, &mut below)?,
            }
        }
        match change {
            // ΔW = δ_j a_kᵀ, Δb = δ_j
            Change::Batch { parameters, how, gradient } => {
                self.gradient(&Pass { parameters, ..*pass }, kept, delta, how, gradient)
            }
            // ΔW = δ_j ⊗ a_k, Δb = δ_j
            Change::Example { parameters, how, gradient } => {
                self.gradient_of_example(&Pass { parameters, ..*pass }, kept, delta, how, gradient)
            }
            // W′ = W − α ΔW
            Change::Descend { step, parameters, gradient } => {
                self.descend(pass, kept, delta, step, gradient, parameters)
            }
        }
    }
}

/// What a layer does with its change in parameters, `computed`, once it has it, if none of its parameters decays.
pub(crate) fn apply_change<T: Scalar>(
    backend: &dyn Backend<T>,
    computed: &[T],
    change: Change<'_, T>,
) -> Result<()> {
    match change {
        Change::Batch { how, gradient, .. } | Change::Example { how, gradient, .. } => {
            match how {
                Accumulate::Replace => gradient.copy_from_slice(computed),
                Accumulate::Add => gradient.iter_mut().zip(computed).for_each(|(g, &c)| *g += c),
            }
            Ok(())
        }
        Change::Descend { step, parameters, .. } => {
            backend.descend(Descent { decay: T::one(), ..step }, computed, parameters)
        }
    }
}

/// All elements of a matrix that lies row after row: those that [`Layer`] promises.
#[inline]
pub(crate) fn elements<T>(matrix: &ArrayRef2<T>) -> &[T] {
    matrix.as_slice().expect("the matrices of a layer have no gaps")
}

/// [`elements`], to write to.
#[inline]
pub(crate) fn elements_mut<T>(matrix: &mut ArrayRef2<T>) -> &mut [T] {
    matrix.as_slice_mut().expect("the matrices of a layer have no gaps")
}

/// The matrix, rows × columns, that lies row after row in a slice of at least that length.
#[inline]
pub(crate) fn matrix<T>(slice: &[T], rows: usize, columns: usize) -> ArrayView2<'_, T> {
    // Many times as fast as `ArrayView2::from_shape`, which a tiny network would notice.
    let vector = ArrayView1::from(&slice[..rows * columns]);
    vector.into_shape_with_order((rows, columns)).expect("as long as its shape")
}

/// [`matrix`], to write to.
#[inline]
pub(crate) fn matrix_mut<T>(slice: &mut [T], rows: usize, columns: usize) -> ArrayViewMut2<'_, T> {
    let vector = ArrayViewMut1::from(&mut slice[..rows * columns]);
    vector.into_shape_with_order((rows, columns)).expect("as long as its shape")
}

/// The rows from `start` to `end` of a matrix.
#[inline]
pub(crate) fn rows_of<T>(matrix: ArrayView2<'_, T>, start: usize, end: usize) -> ArrayView2<'_, T> {
    matrix.split_at(Axis(0), end).0.split_at(Axis(0), start).1
}
