//! NPY files, in which NumPy keeps an array, and NPZ files, in which it keeps several.
//!
//! - Elements may be floating-point numbers (2, 4 or 8 bytes), integers (1 to 8) or truth values, of either byte order; they become
//!   the nearest `T`. NaN and infinities are refused.
//! - The first dimension is that of the rows; the others lie side by side in a row, the last one's index changing fastest. A vector
//!   becomes a column. C and Fortran order are the same to a reader.
//! - [`Shuffled`] goes through files that are larger than memory.
//! - NPY files may be gzipped; NPZ files, compressed or not, may not. Memory is reserved as elements arrive, whatever a header claims.
//!
//! ```
//! use chainrule_data::{Answers, Task, npy};
//! use ndarray::array;
//!
//! let x = array![[0.5_f32, 1.5], [2.5, 3.5]];
//! let mut file = Vec::new();
//! npy::write(&x, &mut file)?;
//! assert_eq!(npy::from_reader::<f64>(&file[..], "x.npy")?, x.mapv(f64::from));
//!
//! let mut file = Vec::new();
//! npy::write(&array![1_i64, 0], &mut file)?;
//! let labels = npy::answers_from_reader::<f32>(&file[..], "y.npy", Task::Auto)?;
//! assert_eq!(labels, Answers::Classes(vec![1, 0]));
//! # Ok::<(), chainrule_data::Error>(())
//! ```

mod element;
mod header;
mod npz;
mod shuffled;

pub use ndarray_npy::WritableElement;
pub use npz::Npz;
pub use shuffled::{Shuffled, Window, Windows};

use crate::{Answers, Error, Position, Task, classes::MAX_CLASSES, labelled::matrix, source::Source};
use header::{Header, malformed, too_short};
use ndarray::{Array, Array2, ArrayRef, Dimension, IxDyn, ShapeBuilder};
use ndarray_npy::{WriteNpyError, WriteNpyExt};
use num_traits::Float;
use std::{
    io::{self, Read, Write},
    path::Path,
};

/// Bytes that are decoded at a time.
const BLOCK: usize = 1 << 16;

/// Reads a NPY file, gzipped or not: rows × columns.
///
/// # Errors
///
/// - [`Error::Io`] when the file cannot be read or memory does not suffice, [`Error::Gzip`] when it is a
///   broken gzip file;
/// - [`Error::Malformed`], with the byte, or the row and the column, when it is not a NPY file, holds something else than numbers, a
///   shape beyond this machine's memory, fewer or more elements than its shape asks for, or a number that is not finite in `T`.
pub fn read<T: Float>(path: impl AsRef<Path>) -> Result<Array2<T>, Error> {
    Ok(array(&mut Source::open(path.as_ref())?)?.values)
}

/// Reads NPY data, gzipped or not, from a reader to its end; errors call it `name`.
///
/// # Errors
///
/// As [`read`].
pub fn from_reader<T: Float>(reader: impl Read, name: &str) -> Result<Array2<T>, Error> {
    Ok(array(&mut Source::new(reader, name.to_owned())?)?.values)
}

/// The dimensions of a row in a NPY file, gzipped or not, of which the header alone is read: `[28, 28]` where the file has `[60000, 28, 28]`.
///
/// # Errors
///
/// As [`read`], for what the header can tell.
pub fn row_shape(path: impl AsRef<Path>) -> Result<Vec<usize>, Error> {
    shape(&mut Source::open(path.as_ref())?)
}

fn shape(source: &mut Source<'_>) -> Result<Vec<usize>, Error> {
    let name = source.name.clone();
    let header = Header::read(&name, &mut |buffer| source.fill(buffer))?;
    Ok(header.shape.into_iter().skip(1).collect())
}

/// Reads the targets in a NPY file, gzipped or not.
///
/// With [`Task::Auto`], one column of integers or truth values is one of classes, and all else is values. Classes are the numbers
/// themselves, below [`MAX_CLASSES`].
///
/// # Errors
///
/// As [`read`]; [`Error::Malformed`] also, with the row, for a class that is negative, a fraction or too great, and for several columns
/// where classes are asked for.
pub fn read_answers<T: Float>(path: impl AsRef<Path>, task: Task) -> Result<Answers<T>, Error> {
    answers(&mut Source::open(path.as_ref())?, task)
}

/// Reads the targets in NPY data, gzipped or not, from a reader to its end; errors call it `name`.
///
/// # Errors
///
/// As [`read_answers`].
pub fn answers_from_reader<T: Float>(reader: impl Read, name: &str, task: Task) -> Result<Answers<T>, Error> {
    answers(&mut Source::new(reader, name.to_owned())?, task)
}

