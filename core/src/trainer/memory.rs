//! How much memory a run takes.

use super::Trainer;
use super::batch::Batch;
use crate::aligned::Aligned;
use crate::{Dataset, Network, OptimizerState, Scalar, Targets, Workspace};

/// The bytes that a training run takes at its peak, by what they are for: [`Trainer::memory`] tells them beforehand.
///
/// Not counted are a backend's own buffers (`chainrule-simd` keeps up to some megabytes for each thread, for packed pieces of
/// large matrices), what metrics and callbacks allocate, and names and histories, some hundred bytes a layer and an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrainingMemory {
    /// The network's parameters and buffers, and once more where early stopping keeps those of the best epoch.
    pub parameters: usize,
    /// The gradient, and once more where it is summed over several batches.
    pub gradient: usize,
    /// What the optimiser remembers, and needs to work in.
    pub optimizer: usize,
    /// The outputs of all layers for a batch, what they keep for the way back, and the changes on that way.
    pub activations: usize,
    /// A batch gathered from all over the data set, and the order of its rows.
    pub batch: usize,
    /// What measuring on the validation data takes at the end of an epoch.
    pub validation: usize,
    /// The data: inputs, targets and weights, those for validation as well if they are others. The run borrows them and makes no
    /// copy.
    pub data: usize,
}

impl TrainingMemory {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> usize {
        let Self { parameters, gradient, optimizer, activations, batch, validation, data } = *self;
        [parameters, gradient, optimizer, activations, batch, validation, data]
            .into_iter()
            .fold(0, usize::saturating_add)
    }
}

/// The bytes of a data set.
fn bytes_of<T: Scalar>(data: &Dataset<'_, T>) -> usize {
    let targets = match data.targets() {
        Targets::Classes(labels) => size_of_val(labels),
        Targets::Values(values) => values.len() * size_of::<T>(),
    };
    data.inputs().len() * size_of::<T>() + targets + data.weights().map_or(0, size_of_val)
}

impl<T: Scalar> Trainer<'_, T> {
    /// The memory that [`Trainer::fit`] on these data takes, or [`Trainer::fit_rows`] on so many `rows` of them.
    ///
    /// ```
    /// use chainrule_core::{Activation, Adam, CrossEntropy, Dataset, Network, Trainer};
    /// use ndarray::Array2;
    ///
    /// let (x, labels) = (Array2::zeros((1000, 20)), vec![0; 1000]);
    /// let data = Dataset::classes(&x, &labels)?;
    /// let network = Network::<f32>::builder(20).dense(50, Activation::Relu).dense(2, Activation::Identity).build(1)?;
    /// let memory = Trainer::new(CrossEntropy, Adam::new(1e-3)).batch_size(32).memory(&network, &data, None);
    /// let n = network.parameters().len();
    /// assert_eq!(memory.optimizer, 2 * n * size_of::<f32>());
    /// assert_eq!(memory.data, 1000 * 20 * size_of::<f32>() + 1000 * size_of::<usize>());
    /// assert!(memory.total() < 200_000);
    /// # Ok::<(), chainrule_core::Error>(())
    /// ```
    #[must_use]
    pub fn memory(&self, network: &Network<T>, data: &Dataset<'_, T>, rows: Option<usize>) -> TrainingMemory {
        let (size, n) = (size_of::<T>(), network.parameters().len());
        let samples = rows.unwrap_or(data.len());
        let batch_size = self.batch_size.min(samples);
        let own = Aligned::<T>::bytes(n) + size_of_val(network.buffers());
        let best = self.early_stopping.as_ref().is_some_and(|stopping| stopping.restore_best);
        let best = if best { n * size + size_of_val(network.buffers()) } else { 0 };
        let gradient = Aligned::<T>::bytes(n);
        let plain = self.gradients.is_plain() && self.optimizer.descent().is_some();
        let optimizer = match OptimizerState::new(network).parts() {
            _ if plain => 0,
            parts => self.optimizer.state_len(parts).saturating_mul(size),
        };
        let gathered = rows.is_some() || (self.shuffle && batch_size < samples);
        let order = if gathered { samples * size_of::<usize>() } else { 0 };
        let (validation, more_data) = match &self.validation {
            None => (0, 0),
            Some((other, rows)) => {
                let same = other.inputs().as_ptr() == data.inputs().as_ptr();
                let measured = rows.as_ref().map_or(other.len(), Vec::len);
                let batch = measured.min(super::evaluate::BATCH);
                let mut bytes = Workspace::inference_bytes(network, batch);
                if rows.is_some() {
                    bytes += Batch::bytes(other, batch);
                }
                if !self.metrics.is_empty() {
                    bytes += measured * network.output_size() * size;
                    if rows.is_some() {
                        let columns = other.targets().columns();
                        bytes += measured * columns.map_or(size_of::<usize>(), |columns| columns * size);
                    }
                }
                (bytes, if same { 0 } else { bytes_of(other) })
            }
        };
        TrainingMemory {
            parameters: own + best,
            gradient: gradient + if self.accumulate > 1 { n * size } else { 0 },
            optimizer,
            activations: Workspace::bytes(network, batch_size).saturating_sub(gradient),
            batch: order + Batch::bytes(data, if gathered { batch_size } else { 0 }),
            validation,
            data: bytes_of(data).saturating_add(more_data),
        }
    }
}
