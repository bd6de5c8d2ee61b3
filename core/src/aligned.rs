//! A buffer that begins at a cache line.

use std::ops::{Deref, DerefMut};

/// The bytes of a cache line, or of the widest register.
const LINE: usize = 64;

/// A vector of fixed length whose first element lies at a multiple of 64 bytes.
///
/// Registers then load from a single cache line, and threads that share a matrix by columns write to no line in common.
#[derive(Debug)]
pub(crate) struct Aligned<T> {
    /// A little longer than needed, so that some element of it begins a cache line.
    buffer: Vec<T>,
    start: usize,
    len: usize,
}

impl<T> Aligned<T> {
    /// The bytes that `len` elements take.
    pub(crate) fn bytes(len: usize) -> usize {
        len.saturating_add(Self::spare(len)).saturating_mul(size_of::<T>())
    }

    fn spare(len: usize) -> usize {
        if len == 0 { 0 } else { LINE / size_of::<T>() }
    }
}

impl<T: Clone> Aligned<T> {
    /// `len` times `value`.
    pub(crate) fn new(value: T, len: usize) -> Self {
        let spare = Self::spare(len);
        let buffer = vec![value; len + spare];
        // Whether there is such an element or not, only speed depends on it.
        let start = Some(buffer.as_ptr().align_offset(LINE)).filter(|&start| start <= spare).unwrap_or(0);
        Self { buffer, start, len }
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.buffer[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}

/// The copy lies at another address: its own start may differ.
impl<T: Clone> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        match self.first() {
            Some(first) => {
                let mut copy = Self::new(first.clone(), self.len);
                copy.clone_from_slice(self);
                copy
            }
            None => Self { buffer: Vec::new(), start: 0, len: 0 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_cache_line_and_copies_its_values() {
        for len in [0, 1, 15, 16, 17, 1000, 100_000] {
            let mut a = Aligned::new(1.5_f32, len);
            assert_eq!(a.len(), len);
            assert!(len == 0 || a.as_ptr().addr().is_multiple_of(LINE));
            if len > 0 {
                a[len - 1] = 2.5;
            }
            let b = a.clone();
            assert_eq!(*a, *b);
            assert!(len == 0 || b.as_ptr().addr().is_multiple_of(LINE));
        }
    }
}
