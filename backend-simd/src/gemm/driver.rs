//! The loops around the micro-kernel: blocks that fit the caches, copied where copying pays.
//!
//! Names are those of the BLIS papers: `ic` walks over rows of A and C by `mc`, `pc` over the sum by `kc`, `jc` over columns of
//! B and C by `nc`; inside such a block strips of `NV` registers and tiles of up to `MR` rows are computed. Between two
//! steps of `pc` the tile's partial sums wait in C, so that blocking does not change the order of any sum.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::gemm::dot::{Combine, Dot};
use crate::gemm::machine::Machine;
use crate::gemm::micro::{CopyingFn, Micro, MicroFn, Tile, WIDEST, halves, slot};
use crate::gemm::outer::Outer;
use crate::gemm::pack::{Buffer, Copy, Strips, prefetch};
use crate::gemm::plan::{Plan, ReadB, is_streamed, is_swept, swept_rows};
use crate::gemm::stream::Stream;
use crate::gemm::view::{MatMut, MatRef};
use crate::gemm::{Block, Product, Update, shares, split};
use crate::isa::Element;
use crate::lane::Lane;

/// A lane type with kernels for both forms of the product.
pub(crate) trait Lanes: Micro + Dot {}
impl<L: Micro + Dot> Lanes for L {}

/// Room for the largest tile of any lane type, in scalars.
pub(super) const SCRATCH: usize = 14 * 32;

/// Computes a product with one chain of multiply-adds per element.
///
/// # Safety
///
/// The views are valid and the set of `L` is available.
pub(super) unsafe fn run<L: Lanes>(product: &Product<'_, L::Elem>) {
    let Product { a, b, c, update, .. } = *product;
    let k = a.cols;
    let nr = L::NV * L::LANES;
    if b.cols <= nr && k <= SHORT && a.rows > 1 {
        // A single strip, where making a plan would cost as much as the work.
        let left = Left { ptr: a.ptr, next: a.row, row: a.row, step: Some(a.col) };
        let strip = |right| Macro { k, a: left, b: right, c, update };
        if b.col == 1 {
            // SAFETY: the caller's contract.
            unsafe { strip(Right { ptr: b.ptr, step: b.row, next: 0 }).down_columns::<L>(usize::MAX, None) };
        } else {
            Buffer::with(k * nr, |space: *mut L::Elem| {
                let right = Right { ptr: space.cast_const(), step: nr.cast_signed(), next: 0 };
                // SAFETY: the caller's contract; the buffer holds k rows of a strip.
                unsafe {
                    L::enter(Copy { from: b, to: space, to_row: nr });
                    strip(right).down_columns::<L>(usize::MAX, None);
                }
            });
        }
        return finish(product, 0, 0, c);
    }
    if (1..=4).contains(&k) && a.rows > 1 && b.col == 1 && c.col == 1 {
        // SAFETY: the caller's contract; rows are longer than a strip.
        unsafe {
            match k {
                1 => L::enter(Outer::<_, 1> { a, b, c, update }),
                2 => L::enter(Outer::<_, 2> { a, b, c, update }),
                3 => L::enter(Outer::<_, 3> { a, b, c, update }),
                _ => L::enter(Outer::<_, 4> { a, b, c, update }),
            }
        }
        return finish(product, 0, 0, c);
    }
    if is_streamed::<L>(a, b, &c) {
        // SAFETY: the caller's contract.
        return unsafe { stream::<L>(product) };
    }
    let blend = matches!(update, Update::Blend { .. });
    let plan = Plan::new::<L>(a, b, &c, blend);
    let cut = k > LONGEST_BLEND
        || !L::LARGE
            && a.rows >= 8 * L::MR
            && k > L::KC / 2
            && c.rows * c.cols * size_of::<L::Elem>() <= Machine::get().l2 / 2;
    let in_order = plan.b == ReadB::InOrder;
    if blend && (cut || in_order) || in_order && c.col != 1 {
        // SAFETY: the caller's contract.
        return unsafe { aside::<L>(product) };
    }
    let a_len = if plan.copy_a { plan.mc * plan.kc } else { 0 };
    let b_len = if plan.b.is_copied() { plan.nc * plan.kc } else { 0 };
    Buffer::with(a_len.next_multiple_of(64) + b_len, |space: *mut L::Elem| {
        // SAFETY: the buffer has room for both copies.
        unsafe { blocks::<L>(product, &plan, space, space.add(a_len.next_multiple_of(64))) }
    });
}

