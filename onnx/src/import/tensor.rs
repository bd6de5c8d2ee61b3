//! The constants of a graph, read from whichever of the fields they lie in.

use crate::proto::{TensorProto, data_type};
use crate::{Error, Result};

/// The most dimensions that a constant or a sample may have, so that shapes take no time to speak of.
pub(super) const MOST_DIMENSIONS: usize = 16;

/// Numbers row by row, and their shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) dims: Vec<usize>,
    pub(super) values: Vec<f64>,
}

/// A constant as a graph has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Constant<'a> {
    Tensor(&'a TensorProto),
    /// A matrix that is turned over.
    Transposed(&'a TensorProto),
    Float(f32),
    Floats(&'a [f32]),
    Integer(i64),
    Integers(&'a [i64]),
}

impl Constant<'_> {
    /// Its shape and the number of its elements; `name` is for messages.
    pub(super) fn shape(&self, name: &str) -> Result<(Vec<usize>, usize)> {
        let dims = match self {
            Self::Tensor(tensor) => dims(tensor, name)?,
            Self::Transposed(tensor) => {
                let mut dims = dims(tensor, name)?;
                dims.reverse();
                dims
            }
            Self::Float(_) | Self::Integer(_) => Vec::new(),
            Self::Floats(values) => vec![values.len()],
            Self::Integers(values) => vec![values.len()],
        };
        let count = dims.iter().try_fold(1, |count: usize, &dim| count.checked_mul(dim));
        let count = count.ok_or_else(|| {
            Error::unfit(place(name), format!("shape {dims:?}"), "a shape that memory can hold")
        })?;
        Ok((dims, count))
    }

    /// Its numbers.
    pub(super) fn tensor(&self, name: &str) -> Result<Tensor> {
        let (dims, count) = self.shape(name)?;
        let values = match *self {
            Self::Tensor(tensor) => floats(tensor, count, name)?,
            Self::Transposed(tensor) => {
                let (values, [rows, columns]) = (floats(tensor, count, name)?, [dims[0], dims[1]]);
                (0..count).map(|place| values[place % columns * rows + place / columns]).collect()
            }
            Self::Float(x) => vec![x.into()],
            Self::Floats(values) => values.iter().map(|&x| x.into()).collect(),
            Self::Integer(_) | Self::Integers(_) => {
                return Err(Error::unfit(place(name), "integers", "f32 or f64"));
            }
        };
        Ok(Tensor { dims, values })
    }

    /// Its whole numbers: those of a shape.
    pub(super) fn integers(&self, name: &str) -> Result<Vec<i64>> {
        let wrong = || Error::unfit(place(name), "other numbers", "integers of 64 bits");
        let (_, count) = self.shape(name)?;
        if count > MOST_DIMENSIONS {
            return Err(Error::unfit(
                place(name),
                format!("{count} numbers"),
                format!("at most {MOST_DIMENSIONS}"),
            ));
        }
        match *self {
            Self::Tensor(tensor) if tensor.data_type == data_type::INT64 => {
                elements(tensor, &tensor.int64_data, i64::from_le_bytes, count, name)
            }
            Self::Integer(value) => Ok(vec![value]),
            Self::Integers(values) => Ok(values.to_vec()),
            _ => Err(wrong()),
        }
    }

    /// The number, if it is one, of whatever type.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        // With more dimensions it would change the shape of what it meets.
        if !matches!(self.shape(name), Ok((dims, 1)) if dims.len() <= 2) {
            return None;
        }
        match self.tensor(name) {
            Ok(tensor) => tensor.values.first().copied(),
            #[expect(clippy::cast_precision_loss, reason = "exponents, which are small")]
            Err(_) => self.integers(name).ok()?.first().map(|&value| value as f64),
        }
    }
}

fn place(name: &str) -> String {
    format!("constant \"{name}\"")
}

fn dims(tensor: &TensorProto, name: &str) -> Result<Vec<usize>> {
    if tensor.dims.len() > MOST_DIMENSIONS {
        let found = format!("{} dimensions", tensor.dims.len());
        return Err(Error::unfit(place(name), found, format!("at most {MOST_DIMENSIONS}")));
    }
    let size = |&dim: &i64| usize::try_from(dim);
    let dims: Result<Vec<_>, _> = tensor.dims.iter().map(size).collect();
    dims.map_err(|_| Error::unfit(place(name), format!("shape {:?}", tensor.dims), "sizes of at least 0"))
}

fn floats(tensor: &TensorProto, count: usize, name: &str) -> Result<Vec<f64>> {
    match tensor.data_type {
        data_type::FLOAT => {
            let values = elements(tensor, &tensor.float_data, f32::from_le_bytes, count, name)?;
            Ok(values.into_iter().map(f64::from).collect())
        }
        data_type::DOUBLE => elements(tensor, &tensor.double_data, f64::from_le_bytes, count, name),
        other => Err(Error::unfit(place(name), format!("data type {other}"), "1 (FLOAT) or 11 (DOUBLE)")),
    }
}

/// The elements, from the raw bytes or from the field for their type. Nothing is allocated that the file has not got the bytes for.
fn elements<E: Copy, const SIZE: usize>(
    tensor: &TensorProto,
    typed: &[E],
    from_bytes: fn([u8; SIZE]) -> E,
    count: usize,
    name: &str,
) -> Result<Vec<E>> {
    if tensor.data_location != 0 {
        return Err(Error::unfit(place(name), "its numbers in another file", "them to be in this one"));
    }
    let (found, raw) = (typed.len(), tensor.raw_data.len());
    let fits = if raw == 0 { found == count } else { found == 0 && count.checked_mul(SIZE) == Some(raw) };
    if !fits {
        let expected = format!("{count} elements of {SIZE} bytes each");
        return Err(Error::unfit(place(name), format!("{found} elements and {raw} raw bytes"), expected));
    }
    if raw == 0 {
        return Ok(typed.to_vec());
    }
    let (chunks, _) = tensor.raw_data.as_chunks::<SIZE>();
    Ok(chunks.iter().map(|&bytes| from_bytes(bytes)).collect())
}
