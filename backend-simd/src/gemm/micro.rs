//! The micro-kernel: a tile of C as one chain of multiply-adds per element, all of it in registers.
//!
//! C (MR × NV·LANES) ← C₀ + Σ_p a(:, p) b(p, :), with p in increasing order: an element of A is broadcast, a row of B
//! is `NV` registers. A is read with any strides, so that packed and unpacked operands run through the same code.

#![allow(
    clippy::needless_range_loop,
    reason = "a tile is indexed by its rows and columns, as the equation is"
)]

use crate::gemm::Update;
use crate::gemm::address::{Multiples, opaque};
use crate::gemm::pack::{copy_row, prefetch};
use crate::isa::{Element, Kernel};
use crate::lane::{Lane, portable};
#[cfg(target_arch = "x86_64")]
use crate::lane::{avx2, avx512};

/// The arguments of a micro-kernel, which computes `count` tiles of its size, below or beside each other: from one to the next A,
/// B and C move by `a_next`, `b_next` and `c_next`.
///
/// Invariants for each tile (the callers' promise, relied on by the kernel): `a` is valid at `i·a_row + p·a_step` for each
/// row i of the kernel and each p < k; `b` at `p·b_step + j` and `c` at `i·c_row + j` for each column j of the tile, of
/// which there are `(NV − 1)·LANES + last`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile<T> {
    pub(super) count: usize,
    pub(super) a_next: isize,
    pub(super) b_next: isize,
    pub(super) c_next: isize,
    pub(super) k: usize,
    pub(super) a: *const T,
    pub(super) a_row: isize,
    pub(super) a_step: isize,
    pub(super) b: *const T,
    pub(super) b_step: isize,
    pub(super) c: *mut T,
    pub(super) c_row: isize,
    /// Columns in the last register of a row, 1 to LANES.
    pub(super) last: usize,
    pub(super) update: Update<T>,
}

/// A micro-kernel for one tile size.
///
/// # Safety
///
/// The instruction set is available and the invariants of [`Tile`] hold for the kernel's size.
pub(crate) type MicroFn<T> = unsafe fn(&Tile<T>);

/// A micro-kernel that copies its whole strip of B, row after row.
///
/// # Safety
///
/// As for [`MicroFn`], and the second argument is valid for k rows of a strip.
pub(super) type CopyingFn<T> = unsafe fn(&Tile<T>, *mut T);

/// The micro-kernels of a lane type.
pub(crate) trait Micro: Lane {
    /// Rows of the largest tile.
    const MR: usize;
    /// Registers in a row of a tile.
    const NV: usize = 2;
    /// Whether tiles are so large that they can read their operands from the second level.
    const LARGE: bool = Self::MR > 8;
    /// Longest piece of a sum between two visits of a tile to memory: long for large tiles, else such that a strip of B stays in the
    /// first-level cache as long as it is read.
    const KC: usize = if Self::LARGE { 8192 / size_of::<Self::Elem>() } else { 512 };
    /// Kernels by rows − 1, then by [`slot`].
    const TILES: &'static [[MicroFn<Self::Elem>; SLOTS]];
    /// The kernel of the largest tile that also copies the strip of B which it reads; none for large tiles.
    const COPYING: Option<CopyingFn<Self::Elem>>;
    /// Kernels of one row by registers − 1, then whether the last one is partial.
    const ROWS: [[MicroFn<Self::Elem>; 2]; WIDEST];
}

/// How the last register of a row is filled: as a whole; in part; not beyond its half, so that half a register does.
const WHOLE: u8 = 0;
const PART: u8 = 1;
const HALF: u8 = 2;

/// Where the operands are: A and B anywhere; both copies, columns of `MR` elements and rows of `NV` registers, one after the other;
/// anywhere, and B is to be copied so; anywhere, but elements of A are adjacent along its rows, or across them.
const ANYWHERE: u8 = 0;
const COPIES: u8 = 1;
const COPYING: u8 = 2;
const ALONG: u8 = 3;
const ACROSS: u8 = 4;

/// The second field is where B is copied to.
struct Run<'a, T, const MR: usize, const NV: usize, const LAST: u8, const PLACE: u8>(&'a Tile<T>, *mut T);

