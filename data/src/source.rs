//! Bytes from a file or a reader, unpacked when they are gzipped.

use crate::Error;
use flate2::bufread::MultiGzDecoder;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const BUFFER: usize = 64 * 1024;

/// A stream of (unpacked) bytes that knows its name.
pub(crate) struct Source<'a> {
    /// What errors call it.
    pub(crate) name: String,
    pub(crate) reader: Box<dyn BufRead + 'a>,
    gzip: bool,
}

impl Source<'static> {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Source::new(file, name),
            Err(cause) => Err(Error::Io { file: name, cause }),
        }
    }
}

impl<'a> Source<'a> {
    pub(crate) fn new(mut reader: impl Read + 'a, name: String) -> Result<Self, Error> {
        let (start, length): ([u8; GZIP.len()], usize) = match read_up_to(&mut reader) {
            Ok(read) => read,
            Err(cause) => return Err(Error::Io { file: name, cause }),
        };
        let gzip = start[..length] == GZIP;
        let whole = Cursor::new(start).take(length as u64).chain(BufReader::with_capacity(BUFFER, reader));
        let reader: Box<dyn BufRead + 'a> = if gzip {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole)))
        } else {
            Box::new(whole)
        };
        Ok(Self { name, reader, gzip })
    }

    /// Fills `buffer` from the stream and says how many bytes there were: fewer than asked for only at the
    /// end.
    pub(crate) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        read_until_full(&mut self.reader, buffer).map_err(|cause| self.error(cause))
    }

    /// The error that stands for a failure to read this stream.
    pub(crate) fn error(&self, cause: io::Error) -> Error {
        unreadable(&self.name, self.gzip, cause)
    }

    /// This stream in its parts: its name, its reader and whether it is being unpacked.
    pub(crate) fn into_parts(self) -> (String, Box<dyn BufRead + 'a>, bool) {
        (self.name, self.reader, self.gzip)
    }
}

/// The error that stands for a failure to read from the stream `name`.
pub(crate) fn unreadable(name: &str, gzip: bool, cause: io::Error) -> Error {
    let file = name.to_owned();
    // The decompressor reports its own troubles with these three kinds; others come from the file below it.
    let broken = matches!(
        cause.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    );
    if gzip && broken { Error::Gzip { file, cause } } else { Error::Io { file, cause } }
}

/// The first `N` bytes, and how many there were before the end.
pub(crate) fn read_up_to<const N: usize>(reader: &mut impl Read) -> io::Result<([u8; N], usize)> {
    let mut start = [0; N];
    let length = read_until_full(reader, &mut start)?;
    Ok((start, length))
}

fn read_until_full(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
