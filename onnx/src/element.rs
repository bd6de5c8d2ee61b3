//! The element types of files.

use std::fmt;

use chainrule_core::Scalar;

use crate::proto::data_type;

/// The element type of a file's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// ONNX's `FLOAT`.
    F32,
    /// ONNX's `DOUBLE`.
    F64,
}

impl ElementType {
    /// That of a network's numbers.
    #[must_use]
    pub fn of<T: Scalar>() -> Self {
        if T::NAME == <f32 as Scalar>::NAME { Self::F32 } else { Self::F64 }
    }

    pub(crate) fn code(self) -> i32 {
        match self {
            Self::F32 => data_type::FLOAT,
            Self::F64 => data_type::DOUBLE,
        }
    }

    pub(crate) fn from_code(code: i32) -> Option<Self> {
        [Self::F32, Self::F64].into_iter().find(|element| element.code() == code)
    }

    /// The value of this type that is nearest to `x`.
    pub(crate) fn round(self, x: f64) -> f64 {
        match self {
            Self::F32 => f64::from(<f32 as Scalar>::of(x)),
            Self::F64 => x,
        }
    }

    /// Appends the bytes of a number as ONNX's raw data has them.
    pub(crate) fn write(self, x: f64, bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => bytes.extend(<f32 as Scalar>::of(x).to_le_bytes()),
            Self::F64 => bytes.extend(x.to_le_bytes()),
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => <f32 as Scalar>::NAME,
            Self::F64 => <f64 as Scalar>::NAME,
        })
    }
}
