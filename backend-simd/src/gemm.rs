//! The matrix product: C ← A B, C ← C + A B and C ← β C + α (A B), for any strides.
//!
//! Shapes: A m × k, B k × n, C m × n. There are two forms, and which one is taken depends on shapes and strides alone:
//!
//! - *chain* (`micro` in tiles, `outer`, `stream`, `driver`): every element of C is one chain of multiply-adds over p = 0, 1, …, k − 1;
//! - *dot* (`dot`): every element is sixteen partial sums, added as a fixed tree, for operands that both run along k in
//!   memory while one of them has few rows.
//!
//! Blocks, tiles and threads cut C, never a sum, so the bits of a result are the same for any number of threads and for
//! every instruction set that has fused multiply-add.

mod address;
mod dot;
mod driver;
mod machine;
mod micro;
mod outer;
mod pack;
mod plan;
mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod view;

use std::ops::Range;

use crate::isa::{Element, Isa, Ready};
use crate::threads;
pub(crate) use address::Multiples;
pub(crate) use driver::Lanes;
pub(crate) use micro::load;
pub(crate) use pack::{Buffer, Copy};
pub(crate) use plan::{NEAR, is_read_in_order};
use view::{MatMut, MatRef};

/// How products are computed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Engine {
    /// The instruction set.
    pub(crate) isa: Ready,
    /// Most threads at work on one product; 0 for all of rayon's current pool.
    pub(crate) threads: usize,
}

/// What happens to the old content of C.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Update<T> {
    /// C ← A B. The old C is never read.
    Replace,
    /// C ← C + A B. In the chain form C is the first term of each chain.
    Add,
    /// C ← β C + α (A B), elementwise `mul_add(α, g, β c)` with g as `Replace` would give it.
    Blend { alpha: T, beta: T },
}

/// A finished block of C: its first row and column in C, and the block itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<T> {
    pub(crate) row: usize,
    pub(crate) col: usize,
    pub(crate) c: MatMut<T>,
}

/// What is done to each finished block while it is in cache. Blocks cover C, each element once; several threads may be at
/// work on different blocks.
pub(crate) type Epilogue<'a, T> = &'a (dyn Fn(Block<T>) + Sync);

/// A product to be computed, or a part of one.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a, T> {
    a: MatRef<T>,
    b: MatRef<T>,
    c: MatMut<T>,
    update: Update<T>,
    epilogue: Option<Epilogue<'a, T>>,
    /// Where C begins in the C of the whole product, which the epilogue knows.
    row: usize,
    col: usize,
}

/// Computes `update` with A·B on C, then `epilogue` for each block of C.
///
/// # Safety
///
/// A and B are valid for reads, C for reads and writes, and C overlaps neither of them. C may be uninitialised under
/// `Replace`.
///
/// # Panics
///
/// If the shapes do not fit.
#[inline]
pub(crate) unsafe fn product<T: Element>(
    engine: Engine,
    a: MatRef<T>,
    b: MatRef<T>,
    update: Update<T>,
    c: MatMut<T>,
    epilogue: Option<Epilogue<'_, T>>,
) {
    // SAFETY: the caller's contract.
    unsafe { product_in_parts(engine.isa, parts(engine, a, b, &c), a, b, update, c, epilogue) };
}

/// In how many parts C = A B had better be computed.
pub(crate) fn parts<T: Element>(engine: Engine, a: MatRef<T>, b: MatRef<T>, c: &MatMut<T>) -> usize {
    let nanoseconds = axis(a, b, c).worth(c, nanoseconds::<T>(a.rows, a.cols, b.cols));
    threads::ways(engine.threads, nanoseconds)
}

/// [`product`] in about so many parts.
///
/// # Safety
///
/// As for [`product`].
///
/// # Panics
///
/// If the shapes do not fit.
#[inline]
pub(crate) unsafe fn product_in_parts<T: Element>(
    isa: Ready,
    parts: usize,
    a: MatRef<T>,
    b: MatRef<T>,
    update: Update<T>,
    c: MatMut<T>,
    epilogue: Option<Epilogue<'_, T>>,
) {
    assert!(a.cols == b.rows && a.rows == c.rows && b.cols == c.cols, "shapes of a product");
    if c.rows == 0 || c.cols == 0 {
        return;
    }
    let product = Product { a, b, c, update, epilogue, row: 0, col: 0 };
    let serial: unsafe fn(&Product<'_, T>, bool) = match isa.isa() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => serial::<T::Avx512>,
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => serial::<T::Avx2>,
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => serial::<T::Neon>,
        _ => serial::<T::Portable>,
    };
    let dot = is_dot(a, b);
    if parts > 1 {
        let grid = Grid::new(parts, &c, axis(a, b, &c));
        threads::parallel_for(grid.parts(), &|part| {
            // SAFETY: the caller's contract; parts of C do not overlap.
            unsafe { serial(&product.part(&grid, part), dot) };
        });
    } else {
        // SAFETY: the caller's contract; the set is ready.
        unsafe { serial(&product, dot) };
    }
}

