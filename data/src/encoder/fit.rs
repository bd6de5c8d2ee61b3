//! What is learnt from the training rows of a table.

use super::{Coding, Encoder, Feature, Target};
use crate::{
    Error, Field, Table,
    error::{counted, quoted},
};
use num_traits::Float;
use serde::{Deserialize, Serialize};

/// How an [`Encoder`] is fitted: missing values and unknown categories are refused unless something else is asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EncoderOptions {
    numbers: Option<FillNumbers>,
    categories: Option<FillCategories>,
    unknown_as_zeros: bool,
}

/// What stands for a missing number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FillNumbers {
    /// The mean of the column's numbers in the training rows.
    Mean,
    /// Their median: of an even number of them, the mean of the two in the middle.
    Median,
    /// The most frequent of them, the least one of those that are equally frequent.
    MostFrequent,
    /// This number.
    Constant(f64),
}

/// What stands for a missing category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FillCategories {
    /// The most frequent one in the training rows, the first in order of those that are equally frequent.
    MostFrequent,
    /// This one, which is added to the column's categories where it is none of them.
    Constant(String),
}

impl EncoderOptions {
    /// Missing values and unknown categories are refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What stands for missing numbers.
    #[must_use]
    pub fn fill_numbers(self, fill: FillNumbers) -> Self {
        Self { numbers: Some(fill), ..self }
    }

    /// What stands for missing categories.
    #[must_use]
    pub fn fill_categories(self, fill: FillCategories) -> Self {
        Self { categories: Some(fill), ..self }
    }

    /// Whether a category that the training rows did not have becomes a row of zeros; else it is an error.
    #[must_use]
    pub fn unknown_as_zeros(self, zeros: bool) -> Self {
        Self { unknown_as_zeros: zeros, ..self }
    }
}

impl Encoder {
    /// Fits an encoder on some rows of a table, those that are trained on, or on all.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for no rows, or a row that the table does not have, for a constant that is not finite, and for a column to
    /// be filled in of which nothing is known; [`Error::Malformed`], with line and column, for a missing value that nothing is to
    /// stand for, and a class that cannot be one.
    pub fn fit<T: Float>(
        table: &Table<T>,
        rows: Option<&[usize]>,
        options: &EncoderOptions,
    ) -> Result<Self, Error> {
        let all: Vec<usize>;
        let rows = if let Some(rows) = rows {
            rows
        } else {
            all = (0..table.len()).collect();
            &all
        };
        let row = rows.iter().find(|&&row| row >= table.len());
        if let (Some(row), _) | (None, Some(row)) = (row, rows.is_empty().then_some(&0)) {
            return Err(Error::Argument {
                name: "rows",
                found: if rows.is_empty() { "none".to_owned() } else { format!("row {row}") },
                expected: format!("some of the table's {}", counted(table.len(), "row")),
            });
        }
        if let Some(FillNumbers::Constant(value)) = options.numbers
            && !value.is_finite()
        {
            return Err(Error::Argument {
                name: "fill",
                found: value.to_string(),
                expected: "a finite number".to_owned(),
            });
        }
        let fit = |(place, field): (usize, &Field)| {
            let coding = match &field.categories {
                None => number(table, rows, place, options.numbers)?,
                Some(names) => one_hot(table, rows, place, names, options.categories.as_ref())?,
            };
            Ok(Feature { name: field.name.clone(), column: field.number, coding })
        };
        let features = table.features.iter().enumerate().map(fit).collect::<Result<_, Error>>()?;
        let targets = match &table.targets[..] {
            [] => Target::None,
            [field] if table.has_classes() => {
                let classes = table.class_numbers(field)?.1;
                Target::Classes { name: field.name.clone(), column: field.number, classes }
            }
            fields => {
                if let Some(field) = fields.iter().find(|field| field.categories.is_some()) {
                    let expected = "a number, for one of several targets".to_owned();
                    return Err(table.malformed(0, field, "a text".to_owned(), expected));
                }
                let columns = fields.iter().map(|field| (field.name.clone(), field.number)).collect();
                Target::Values { columns }
            }
        };
        Ok(Self {
            width: table.width,
            features,
            targets,
            missing: table.missing.clone(),
            unknown_as_zeros: options.unknown_as_zeros,
        })
    }
}

