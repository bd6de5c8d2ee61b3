//! What a training run tells: records of its epochs, a summary, and how they are printed.

use std::io::{self, Write};

use chainrule::{Epoch, Evaluation, TrainingMemory};
use chainrule_report::named;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, presets};
use serde_json::{Map, Value, json};

use crate::progress::count;

/// What was measured in an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    /// Counted from 1.
    pub(crate) epoch: usize,
    /// The mean over the epoch's batches, each before its step.
    pub(crate) train: Evaluation,
    /// After the epoch, as the next; where there are validation data.
    pub(crate) validation: Option<Evaluation>,
    pub(crate) test: Option<Evaluation>,
    pub(crate) learning_rate: f64,
    /// The time of the epoch's steps, without the measurements after it.
    pub(crate) seconds: f64,
    pub(crate) samples_per_s: f64,
}

impl Record {
    /// Of an epoch that the trainer tells of, with what was measured beside it.
    pub(crate) fn new(epoch: &Epoch, validation: Option<Evaluation>, test: Option<Evaluation>) -> Self {
        Self {
            epoch: epoch.epoch,
            train: epoch.train.clone(),
            validation,
            test,
            learning_rate: epoch.learning_rate,
            seconds: epoch.duration.as_secs_f64(),
            samples_per_s: epoch.samples_per_second,
        }
    }

    /// The parts that were measured, by name.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&'static str, &Evaluation)> {
        let held_out = [("validation", self.validation.as_ref()), ("test", self.test.as_ref())];
        let held_out = held_out.into_iter().filter_map(|(name, part)| Some((name, part?)));
        std::iter::once(("train", &self.train)).chain(held_out)
    }

    pub(crate) fn train_accuracy(&self) -> f64 {
        self.train.accuracy.unwrap_or(f64::NAN)
    }

    pub(crate) fn test_accuracy(&self) -> f64 {
        self.test.as_ref().and_then(|test| test.accuracy).unwrap_or(f64::NAN)
    }

    /// Every number by its name: `epoch`, `train_loss`, `test_accuracy`, …
    pub(crate) fn numbers(&self) -> Vec<(String, f64)> {
        let mut numbers = vec![("epoch".to_owned(), self.epoch as f64)];
        numbers.extend(self.parts().flat_map(|(part, evaluation)| named(part, evaluation)));
        numbers.push(("learning_rate".to_owned(), self.learning_rate));
        numbers.push(("seconds".to_owned(), self.seconds));
        numbers.push(("samples_per_s".to_owned(), self.samples_per_s));
        numbers
    }
}

/// An object of numbers; what is no number is null.
fn object(epoch: usize, numbers: Vec<(String, f64)>) -> Map<String, Value> {
    let value = |(name, x): (String, f64)| {
        let value = if name == "epoch" { json!(epoch) } else { json!(x) };
        (name, value)
    };
    numbers.into_iter().map(value).collect()
}

/// What a run comes to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    /// What was measured of the network that is kept.
    pub(crate) last: Record,
    /// With those of earlier parts of the run.
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
    /// The memory that the library states for the run, with the data, in bytes.
    pub(crate) stated_memory: usize,
    /// The memory that the program had when training began, in bytes, where the system tells.
    pub(crate) memory_before: Option<u64>,
    /// The most that it has had.
    pub(crate) peak_memory: Option<u64>,
}

impl Summary {
    fn object(&self) -> Value {
        let mut numbers = Vec::new();
        for (part, evaluation) in self.last.parts() {
            let of_part = named(part, evaluation);
            // The network that is kept has not the accuracy that its batches had in training.
            numbers.extend(of_part.into_iter().filter(|(name, _)| name != "train_accuracy"));
        }
        let mut object = object(self.last.epoch, numbers);
        object.extend([
            ("epochs".to_owned(), json!(self.epochs)),
            ("samples_per_s".to_owned(), json!(self.samples_per_s)),
            ("seconds".to_owned(), json!(self.seconds)),
            ("backend".to_owned(), json!(self.backend)),
            ("isa".to_owned(), json!(self.isa)),
            ("threads".to_owned(), json!(self.threads)),
            ("seed".to_owned(), json!(self.seed)),
            ("parameters".to_owned(), json!(self.parameters)),
            ("stated_memory".to_owned(), json!(self.stated_memory)),
            ("memory_before".to_owned(), json!(self.memory_before)),
            ("peak_memory".to_owned(), json!(self.peak_memory)),
        ]);
        Value::Object(object)
    }
}