/// The nanoseconds that one thread is expected to take for an m × k by k × n product: for its multiply-adds, or for what it reads and
/// writes if that is more than caches keep near.
pub(crate) fn nanoseconds<T: Element>(m: usize, k: usize, n: usize) -> usize {
    /// Bytes of which the first-level cache keeps so little that fetching them counts.
    const FAR: usize = 256 << 10;
    /// Of these, in a nanosecond.
    const PACE: usize = 20;
    let product = |x: usize, y: usize| x.saturating_mul(y);
    let read = product(m, k).saturating_add(product(k, n));
    let bytes = |of_c: usize| product(read.saturating_add(product(of_c, n)), size_of::<T>());
    // C is read and written.
    let far = if bytes(m) >= FAR { bytes(2 * m) / PACE } else { 0 };
    far.max(product(product(m, k.max(1)), n) / T::PER_NANOSECOND)
}

/// The axis along which C is cut first.
#[derive(Clone, Copy, PartialEq)]
enum Axis {
    Rows,
    Cols,
}

impl Axis {
    /// The nanoseconds that count when it is decided whether to share: an eighth where C is too narrow to be cut along
    /// this axis.
    fn worth<T>(self, c: &MatMut<T>, nanoseconds: usize) -> usize {
        let len = if self == Self::Rows { c.rows } else { c.cols };
        if len >= 2 * WIDE { nanoseconds } else { nanoseconds / 8 }
    }
}

/// The axis along which C = A B is cut first.
fn axis<T: Element>(a: MatRef<T>, b: MatRef<T>, c: &MatMut<T>) -> Axis {
    let upright = is_upright(c);
    let owned = if upright { is_owned(b.t(), a.t()) } else { is_owned(a, b) };
    if owned == upright { Axis::Cols } else { Axis::Rows }
}

/// Whether C, of which rows are contiguous, had better be cut so that each thread's part lies in one piece in memory.
///
/// What is fetched ahead of a piece of a row is taken from the thread that writes the next piece, and to fetch it back can cost
/// more than the products of a small batch. So the weights of a layer, which are a sum of outer products over the batch, stay with
/// their threads in whole rows of memory, from the update to the next forward product. Other products are cut along rows where B
/// counts for more, so that it is read and copied once.
fn is_owned<T: Element>(a: MatRef<T>, b: MatRef<T>) -> bool {
    let outer = a.row == 1 && b.col == 1 && a.cols < b.cols;
    let tall = a.rows >= b.cols && (b.col == 1 || a.rows >= 512);
    tall || outer || plan::is_shallow(a, b)
}

/// Share `i` of `parts` shares of `n` rows or columns: as equal as whole units allow if there are enough of these, the larger ones last,
/// where a unit may be short of some.
pub(crate) fn share(n: usize, parts: usize, unit: usize, i: usize) -> Range<usize> {
    let unit = if n < parts * unit { 1 } else { unit };
    let start = |i: usize| (i * n.div_ceil(unit) / parts * unit).min(n);
    start(i)..start(i + 1)
}

/// Rows or columns in a unit of what threads own: as many scalars as two cache lines or one have.
pub(crate) const UNIT: usize = 16;

/// The parts of C that are computed apart, in shares as equal as whole units allow.
struct Grid {
    rows: usize,
    cols: usize,
    row_parts: usize,
    col_parts: usize,
    along: Axis,
}

/// Rows or columns that make a part worth while.
const WIDE: usize = 32;

impl Grid {
    /// About `ways` parts of C.
    fn new<T>(ways: usize, c: &MatMut<T>, along: Axis) -> Self {
        let parts = |along: usize, across: usize| {
            let along_parts = ways.min(along.div_ceil(WIDE));
            (along_parts, (ways / along_parts).clamp(1, across.div_ceil(8)))
        };
        let (row_parts, col_parts) = if along == Axis::Cols {
            let (col_parts, row_parts) = parts(c.cols, c.rows);
            (row_parts, col_parts)
        } else {
            parts(c.rows, c.cols)
        };
        Self { rows: c.rows, cols: c.cols, row_parts, col_parts, along }
    }

    fn parts(&self) -> usize {
        self.row_parts * self.col_parts
    }

    /// The rows and columns of a part.
    fn part(&self, part: usize) -> (Range<usize>, Range<usize>) {
        let unit = |axis| if self.along == axis { UNIT } else { 1 };
        let rows = share(self.rows, self.row_parts, unit(Axis::Rows), part % self.row_parts);
        let cols = share(self.cols, self.col_parts, unit(Axis::Cols), part / self.row_parts);
        (rows, cols)
    }
}

