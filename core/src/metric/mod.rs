//! Metrics: what is measured on validation data besides the loss. Definitions are scikit-learn's.

mod confusion;
mod ranking;
mod regression;

use ndarray::ArrayRef2;

use crate::loss::argmax;
use crate::{Error, Result, Scalar, Targets};

pub use confusion::{Average, ConfusionMatrix, F1, Precision, Recall};
pub use ranking::{LogLoss, RocAuc};
pub use regression::{MeanAbsoluteError, R2, RootMeanSquaredError};

/// A number that tells how good outputs are.
pub trait Metric<T: Scalar> {
    /// The name for reports.
    fn name(&self) -> &str;

    /// The metric over outputs n × n_y and their targets, which fit them. NaN where it has no value. Outputs that a loss takes for logits
    /// have become probabilities before.
    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64;

    /// Whether larger values are better.
    fn larger_is_better(&self) -> bool {
        true
    }
}

impl<T: Scalar, M: Metric<T> + ?Sized> Metric<T> for Box<M> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        (**self).evaluate(outputs, targets)
    }

    fn larger_is_better(&self) -> bool {
        (**self).larger_is_better()
    }
}

/// The class that a row of outputs tells: that of the largest; with a single output, whether it is above ½.
fn told<T: Scalar>(outputs: &ArrayRef2<T>, row: usize) -> usize {
    if outputs.ncols() == 1 {
        usize::from(outputs[[row, 0]] > T::of(0.5))
    } else {
        argmax(outputs.row(row).iter().copied())
    }
}

/// The class that a row's target means: the class itself, or that of the largest value (of a single one, whether it is above ½).
fn meant<T: Scalar>(targets: Targets<'_, T>, row: usize) -> usize {
    match targets {
        Targets::Classes(labels) => labels[row],
        Targets::Values(values) => told(&values, row),
    }
}

/// The number of classes that outputs tell apart.
fn classes<T>(outputs: &ArrayRef2<T>) -> usize {
    outputs.ncols().max(2)
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
        let n = outputs.nrows();
        let right = (0..n).filter(|&row| told(outputs, row) == meant(targets, row)).count();
        right as f64 / n.max(1) as f64
    }
}

/// The fraction of rows whose target's class is among the k largest outputs; of equal outputs the first are the larger ones.
/// scikit-learn's `top_k_accuracy_score`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopK {
    k: usize,
    name: String,
}

impl TopK {
    /// Among the k largest.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, name: format!("top-{k}") }
    }
}

impl<T: Scalar> Metric<T> for TopK {
    fn name(&self) -> &str {
        &self.name
    }

    fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
        let n = outputs.nrows();
        let among = |row: usize| {
            let class = meant(targets, row);
            let outputs = outputs.row(row);
            let Some(&own) = outputs.get(class) else {
                return told(&outputs.insert_axis(ndarray::Axis(0)), 0) == class;
            };
            let before = |(i, &a): (usize, &T)| a > own || (a == own && i < class);
            outputs.iter().enumerate().filter(|&x| before(x)).count() < self.k
        };
        (0..n).filter(|&row| among(row)).count() as f64 / n.max(1) as f64
    }
}

/// The names that [`metric_by_name`] knows; `k` stands for a number.
pub const METRIC_NAMES: [&str; 19] = [
    "accuracy",
    "top-k",
    "precision",
    "precision-micro",
    "precision-macro",
    "precision-weighted",
    "recall",
    "recall-micro",
    "recall-macro",
    "recall-weighted",
    "f1",
    "f1-micro",
    "f1-macro",
    "f1-weighted",
    "roc-auc",
    "log-loss",
    "r2",
    "rmse",
    "mae",
];

/// A metric by its name: `"accuracy"`, `"top-5"`, `"f1-macro"`. `"precision"`, `"recall"` and `"f1"` alone are those of class 1.
///
/// ```
/// let metric = chainrule_core::metric_by_name::<f32>("top-5")?;
/// assert_eq!(metric.name(), "top-5");
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unknown`] with the names there are.
pub fn metric_by_name<T: Scalar>(name: &str) -> Result<Box<dyn Metric<T>>> {
    let average = |rest: &str| match rest {
        "" => Some(Average::Class(1)),
        "-micro" => Some(Average::Micro),
        "-macro" => Some(Average::Macro),
        "-weighted" => Some(Average::Weighted),
        _ => None,
    };
    let of = |kind: &str| name.strip_prefix(kind).and_then(average);
    let top = name.strip_prefix("top-").and_then(|k| k.parse::<usize>().ok()).filter(|&k| k > 0);
    Ok(match name {
        "accuracy" => Box::new(Accuracy),
        "roc-auc" => Box::new(RocAuc),
        "log-loss" => Box::new(LogLoss),
        "r2" => Box::new(R2),
        "rmse" => Box::new(RootMeanSquaredError),
        "mae" => Box::new(MeanAbsoluteError),
        _ => match (top, of("precision"), of("recall"), of("f1")) {
            (Some(k), ..) => Box::new(TopK::new(k)),
            (_, Some(average), ..) => Box::new(Precision(average)),
            (_, _, Some(average), _) => Box::new(Recall(average)),
            (_, _, _, Some(average)) => Box::new(F1(average)),
            _ => {
                let expected = METRIC_NAMES.join(", ");
                return Err(Error::Unknown { what: "metric", name: name.to_owned(), expected });
            }
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_names_a_metric() {
        for name in METRIC_NAMES {
            let name = name.replace("top-k", "top-3");
            assert_eq!(metric_by_name::<f64>(&name).unwrap().name(), name);
        }
        for name in ["", "top-", "top-0", "f1-", "precision-mean", "accuracies"] {
            assert!(metric_by_name::<f64>(name).is_err(), "{name}");
        }
    }
}
