//! What becomes of a column's cells.

use crate::classes::{MAX_CLASSES, whole_number};
use num_traits::Float;
use std::collections::HashMap;

/// A column of text that nobody named as one of categories has at most so many different values.
pub const MAX_DETECTED: usize = 256;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What its first value will tell.
    Open,
    /// Numbers: somebody says so, or the first was one.
    Numbers {
        /// Whether that was the first value's doing.
        detected: bool,
    },
    /// Categories: somebody says so, or the first was a text.
    Categories {
        /// Whether that was the first value's doing.
        detected: bool,
    },
    /// Classes.
    Classes,
    /// Numbers of at least 0.
    Weights,
}

/// A column while it is read: numbers, or places in a dictionary.
#[derive(Debug)]
pub(super) struct Gather {
    pub(super) kind: Kind,
    /// Whether a cell may be missing; it becomes NaN.
    optional: bool,
    index: HashMap<String, usize>,
    pub(super) names: Vec<String>,
}

impl Gather {
    pub(super) fn new(kind: Kind, optional: bool) -> Self {
        Self { kind, optional, index: HashMap::new(), names: Vec::new() }
    }

    pub(super) fn has_names(&self) -> bool {
        matches!(self.kind, Kind::Categories { .. } | Kind::Classes)
    }

    /// The value of a cell, or what would have been one. Texts in `missing` stand for no value.
    pub(super) fn value<T: Float>(&mut self, cell: &[u8], missing: &[String]) -> Result<T, String> {
        let is_missing = match self.kind {
            // Any text is a class.
            Kind::Classes => cell.is_empty(),
            // Nearly all of these begin as a number does.
            _ => missing.iter().any(|text| text.as_bytes() == cell),
        };
        if is_missing {
            return self.absent();
        }
        if self.kind == Kind::Open {
            let number = number::<T>(cell).is_ok();
            self.kind =
                if number { Kind::Numbers { detected: true } } else { Kind::Categories { detected: true } };
        }
        match self.kind {
            Kind::Numbers { detected } => number(cell).map_err(|expected| {
                if detected && expected == A_NUMBER {
                    format!("{expected}, as above (a column of categories has to be named)")
                } else {
                    expected
                }
            }),
            Kind::Weights => match number(cell) {
                Ok(weight) if weight >= T::zero() => Ok(weight),
                Err(expected) if expected != A_NUMBER => Err(expected),
                _ => Err(A_WEIGHT.to_owned()),
            },
            Kind::Categories { detected: true } if number::<T>(cell).is_ok() => {
                Err("a category, as above, and no number (a column of categories has to be named)".to_owned())
            }
            _ => self.place(cell).map(|place| T::from(place).unwrap_or_else(T::nan)),
        }
    }

    fn absent<T: Float>(&self) -> Result<T, String> {
        match self.kind {
            _ if self.optional => Ok(T::nan()),
            Kind::Classes => Err("a class".to_owned()),
            Kind::Weights => Err(A_WEIGHT.to_owned()),
            Kind::Numbers { .. } => Err(format!("{A_NUMBER} ({MISSING_HINT})")),
            _ => Err(format!("a value ({MISSING_HINT})")),
        }
    }

    /// A text's place in the dictionary, which it may enter.
    fn place(&mut self, cell: &[u8]) -> Result<usize, String> {
        let what = if self.kind == Kind::Classes { "class" } else { "category" };
        let Ok(name) = std::str::from_utf8(cell) else { return Err(format!("a {what} in UTF-8")) };
        if let Some(&place) = self.index.get(name) {
            return Ok(place);
        }
        if self.kind == Kind::Classes {
            whole_number(name)?;
        }
        let place = self.names.len();
        if self.kind == (Kind::Categories { detected: true }) && place == MAX_DETECTED {
            return Err(format!(
                "one of the {MAX_DETECTED} values above (a column of more categories has to be named, or ignored)"
            ));
        }
        if place == MAX_CLASSES {
            let (many, most) = if what == "class" { ("classes", "before") } else { ("categories", "above") };
            return Err(format!("one of the {MAX_CLASSES} {many} {most} (the most that is possible)"));
        }
        self.names.push(name.to_owned());
        self.index.insert(name.to_owned(), place);
        Ok(place)
    }
}

const A_NUMBER: &str = "a number";
const A_WEIGHT: &str = "a weight, a number of at least 0";
const MISSING_HINT: &str = "missing values are only taken when that is asked for";

/// A cell's number, or what would have been one.
fn number<T: Float>(cell: &[u8]) -> Result<T, String> {
    let value = std::str::from_utf8(cell).ok().and_then(|text| T::from_str_radix(text, 10).ok());
    match value {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(format!("a finite number below {:.3e}", T::max_value().to_f64().unwrap_or(f64::MAX))),
        None => Err(A_NUMBER.to_owned()),
    }
}
