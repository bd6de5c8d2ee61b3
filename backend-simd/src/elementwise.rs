//! Elementwise operations over matrices of any strides: activations, slopes, bias, Hadamard product, descent; and column
//! sums.
//!
//! Where operands are contiguous (as a whole, or in their rows) full registers are loaded; otherwise registers are
//! gathered scalar by scalar. Both compute the same function of each element, so the bits are the same.

/// Functions of one element.
macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident $(($($field:ty),*))?: |$self:ident, $x:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        struct $name<T>($($($field,)*)? std::marker::PhantomData<T>);

        impl<T: Real> Unary<T> for $name<T> {
            #[inline(always)]
            #[allow(unused_unsafe, reason = "two of the functions only hand on an argument")]
            unsafe fn eval<L: Lane<Elem = T>>($self, $x: L) -> L {
                // SAFETY: the caller enables the set of `L`.
                unsafe { $body }
            }
        }
    )*};
}
/// Functions of two elements.
macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident $(($($field:ty),*))?: |$self:ident, $x:ident, $y:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy)]
        struct $name<T>($($($field,)*)? std::marker::PhantomData<T>);

        impl<T: Real> Binary<T> for $name<T> {
            #[inline(always)]
            #[allow(unused_unsafe, reason = "two of the functions only hand on an argument")]
            unsafe fn eval<L: Lane<Elem = T>>($self, $x: L, $y: L) -> L {
                // SAFETY: the caller enables the set of `L`.
                unsafe { $body }
            }
        }
    )*};
}
mod activate;
mod cross_entropy;
mod rows;

use std::marker::PhantomData as P;
use std::mem::MaybeUninit;

pub(crate) use activate::{activate, apply_slope, finish_forward};
pub(crate) use cross_entropy::{Goal, cross_entropy};
pub(crate) use rows::{log_softmax, log_softmax_backward, softmax, softmax_backward};

use crate::gemm::view::{MatMut, MatRef};
use crate::gemm::{self, Engine, Update};
use crate::isa::Kernel;
use crate::lane::Lane;
use crate::threads;
use crate::vmath::Real;
use crate::vmath::map::{Binary, Each, Unary, zip_span};

/// Loads `n ≤ LANES` scalars that lie `stride` apart; the other lanes are zero.
///
/// # Safety
///
/// All of them are valid for reads. The caller enables the set of `L`.
#[inline(always)]
pub(crate) unsafe fn read<T: Real, L: Lane<Elem = T>>(from: *const T, stride: isize, n: usize) -> L {
    // SAFETY: the scalars are valid; the buffer holds sixteen, the most that any register does.
    unsafe {
        if stride == 1 {
            return if n == L::LANES { L::load(from) } else { L::load_first(from, n) };
        }
        let mut lanes = [T::ZERO; 16];
        let mut at = from;
        for lane in lanes.iter_mut().take(n) {
            *lane = *at;
            at = at.wrapping_offset(stride);
        }
        L::load(lanes.as_ptr())
    }
}

/// Stores the first `n ≤ LANES` lanes `stride` apart.
///
/// # Safety
///
/// As for [`read`], for writes.
#[inline(always)]
pub(crate) unsafe fn write<T: Real, L: Lane<Elem = T>>(lanes: L, to: *mut T, stride: isize, n: usize) {
    // SAFETY: as in `read`.
    unsafe {
        if stride == 1 {
            return if n == L::LANES { lanes.store(to) } else { lanes.store_first(to, n) };
        }
        let mut buffer = [T::ZERO; 16];
        lanes.store(buffer.as_mut_ptr());
        let mut at = to;
        for &lane in buffer.iter().take(n) {
            *at = lane;
            at = at.wrapping_offset(stride);
        }
    }
}

/// Elements that are laid side by side for a function, where they do not lie so.
const GATHERED: usize = 256;

/// Copies `n` scalars that lie `from_stride` apart to where they are to lie `to_stride` apart.
///
/// # Safety
///
/// Those are valid for reads, these for writes.
#[inline(never)]
unsafe fn spread<T: Copy>(from: *const T, from_stride: isize, to: *mut T, to_stride: isize, n: usize) {
    for i in 0..n.cast_signed() {
        // SAFETY: the caller's.
        unsafe { *to.offset(i * to_stride) = *from.offset(i * from_stride) };
    }
}

