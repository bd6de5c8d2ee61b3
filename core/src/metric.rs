//! Metrics: what is measured on validation data besides the loss.

use ndarray::ArrayRef2;

use crate::loss::argmax;
use crate::{Scalar, Targets};

/// A number that tells how good outputs are.
pub trait Metric<T: Scalar> {
    /// The name for reports.
    fn name(&self) -> &str;

    /// The metric over outputs n × n_y and their targets, which fit them.
    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64;
}

/// The fraction of rows whose largest output is at the target's class (or at its largest value). With a single output,
/// the fraction of rows where it lies on the target's side of ½.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accuracy;

impl<T: Scalar> Metric<T> for Accuracy {
    fn name(&self) -> &'static str {
        "accuracy"
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        let half = T::of(0.5);
        let right = outputs.rows().into_iter().enumerate().filter(|(row, outputs)| {
            let target = |column| targets.at(*row, column);
            match (targets, outputs.len()) {
                (Targets::Classes(labels), 1) => usize::from(outputs[0] > half) == labels[*row],
                (Targets::Values(_), 1) => (outputs[0] > half) == (target(0) > half),
                (_, n) => argmax(outputs.iter().copied()) == argmax((0..n).map(target)),
            }
        });
        right.count() as f64 / outputs.nrows().max(1) as f64
    }
}

/// The mean of |a − y| over all outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeanAbsoluteError;

impl<T: Scalar> Metric<T> for MeanAbsoluteError {
    fn name(&self) -> &'static str {
        "mae"
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        mean_over_outputs(outputs, targets, f64::abs)
    }
}

/// The root of the mean of (a − y)² over all outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RootMeanSquaredError;

impl<T: Scalar> Metric<T> for RootMeanSquaredError {
    fn name(&self) -> &'static str {
        "rmse"
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        mean_over_outputs(outputs, targets, |error| error * error).sqrt()
    }
}

fn mean_over_outputs<T: Scalar>(
    outputs: &ArrayRef2<T>,
    targets: Targets<'_, T>,
    of: impl Fn(f64) -> f64,
) -> f64 {
    let binary = outputs.ncols() == 1 && targets.columns().is_none();
    let term = |((row, column), &a): ((usize, usize), &T)| {
        of(a.as_f64() - targets.at(row, if binary { 1 } else { column }).as_f64())
    };
    outputs.indexed_iter().map(term).sum::<f64>() / outputs.len().max(1) as f64
}
