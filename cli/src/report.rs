//! What a training run tells: records of its epochs, a summary, and how they are printed.

use std::io::{self, Write};

use chainrule::{Epoch, Evaluation};
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use serde::Serialize;

use crate::progress::count;

/// What was measured in an epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Record {
    /// Counted from 1.
    pub(crate) epoch: usize,
    /// The mean over the epoch's batches, each before its step.
    pub(crate) train_loss: f64,
    pub(crate) train_accuracy: f64,
    /// After the epoch, as all that follows; where there are validation data.
    #[serde(flatten)]
    pub(crate) validation: Option<Validation>,
    pub(crate) test_loss: f64,
    pub(crate) test_accuracy: f64,
    /// The time of the epoch's steps, without the measurements after it.
    pub(crate) seconds: f64,
    pub(crate) samples_per_s: f64,
}

impl Record {
    /// Of an epoch that the trainer tells of; its validation data are our test data.
    pub(crate) fn new(epoch: &Epoch, validation: Option<Validation>) -> Self {
        let accuracy = |evaluation: &Evaluation| evaluation.accuracy.unwrap_or(f64::NAN);
        let test = epoch.validation.as_ref();
        Self {
            epoch: epoch.epoch,
            train_loss: epoch.train.loss,
            train_accuracy: accuracy(&epoch.train),
            validation,
            test_loss: test.map_or(f64::NAN, |test| test.loss),
            test_accuracy: test.map_or(f64::NAN, accuracy),
            seconds: epoch.duration.as_secs_f64(),
            samples_per_s: epoch.samples_per_second,
        }
    }
}

/// What was measured on validation data.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Validation {
    #[serde(rename = "validation_loss")]
    pub(crate) loss: f64,
    #[serde(rename = "validation_accuracy")]
    pub(crate) accuracy: f64,
}

/// What a run comes to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// Of the last epoch, as the next two.
    pub(crate) train_loss: f64,
    pub(crate) test_loss: f64,
    pub(crate) test_accuracy: f64,
    pub(crate) epochs: usize,
    /// All samples trained on, divided by `seconds`.
    pub(crate) samples_per_s: f64,
    /// The time of all steps.
    pub(crate) seconds: f64,
    pub(crate) backend: String,
    pub(crate) isa: String,
    pub(crate) threads: usize,
    pub(crate) seed: u64,
    pub(crate) parameters: usize,
}

/// Writes a record as a line of JSON, and lets a reader have it at once.
pub(crate) fn json_record(out: &mut impl Write, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *out, record)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes the last line of JSON.
pub(crate) fn json_summary(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    #[derive(Serialize)]
    struct Last<'a> {
        summary: &'a Summary,
    }
    serde_json::to_writer(&mut *out, &Last { summary })?;
    out.write_all(b"\n")?;
    out.flush()
}

/// The most rows of the table of epochs.
const ROWS: usize = 10;

/// Writes a table of the epochs (the first, the last and some between) and a sentence about the whole.
pub(crate) fn human(out: &mut impl Write, records: &[Record], summary: &Summary) -> io::Result<()> {
    let validation = records.iter().any(|record| record.validation.is_some());
    let mut header = vec!["epoch", "train loss", "train accuracy"];
    if validation {
        header.extend(["validation loss", "validation accuracy"]);
    }
    header.extend(["test loss", "test accuracy", "samples/s"]);
    let mut table = table(&header);
    for record in chosen(records) {
        let mut row = vec![
            record.epoch.to_string(),
            format!("{:.4}", record.train_loss),
            percent(record.train_accuracy),
        ];
        if let Some(validation) = record.validation {
            row.extend([format!("{:.4}", validation.loss), percent(validation.accuracy)]);
        }
        row.extend([
            format!("{:.4}", record.test_loss),
            percent(record.test_accuracy),
            count(record.samples_per_s),
        ]);
        table.add_row(row);
    }
    right_aligned(&mut table, 0);
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "test accuracy {} after {} epochs, {:.2} s of training, {} samples/s",
        percent(summary.test_accuracy),
        summary.epochs,
        summary.seconds,
        count(summary.samples_per_s),
    )
}

/// At most [`ROWS`] of the records, evenly spaced, with the first and the last.
fn chosen(records: &[Record]) -> impl Iterator<Item = &Record> {
    let rows = records.len().min(ROWS);
    (0..rows).filter_map(move |row| records.get(row * (records.len() - 1) / (rows - 1).max(1)))
}

/// A table with that header, without colours, of the width that it needs.
pub(crate) fn table(header: &[&str]) -> Table {
    let line = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table.load_style(presets::NOTHING.header_separator(line).bottom_border(line));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().copied());
    table
}

/// Aligns the columns from the `first` on to the right, as numbers want it.
pub(crate) fn right_aligned(table: &mut Table, first: usize) {
    table.column_iter_mut().skip(first).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
}

/// `97.21 %`.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.2} %", 100.0 * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: usize) -> Record {
        Record {
            epoch,
            train_loss: 0.5,
            train_accuracy: 0.5,
            validation: None,
            test_loss: 0.5,
            test_accuracy: 0.5,
            seconds: 1.0,
            samples_per_s: 1.0,
        }
    }

    #[test]
    fn the_first_and_the_last_epoch_are_shown() {
        for epochs in [1, 2, 9, 10, 11, 500] {
            let records: Vec<_> = (1..=epochs).map(record).collect();
            let shown: Vec<_> = chosen(&records).map(|record| record.epoch).collect();
            assert_eq!(shown.len(), epochs.min(ROWS));
            assert_eq!((shown[0], shown[shown.len() - 1]), (1, epochs));
            assert!(shown.is_sorted_by(|a, b| a < b), "{shown:?}");
        }
        assert_eq!(chosen(&[]).count(), 0);
    }

    #[test]
    fn validation_is_in_the_record_only_where_there_is_some() {
        let mut record = record(1);
        assert!(!serde_json::to_string(&record).unwrap().contains("validation"));
        record.validation = Some(Validation { loss: 1.0, accuracy: 0.5 });
        let json = serde_json::to_value(&record).unwrap();
        assert_eq!(json["validation_loss"], 1.0);
        assert_eq!(json["validation_accuracy"], 0.5);
    }
}
