//! The cross-entropy of softmax, its gradient and the hits in one sweep.
//!
//! A row that fits into a few registers is computed with its neighbours, a lane for each row; a wider one by itself. Sums have
//! the same order either way.

use super::rows::{Elements, Exponentials, Row, WIDTH, Weighted, sum};
use crate::gemm::view::{MatMut, MatRef};
use crate::isa::{Kernel, Ready};
use crate::lane::Lane;
use crate::vmath::{Real, exp, ln};

/// What the rows should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal<'a, T> {
    /// A class for each row, each below the number of columns.
    Classes(&'a [usize]),
    /// A row of probabilities for each row.
    Values(MatRef<T>),
}

/// Rows whose losses are computed together: a multiple of any register's lanes.
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
        let (mut loss, mut correct) = (0.0, 0);
        let mut batch = Batch { total: [T::ONE; BATCH], mass: [T::ONE; BATCH], part: [T::ZERO; BATCH] };
        let mut first = 0;
        while first < self.logits.rows {
            let n = BATCH.min(self.logits.rows - first);
            // SAFETY: the rows exist; the caller enables the set of `L`.
            unsafe {
                correct += match self.goal {
                    Goal::Classes(labels) if self.logits.cols <= WIDTH => {
                        let labels = labels.get_unchecked(first..first + n);
                        self.narrow::<L>(first, labels, &mut batch)
                    }
                    _ => self.wide::<L>(first, n, &mut batch),
                };
                loss = batch.losses::<L>(n, loss);
            }
            first += n;
        }
        (loss, correct)
    }
}