impl<T: Element, const MR: usize, const NV: usize, const LAST: u8, const PLACE: u8> Kernel<T>
    for Run<'_, T, MR, NV, LAST, PLACE>
{
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Tile { count, a_next, b_next, c_next, k, a_row, a_step, b_step, c_row, last, update, .. } =
            *self.0;
        let Tile { mut a, mut b, mut c, .. } = *self.0;
        debug_assert!(0 < last && last <= if LAST == HALF { L::Half::LANES } else { L::LANES });
        // Addresses wrap and scalars are read without a question for their alignment: debug builds, which would ask at every step, took ten
        // times as long for it.
        let row = |c: *mut T, i: usize| c.wrapping_offset(c_row.wrapping_mul(i.cast_signed()));
        // Registers before the half one.
        let nv = if LAST == HALF { NV - 1 } else { NV };
        // SAFETY: the invariants of `Tile`; partial registers touch `last` scalars only.
        unsafe {
            for _ in 0..count {
                let mut acc = [[L::splat(T::ZERO); NV]; MR];
                let mut half = [L::Half::splat(T::ZERO); MR];
                if let Update::Add = update {
                    for i in 0..MR {
                        for v in 0..nv {
                            acc[i][v] = register::<L, NV, LAST>(row(c, i), v, last);
                        }
                        if LAST == HALF {
                            half[i] = register::<L, NV, LAST>(row(c, i), nv, last).narrow();
                        }
                    }
                }

                if let Update::Blend { .. } = update
                    && k >= 64
                {
                    // What is read at the end. With a short sum it would cost more than it gains.
                    for i in 0..MR {
                        prefetch(row(c, i), nv * L::LANES);
                    }
                }

                let mut row_b = b;
                let mut to = self.1;
                if matches!(PLACE, COPIES | ALONG | ACROSS) {
                    let tile = Tile { a, b, ..*self.0 };
                    add_products::<L, MR, NV, LAST, PLACE>(&mut acc, &mut half, &tile);
                } else if a_row == 1 && embeds::<L>() && MR > 6 && LAST != HALF {
                    // A copy, or a column of A: no row needs an address of its own.
                    let mut columns = [a; 2];
                    for _ in 0..k {
                        // Two pointers to one column, unless the compiler knew. Every other row is broadcast by its multiply-adds, which
                        // saves an instruction: all of them would ask too much of the units that load.
                        columns = [opaque!(columns[0]), opaque!(columns[1])];
                        multiply_add::<L, MR, NV, LAST>(&mut acc, &mut half, row_b, last, |i| {
                            [columns[0].wrapping_add(i), columns[1 - i % 2].wrapping_add(i)]
                        });
                        row_b = row_b.wrapping_offset(b_step);
                        columns = [columns[0].wrapping_offset(a_step), columns[1].wrapping_offset(a_step)];
                    }
                } else {
                    // Seven rows share a pointer: so few addresses stay in registers, and an instruction adds up each. (Derived
                    // from each other, as the compiler would have them, they take an instruction a row.)
                    const { assert!(MR <= 14) };
                    let from_row = Multiples::of(a_row * size_of::<T>().cast_signed());
                    let mut rows = [a, a.wrapping_offset(7 * a_row)];
                    for _ in 0..k {
                        rows = [opaque!(rows[0]), opaque!(rows[1])];
                        if PLACE == COPYING {
                            let next = row_b.wrapping_offset(b_step.wrapping_mul(ROWS_AHEAD));
                            copy_row::<L>(row_b, NV * L::LANES, to, next);
                            to = to.wrapping_add(NV * L::LANES);
                        }
                        multiply_add::<L, MR, NV, LAST>(&mut acc, &mut half, row_b, last, |i| {
                            [from_row.after(i % 7, rows[i / 7]); 2]
                        });
                        row_b = row_b.wrapping_offset(b_step);
                        rows = [rows[0].wrapping_offset(a_step), rows[1].wrapping_offset(a_step)];
                    }
                }

                if LAST == HALF {
                    for i in 0..MR {
                        acc[i][nv] = L::widen(half[i]);
                    }
                }
                if let Update::Blend { alpha, beta } = update {
                    let old = |i, v| register::<L, NV, LAST>(row(c, i), v, last);
                    // Without weight decay the old C is a term as it is.
                    if beta == T::ONE {
                        blend(&mut acc, L::splat(alpha), old);
                    } else {
                        let beta = L::splat(beta);
                        blend(&mut acc, L::splat(alpha), |i, v| beta.mul(old(i, v)));
                    }
                }
                for i in 0..MR {
                    for v in 0..NV {
                        let to = row(c, i).wrapping_add(v * L::LANES);
                        if LAST != WHOLE && v + 1 == NV {
                            acc[i][v].store_first(to, last);
                        } else {
                            acc[i][v].store(to);
                        }
                    }
                }
                a = a.wrapping_offset(a_next);
                b = b.wrapping_offset(b_next);
                c = c.wrapping_offset(c_next);
            }
        }
    }
}

