//! `metrics.csv`: a line for each epoch.

use std::path::Path;

use chainrule_core::{Epoch, Evaluation};
use chainrule_model::write_atomically;

use crate::{Error, Result};

/// What was measured, epoch by epoch: numbers by name. It is what `metrics.csv` holds.
///
/// ```
/// use chainrule_report::Metrics;
///
/// let mut metrics = Metrics::default();
/// metrics.push(vec![("epoch".to_owned(), 1.0), ("train_loss".to_owned(), 0.5)]);
/// metrics.push(vec![("epoch".to_owned(), 2.0), ("test_loss".to_owned(), 0.25)]);
/// assert_eq!(metrics.to_csv()?, "epoch,train_loss,test_loss\n1,0.5,\n2,,0.25\n");
/// # Ok::<(), chainrule_report::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    rows: Vec<Vec<(String, f64)>>,
}

impl Metrics {
    /// What a trainer's history tells: `epoch`, `train_loss`, `train_accuracy`, `validation_loss`, `validation_accuracy`, a number
    /// `validation_NAME` for each metric, `learning_rate`, `seconds`, `samples_per_s`, as far as they were measured.
    #[must_use]
    pub fn of_history(history: &[Epoch]) -> Self {
        Self { rows: history.iter().map(|epoch| Self::of_epoch(epoch, None)).collect() }
    }

    pub(crate) fn of_epoch(epoch: &Epoch, test: Option<&Evaluation>) -> Vec<(String, f64)> {
        let mut numbers = vec![("epoch".to_owned(), epoch.epoch as f64)];
        let parts =
            [("train", Some(&epoch.train)), ("validation", epoch.validation.as_ref()), ("test", test)];
        numbers.extend(parts.into_iter().filter_map(|(part, of)| Some(named(part, of?))).flatten());
        numbers.push(("learning_rate".to_owned(), epoch.learning_rate));
        numbers.push(("seconds".to_owned(), epoch.duration.as_secs_f64()));
        numbers.push(("samples_per_s".to_owned(), epoch.samples_per_second));
        numbers
    }

    /// One more epoch.
    pub fn push(&mut self, numbers: Vec<(String, f64)>) {
        self.rows.push(numbers);
    }

    /// The epochs.
    #[must_use]
    pub fn rows(&self) -> &[Vec<(String, f64)>] {
        &self.rows
    }

    /// The first `epochs` of them alone.
    pub fn truncate(&mut self, epochs: usize) {
        self.rows.truncate(epochs);
    }

    /// As CSV: a header, then a line for each epoch. Columns come in the order in which their names first appear. A value that was not measured is
    /// empty; one that is not finite is `NaN`, `inf` or `-inf`. Numbers are written so that they read back the same.
    ///
    /// # Errors
    /// [`Error::Format`] if the CSV library refuses a line, which it has no reason to.
    pub fn to_csv(&self) -> Result<String> {
        let names = columns(&self.rows);
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failure = Error::format("metrics.csv");
        if !names.is_empty() {
            writer.write_record(&names).map_err(&failure)?;
        }
        for row in &self.rows {
            let cell = |name: &&str| {
                let value = row.iter().find(|(known, _)| known == name);
                value.map_or_else(String::new, |(_, value)| value.to_string())
            };
            writer.write_record(names.iter().map(cell)).map_err(&failure)?;
        }
        let bytes = writer.into_inner().map_err(Error::format("metrics.csv"))?;
        String::from_utf8(bytes).map_err(Error::format("metrics.csv"))
    }

    /// Writes [`Metrics::to_csv`] to a file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(write_atomically(path.as_ref(), self.to_csv()?.as_bytes())?)
    }

    /// Reads a file back; cells that are no number are left out.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or is no CSV.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = chainrule_model::read(path)?;
        let failure = |error: csv::Error| {
            let (place, found) = (path.display().to_string(), error.to_string());
            Error::File(chainrule_model::Error::Unfit { place, found, expected: "CSV".to_owned() })
        };
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let names = reader.headers().map_err(&failure)?.clone();
        let row = |record: csv::Result<csv::StringRecord>| {
            let record = record.map_err(&failure)?;
            let cells = names.iter().zip(&record);
            Ok(cells.filter_map(|(name, cell)| Some((name.to_owned(), cell.parse().ok()?))).collect())
        };
        Ok(Self { rows: reader.records().map(row).collect::<Result<_>>()? })
    }
}

/// The names of the numbers of some rows, in the order in which they first appear.
pub(crate) fn columns(rows: &[Vec<(String, f64)>]) -> Vec<&str> {
    each_once(rows.iter().flatten().map(|(name, _)| name.as_str()))
}

fn each_once<'a>(all: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// What was measured on a part of the data, from the numbers that [`named`] gives it; none if its loss is not among them.
///
/// ```
/// use chainrule_core::Evaluation;
/// use chainrule_report::{named, unnamed};
///
/// let mut evaluation = Evaluation::default();
/// evaluation.loss = 0.25;
/// evaluation.accuracy = Some(0.75);
/// evaluation.metrics.push(("f1-macro".to_owned(), 0.5));
/// assert_eq!(unnamed("test", &named("test", &evaluation)), Some(evaluation));
/// ```
#[must_use]
pub fn unnamed(part: &str, numbers: &[(String, f64)]) -> Option<Evaluation> {
    let of_part = numbers.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix(part)?.strip_prefix('_')?;
        Some((name.replace('_', "-"), *value))
    });
    let mut metrics: Vec<_> = of_part.collect();
    let mut take = |name: &str| {
        let index = metrics.iter().position(|(of, _)| of == name)?;
        Some(metrics.remove(index).1)
    };
    let (loss, accuracy) = (take("loss")?, take(ACCURACY));
    let mut evaluation = Evaluation::default();
    (evaluation.loss, evaluation.accuracy, evaluation.metrics) = (loss, accuracy, metrics);
    Some(evaluation)
}

/// What was measured on a part of the data, by name: `test_loss`, `test_accuracy`, `test_f1_macro`, ….
#[must_use]
pub fn named(part: &str, evaluation: &Evaluation) -> Vec<(String, f64)> {
    let mut numbers = vec![(format!("{part}_loss"), evaluation.loss)];
    numbers.extend(accuracy(evaluation).map(|accuracy| (format!("{part}_accuracy"), accuracy)));
    numbers.extend(
        metrics(evaluation).map(|(name, value)| (format!("{part}_{}", name.replace('-', "_")), value)),
    );
    numbers
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
pub(crate) fn metric_names<'a>(history: &'a [Epoch], tests: &'a [Option<Evaluation>]) -> Vec<&'a str> {
    let validations = history.iter().flat_map(|epoch| &epoch.validation);
    each_once(validations.chain(tests.iter().flatten()).flat_map(metrics).map(|(name, _)| name))
}

pub(crate) fn metric(evaluation: &Evaluation, name: &str) -> Option<f64> {
    evaluation.metrics.iter().find(|(of, _)| of == name).map(|&(_, value)| value)
}
