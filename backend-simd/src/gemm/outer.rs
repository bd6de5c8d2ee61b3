//! Outer products, and sums of a few of them: to read and to write C takes longest, so that the order in which it is walked through decides.

#![allow(clippy::needless_range_loop, reason = "terms and registers are indexed, as the equation is")]

use crate::gemm::Update;
use crate::gemm::view::{MatMut, MatRef};
use crate::isa::{Element, Kernel};
use crate::lane::Lane;

/// `update` with A·B on C for sums of K terms, where rows of B and C are contiguous and have two registers or more. C is walked through from
/// its end to its beginning, as processors foresee it, so that first comes what was read last by a pass in the other direction.
pub(super) struct Outer<T, const K: usize> {
    pub(super) a: MatRef<T>,
    pub(super) b: MatRef<T>,
    pub(super) c: MatMut<T>,
    pub(super) update: Update<T>,
}

/// What becomes of a sum: as [`Update`], where a blend of the old C as it is takes no product.
const REPLACE: u8 = 0;
const ADD: u8 = 1;
const STEP: u8 = 2;
const BLEND: u8 = 3;

/// Registers of a row that are in work at once.
const REGISTERS: usize = 4;

impl<T: Element, const K: usize> Kernel<T> for Outer<T, K> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        debug_assert!(self.a.cols == K && self.c.col == 1 && self.b.col == 1 && self.c.cols >= 2 * L::LANES);
        // SAFETY: the caller's: A is m × K, B K × n and C m × n, of which the old content is valid unless it is replaced; the set is available.
        unsafe {
            match self.update {
                Update::Replace => self.rows::<L, REPLACE>([L::splat(T::ZERO); 2]),
                Update::Add => self.rows::<L, ADD>([L::splat(T::ZERO); 2]),
                Update::Blend { alpha, beta } => {
                    let factors = [L::splat(alpha), L::splat(beta)];
                    if beta == T::ONE {
                        self.rows::<L, STEP>(factors);
                    } else {
                        self.rows::<L, BLEND>(factors);
                    }
                }
            }
        }
    }
}

impl<T: Element, const K: usize> Outer<T, K> {
    /// All rows, each from its last columns on.
    #[inline(always)]
    unsafe fn rows<L: Lane<Elem = T>, const UPDATE: u8>(&self, factors: [L; 2]) {
        let Self { a, b, c, .. } = *self;
        let rest = c.cols % L::LANES;
        for i in (0..c.rows).rev() {
            // SAFETY: the caller's; rows have two registers or more.
            unsafe {
                let mut x = [L::splat(T::ZERO); K];
                for p in 0..K {
                    x[p] = L::splat(*a.at(i, p));
                }
                let (b, c) = ((b.ptr, b.row), c.at(i, 0));
                let mut j = self.c.cols - rest;
                if rest > 0 {
                    // What does not fill a register is the end of one that has some columns in common with the register before it.
                    j -= L::LANES;
                    registers::<L, K, 2, UPDATE>(x, b, c, [j, j + rest], factors);
                }
                while j >= REGISTERS * L::LANES {
                    j -= REGISTERS * L::LANES;
                    let at = [j, j + L::LANES, j + 2 * L::LANES, j + 3 * L::LANES];
                    registers::<L, K, REGISTERS, UPDATE>(x, b, c, at, factors);
                }
                while j > 0 {
                    j -= L::LANES;
                    registers::<L, K, 1, UPDATE>(x, b, c, [j], factors);
                }
            }
        }
    }
}

/// The registers of a row of C that begin in columns `at`, each read before one is written.
#[inline(always)]
unsafe fn registers<L: Lane, const K: usize, const NV: usize, const UPDATE: u8>(
    x: [L; K],
    (b, b_row): (*const L::Elem, isize),
    c: *mut L::Elem,
    at: [usize; NV],
    [alpha, beta]: [L; 2],
) {
    // SAFETY: the registers lie inside of C's row, and so do those of B's rows. The caller enables the set of `L`.
    unsafe {
        let mut old = [L::splat(L::Elem::ZERO); NV];
        let mut sums = old;
        if UPDATE != REPLACE {
            for v in (0..NV).rev() {
                old[v] = L::load(c.add(at[v]));
            }
        }
        if UPDATE == ADD {
            sums = old;
        }
        for p in 0..K {
            let b = b.offset(p.cast_signed() * b_row);
            for v in (0..NV).rev() {
                sums[v] = x[p].mul_add(L::load(b.add(at[v])), sums[v]);
            }
        }
        for v in (0..NV).rev() {
            if UPDATE == STEP {
                sums[v] = alpha.mul_add(sums[v], old[v]);
            } else if UPDATE == BLEND {
                sums[v] = alpha.mul_add(sums[v], beta.mul(old[v]));
            }
        }
        for v in (0..NV).rev() {
            sums[v].store(c.add(at[v]));
        }
    }
}
