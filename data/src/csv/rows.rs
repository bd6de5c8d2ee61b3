//! The rows of a file, one at a time, each with its line.

use super::lines::{Lines, line_ends, skip};
use crate::{
    Error, Position,
    source::{Source, read_up_to, unreadable},
};
use csv::{ByteRecord, ReaderBuilder};
use std::io::{self, BufRead, Chain, Cursor};

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// The name of what is read, for errors.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) name: String,
    gzip: bool,
}

impl File {
    fn unreadable(&self, cause: io::Error) -> Error {
        unreadable(&self.name, self.gzip, cause)
    }

    pub(super) fn malformed(
        &self,
        position: Position,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Error {
        Error::Malformed { file: self.name.clone(), position, found: found.into(), expected: expected.into() }
    }
}

type Bytes<'a> = Chain<Cursor<Vec<u8>>, Box<dyn BufRead + 'a>>;

pub(super) struct Rows<'a> {
    pub(super) file: File,
    reader: csv::Reader<Lines<Bytes<'a>>>,
    pub(super) record: ByteRecord,
    /// The current record's number in the file, from 1; a header counts as well.
    pub(super) number: u64,
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        source: Source<'a>,
        delimiter: u8,
        comment: Option<u8>,
        lines: usize,
    ) -> Result<Self, Error> {
        let (name, mut reader, gzip) = source.into_parts();
        let file = File { name, gzip };
        let skipped = skip(&mut reader, lines).map_err(|cause| file.unreadable(cause))?;
        let (start, length): ([u8; BYTE_ORDER_MARK.len()], usize) =
            read_up_to(&mut reader).map_err(|cause| file.unreadable(cause))?;
        let start = &start[..if start == BYTE_ORDER_MARK { 0 } else { length }];
        if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
            return Err(file.malformed(Position::File, "UTF-16", "text in UTF-8"));
        }
        let bytes = Lines::new(io::Read::chain(Cursor::new(start.to_vec()), reader), skipped);
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .comment(comment)
            .from_reader(bytes);
        Ok(Self { file, reader, record: ByteRecord::new(), number: 0 })
    }

    /// Reads the next row; whether there was one.
    pub(super) fn next(&mut self) -> Result<bool, Error> {
        let passed = self.reader.position().byte();
        self.reader.get_mut().forget(passed);
        self.number += 1;
        self.reader.read_byte_record(&mut self.record).map_err(|error| {
            let cause = match error.into_kind() {
                csv::ErrorKind::Io(cause) => cause,
                // With flexible byte records nothing else occurs.
                other => io::Error::other(format!("{other:?}")),
            };
            self.file.unreadable(cause)
        })
    }

    /// The line on which the field `column` of the current record begins.
    ///
    /// The reader's own count is that of its last record's end, which blank lines and CR LF make unfit for
    /// this.
    pub(super) fn line(&self, column: usize) -> u64 {
        let (lines, end) = (self.reader.get_ref(), self.reader.position().byte());
        let broken = self.record.as_slice().iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        if !broken {
            return lines.line(end);
        }
        let within: u64 = self.record.iter().skip(column).map(line_ends).sum();
        // A quotation mark that is never closed takes in the file's last line end, where the record ends as
        // well.
        let last = self.record.iter().next_back().and_then(<[u8]>::last);
        let unclosed =
            end == lines.offset && lines.last_visible != b'"' && matches!(last, Some(b'\n' | b'\r'));
        (lines.line(end) + u64::from(unclosed)).saturating_sub(within)
    }

    /// The current record's cells as text.
    pub(super) fn cells(&self) -> Vec<String> {
        self.record.iter().map(|cell| String::from_utf8_lossy(cell.trim_ascii()).into_owned()).collect()
    }
}