/// Up to this k a single strip is computed without a plan.
const SHORT: usize = 1024;

/// Beyond this k a blend computes A·B aside first, since the chain of one element must not be cut; small tiles do so sooner if C is small:
/// where it has many of them, to read pieces of A and B that stay in the first-level cache.
const LONGEST_BLEND: usize = 2048;

/// Computes a single row with B as it lies in memory; what is to be blended with C, in a buffer first.
unsafe fn stream<L: Lanes>(product: &Product<'_, L::Elem>) {
    let Product { a, b, c, update, .. } = *product;
    let (x, c_row) = ((a.ptr, a.col), c.at(0, 0));
    // SAFETY: the caller's: the row of A, B with adjacent columns and the row of C, whose columns are adjacent, too; the buffer is as long. The
    // set is available.
    unsafe {
        match update {
            Update::Replace | Update::Add => {
                L::enter(Stream { x, b, c: c_row, add: update == Update::Add });
            }
            Update::Blend { .. } => Buffer::with(c.cols, |space: *mut L::Elem| {
                L::enter(Stream { x, b, c: space, add: false });
                L::enter(Combine { sums: MatMut { ptr: space, ..c }.as_ref(), c, update });
            }),
        }
    }
    finish(product, 0, 0, c);
}

/// Computes the sums in a buffer, and C from them: for a blend of which no sum is complete before the last block, and where to come
/// back to a C of distant columns would cost too much.
unsafe fn aside<L: Lanes>(product: &Product<'_, L::Elem>) {
    let Product { c, update, .. } = *product;
    let (len, scattered) = (c.rows * c.cols, c.col != 1);
    Buffer::with(if scattered { 2 * len } else { len }, |space: *mut L::Elem| {
        let adjacent =
            |ptr, like: MatMut<L::Elem>| MatMut { ptr, row: like.cols.cast_signed(), col: 1, ..like };
        let sums = adjacent(space, c);
        // SAFETY: the buffer holds the sums, which the product writes as a whole or adds to a copy of C, and where C is scattered a
        // transposed copy of them; the set is available.
        unsafe {
            let (update, rest) = match update {
                // Its chains begin with C.
                Update::Add => {
                    copy_to::<L>(c, sums);
                    (Update::Add, Update::Replace)
                }
                Update::Replace | Update::Blend { .. } => (Update::Replace, update),
            };
            run::<L>(&Product { c: sums, update, epilogue: None, ..*product });
            // As C lies in memory.
            let (sums, c) = if scattered {
                let turned = adjacent(space.add(len), c.t());
                copy_to::<L>(sums.t(), turned);
                (turned, c.t())
            } else {
                (sums, c)
            };
            L::enter(Combine { sums: sums.as_ref(), c, update: rest });
        }
    });
    finish(product, 0, 0, c);
}

/// Hands a finished block of C to the epilogue.
pub(super) fn finish<T>(product: &Product<'_, T>, row: usize, col: usize, c: MatMut<T>) {
    if let Some(epilogue) = product.epilogue
        && c.rows != 0
        && c.cols != 0
    {
        epilogue(Block { row: product.row + row, col: product.col + col, c });
    }
}

