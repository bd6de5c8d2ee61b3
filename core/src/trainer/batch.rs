//! The samples of a batch.

use ndarray::{Array2, ArrayView2, Axis, Slice};

use crate::layer::rows_of;
use crate::{Backend, Dataset, Result, Scalar, Targets};

/// The samples of a batch.
pub(super) struct Part<'a, T> {
    pub(super) inputs: ArrayView2<'a, T>,
    pub(super) targets: Targets<'a, T>,
    pub(super) weights: Option<&'a [T]>,
}

impl<'a, T: Scalar> Part<'a, T> {
    /// Those that follow each other in the data set.
    pub(super) fn of(data: &'a Dataset<'_, T>, start: usize, end: usize) -> Self {
        Self {
            inputs: rows_of(data.inputs(), start, end),
            targets: data.targets().slice(start, end),
            weights: data.weights().map(|weights| &weights[start..end]),
        }
    }
}

/// The samples of a batch, gathered from all over the data set.
pub(super) struct Batch<T> {
    inputs: Array2<T>,
    labels: Vec<usize>,
    values: Array2<T>,
    weights: Vec<T>,
}

impl<T: Scalar> Batch<T> {
    pub(super) fn new(data: &Dataset<'_, T>, rows: usize) -> Self {
        let targets = data.targets();
        Self {
            inputs: Array2::zeros((rows, data.inputs().ncols())),
            labels: Vec::with_capacity(rows),
            values: Array2::zeros((rows, targets.columns().unwrap_or(0))),
            weights: Vec::with_capacity(if data.weights().is_some() { rows } else { 0 }),
        }
    }

    /// The bytes that [`Batch::new`] takes.
    pub(super) fn bytes(data: &Dataset<'_, T>, rows: usize) -> usize {
        let columns = data.inputs().ncols() + data.targets().columns().unwrap_or(0);
        let scalars = rows.saturating_mul(columns + usize::from(data.weights().is_some()));
        scalars.saturating_mul(size_of::<T>()).saturating_add(rows * size_of::<usize>())
    }

    pub(super) fn gather(
        &mut self,
        backend: &dyn Backend<T>,
        data: &Dataset<'_, T>,
        places: &[usize],
    ) -> Result<Part<'_, T>> {
        let rows = places.len();
        select(backend, data.inputs(), places, &mut self.inputs)?;
        let targets = match data.targets() {
            Targets::Classes(labels) => {
                self.labels.clear();
                self.labels.extend(places.iter().map(|&i| labels[i]));
                Targets::Classes(&self.labels)
            }
            Targets::Values(values) => {
                select(backend, values, places, &mut self.values)?;
                Targets::Values(rows_of(self.values.view(), 0, rows))
            }
        };
        let weights = data.weights().map(|weights| {
            self.weights.clear();
            self.weights.extend(places.iter().map(|&i| weights[i]));
            &*self.weights
        });
        Ok(Part { inputs: rows_of(self.inputs.view(), 0, rows), targets, weights })
    }
}

/// The rows of a matrix at these places, into the first rows of another.
fn select<T: Scalar>(
    backend: &dyn Backend<T>,
    from: ArrayView2<'_, T>,
    places: &[usize],
    to: &mut Array2<T>,
) -> Result<()> {
    backend.select_rows(&from, places, &mut to.slice_axis_mut(Axis(0), Slice::from(..places.len())))
}