/// Y ← f(X, Y), of one shape, where the elements of a row lie side by side.
struct Both<T, F> {
    f: F,
    x: MatRef<T>,
    y: MatMut<T>,
}

impl<T: Real, F: Binary<T>> Kernel<T> for Both<T, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { f, x, y } = self;
        for i in 0..y.rows {
            // SAFETY: the elements of X are valid for reads, those of Y for writes too, and they do not overlap; the caller enables the
            // set of `L`.
            unsafe { zip_span::<T, L, F>(f, x.at(i, 0), y.at(i, 0), y.cols) };
        }
    }
}

/// Calls `work` with X and Y, or with pieces of them, such that the elements of a row lie side by side, and registers are full.
#[inline]
fn side_by_side<T: Real>(x: MatRef<T>, y: MatMut<T>, work: impl Fn(MatRef<T>, MatMut<T>)) {
    if x.col != 1 || y.col != 1 {
        gathered(x, y, &work);
    } else if x.row == 0
        && y.row == y.cols.cast_signed()
        && y.rows > 1
        && 0 < y.cols
        && y.cols <= GATHERED / 4
    {
        several_rows(x, y, &work);
    } else {
        work(x, y);
    }
}

/// With copies of so many elements at a time; those of Y are copied back.
#[inline(never)]
fn gathered<T: Real>(x: MatRef<T>, y: MatMut<T>, work: &dyn Fn(MatRef<T>, MatMut<T>)) {
    let mut space = [const { [const { MaybeUninit::<T>::uninit() }; GATHERED] }; 2];
    let [for_x, for_y] = space.each_mut().map(|space| space.as_mut_ptr().cast::<T>());
    for i in 0..y.rows {
        for j in (0..y.cols).step_by(GATHERED) {
            let n = GATHERED.min(y.cols - j);
            let (from, to) = (x.at(i, j), y.at(i, j));
            // SAFETY: the elements of X are valid for reads, those of Y for writes too, and there is room for n of each.
            unsafe {
                spread(from, x.col, for_x, 1, n);
                spread(to, y.col, for_y, 1, n);
                work(
                    MatRef { ptr: for_x.cast_const(), rows: 1, cols: n, row: 0, col: 1 },
                    MatMut { ptr: for_y, rows: 1, cols: n, row: 0, col: 1 },
                );
                spread(for_y, 1, to, y.col, n);
            }
        }
    }
}

/// Where all rows of X are the same, as a bias, and those of Y short and without gaps: several as one.
#[inline(never)]
fn several_rows<T: Real>(x: MatRef<T>, y: MatMut<T>, work: &dyn Fn(MatRef<T>, MatMut<T>)) {
    let mut space = [const { MaybeUninit::<T>::uninit() }; GATHERED];
    let space = space.as_mut_ptr().cast::<T>();
    let together = (GATHERED / y.cols).min(y.rows);
    for i in 0..together {
        // SAFETY: the elements of X are valid for reads, and the rows fit into the space.
        unsafe { spread(x.ptr, 1, space.add(i * y.cols), 1, y.cols) };
    }
    let piece = |row: usize, rows: usize, several: usize| {
        let cols = several * y.cols;
        let x = MatRef { ptr: space.cast_const(), rows, cols, row: 0, col: 1 };
        work(x, MatMut { ptr: y.at(row, 0), rows, cols, row: cols.cast_signed(), col: 1 });
    };
    let (whole, rest) = (y.rows / together, y.rows % together);
    piece(0, whole, together);
    if rest > 0 {
        piece(whole * together, 1, rest);
    }
}

/// The same elements with long rows that are contiguous in memory, if that can be had by looking at them differently.
#[inline]
fn lined_up<T: Copy>(x: MatRef<T>, y: MatMut<T>) -> (MatRef<T>, MatMut<T>) {
    let (x, y) = if y.row == 1 && (y.col != 1 || y.cols == 1) { (x.t(), y.t()) } else { (x, y) };
    let along = y.cols.cast_signed();
    if x.col == 1 && y.col == 1 && x.row == along && y.row == along {
        let (rows, cols) = (1, y.rows * y.cols);
        return (MatRef { rows, cols, ..x }, MatMut { rows, cols, ..y });
    }
    (x, y)
}

