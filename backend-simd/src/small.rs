//! Small products, where to plan one would take longer than to compute it: the layers of tiny networks.
//!
//! One kernel, without blocks or threads, and with what follows the product done while it is in registers. Which products are
//! small depends on shapes and strides alone. Their elements are chains of multiply-adds as in [`gemm`](crate::gemm), four chains
//! each if there is but one row.

#![allow(
    clippy::needless_range_loop,
    reason = "a tile is indexed by its rows and columns, as the equation is"
)]

use std::mem::MaybeUninit;

use crate::gemm::view::{MatMut, MatRef};
use crate::gemm::{self, Copy, Multiples, load};
use crate::isa::{Element, Kernel, Ready};
use crate::lane::Lane;

/// Most multiply-adds of a small product.
const MOST: usize = 1 << 14;

/// Most elements of an operand that is copied to have contiguous rows.
const COPIED: usize = 2048;

/// Chains of the sums of a single row.
const CHAINS: usize = 4;

/// What becomes of a sum s = Σ a b.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Finish<T> {
    /// C ← s.
    Replace,
    /// C ← β C + α s, as `mul_add(α, s, β c)`.
    Blend { alpha: T, beta: T },
    /// C ← s + b, or its positive part; b is a row of contiguous elements.
    Bias { bias: *const T, relu: bool },
    /// C ← s where `saved` is positive, and `below` · s elsewhere; its rows are contiguous and so far apart.
    Step { saved: *const T, row: isize, below: T },
}

/// Computes `finish` of A·B into C if the product is small enough and its layout allows for it; tells whether it did.
///
/// # Safety
///
/// A, B and what `finish` refers to are valid for reads, C for reads and writes, and C overlaps none of them; shapes fit.
#[inline(always)]
pub(crate) unsafe fn product<T: Element>(
    isa: Ready,
    a: MatRef<T>,
    b: MatRef<T>,
    finish: &Finish<T>,
    c: MatMut<T>,
) -> bool {
    let (rows, depth, cols) = (c.rows, a.cols, c.cols);
    if rows.saturating_mul(depth).saturating_mul(cols) > MOST || gemm::is_dot(a, b) {
        return false;
    }
    // Cᵀ ← Bᵀ Aᵀ has the same elements.
    let turned = c.col != 1 && c.row == 1;
    if turned && matches!(finish, Finish::Bias { .. } | Finish::Step { .. }) {
        return false;
    }
    let (a, b, c) = if turned { (b.t(), a.t(), c.t()) } else { (a, b, c) };
    if c.col != 1 {
        return false;
    }
    if b.col == 1 {
        isa.dispatch(&Small { a, b, c, finish });
        return true;
    }
    if b.rows * b.cols > COPIED {
        return false;
    }
    let mut space = [const { MaybeUninit::<T>::uninit() }; COPIED];
    let to = space.as_mut_ptr().cast::<T>();
    isa.dispatch(Copy { from: b, to, to_row: b.cols });
    let b = MatRef { ptr: to.cast_const(), row: b.cols.cast_signed(), col: 1, ..b };
    isa.dispatch(&Small { a, b, c, finish });
    true
}

/// C ← `finish` of A·B, where rows of B and C are contiguous.
struct Small<'a, T> {
    a: MatRef<T>,
    b: MatRef<T>,
    c: MatMut<T>,
    finish: &'a Finish<T>,
}

impl<T: Element> Kernel<T> for &Small<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        if self.c.rows == 1 {
            // SAFETY: the caller enables the set of `L`.
            return unsafe { self.only_row::<L>() };
        }
        let mut j = 0;
        // SAFETY: strips cover the columns of C; the caller enables the set of `L`.
        unsafe {
            while self.c.cols - j >= 2 * L::LANES {
                self.strip::<L, 4, 2, false>(j, L::LANES);
                j += 2 * L::LANES;
            }
            match self.c.cols - j {
                0 => {}
                n if n == L::LANES => self.strip::<L, 8, 1, false>(j, n),
                n if n < L::LANES => self.strip::<L, 8, 1, true>(j, n),
                n => self.strip::<L, 4, 2, true>(j, n - L::LANES),
            }
        }
    }
}

