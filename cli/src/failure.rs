//! Everything that ends the command early.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use thiserror::Error;

use crate::config::nearest_known;

/// The exit code of a run that was ended from outside, as shells have it: 128 + SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// What went wrong, in one message.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// The command line asks for what cannot be.
    #[error("{0}")]
    Usage(String),

    /// A configuration file asks for what cannot be.
    #[error("{0}")]
    Configuration(String),

    /// Training was ended from outside; what was reached is kept.
    #[error("{0}")]
    Interrupted(String),

    /// A file of a network could not be read or written.
    #[error(transparent)]
    Model(#[from] chainrule_model::Error),

    /// A network could not be written for other programs.
    #[error(transparent)]
    Onnx(#[from] chainrule_onnx::Error),

    /// What tells of a run could not be made or written.
    #[error(transparent)]
    Report(#[from] chainrule_report::Error),

    /// The library refused.
    #[error("{}{}", .0, nearest_known(.0))]
    Library(#[from] chainrule::Error),

    /// Data could not be read.
    #[error(transparent)]
    Data(#[from] chainrule_data::Error),

    /// Data was read, but cannot be used for what was asked.
    #[error("{place}: found {found}, expected {expected}")]
    Unfit {
        /// The file or data set, and where in it.
        place: String,
        /// What was there.
        found: String,
        /// What should have been there.
        expected: String,
    },

    /// A file could not be read or written.
    #[error("{}: cannot be {done}: {cause}", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// `read` or `written`.
        done: &'static str,
        /// What the operating system said.
        cause: io::Error,
    },

    /// Something else could not be done.
    #[error("{0}")]
    Other(String),

    /// Standard output could not be written to.
    #[error("standard output cannot be written to: {0}")]
    Output(#[from] io::Error),

    /// The gradient check found a gradient that is too far off; the report has told so.
    #[error("a relative error exceeds the tolerance {0:e}")]
    Tolerance(f64),
}

impl Failure {
    pub(crate) fn unfit(
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Unfit { place: place.into(), found: found.into(), expected: expected.into() }
    }

    pub(crate) fn reading(file: &Path, cause: io::Error) -> Self {
        Self::File { file: file.to_path_buf(), done: "read", cause }
    }

    pub(crate) fn writing(file: &Path, cause: io::Error) -> Self {
        Self::File { file: file.to_path_buf(), done: "written", cause }
    }

    /// Whether whoever read the output has left: nobody wants to be told.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(self, Self::Output(cause) if cause.kind() == io::ErrorKind::BrokenPipe)
    }

    /// 2 where the command line or a configuration file is at fault, 130 where training was interrupted, 0 where a reader has seen enough, else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Interrupted(_) => ExitCode::from(INTERRUPTED),
            Self::Usage(_)
            | Self::Configuration(_)
            | Self::Library(chainrule::Error::Unknown { .. } | chainrule::Error::Setting { .. })
            | Self::Data(chainrule_data::Error::Argument { .. }) => ExitCode::from(2),
            _ if self.is_silent() => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }
}
