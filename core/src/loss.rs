//! Losses L, their values and the change in loss that starts backpropagation, Δa_y = ∂L/∂a_y.
//!
//! A loss over a batch is the mean over its rows; its gradient is that of the mean. The average over the mini-batch in
//! the note's last step is thereby made here, once, where it is cheapest. Definitions are PyTorch's, with `reduction="mean"`.
//!
//! Rows may have weights: then it is the weighted mean Σ w_i L_i / Σ w_i ([`Loss::evaluate_weighted`], [`Weighted`]).

use std::fmt::Debug;

use ndarray::ArrayRef2;

use crate::{Activation, Backend, Error, Result, Scalar, Targets, check};

mod binary;
mod by_name;
mod cross_entropy;
mod likelihood;
mod margin;
mod regression;
mod weighted;

pub use binary::{
    BinaryCrossEntropy, BinaryCrossEntropyOnProbabilities, BinaryCrossEntropyWith, OverOutputs,
};
pub use by_name::{LOSS_NAMES, loss_by_name};
pub use cross_entropy::{CrossEntropy, CrossEntropyWith};
pub(crate) use cross_entropy::{log_softmax_row, softmax_cross_entropy, softmax_row};
pub use likelihood::{GaussianNll, KlDivergence, PoissonNll};
pub use margin::{Hinge, MultiMargin, SquaredHinge};
pub use regression::{Huber, LogCosh, MeanSquaredError, Pinball, Quadratic};
pub use weighted::Weighted;

/// What a loss says of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// The loss: the mean over the rows.
    pub loss: f64,
    /// How many rows have their largest output where the target has its largest, where targets are classes
    /// (or probabilities of classes).
    pub correct: Option<usize>,
}

/// The function at the end of a network which a loss takes in: the loss is then computed from its argument, the
/// logits, which is stable and cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Link {
    /// σ, elementwise.
    Sigmoid,
    /// Softmax over the row.
    Softmax,
}

/// A loss function.
///
/// A loss of your own needs one method; backpropagation needs nothing else of it.
pub trait Loss<T: Scalar>: Debug + Send + Sync {
    /// The name for reports.
    fn name(&self) -> &'static str;

    /// The link function this loss contains, if it is one on logits: a network that ends with it has it skipped when
    /// the loss is computed.
    fn link(&self) -> Option<Link> {
        None
    }