/// Scalars a nanosecond that one thread manages at least, for the decision to share work.
pub(crate) const PACE: usize = 4;

/// Calls `work(row, col, rows, cols)` for blocks that cover `rows × cols`, on several threads if that pays.
#[inline]
fn share(engine: Engine, rows: usize, cols: usize, work: &(dyn Fn(usize, usize, usize, usize) + Sync)) {
    let ways = threads::ways(engine.threads, rows * cols / PACE);
    if ways <= 1 {
        return work(0, 0, rows, cols);
    }
    let (row_step, col_step) =
        if rows == 1 { (1, cols.div_ceil(ways).next_multiple_of(256)) } else { (rows.div_ceil(ways), cols) };
    let across = cols.div_ceil(col_step);
    threads::parallel_for(rows.div_ceil(row_step) * across, &|part| {
        let (row, col) = (part / across * row_step, part % across * col_step);
        work(row, col, row_step.min(rows - row), col_step.min(cols - col));
    });
}

/// Y ← f(Y), on several threads if that pays.
#[inline]
fn each<T: Real, F: Unary<T> + Sync>(engine: Engine, f: F, y: MatMut<T>) {
    let y = lined_up(y.as_ref(), y).1;
    share(engine, y.rows, y.cols, &|row, col, rows, cols| {
        let y = y.block(row, col, rows, cols);
        side_by_side(y.as_ref(), y, |_, y| engine.isa.dispatch(Each { f, x: y.as_ref(), y }));
    });
}

/// Y ← f(X, Y), on several threads if that pays.
#[inline]
fn both<T: Real, F: Binary<T> + Sync>(engine: Engine, f: F, x: MatRef<T>, y: MatMut<T>) {
    let (x, y) = lined_up(x, y);
    share(engine, y.rows, y.cols, &|row, col, rows, cols| {
        let (x, y) = (x.block(row, col, rows, cols), y.block(row, col, rows, cols));
        side_by_side(x, y, |x, y| engine.isa.dispatch(Both { f, x, y }));
    });
}

binary! {
    /// x y.
    Product: |self, x, y| x.mul(y);
    /// β y − α x, with (α, β) given.
    Step(T, T): |self, x, y| x.neg_mul_add(L::splat(self.0), y.mul(L::splat(self.1)));
}

/// C ← A ⊙ C.
///
/// # Safety
///
/// A is valid for reads, C (of the same shape) for reads and writes.
#[inline]
pub(crate) unsafe fn hadamard<T: Real>(engine: Engine, a: MatRef<T>, c: MatMut<T>) {
    both(engine, Product(P), a, c);
}

/// W ← β W − α ΔW.
///
/// # Panics
///
/// If the lengths differ.
#[inline]
pub(crate) fn descend<T: Real>(engine: Engine, rate: T, decay: T, gradient: &[T], parameters: &mut [T]) {
    assert_eq!(gradient.len(), parameters.len(), "a change for each parameter");
    let (rows, cols) = (1, parameters.len());
    let x = MatRef { ptr: gradient.as_ptr(), rows, cols, row: 0, col: 1 };
    let y = MatMut { ptr: parameters.as_mut_ptr(), rows, cols, row: 0, col: 1 };
    both(engine, Step(rate, decay, P), x, y);
}

/// Replaces `n` elements that lie `stride` apart by sums, or adds or blends these into them.
///
/// # Safety
///
/// The elements are valid for reads and writes; the caller enables the set of `L`.
#[inline(always)]
pub(crate) unsafe fn update_with<T: Real, L: Lane<Elem = T>>(
    sum: L,
    update: Update<T>,
    at: *mut T,
    stride: isize,
    n: usize,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let new = match update {
            Update::Replace => sum,
            Update::Add => read::<T, L>(at, stride, n).add(sum),
            Update::Blend { alpha, beta } => {
                let old = read::<T, L>(at, stride, n).mul(L::splat(beta));
                sum.mul_add(L::splat(alpha), old)
            }
        };
        write(new, at, stride, n);
    }
}

/// Partial sums of a column, to which its rows are dealt in turn, whatever the register.
const PARTIAL: usize = 4;

