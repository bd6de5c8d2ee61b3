//! The memory of a training step, allocated once.

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::aligned::Aligned;
use crate::layer::{Kept, matrix, matrix_mut};
use crate::{Error, Network, Result, Scalar};

/// Every activation, change and gradient of a step, sized once from a network and the largest batch.
///
/// ```
/// use chainrule_core::{Activation, Network, Workspace};
/// let network = Network::<f64>::builder(2).dense(3, Activation::Tanh).build(1)?;
/// let workspace = Workspace::new(&network, 8)?;
/// assert_eq!(workspace.batch(), 8);
/// assert_eq!(workspace.gradient().len(), network.parameters().len());
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Workspace<T> {
    batch: usize,
    /// Rows of the pass last made.
    pub(crate) rows: usize,
    pub(crate) layers: Vec<LayerBuffers<T>>,
    /// δ_j of the layer at hand, and the δ_k that is made from it; they change places.
    pub(crate) delta: Aligned<T>,
    pub(crate) below: Aligned<T>,
    pub(crate) gradient: Aligned<T>,
}

/// What one layer keeps.
#[derive(Clone, Debug)]
pub(crate) struct LayerBuffers<T> {
    columns: usize,
    output: Aligned<T>,
    pub(crate) scratch: Aligned<T>,
}

impl<T: Scalar> LayerBuffers<T> {
    pub(crate) fn output(&self, rows: usize) -> ArrayView2<'_, T> {
        matrix(&self.output, rows, self.columns)
    }

    pub(crate) fn parts_mut(&mut self, rows: usize) -> (ArrayViewMut2<'_, T>, &mut [T]) {
        (matrix_mut(&mut self.output, rows, self.columns), &mut self.scratch)
    }

    pub(crate) fn kept(&self, rows: usize) -> Kept<'_, T> {
        Kept { output: self.output(rows), scratch: &self.scratch }
    }
}

impl<T: Scalar> Workspace<T> {
    /// For training with batches of up to `batch` rows.
    ///
    /// # Errors
    /// [`Error::Setting`] for a batch of 0 rows, or of so many that memory has no numbers for it.
    pub fn new(network: &Network<T>, batch: usize) -> Result<Self> {
        let mut workspace = Self::for_inference(network, batch)?;
        let widest = network.layers().iter().map(|layer| layer.output_size()).max().unwrap_or(0);
        workspace.delta = Aligned::new(T::zero(), batch * widest);
        workspace.below = Aligned::new(T::zero(), batch * widest);
        workspace.gradient = Aligned::new(T::zero(), network.parameters().len());
        Ok(workspace)
    }

    /// For the forward pass alone, with batches of up to `batch` rows.
    ///
    /// # Errors
    /// [`Error::Setting`] for a batch of 0 rows, or of so many that memory has no numbers for it.
    pub fn for_inference(network: &Network<T>, batch: usize) -> Result<Self> {
        let refuse =
            || Error::setting("the batch size", batch, "at least 1, and that times a layer fits in memory");
        if batch == 0 {
            return Err(refuse());
        }
        let layers = network.layers().iter().map(|layer| {
            let columns = layer.output_size();
            let size =
                batch.checked_mul(columns).filter(|&n| n <= isize::MAX as usize / 16).ok_or_else(refuse)?;
            let (output, scratch) =
                (Aligned::new(T::zero(), size), Aligned::new(T::zero(), layer.scratch_len(batch)));
            Ok(LayerBuffers { columns, output, scratch })
        });
        let layers = layers.collect::<Result<_>>()?;
        let none = || Aligned::new(T::zero(), 0);
        Ok(Self { batch, rows: 0, layers, delta: none(), below: none(), gradient: none() })
    }

    /// The largest number of rows of a batch.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The activations a_j of a layer from the pass last made, batch × n_j.
    ///
    /// After a pass for a loss that takes in the last layer's link, the last layer's are the logits.
    #[must_use]
    pub fn activations(&self, layer: usize) -> ArrayView2<'_, T> {
        self.layers[layer].output(self.rows)
    }

    /// The outputs of the network from the pass last made, batch × n_y.
    #[must_use]
    pub fn output(&self) -> ArrayView2<'_, T> {
        self.activations(self.layers.len() - 1)
    }

    /// The gradient by all parameters, in their order, of the step last made.
    #[must_use]
    pub fn gradient(&self) -> &[T] {
        &self.gradient
    }

    /// The bytes that a workspace for training takes.
    #[must_use]
    pub fn bytes(network: &Network<T>, batch: usize) -> usize {
        let widest = network.layers().iter().map(|layer| layer.output_size()).max().unwrap_or(0);
        let kept: usize =
            network.layers().iter().map(|layer| batch * layer.output_size() + layer.scratch_len(batch)).sum();
        (kept + 2 * batch * widest + network.parameters().len()) * size_of::<T>()
    }

    /// Refuses inputs that this workspace has no room for, or that the network has no inputs for.
    pub(crate) fn check(&self, network: &Network<T>, inputs: (usize, usize), training: bool) -> Result<()> {
        let fits = |layer: &LayerBuffers<T>, size: usize| layer.columns == size;
        let expected = (inputs.0.min(self.batch), network.input_size());
        if inputs.1 != network.input_size() || inputs.0 > self.batch {
            return Err(Error::Shape {
                operation: "a pass through the network",
                operand: "inputs",
                found: inputs.into(),
                expected: expected.into(),
            });
        }
        let same = self.layers.len() == network.layers().len()
            && self.layers.iter().zip(network.layers()).all(|(mine, layer)| fits(mine, layer.output_size()));
        let gradient = if training { network.parameters().len() } else { self.gradient.len() };
        if !same || self.gradient.len() != gradient {
            return Err(Error::Shape {
                operation: "a pass through the network",
                operand: "the workspace (of another network, or for inference only)",
                found: self.gradient.len().into(),
                expected: network.parameters().len().into(),
            });
        }
        Ok(())
    }
}
