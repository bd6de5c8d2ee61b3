//! The product as dot products: both operands run along k in adjacent memory.
//!
//! C (i, j) is a sum over sixteen partial sums: partial sum l takes the terms p with p mod 16 = l, in increasing order, and
//! a fixed tree over halves adds the sixteen. A register holds some of them, `PARTS` registers hold all: the order does
//! not depend on the instruction set.

#![allow(
    clippy::needless_range_loop,
    reason = "a tile is indexed by its rows and columns, as the equation is"
)]

use crate::gemm::driver::{self, SCRATCH};
use crate::gemm::pack::{Buffer, Copy};
use crate::gemm::view::{MatMut, MatRef};
use crate::gemm::{Product, Update, split};
use crate::isa::{Element, Kernel};
use crate::lane::{Lane, portable};
#[cfg(target_arch = "x86_64")]
use crate::lane::{avx2, avx512};

/// Partial sums of every dot product.
const WIDTH: usize = 16;

/// The arguments of a kernel: rows of A and columns of B, each k adjacent scalars, `a_row` and `b_col` apart. The sums
/// go to `out`, with strides of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dots<T> {
    k: usize,
    a: *const T,
    a_row: isize,
    b: *const T,
    b_col: isize,
    out: *mut T,
    out_row: isize,
    out_col: isize,
}

/// # Safety
///
/// The instruction set is available, the operands are valid for the kernel's size and `out` for its results.
pub(crate) type DotFn<T> = unsafe fn(&Dots<T>);

/// The dot kernels of a lane type.
pub(crate) trait Dot: Lane {
    /// Rows of the largest tile.
    const DOT_ROWS: usize;
    /// Columns of the largest tile.
    const DOT_COLS: usize;
    /// Kernels by rows − 1, then by columns − 1.
    const DOTS: &'static [&'static [DotFn<Self::Elem>]];
}

/// `PARTS` registers hold the partial sums of an element, of which `PASS` are computed at a time: fewer than all where a larger tile then
/// fits the registers, which reads less.
struct Run<'a, T, const MR: usize, const NR: usize, const PARTS: usize, const PASS: usize>(&'a Dots<T>);

impl<T: Element, const MR: usize, const NR: usize, const PARTS: usize, const PASS: usize> Kernel<T>
    for Run<'_, T, MR, NR, PARTS, PASS>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        const { assert!(PARTS * L::LANES == WIDTH && PARTS.is_multiple_of(PASS)) };
        let Dots { k, a, a_row, b, b_col, out, out_row, out_col } = *self.0;
        // SAFETY: the contract of `DotFn`; partial registers touch no more than the k scalars of a row.
        unsafe {
            let mut parts = [[[L::splat(T::ZERO); PARTS]; NR]; MR];
            for pass in 0..PARTS / PASS {
                let mut acc = [[[L::splat(T::ZERO); PASS]; NR]; MR];
                let first = pass * PASS * L::LANES;
                let mut p = first;
                while p + WIDTH - first <= k {
                    for q in 0..PASS {
                        let mut va = [L::splat(T::ZERO); MR];
                        for i in 0..MR {
                            va[i] = L::load(a.offset(i.cast_signed() * a_row).add(p + q * L::LANES));
                        }
                        for j in 0..NR {
                            let vb = L::load(b.offset(j.cast_signed() * b_col).add(p + q * L::LANES));
                            for i in 0..MR {
                                acc[i][j][q] = va[i].mul_add(vb, acc[i][j][q]);
                            }
                        }
                    }
                    p += WIDTH;
                }
                for q in 0..PASS {
                    let n = k.saturating_sub(p + q * L::LANES).min(L::LANES);
                    if n == 0 {
                        break;
                    }
                    let mut va = [L::splat(T::ZERO); MR];
                    for i in 0..MR {
                        va[i] = L::load_first(a.offset(i.cast_signed() * a_row).add(p + q * L::LANES), n);
                    }
                    for j in 0..NR {
                        let vb = L::load_first(b.offset(j.cast_signed() * b_col).add(p + q * L::LANES), n);
                        for i in 0..MR {
                            acc[i][j][q] = va[i].mul_add(vb, acc[i][j][q]);
                        }
                    }
                }
                for i in 0..MR {
                    for j in 0..NR {
                        for q in 0..PASS {
                            parts[i][j][pass * PASS + q] = acc[i][j][q];
                        }
                    }
                }
            }
            for i in 0..MR {
                for j in 0..NR {
                    let mut half = PARTS / 2;
                    while half > 0 {
                        for q in 0..half {
                            parts[i][j][q] = parts[i][j][q].add(parts[i][j][q + half]);
                        }
                        half /= 2;
                    }
                }
            }
            for group in 0..(MR * NR).div_ceil(8) {
                let mut eight = [L::splat(T::ZERO); 8];
                for (l, x) in eight.iter_mut().enumerate() {
                    let at = 8 * group + l;
                    if at < MR * NR {
                        *x = parts[at / NR][at % NR][0];
                    }
                }
                let sums = if MR * NR == 1 { [eight[0].sum(); 8] } else { L::sum8(eight) };
                for (l, sum) in sums.into_iter().enumerate() {
                    let at = 8 * group + l;
                    if at < MR * NR {
                        *out.offset((at / NR).cast_signed() * out_row + (at % NR).cast_signed() * out_col) =
                            sum;
                    }
                }
            }
        }
    }
}

