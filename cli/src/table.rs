//! Tables (CSV files) as data to train with.

use std::path::{Path, PathBuf};

use chainrule::Scalar;
use chainrule_data::{
    Answers, Encoded, Encoder, EncoderOptions, FillCategories, FillNumbers, Preprocessing, Table, Target,
    Task, csv,
};

use crate::config::{DataSection, Delimiter, Missing, PreprocessingSection, TaskKind, UnknownCategories};
use crate::failure::Failure;
use crate::preparation::{Preparation, TargetScale, fit};
use crate::source::{Data, Part, Wanted, split};

/// The share of a single table or archive that is held out to test with.
pub(crate) const TEST_SHARE: f64 = 0.2;

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
    let test_share = if second.is_some() { 0.0 } else { section.test_share.unwrap_or(TEST_SHARE) };
    let place = first.display().to_string();
    // Classes do not depend on the rows that are trained on; what fills gaps does.
    let encoding = encoding(preprocessing);
    let whole = Encoder::fit(&table, None, &encoding)?;
    let answers = whole.encode(table.clone())?.answers;
    let answers = answers.ok_or_else(|| Failure::unfit(place.clone(), "no target", "a column to predict"))?;
    // What is held out for validation is a share of what is left.
    let rows = split(&answers, wanted.validation * (1.0 - test_share), test_share, wanted.seed)?;
    let encoder = Encoder::fit(&table, Some(&rows.train), &encoding)?;
    let Encoded { inputs, answers, .. } = encoder.encode(table)?;
    let answers = answers.ok_or_else(|| Failure::unfit(place.clone(), "no target", "a column to predict"))?;
    let methods = preprocessing.scaling.clone().unwrap_or_default();
    let (steps, inputs) = fit(&methods, inputs, Some(&rows.train))?;
    let [train, validation, test] = Part::new(inputs, answers).held_out(&rows);
    let train = train.ok_or_else(|| Failure::unfit(place.clone(), "no rows", "some to train on"))?;
    let test = match second {
        Some(path) => Some(second_table(path, &options, &encoder, &steps)?),
        None => test,
    };
    let class_names = encoder.class_names().unwrap_or_default().to_vec();
    if class_names.len() == 1 {
        return Err(Failure::unfit(place, "1 class", "at least 2"));
    }
    let target_names = match encoder.target() {
        Target::Classes { name, .. } => name.iter().cloned().collect(),
        Target::Values { columns } => columns.iter().filter_map(|(name, _)| name.clone()).collect(),
        _ => Vec::new(),
    };
    let mut data = Data {
        train,
        validation,
        test,
        class_names,
        feature_names: encoder.input_names(),
        target_names,
        preparation: Preparation {
            encoder: Some(encoder),
            preprocessing: steps,
            delimiter: section.delimiter,
        },
        target_scale: None,
    };
    data.weigh_and_scale(section, preprocessing)?;
    Ok(data)
}

/// A table to test with, as the encoder of the first has it.
fn second_table<T: Scalar>(
    path: &Path,
    options: &csv::Options,
    encoder: &Encoder,
    steps: &Preprocessing,
) -> Result<Part<T>, Failure> {
    let table: Table<T> = csv::table(path, &options.clone().expect(encoder))?;
    let Encoded { inputs, answers, .. } = encoder.encode(table)?;
    let place = path.display().to_string();
    let answers = answers.ok_or_else(|| Failure::unfit(place, "no target", "a column to test with"))?;
    Ok(Part::new(steps.transform(inputs)?, answers))
}

impl<T: Scalar> Part<T> {
    /// Puts numbers to predict on the scale that the network is trained on.
    pub(crate) fn rescale(&mut self, scale: &TargetScale) {
        if let Answers::Values(values) = &mut self.answers {
            scale.apply(values);
        }
    }
}
