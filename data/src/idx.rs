//! IDX files of unsigned bytes: the format in which MNIST and its look-alikes are distributed.
//!
//! A file is a magic number of four bytes (0, 0, the type of the elements, the number of dimensions), the
//! length of every dimension as four bytes (most significant first), and the elements, the last dimension's
//! index changing fastest.
//!
//! The format is read here rather than by a crate because those on crates.io do not meet this crate's rules:
//! `mnist` 0.6 panics on a malformed file, `idx-lib` 0.0 reserves whatever a header claims (at 16 bytes an
//! element) and ignores the magic number's first half, `idx_parser` 0.3 is under the GPL.

use crate::{Error, Position, error::counted, source::Source};
use ndarray::{ArrayD, IxDyn};
use std::{io::Read, path::Path};

/// The type of the elements that is read: unsigned bytes.
const UNSIGNED_BYTE: u8 = 0x08;

/// As much is reserved before the first element is there, whatever the header claims.
const FIRST_RESERVE: usize = 1 << 20;

/// Reads an IDX file of unsigned bytes, gzipped or not.
///
/// The array has the shape that the file states, 60000 × 28 × 28 for MNIST's training images. Memory is
/// reserved as elements arrive: a header that claims more than the file holds costs a mebibyte at most.
///
/// # Errors
///
/// - [`Error::Io`] when the file cannot be read or memory does not suffice, [`Error::Gzip`] when it is a
///   broken gzip file;
/// - [`Error::Malformed`], with the byte's position, when it is not an IDX file, holds another type than
///   unsigned bytes, has no dimension, a shape beyond this machine's memory, or fewer or more elements than
///   its shape asks for.
pub fn read(path: impl AsRef<Path>) -> Result<ArrayD<u8>, Error> {
    parse(Source::open(path.as_ref())?)
}

/// Reads IDX data of unsigned bytes, gzipped or not, from a reader to its end; errors call it `name`.
///
/// # Errors
///
/// As [`read`].
///
/// ```
/// let bytes = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 10, 11, 12, 20, 21, 22];
/// let array = chainrule_data::idx::from_reader(&bytes[..], "example")?;
/// assert_eq!(array, ndarray::array![[10, 11, 12], [20, 21, 22]].into_dyn());
/// # Ok::<(), chainrule_data::Error>(())
/// ```
pub fn from_reader(reader: impl Read, name: &str) -> Result<ArrayD<u8>, Error> {
    parse(Source::new(reader, name.to_owned())?)
}

fn parse(mut source: Source<'_>) -> Result<ArrayD<u8>, Error> {
    let shape = header(&mut source)?;
    let start = 4 + 4 * shape.len() as u64;
    let Some(count) = element_count(&shape) else {
        return Err(malformed(
            &source,
            4,
            format!("the dimensions {}", by(&shape)),
            "a shape whose elements can be addressed",
        ));
    };
    let elements = elements(&mut source, count)?;
    if elements.len() < count {
        let end = start + elements.len() as u64;
        let found = format!("the file's end after {}", counted(elements.len(), "element"));
        return Err(malformed(&source, end, found, &format!("{count} for the dimensions {}", by(&shape))));
    }
    if source.fill(&mut [0])? > 0 {
        let found = "more bytes".to_owned();
        let expected = format!("the file's end after {count} elements for the dimensions {}", by(&shape));
        return Err(malformed(&source, start + count as u64, found, &expected));
    }
    ArrayD::from_shape_vec(IxDyn(&shape), elements).map_err(|error| {
        malformed(&source, 4, format!("the dimensions {} ({error})", by(&shape)), "a usable shape")
    })
}

/// Reads the magic number and the lengths of the dimensions.
fn header(source: &mut Source<'_>) -> Result<Vec<usize>, Error> {
    let mut word = [0; 4];
    let length = source.fill(&mut word)?;
    let [zeros @ .., kind, dimensions] = word;
    if length < 4 || zeros != [0, 0] {
        let found = match length {
            0 => "an empty file".to_owned(),
            1..4 => format!("only {}", counted(length, "byte")),
            _ => format!("the first bytes {:02x} {:02x} {:02x} {:02x}", word[0], word[1], word[2], word[3]),
        };
        return Err(malformed(
            source,
            0,
            found,
            "an IDX file, which begins with 00 00 08 and its number of dimensions",
        ));
    }
    if kind != UNSIGNED_BYTE {
        let name = match kind {
            0x09 => "signed bytes",
            0x0b => "16-bit integers",
            0x0c => "32-bit integers",
            0x0d => "32-bit floats",
            0x0e => "64-bit floats",
            _ => "unknown",
        };
        let found = format!("elements of type {kind:#04x} ({name})");
        return Err(malformed(source, 2, found, "0x08 (unsigned bytes)"));
    }
    if dimensions == 0 {
        return Err(malformed(source, 3, "0 dimensions".to_owned(), "at least 1"));
    }
    let mut shape = Vec::with_capacity(dimensions.into());
    for index in 0..u64::from(dimensions) {
        let at = 4 + 4 * index;
        let length = source.fill(&mut word)?;
        if length < 4 {
            let found = format!("the file's end within the length of dimension {}", index + 1);
            return Err(malformed(
                source,
                at + length as u64,
                found,
                &counted(dimensions.into(), "dimension"),
            ));
        }
        let length = u32::from_be_bytes(word);
        let Ok(length) = usize::try_from(length) else {
            return Err(malformed(
                source,
                at,
                format!("a length of {length}"),
                "one that this machine can address",
            ));
        };
        shape.push(length);
    }
    Ok(shape)
}

/// Reads `count` elements, or as many as there are.
fn elements(source: &mut Source<'_>, count: usize) -> Result<Vec<u8>, Error> {
    let mut elements = Vec::new();
    while elements.len() < count {
        let have = elements.len();
        // As much again as has arrived, and never more than the file can still use.
        let more = have.max(FIRST_RESERVE).min(count - have);
        elements.try_reserve_exact(more).map_err(|error| source.error(std::io::Error::other(error)))?;
        elements.resize(have + more, 0);
        let read = source.fill(&mut elements[have..])?;
        if read < more {
            elements.truncate(have + read);
            break;
        }
    }
    Ok(elements)
}

fn malformed(source: &Source<'_>, byte: u64, found: String, expected: &str) -> Error {
    Error::Malformed {
        file: source.name.clone(),
        position: Position::Byte(byte),
        found,
        expected: expected.to_owned(),
    }
}

/// How many elements an array of that shape has, if they can be addressed.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    // As ndarray counts, so that a length of 0 hides no overflow: the product of those above 0 has to fit in
    // an isize.
    let product = shape.iter().filter(|&&length| length > 0).try_fold(1_usize, |product, &length| {
        product.checked_mul(length).filter(|&product| isize::try_from(product).is_ok())
    })?;
    Some(if shape.contains(&0) { 0 } else { product })
}

/// `60000 × 28 × 28`.
pub(crate) fn by(shape: &[usize]) -> String {
    const MOST: usize = 8;
    let mut text = shape.iter().take(MOST).map(usize::to_string).collect::<Vec<_>>().join(" × ");
    if shape.len() > MOST {
        text.push_str(" × …");
    }
    text
}
