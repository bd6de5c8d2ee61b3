//! The memory of a training step, allocated once.

use std::sync::Arc;

use ndarray::ArrayView2;

use crate::aligned::Aligned;
use crate::layer::Layer;
use crate::stack::Place;
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
    /// The layers that `memory` is for; what lies where in it depends on them and on the rows.
    layers: Vec<Arc<dyn Layer<T>>>,
    /// The output and the scratch of each layer in turn.
    pub(crate) memory: Aligned<T>,
    /// δ_j of the layer at hand, and the δ_k that is made from it; they change places.
    pub(crate) delta: Aligned<T>,
    pub(crate) below: Aligned<T>,
    /// What a layer may work in while it goes backwards.
    pub(crate) work: Aligned<T>,
    pub(crate) gradient: Aligned<T>,
}

impl<T: Scalar> Workspace<T> {
    /// For training with batches of up to `batch` rows.
    ///
    /// # Errors
    /// [`Error::Setting`] for a batch of 0 rows, or of so many that memory has no numbers for it.
    pub fn new(network: &Network<T>, batch: usize) -> Result<Self> {
        let mut workspace = Self::for_inference(network, batch)?;
        let widest = batch.checked_mul(network.stack.widest()).filter(|&n| n <= LARGEST);
        let widest = widest.ok_or_else(|| too_large(batch))?;
        let work = network.stack.work_len(batch);
        if work > LARGEST {
            return Err(too_large(batch));
        }
        workspace.delta = Aligned::zeros(widest);
        workspace.below = Aligned::zeros(widest);
        workspace.work = Aligned::zeros(work);
        workspace.gradient = Aligned::zeros(network.parameters().len());
        Ok(workspace)
    }

    /// For the forward pass alone, with batches of up to `batch` rows.
    ///
    /// # Errors
    /// [`Error::Setting`] for a batch of 0 rows, or of so many that memory has no numbers for it.
    pub fn for_inference(network: &Network<T>, batch: usize) -> Result<Self> {
        let widest = batch.checked_mul(network.stack.widest()).filter(|&n| n <= LARGEST);
        if batch == 0 || widest.is_none() {
            return Err(too_large(batch));
        }
        let size = network.stack.memory_len(batch);
        if size > LARGEST {
            return Err(too_large(batch));
        }
        Ok(Self {
            batch,
            rows: 0,
            layers: network.layers().to_vec(),
            memory: Aligned::zeros(size),
            delta: Aligned::zeros(0),
            below: Aligned::zeros(0),
            work: Aligned::zeros(0),
            gradient: Aligned::zeros(0),
        })
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
        let place = |layer: &Arc<dyn Layer<T>>| Place::of(&**layer, self.rows);
        let start: usize = self.layers[..layer].iter().map(|layer| place(layer).len()).sum();
        let place = place(&self.layers[layer]);
        place.kept(&self.memory[start..start + place.len()]).output
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
        let (stack, of) = (&network.stack, Aligned::<T>::bytes);
        let change = of(batch.saturating_mul(stack.widest()));
        let gradient = of(network.parameters().len());
        [change, change, of(stack.work_len(batch)), gradient]
            .into_iter()
            .fold(Self::inference_bytes(network, batch), usize::saturating_add)
    }

    /// The bytes that a workspace for the forward pass takes.
    #[must_use]
    pub fn inference_bytes(network: &Network<T>, batch: usize) -> usize {
        Aligned::<T>::bytes(network.stack.memory_len(batch))
    }

    /// Refuses inputs that this workspace has no room for, or that the network has no inputs for.
    pub(crate) fn check(&self, network: &Network<T>, inputs: (usize, usize), training: bool) -> Result<()> {
        let fits = |(mine, theirs): (&Arc<dyn Layer<T>>, &Arc<dyn Layer<T>>)| {
            Arc::ptr_eq(mine, theirs)
                || Place::of(&**mine, self.batch) == Place::of(&**theirs, self.batch)
                    && mine.work_len(self.batch) == theirs.work_len(self.batch)
        };
        let expected = (inputs.0.min(self.batch), network.input_size());
        if inputs.1 != network.input_size() || inputs.0 > self.batch {
            return Err(Error::Shape {
                operation: "a pass through the network",
                operand: "inputs",
                found: inputs.into(),
                expected: expected.into(),
            });
        }
        let same =
            self.layers.len() == network.layers().len() && self.layers.iter().zip(network.layers()).all(fits);
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

/// As many scalars as there can be in a vector of either type, and then some room.
const LARGEST: usize = isize::MAX as usize / 16;

fn too_large(batch: usize) -> Error {
    Error::setting("the batch size", batch, "at least 1, and that times a layer fits in memory")
}
