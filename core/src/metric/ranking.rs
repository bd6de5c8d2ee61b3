//! Metrics of scores and probabilities.

use ndarray::ArrayRef2;

use super::{Metric, classes, meant};
use crate::{Scalar, Targets};

/// The area under the receiver operating characteristic: the chance that a row of a class has a higher score for it than one of
/// another, equal scores counting half.
///
/// With one or two outputs, that of class 1, whose score is the last output; with more, the mean over the classes, each against the
/// rest. NaN if some class has no rows, or all. scikit-learn's `roc_auc_score`, with `multi_class="ovr"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RocAuc;

impl<T: Scalar> Metric<T> for RocAuc {
    fn name(&self) -> &'static str {
        "roc-auc"
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        let last = outputs.ncols().saturating_sub(1);
        if classes(outputs) == 2 {
            return area(outputs, last, targets, 1);
        }
        let sum: f64 = (0..=last).map(|class| area(outputs, class, targets, class)).sum();
        sum / outputs.ncols() as f64
    }
}

/// The area for one class, from the ranks of its scores: Mann and Whitney's U over the number of pairs.
fn area<T: Scalar>(outputs: &ArrayRef2<T>, column: usize, targets: Targets<'_, T>, class: usize) -> f64 {
    let score = |row: usize| outputs[[row, column]].as_f64();
    let mut order: Vec<usize> = (0..outputs.nrows()).collect();
    order.sort_by(|&a, &b| score(a).total_cmp(&score(b)));
    if order.iter().any(|&row| score(row).is_nan()) {
        return f64::NAN;
    }
    // Twice the sum of the ranks of the class's rows, counted from 0: equal scores share the middle of theirs.
    let (mut ranks, mut of_class, mut begin) = (0_u128, 0, 0);
    while begin < order.len() {
        let same = score(order[begin]);
        let end = begin + order[begin..].iter().take_while(|&&row| score(row) <= same).count();
        let here = order[begin..end].iter().filter(|&&row| meant(targets, row) == class).count();
        ranks += here as u128 * (begin + end - 1) as u128;
        of_class += here;
        begin = end;
    }
    let pairs = of_class as u128 * (order.len() - of_class) as u128;
    if pairs == 0 {
        return f64::NAN;
    }
    let least = of_class as u128 * (of_class as u128).saturating_sub(1);
    (ranks - least) as f64 / (2 * pairs) as f64
}

/// The mean of −ln p of the target's class, where outputs are probabilities: rows are brought to a sum of 1, and p is at least ε,
/// the precision of the numbers. With a single output, that is the probability of class 1. Soft targets weigh the terms.
/// scikit-learn's `log_loss`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogLoss;

impl<T: Scalar> Metric<T> for LogLoss {
    fn name(&self) -> &'static str {
        "log-loss"
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        let epsilon = T::epsilon().as_f64();
        let surprise = |p: f64| if p.is_nan() { p } else { -p.clamp(epsilon, 1.0 - epsilon).ln() };
        let mut sum = 0.0;
        for (row, outputs) in outputs.rows().into_iter().enumerate() {
            sum += if outputs.len() == 1 {
                let p = outputs[0].as_f64();
                let t = match targets {
                    Targets::Classes(labels) => labels[row] as f64,
                    Targets::Values(values) => values[[row, 0]].as_f64(),
                };
                t * surprise(p) + (1.0 - t) * surprise(1.0 - p)
            } else {
                let total: f64 = outputs.iter().map(|p| p.as_f64()).sum();
                let term = |(column, p): (usize, &T)| match targets.at(row, column).as_f64() {
                    0.0 => 0.0,
                    t => t * surprise(p.as_f64() / total),
                };
                outputs.iter().enumerate().map(term).sum()
            };
        }
        sum / outputs.nrows().max(1) as f64
    }

    fn larger_is_better(&self) -> bool {
        false
    }
}
