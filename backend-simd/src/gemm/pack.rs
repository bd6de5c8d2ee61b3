//! Copies of operands in the order in which the micro-kernels read them, and the memory for these copies.

use std::cell::Cell;
use std::ptr::NonNull;

use chainrule_core::Aligned;

use crate::gemm::view::MatRef;
use crate::isa::{Element, Kernel};
use crate::lane::Lane;

/// Memory of a thread, kept from product to product and grown as needed. As `f64` it is aligned for either scalar by its type.
#[derive(Debug)]
pub(crate) struct Buffer(Aligned<f64>);

thread_local! {
    /// One buffer for each depth of use: a product within a product has its own.
    static SPARE: [Cell<Option<Buffer>>; 2] = const { [Cell::new(None), Cell::new(None)] };
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A use of a buffer of this thread, counted until it is dropped.
struct Use(usize);

impl Use {
    fn begin() -> Self {
        Self(DEPTH.replace(DEPTH.get() + 1))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        DEPTH.set(self.0);
    }
}

impl Buffer {
    /// Runs `f` with room for `len` scalars of any values in memory of this thread.
    pub(crate) fn with<T: Element, R>(len: usize, f: impl FnOnce(*mut T) -> R) -> R {
        if len == 0 {
            return f(NonNull::dangling().as_ptr());
        }
        let size = (len * size_of::<T>()).div_ceil(size_of::<f64>());
        let depth = Use::begin();
        let spare = |buffer: Option<Self>| {
            // Deeper uses, and those of a thread that is ending, bring a buffer of their own.
            SPARE.try_with(|spare| spare.get(depth.0).and_then(|cell| cell.replace(buffer))).ok().flatten()
        };
        let mut buffer = match spare(None) {
            Some(buffer) if buffer.0.len() >= size => buffer,
            _ => Self(Aligned::zeros(size.next_power_of_two())),
        };
        let result = f(buffer.0.as_mut_ptr().cast());
        spare(Some(buffer));
        result
    }
}

/// Asks for `n` adjacent scalars to be brought into the cache. Any address will do: nothing is read.
#[inline(always)]
pub(super) fn prefetch<T>(from: *const T, n: usize) {
    for line in (0..n * size_of::<T>()).step_by(64) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint, which every x86-64 processor has, and which never faults.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(from.cast::<i8>().wrapping_add(line));
        }
        // Elsewhere there is no stable intrinsic.
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (from, line);
    }
}

/// Bytes of the source that are fetched ahead of what is copied.
const AHEAD: usize = 2048;

/// Copies `from` to rows of adjacent scalars, `to_row` apart.
pub(crate) struct Copy<T> {
    pub(crate) from: MatRef<T>,
    pub(crate) to: *mut T,
    pub(crate) to_row: usize,
}

impl<T: Element> Kernel<T> for Copy<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { from, to, to_row } = self;
        debug_assert!(from.cols <= to_row || from.rows <= 1);
        // SAFETY: `from` is valid by the promise of `MatRef`, `to` for as many rows and columns; blocks stay inside.
        unsafe {
            if from.col == 1 {
                // From row to row memory is left and entered again, which processors do not foresee.
                let ahead = (AHEAD / size_of::<T>() / from.cols.max(1)).max(1);
                for i in 0..from.rows {
                    let next = from.ptr.wrapping_offset((i + ahead).cast_signed() * from.row);
                    copy_row::<L>(from.at(i, 0), from.cols, to.add(i * to_row), next);
                }
            } else if from.row == 1 {
                let line = 64 / size_of::<T>();
                for i in (0..from.rows).step_by(line) {
                    for j in (0..from.cols).step_by(L::SQUARE) {
                        // Where it can, the last square overlaps the one before.
                        let j = if from.cols < L::SQUARE { j } else { j.min(from.cols - L::SQUARE) };
                        let cols = L::SQUARE.min(from.cols - j);
                        for l in 0..cols {
                            prefetch(from.at(i, j + l).wrapping_add(4 * line), 1);
                        }
                        // Squares along a cache line of the source: it is used as a whole.
                        for i in (i..from.rows.min(i + line)).step_by(L::SQUARE) {
                            let from = from.block(i, j, L::SQUARE.min(from.rows - i), cols);
                            copy_square::<L>(from, to.add(i * to_row + j), to_row);
                        }
                    }
                }
            } else {
                for i in 0..from.rows {
                    for j in 0..from.cols {
                        *to.add(i * to_row + j) = *from.at(i, j);
                    }
                }
            }
        }
    }
}