unsafe fn blocks<L: Lanes>(
    product: &Product<'_, L::Elem>,
    plan: &Plan,
    a_space: *mut L::Elem,
    b_space: *mut L::Elem,
) {
    let Product { a, b, c, update, .. } = *product;
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let copied = plan.b.is_copied();
    let sweeps = is_swept::<L>(a, b, &c) || plan.b == ReadB::InOrder && !L::LARGE && c.col == 1;
    let mut ic = 0;
    while ic < m {
        let mc = plan.mc.min(m - ic);
        let mut pc = 0;
        loop {
            let kc = plan.kc.min(k - pc);
            let update = if pc == 0 { update } else { Update::Add };
            let a_block = a.block(ic, pc, mc, kc);
            let left = if plan.copy_a {
                // SAFETY: the buffer has room for a block of A, the set is available.
                unsafe { copy_a::<L>(a_block, if sweeps { swept_rows::<L>(&c) } else { L::MR }, a_space) }
            } else {
                Left { ptr: a_block.ptr, next: a.row, row: a.row, step: Some(a.col) }
            };
            let mut jc = 0;
            while jc < n {
                let nc = plan.nc.min(n - jc);
                let (b_block, c_block) = (b.block(pc, jc, kc, nc), c.block(ic, jc, mc, nc));
                // SAFETY: the blocks lie inside the operands, the buffer has room for a block of B; the set is available.
                unsafe {
                    let lies = Right { ptr: b_block.ptr, step: b.row, next: L::NV * L::LANES };
                    // Of so many rows the first tile is one of the largest.
                    let meanwhile = plan.b == ReadB::CopiedMeanwhile && !sweeps && mc >= L::MR * L::MR;
                    let copying = L::COPYING.filter(|_| meanwhile);
                    let right = if copied { copy_b::<L>(b_block, copying.is_some(), b_space) } else { lies };
                    let block = Macro { k: kc, a: left, b: right, c: c_block, update };
                    if sweeps {
                        block.sweep::<L>();
                    } else if copied && L::LARGE {
                        block.along_rows::<L>();
                    } else if copied {
                        // As many as the second-level cache keeps from strip to strip.
                        let tile = L::MR * kc * size_of::<L::Elem>();
                        let together = (Machine::get().l2 / 4).div_ceil(tile.max(1));
                        block.down_columns::<L>(together, copying.map(|kernel| (kernel, lies)));
                    } else if mc == 1 {
                        block.row::<L>();
                    } else {
                        block.down_columns::<L>(usize::MAX, None);
                    }
                }
                if pc + kc == k {
                    finish(product, ic, jc, c_block);
                }
                jc += nc;
            }
            pc += kc;
            if pc >= k {
                break;
            }
        }
        ic += mc;
    }
}

/// A block of B as strips of `nr` columns: strip s starts at `ptr + s·next`, its rows are `step` apart.
#[derive(Clone, Copy)]
struct Right<T> {
    ptr: *const T,
    step: isize,
    next: usize,
}

/// A block of A as the micro-kernels read it: the tile from row i on starts at `ptr + i·next`, and within it rows are
/// `row` and columns `step` apart; without a `step`, columns are as far apart as the tile has rows.
#[derive(Clone, Copy)]
struct Left<T> {
    ptr: *const T,
    next: isize,
    row: isize,
    step: Option<isize>,
}

/// Steps of the sum that are copied together.
const STEPS: usize = 32;

/// Copies a block of A as tiles of at most so many rows, column after column.
unsafe fn copy_a<L: Lanes>(a: MatRef<L::Elem>, most: usize, to: *mut L::Elem) -> Left<L::Elem> {
    let (tiles, share, larger) = shares(a.rows, most);
    let group = |first, cols, strips| Group { first, cols, strips, to_row: cols };
    let groups = [group(0, share + 1, larger), group(larger * (share + 1), share, tiles - larger)];
    // SAFETY: the caller's buffer has room for the block; the set is available.
    unsafe { copy_strips::<L>(a.t(), groups, to) };
    Left { ptr: to.cast_const(), next: a.cols.cast_signed(), row: 1, step: None }
}

/// Copies a block of B strip by strip, the last alone if it is narrower and the whole ones are copied later.
unsafe fn copy_b<L: Lanes>(b: MatRef<L::Elem>, later: bool, to: *mut L::Elem) -> Right<L::Elem> {
    let nr = L::NV * L::LANES;
    let (strips, rest) = (b.cols / nr, b.cols % nr);
    let group = |first, cols, strips| Group { first, cols, strips, to_row: nr };
    let groups =
        [group(0, nr, if later { 0 } else { strips }), group(strips * nr, rest, usize::from(rest > 0))];
    // SAFETY: the caller's buffer has room for whole strips; the set is available.
    unsafe { copy_strips::<L>(b, groups, to) };
    Right { ptr: to.cast_const(), step: nr.cast_signed(), next: nr * b.rows }
}

