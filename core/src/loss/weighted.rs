//! Weights of rows, for any loss.

use ndarray::{ArrayRef2, Axis, Slice};

use super::{Link, Loss, Score};
use crate::layer::rows_of;
use crate::{Backend, Result, Scalar, Targets, check};

/// A loss with a weight for each row: Σ w_i L_i / Σ w_i.
///
/// ```
/// use chainrule_core::{Loss, Quadratic, Targets, Weighted};
/// use chainrule_naive::Naive;
/// use ndarray::array;
///
/// let outputs = array![[1.0], [3.0]];
/// let loss = Weighted::new(&Quadratic, &[3.0, 1.0]);
/// let score = loss.evaluate(&Naive, &outputs, Targets::Values(array![[0.0], [0.0]].view()), None)?;
/// assert_eq!(score.loss, (3.0 * 0.5 + 1.0 * 4.5) / 4.0);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a, T> {
    loss: &'a dyn Loss<T>,
    weights: &'a [T],
}

impl<'a, T: Scalar> Weighted<'a, T> {
    /// A loss for the one batch that has these weights.
    #[must_use]
    pub fn new(loss: &'a dyn Loss<T>, weights: &'a [T]) -> Self {
        Self { loss, weights }
    }
}

impl<T: Scalar> Loss<T> for Weighted<'_, T> {
    fn name(&self) -> &'static str {
        self.loss.name()
    }

    fn link(&self) -> Option<Link> {
        self.loss.link()
    }

    fn evaluate(
        &self,
        backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        self.loss.evaluate_weighted(backend, outputs, targets, self.weights, delta)
    }

    fn total_weight(&self, targets: Targets<'_, T>, _weights: Option<&[T]>) -> f64 {
        self.loss.total_weight(targets, Some(self.weights))
    }

    fn target_columns(&self, outputs: usize) -> usize {
        self.loss.target_columns(outputs)
    }
}

/// The default of [`Loss::evaluate_weighted`].
pub(super) fn row_by_row<T: Scalar, L: Loss<T> + ?Sized>(
    loss: &L,
    backend: &dyn Backend<T>,
    outputs: &ArrayRef2<T>,
    targets: Targets<'_, T>,
    weights: &[T],
    mut delta: Option<&mut ArrayRef2<T>>,
) -> Result<Score> {
    let rows = outputs.nrows();
    check::same_length("a weighted loss", "weights", weights.len(), rows)?;
    check::same_length("a weighted loss", "targets", targets.len(), rows)?;
    if let Some(delta) = &delta {
        check::same_shape("a weighted loss", "Δ", delta.dim(), outputs.dim())?;
    }
    let total: f64 = weights.iter().map(|w| w.as_f64()).sum();
    let (mut sum, mut correct) = (0.0, Some(0));
    for (row, weight) in weights.iter().enumerate() {
        let share = if total > 0.0 { weight.as_f64() / total } else { 0.0 };
        let output = rows_of(outputs.view(), row, row + 1);
        let target = targets.slice(row, row + 1);
        let mut change = delta.as_mut().map(|delta| delta.slice_axis_mut(Axis(0), Slice::from(row..row + 1)));
        let score = loss.evaluate(backend, &output, target, change.as_deref_mut())?;
        correct = correct.zip(score.correct).map(|(a, b)| a + b);
        // A row of weight 0 takes no part, whatever its loss is.
        if share > 0.0 {
            sum += share * score.loss;
        }
        if let Some(change) = &mut change {
            let share = T::of(share);
            change.map_inplace(|d| *d = if share > T::zero() { *d * share } else { T::zero() });
        }
    }
    Ok(Score { loss: sum, correct })
}
