//! Bytes with the places of their line ends.

use std::io::{self, BufRead, Read};

/// Passes over `lines` lines, or as many as there are, and says how many.
pub(super) fn skip(reader: &mut impl BufRead, lines: usize) -> io::Result<u64> {
    for line in 0..lines {
        if reader.skip_until(b'\n')? == 0 {
            return Ok(line as u64);
        }
    }
    Ok(lines as u64)
}

/// Passes bytes through and remembers where lines end.
pub(super) struct Lines<R> {
    inner: R,
    /// How many lines are not among `ends`: those passed over before the first byte, and those that nobody asks for any more.
    skipped: u64,
    pub(super) offset: u64,
    /// The offset of the last byte of each line's end.
    ends: Vec<u64>,
    after_return: bool,
    /// The last byte that belongs to no line's end.
    pub(super) last_visible: u8,
}

impl<R> Lines<R> {
    pub(super) fn new(inner: R, skipped: u64) -> Self {
        Self { inner, skipped, offset: 0, ends: Vec::new(), after_return: false, last_visible: 0 }
    }

    /// The line, counted from 1, of the byte before `end` (a line's end belongs to that line).
    pub(super) fn line(&self, end: u64) -> u64 {
        let byte = end.saturating_sub(1);
        self.skipped + 1 + self.ends.partition_point(|&line_end| line_end < byte) as u64
    }

    /// Forgets line ends before `end`, once there are many: nobody asks for an earlier line than that one's any more.
    pub(super) fn forget(&mut self, end: u64) {
        const MANY: usize = 1 << 14;
        if self.ends.len() > MANY {
            let gone = self.ends.partition_point(|&line_end| line_end < end.saturating_sub(1));
            self.ends.drain(..gone);
            self.skipped += gone as u64;
        }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for &byte in &buffer[..count] {
            match byte {
                b'\n' if self.after_return => {
                    // CR LF is one line's end: move it by one.
                    if let Some(end) = self.ends.last_mut() {
                        *end = self.offset;
                    }
                }
                b'\n' | b'\r' => self.ends.push(self.offset),
                _ => self.last_visible = byte,
            }
            self.after_return = byte == b'\r';
            self.offset += 1;
        }
        Ok(count)
    }
}

/// How many lines end within `text`.
pub(super) fn line_ends(text: &[u8]) -> u64 {
    let mut lines = Lines::new(text, 0);
    // Reading from a slice does not fail, and what is read is not wanted.
    let _ = io::copy(&mut lines, &mut io::sink());
    lines.ends.len() as u64
}
