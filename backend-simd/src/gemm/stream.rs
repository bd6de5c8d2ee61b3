//! The product of a single row and a large matrix, c ← x B: every element of B is read once, so how B is read decides.

#![allow(clippy::needless_range_loop, reason = "rows and registers are indexed, as the equation is")]

use crate::gemm::address::{Multiples, opaque};
use crate::gemm::view::MatRef;
use crate::isa::{Element, Kernel};
use crate::lane::Lane;

/// c ← x B, or c ← c + x B, with a few rows of B at a time, each from its first column to its last. So they are read in the order in which
/// they lie in memory, while the sums wait in c.
pub(super) struct Stream<T> {
    /// The first element of x, and how far apart two are.
    pub(super) x: (*const T, isize),
    pub(super) b: MatRef<T>,
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
        let (k, n) = (self.b.rows, self.b.cols);
        let last = n % L::LANES;
        let whole = n - last;
        let end = self.c.wrapping_add(whole);
        let from_b = Multiples::of(self.b.row * size_of::<T>().cast_signed());
        // SAFETY: the caller's: x has k elements, B is k × n with adjacent columns, c has n elements, which may be uninitialised unless they
        // are added to; the set is available.
        unsafe {
            let mut rest = L::splat(T::ZERO);
            if self.add {
                rest = L::load_first(end, last);
            } else {
                for j in (0..whole).step_by(L::LANES) {
                    rest.store(self.c.add(j));
                }
            }
            let mut x = self.x.0;
            for p in (0..k / ROWS * ROWS).step_by(ROWS) {
                x = self.rows::<L, ROWS>(x, p, &from_b, &mut rest);
            }
            for p in k / ROWS * ROWS..k {
                x = self.rows::<L, 1>(x, p, &from_b, &mut rest);
            }
            rest.store_first(end, last);
        }
    }
}

impl<T: Element> Stream<T> {
    /// The terms of R rows from row p on, whose elements of x begin at `at`; returns where the next one is. Those of columns that do not fill a
    /// register are added to `rest`: what is stored in parts cannot be loaded as a whole at once.
    #[inline(always)]
    unsafe fn rows<L: Lane<Elem = T>, const R: usize>(
        &self,
        mut at: *const T,
        p: usize,
        from_b: &Multiples,
        rest: &mut L,
    ) -> *const T {
        // SAFETY: as in `run`; and see `opaque`.
        unsafe {
            let mut x = [L::splat(T::ZERO); R];
            for q in 0..R {
                x[q] = L::splat(*at);
                at = at.wrapping_offset(self.x.1);
            }
            // Four rows share a pointer.
            let first = self.b.at(p, 0);
            let mut b = [first, first.wrapping_offset(4 * self.b.row)];
            let (mut c, mut cols) = (self.c, self.b.cols);
            while cols >= REGISTERS * L::LANES {
                registers::<L, R, REGISTERS>(&x, b, from_b, c);
                (b, c) = (b.map(|b| b.wrapping_add(REGISTERS * L::LANES)), c.add(REGISTERS * L::LANES));
                b = [opaque!(b[0]), opaque!(b[1])];
                cols -= REGISTERS * L::LANES;
            }
            while cols >= L::LANES {
                registers::<L, R, 1>(&x, b, from_b, c);
                (b, c) = (b.map(|b| b.wrapping_add(L::LANES)), c.add(L::LANES));
                cols -= L::LANES;
            }
            if cols > 0 {
                for q in 0..R {
                    *rest = x[q].mul_add(L::load_first(from_b.after(q % 4, b[q / 4]), cols), *rest);
                }
            }
        }
        at
    }
}

/// The terms of R rows in some registers, which begin at `b` and four rows on.
#[inline(always)]
unsafe fn registers<L: Lane, const R: usize, const NV: usize>(
    x: &[L; R],
    b: [*const L::Elem; 2],
    from_b: &Multiples,
    c: *mut L::Elem,
) {
    // SAFETY: as in `run`; the registers are whole.
    unsafe {
        let mut sums = [L::splat(L::Elem::ZERO); NV];
        for v in 0..NV {
            sums[v] = L::load(c.add(v * L::LANES));
        }
        for q in 0..R {
            let b = from_b.after(q % 4, b[q / 4]);
            for v in 0..NV {
                sums[v] = x[q].mul_add(L::load(b.wrapping_add(v * L::LANES)), sums[v]);
            }
        }
        for v in 0..NV {
            sums[v].store(c.add(v * L::LANES));
        }
    }
}
