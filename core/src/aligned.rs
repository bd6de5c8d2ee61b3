//! Memory for numbers that many passes read and write: at the beginning of a cache line, and where there is much of it, in large pages.

use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use memmap2::MmapMut;

/// The bytes of a cache line, or of the widest register.
const LINE: usize = 64;

/// A vector of fixed length, first of zeros, whose first element lies at a multiple of 64 bytes.
///
/// Registers then load from a single cache line, and threads that share a matrix by columns write to no line in common.
/// Networks keep their parameters in it and workspaces their activations; backends may keep copies of operands in it.
///
/// From 2 MiB on, Linux is asked to hold it in pages of 2 MiB. A matrix whose rows are far apart then needs a hundredth of
/// the translations of addresses, and its lines spread evenly over the sets of a cache, which of small pages is left to chance.
///
/// ```
/// let mut a = chainrule_core::Aligned::<f32>::zeros(1000);
/// a[999] = 1.0;
/// assert_eq!(a.iter().sum::<f32>(), 1.0);
/// assert_eq!(a.as_ptr().addr() % 64, 0);
/// ```
#[derive(Debug)]
pub struct Aligned<T>(Memory<T>);

#[derive(Debug)]
enum Memory<T> {
    /// A little longer than needed, so that some element of it, `start`, begins a cache line.
    Heap { buffer: Vec<T>, start: usize, len: usize },
    /// Nothing but the elements.
    Pages(LargePages),
}

impl<T> Aligned<T> {
    /// The bytes that `len` elements take.
    #[must_use]
    pub fn bytes(len: usize) -> usize {
        len.saturating_add(Self::spare(len)).saturating_mul(size_of::<T>())
    }

    fn spare(len: usize) -> usize {
        if len == 0 { 0 } else { LINE / size_of::<T>().max(1) }
    }

    /// The first element to begin a cache line; the first of all where none does, as only speed depends on it.
    fn first_in_line(buffer: &[T], len: usize) -> usize {
        Some(buffer.as_ptr().align_offset(LINE)).filter(|&start| start <= Self::spare(len)).unwrap_or(0)
    }
}

impl<T: Pod> Aligned<T> {
    /// `len` zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        if let Some(pages) = len.checked_mul(size_of::<T>()).and_then(LargePages::zeros) {
            return Self(Memory::Pages(pages));
        }
        let buffer = vec![T::zeroed(); len + Self::spare(len)];
        let start = Self::first_in_line(&buffer, len);
        Self(Memory::Heap { buffer, start, len })
    }
}

impl<T: Pod> Deref for Aligned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Memory::Heap { buffer, start, len } => &buffer[*start..*start + *len],
            Memory::Pages(pages) => bytemuck::cast_slice(pages.bytes()),
        }
    }
}

impl<T: Pod> DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Memory::Heap { buffer, start, len } => &mut buffer[*start..*start + *len],
            Memory::Pages(pages) => bytemuck::cast_slice_mut(pages.bytes_mut()),
        }
    }
}

/// The copy lies at another address: its own start may differ.
impl<T: Clone> Clone for Aligned<T> {
    fn clone(&self) -> Self {
        Self(match &self.0 {
            Memory::Heap { buffer, start, len } => {
                let mut copy = buffer.clone();
                let begin = Self::first_in_line(&copy, *len);
                copy[begin..begin + *len].clone_from_slice(&buffer[*start..*start + *len]);
                Memory::Heap { buffer: copy, start: begin, len: *len }
            }
            Memory::Pages(pages) => Memory::Pages(pages.clone()),
        })
    }
}

/// Memory of its own from the system, beginning at a large page.
#[derive(Debug)]
struct LargePages {
    /// Longer by a page than needed; what is never touched takes no memory.
    map: MmapMut,
    start: usize,
    len: usize,
}

impl LargePages {
    /// The bytes of a large page of x86-64, and of most kernels for AArch64.
    const PAGE: usize = 2 << 20;

    /// `len` bytes of 0, if they fill at least a page and the system can be asked for such pages.
    fn zeros(len: usize) -> Option<Self> {
        if len < Self::PAGE || !cfg!(target_os = "linux") || cfg!(miri) {
            return None;
        }
        let map = MmapMut::map_anon(len.checked_add(Self::PAGE)?).ok()?;
        let start = Some(map.as_ptr().align_offset(Self::PAGE)).filter(|&start| start <= Self::PAGE)?;
        // An advice: where it is not taken, the memory is as good as any. What is left over after the last whole page
        // stays in small ones.
        #[cfg(target_os = "linux")]
        let _ = map.advise_range(memmap2::Advice::HugePage, start, len / Self::PAGE * Self::PAGE);
        Some(Self { map, start, len })
    }

    fn bytes(&self) -> &[u8] {
        &self.map[self.start..self.start + self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.start..self.start + self.len]
    }
}

impl Clone for LargePages {
    fn clone(&self) -> Self {
        let Some(mut copy) = Self::zeros(self.len) else {
            // What any vector does that finds no memory.
            std::alloc::handle_alloc_error(std::alloc::Layout::for_value(self.bytes()))
        };
        copy.bytes_mut().copy_from_slice(self.bytes());
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begins_at_a_cache_line_and_copies_its_values() {
        for len in [0, 1, 15, 16, 17, 1000, 100_000, (1 << 19) - 1, 1 << 19, 700_001] {
            let mut a = Aligned::<f32>::zeros(len);
            assert_eq!(a.len(), len);
            assert!(a.iter().all(|&x| x == 0.0));
            assert!(len == 0 || a.as_ptr().addr().is_multiple_of(LINE));
            if len > 0 {
                a[len - 1] = 2.5;
            }
            let b = a.clone();
            assert_eq!(*a, *b);
            assert!(len == 0 || b.as_ptr().addr().is_multiple_of(LINE));
        }
    }

    #[test]
    fn elements_of_any_size_have_their_places() {
        assert_eq!(Aligned::<()>::zeros(3).len(), 3);
        assert_eq!(Aligned::<[f64; 3]>::zeros(100_000).clone()[99_999].map(f64::to_bits), [0; 3]);
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn much_of_it_begins_at_a_large_page() {
        for len in [1_usize << 18, 300_001, 5_000_000] {
            assert!(Aligned::<f64>::zeros(len).as_ptr().addr().is_multiple_of(LargePages::PAGE));
        }
    }
}