/// Adds the rows from `first` to `end`, of which the first goes to the first sum.
///
/// # Safety
///
/// The rows can be read; the caller enables the set of `L`.
#[inline(always)]
unsafe fn add_rows<L: Lane>(sums: &mut [L; PARTIAL], first: usize, end: usize, row: impl Fn(usize) -> L) {
    let mut i = first;
    // SAFETY: the caller's contract.
    unsafe {
        while i + PARTIAL <= end {
            for (q, sum) in sums.iter_mut().enumerate() {
                *sum = sum.add(row(i + q));
            }
            i += PARTIAL;
        }
        // Written out, so that the sums can stay in registers.
        if i < end {
            sums[0] = sums[0].add(row(i));
        }
        if i + 1 < end {
            sums[1] = sums[1].add(row(i + 1));
        }
        if i + 2 < end {
            sums[2] = sums[2].add(row(i + 2));
        }
    }
}

/// The sum of the partial sums.
///
/// # Safety
///
/// The caller enables the set of `L`.
#[inline(always)]
unsafe fn total<L: Lane>([a, b, c, d]: [L; PARTIAL]) -> L {
    // SAFETY: the caller's contract.
    unsafe { a.add(c).add(b.add(d)) }
}

/// The column sums of a matrix into a row y: y ← δᵀ 1, or added or blended into y.
struct ColumnSums<T> {
    delta: MatRef<T>,
    y: MatMut<T>,
    update: Update<T>,
}

impl<T: Real> Kernel<T> for ColumnSums<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { delta, y, update } = self;
        let mut j = 0;
        while j < delta.cols {
            let n = L::LANES.min(delta.cols - j);
            // SAFETY: row and column lie inside of δ and y; the caller enables the set of `L`.
            unsafe {
                let mut sums = [L::splat(T::ZERO); PARTIAL];
                if delta.col != 1 {
                    add_rows(&mut sums, 0, delta.rows, |i| read::<T, L>(delta.at(i, j), delta.col, n));
                } else if n < L::LANES {
                    add_rows(&mut sums, 0, delta.rows, |i| L::load_first(delta.at(i, j), n));
                } else {
                    add_rows(&mut sums, 0, delta.rows, |i| L::load(delta.at(i, j)));
                }
                update_with(total(sums), update, y.at(0, j), y.col, n);
            }
            j += n;
        }
    }
}

/// [`ColumnSums`] of a large matrix, a band of rows at a time, so that it is read in the order of memory: its rows are adjacent there.
struct BandSums<T> {
    of: ColumnSums<T>,
    /// Where the partial sums of each register wait between two bands.
    waiting: *mut T,
}

impl<T: Real> Kernel<T> for BandSums<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { of: ColumnSums { delta, y, update }, waiting } = self;
        for first in (0..delta.rows).step_by(BAND) {
            let end = delta.rows.min(first + BAND);
            for j in (0..delta.cols).step_by(L::LANES) {
                let n = L::LANES.min(delta.cols - j);
                let wait = |q: usize| waiting.wrapping_add(PARTIAL * j + q * L::LANES);
                // SAFETY: row and column lie inside of δ and y; there is room for the sums of whole registers, of which those that are read
                // were written by the band before; the caller enables the set of `L`.
                unsafe {
                    let mut sums = [L::splat(T::ZERO); PARTIAL];
                    if first > 0 {
                        for (q, sum) in sums.iter_mut().enumerate() {
                            *sum = L::load(wait(q));
                        }
                    }
                    if n < L::LANES {
                        add_rows(&mut sums, first, end, |i| L::load_first(delta.at(i, j), n));
                    } else {
                        add_rows(&mut sums, first, end, |i| L::load(delta.at(i, j)));
                    }
                    if end < delta.rows {
                        for (q, sum) in sums.iter().enumerate() {
                            sum.store(wait(q));
                        }
                    } else {
                        update_with(total(sums), update, y.at(0, j), y.col, n);
                    }
                }
            }
        }
    }
}

/// Rows of a band, a multiple of [`PARTIAL`].
const BAND: usize = 16;

/// y ← δᵀ 1, or added or blended into y, where y has one row; on several threads if that pays.
///
/// # Safety
///
/// δ is valid for reads, y (1 × the columns of δ) for reads and writes.
#[inline]
pub(crate) unsafe fn column_sums<T: Real>(engine: Engine, delta: MatRef<T>, update: Update<T>, y: MatMut<T>) {
    if delta.col != 1 || delta.rows * delta.cols * size_of::<T>() <= gemm::NEAR {
        engine.isa.dispatch(ColumnSums { delta, y, update });
    } else {
        // SAFETY: the caller's contract.
        unsafe { large_column_sums(engine, delta, update, y) }
    }
}