/// Refuses a missing value that nothing is to stand for.
fn none_missing<T: Float>(table: &Table<T>, rows: &[usize], place: usize) -> Result<(), Error> {
    match rows.iter().find(|&&row| table.values[[row, place]].is_nan()) {
        Some(&row) => Err(super::missing(table, row, &table.features[place])),
        None => Ok(()),
    }
}

fn nothing_known(field: &Field, what: &str) -> Error {
    let name = field.name.as_ref().map(|name| format!(" ({})", quoted(name))).unwrap_or_default();
    Error::Argument {
        name: "fill",
        found: format!("column {}{name}, without a value in the training rows", field.number),
        expected: format!("at least one {what} to fill in the missing ones by, or a constant"),
    }
}

fn number<T: Float>(
    table: &Table<T>,
    rows: &[usize],
    place: usize,
    fill: Option<FillNumbers>,
) -> Result<Coding, Error> {
    let Some(fill) = fill else {
        none_missing(table, rows, place)?;
        return Ok(Coding::Number { fill: None });
    };
    let column = rows.iter().filter_map(|&row| table.values[[row, place]].to_f64());
    let mut known: Vec<f64> = column.filter(|value| !value.is_nan()).collect();
    let value = match fill {
        FillNumbers::Constant(value) => value,
        _ if known.is_empty() => return Err(nothing_known(&table.features[place], "number")),
        FillNumbers::Mean => mean(&known),
        FillNumbers::Median => {
            known.sort_by(f64::total_cmp);
            let middle = known.len() / 2;
            if known.len() % 2 == 1 { known[middle] } else { f64::midpoint(known[middle - 1], known[middle]) }
        }
        FillNumbers::MostFrequent => {
            // Adding 0 makes −0 a plain 0.
            let mut known: Vec<f64> = known.into_iter().map(|value| value + 0.0).collect();
            known.sort_by(f64::total_cmp);
            let runs = known.chunk_by(|a, b| a.total_cmp(b).is_eq());
            // The first of those that are equally long, which `max_by_key` would not give.
            runs.reduce(|longest, run| if run.len() > longest.len() { run } else { longest })
                .map_or(0.0, |run| run[0])
        }
    };
    Ok(Coding::Number { fill: Some(value) })
}

/// The mean, which does not overflow where the sum would.
fn mean(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().sum();
    if sum.is_finite() {
        sum / values.len() as f64
    } else {
        values.iter().map(|value| value / values.len() as f64).sum()
    }
}

fn one_hot<T: Float>(
    table: &Table<T>,
    rows: &[usize],
    place: usize,
    names: &[String],
    fill: Option<&FillCategories>,
) -> Result<Coding, Error> {
    if fill.is_none() {
        none_missing(table, rows, place)?;
    }
    let mut counts = vec![0_usize; names.len()];
    for &row in rows {
        let value = table.values[[row, place]];
        if let Some(count) =
            value.to_usize().filter(|_| !value.is_nan()).and_then(|code| counts.get_mut(code))
        {
            *count += 1;
        }
    }
    let mut met: Vec<(String, usize)> =
        names.iter().cloned().zip(counts).filter(|&(_, count)| count > 0).collect();
    if let Some(FillCategories::Constant(name)) = fill
        && !met.iter().any(|(met, _)| met == name)
    {
        met.push((name.clone(), 0));
    }
    in_order(&mut met);
    let fill = match fill {
        None => None,
        Some(FillCategories::Constant(name)) => Some(name.clone()),
        Some(FillCategories::MostFrequent) => {
            let most = met.iter().map(|&(_, count)| count).max();
            let first = met.iter().find(|&&(_, count)| Some(count) == most);
            let (name, _) = first.ok_or_else(|| nothing_known(&table.features[place], "category"))?;
            Some(name.clone())
        }
    };
    Ok(Coding::OneHot { categories: met.into_iter().map(|(name, _)| name).collect(), fill })
}

/// By value if all are numbers, else by their characters' code points.
fn in_order(categories: &mut [(String, usize)]) {
    let value = |name: &str| name.parse::<f64>().ok().filter(|value| value.is_finite());
    if categories.iter().all(|(name, _)| value(name).is_some()) {
        let key = |name: &str| value(name).unwrap_or_default();
        categories.sort_by(|(a, _), (b, _)| key(a).total_cmp(&key(b)).then_with(|| a.cmp(b)));
    } else {
        categories.sort();
    }
}