impl<T: Element> Small<'_, T> {
    /// `NV` registers of columns from j on, the last of them with `last` columns; `PART` if these do not fill it.
    #[inline(always)]
    unsafe fn strip<L: Lane<Elem = T>, const MR: usize, const NV: usize, const PART: bool>(
        &self,
        j: usize,
        last: usize,
    ) {
        let m = self.c.rows;
        let mut i = 0;
        // SAFETY: tiles cover the rows of C; the caller enables the set of `L`.
        unsafe {
            while m - i >= MR {
                self.tile::<L, MR, NV, PART>(i, j, last);
                i += MR;
            }
            if MR > 4 && m - i >= 4 {
                self.tile::<L, 4, NV, PART>(i, j, last);
                i += 4;
            }
            if m - i >= 2 {
                self.tile::<L, 2, NV, PART>(i, j, last);
                i += 2;
            }
            if m - i == 1 {
                self.tile::<L, 1, NV, PART>(i, j, last);
            }
        }
    }

    /// `MR` rows from i on of such a strip.
    #[inline(always)]
    unsafe fn tile<L: Lane<Elem = T>, const MR: usize, const NV: usize, const PART: bool>(
        &self,
        i: usize,
        j: usize,
        last: usize,
    ) {
        let Self { a, b, .. } = self;
        // SAFETY: the tile lies inside of C, and so do the rows of A and the columns of B that it depends on; partial
        // registers touch `last` elements only. The caller enables the set of `L`.
        unsafe {
            let mut acc = [[L::splat(T::ZERO); NV]; MR];
            let (mut from_a, mut from_b) = (a.at(i, 0), b.at(0, j));
            for _ in 0..a.cols {
                let mut vb = [L::splat(T::ZERO); NV];
                for v in 0..NV {
                    vb[v] = load::<L, NV, PART>(from_b, v, last);
                }
                for r in 0..MR {
                    let va = L::splat(*from_a.offset(r.cast_signed() * a.row));
                    for v in 0..NV {
                        acc[r][v] = va.mul_add(vb[v], acc[r][v]);
                    }
                }
                from_a = from_a.wrapping_offset(a.col);
                from_b = from_b.wrapping_offset(b.row);
            }
            self.finish::<L, MR, NV, PART>(acc, i, j, last);
        }
    }

    /// The only row, three registers of columns at a time.
    #[inline(always)]
    unsafe fn only_row<L: Lane<Elem = T>>(&self) {
        let mut j = 0;
        // SAFETY: the pieces cover the columns of C; the caller enables the set of `L`.
        unsafe {
            while self.c.cols - j > 3 * L::LANES {
                self.row::<L, 3, false>(j, L::LANES);
                j += 3 * L::LANES;
            }
            let cols = self.c.cols - j;
            let vectors = cols.div_ceil(L::LANES);
            let last = cols + L::LANES - vectors * L::LANES;
            match (vectors, last < L::LANES) {
                (0, _) => {}
                (1, false) => self.row::<L, 1, false>(j, last),
                (1, true) => self.row::<L, 1, true>(j, last),
                (2, false) => self.row::<L, 2, false>(j, last),
                (2, true) => self.row::<L, 2, true>(j, last),
                (_, false) => self.row::<L, 3, false>(j, last),
                (_, true) => self.row::<L, 3, true>(j, last),
            }
        }
    }

    /// The only row, `NV` registers of columns from j on: each sum is four chains, which need not wait for each other, of every
    /// fourth term; then s₀ + s₂ + (s₁ + s₃).
    #[inline(always)]
    unsafe fn row<L: Lane<Elem = T>, const NV: usize, const PART: bool>(&self, j: usize, last: usize) {
        let Self { a, b, .. } = self;
        let size = size_of::<T>().cast_signed();
        let (from_a, from_b) = (Multiples::of(size * a.col), Multiples::of(size * b.row));
        let turn = CHAINS.cast_signed();
        // SAFETY: as in `tile`.
        unsafe {
            let mut acc = [[L::splat(T::ZERO); NV]; CHAINS];
            let (mut at_a, mut at_b) = (a.ptr, b.at(0, j));
            for _ in 0..a.cols / CHAINS {
                for q in 0..CHAINS {
                    let (a, b) = (from_a.after(q, at_a), from_b.after(q, at_b));
                    add_term::<L, NV, PART>(&mut acc[q], a, b, last);
                }
                (at_a, at_b) = (at_a.wrapping_offset(turn * a.col), at_b.wrapping_offset(turn * b.row));
            }
            for q in 0..CHAINS {
                if q == a.cols % CHAINS {
                    break;
                }
                let (a, b) = (from_a.after(q, at_a), from_b.after(q, at_b));
                add_term::<L, NV, PART>(&mut acc[q], a, b, last);
            }
            let mut sum = [[L::splat(T::ZERO); NV]; 1];
            for v in 0..NV {
                sum[0][v] = acc[0][v].add(acc[2][v]).add(acc[1][v].add(acc[3][v]));
            }
            self.finish::<L, 1, NV, PART>(sum, 0, j, last);
        }
    }

    /// Finishes the sums of `MR` rows from i on, and stores them.
    #[inline(always)]
    unsafe fn finish<L: Lane<Elem = T>, const MR: usize, const NV: usize, const PART: bool>(
        &self,
        mut acc: [[L; NV]; MR],
        i: usize,
        j: usize,
        last: usize,
    ) {
        let Self { c, finish, .. } = self;
        // SAFETY: as in `tile`.
        unsafe {
            match **finish {
                Finish::Replace => {}
                Finish::Blend { alpha, beta } => {
                    let (alpha, beta) = (L::splat(alpha), L::splat(beta));
                    for r in 0..MR {
                        for v in 0..NV {
                            let old: L = load::<L, NV, PART>(c.at(i + r, j), v, last);
                            acc[r][v] = alpha.mul_add(acc[r][v], beta.mul(old));
                        }
                    }
                }
                Finish::Bias { bias, relu } => {
                    let zero = L::splat(T::ZERO);
                    for v in 0..NV {
                        let bias: L = load::<L, NV, PART>(bias.wrapping_add(j), v, last);
                        for r in 0..MR {
                            acc[r][v] = acc[r][v].add(bias);
                        }
                    }
                    if relu {
                        for r in 0..MR {
                            for v in 0..NV {
                                acc[r][v] = L::select(acc[r][v].le(zero), zero, acc[r][v]);
                            }
                        }
                    }
                }
                Finish::Step { saved, row, below } => {
                    let (zero, one, below) = (L::splat(T::ZERO), L::splat(T::ONE), L::splat(below));
                    for r in 0..MR {
                        let saved = saved.wrapping_offset((i + r).cast_signed() * row).wrapping_add(j);
                        for v in 0..NV {
                            let saved: L = load::<L, NV, PART>(saved, v, last);
                            acc[r][v] = acc[r][v].mul(L::select(zero.lt(saved), one, below));
                        }
                    }
                }
            }
            for r in 0..MR {
                for v in 0..NV {
                    let to = c.at(i + r, j).add(v * L::LANES);
                    if PART && v + 1 == NV {
                        acc[r][v].store_first(to, last);
                    } else {
                        acc[r][v].store(to);
                    }
                }
            }
        }
    }
}

/// acc ← acc + a b, with an element of A and `NV` registers of a row of B.
#[inline(always)]
unsafe fn add_term<L: Lane, const NV: usize, const PART: bool>(
    acc: &mut [L; NV],
    a: *const L::Elem,
    b: *const L::Elem,
    last: usize,
) {
    // SAFETY: the caller's: a is valid, and b as `last` says; the set of `L` is enabled.
    unsafe {
        let a = L::splat(*a);
        for v in 0..NV {
            acc[v] = a.mul_add(load::<L, NV, PART>(b, v, last), acc[v]);
        }
    }
}