/// Copies strips of adjacent columns, each to rows of its own: row i of strip s to `to + s·to_strip + i·to_row`.
///
/// Registers are copied as wholes where they can be, which takes half the time of a part: what they hold beyond the columns of a strip
/// ends up in its next row, which is copied later.
pub(super) struct Strips<T> {
    /// All strips side by side, columns adjacent in memory.
    pub(super) from: MatRef<T>,
    /// Columns of a strip.
    pub(super) cols: usize,
    /// Columns that are valid for reads from the first strip on: of the strips, and behind them.
    pub(super) room: usize,
    pub(super) to: *mut T,
    pub(super) to_row: usize,
    pub(super) to_strip: usize,
    /// Whether further rows of the strips are copied later.
    pub(super) more: bool,
}

impl<T: Element> Kernel<T> for Strips<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { from, cols, room, to, to_row, to_strip, more } = self;
        debug_assert!(from.col == 1 && cols <= to_row && from.cols.is_multiple_of(cols) && from.cols <= room);
        let strips = from.cols / cols;
        let whole = cols.next_multiple_of(L::LANES);
        // Strips that whole registers may be read of, and need not reach beyond the next row.
        let wide =
            if whole <= room && whole <= 2 * to_row { strips.min((room - whole) / cols + 1) } else { 0 };
        // From row to row memory is left and entered again, which processors do not foresee.
        let ahead = (AHEAD / size_of::<T>() / from.cols).max(1).cast_signed();
        for i in 0..from.rows {
            let row = from.at(i, 0);
            let next = row.wrapping_offset(ahead * from.row);
            prefetch(next, from.cols);
            let wide = if i + 1 < from.rows || more || whole <= to_row { wide } else { 0 };
            // SAFETY: `from` is valid for the rows and for `room` columns, `to` for the rows of every strip; whole registers stay
            // inside by the choice of `wide`.
            unsafe {
                let to = to.add(i * to_row);
                for s in 0..wide {
                    for j in (0..whole).step_by(L::LANES) {
                        L::load(row.add(s * cols + j)).store(to.add(s * to_strip + j));
                    }
                }
                for s in wide..strips {
                    copy_row::<L>(row.add(s * cols), cols, to.add(s * to_strip), next.wrapping_add(s * cols));
                }
            }
        }
    }
}

/// Copies a square, or less at an edge, of which columns are adjacent in memory to rows that are.
#[inline(always)]
unsafe fn copy_square<L: Lane>(from: MatRef<L::Elem>, to: *mut L::Elem, to_row: usize) {
    // SAFETY: `from` is valid, `to` for as many rows and columns; the scratch holds `SQUARE` registers.
    unsafe {
        if from.rows == L::SQUARE && from.cols == L::SQUARE {
            // Rows of the source square run along its unit stride, the copy's columns.
            return L::transpose(from.ptr, from.col, to, to_row.cast_signed());
        }
        let (mut columns, mut rows) = ([L::splat(L::Elem::ZERO); 8], [L::splat(L::Elem::ZERO); 8]);
        const { assert!(L::SQUARE <= 8 && L::SQUARE <= L::LANES) };
        for (j, column) in columns.iter_mut().enumerate().take(from.cols) {
            *column = L::load_first(from.at(0, j), from.rows);
        }
        let next = L::LANES.cast_signed();
        L::transpose(columns.as_ptr().cast(), next, rows.as_mut_ptr().cast(), next);
        for (i, row) in rows.iter().enumerate().take(from.rows) {
            row.store_first(to.add(i * to_row), from.cols);
        }
    }
}

/// Copies `n` adjacent scalars; meanwhile those at `next` are fetched.
#[inline(always)]
pub(super) unsafe fn copy_row<L: Lane>(
    from: *const L::Elem,
    n: usize,
    to: *mut L::Elem,
    next: *const L::Elem,
) {
    // SAFETY: both sides are valid for `n` scalars.
    unsafe {
        for j in (0..n).step_by(L::LANES) {
            prefetch(next.wrapping_add(j), L::LANES.min(n - j));
            if j + L::LANES <= n {
                L::load(from.add(j)).store(to.add(j));
            } else {
                L::load_first(from.add(j), n - j).store_first(to.add(j), n - j);
            }
        }
    }
}
