//! Softmax and its logarithm over rows, and their Jacobians.
//!
//! Sums over a row are sixteen partial sums, element i in sum i mod 16, added as a tree over halves, whatever the register:
//! the bits do not depend on the instruction set.

use super::{read, write};
use crate::gemm::view::{MatMut, MatRef};
use crate::isa::{Kernel, Ready};
use crate::lane::Lane;
use crate::vmath::{Real, exp, ln};

/// The number of partial sums of a row.
pub(super) const WIDTH: usize = 16;

/// A row of a matrix.
#[derive(Clone, Copy)]
pub(super) struct Row<T> {
    ptr: *const T,
    stride: isize,
    pub(super) len: usize,
}

impl<T: Real> Row<T> {
    #[inline(always)]
    pub(super) fn of(matrix: MatRef<T>, i: usize) -> Self {
        Self { ptr: matrix.at(i, 0), stride: matrix.col, len: matrix.cols }
    }

    #[inline(always)]
    pub(super) fn of_mut(matrix: MatMut<T>, i: usize) -> Self {
        Self { ptr: matrix.at(i, 0), stride: matrix.col, len: matrix.cols }
    }

    #[inline(always)]
    fn at(self, i: usize) -> *const T {
        self.ptr.wrapping_offset(i.cast_signed() * self.stride)
    }

    /// # Safety
    ///
    /// Element `i` is valid.
    #[inline(always)]
    pub(super) unsafe fn get(self, i: usize) -> T {
        // SAFETY: the caller's contract.
        unsafe { *self.at(i) }
    }

    /// # Safety
    ///
    /// Element `i` is valid for writes: the row is one of a matrix that is written.
    #[inline(always)]
    pub(super) unsafe fn set(self, i: usize, x: T) {
        // SAFETY: the caller's contract.
        unsafe { *self.at(i).cast_mut() = x }
    }

    /// # Safety
    ///
    /// The `n ≤ LANES` elements from `i` on are valid; the caller enables the set of `L`.
    #[inline(always)]
    pub(super) unsafe fn read<L: Lane<Elem = T>>(self, i: usize, n: usize) -> L {
        // SAFETY: the caller's contract.
        unsafe { read(self.at(i), self.stride, n) }
    }

    /// # Safety
    ///
    /// As for [`Row::read`], for writes.
    #[inline(always)]
    pub(super) unsafe fn write<L: Lane<Elem = T>>(self, i: usize, n: usize, lanes: L) {
        // SAFETY: the caller's contract; the row is one of a matrix that is written.
        unsafe { write(lanes, self.at(i).cast_mut(), self.stride, n) }
    }

    /// The largest element that is not NaN; −∞ if there is none.
    ///
    /// # Safety
    ///
    /// The row is valid; the caller enables the set of `L`.
    #[inline(always)]
    pub(super) unsafe fn largest<L: Lane<Elem = T>>(self) -> T {
        let mut largest = T::NEG_INFINITY;
        // SAFETY: the indices lie inside of the row; the buffer holds a register.
        unsafe {
            if self.len < 2 * L::LANES || self.len < 8 {
                for i in 0..self.len {
                    let z = self.get(i);
                    largest = if z > largest { z } else { largest };
                }
                return largest;
            }
            // Registers may overlap at the end. In this order NaN is passed over.
            let mut lanes = L::splat(largest);
            let mut i = 0;
            while i + L::LANES <= self.len {
                lanes = self.read::<L>(i, L::LANES).max(lanes);
                i += L::LANES;
            }
            lanes = self.read::<L>(self.len - L::LANES, L::LANES).max(lanes);
            let mut buffer = [T::NEG_INFINITY; WIDTH];
            lanes.store(buffer.as_mut_ptr());
            for &z in &buffer[..L::LANES] {
                largest = if z > largest { z } else { largest };
            }
        }
        largest
    }

    /// The index of the first largest element, NaN passed over; 0 if there is none above −∞.
    ///
    /// # Safety
    ///
    /// The row is valid.
    #[inline(always)]
    pub(super) unsafe fn argmax(self) -> usize {
        let (mut best, mut largest) = (0, T::NEG_INFINITY);
        for i in 0..self.len {
            // SAFETY: `i` lies inside of the row.
            let z = unsafe { self.get(i) };
            if z > largest {
                (best, largest) = (i, z);
            }
        }
        best
    }
}