/// Rows of B that are fetched ahead of the one that is copied: from row to row memory is left and entered again, which processors do not
/// foresee.
const ROWS_AHEAD: isize = 16;

/// Steps of the sums in one turn of their loop.
const UNROLLED: usize = 4;

/// All steps of the sums, of which several share the instructions that count them: a step of the largest tile of 256-bit registers takes 21
/// instead of 24. A core that does the work of another thread meanwhile begins but three of them a cycle (AMD's Zen 3), of which two have
/// to be multiply-adds.
#[inline(always)]
unsafe fn add_products<L: Lane, const MR: usize, const NV: usize, const LAST: u8, const PLACE: u8>(
    acc: &mut [[L; NV]; MR],
    half: &mut [L::Half; MR],
    tile: &Tile<L::Elem>,
) {
    let (width, height) = ((NV * L::LANES).cast_signed(), MR.cast_signed());
    let Tile { mut a, mut b, k, a_row, a_step, b_step, .. } = *tile;
    debug_assert!(match PLACE {
        COPIES => [a_row, a_step, b_step] == [1, height, width],
        ALONG => a_step == 1,
        _ => a_row == 1,
    });
    // What the compiler is told of copies.
    let (a_step, b_step) = if PLACE == COPIES { (height, width) } else { (a_step, b_step) };
    let size = size_of::<L::Elem>().cast_signed();
    let from_a = Multiples::of(size * if PLACE == ALONG { a_row } else { a_step });
    let from_b = Multiples::of(size * b_step);
    let step = Steps::<PLACE> { from_a, from_b, last: tile.last };
    let turn = UNROLLED.cast_signed();
    // SAFETY: the caller's: the invariants of `Tile`; and see `opaque`.
    unsafe {
        for _ in 0..k / UNROLLED {
            step.add::<L, MR, NV, LAST, 0>(acc, half, a, b);
            step.add::<L, MR, NV, LAST, 1>(acc, half, a, b);
            step.add::<L, MR, NV, LAST, 2>(acc, half, a, b);
            step.add::<L, MR, NV, LAST, 3>(acc, half, a, b);
            (a, b) = (a.wrapping_offset(turn * a_step), b.wrapping_offset(turn * b_step));
            (a, b) = (opaque!(a), opaque!(b));
        }
        for _ in 0..k % UNROLLED {
            step.add::<L, MR, NV, LAST, 0>(acc, half, a, b);
            (a, b) = (a.wrapping_offset(a_step), b.wrapping_offset(b_step));
        }
    }
}

/// Where the operands of several steps are: multiples of the bytes between the rows of A, or between its columns where these are adjacent,
/// and between the rows of B.
struct Steps<const PLACE: u8> {
    from_a: Multiples,
    from_b: Multiples,
    last: usize,
}

impl<const PLACE: u8> Steps<PLACE> {
    /// One step, so many after that of `a` and `b`.
    #[inline(always)]
    unsafe fn add<L: Lane, const MR: usize, const NV: usize, const LAST: u8, const AFTER: usize>(
        &self,
        acc: &mut [[L; NV]; MR],
        half: &mut [L::Half; MR],
        a: *const L::Elem,
        b: *const L::Elem,
    ) {
        let row_b = match PLACE {
            COPIES => b.wrapping_add(AFTER * NV * L::LANES),
            _ => self.from_b.after(AFTER, b),
        };
        // SAFETY: the caller's: the invariants of `Tile`.
        unsafe {
            multiply_add::<L, MR, NV, LAST>(acc, half, row_b, self.last, |i| {
                let at = match PLACE {
                    COPIES => a.wrapping_add(AFTER * MR + i),
                    ALONG => self.from_a.after(i, a).wrapping_add(AFTER),
                    _ => self.from_a.after(AFTER, a).wrapping_add(i),
                };
                [at; 2]
            });
        }
    }
}

