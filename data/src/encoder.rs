//! From a table to the arrays that a network is given, in the way that was settled by the training data.

use crate::{
    Error, Field, Table,
    csv::{Expected, ExpectedField, MAX_CLASSES},
    error::{counted, quoted, shortened_list},
    table::number_text,
};
use ndarray::Array2;
use num_traits::Float;
use serde::{Deserialize, Serialize};

mod fit;
mod unchecked;

pub use fit::{EncoderOptions, FillCategories, FillNumbers};

/// How columns become a network's inputs, and its targets: what of it has to be kept with a model.
///
/// It is fitted on the training rows alone. A column of numbers becomes an input; a column of k categories becomes k, 1 where a row has
/// the category and 0 elsewhere. Categories are in ascending order: by value if all are numbers, else by their characters' code
/// points. One that the training rows did not have is an error, or k zeros if [`EncoderOptions::unknown_as_zeros`] was asked for.
/// Missing values are an error, unless the options say what shall stand for them.
///
/// Classes are numbered as in [`csv`](crate::csv) and taken from the whole table.
///
/// What is deserialised is checked: an encoder that can be had is sound.
///
/// ```
/// use chainrule_data::{Answers, Encoder, EncoderOptions, FillNumbers, csv::{self, Options}};
/// use ndarray::array;
///
/// let text = "colour,size,kind\nred,1,a\nblue,NA,b\nred,4,b\n";
/// let table = csv::table_from_reader::<f64>(text.as_bytes(), "things.csv", &Options::new().missing(&csv::MISSING))?;
/// let options = EncoderOptions::new().fill_numbers(FillNumbers::Mean);
/// let encoder = Encoder::fit(&table, None, &options)?;
/// assert_eq!(encoder.input_names(), ["colour=blue", "colour=red", "size"]);
///
/// let data = encoder.encode(table)?;
/// assert_eq!(data.inputs, array![[0.0, 1.0, 1.0], [1.0, 0.0, 2.5], [0.0, 1.0, 4.0]]);
/// assert_eq!(data.answers, Some(Answers::Classes(vec![0, 1, 1])));
/// # Ok::<(), chainrule_data::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "unchecked::Encoder")]
pub struct Encoder {
    /// How many columns the training file had.
    width: usize,
    features: Vec<Feature>,
    targets: Target,
    /// The texts that stand for missing values.
    missing: Vec<String>,
    /// Whether an unknown category becomes zeros.
    unknown_as_zeros: bool,
}

/// A column of features, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Feature {
    /// Its name, if the training file had a header.
    pub name: Option<String>,
    /// Its number in the training file, counted from 1.
    pub column: usize,
    /// What becomes of its cells.
    pub coding: Coding,
}

/// What becomes of a feature's cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Coding {
    /// The number, one input.
    Number {
        /// What stands for a missing one.
        fill: Option<f64>,
    },
    /// 1 for the category that it is and 0 for the others, as many inputs as categories.
    OneHot {
        /// The categories, in order.
        categories: Vec<String>,
        /// The one that stands for a missing one.
        fill: Option<String>,
    },
}

/// What is learnt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Target {
    /// Nothing: the table has no targets.
    None,
    /// A class.
    Classes {
        /// The column's name, if the training file had a header.
        name: Option<String>,
        /// Its number in the training file, counted from 1.
        column: usize,
        /// The classes' names; a label is a place in this list.
        classes: Vec<String>,
    },
    /// Numbers.
    Values {
        /// The columns' names, if the training file had a header, and their numbers in it, counted from 1.
        columns: Vec<(Option<String>, usize)>,
    },
}

/// A table as arrays.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Encoded<T> {
    /// rows × inputs, all finite
    pub inputs: Array2<T>,
    /// The targets, if the table had them.
    pub answers: Option<Answers<T>>,
}

/// Targets, owned: a label for each row, or rows × values.
#[derive(Clone, Debug, PartialEq)]
pub enum Answers<T> {
    /// Classes, counted from 0.
    Classes(Vec<usize>),
    /// Numbers, rows × values.
    Values(Array2<T>),
}