    /// The mean loss over the rows of `outputs` (batch × n_y) and, where asked for, its gradient by them, Δa_y.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Label`], [`Error::Targets`] if the targets do not fit the outputs.
    fn evaluate(
        &self,
        backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score>;

    /// The weighted mean Σ w_i L_i / Σ w_i over the rows, with a weight of at least 0 for each, and its gradient; 0 where all weights are 0.
    ///
    /// The default evaluates row after row, which is right for every loss whose rows do not depend on each other.
    ///
    /// # Errors
    /// As [`Loss::evaluate`]; [`Error::Shape`] if there are not as many weights as rows.
    fn evaluate_weighted(
        &self,
        backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        weights: &[T],
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        weighted::row_by_row(self, backend, outputs, targets, weights, delta)
    }

    /// What the mean was divided by: the number of rows, or the sum of their weights. By it, means over batches make the mean over a data set.
    fn total_weight(&self, targets: Targets<'_, T>, weights: Option<&[T]>) -> f64 {
        weights.map_or(targets.len() as f64, |weights| weights.iter().map(|w| w.as_f64()).sum())
    }

    /// How many columns targets of values have for a network of so many outputs: as many, unless several outputs tell of one target.
    fn target_columns(&self, outputs: usize) -> usize {
        outputs
    }
}

/// A loss that is a sum over outputs: `of(a, y)` gives a term and its derivative by a, `scale` multiplies both.
fn elementwise<T: Scalar>(
    operation: &'static str,
    outputs: &ArrayRef2<T>,
    targets: Targets<'_, T>,
    delta: Option<&mut ArrayRef2<T>>,
    scale: f64,
    of: impl Fn(T, T) -> (T, T),
) -> Result<Score> {
    elementwise_by_column(operation, outputs, targets, delta, scale, |a, y, _| of(a, y))
}

/// [`elementwise`], with the column as well.
fn elementwise_by_column<T: Scalar>(
    operation: &'static str,
    outputs: &ArrayRef2<T>,
    targets: Targets<'_, T>,
    mut delta: Option<&mut ArrayRef2<T>>,
    scale: f64,
    of: impl Fn(T, T, usize) -> (T, T),
) -> Result<Score> {
    let (rows, columns) = outputs.dim();
    // With one output a label is the target itself: 0 or 1.
    let binary = columns == 1 && matches!(targets, Targets::Classes(_));
    targets.check(operation, rows, if binary { 2 } else { columns })?;
    if let Some(delta) = &delta {
        check::same_shape(operation, "Δ", delta.dim(), outputs.dim())?;
    }
    let per_row = T::of(scale / rows.max(1) as f64);
    let mut sum = 0.0;
    let of_batch = |sum: f64| sum * scale / rows.max(1) as f64;
    let slices = match (&targets, &mut delta) {
        (Targets::Values(y), Some(delta)) => outputs.as_slice().zip(y.as_slice()).zip(delta.as_slice_mut()),
        _ => None,
    };
    if let Some(((a, y), delta)) = slices.filter(|_| columns > 0) {
        // What training asks for, without the arithmetic of indices.
        let targets = y.chunks_exact(columns);
        for ((a, y), delta) in a.chunks_exact(columns).zip(targets).zip(delta.chunks_exact_mut(columns)) {
            let mut loss = T::zero();
            for (column, ((&a, &y), delta)) in a.iter().zip(y).zip(delta).enumerate() {
                let (term, derivative) = of(a, y, column);
                loss += term;
                *delta = derivative * per_row;
            }
            sum += loss.as_f64();
        }
        return Ok(Score { loss: of_batch(sum), correct: None });
    }
    let mut correct = 0;
    for (row, outputs) in outputs.rows().into_iter().enumerate() {
        let mut loss = T::zero();
        for (column, &a) in outputs.iter().enumerate() {
            let (term, derivative) = of(a, targets.at(row, if binary { 1 } else { column }), column);
            loss += term;
            if let Some(delta) = &mut delta {
                delta[[row, column]] = derivative * per_row;
            }
        }
        sum += loss.as_f64();
        if let Targets::Classes(labels) = targets
            && !binary
        {
            correct += usize::from(argmax(outputs.iter().copied()) == labels[row]);
        }
    }
    let counted = matches!(targets, Targets::Classes(_)) && !binary;
    Ok(Score { loss: of_batch(sum), correct: counted.then_some(correct) })
}

/// 1/n over the n outputs of a row, which makes the mean over them of a sum.
fn mean_over_outputs<T>(outputs: &ArrayRef2<T>) -> f64 {
    1.0 / outputs.ncols().max(1) as f64
}

/// The index of the first largest value; 0 for an empty row.
pub(crate) fn argmax<T: Scalar>(values: impl Iterator<Item = T>) -> usize {
    let mut best = (0, T::neg_infinity());
    for (i, value) in values.enumerate() {
        if value > best.1 {
            best = (i, value);
        }
    }
    best.0
}

/// The link function that an activation is, if it is one.
pub(crate) fn link_of(activation: Activation) -> Option<Link> {
    (activation == Activation::Sigmoid).then_some(Link::Sigmoid)
}

/// A loss's parameter if it fits and is finite.
fn checked(name: &'static str, value: f64, fits: bool, expected: &'static str) -> Result<f64> {
    if fits && value.is_finite() { Ok(value) } else { Err(Error::setting(name, value, expected)) }
}

/// Weights that may be classes' or rows': finite, at least 0.
pub(crate) fn check_weights(name: &'static str, weights: impl Iterator<Item = f64>) -> Result<()> {
    for weight in weights {
        checked(name, weight, weight >= 0.0, "finite numbers of at least 0")?;
    }
    Ok(())
}

impl<T: Scalar, L: Loss<T> + ?Sized> Loss<T> for Box<L> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn link(&self) -> Option<Link> {
        (**self).link()
    }

    fn evaluate(
        &self,
        backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        (**self).evaluate(backend, outputs, targets, delta)
    }

    fn evaluate_weighted(
        &self,
        backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        weights: &[T],
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        (**self).evaluate_weighted(backend, outputs, targets, weights, delta)
    }

    fn total_weight(&self, targets: Targets<'_, T>, weights: Option<&[T]>) -> f64 {
        (**self).total_weight(targets, weights)
    }

    fn target_columns(&self, outputs: usize) -> usize {
        (**self).target_columns(outputs)
    }
}