/// Strips of the same number of columns side by side, from the first one's first column on, and how far apart the rows of a strip's copy
/// are.
#[derive(Clone, Copy)]
struct Group {
    first: usize,
    cols: usize,
    strips: usize,
    to_row: usize,
}

/// Copies strips of columns, each row after row.
unsafe fn copy_strips<L: Lanes>(from: MatRef<L::Elem>, groups: [Group; 2], to: *mut L::Elem) {
    let (k, room) = (from.rows, from.cols);
    // SAFETY: the caller's buffer has room for the strips; the set is available.
    unsafe {
        if from.col != 1 {
            for Group { first, cols, strips, to_row } in groups {
                for j in (first..).step_by(cols.max(1)).take(strips) {
                    L::enter(Copy { from: from.block(0, j, k, cols), to: to.add(j * k), to_row });
                }
            }
            return;
        }
        // A few rows at a time, so that the pages they lie in are visited once; of each as much as goes to few enough pages.
        let together = if L::LARGE { 8 } else { 16 };
        for p in (0..k).step_by(STEPS) {
            let rows = STEPS.min(k - p);
            for Group { first, cols, strips, to_row } in groups {
                for s in (0..strips).step_by(together) {
                    let j = first + s * cols;
                    L::enter(Strips {
                        from: from.block(p, j, rows, together.min(strips - s) * cols),
                        cols,
                        room: room - j,
                        to: to.add(j * k + p * to_row),
                        to_row,
                        to_strip: cols * k,
                        more: p + rows < k,
                    });
                }
            }
        }
    }
}

/// Whether the last register of a row is better computed apart: where half a register takes half the time of a whole one, but not
/// beside one, and only if there are enough rows to keep the units busy.
#[inline(always)]
fn is_apart<L: Lane>(rows: usize, cols: usize) -> bool {
    halves::<L>()
        && L::LANES < cols
        && cols <= L::LANES + L::Half::LANES
        && rows >= 7
        && Machine::get().splits
}

/// A block of C with its block of A and its strips of B.
#[derive(Clone, Copy)]
struct Macro<T> {
    k: usize,
    a: Left<T>,
    b: Right<T>,
    c: MatMut<T>,
    update: Update<T>,
}

impl<T: Element> Macro<T> {
    /// All tiles of the block, strip by strip; of a tall block so many tiles at a time. Whole strips are first copied from where they lie,
    /// if it is said how, by the kernel of the first tile, which is one of the largest.
    unsafe fn down_columns<L: Lanes<Elem = T>>(
        &self,
        together: usize,
        from: Option<(CopyingFn<T>, Right<T>)>,
    ) {
        let (nr, n) = (L::NV * L::LANES, self.c.cols);
        let (tiles, ..) = shares(self.c.rows, L::MR);
        for first in (0..tiles).step_by(together) {
            for s in 0..n.div_ceil(nr) {
                let mut tiles = first..tiles.min(first.saturating_add(together));
                let cols = nr.min(n - s * nr);
                // SAFETY: the strip lies inside the block, and what is copied has its place in the buffer that B is read from.
                unsafe {
                    if let Some((kernel, b)) = from.filter(|_| first == 0 && cols == nr) {
                        let (_, tile) = Self { b, ..*self }.tile::<L>(0, L::MR, (s, 0), nr);
                        kernel(&tile, self.b.ptr.wrapping_add(s * self.b.next).cast_mut());
                        tiles.start = 1;
                    }
                    if !tiles.is_empty() {
                        self.strip::<L>(s, cols, tiles);
                    }
                }
            }
        }
    }

    /// All tiles of the block, row after row from its last ones up: in the order of memory, as processors foresee it, and first what
    /// was read last by a pass in the other direction.
    unsafe fn sweep<L: Lanes<Elem = T>>(&self) {
        let (nr, n) = (L::NV * L::LANES, self.c.cols);
        let whole = n / nr;
        for (i, rows) in split(self.c.rows, swept_rows::<L>(&self.c)).rev() {
            // SAFETY: the tiles lie inside the block, whose rows are adjacent in memory.
            unsafe {
                if whole > 0 {
                    let (kernel, tile) = self.tile::<L>(i, rows, (0, 0), nr);
                    let (b_next, c_next) = (self.b.next.cast_signed(), nr.cast_signed());
                    kernel(&Tile { count: whole, a_next: 0, b_next, c_next, ..tile });
                }
                if whole * nr < n {
                    self.tiles::<L>(i, rows, (whole, 0), n - whole * nr, 1);
                }
            }
        }
    }

