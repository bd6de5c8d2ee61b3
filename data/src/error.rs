//! The one error of this crate.

use std::{fmt, io, path::PathBuf};

/// What went wrong while data was read or split.
///
/// The [`Display`](fmt::Display) form is complete in itself (it includes the cause), so `source()` is always
/// `None`.
///
/// ```
/// use chainrule_data::{Error, Position, csv};
///
/// let text = "5.1,3.5,setosa\n4.9,x,setosa\n";
/// let error = csv::from_reader::<f32>(text.as_bytes(), "iris.csv", &csv::Options::new()).unwrap_err();
/// assert_eq!(error.to_string(), "iris.csv, line 2, column 2: found `x`, expected a number");
/// assert!(matches!(error, Error::Malformed { position: Position::Cell { line: 2, column: 2, .. }, .. }));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened or read.
    #[error("{file}: cannot be read: {cause}")]
    Io {
        /// The file, or the name that was given to a reader.
        file: String,
        /// What the operating system or the reader said.
        cause: io::Error,
    },

    /// The file begins as gzip does and then breaks that format: it is cut off, or its checksum is wrong.
    #[error("{file}: found broken gzip data ({cause}), expected a complete gzip file")]
    Gzip {
        /// The file, or the name that was given to a reader.
        file: String,
        /// What the decompressor said.
        cause: io::Error,
    },

    /// What was read is not what its format, or the files beside it, ask for.
    #[error("{file}{position}: found {found}, expected {expected}")]
    Malformed {
        /// The file, or the name that was given to a reader.
        file: String,
        /// Where in that file.
        position: Position,
        /// What was there.
        found: String,
        /// What should have been there.
        expected: String,
    },

    /// A category that the training data did not have, in a column of a table.
    #[error("{file}{position}: found the unknown category {found}, expected one of {expected}")]
    UnknownCategory {
        /// The file, or the name that was given to a reader.
        file: String,
        /// Where in that file.
        position: Position,
        /// The category.
        found: String,
        /// Those that are known.
        expected: String,
    },

    /// A data set that has to be fetched first is not in the folder where it was looked for.
    #[error("{data} is not in {folder} ({chosen_by}): no {}; {help}", .missing.join(", no "), folder = .folder.display())]
    Missing {
        /// The data set's name.
        data: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
        /// What named that folder: an option, an environment variable, the default.
        chosen_by: &'static str,
        /// The files that were not there.
        missing: Vec<String>,
        /// How to get them.
        help: &'static str,
    },

    /// The eigenvalues of a covariance could not be had.
    #[error("eigenvalues cannot be computed: {cause}")]
    Eigenvalues {
        /// What the solver said.
        cause: String,
    },

    /// A value passed by the caller is out of range or contradicts another.
    #[error("{name}: found {found}, expected {expected}")]
    Argument {
        /// The argument's name.
        name: &'static str,
        /// Its value.
        found: String,
        /// What is possible.
        expected: String,
    },
}

/// Where in a file something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Position {
    /// The file as a whole.
    File,
    /// A byte of the file (of the unpacked file, where it is gzipped), counted from 0.
    Byte(u64),
    /// A line, counted from 1.
    Line(u64),
    /// An element of an array.
    Element {
        /// Its row, counted from 0.
        row: usize,
        /// Its column, counted from 0.
        column: usize,
    },
    /// A cell of a table.
    Cell {
        /// The line on which the cell begins, counted from 1.
        line: u64,
        /// The cell's column, counted from 1: the number of the field, not of the character.
        column: usize,
        /// The column's name, where the file has a header.
        name: Option<String>,
    },
}

/// Writes what follows the file's name in a message: nothing for the whole file, else `, line 3, column 2
/// (height)`.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::File => Ok(()),
            Position::Byte(byte) => write!(f, ", byte {byte}"),
            Position::Line(line) => write!(f, ", line {line}"),
            Position::Element { row, column } => write!(f, ", element [{row}, {column}]"),
            Position::Cell { line, column, name: None } => write!(f, ", line {line}, column {column}"),
            Position::Cell { line, column, name: Some(name) } => {
                write!(f, ", line {line}, column {column} ({})", shortened(name))
            }
        }
    }
}

/// `text` with control characters escaped and cut to a length that a message can bear.
pub(crate) fn shortened(text: &str) -> String {
    const LONGEST: usize = 40;
    let mut characters = text.chars();
    let mut short = escaped(characters.by_ref().take(LONGEST));
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

/// Control characters as a programmer writes them; quotation marks as they are.
fn escaped(text: impl Iterator<Item = char>) -> String {
    let mut escaped = String::new();
    for character in text {
        match character {
            '"' | '\'' => escaped.push(character),
            _ => escaped.extend(character.escape_debug()),
        }
    }
    escaped
}

/// `text` as a message quotes it.
pub(crate) fn quoted(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", shortened(text)) }
}

/// A list for a message, cut where it is long.
pub(crate) fn shortened_list(list: &str) -> String {
    const LONGEST: usize = 120;
    match list.char_indices().nth(LONGEST) {
        None => escaped(list.chars()),
        Some((cut, _)) => format!("{}…", escaped(list[..cut].chars())),
    }
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_odd_values_are_cut_and_escaped() {
        assert_eq!(quoted("a\tb\0"), "`a\\tb\\0`");
        assert_eq!(quoted("it's \"so\""), "`it's \"so\"`");
        assert_eq!(quoted(&"é".repeat(41)), format!("`{}…`", "é".repeat(40)));
        assert_eq!(quoted(""), "nothing");
    }
}
