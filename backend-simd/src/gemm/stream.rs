//! The product of a single row and a large matrix, c ← x B: every element of B is read once, so how B is read decides.

#![allow(clippy::needless_range_loop, reason = "rows and registers are indexed, as the equation is")]

use crate::isa::{Element, Kernel};
use crate::lane::Lane;

/// c ← x B, or c ← c + x B, with a few rows of B at a time, each from its first column to its last. So they are read in the order in which
/// they lie in memory, while the sums wait in c.
pub(super) struct Stream<T> {
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) x: *const T,
    pub(super) x_step: isize,
    pub(super) b: *const T,
    pub(super) b_row: isize,
    pub(super) c: *mut T,
    /// Whether the old c is the first term of each sum.
    pub(super) add: bool,
}

/// Rows of B that are read side by side.
const ROWS: usize = 8;

/// Registers of c that are in work at once.
const REGISTERS: usize = 4;

impl<T: Element> Kernel<T> for Stream<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let mut p = 0;
        // SAFETY: the caller's: x has k elements, B is k × n with adjacent columns, c has n elements, which may be uninitialised unless they
        // are added to; the set is available.
        unsafe {
            while self.k - p >= ROWS {
                self.rows::<L, ROWS>(p);
                p += ROWS;
            }
            while p < self.k {
                self.rows::<L, 1>(p);
                p += 1;
            }
        }
    }
}

impl<T: Element> Stream<T> {
    /// The terms of R rows from row p on.
    #[inline(always)]
    unsafe fn rows<L: Lane<Elem = T>, const R: usize>(&self, p: usize) {
        let at = |q: usize| (p + q).cast_signed();
        // SAFETY: as in `run`; `last` is what remains of a row.
        unsafe {
            let mut x = [L::splat(T::ZERO); R];
            for q in 0..R {
                x[q] = L::splat(*self.x.offset(at(q) * self.x_step));
            }
            let row = |q: usize| self.b.offset(at(q) * self.b_row);
            let first = p == 0 && !self.add;
            let mut j = 0;
            while self.n - j >= REGISTERS * L::LANES {
                let mut sums = [L::splat(T::ZERO); REGISTERS];
                for v in 0..REGISTERS {
                    if !first {
                        sums[v] = L::load(self.c.add(j + v * L::LANES));
                    }
                }
                for q in 0..R {
                    for v in 0..REGISTERS {
                        sums[v] = x[q].mul_add(L::load(row(q).add(j + v * L::LANES)), sums[v]);
                    }
                }
                for v in 0..REGISTERS {
                    sums[v].store(self.c.add(j + v * L::LANES));
                }
                j += REGISTERS * L::LANES;
            }
            while j < self.n {
                let last = L::LANES.min(self.n - j);
                let mut sum = L::splat(T::ZERO);
                if !first {
                    sum = L::load_first(self.c.add(j), last);
                }
                for q in 0..R {
                    sum = x[q].mul_add(L::load_first(row(q).add(j), last), sum);
                }
                sum.store_first(self.c.add(j), last);
                j += last;
            }
        }
    }
}
