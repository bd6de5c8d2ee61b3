//! `metrics.csv`: a line for each epoch.

use std::path::Path;

use chainrule_core::{Epoch, Evaluation};
use chainrule_model::write_atomically;

use crate::{Error, Result};

/// The columns that are always there.
const COLUMNS: [&str; 8] = [
    "epoch",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "learning_rate",
    "seconds",
    "samples_per_second",
];

/// A history as CSV: a header, then a line for each epoch.
///
/// The columns are `epoch`, `train_loss`, `train_accuracy`, `validation_loss`, `validation_accuracy`, `learning_rate`, `seconds`,
/// `samples_per_second`, then `validation_` and the name of each metric, in the order in which they first appear. A value that
/// was not measured is empty; one that is not finite is `NaN`, `inf` or `-inf`. Numbers are written so that they read back the same.
///
/// ```
/// let header = chainrule_report::metrics_csv(&[])?;
/// assert!(header.starts_with("epoch,train_loss,train_accuracy,validation_loss,validation_accuracy,learning_rate,"));
/// # Ok::<(), chainrule_report::Error>(())
/// ```
///
/// # Errors
/// [`Error::Format`] if the CSV library refuses a line, which it has no reason to.
pub fn metrics_csv(history: &[Epoch]) -> Result<String> {
    let names = metric_names(history);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = names.iter().map(|name| format!("validation_{name}"));
    let failure = Error::format("metrics.csv");
    writer.write_record(COLUMNS.map(str::to_owned).into_iter().chain(columns)).map_err(&failure)?;
    for epoch in history {
        let validation = epoch.validation.as_ref();
        let fixed = [
            epoch.epoch.to_string(),
            epoch.train.loss.to_string(),
            optional(accuracy(&epoch.train)),
            optional(validation.map(|v| v.loss)),
            optional(validation.and_then(accuracy)),
            epoch.learning_rate.to_string(),
            epoch.duration.as_secs_f64().to_string(),
            epoch.samples_per_second.to_string(),
        ];
        let measured = names.iter().map(|name| optional(validation.and_then(|v| metric(v, name))));
        writer.write_record(fixed.into_iter().chain(measured)).map_err(&failure)?;
    }
    let bytes = writer.into_inner().map_err(Error::format("metrics.csv"))?;
    String::from_utf8(bytes).map_err(Error::format("metrics.csv"))
}

/// Writes [`metrics_csv`] to a file, whole or not at all.
///
/// # Errors
/// [`Error::File`] if the file cannot be written.
pub fn write_metrics(path: impl AsRef<Path>, history: &[Epoch]) -> Result<()> {
    Ok(write_atomically(path.as_ref(), metrics_csv(history)?.as_bytes())?)
}

/// The name of a metric that is always measured where there are classes; it may be asked for as well.
const ACCURACY: &str = "accuracy";

/// The accuracy, measured in one way or the other.
pub(crate) fn accuracy(evaluation: &Evaluation) -> Option<f64> {
    evaluation.accuracy.or_else(|| metric(evaluation, ACCURACY))
}

/// The metrics besides the accuracy.
pub(crate) fn metrics(evaluation: &Evaluation) -> impl Iterator<Item = (&str, f64)> {
    evaluation
        .metrics
        .iter()
        .filter(|(name, _)| name != ACCURACY)
        .map(|(name, value)| (name.as_str(), *value))
}

/// The names of these over a history, each once.
pub(crate) fn metric_names(history: &[Epoch]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in history.iter().flat_map(|epoch| &epoch.validation).flat_map(metrics) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

pub(crate) fn metric(evaluation: &Evaluation, name: &str) -> Option<f64> {
    evaluation.metrics.iter().find(|(of, _)| of == name).map(|&(_, value)| value)
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