impl<T: Real> CrossEntropy<'_, T> {
    /// A batch of rows from `first` on, one after the other. Returns how many of them are hits.
    ///
    /// # Safety
    ///
    /// The rows are valid, those of δ for writes too; labels are below the number of columns; the caller enables the set of `L`.
    #[inline(always)]
    unsafe fn wide<L: Lane<Elem = T>>(&self, first: usize, n: usize, batch: &mut Batch<T>) -> usize {
        let mut correct = 0;
        for slot in 0..n {
            let i = first + slot;
            let z = Row::of(self.logits, i);
            // SAFETY: the caller's contract.
            unsafe {
                let largest = z.largest::<L>();
                let row = self.delta.map(|delta| Row::of_mut(delta, i));
                let (wanted, mass, part, class) = match self.goal {
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
                let total = sum::<T, L>(Exponentials { z, largest, store: row }, z.len);
                if let Some(row) = row {
                    let mut j = 0;
                    while j < row.len {
                        let n = L::LANES.min(row.len - j);
                        let change = wanted.change(row.read::<L>(j, n), total, j, n);
                        row.write(j, n, change.mul(L::splat(self.per_row)));
                        j += n;
                    }
                }
                correct += usize::from(is_argmax(z, class, largest, total));
                batch.total[slot] = total;
                batch.mass[slot] = mass;
                batch.part[slot] = part;
            }
        }
        correct
    }

    /// A batch of rows of up to [`WIDTH`] columns from `first` on, a lane for each row. Returns how many of them are hits.
    ///
    /// # Safety
    ///
    /// As for [`CrossEntropy::wide`].
    #[inline(always)]
    unsafe fn narrow<L: Lane<Elem = T>>(
        &self,
        first: usize,
        labels: &[usize],
        batch: &mut Batch<T>,
    ) -> usize {
        let (cols, mut correct) = (self.logits.cols, 0);
        // Column after column; then e^(z − m) and the change in their place.
        let mut lanes = [[T::ZERO; BATCH]; WIDTH];
        let mut wanted = [T::ZERO; BATCH];
        // SAFETY: columns are at most `WIDTH`, and labels below that; registers lie inside of the arrays, whose rows are a
        // multiple of any register's; the caller enables the set of `L`.
        unsafe {
            for (slot, &label) in labels.iter().enumerate() {
                let z = Row::of(self.logits, first + slot);
                for j in 0..cols {
                    lanes.get_unchecked_mut(j)[slot] = z.get(j);
                }
                batch.part[slot] = z.get(label);
                wanted[slot] = *T::COUNT.get_unchecked(label);
            }
            let mut r = 0;
            while r < labels.len() {
                let at =
                    |lanes: &mut [[T; BATCH]; WIDTH], j: usize| lanes.as_mut_ptr().add(j).cast::<T>().add(r);
                let (mut largest, mut class) = (L::splat(T::NEG_INFINITY), L::splat(T::ZERO));
                for j in 0..cols {
                    let z = L::load(at(&mut lanes, j));
                    class = L::select(largest.lt(z), L::splat(T::COUNT[j]), class);
                    // In this order NaN is passed over.
                    largest = z.max(largest);
                }
                for j in 0..cols {
                    let z = L::load(at(&mut lanes, j));
                    exp(z.sub(largest)).store(at(&mut lanes, j));
                }
                let mut sums = [L::splat(T::ZERO); WIDTH];
                for (j, sum) in sums[..cols].iter_mut().enumerate() {
                    *sum = L::load(at(&mut lanes, j));
                }
                let mut half = WIDTH / 2;
                while half > 0 {
                    for j in 0..half {
                        sums[j] = sums[j].add(sums[j + half]);
                    }
                    half /= 2;
                }
                let total = sums[0];
                let wanted = L::load(wanted.as_ptr().add(r));
                if self.delta.is_some() {
                    let (zero, one) = (L::splat(T::ZERO), L::splat(T::ONE));
                    for j in 0..cols {
                        let p = L::load(at(&mut lanes, j)).div(total);
                        let hot = L::select(wanted.eq(L::splat(T::COUNT[j])), one, zero);
                        p.sub(hot).mul(L::splat(self.per_row)).store(at(&mut lanes, j));
                    }
                }
                total.store(batch.total.as_mut_ptr().add(r));
                let part = batch.part.as_mut_ptr().add(r);
                L::load(part).sub(largest).store(part);
                // 1 for a hit.
                let mut hits = [T::ZERO; BATCH];
                L::select(class.eq(wanted), L::splat(T::ONE), L::splat(T::ZERO)).store(hits.as_mut_ptr());
                for hit in &hits[..L::LANES.min(labels.len() - r)] {
                    correct += usize::from(*hit == T::ONE);
                }
                r += L::LANES;
            }
            if let Some(delta) = self.delta {
                for slot in 0..labels.len() {
                    let row = Row::of_mut(delta, first + slot);
                    for j in 0..cols {
                        row.set(j, lanes.get_unchecked(j)[slot]);
                    }
                }
            }
        }
        correct
    }
}

/// What the losses of a batch of rows follow from: the loss of a row is mass · ln total − part.
struct Batch<T> {
    total: [T; BATCH],
    mass: [T; BATCH],
    part: [T; BATCH],
}

impl<T: Real> Batch<T> {
    /// Adds the losses of the first `n` rows to `sum`, in their order.
    ///
    /// # Safety
    ///
    /// The caller enables the set of `L`.
    #[inline(always)]
    unsafe fn losses<L: Lane<Elem = T>>(&self, n: usize, sum: f64) -> f64 {
        let mut losses = [T::ZERO; BATCH];
        let (mut sum, mut i) = (sum, 0);
        while i < n {
            // SAFETY: a register from `i` on lies inside of the batch, whose size is a multiple of any register's.
            unsafe {
                let ln_total = ln(L::load(self.total.as_ptr().add(i)));
                let minus_part = L::splat(T::ZERO).sub(L::load(self.part.as_ptr().add(i)));
                let mass = L::load(self.mass.as_ptr().add(i));
                mass.mul_add(ln_total, minus_part).store(losses.as_mut_ptr().add(i));
            }
            i += L::LANES;
        }
        for loss in &losses[..n] {
            sum += loss.to_f64();
        }
        sum
    }
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