/// One step of the sums, acc ← acc + a bᵀ with a column a of A and a row b of B. `at(i)` is where element i of a lies: to be multiplied
/// with the first register of b, and with the others.
#[inline(always)]
unsafe fn multiply_add<L: Lane, const MR: usize, const NV: usize, const LAST: u8>(
    acc: &mut [[L; NV]; MR],
    half: &mut [L::Half; MR],
    b: *const L::Elem,
    last: usize,
    at: impl Fn(usize) -> [*const L::Elem; 2],
) {
    // SAFETY: the caller's: b is valid as `last` says, `at(i)` for every row i.
    unsafe {
        let mut vb = [L::splat(L::Elem::ZERO); NV];
        for v in 0..NV {
            vb[v] = register::<L, NV, LAST>(b, v, last);
        }
        for i in 0..MR {
            let [first, others] = at(i);
            let va = [L::splat(first.read_unaligned()), L::splat(others.read_unaligned())];
            if LAST == HALF {
                half[i] = va[0].narrow().mul_add(vb[NV - 1].narrow(), half[i]);
            } else {
                for v in 0..NV {
                    acc[i][v] = va[usize::from(v > 0)].mul_add(vb[v], acc[i][v]);
                }
            }
        }
    }
}

/// acc ← α acc + c, where `c(i, v)` is what register v of row i is added to.
#[inline(always)]
unsafe fn blend<L: Lane, const MR: usize, const NV: usize>(
    acc: &mut [[L; NV]; MR],
    alpha: L,
    c: impl Fn(usize, usize) -> L,
) {
    for i in 0..MR {
        for v in 0..NV {
            // SAFETY: the caller enables the set of `L`.
            acc[i][v] = unsafe { alpha.mul_add(acc[i][v], c(i, v)) };
        }
    }
}

/// Register `v` of a row, the last one filled as `LAST` says.
#[inline(always)]
unsafe fn register<L: Lane, const NV: usize, const LAST: u8>(
    row: *const L::Elem,
    v: usize,
    last: usize,
) -> L {
    // SAFETY: the caller's.
    unsafe {
        if LAST == WHOLE { load::<L, NV, false>(row, v, last) } else { load::<L, NV, true>(row, v, last) }
    }
}

/// Register `v` of a row, the last one partial if `PART`.
#[inline(always)]
pub(crate) unsafe fn load<L: Lane, const NV: usize, const PART: bool>(
    row: *const L::Elem,
    v: usize,
    last: usize,
) -> L {
    // SAFETY: the row is valid for `(NV − 1)·LANES + last` scalars, `LANES` for each register if not `PART`.
    unsafe {
        let from = row.wrapping_add(v * L::LANES);
        if PART && v + 1 == NV { L::load_first(from, last) } else { L::load(from) }
    }
}

unsafe fn micro<L: Lane, const MR: usize, const NV: usize, const LAST: u8, const PLACE: u8>(
    tile: &Tile<L::Elem>,
) {
    // SAFETY: the contract of `MicroFn`, and of `slot`.
    unsafe { L::enter(Run::<_, MR, NV, LAST, PLACE>(tile, std::ptr::null_mut())) }
}

unsafe fn micro_copying<L: Lane, const MR: usize>(tile: &Tile<L::Elem>, to: *mut L::Elem) {
    // SAFETY: the contract of `CopyingFn`.
    unsafe { L::enter(Run::<_, MR, 2, WHOLE, COPYING>(tile, to)) }
}

/// Kernels for a number of rows.
const SLOTS: usize = 10;

/// Index into a row of [`Micro::TILES`] for tiles of so many registers; `copies` tells that A and B are copies of such tiles. Short sums are
/// over before they have gained what several steps at once have to prepare.
#[inline]
pub(super) fn slot<L: Lane>(vectors: usize, tile: &Tile<L::Elem>, copies: bool) -> usize {
    let place = match (tile.a_row, tile.a_step) {
        _ if tile.k < 4 * UNROLLED => 0,
        (_, 1) => 1,
        (1, _) => 2,
        _ => 0,
    };
    match (vectors, tile.last) {
        (2, last) if last == L::LANES && copies => 9,
        (2, last) => 3 + 2 * place + usize::from(last < L::LANES),
        (_, last) if halves::<L>() && last <= L::Half::LANES => usize::from(HALF),
        (_, last) => usize::from(if last < L::LANES { PART } else { WHOLE }),
    }
}