/// Whether columns of C are contiguous, and rows are not.
fn is_upright<T>(c: &MatMut<T>) -> bool {
    c.row == 1 && c.col != 1
}

/// Whether a product takes the dot form. Decided by shapes and strides only, for the whole product.
#[inline]
pub(crate) fn is_dot<T>(a: MatRef<T>, b: MatRef<T>) -> bool {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let (a_along, b_along) = (a.col == 1, b.row == 1);
    // The partial sums of a dot product cost about as much to add as four multiply-adds of a register; to copy an operand
    // costs as much for every eight or so of its elements. Beyond 24 rows of f32, or 12 of f64, a copy is always the better: dot products
    // read whole rows for a few sums.
    match (a_along, b_along) {
        (true, true) => k >= 32 && k > 8 * m.min(n) && m.min(n) * size_of::<T>() <= 96,
        (true, false) => k >= 64 && n <= 12 && m >= 4,
        (false, true) => k >= 64 && m <= 12 && n >= 4,
        (false, false) => false,
    }
}

/// How `n` things are cut into as few equal shares of at most `most` as possible: the number of shares, the things in each, and how many
/// shares, the first ones, have one more.
fn shares(n: usize, most: usize) -> (usize, usize, usize) {
    let pieces = n.div_ceil(most).max(1);
    (pieces, n / pieces, n % pieces)
}

/// The [`shares`] of `n` things: pairs of first and length.
fn split(n: usize, most: usize) -> impl DoubleEndedIterator<Item = (usize, usize)> {
    let (pieces, share, larger) = shares(n, most);
    (0..pieces).map(move |p| (p * share + p.min(larger), share + usize::from(p < larger)))
}

/// Computes a product, or a part of one, on the calling thread.
///
/// # Safety
///
/// The views are valid and the set of `L` is available.
unsafe fn serial<L: Lanes>(product: &Product<'_, L::Elem>, dot: bool) {
    // SAFETY: the caller's contract; a transposed product has the same elements.
    unsafe {
        if dot {
            dot::run::<L>(product);
        } else if product.is_better_transposed::<L>() {
            let Product { a, b, c, .. } = *product;
            driver::run::<L>(&Product { a: b.t(), b: a.t(), c: c.t(), epilogue: None, ..*product });
            driver::finish(product, 0, 0, c);
        } else {
            driver::run::<L>(product);
        }
    }
}

impl<T: Element> Product<'_, T> {
    /// The part of a grid.
    fn part(&self, grid: &Grid, part: usize) -> Self {
        let (rows, cols) = grid.part(part);
        Self {
            a: self.a.block(rows.start, 0, rows.len(), self.a.cols),
            b: self.b.block(0, cols.start, self.b.rows, cols.len()),
            c: self.c.block(rows.start, cols.start, rows.len(), cols.len()),
            row: self.row + rows.start,
            col: self.col + cols.start,
            ..*self
        }
    }

    /// Whether Cᵀ ← Bᵀ Aᵀ is estimated to take less time, with registers along the rows of C instead of its columns.
    fn is_better_transposed<L: Lanes<Elem = T>>(&self) -> bool {
        /// Estimated steps, each worth a multiply-add of a register, with registers along the columns of C.
        fn steps<L: Lanes>(a: MatRef<L::Elem>, b: MatRef<L::Elem>, c: MatMut<L::Elem>, blend: bool) -> usize {
            let (m, k, n) = (a.rows, a.cols, b.cols);
            let copy = if b.col == 1 { 0 } else { k * n };
            // Every time that a tile is visited. A register holds half as many of what is twice as wide.
            let visits = k.div_ceil(plan::longest_piece::<L>(a)).max(1);
            // An element whose neighbours in a register lie apart is worth so many: more for small tiles, of which few columns are whole
            // squares to be transposed, and twice as many if it is fetched first.
            let apart = match (L::LARGE, blend) {
                (true, _) => 2,
                (false, false) => 4,
                (false, true) => 8,
            };
            let scatter = if c.col == 1 { 0 } else { apart * m * n * size_of::<L::Elem>() / 4 * visits };
            m * n.div_ceil(L::LANES) * k + copy + scatter
        }
        let Self { a, b, c, update, .. } = *self;
        let blend = matches!(update, Update::Blend { .. });
        let (upright, turned) = (steps::<L>(a, b, c, blend), steps::<L>(b.t(), a.t(), c.t(), blend));
        // Small tiles gain less from it than it says where as it is nothing is to be copied.
        let margin = if !L::LARGE && b.col == 1 && c.col == 1 { turned / 8 } else { 0 };
        turned + margin < upright
    }
}
