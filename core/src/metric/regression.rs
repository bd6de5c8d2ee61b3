//! Metrics of values.

use ndarray::ArrayRef2;

use super::Metric;
use crate::{Scalar, Targets};

/// The mean over the columns of what `of` makes of a column's pairs of outputs a and targets y.
fn over_columns<T: Scalar>(
    outputs: &ArrayRef2<T>,
    targets: Targets<'_, T>,
    of: impl Fn(&mut dyn Iterator<Item = (f64, f64)>) -> f64,
) -> f64 {
    // With one output a class is the number itself: 0 or 1.
    let binary = outputs.ncols() == 1 && targets.columns().is_none();
    let column = |column: usize| {
        let target = |row| targets.at(row, if binary { 1 } else { column }).as_f64();
        of(&mut (0..outputs.nrows()).map(|row| (outputs[[row, column]].as_f64(), target(row))))
    };
    (0..outputs.ncols()).map(column).sum::<f64>() / outputs.ncols().max(1) as f64
}

/// The mean of |a − y| over all outputs. scikit-learn's `mean_absolute_error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeanAbsoluteError;

impl<T: Scalar> Metric<T> for MeanAbsoluteError {
    fn name(&self) -> &'static str {
        "mae"
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        let n = outputs.nrows().max(1) as f64;
        over_columns(outputs, targets, |pairs| pairs.map(|(a, y)| (a - y).abs()).sum::<f64>() / n)
    }

    fn larger_is_better(&self) -> bool {
        false
    }
}

/// The root of the mean of (a − y)², of each output by itself, then the mean over the outputs. scikit-learn's
/// `root_mean_squared_error`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RootMeanSquaredError;

impl<T: Scalar> Metric<T> for RootMeanSquaredError {
    fn name(&self) -> &'static str {
        "rmse"
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        let n = outputs.nrows().max(1) as f64;
        over_columns(outputs, targets, |pairs| {
            (pairs.map(|(a, y)| (a - y) * (a - y)).sum::<f64>() / n).sqrt()
        })
    }

    fn larger_is_better(&self) -> bool {
        false
    }
}

/// The coefficient of determination, 1 − Σ (a − y)² / Σ (y − ȳ)², of each output by itself, then the mean over the outputs.
///
/// An output whose targets are all equal counts as 1 if it is met exactly, else as 0; NaN for fewer than two rows. scikit-learn's
/// `r2_score`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct R2;

impl<T: Scalar> Metric<T> for R2 {
    fn name(&self) -> &'static str {
        "r2"
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        if outputs.nrows() < 2 {
            return f64::NAN;
        }
        over_columns(outputs, targets, |pairs| {
            let (a, y): (Vec<f64>, Vec<f64>) = pairs.unzip();
            let mean = y.iter().sum::<f64>() / y.len() as f64;
            let rest: f64 = a.iter().zip(&y).map(|(a, y)| (a - y) * (a - y)).sum();
            let all: f64 = y.iter().map(|y| (y - mean) * (y - mean)).sum();
            match (rest, all) {
                (0.0, _) => 1.0,
                (_, 0.0) => 0.0,
                _ => 1.0 - rest / all,
            }
        })
    }
}