/// Whether there are registers of half the size.
pub(super) const fn halves<L: Lane>() -> bool {
    L::Half::LANES < L::LANES
}

/// Whether a multiply-add can broadcast an element of memory by itself, as those of AVX-512 can.
const fn embeds<L: Lane>() -> bool {
    cfg!(target_arch = "x86_64") && size_of::<L>() == 64
}

const fn tiles<L: Micro, const MR: usize>() -> [MicroFn<L::Elem>; SLOTS] {
    let (whole, part) = (micro::<L, MR, 2, WHOLE, ANYWHERE>, micro::<L, MR, 2, PART, ANYWHERE>);
    // Small tiles only, since others have more to do at every step; nearly all of them are of these sizes.
    let unrolled = !L::LARGE && MR + 1 >= L::MR;
    [
        micro::<L, MR, 1, WHOLE, ANYWHERE>,
        micro::<L, MR, 1, PART, ANYWHERE>,
        if halves::<L>() { micro::<L, MR, 1, HALF, ANYWHERE> } else { micro::<L, MR, 1, PART, ANYWHERE> },
        whole,
        part,
        if unrolled { micro::<L, MR, 2, WHOLE, ALONG> } else { whole },
        if unrolled { micro::<L, MR, 2, PART, ALONG> } else { part },
        if unrolled { micro::<L, MR, 2, WHOLE, ACROSS> } else { whole },
        if unrolled { micro::<L, MR, 2, PART, ACROSS> } else { part },
        if unrolled { micro::<L, MR, 2, WHOLE, COPIES> } else { whole },
    ]
}

/// Registers of a row that are computed at once, at most.
pub(super) const WIDEST: usize = 8;

const fn rows<L: Lane, const NV: usize>() -> [MicroFn<L::Elem>; 2] {
    [micro::<L, 1, NV, WHOLE, ANYWHERE>, micro::<L, 1, NV, PART, ANYWHERE>]
}

macro_rules! micro_kernels {
    ($lane:ty, $mr:literal: $($rows:literal)*) => {
        impl Micro for $lane {
            const MR: usize = $mr;
            const TILES: &'static [[MicroFn<Self::Elem>; SLOTS]] = &[$(tiles::<$lane, $rows>()),*];
            const COPYING: Option<CopyingFn<Self::Elem>> =
                if Self::LARGE { None } else { Some(micro_copying::<$lane, $mr>) };
            const ROWS: [[MicroFn<Self::Elem>; 2]; WIDEST] = [
                rows::<$lane, 1>(), rows::<$lane, 2>(), rows::<$lane, 3>(), rows::<$lane, 4>(),
                rows::<$lane, 5>(), rows::<$lane, 6>(), rows::<$lane, 7>(), rows::<$lane, 8>(),
            ];
        }
    };
}

// Sixteen registers: 6 × 2 accumulators, two of B, one of A. Thirty-two: 14 × 2 accumulators and two of B; A is
// broadcast by the multiply-add itself.
micro_kernels!(portable::F32, 6: 1 2 3 4 5 6);
micro_kernels!(portable::F64, 6: 1 2 3 4 5 6);
#[cfg(target_arch = "x86_64")]
micro_kernels!(avx2::F32x8, 6: 1 2 3 4 5 6);
#[cfg(target_arch = "x86_64")]
micro_kernels!(avx2::F64x4, 6: 1 2 3 4 5 6);
#[cfg(target_arch = "x86_64")]
micro_kernels!(avx512::F32x16, 14: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
#[cfg(target_arch = "x86_64")]
micro_kernels!(avx512::F64x8, 14: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
#[cfg(target_arch = "aarch64")]
micro_kernels!(crate::lane::neon::F32x4, 12: 1 2 3 4 5 6 7 8 9 10 11 12);
#[cfg(target_arch = "aarch64")]
micro_kernels!(crate::lane::neon::F64x2, 12: 1 2 3 4 5 6 7 8 9 10 11 12);
