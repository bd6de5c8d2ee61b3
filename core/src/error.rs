//! Everything that a caller can get wrong, as one type.

use std::fmt;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong, where, and what was expected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An array of the wrong shape.
    #[error("{operation}: {operand} has shape {found}, expected {expected}")]
    Shape {
        /// The operation that refused the array.
        operation: &'static str,
        /// Which of its arguments it was.
        operand: &'static str,
        /// The shape it has.
        found: Shape,
        /// The shape it should have.
        expected: Shape,
    },

    /// Nothing to work on: no rows, no layers, no inputs.
    #[error("{what} is empty, expected at least one {expected}")]
    Empty {
        /// What is empty.
        what: &'static str,
        /// What it should hold.
        expected: &'static str,
    },

    /// A class label that the network has no output for.
    #[error("label {label} of row {row} is out of range, expected a class from 0 to {}", .classes.saturating_sub(1))]
    Label {
        /// The row of the data set or batch.
        row: usize,
        /// The label found there.
        label: usize,
        /// The number of classes.
        classes: usize,
    },

    /// NaN or an infinity in data from outside.
    #[error("{what} holds {value} at row {row}, column {column}, expected a finite number")]
    NonFinite {
        /// Which array: inputs or targets.
        what: &'static str,
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The value found.
        value: f64,
    },

    /// A setting outside its range.
    #[error("{name} is {value}, expected {expected}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The value given.
        value: String,
        /// The values allowed.
        expected: &'static str,
    },

    /// Targets of a kind that the loss cannot use.
    #[error("{loss} cannot use {found} as targets, expected {expected}")]
    Targets {
        /// The loss.
        loss: &'static str,
        /// The kind of targets given.
        found: &'static str,
        /// The kinds it can use.
        expected: &'static str,
    },

    /// NaN or an infinity arose in training.
    #[error(
        "training diverged in epoch {epoch}, step {step}: {quantity} of {layer} is not finite; \
         a smaller learning rate or another initialiser may help"
    )]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step within the epoch, counted from 1.
        step: usize,
        /// The first layer where it appeared, as `layer 0 (dense)`, or `the loss`.
        layer: String,
        /// What of the layer: its output or one of its parameters by name.
        quantity: String,
    },

    /// A name that stands for nothing known.
    #[error("unknown {what} \"{name}\", expected {expected}")]
    Unknown {
        /// What the name should have named.
        what: &'static str,
        /// The name given.
        name: String,
        /// The names known.
        expected: String,
    },

    /// A backend that cannot do what was asked of it.
    #[error("backend {backend}: {message}")]
    Backend {
        /// The backend's name.
        backend: String,
        /// What it cannot do, and what would help.
        message: String,
    },
}

impl Error {
    /// A [`Error::Setting`] for a value that can be displayed.
    pub fn setting(name: &'static str, value: impl fmt::Display, expected: &'static str) -> Self {
        Self::Setting { name, value: value.to_string(), expected }
    }
}

/// The shape of a vector or matrix, for messages: `3` or `3×4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A vector's length.
    Vector(usize),
    /// A matrix's rows and columns.
    Matrix(usize, usize),
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vector(n) => write!(f, "{n}"),
            Self::Matrix(rows, columns) => write!(f, "{rows}×{columns}"),
        }
    }
}

impl From<usize> for Shape {
    fn from(n: usize) -> Self {
        Self::Vector(n)
    }
}

impl From<(usize, usize)> for Shape {
    fn from((rows, columns): (usize, usize)) -> Self {
        Self::Matrix(rows, columns)
    }
}
