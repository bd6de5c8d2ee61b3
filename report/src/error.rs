//! What can go wrong.

use std::path::Path;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network and the data do not fit each other.
    #[error(transparent)]
    Network(#[from] chainrule_core::Error),

    /// A picture's width and height are not those of the data.
    #[error("pictures of {width}×{height}: expected as many pixels as there are inputs, {inputs}")]
    Picture {
        /// The pixels of a row.
        width: usize,
        /// The rows.
        height: usize,
        /// How many inputs there are.
        inputs: usize,
    },

    /// What was to be written has no form in a file.
    #[error("cannot make {what}: {message}")]
    Format {
        /// What was to be made.
        what: &'static str,
        /// Why it cannot be.
        message: String,
    },

    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] chainrule_model::Error),
}

impl Error {
    /// Of a thing that cannot be made, for a reason.
    pub(crate) fn format<E: std::fmt::Display>(what: &'static str) -> impl Fn(E) -> Self {
        move |cause| Self::Format { what, message: cause.to_string() }
    }

    pub(crate) fn writing(path: &Path, cause: std::io::Error) -> Self {
        Self::File(chainrule_model::Error::File { file: path.to_owned(), done: "written", cause })
    }
}
