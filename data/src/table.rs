//! What a file of rows and columns holds, before anything is made of it.

use crate::{
    Error, LabelledData, Position, classes,
    error::{counted, quoted},
};
use ndarray::Array2;
use num_traits::Float;
use serde::{Deserialize, Serialize};

/// The rows of a table as they were read: numbers, places in lists of categories, NaN where nothing was.
///
/// An [`Encoder`](crate::Encoder) makes inputs and targets of it. One is had from [`csv::table`](crate::csv::table()).
#[derive(Clone, Debug, PartialEq)]
pub struct Table<T> {
    pub(crate) file: String,
    /// How many columns the file has.
    pub(crate) width: usize,
    pub(crate) features: Vec<Field>,
    pub(crate) targets: Vec<Field>,
    /// rows × features, in standard layout
    pub(crate) values: Array2<T>,
    /// rows × targets
    pub(crate) answers: Array2<T>,
    pub(crate) weights: Option<Vec<T>>,
    /// The line on which each row begins.
    pub(crate) lines: Vec<u64>,
    /// The texts that stood for missing values; none if there may be none.
    pub(crate) missing: Vec<String>,
    pub(crate) task: Task,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Its name, if the file has a header.
    pub name: Option<String>,
    /// Its number in the file, counted from 1.
    pub number: usize,
    /// For a column of categories (or classes), the texts in it, in the order in which they were met; a value is a place in
    /// this list. Nothing for numbers.
    pub categories: Option<Vec<String>>,
}

/// What is to be learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Classes if the target is one column of text, or one of whole numbers of which there are few: no more different ones than √n
    /// and than 30, in n rows. Else values.
    #[default]
    Auto,
    /// One class of several.
    Classes,
    /// Numbers: regression.
    Values,
}

impl<T: Float> Table<T> {
    /// What errors call the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The columns that are no targets.
    #[must_use]
    pub fn features(&self) -> &[Field] {
        &self.features
    }

    /// The targets' columns.
    #[must_use]
    pub fn targets(&self) -> &[Field] {
        &self.targets
    }

    /// The features, rows × features: a number, a place in the column's categories, or NaN for one that is missing.
    #[must_use]
    pub fn values(&self) -> &Array2<T> {
        &self.values
    }

    /// The targets, rows × targets, in the same manner.
    #[must_use]
    pub fn answers(&self) -> &Array2<T> {
        &self.answers
    }

    /// How much each row counts in training, if [`Options::weights`](crate::csv::Options::weights) named a column that tells.
    #[must_use]
    pub fn weights(&self) -> Option<&[T]> {
        self.weights.as_deref()
    }

    /// For each row the line of the file on which it begins, counted from 1.
    #[must_use]
    pub fn lines(&self) -> &[u64] {
        &self.lines
    }

    /// What the reader was told of the targets.
    #[must_use]
    pub fn task(&self) -> Task {
        self.task
    }

    pub(crate) fn cell(&self, row: usize, field: &Field) -> Position {
        Position::Cell { line: self.lines[row], column: field.number, name: field.name.clone() }
    }

    pub(crate) fn malformed(&self, row: usize, field: &Field, found: String, expected: String) -> Error {
        Error::Malformed { file: self.file.clone(), position: self.cell(row, field), found, expected }
    }

    /// What [`Task::Auto`] comes to: whether the one target is one of classes.
    pub(crate) fn has_classes(&self) -> bool {
        const MOST: usize = 30;
        let [field] = &self.targets[..] else { return false };
        match (self.task, &field.categories) {
            (Task::Classes, _) | (_, Some(_)) => true,
            (Task::Values, None) => false,
            (Task::Auto, None) => {
                let mut met: Vec<T> = Vec::new();
                for &value in &self.answers {
                    if value.is_nan() || met.contains(&value) {
                        continue;
                    }
                    met.push(value);
                    let few = met.len() <= MOST && met.len() * met.len() <= self.len();
                    let few = few && value < T::from(classes::MAX_CLASSES).unwrap_or_else(T::infinity);
                    if value.fract() != T::zero() || !few {
                        return false;
                    }
                }
                true
            }
        }
    }

    /// The classes' names, and for each category of the target (for each different number, in ascending order) its class.
    pub(crate) fn class_numbers(&self, field: &Field) -> Result<(Vec<usize>, Vec<String>), Error> {
        let texts: Vec<String> = if let Some(names) = &field.categories {
            names.clone()
        } else {
            let mut met: Vec<T> = self.answers.iter().copied().filter(|value| !value.is_nan()).collect();
            met.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
            met.dedup();
            met.iter().map(|&value| number_text(value)).collect()
        };
        classes::numbering(&texts).map_err(|(place, expected)| {
            let code = T::from(place).unwrap_or_else(T::nan);
            let row = self.answers.iter().position(|&value| value == code).unwrap_or(0);
            self.malformed(row, field, quoted(&texts[place]), expected)
        })
    }

    /// The table as data for classification, where all features are numbers and the target is of classes.
    pub(crate) fn into_labelled(self) -> Result<LabelledData<T>, Error> {
        let [field] = &self.targets[..] else {
            return Err(Error::Argument {
                name: "targets",
                found: counted(self.targets.len(), "column"),
                expected: "1, of classes".to_owned(),
            });
        };
        let (label_of, class_names) = self.class_numbers(field)?;
        let label = |code: &T| code.to_usize().and_then(|code| label_of.get(code).copied()).unwrap_or(0);
        let labels = self.answers.iter().map(label).collect();
        let names: Option<Vec<String>> = self.features.iter().map(|field| field.name.clone()).collect();
        LabelledData::new(self.values, labels, class_names)?.with_feature_names(names.unwrap_or_default())
    }
}

/// A number as text: `7` for 7.0.
pub(crate) fn number_text<T: Float>(value: T) -> String {
    // Adding 0 makes −0 a plain 0.
    (value + T::zero()).to_f64().unwrap_or(f64::NAN).to_string()
}