impl Encoder {
    /// The columns and what becomes of them.
    #[must_use]
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// What is learnt.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.targets
    }

    /// The classes' names, if classes are learnt.
    #[must_use]
    pub fn class_names(&self) -> Option<&[String]> {
        match &self.targets {
            Target::Classes { classes, .. } => Some(classes),
            _ => None,
        }
    }

    /// The number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.features.iter().map(|feature| feature.coding.inputs()).sum()
    }

    /// The inputs' names: `size`, `colour=red`; columns without a name are called by their number.
    #[must_use]
    pub fn input_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for feature in &self.features {
            let name = feature.name.clone().unwrap_or_else(|| feature.column.to_string());
            match &feature.coding {
                Coding::Number { .. } => names.push(name),
                Coding::OneHot { categories, .. } => {
                    names.extend(categories.iter().map(|category| format!("{name}={category}")));
                }
            }
        }
        names
    }

    pub(crate) fn missing_texts(&self) -> &[String] {
        &self.missing
    }

    /// What a reader has to know of it.
    pub(crate) fn expected(&self) -> Expected {
        let features = self.features.iter().map(|feature| {
            let (categories, optional) = match &feature.coding {
                Coding::Number { fill } => (false, fill.is_some()),
                Coding::OneHot { fill, .. } => (true, fill.is_some()),
            };
            ExpectedField { name: feature.name.clone(), number: feature.column, categories, optional }
        });
        // Of rows to predict, some may have a target and some not.
        let target = |categories| {
            move |(name, number): (Option<String>, usize)| ExpectedField {
                name,
                number,
                categories,
                optional: true,
            }
        };
        let targets = match self.targets.clone() {
            Target::None => Vec::new(),
            Target::Classes { name, column, .. } => vec![target(true)((name, column))],
            Target::Values { columns } => columns.into_iter().map(target(false)).collect(),
        };
        Expected { width: self.width, features: features.collect(), targets }
    }

    /// The inputs and targets of a table. Columns of numbers are not copied if there are no others.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownCategory`] for a category that the training rows did not have; [`Error::Malformed`], with line and column, for
    /// a missing value that nothing stands for and for a class that is unknown; [`Error::Argument`] for a table of other
    /// columns.
    pub fn encode<T: Float>(&self, table: Table<T>) -> Result<Encoded<T>, Error> {
        let answers = self.answers(&table)?;
        Ok(Encoded { inputs: self.encode_inputs(table)?, answers })
    }

    /// The inputs of a table alone, rows × inputs.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode`].
    pub fn encode_inputs<T: Float>(&self, mut table: Table<T>) -> Result<Array2<T>, Error> {
        self.compare(&table)?;
        if self.features.iter().all(|feature| matches!(feature.coding, Coding::Number { .. })) {
            let mut values = std::mem::replace(&mut table.values, Array2::zeros((0, 0)));
            for (row, mut line) in values.rows_mut().into_iter().enumerate() {
                for ((value, feature), field) in line.iter_mut().zip(&self.features).zip(&table.features) {
                    if let (true, Coding::Number { fill }) = (value.is_nan(), &feature.coding) {
                        *value = filled(*fill).ok_or_else(|| missing(&table, row, field))?;
                    }
                }
            }
            return Ok(values);
        }
        let maps: Vec<_> = self.features.iter().zip(&table.features).map(|(a, b)| a.places(b)).collect();
        let mut inputs = Array2::zeros((table.len(), self.inputs()));
        for (row, (mut line, values)) in inputs.rows_mut().into_iter().zip(table.values.rows()).enumerate() {
            let mut at = 0;
            for (place, (&value, feature)) in values.iter().zip(&self.features).enumerate() {
                let field = &table.features[place];
                match &feature.coding {
                    Coding::Number { .. } if !value.is_nan() => line[at] = value,
                    Coding::Number { fill } => {
                        line[at] = filled(*fill).ok_or_else(|| missing(&table, row, field))?;
                    }
                    Coding::OneHot { categories, fill } => {
                        let code = value.to_usize().filter(|_| !value.is_nan());
                        let known = if let Some(code) = code {
                            maps[place].get(code).copied().flatten()
                        } else {
                            let fill = fill.as_ref().ok_or_else(|| missing(&table, row, field))?;
                            categories.iter().position(|category| category == fill)
                        };
                        match known {
                            Some(category) => line[at + category] = T::one(),
                            None if self.unknown_as_zeros => {}
                            None => return Err(unknown(&table, row, field, code, categories)),
                        }
                    }
                }
                at += feature.coding.inputs();
            }
        }
        Ok(inputs)
    }

    /// The targets of a table alone, if it has them.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode`], of targets.
    pub fn answers<T: Float>(&self, table: &Table<T>) -> Result<Option<Answers<T>>, Error> {
        if table.targets.is_empty() {
            return Ok(None);
        }
        let nothing =
            |row, field, what: &str| table.malformed(row, field, "nothing".to_owned(), what.to_owned());
        match &self.targets {
            Target::Classes { classes, .. } => {
                let field = &table.targets[0];
                let known = self.known_classes(table)?;
                let labels = known.into_iter().enumerate().map(|(row, known)| {
                    known.ok_or_else(|| match table.answer_text(row) {
                        None => nothing(row, field, "a class"),
                        Some(text) => {
                            let list = shortened_list(&classes.join(", "));
                            table.malformed(row, field, quoted(&text), format!("one of the classes {list}"))
                        }
                    })
                });
                Ok(Some(Answers::Classes(labels.collect::<Result<_, Error>>()?)))
            }
            Target::Values { columns } => {
                if columns.len() != table.targets.len()
                    || table.targets.iter().any(|field| field.categories.is_some())
                {
                    return Err(other_columns("targets", table.targets.len(), columns.len()));
                }
                match table.answers.indexed_iter().find(|(_, value)| value.is_nan()) {
                    Some(((row, column), _)) => Err(nothing(row, &table.targets[column], "a number")),
                    None => Ok(Some(Answers::Values(table.answers.clone()))),
                }
            }
            Target::None => Ok(None),
        }
    }

    /// The class of each row of a table, for rows that may have none: nothing for those, and for a class that is unknown.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if this encoder has no classes, or the table another number of targets than one.
    pub fn known_classes<T: Float>(&self, table: &Table<T>) -> Result<Vec<Option<usize>>, Error> {
        let (Target::Classes { classes, .. }, [field]) = (&self.targets, &table.targets[..]) else {
            return Err(other_columns(
                "targets",
                table.targets.len(),
                usize::from(self.class_names().is_some()),
            ));
        };
        let class_of = |text: &str| {
            classes.iter().position(|class| class == text).or_else(|| {
                // `7.0` in one file is `7` in another.
                let value = text.parse::<f64>().ok()?;
                classes.iter().position(|class| class.parse() == Ok(value))
            })
        };
        let places: Option<Vec<_>> =
            field.categories.as_ref().map(|names| names.iter().map(|name| class_of(name)).collect());
        let known = |&value: &T| match &places {
            Some(places) => value.to_usize().and_then(|code| places.get(code).copied().flatten()),
            None => class_of(&number_text(value)),
        };
        Ok(table.answers.iter().map(|value| if value.is_nan() { None } else { known(value) }).collect())
    }

    fn compare<T>(&self, table: &Table<T>) -> Result<(), Error> {
        if self.features.len() != table.features.len() {
            return Err(other_columns("features", table.features.len(), self.features.len()));
        }
        for (feature, field) in self.features.iter().zip(&table.features) {
            let categories = matches!(feature.coding, Coding::OneHot { .. });
            if categories != field.categories.is_some()
                || (feature.name != field.name && feature.name.is_some() && field.name.is_some())
            {
                let describe = |name: &Option<String>, column: usize, categories: bool| {
                    let kind = if categories { "categories" } else { "numbers" };
                    let name = name.as_ref().map(|name| format!(" ({})", quoted(name))).unwrap_or_default();
                    format!("column {column}{name} of {kind}")
                };
                return Err(Error::Argument {
                    name: "table",
                    found: describe(&field.name, field.number, field.categories.is_some()),
                    expected: describe(&feature.name, feature.column, categories),
                });
            }
        }
        Ok(())
    }
}