    /// All tiles of the block, those in the same rows one after the other. While one is computed, the place of the next is
    /// fetched into the cache.
    unsafe fn along_rows<L: Lanes<Elem = T>>(&self) {
        let (nr, n) = (L::NV * L::LANES, self.c.cols);
        for (i, rows) in split(self.c.rows, L::MR) {
            for (s, j) in (0..n).step_by(nr).enumerate() {
                if self.c.col == 1 {
                    let (i, j) = if j + nr < n { (i, j + nr) } else { (i + rows, 0) };
                    for i in i..self.c.rows.min(i + rows) {
                        prefetch(self.c.at(i, j), nr);
                    }
                }
                let cols = nr.min(n - j);
                // SAFETY: the tiles lie inside the block.
                unsafe {
                    if is_apart::<L>(rows, cols) {
                        self.tiles::<L>(i, rows, (s, 0), L::LANES, 1);
                        self.tiles::<L>(i, rows, (s, L::LANES), cols - L::LANES, 1);
                    } else {
                        self.tiles::<L>(i, rows, (s, 0), cols, 1);
                    }
                }
            }
        }
    }

    /// Some tiles of strip s.
    #[inline(always)]
    unsafe fn strip<L: Lanes<Elem = T>>(&self, s: usize, cols: usize, tiles: Range<usize>) {
        // SAFETY: the strip lies inside the block.
        unsafe {
            if is_apart::<L>(self.c.rows, cols) {
                self.strip_apart::<L>(s, cols, tiles);
            } else {
                self.columns::<L>(s, 0, cols, tiles);
            }
        }
    }

    /// Some tiles of strip s, the columns of its last register apart.
    #[inline(never)]
    unsafe fn strip_apart<L: Lanes<Elem = T>>(&self, s: usize, cols: usize, tiles: Range<usize>) {
        // SAFETY: the columns lie inside the strip.
        unsafe {
            self.columns::<L>(s, 0, L::LANES, tiles.clone());
            self.columns::<L>(s, L::LANES, cols - L::LANES, tiles);
        }
    }

    /// Some tiles of some columns of strip s, in two groups: first those with a row more.
    #[inline(always)]
    unsafe fn columns<L: Lanes<Elem = T>>(&self, s: usize, first: usize, cols: usize, tiles: Range<usize>) {
        let m = self.c.rows;
        if m <= L::MR {
            // SAFETY: the tile lies inside the block.
            return unsafe { self.tiles::<L>(0, m, (s, first), cols, 1) };
        }
        let (_, share, larger) = shares(m, L::MR);
        let i = tiles.start * share + larger.min(tiles.start);
        let with_more = larger.clamp(tiles.start, tiles.end) - tiles.start;
        for (i, rows, count) in
            [(i, share + 1, with_more), (i + with_more * (share + 1), share, tiles.len() - with_more)]
        {
            if count > 0 {
                // SAFETY: the tiles lie inside the block.
                unsafe { self.tiles::<L>(i, rows, (s, first), cols, count) };
            }
        }
    }

    /// `count` tiles of strip s from its column j on, one below the other, the first in row i.
    #[inline(always)]
    unsafe fn tiles<L: Lanes<Elem = T>>(
        &self,
        i: usize,
        rows: usize,
        (s, j): (usize, usize),
        cols: usize,
        count: usize,
    ) {
        let (kernel, tile) = self.tile::<L>(i, rows, (s, j), cols);
        let tile = Tile { count, ..tile };
        // SAFETY: the tiles lie inside the block; the kernel is that of their size.
        unsafe {
            if self.c.col == 1 {
                kernel(&tile);
            } else {
                through_scratch::<L>(kernel, tile, rows, cols, self.c.col);
            }
        }
    }

