//! Everything that can be wrong with a file.

use std::io;
use std::path::{Path, PathBuf};

/// The result of reading or writing a file.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong, where, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused: a full disk, a folder that cannot be written to, no such file.
    #[error("{}: cannot be {done}: {cause}", .file.display())]
    File {
        /// The file or folder.
        file: PathBuf,
        /// `read`, `written` or `removed`.
        done: &'static str,
        /// What the operating system said.
        #[source]
        cause: io::Error,
    },

    /// The bytes are not what the file should hold.
    #[error("{place}: found {found}, expected {expected}")]
    Unfit {
        /// The file.
        place: String,
        /// What was there.
        found: String,
        /// What should have been there.
        expected: String,
    },

    /// A tensor is missing, left over, or of another type or shape.
    #[error("{place}: tensor {tensor}: found {found}, expected {expected}")]
    Tensor {
        /// The file.
        place: String,
        /// The tensor's name.
        tensor: String,
        /// Its type and shape, or that there is none.
        found: String,
        /// The type and shape it should have, or that there should be none.
        expected: String,
    },

    /// NaN or an infinity where numbers belong.
    #[error("{place}: {element} is {value}, expected a finite number")]
    NotFinite {
        /// The file.
        place: String,
        /// The element: `0.weight[3, 17]`.
        element: String,
        /// The value found.
        value: f64,
    },

    /// The library refused what the file describes, or what was to be written.
    #[error("{place}: {cause}")]
    Library {
        /// The file.
        place: String,
        /// Why.
        #[source]
        cause: chainrule_core::Error,
    },
}

impl Error {
    pub(crate) fn reading(file: &Path, cause: io::Error) -> Self {
        Self::File { file: file.to_path_buf(), done: "read", cause }
    }

    pub(crate) fn writing(file: &Path, cause: io::Error) -> Self {
        Self::File { file: file.to_path_buf(), done: "written", cause }
    }

    pub(crate) fn unfit(
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Unfit { place: place.into(), found: found.into(), expected: expected.into() }
    }
}
