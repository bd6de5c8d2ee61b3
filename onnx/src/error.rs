//! What can go wrong with a file, as one type.

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was wrong, where, and what was expected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes that are no protobuf message, or none of an ONNX model.
    #[error("these bytes are no ONNX model: {0}")]
    Decode(String),

    /// A part of a model that contradicts itself or another one, or has a value out of range.
    #[error("{place}: {found}, expected {expected}")]
    Unfit {
        /// Where it is: a node, an initialiser, an input, a setting of the export.
        place: String,
        /// What was found there.
        found: String,
        /// What should be there.
        expected: String,
    },

    /// A node that no layer stands for.
    #[error("node \"{node}\" ({op}): {why}; {supported}")]
    Unsupported {
        /// The node's name, or that of its output if it has none.
        node: String,
        /// Its operator.
        op: String,
        /// What of it no layer can do.
        why: String,
        /// What can be read instead.
        supported: &'static str,
    },

    /// A layer or network that chainrule refuses.
    #[error(transparent)]
    Network(#[from] chainrule_core::Error),
}

impl Error {
    pub(crate) fn unfit(
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::Unfit { place: place.into(), found: found.into(), expected: expected.into() }
    }
}
