//! Tables (CSV files) as data to train with.

use std::path::{Path, PathBuf};

use chainrule::Scalar;
use chainrule_data::{
    Encoded, Encoder, EncoderOptions, FillCategories, FillNumbers, Table, Target, Task, csv,
};

use crate::config::{DataSection, Delimiter, Missing, PreprocessingSection, TaskKind, UnknownCategories};
use crate::data::{Data, Read, Wanted, held_out};
use crate::failure::Failure;
use crate::part::Part;

/// How a table is to be read.
pub(crate) fn options(section: &DataSection, preprocessing: &PreprocessingSection) -> csv::Options {
    let column = |name: &String| name.parse().unwrap_or_else(|never| match never {});
    let options = csv::Options::new()
        .header(section.header.unwrap_or_default().into())
        .delimiter(section.delimiter.unwrap_or(Delimiter(b',')).0)
        .targets([section.target.as_ref().map(column).unwrap_or_default()])
        .categorical(section.categorical.iter().map(column))
        .ignore(section.ignore.iter().map(column))
        .skip(section.skip.unwrap_or(0))
        .task(section.task.map_or(Task::Auto, Into::into));
    let options = match &section.sample_weights {
        Some(weights) => options.weights(column(weights)),
        None => options,
    };
    match preprocessing.missing.unwrap_or_default() {
        Missing::Refuse => options,
        _ => options.missing(&csv::MISSING),
    }
}

impl From<TaskKind> for Task {
    fn from(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Classification => Self::Classes,
            TaskKind::Regression => Self::Values,
        }
    }
}

/// What stands for missing values and unknown categories.
fn encoding(preprocessing: &PreprocessingSection) -> EncoderOptions {
    let numbers = match preprocessing.missing.unwrap_or_default() {
        Missing::Refuse => None,
        Missing::Mean => Some(FillNumbers::Mean),
        Missing::Median => Some(FillNumbers::Median),
        Missing::MostFrequent => Some(FillNumbers::MostFrequent),
    };
    let zeros = preprocessing.unknown_categories == Some(UnknownCategories::Zeros);
    let options = EncoderOptions::new().unknown_as_zeros(zeros);
    match numbers {
        Some(numbers) => options.fill_numbers(numbers).fill_categories(FillCategories::MostFrequent),
        None => options,
    }
}

/// Reads one table, of which a part is held out, or two.
pub(crate) fn load<T: Scalar>(
    paths: &[PathBuf],
    section: &DataSection,
    preprocessing: &PreprocessingSection,
    wanted: Wanted,
) -> Result<Data<T>, Failure> {
    let options = options(section, preprocessing);
    let (first, second) = match paths {
        [first] => (first, None),
        [first, second] => (first, Some(second)),
        _ => return Err(Failure::Usage(format!("expected one or two files, found {}", paths.len()))),
    };
    let table: Table<T> = csv::table(first, &options)?;
    let place = first.display().to_string();
    // Classes do not depend on the rows that are trained on; what fills gaps does.
    let encoding = encoding(preprocessing);
    let answers = Encoder::fit(&table, None, &encoding)?.answers(&table)?;
    let answers = answers.ok_or_else(|| Failure::unfit(place.clone(), "no target", "a column to predict"))?;
    let rows = held_out(&answers, section, wanted, second.is_some())?;
    let encoder = Encoder::fit(&table, Some(&rows.train), &encoding)?;
    let weights = table.weights().map(<[T]>::to_vec);
    let all = Part { inputs: encoder.encode_inputs(table).map_err(told)?, answers, weights };
    let target_names = match encoder.target() {
        Target::Classes { name, .. } => name.iter().cloned().collect(),
        Target::Values { columns } => columns.iter().filter_map(|(name, _)| name.clone()).collect(),
        _ => Vec::new(),
    };
    let read = Read {
        place,
        all,
        rows,
        test: second.map(|path| second_table(path, &options, &encoder)).transpose()?,
        class_names: encoder.class_names().unwrap_or_default().to_vec(),
        feature_names: encoder.input_names(),
        target_names,
        pictures: None,
        encoder: Some(encoder),
        delimiter: section.delimiter,
    };
    read.prepared(section, preprocessing)
}

/// A category that only rows have that are held out, or that only the second table has, with what may be done about it.
fn told(error: chainrule_data::Error) -> Failure {
    match error {
        chainrule_data::Error::UnknownCategory { .. } => Failure::Other(format!(
            "{error}, as the rows have that are trained on (--unknown-categories zeros takes others as none of these, --ignore \
             leaves the column out)"
        )),
        error => error.into(),
    }
}

/// A table to test with, as the encoder of the first has it.
fn second_table<T: Scalar>(
    path: &Path,
    options: &csv::Options,
    encoder: &Encoder,
) -> Result<Part<T>, Failure> {
    let table: Table<T> = csv::table(path, &options.clone().expect(encoder))?;
    let Encoded { inputs, answers, .. } = encoder.encode(table).map_err(told)?;
    let place = path.display().to_string();
    let answers = answers.ok_or_else(|| Failure::unfit(place, "no target", "a column to test with"))?;
    Ok(Part::new(inputs, answers))
}