unsafe fn dots<L: Lane, const MR: usize, const NR: usize, const PARTS: usize, const PASS: usize>(
    args: &Dots<L::Elem>,
) {
    // SAFETY: the contract of `DotFn`.
    unsafe { L::enter(Run::<_, MR, NR, PARTS, PASS>(args)) }
}

/// Kernels of a lane type, by rows; of each how many of the `parts` are computed at a time, and the columns.
macro_rules! dot_kernels {
    ($lane:ty, parts $parts:literal, $rows:literal by $cols:literal: $([$mr:literal at $pass:literal: $($nr:literal)*])*) => {
        impl Dot for $lane {
            const DOT_ROWS: usize = $rows;
            const DOT_COLS: usize = $cols;
            const DOTS: &'static [&'static [DotFn<Self::Elem>]] =
                &[$(dot_kernels!(@row $lane, $parts, $mr, $pass, $($nr)*)),*];
        }
    };
    (@row $lane:ty, $parts:literal, $mr:literal, $pass:literal, $($nr:literal)*) => {
        &[$(dots::<$lane, $mr, $nr, $parts, $pass>),*]
    };
}

dot_kernels!(portable::F32, parts 4, 1 by 3: [1 at 4: 1 2 3]);
dot_kernels!(portable::F64, parts 8, 1 by 1: [1 at 8: 1]);
#[cfg(target_arch = "x86_64")]
dot_kernels!(avx2::F32x8, parts 2, 2 by 3: [1 at 2: 1 2 3] [2 at 2: 1 2 3]);
#[cfg(target_arch = "x86_64")]
dot_kernels!(avx2::F64x4, parts 4, 2 by 3: [1 at 4: 1 2 3] [2 at 2: 1 2 3]);
#[cfg(target_arch = "x86_64")]
dot_kernels!(avx512::F32x16, parts 1, 4 by 6:
    [1 at 1: 1 2 3 4 5 6] [2 at 1: 1 2 3 4 5 6] [3 at 1: 1 2 3 4 5 6] [4 at 1: 1 2 3 4 5 6]);
#[cfg(target_arch = "x86_64")]
dot_kernels!(avx512::F64x8, parts 2, 3 by 4: [1 at 2: 1 2 3 4] [2 at 2: 1 2 3 4] [3 at 2: 1 2 3 4]);
#[cfg(target_arch = "aarch64")]
dot_kernels!(crate::lane::neon::F32x4, parts 4, 2 by 3: [1 at 4: 1 2 3] [2 at 4: 1 2 3]);
#[cfg(target_arch = "aarch64")]
dot_kernels!(crate::lane::neon::F64x2, parts 8, 1 by 3: [1 at 8: 1 2 3]);

/// Computes a product as dot products.
///
/// # Safety
///
/// The views are valid and the set of `L` is available.
pub(super) unsafe fn run<L: driver::Lanes>(product: &Product<'_, L::Elem>) {
    let Product { a, b, .. } = *product;
    let pad = |rows: usize, contiguous: bool| if contiguous { 0 } else { rows * a.cols };
    let (a_len, b_len) = (pad(a.rows, a.col == 1), pad(b.cols, b.row == 1));
    Buffer::with(a_len + b_len, |space: *mut L::Elem| {
        let mut product = *product;
        // SAFETY: the buffer holds both copies; the views are valid.
        unsafe {
            if a_len != 0 {
                product.a = along_k::<L>(a, space);
            }
            if b_len != 0 {
                product.b = along_k::<L>(b.t(), space.add(a_len)).t();
            }
            adjacent::<L>(&product);
        }
    });
}

