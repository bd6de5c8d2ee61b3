//! How a product is cut into blocks, which operands are copied, and in which order C is walked through. None of it touches the
//! order of a sum.
//!
//! Every number here was found by measuring all the ways of many products, on processors with AVX-512 and with AVX2.

use crate::gemm::machine::Machine;
use crate::gemm::micro::{Micro, WIDEST};
use crate::gemm::shares;
use crate::gemm::view::{MatMut, MatRef};
use crate::isa::Element;

/// How the tiles read B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadB {
    /// Strip by strip as it lies in memory.
    AsItLies,
    /// Some rows at a time as they lie in memory, with a visit to C for each of them.
    InOrder,
    /// From copies of its strips.
    Copied,
    /// So, and whole strips are copied while their first tiles are computed.
    CopiedMeanwhile,
}

impl ReadB {
    pub(super) fn is_copied(self) -> bool {
        matches!(self, Self::Copied | Self::CopiedMeanwhile)
    }
}

/// The plan of one product: block sizes, and which operands are copied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) mc: usize,
    pub(super) kc: usize,
    pub(super) nc: usize,
    pub(super) copy_a: bool,
    pub(super) b: ReadB,
}

impl Plan {
    pub(super) fn new<L: Micro>(
        a: MatRef<L::Elem>,
        b: MatRef<L::Elem>,
        c: &MatMut<L::Elem>,
        blend: bool,
    ) -> Self {
        let (m, k, n) = (a.rows, a.cols, b.cols);
        let size = size_of::<L::Elem>();
        let machine = Machine::get();
        let nr = L::NV * L::LANES;
        let copy_b = b.col != 1
            || k > 8 && if L::LARGE { large_tiles_copy_b::<L>(a, b) } else { small_tiles_copy_b::<L>(a, b) }
            || is_broken::<L>(k, c);
        // A large B that the rows of few tiles use had better be read as it lies in memory, some of its rows at a time: not more than the
        // streams that a processor foresees.
        let (few, at_a_time) = if L::LARGE { (2, 32) } else { (4, 16) };
        if !copy_b && (!blend || k > 2 * at_a_time) && 1 < m && m < few * L::MR && is_read_in_order(b) {
            let kc = equal_share(k, at_a_time);
            return Self { mc: m, kc, nc: n, copy_a: false, b: ReadB::InOrder };
        }
        let copy_a = k > 8
            && m > 1
            && if L::LARGE { large_tiles_copy_a::<L>(a, n) } else { small_tiles_copy_a::<L>(a, n, copy_b) };
        if !copy_a && !copy_b {
            // Large tiles read little: only several small ones are better off with what stays in the first-level cache.
            let cut = !blend && !L::LARGE && has_several_tiles::<L>(a);
            let kc = if cut { equal_share(k, longest_piece::<L>(a)) } else { k };
            return Self { mc: m, kc, nc: n, copy_a, b: ReadB::AsItLies };
        }
        let kc = if blend { k.max(1) } else { equal_share(k, L::KC) };
        // As many rows or columns, in whole units, as are to be found in so much of a cache.
        let within = |bytes: usize, unit: usize| (bytes / (kc * size) / unit).max(1);
        // A block of B stays in the second level; a block of A is read for each of them from the third.
        let nc = if copy_b { equal_share(n.div_ceil(nr), within(machine.l2 / 2, nr)) * nr } else { n };
        let mc =
            if copy_a { equal_share(m, within((machine.l3 / 4).min(8 << 20), L::MR) * L::MR) } else { m };
        // A strip of long rows lies in so many pages that it is best visited together with the strips beside it.
        let short = b.row.unsigned_abs() * size <= 1024;
        let read_b = if !copy_b {
            ReadB::AsItLies
        } else if !L::LARGE && short && [b.col, c.col] == [1, 1] {
            ReadB::CopiedMeanwhile
        } else {
            ReadB::Copied
        };
        Self { mc, kc, nc, copy_a, b: read_b }
    }
}

/// Multiply-adds from which a product is worth copies of both operands, if it is not narrow. Where there is much to compute, copies
/// cost little, and what is read from them lies together: an operand with long rows has each column in so many pages that the processor
/// does not remember where they all are.
const MUCH: usize = 20 << 20;

/// Whether there is so much to compute.
fn is_much<T>(a: MatRef<T>, n: usize) -> bool {
    a.rows.saturating_mul(a.cols).saturating_mul(n) >= MUCH
}

/// The bytes of a matrix.
fn bytes<T>(rows: usize, cols: usize) -> usize {
    rows.saturating_mul(cols).saturating_mul(size_of::<T>())
}

