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
use crate::gemm::{Engine, Update};
use crate::isa::{Kernel, Ready};
use crate::lane::Lane;
use crate::threads;
use crate::vmath::Real;
use crate::vmath::map::{Binary, Unary, map_span, zip_span};

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

/// Y ← f(Y), where the elements of a row lie side by side.
struct Each<T, F> {
    f: F,
    y: MatMut<T>,
}

impl<T: Real, F: Unary<T>> Kernel<T> for Each<T, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { f, y } = self;
        for i in 0..y.rows {
            let at = y.at(i, 0);
            // SAFETY: the elements of Y are valid for reads and writes; the caller enables the set of `L`.
            unsafe { map_span::<T, L, F>(f, at, at, y.cols) };
        }
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
        side_by_side(y.as_ref(), y, |_, y| engine.isa.dispatch(Each { f, y }));
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

/// The column sums of a matrix into a row y: y ← δᵀ 1, or added or blended into y.
struct ColumnSums<T> {
    delta: MatRef<T>,
    y: MatMut<T>,
    update: Update<T>,
}

impl<T: Real> Kernel<T> for ColumnSums<T> {
    type Output = ();

    /// Rows are dealt to four partial sums in turn, whatever the register.
    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { delta, y, update } = self;
        let mut j = 0;
        while j < delta.cols {
            let n = L::LANES.min(delta.cols - j);
            // SAFETY: row and column lie inside of δ and y; the caller enables the set of `L`.
            unsafe {
                let mut sums = [L::splat(T::ZERO); 4];
                let mut i = 0;
                while i + 4 <= delta.rows {
                    for (q, sum) in sums.iter_mut().enumerate() {
                        *sum = sum.add(read::<T, L>(delta.at(i + q, j), delta.col, n));
                    }
                    i += 4;
                }
                // Written out, so that the sums can stay in registers.
                if i < delta.rows {
                    sums[0] = sums[0].add(read::<T, L>(delta.at(i, j), delta.col, n));
                }
                if i + 1 < delta.rows {
                    sums[1] = sums[1].add(read::<T, L>(delta.at(i + 1, j), delta.col, n));
                }
                if i + 2 < delta.rows {
                    sums[2] = sums[2].add(read::<T, L>(delta.at(i + 2, j), delta.col, n));
                }
                let sum = sums[0].add(sums[2]).add(sums[1].add(sums[3]));
                let at = y.at(0, j);
                update_with(sum, update, at, y.col, n);
            }
            j += n;
        }
    }
}

/// y ← δᵀ 1, or added or blended into y, where y has one row.
///
/// # Safety
///
/// δ is valid for reads, y (1 × the columns of δ) for reads and writes.
#[inline]
pub(crate) unsafe fn column_sums<T: Real>(isa: Ready, delta: MatRef<T>, update: Update<T>, y: MatMut<T>) {
    isa.dispatch(ColumnSums { delta, y, update });
}