/// The terms of a sum over a row.
pub(super) trait Terms<T: Real>: Copy {
    /// The `n ≤ LANES` terms from `i` on; what the other lanes hold does not matter.
    ///
    /// # Safety
    ///
    /// The terms exist; the caller enables the set of `L`.
    unsafe fn at<L: Lane<Elem = T>>(self, i: usize, n: usize) -> L;
}

/// Sums `len` terms in [`WIDTH`] partial sums.
///
/// # Safety
///
/// The terms exist; the caller enables the set of `L`.
#[inline(always)]
pub(super) unsafe fn sum<T: Real, L: Lane<Elem = T>>(terms: impl Terms<T>, len: usize) -> T {
    // SAFETY: `i + LANES ≤ len` for full registers, and the last ones cover what is left.
    unsafe {
        let registers = WIDTH / L::LANES;
        let mut sums = [L::splat(T::ZERO); WIDTH / 2];
        let mut i = 0;
        while i + WIDTH <= len {
            for (j, sum) in sums[..registers].iter_mut().enumerate() {
                *sum = sum.add(terms.at(i + j * L::LANES, L::LANES));
            }
            i += WIDTH;
        }
        for sum in &mut sums[..registers] {
            if i >= len {
                break;
            }
            let n = L::LANES.min(len - i);
            let term: L = terms.at(i, n);
            let inside = L::load(T::COUNT.as_ptr()).lt(L::splat(T::COUNT[n]));
            *sum = sum.add(L::select(inside, term, L::splat(T::ZERO)));
            i += n;
        }
        let mut half = registers / 2;
        while half > 0 {
            for j in 0..half {
                sums[j] = sums[j].add(sums[j + half]);
            }
            half /= 2;
        }
        sums[0].sum()
    }
}

/// e^(z − m); also stored where a row for it is given.
#[derive(Clone, Copy)]
pub(super) struct Exponentials<T> {
    pub(super) z: Row<T>,
    pub(super) largest: T,
    pub(super) store: Option<Row<T>>,
}

impl<T: Real> Terms<T> for Exponentials<T> {
    #[inline(always)]
    unsafe fn at<L: Lane<Elem = T>>(self, i: usize, n: usize) -> L {
        // SAFETY: the caller's contract.
        unsafe {
            let e = exp(self.z.read::<L>(i, n).sub(L::splat(self.largest)));
            if let Some(row) = self.store {
                row.write(i, n, e);
            }
            e
        }
    }
}

/// x y.
#[derive(Clone, Copy)]
struct Products<T>(Row<T>, Row<T>);

impl<T: Real> Terms<T> for Products<T> {
    #[inline(always)]
    unsafe fn at<L: Lane<Elem = T>>(self, i: usize, n: usize) -> L {
        // SAFETY: the caller's contract.
        unsafe { self.0.read::<L>(i, n).mul(self.1.read(i, n)) }
    }
}

/// t.
#[derive(Clone, Copy)]
pub(super) struct Elements<T>(pub(super) Row<T>);

impl<T: Real> Terms<T> for Elements<T> {
    #[inline(always)]
    unsafe fn at<L: Lane<Elem = T>>(self, i: usize, n: usize) -> L {
        // SAFETY: the caller's contract.
        unsafe { self.0.read(i, n) }
    }
}

/// t (z − m), and 0 where t = 0, however far z lies.
#[derive(Clone, Copy)]
pub(super) struct Weighted<T> {
    pub(super) t: Row<T>,
    pub(super) z: Row<T>,
    pub(super) largest: T,
}

impl<T: Real> Terms<T> for Weighted<T> {
    #[inline(always)]
    unsafe fn at<L: Lane<Elem = T>>(self, i: usize, n: usize) -> L {
        // SAFETY: the caller's contract.
        unsafe {
            let t = self.t.read::<L>(i, n);
            let zero = L::splat(T::ZERO);
            let term = t.mul(self.z.read::<L>(i, n).sub(L::splat(self.largest)));
            L::select(t.eq(zero), zero, term)
        }
    }
}

/// Softmax of each row, in place.
struct Softmax<T>(MatMut<T>);