/// What a run's memory is for, by names that people read.
fn purposes(memory: &TrainingMemory) -> [(&'static str, usize); 7] {
    let &TrainingMemory { data, parameters, gradient, optimizer, activations, batch, validation, .. } =
        memory;
    [
        ("data", data),
        ("parameters", parameters),
        ("gradient", gradient),
        ("optimizer", optimizer),
        ("activations", activations),
        ("batch", batch),
        ("validation", validation),
    ]
}

/// Writes the memory that training will take as a line of JSON, in bytes.
pub(crate) fn json_memory(out: &mut impl Write, memory: &TrainingMemory) -> io::Result<()> {
    let mut object: Map<String, Value> =
        purposes(memory).map(|(name, bytes)| (name.to_owned(), json!(bytes))).into_iter().collect();
    object.insert("total".to_owned(), json!(memory.total()));
    writeln!(out, "{}", json!({ "memory": object }))?;
    out.flush()
}

/// Writes it as a sentence.
pub(crate) fn human_memory(out: &mut impl Write, stated: &TrainingMemory) -> io::Result<()> {
    let parts = purposes(stated).into_iter().filter(|&(_, bytes)| bytes > 0);
    let parts: Vec<_> = parts.map(|(name, bytes)| format!("{name} {}", memory(bytes as u64))).collect();
    writeln!(out, "training takes {} of memory: {}", memory(stated.total() as u64), parts.join(", "))?;
    out.flush()
}

/// Writes a record as a line of JSON, and lets a reader have it at once.
pub(crate) fn json_record(out: &mut impl Write, record: &Record) -> io::Result<()> {
    writeln!(out, "{}", Value::Object(object(record.epoch, record.numbers())))?;
    out.flush()
}

/// Writes the last line of JSON.
pub(crate) fn json_summary(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    writeln!(out, "{}", json!({ "summary": summary.object() }))?;
    out.flush()
}

/// The most rows of the table of epochs.
const ROWS: usize = 10;

/// `0.0123`, or `97.21 %` for what is a share.
fn cell(name: &str, value: f64) -> String {
    if name.ends_with("accuracy") { percent(value) } else { format!("{value:.4}") }
}

/// Writes a table of the epochs (the first, the last and some between) and a sentence about the whole.
pub(crate) fn human(out: &mut impl Write, records: &[Record], summary: &Summary) -> io::Result<()> {
    let epochs = match summary.epochs {
        1 => "1 epoch".to_owned(),
        epochs => format!("{epochs} epochs"),
    };
    if records.is_empty() {
        return writeln!(
            out,
            "{}: the run had come to its end already, after {epochs}",
            headline(&summary.last)
        );
    }
    let shown = |record: &Record| {
        let mut numbers = record.numbers();
        numbers
            .retain(|(name, _)| !["seconds", "learning_rate", "epoch", "samples_per_s"].contains(&&**name));
        numbers
    };
    let names = records.first().map(shown).unwrap_or_default();
    let mut header = vec!["epoch".to_owned()];
    header.extend(names.into_iter().map(|(name, _)| name.replace('_', " ")));
    header.push("samples/s".to_owned());
    let mut table = table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for record in chosen(records) {
        let mut row = vec![record.epoch.to_string()];
        row.extend(shown(record).into_iter().map(|(name, value)| cell(&name, value)));
        row.push(count(record.samples_per_s));
        table.add_row(row);
    }
    right_aligned(&mut table, 0);
    writeln!(out, "{table}")?;
    writeln!(
        out,
        "{} after {epochs}, {:.2} s of training, {} samples/s{}",
        headline(&summary.last),
        summary.seconds,
        count(summary.samples_per_s),
        summary.peak_memory.zip(summary.memory_before).map_or_else(String::new, |(most, before)| {
            let (most, before) = (memory(most), memory(before));
            format!("; the program had {most} of memory at most, {before} when training began")
        }),
    )
}

/// The one number that tells most: `test accuracy 97.21 %`.
pub(crate) fn headline(record: &Record) -> String {
    let (part, evaluation) = record.parts().last().unwrap_or(("train", &record.train));
    let r2 = evaluation.metrics.iter().find(|(name, _)| name == "r2");
    match (evaluation.accuracy, r2) {
        (Some(accuracy), _) => format!("{part} accuracy {}", percent(accuracy)),
        (None, Some((_, r2))) => format!("{part} R² {r2:.4}"),
        (None, None) => format!("{part} loss {:.4}", evaluation.loss),
    }
}

/// `12.34 MiB`.
pub(crate) fn memory(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
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
        Record { epoch, ..Record::default() }
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
    fn a_record_tells_what_was_measured_and_no_more() {
        let names = |record: &Record| record.numbers().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        let mut record = record(1);
        record.train.loss = f64::NAN;
        assert_eq!(names(&record), ["epoch", "train_loss", "learning_rate", "seconds", "samples_per_s"]);
        let mut line = Vec::new();
        json_record(&mut line, &record).unwrap();
        assert!(String::from_utf8(line).unwrap().contains("\"train_loss\":null"));
        record.test = Some(Evaluation::default());
        record.test.as_mut().unwrap().metrics = vec![("f1-macro".to_owned(), 0.5)];
        assert_eq!(names(&record)[2..4], ["test_loss", "test_f1_macro"]);
    }
}
