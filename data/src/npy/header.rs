//! What a NPY file says of its elements.

use super::element::Element;
use crate::{
    Error, Position,
    error::{counted, quoted},
    idx::{by, element_count},
};
use ndarray_npy::npy::header::Header as Written;

/// A header longer than this is none.
const LONGEST: usize = 1 << 16;

/// The brackets that a header of an array of numbers has are 2; the parser goes one level deeper for each.
const MOST_BRACKETS: usize = 8;

#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) element: Element,
    pub(super) fortran: bool,
    pub(super) shape: Vec<usize>,
    /// The product of the shape.
    pub(super) count: usize,
    /// Where the elements begin.
    pub(super) start: u64,
}

impl Header {
    /// Reads a header; `fill` reads as much as there is.
    pub(super) fn read(
        name: &str,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<usize, Error>,
    ) -> Result<Self, Error> {
        let malformed = |byte, found: String, expected: &str| malformed(name, byte, found, expected);
        let mut bytes = vec![0; 8];
        let length = fill(&mut bytes)?;
        if length < 8 || !bytes.starts_with(b"\x93NUMPY") {
            let found = if length == 0 { "an empty file" } else { "other bytes" };
            return Err(malformed(0, found.to_owned(), "a NPY file, which begins with 93 4e 55 4d 50 59"));
        }
        let words = match bytes[6] {
            1 => 2,
            2 | 3 => 4,
            version => return Err(malformed(6, format!("version {version}"), "1, 2 or 3")),
        };
        bytes.resize(8 + words, 0);
        if fill(&mut bytes[8..])? < words {
            return Err(malformed(8, "the file's end".to_owned(), "the header's length"));
        }
        let length = bytes[8..].iter().rev().fold(0_usize, |sum, &byte| (sum << 8) | usize::from(byte));
        if length > LONGEST {
            return Err(malformed(8, format!("a header of {length} bytes"), "65536 at most"));
        }
        let text = bytes.len();
        bytes.resize(text + length, 0);
        let found = fill(&mut bytes[text..])?;
        if found < length {
            let end = (text + found) as u64;
            return Err(malformed(end, "the file's end".to_owned(), &format!("a header of {length} bytes")));
        }
        if bytes[text..].iter().filter(|byte| b"([{".contains(byte)).count() > MOST_BRACKETS {
            let expected = "that of an array of numbers";
            return Err(malformed(text as u64, "a header of many brackets".to_owned(), expected));
        }
        let written = Written::from_reader(&mut &bytes[..]).map_err(|error| {
            malformed(
                text as u64,
                format!("a header that is none ({})", quoted(&error.to_string())),
                "that of an array",
            )
        })?;
        Self::new(name, &written, bytes.len() as u64)
    }

    fn new(name: &str, written: &Written, start: u64) -> Result<Self, Error> {
        let kind = written.type_descriptor.as_string();
        let Some(element) = kind.and_then(|kind| Element::parse(kind)) else {
            let found = format!("elements of type {}", quoted(&written.type_descriptor.to_string()));
            let expected =
                "floating-point numbers (f2, f4, f8), integers (i1 to i8, u1 to u8) or truth values (b1)";
            return Err(malformed(name, 10, found, expected));
        };
        let shape = written.shape.clone();
        let count = element_count(&shape).filter(|count| {
            count.checked_mul(element.size()).is_some_and(|size| isize::try_from(size).is_ok())
        });
        let Some(count) = count else {
            let expected = "a shape whose elements can be addressed";
            return Err(malformed(name, 10, format!("the dimensions {}", by(&shape)), expected));
        };
        Ok(Self { element, fortran: written.layout.is_fortran(), shape, count, start })
    }

    /// Rows and columns: the first dimension is that of the rows, the others lie side by side; a vector has one column.
    pub(super) fn rows_and_columns(&self, name: &str) -> Result<(usize, usize), Error> {
        let Some((&rows, rest)) = self.shape.split_first() else {
            return Err(malformed(
                name,
                10,
                "a single number".to_owned(),
                "an array of at least 1 dimension",
            ));
        };
        // A length of 0 may hide a product that is too large.
        let columns = element_count(rest).unwrap_or(0);
        Ok((rows, columns))
    }
}

pub(super) fn malformed(name: &str, byte: u64, found: String, expected: &str) -> Error {
    Error::Malformed {
        file: name.to_owned(),
        position: Position::Byte(byte),
        found,
        expected: expected.to_owned(),
    }
}

/// The error for a file that ends after `have` of `count` elements.
pub(super) fn too_short(name: &str, header: &Header, have: usize) -> Error {
    let end = header.start + (have * header.element.size()) as u64;
    let found = format!("the file's end after {}", counted(have, "element"));
    malformed(name, end, found, &format!("{} for the dimensions {}", header.count, by(&header.shape)))
}