/// Writes an array of any dimension as NPY data, such as predictions.
///
/// # Errors
///
/// [`Error::Io`] when it cannot be written.
pub fn write<T: WritableElement + Clone, D: Dimension>(
    array: &ArrayRef<T, D>,
    writer: impl Write,
) -> Result<(), Error> {
    // An array in neither order would be written element by element.
    array.as_standard_layout().write_npy(writer).map_err(|error| {
        let cause = match error {
            WriteNpyError::Io(cause) => cause,
            other => io::Error::other(other),
        };
        Error::Io { file: "a NPY file being written".to_owned(), cause }
    })
}

/// What a file holds.
struct Numbers<T> {
    values: Array2<T>,
    /// Whether the file counts rather than measures.
    whole: bool,
}

fn array<T: Float>(source: &mut Source<'_>) -> Result<Numbers<T>, Error> {
    let name = source.name.clone();
    let header = Header::read(&name, &mut |buffer| source.fill(buffer))?;
    let (rows, columns) = header.rows_and_columns(&name)?;
    let size = header.element.size();
    let mut values: Vec<T> = Vec::new();
    let mut block = vec![0; BLOCK];
    while values.len() < header.count {
        let wanted = (header.count - values.len()).min(BLOCK / size);
        // As much again as has arrived, and never more than the file can still use.
        if values.capacity() - values.len() < wanted {
            let more = values.len().max(wanted).min(header.count - values.len());
            values.try_reserve_exact(more).map_err(|error| source.error(io::Error::other(error)))?;
        }
        let read = source.fill(&mut block[..wanted * size])? / size;
        header.element.decode(&block[..read * size], &mut values);
        if read < wanted {
            return Err(too_short(&name, &header, values.len()));
        }
    }
    if source.fill(&mut [0])? > 0 {
        let end = header.start + (header.count * size) as u64;
        return Err(malformed(&name, end, "more bytes".to_owned(), "the file's end"));
    }
    let values = if header.fortran && header.shape.len() > 1 {
        let shape = IxDyn(&header.shape).f();
        let unusable = |error: ndarray::ShapeError| malformed(&name, 10, error.to_string(), "a usable shape");
        let turned = Array::from_shape_vec(shape, values).map_err(unusable)?;
        // The copy has its elements in the order of rows.
        let rows_first = turned.as_standard_layout().into_owned();
        rows_first.into_shape_with_order((rows, columns)).map_err(unusable)?
    } else {
        matrix(rows, columns, values)?
    };
    if let Some(((row, column), value)) = values.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(not_finite(&name, row, column, *value));
    }
    Ok(Numbers { values, whole: header.element.is_whole() })
}

fn answers<T: Float>(source: &mut Source<'_>, task: Task) -> Result<Answers<T>, Error> {
    let Numbers { values, whole } = array(source)?;
    let classes = match task {
        Task::Classes => true,
        Task::Values => false,
        Task::Auto => whole && values.ncols() == 1,
    };
    if !classes {
        return Ok(Answers::Values(values));
    }
    let malformed = |row, found: String, expected: String| Error::Malformed {
        file: source.name.clone(),
        position: Position::Element { row, column: 0 },
        found,
        expected,
    };
    if values.ncols() != 1 {
        return Err(malformed(0, format!("{} columns", values.ncols()), "one, of classes".to_owned()));
    }
    labels(values.iter().copied()).map(Answers::Classes).map_err(|(row, value)| {
        malformed(row, number(value), format!("a class from 0 to {}", MAX_CLASSES - 1))
    })
}

/// Numbers as classes, or the first that is none.
fn labels<T: Float>(values: impl Iterator<Item = T>) -> Result<Vec<usize>, (usize, T)> {
    let label =
        |value: T| value.to_usize().filter(|&label| label < MAX_CLASSES && value.fract() == T::zero());
    values.enumerate().map(|(row, value)| label(value).ok_or((row, value))).collect()
}

fn not_finite<T: Float>(name: &str, row: usize, column: usize, value: T) -> Error {
    Error::Malformed {
        file: name.to_owned(),
        position: Position::Element { row, column },
        found: number(value),
        expected: format!("a finite number below {:.3e}", T::max_value().to_f64().unwrap_or(f64::MAX)),
    }
}

fn number<T: Float>(value: T) -> String {
    value.to_f64().map_or_else(String::new, |value| value.to_string())
}