impl Coding {
    /// How many inputs come of it.
    fn inputs(&self) -> usize {
        match self {
            Self::Number { .. } => 1,
            Self::OneHot { categories, .. } => categories.len(),
        }
    }
}

impl Feature {
    /// For each category of the field the place it has here.
    fn places(&self, field: &Field) -> Vec<Option<usize>> {
        let (Coding::OneHot { categories, .. }, Some(names)) = (&self.coding, &field.categories) else {
            return Vec::new();
        };
        names.iter().map(|name| categories.iter().position(|category| category == name)).collect()
    }
}

impl<T: Float> Table<T> {
    /// The first target of a row, as text.
    fn answer_text(&self, row: usize) -> Option<String> {
        let value = *self.answers.get((row, 0))?;
        match &self.targets[0].categories {
            _ if value.is_nan() => None,
            Some(names) => names.get(value.to_usize()?).cloned(),
            None => Some(number_text(value)),
        }
    }
}

fn filled<T: Float>(fill: Option<f64>) -> Option<T> {
    fill.and_then(T::from)
}

fn missing<T: Float>(table: &Table<T>, row: usize, field: &Field) -> Error {
    let what = if field.categories.is_some() { "a category" } else { "a number" };
    let expected = format!("{what} (how to fill in missing ones has to be said)");
    table.malformed(row, field, "nothing".to_owned(), expected)
}

fn unknown<T: Float>(
    table: &Table<T>,
    row: usize,
    field: &Field,
    code: Option<usize>,
    known: &[String],
) -> Error {
    let name = code.and_then(|code| field.categories.as_ref()?.get(code)).map_or("", String::as_str);
    let list = known.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    Error::UnknownCategory {
        file: table.file.clone(),
        position: table.cell(row, field),
        found: quoted(name),
        expected: shortened_list(&list),
    }
}

fn other_columns(what: &'static str, found: usize, expected: usize) -> Error {
    Error::Argument { name: what, found: counted(found, "column"), expected: counted(expected, "column") }
}