impl<T: Real> Kernel<T> for Softmax<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        for i in 0..self.0.rows {
            let row = Row::of_mut(self.0, i);
            // SAFETY: the row is valid for reads and writes; the caller enables the set of `L`.
            unsafe {
                let largest = row.largest::<L>();
                let total = sum::<T, L>(Exponentials { z: row, largest, store: Some(row) }, row.len);
                let mut j = 0;
                while j < row.len {
                    let n = L::LANES.min(row.len - j);
                    row.write(j, n, row.read::<L>(j, n).div(L::splat(total)));
                    j += n;
                }
            }
        }
    }
}

/// p_i ← e^(z_i) / Σ e^(z_j) for each row, in place.
///
/// # Safety
///
/// Z is valid for reads and writes.
#[inline]
pub(crate) unsafe fn softmax<T: Real>(isa: Ready, z: MatMut<T>) {
    isa.dispatch(Softmax(z));
}

/// Δ ← p ⊙ (Δ − (pᵀΔ) 1) for each row.
struct SoftmaxBackward<T> {
    p: MatRef<T>,
    delta: MatMut<T>,
}

impl<T: Real> Kernel<T> for SoftmaxBackward<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        for i in 0..self.p.rows {
            let (p, delta) = (Row::of(self.p, i), Row::of_mut(self.delta, i));
            // SAFETY: the rows are valid, that of Δ for writes too; the caller enables the set of `L`.
            unsafe {
                let mean = L::splat(sum::<T, L>(Products(p, delta), p.len));
                let mut j = 0;
                while j < p.len {
                    let n = L::LANES.min(p.len - j);
                    let change = delta.read::<L>(j, n).sub(mean);
                    delta.write(j, n, p.read::<L>(j, n).mul(change));
                    j += n;
                }
            }
        }
    }
}

/// Δ ← p ⊙ (Δ − (pᵀΔ) 1) for each row.
///
/// # Safety
///
/// P is valid for reads, Δ (of the same shape) for reads and writes.
#[inline]
pub(crate) unsafe fn softmax_backward<T: Real>(isa: Ready, p: MatRef<T>, delta: MatMut<T>) {
    isa.dispatch(SoftmaxBackward { p, delta });
}

/// The logarithm of softmax of each row, in place.
struct LogSoftmax<T>(MatMut<T>);

impl<T: Real> Kernel<T> for LogSoftmax<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        for i in 0..self.0.rows {
            let row = Row::of_mut(self.0, i);
            // SAFETY: the row is valid for reads and writes; the caller enables the set of `L`.
            unsafe {
                let largest = row.largest::<L>();
                let total = sum::<T, L>(Exponentials { z: row, largest, store: None }, row.len);
                let (largest, ln_total) = (L::splat(largest), ln(L::splat(total)));
                let mut j = 0;
                while j < row.len {
                    let n = L::LANES.min(row.len - j);
                    row.write(j, n, row.read::<L>(j, n).sub(largest).sub(ln_total));
                    j += n;
                }
            }
        }
    }
}

/// z_i ← z_i − m − ln Σ e^(z_j − m) for each row, in place.
///
/// # Safety
///
/// Z is valid for reads and writes.
#[inline]
pub(crate) unsafe fn log_softmax<T: Real>(isa: Ready, z: MatMut<T>) {
    isa.dispatch(LogSoftmax(z));
}

/// Δ ← Δ − p Σ Δ for each row, with p from ln p.
struct LogSoftmaxBackward<T> {
    ln_p: MatRef<T>,
    delta: MatMut<T>,
}

impl<T: Real> Kernel<T> for LogSoftmaxBackward<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        for i in 0..self.ln_p.rows {
            let (ln_p, delta) = (Row::of(self.ln_p, i), Row::of_mut(self.delta, i));
            // SAFETY: the rows are valid, that of Δ for writes too; the caller enables the set of `L`.
            unsafe {
                let total = L::splat(sum::<T, L>(Elements(delta), delta.len));
                let mut j = 0;
                while j < delta.len {
                    let n = L::LANES.min(delta.len - j);
                    let p = exp(ln_p.read::<L>(j, n));
                    delta.write(j, n, delta.read::<L>(j, n).sub(p.mul(total)));
                    j += n;
                }
            }
        }
    }
}

/// Δ ← Δ − p Σ Δ for each row, with p from ln p.
///
/// # Safety
///
/// ln P is valid for reads, Δ (of the same shape) for reads and writes.
#[inline]
pub(crate) unsafe fn log_softmax_backward<T: Real>(isa: Ready, ln_p: MatRef<T>, delta: MatMut<T>) {
    isa.dispatch(LogSoftmaxBackward { ln_p, delta });
}