/// Whether large tiles, which read a strip of B from the second level as well, are better off with a copy of B, of which rows are
/// adjacent in memory.
fn large_tiles_copy_b<L: Micro>(a: MatRef<L::Elem>, b: MatRef<L::Elem>) -> bool {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let (size, tiles) = (bytes::<L::Elem>(k, n), m / L::MR);
    let awkward = is_awkward::<L::Elem>;
    // Whether a strip does not stay in the first-level cache from tile to tile, or only if it is copied.
    let slips = bytes::<L::Elem>(k, L::NV * L::LANES) > NEAR || awkward(b.row) && size > NEAR;
    // Where rows share so few sets of the first-level cache that strips are read from the second for every tile.
    let clashes = awkward(b.row) && (tiles >= 9 || tiles >= 4 && awkward(b.row / 2));
    tiles >= 16 && (is_much(a, n) || size > Machine::get().l2 / 2)
        || tiles >= 2 && size > large_from()
        || k >= 96 && (tiles >= 24 && slips || clashes || m >= 16 && awkward(b.row) && size > 1 << 20)
}

/// Whether small tiles, which use every row of a strip for a few multiply-adds only, are better off with a copy of B, of which rows are
/// adjacent in memory.
fn small_tiles_copy_b<L: Micro>(a: MatRef<L::Elem>, b: MatRef<L::Elem>) -> bool {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let (size, tiles) = (bytes::<L::Elem>(k, n), m / L::MR);
    let row = b.row.unsigned_abs() * size_of::<L::Elem>();
    // Lines of the first-level cache for a strip, and how many of those in which it can lie at all.
    let whole = row.is_multiple_of(LINE);
    let lines = k * if whole { 1 } else { 2 };
    let sets = if whole { SETS >> (row / LINE).trailing_zeros().min(SETS.ilog2()) } else { SETS };
    let places = sets * Machine::get().l1_ways;
    let clashes = sets < SETS && (lines > places || tiles >= 16 && 2 * lines > places);
    let slips = 2 * lines > places && n > 2 * L::NV * L::LANES;
    // Where registers of B lie in two lines, tiles pay for it at every step.
    let register = size_of::<L>();
    let crosses = !(row.is_multiple_of(register) && b.ptr.addr().is_multiple_of(register));
    tiles >= 100 && crosses && k >= 48 && n > L::NV * L::LANES
        || tiles >= 10 && (clashes || size > large_from())
        || tiles >= 8 && is_much(a, n) && size > 2 * large_from()
        || tiles >= 16 && (is_much(a, n) || size > Machine::get().l2 / 2)
        || tiles >= 24 && slips
}

/// Whether large tiles are better off with a copy of A.
fn large_tiles_copy_a<L: Micro>(a: MatRef<L::Elem>, n: usize) -> bool {
    let (nr, adjacent) = (L::NV * L::LANES, a.col == 1);
    let awkward = is_awkward::<L::Elem>(if adjacent { a.row } else { a.col });
    n >= 4 * nr && (n >= 12 * nr && is_much(a, n) || awkward)
        || n >= 2 * nr && !adjacent && bytes::<L::Elem>(a.rows, a.cols) > Machine::get().l2 / 2
}

/// Whether small tiles are better off with a copy of A. Where rows are adjacent in memory, of which they read six at a time, only copies of
/// both operands together are worth it: their sums take fewer instructions.
fn small_tiles_copy_a<L: Micro>(a: MatRef<L::Elem>, n: usize, copy_b: bool) -> bool {
    let strips = n / (L::NV * L::LANES);
    if a.col == 1 {
        copy_b && strips >= 48 && is_much(a, n)
    } else {
        strips >= 16 && is_much(a, n) || strips >= 20 && bytes::<L::Elem>(a.rows, a.cols) > NEAR
    }
}

/// Bytes of a line of the caches, and sets of lines in the first level.
const LINE: usize = 64;
const SETS: usize = 64;

/// Whether C = A B is so large and its sums are so short that it is best walked through as it lies in memory. Long rows are sooner:
/// between short ones more is lost.
pub(super) fn is_shallow<T: Element>(a: MatRef<T>, b: MatRef<T>) -> bool {
    let row = bytes::<T>(1, b.cols);
    let large = if row >= 1024 { 128 << 10 } else { Machine::get().l2 / 4 };
    a.cols <= FEW && a.rows > 1 && a.rows.saturating_mul(row) > large
}

