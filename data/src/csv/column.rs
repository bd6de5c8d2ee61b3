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

/// Whether a cell may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It becomes NaN.
    Taken,
    /// Nobody asked for that.
    Refused,
    /// A model knows no missing values here.
    Unknown,
    /// A target or a weight has to be there.
    Never,
}

impl Absent {
    fn hint(self) -> &'static str {
        match self {
            Self::Taken | Self::Refused => " (values may be missing if the option `missing` says so)",
            Self::Unknown => " (none was missing in the training data)",
            Self::Never => "",
        }
    }
}

/// A column while it is read: numbers, or places in a dictionary.
#[derive(Debug)]
pub(super) struct Gather {
    pub(super) kind: Kind,
    /// Whether a cell may be missing.
    absent: Absent,
    index: HashMap<String, usize>,
    pub(super) names: Vec<String>,
}

impl Gather {
    pub(super) fn new(kind: Kind, absent: Absent) -> Self {
        Self { kind, absent, index: HashMap::new(), names: Vec::new() }
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
            self.kind = match number::<T>(cell) {
                Err(expected) if expected == A_NUMBER => {
                    if is_nearly_a_number(cell) {
                        return Err(format!(
                            "{A_NUMBER} as digits with a point for the decimals, and no more ({CATEGORIES_HINT})"
                        ));
                    }
                    Kind::Categories { detected: true }
                }
                // Be it beyond the range.
                _ => Kind::Numbers { detected: true },
            };
        }
        match self.kind {
            Kind::Numbers { detected } => number(cell).map_err(|expected| {
                if detected && expected == A_NUMBER {
                    format!("{expected}{AS_ABOVE} ({CATEGORIES_HINT})")
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
                Err(format!("a category{AS_ABOVE}, and no number ({CATEGORIES_HINT})"))
            }
            _ => self.place(cell).map(|place| T::from(place).unwrap_or_else(T::nan)),
        }
    }

    fn absent<T: Float>(&self) -> Result<T, String> {
        match self.kind {
            _ if self.absent == Absent::Taken => Ok(T::nan()),
            Kind::Classes => Err("a class".to_owned()),
            Kind::Weights => Err(A_WEIGHT.to_owned()),
            Kind::Numbers { .. } => Err(format!("{A_NUMBER}{}", self.absent.hint())),
            _ => Err(format!("a value{}", self.absent.hint())),
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
                "one of the {MAX_DETECTED} values above (a column of more categories has to be named by the \
                 option `categorical`, or left out by `ignore`)"
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
/// In what is expected of a cell because of the first row alone.
pub(super) const AS_ABOVE: &str = ", as above";
const CATEGORIES_HINT: &str =
    "columns of categories that are no plain texts are named by the option `categorical`";

/// A cell's number, or what would have been one.
fn number<T: Float>(cell: &[u8]) -> Result<T, String> {
    let value = std::str::from_utf8(cell).ok().and_then(|text| T::from_str_radix(text, 10).ok());
    match value {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(format!("a finite number below {:.3e}", T::max_value().to_f64().unwrap_or(f64::MAX))),
        None => Err(A_NUMBER.to_owned()),
    }
}

/// Whether a text has a number in it, with what people put between and around digits: `1,250`, `0,5`, `$ 3`, `40 %`.
fn is_nearly_a_number(cell: &[u8]) -> bool {
    const AROUND: [char; 10] = [',', '\'', '_', ' ', '\u{a0}', '%', '$', '€', '£', '¥'];
    let Ok(text) = std::str::from_utf8(cell) else { return false };
    text.replace(AROUND, "").parse::<f64>().is_ok_and(f64::is_finite)
}