/// A copy of `from` (rows × k) with adjacent scalars along k.
unsafe fn along_k<L: Lane>(from: MatRef<L::Elem>, to: *mut L::Elem) -> MatRef<L::Elem> {
    // SAFETY: the caller provides room for rows · k scalars and an available set.
    unsafe { L::enter(Copy { from, to, to_row: from.cols }) };
    MatRef { ptr: to, row: from.cols.cast_signed(), col: 1, ..from }
}

unsafe fn adjacent<L: driver::Lanes>(product: &Product<'_, L::Elem>) {
    let Product { a, b, c, update, .. } = *product;
    debug_assert!((a.col == 1 || a.cols <= 1) && (b.row == 1 || b.rows <= 1));
    let mut out = [L::Elem::ZERO; SCRATCH];
    for (j, cols) in split(b.cols, L::DOT_COLS) {
        for (i, rows) in split(a.rows, L::DOT_ROWS) {
            let block = c.block(i, j, rows, cols);
            let replaces = matches!(update, Update::Replace);
            let to = if replaces {
                block
            } else {
                MatMut { ptr: out.as_mut_ptr(), row: cols.cast_signed(), col: 1, ..block }
            };
            let (a, b) = (a.block(i, 0, rows, a.cols), b.block(0, j, b.rows, cols));
            let args = Dots {
                k: a.cols,
                a: a.ptr,
                a_row: a.row,
                b: b.ptr,
                b_col: b.col,
                out: to.ptr,
                out_row: to.row,
                out_col: to.col,
            };
            // SAFETY: the block lies inside the operands and C; `out` is larger than any tile.
            unsafe { L::DOTS[rows - 1][cols - 1](&args) };
            if !replaces {
                // SAFETY: the block lies inside C; the set is available.
                unsafe { L::enter(Combine { sums: to.as_ref(), c: block, update }) };
            }
        }
    }
    driver::finish(product, 0, 0, c);
}

/// Updates C with sums that are complete.
pub(super) struct Combine<T> {
    pub(super) sums: MatRef<T>,
    pub(super) c: MatMut<T>,
    pub(super) update: Update<T>,
}

impl<T: Element> Kernel<T> for Combine<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { sums, c, update } = self;
        debug_assert!(sums.col == 1 && sums.rows == c.rows && sums.cols == c.cols);
        for i in 0..c.rows {
            let mut j = 0;
            while j < c.cols {
                let n = (c.cols - j).min(L::LANES);
                // SAFETY: columns j to j + n of row i lie inside both views; the set is enabled.
                unsafe {
                    let sum = L::load_first(sums.at(i, j), n);
                    let new = match update {
                        Update::Replace => sum,
                        Update::Add => gather::<L>(c.at(i, j), c.col, n).add(sum),
                        Update::Blend { alpha, beta } => {
                            let old = gather::<L>(c.at(i, j), c.col, n);
                            L::splat(alpha).mul_add(sum, L::splat(beta).mul(old))
                        }
                    };
                    scatter(new, c.at(i, j), c.col, n);
                }
                j += n;
            }
        }
    }
}

/// Loads `n` scalars that are `step` apart.
#[inline(always)]
unsafe fn gather<L: Lane>(from: *const L::Elem, step: isize, n: usize) -> L {
    // SAFETY: the caller's: `n ≤ LANES` scalars at that stride.
    unsafe {
        if step == 1 {
            return L::load_first(from, n);
        }
        let mut lanes = [L::Elem::ZERO; WIDTH];
        for (l, lane) in lanes.iter_mut().enumerate().take(n) {
            *lane = *from.offset(l.cast_signed() * step);
        }
        L::load(lanes.as_ptr())
    }
}

/// Stores `n` scalars `step` apart.
#[inline(always)]
unsafe fn scatter<L: Lane>(from: L, to: *mut L::Elem, step: isize, n: usize) {
    // SAFETY: the caller's: `n ≤ LANES` scalars at that stride.
    unsafe {
        if step == 1 {
            return from.store_first(to, n);
        }
        let mut lanes = [L::Elem::ZERO; WIDTH];
        from.store(lanes.as_mut_ptr());
        for (l, lane) in lanes.iter().enumerate().take(n) {
            *to.offset(l.cast_signed() * step) = *lane;
        }
    }
}