/// Whether C, of which rows are adjacent in memory, is walked through in that order.
pub(super) fn is_swept<L: Micro>(a: MatRef<L::Elem>, b: MatRef<L::Elem>, c: &MatMut<L::Elem>) -> bool {
    // Small tiles read B so often that its rows have to stay in the first-level cache; then long rows are worth it whatever their number.
    let small = || a.rows > 1 && a.cols <= FEW / 4 && b.cols >= 16 * L::NV * L::LANES;
    c.col == 1 && if L::LARGE { is_shallow(a, b) && !is_broken::<L>(a.cols, c) } else { small() }
}

/// Whether a C larger than the second-level cache is written after so few steps of the sum that it takes longest where its rows are no
/// whole cache lines: then the place of each tile is best fetched ahead.
pub(super) fn is_broken<L: Micro>(k: usize, c: &MatMut<L::Elem>) -> bool {
    let row = c.row.unsigned_abs() * size_of::<L::Elem>();
    L::LARGE
        && k <= 20
        && !row.is_multiple_of(LINE)
        && c.rows > 1
        && c.rows.saturating_mul(row) > Machine::get().l2
}

/// Whether B is so large and its rows so long that few rows of A had better read it as it lies in memory. Rows of a page and more are
/// sooner: a strip of them has as many pages as the sum has terms.
pub(crate) fn is_read_in_order<T: Element>(b: MatRef<T>) -> bool {
    let row = b.row.unsigned_abs() * size_of::<T>();
    let large = if row >= 4096 { Machine::get().l2 / 2 } else { large_from() };
    b.col == 1 && row >= 1024 && bytes::<T>(b.rows, b.cols) > large
}

/// Whether C is a single row that had better be computed with B as it lies in memory than in pieces whose sums stay in registers: where pieces
/// are several and B comes from afar. Large registers take all columns of many a B at once, which then has to be larger.
pub(super) fn is_streamed<L: Micro>(a: MatRef<L::Elem>, b: MatRef<L::Elem>, c: &MatMut<L::Elem>) -> bool {
    let near = if L::LARGE { Machine::get().l2 / 3 } else { NEAR };
    a.rows == 1
        && [b.col, c.col] == [1, 1]
        && b.cols > WIDEST * L::LANES
        && bytes::<L::Elem>(b.rows, b.cols) > near
}

/// Bytes that stay in the first-level cache while other things pass through it.
pub(crate) const NEAR: usize = 32 << 10;

/// Bytes from which a B is large, which is then copied even for few tiles: a strip of it comes from the third level line by line, none of
/// which the processor foresees where rows are long.
fn large_from() -> usize {
    (3 << 19).min(2 * Machine::get().l2)
}

/// Up to this k a large C takes longer to fetch and to store than A and B.
const FEW: usize = 128;

/// Rows of the tiles of such a C, at most: where they all lie in one set of the first-level cache, no more than there is room for
/// beside what else passes through.
pub(super) fn swept_rows<L: Micro>(c: &MatMut<L::Elem>) -> usize {
    if is_awkward::<L::Elem>(c.row) { L::MR.min(Machine::get().l1_ways - 1) } else { L::MR }
}

/// Whether rows so far apart share too few sets of the first-level cache.
fn is_awkward<T>(row: isize) -> bool {
    (row.unsigned_abs() * size_of::<T>()).is_multiple_of(2048)
}

/// Whether A has so many tiles that what they read again is worth keeping in the first-level cache.
fn has_several_tiles<L: Micro>(a: MatRef<L::Elem>) -> bool {
    a.rows / L::MR >= if a.col == 1 { 3 } else { 2 }
}

/// The longest piece of a sum for tiles that read A as it lies in memory: for small ones such that the first-level cache keeps what they
/// read again. Where rows of A are adjacent, that is a block of A beside a strip of B, if there are few enough rows and the sum is not
/// short; where columns are, the lines that these lie in, which the next tiles read as well: all of them, if they are few.
pub(super) fn longest_piece<L: Micro>(a: MatRef<L::Elem>) -> usize {
    let column = bytes::<L::Elem>(a.rows, 1);
    let block = column <= 512 && a.cols > L::KC / 2 && has_several_tiles::<L>(a);
    if L::LARGE || a.col == 1 && !block {
        L::KC
    } else if a.col == 1 {
        (NEAR / 2 / column).clamp(L::KC / 4, L::KC / 2)
    } else {
        L::KC / 16 * if column <= 256 { 3 } else { 4 }
    }
}

/// The larger of the shares when `n` is cut into as few equal ones as possible of at most `most`; at least 1.
fn equal_share(n: usize, most: usize) -> usize {
    let (_, share, larger) = shares(n, most);
    (share + usize::from(larger > 0)).max(1)
}
