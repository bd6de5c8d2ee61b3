//! Softmax over rows, its Jacobian, and its cross-entropy.
//!
//! Sums over a row are sixteen partial sums, element i in sum i mod 16, added as a tree over halves, whatever the register:
//! the bits do not depend on the instruction set.

use super::{read, write};
use crate::gemm::view::{MatMut, MatRef};
use crate::isa::{Kernel, Ready};
use crate::lane::Lane;
use crate::vmath::{Real, exp, ln};

/// The number of partial sums of a row.
const WIDTH: usize = 16;

/// A row of a matrix.
#[derive(Clone, Copy)]
struct Row<T> {
    ptr: *const T,
    stride: isize,
    len: usize,
}

impl<T: Real> Row<T> {
    #[inline(always)]
    fn of(matrix: MatRef<T>, i: usize) -> Self {
        Self { ptr: matrix.at(i, 0), stride: matrix.col, len: matrix.cols }
    }

    #[inline(always)]
    fn of_mut(matrix: MatMut<T>, i: usize) -> Self {
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
    unsafe fn get(self, i: usize) -> T {
        // SAFETY: the caller's contract.
        unsafe { *self.at(i) }
    }

    /// # Safety
    ///
    /// The `n ≤ LANES` elements from `i` on are valid; the caller enables the set of `L`.
    #[inline(always)]
    unsafe fn read<L: Lane<Elem = T>>(self, i: usize, n: usize) -> L {
        // SAFETY: the caller's contract.
        unsafe { read(self.at(i), self.stride, n) }
    }

    /// # Safety
    ///
    /// As for [`Row::read`], for writes.
    #[inline(always)]
    unsafe fn write<L: Lane<Elem = T>>(self, i: usize, n: usize, lanes: L) {
        // SAFETY: the caller's contract; the row is one of a matrix that is written.
        unsafe { write(lanes, self.at(i).cast_mut(), self.stride, n) }
    }

    /// The largest element that is not NaN; −∞ if there is none.
    ///
    /// # Safety
    ///
    /// The row is valid; the caller enables the set of `L`.
    #[inline(always)]
    unsafe fn largest<L: Lane<Elem = T>>(self) -> T {
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
    unsafe fn argmax(self) -> usize {
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
trait Terms<T: Real>: Copy {
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
unsafe fn sum<T: Real, L: Lane<Elem = T>>(terms: impl Terms<T>, len: usize) -> T {
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
struct Exponentials<T> {
    z: Row<T>,
    largest: T,
    store: Option<Row<T>>,
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
struct Elements<T>(Row<T>);

impl<T: Real> Terms<T> for Elements<T> {
    #[inline(always)]
    unsafe fn at<L: Lane<Elem = T>>(self, i: usize, n: usize) -> L {
        // SAFETY: the caller's contract.
        unsafe { self.0.read(i, n) }
    }
}

/// t (z − m), and 0 where t = 0, however far z lies.
#[derive(Clone, Copy)]
struct Weighted<T> {
    t: Row<T>,
    z: Row<T>,
    largest: T,
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

/// What the rows should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal<'a, T> {
    /// A class for each row, each below the number of columns.
    Classes(&'a [usize]),
    /// A row of probabilities for each row.
    Values(MatRef<T>),
}

/// Rows whose losses are computed together.
const BATCH: usize = 16;

struct CrossEntropy<'a, T> {
    logits: MatRef<T>,
    goal: Goal<'a, T>,
    delta: Option<MatMut<T>>,
    per_row: T,
}

impl<T: Real> Kernel<T> for CrossEntropy<'_, T> {
    type Output = (f64, usize);

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) -> (f64, usize) {
        let Self { logits, goal, delta, per_row } = self;
        let (mut loss, mut correct) = (0.0, 0);
        // The loss of a row is mass · ln total − part.
        let mut batch = [[T::ONE; BATCH]; 3];
        for i in 0..logits.rows {
            let z = Row::of(logits, i);
            // SAFETY: rows are valid, those of δ for writes too; labels are below the number of columns; the caller
            // enables the set of `L`.
            unsafe {
                let largest = z.largest::<L>();
                let row = delta.map(|delta| Row::of_mut(delta, i));
                let (wanted, mass, part, class) = match goal {
                    Goal::Classes(labels) => {
                        let label = *labels.get_unchecked(i);
                        (Wanted::Class(label), T::ONE, z.get(label) - largest, label)
                    }
                    Goal::Values(values) => {
                        let t = Row::of(values, i);
                        let mass = sum::<T, L>(Elements(t), t.len);
                        let part = sum::<T, L>(Weighted { t, z, largest }, t.len);
                        (Wanted::Row(t, mass), mass, part, t.argmax())
                    }
                };
                let total = if z.len <= L::LANES {
                    // The row fits a register, and stays there; the sum is that of `sum`.
                    let e = exp(z.read::<L>(0, z.len).sub(L::splat(largest)));
                    let inside = L::load(T::COUNT.as_ptr()).lt(L::splat(T::COUNT[z.len]));
                    let total = L::select(inside, e, L::splat(T::ZERO)).sum();
                    if let Some(row) = row {
                        row.write(0, z.len, wanted.change(e, total, 0, z.len).mul(L::splat(per_row)));
                    }
                    total
                } else {
                    let total = sum::<T, L>(Exponentials { z, largest, store: row }, z.len);
                    if let Some(row) = row {
                        let mut j = 0;
                        while j < row.len {
                            let n = L::LANES.min(row.len - j);
                            let change = wanted.change(row.read::<L>(j, n), total, j, n);
                            row.write(j, n, change.mul(L::splat(per_row)));
                            j += n;
                        }
                    }
                    total
                };
                let right = is_argmax(z, class, largest, total);
                correct += usize::from(right);
                let slot = i % BATCH;
                batch[0][slot] = total;
                batch[1][slot] = mass;
                batch[2][slot] = part;
                if slot + 1 == BATCH || i + 1 == logits.rows {
                    loss = losses::<T, L>(&mut batch, slot + 1, loss);
                }
            }
        }
        (loss, correct)
    }
}

/// Adds the losses of the first `n` rows of a batch to `sum`, in their order.
///
/// # Safety
///
/// The caller enables the set of `L`.
#[inline(always)]
unsafe fn losses<T: Real, L: Lane<Elem = T>>(batch: &mut [[T; BATCH]; 3], n: usize, sum: f64) -> f64 {
    let mut sum = sum;
    let mut i = 0;
    while i < n {
        // SAFETY: a register from `i` on lies inside of the batch, whose size is a multiple of any register's.
        unsafe {
            let [total, mass, part] = [0, 1, 2].map(|k: usize| batch[k].as_ptr().add(i));
            let ln_total = ln(L::load(total));
            let minus_part = L::splat(T::ZERO).sub(L::load(part));
            L::load(mass).mul_add(ln_total, minus_part).store(batch[0].as_mut_ptr().add(i));
        }
        i += L::LANES;
    }
    for loss in &batch[0][..n] {
        sum += loss.to_f64();
    }
    sum
}

/// What one row should be.
#[derive(Clone, Copy)]
enum Wanted<T> {
    Class(usize),
    /// A row, and the sum of its elements.
    Row(Row<T>, T),
}

impl<T: Real> Wanted<T> {
    /// p · mass − t for the `n` elements from `i` on, with p = e / total.
    ///
    /// # Safety
    ///
    /// The elements exist; the caller enables the set of `L`.
    #[inline(always)]
    unsafe fn change<L: Lane<Elem = T>>(self, e: L, total: T, i: usize, n: usize) -> L {
        // SAFETY: the caller's contract.
        unsafe {
            let p = e.div(L::splat(total));
            match self {
                Self::Class(label) => {
                    // A lane number, or one that no lane has.
                    let lane = T::COUNT[label.wrapping_sub(i).min(WIDTH)];
                    let hot = L::load(T::COUNT.as_ptr()).eq(L::splat(lane));
                    p.sub(L::select(hot, L::splat(T::ONE), L::splat(T::ZERO)))
                }
                Self::Row(t, mass) => p.mul(L::splat(mass)).sub(t.read(i, n)),
            }
        }
    }
}

/// Whether `class` is the first largest element of a row.
///
/// # Safety
///
/// The row is valid and `class` lies inside of it, or it is empty.
#[inline(always)]
unsafe fn is_argmax<T: Real>(z: Row<T>, class: usize, largest: T, total: T) -> bool {
    // SAFETY: the caller's contract.
    unsafe {
        if total.partial_cmp(&total).is_none() || z.len == 0 {
            return z.argmax() == class;
        }
        if z.get(class) != largest {
            return false;
        }
        for i in 0..class {
            if z.get(i) == largest {
                return false;
            }
        }
        true
    }
}

/// The sum of the rows' cross-entropies, how many rows have their largest logit where the goal has its largest, and
/// δ ← (softmax(z) Σt − t) · `per_row` where it is asked for.
///
/// # Safety
///
/// The logits and values are valid for reads, δ (of the same shape) for writes. There is a label for each row, less
/// than the number of columns.
#[inline]
pub(crate) unsafe fn cross_entropy<T: Real>(
    isa: Ready,
    logits: MatRef<T>,
    goal: Goal<'_, T>,
    delta: Option<MatMut<T>>,
    per_row: T,
) -> (f64, usize) {
    isa.dispatch(CrossEntropy { logits, goal, delta, per_row })
}