    /// The tile of strip s from row i and column j on, to be followed by those below it, and its kernel.
    #[inline(always)]
    fn tile<L: Lanes<Elem = T>>(
        &self,
        i: usize,
        rows: usize,
        (s, j): (usize, usize),
        cols: usize,
    ) -> (MicroFn<T>, Tile<T>) {
        let vectors = cols.div_ceil(L::LANES);
        let last = cols - (vectors - 1) * L::LANES;
        let Left { ptr, next, row, step } = self.a;
        let tile = Tile {
            count: 1,
            a_next: rows.cast_signed() * next,
            b_next: 0,
            c_next: rows.cast_signed() * self.c.row,
            k: self.k,
            a: ptr.wrapping_offset(i.cast_signed() * next),
            a_row: row,
            a_step: step.unwrap_or(rows.cast_signed()),
            b: self.b.ptr.wrapping_add(s * self.b.next + j),
            b_step: self.b.step,
            c: self.c.at(i, s * L::NV * L::LANES + j),
            c_row: self.c.row,
            last,
            update: self.update,
        };
        let copies = step.is_none() && self.b.step == (L::NV * L::LANES).cast_signed();
        (L::TILES[rows - 1][slot::<L>(vectors, &tile, copies)], tile)
    }

    /// The only row of the block, in pieces whose sums stay in registers.
    unsafe fn row<L: Lanes<Elem = T>>(&self) {
        let n = self.c.cols;
        for (first, vectors) in split(n.div_ceil(L::LANES), WIDEST) {
            let j = first * L::LANES;
            let cols = (n - j).min(vectors * L::LANES);
            let (_, tile) = self.tile::<L>(0, 1, (0, j), cols);
            let kernel = L::ROWS[vectors - 1][usize::from(tile.last < L::LANES)];
            // SAFETY: the tile lies inside the row; the kernel is that of its size.
            unsafe {
                if self.c.col == 1 {
                    kernel(&tile);
                } else {
                    through_scratch::<L>(kernel, tile, 1, cols, self.c.col);
                }
            }
        }
    }
}

/// Runs a kernel on copies of its tiles of C, for columns that are `col` apart.
#[inline(never)]
unsafe fn through_scratch<L: Lanes>(
    kernel: MicroFn<L::Elem>,
    tile: Tile<L::Elem>,
    rows: usize,
    cols: usize,
    col: isize,
) {
    let mut scratch = [const { MaybeUninit::<L::Elem>::uninit() }; SCRATCH];
    debug_assert!(rows * cols <= SCRATCH);
    let at = scratch.as_mut_ptr().cast::<L::Elem>();
    // The scratch as C lies: its columns as rows.
    let copied = MatMut { ptr: at, rows: cols, cols: rows, row: 1, col: cols.cast_signed() };
    for t in 0..tile.count.cast_signed() {
        let c = MatMut { ptr: tile.c.wrapping_offset(t * tile.c_next), rows, cols, row: tile.c_row, col };
        // SAFETY: the scratch holds a tile; it is written before it is read, by the copy or by a kernel that replaces.
        unsafe {
            if !matches!(tile.update, Update::Replace) {
                copy_to::<L>(c, copied.t());
            }
            kernel(&Tile {
                count: 1,
                a: tile.a.wrapping_offset(t * tile.a_next),
                c: at,
                c_row: cols.cast_signed(),
                ..tile
            });
            copy_to::<L>(copied, c.t());
        }
    }
}

/// Copies a matrix to another of the same shape.
///
/// # Safety
///
/// `from` is valid for reads, `to` for writes, and they do not overlap; the set of `L` is available.
#[inline(always)]
unsafe fn copy_to<L: Lanes>(from: MatMut<L::Elem>, to: MatMut<L::Elem>) {
    // SAFETY: the caller's contract; rows of `to` do not overlap, so that they are at least as far apart as they are long.
    unsafe {
        if to.col == 1 && to.row > 0 {
            return L::enter(Copy { from: from.as_ref(), to: to.ptr, to_row: to.row.unsigned_abs() });
        }
        for i in 0..from.rows {
            for j in 0..from.cols {
                *to.at(i, j) = *from.at(i, j);
            }
        }
    }
}