/// [`column_sums`] of a large matrix of which rows are adjacent in memory.
///
/// # Safety
///
/// As there.
#[inline(never)]
unsafe fn large_column_sums<T: Real>(engine: Engine, delta: MatRef<T>, update: Update<T>, y: MatMut<T>) {
    let (rows, cols) = (delta.rows, delta.cols);
    // Fewer columns than a unit are read with it, whoever has them.
    let ways = threads::ways(engine.threads, rows * cols / PACE).min(cols.div_ceil(gemm::UNIT));
    threads::parallel_for(ways, &|part| {
        let cols = gemm::share(cols, ways, gemm::UNIT, part);
        let of = ColumnSums {
            delta: delta.block(0, cols.start, rows, cols.len()),
            y: y.block(0, cols.start, 1, cols.len()),
            update,
        };
        gemm::Buffer::with(PARTIAL * cols.len().next_multiple_of(gemm::UNIT), |waiting: *mut T| {
            engine.isa.dispatch(BandSums { of, waiting });
        });
    });
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, s};

    use super::column_sums;
    use crate::gemm::view::{MatMut, MatRef};
    use crate::gemm::{Engine, Update};
    use crate::isa::{Isa, Ready};

    /// Four partial sums, to which the rows are dealt, and which are added crosswise.
    fn expected(column: impl Iterator<Item = f32>) -> f32 {
        let mut sums = [0.0; 4];
        for (i, x) in column.enumerate() {
            sums[i % 4] += x;
        }
        (sums[0] + sums[2]) + (sums[1] + sums[3])
    }

    #[test]
    fn column_sums_of_any_size_have_the_same_bits() {
        // Those that the first-level cache keeps, and those that are read in bands, of which the last has any number of rows.
        let shapes = [(0, 5), (1, 1), (7, 33), (300, 3), (503, 1111)];
        let large = (4..8).flat_map(|r| [(16 * 40 + r, 31), (16 * r, 257), (9 * r, 1111)]);
        for (rows, cols) in shapes.into_iter().chain(large) {
            // Columns of a wider matrix, whose others must not matter; and the same as rows of it.
            let wide = Array2::from_shape_fn((rows, cols + 3), |(i, j)| {
                if j < cols { ((i * 37 + j * 101) % 997) as f32 / 300.0 - 1.5 } else { f32::NAN }
            });
            let tall = wide.t().as_standard_layout().into_owned();
            let (wide, tall) = (wide.slice(s![.., ..cols]), tall.t());
            let tall = tall.slice(s![.., ..cols]);
            for (isa, threads) in Isa::available().flat_map(|isa| [1, 2, 3].map(|threads| (isa, threads))) {
                let engine = Engine { isa: Ready::new(isa).unwrap(), threads };
                for (delta, update) in [
                    (&wide, Update::Replace),
                    (&wide, Update::Add),
                    (&wide, Update::Blend { alpha: 1.0, beta: 0.5 }),
                    (&tall, Update::Replace),
                ] {
                    let mut y = Array1::from_elem(cols + 1, 8.0);
                    let row = MatMut { ptr: y.as_mut_ptr(), rows: 1, cols, row: 0, col: 1 };
                    // SAFETY: the arrays live until the call returns, and y is as long as a row of them.
                    unsafe { column_sums(engine, MatRef::new(delta), update, row) };
                    for (j, &found) in y.iter().enumerate().take(cols) {
                        let sum = expected(delta.column(j).iter().copied());
                        let expected = match update {
                            Update::Replace => sum,
                            Update::Add => 8.0 + sum,
                            Update::Blend { .. } => 4.0 + sum,
                        };
                        let place =
                            format!("{rows} × {cols}, column {j}, {update:?} on {isa} with {threads}");
                        assert_eq!(found.to_bits(), expected.to_bits(), "{place}");
                    }
                    assert_eq!(y[cols].to_bits(), 8f32.to_bits(), "nothing is written behind the sums");
                }
            }
        }
    }
}
