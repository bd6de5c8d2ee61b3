//! The product against plain loops in `f64`, on every available instruction set.

use std::sync::Mutex;

use ndarray::{Array2, ArrayRef2, ArrayViewMut2, Axis, Slice, Zip};

use crate::gemm::machine::SPLITS;
use crate::gemm::pack::Strips;
use crate::gemm::view::{MatMut, MatRef};
use crate::gemm::{Block, Engine, Epilogue, Update, product};
use crate::isa::{Element, Isa, Ready};

/// One set, one thread.
fn engine(isa: Isa) -> Engine {
    Engine { isa: Ready::new(isa).unwrap(), threads: 1 }
}

/// [`product`] for arrays.
fn matmul<T: Element>(
    engine: Engine,
    a: &ArrayRef2<T>,
    b: &ArrayRef2<T>,
    update: Update<T>,
    c: &mut ArrayRef2<T>,
    epilogue: Option<Epilogue<'_, T>>,
) {
    // SAFETY: the arrays are borrowed until the call returns.
    unsafe { product(engine, MatRef::new(a), MatRef::new(b), update, MatMut::new(c), epilogue) }
}

/// A small generator of numbers (a 64-bit linear congruence), so that tests need nothing else.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }

    fn scalar<T: Element>(&mut self) -> T {
        T::from_f64(self.below(2001) as f64 / 1000.0 - 1.0)
    }
}

/// An array of which a view of some layout is used: row-major, column-major, a window of a larger array, stepped,
/// reversed, transposed and reversed.
struct Laid<T> {
    whole: Array2<T>,
    layout: usize,
}

const LAYOUTS: usize = 6;

impl<T: Element> Laid<T> {
    fn new(rows: usize, cols: usize, layout: usize, f: impl FnMut() -> T) -> Self {
        let shape = match layout {
            0 | 4 => (rows, cols),
            1 | 5 => (cols, rows),
            2 => (rows + 3, cols + 5),
            _ => (3 * rows, 2 * cols),
        };
        Self { whole: Array2::from_shape_simple_fn(shape, f), layout }
    }

    fn view(&mut self) -> ArrayViewMut2<'_, T> {
        let mut view = self.whole.view_mut();
        match self.layout {
            1 | 5 => view = view.reversed_axes(),
            2 => {
                view.slice_axis_inplace(Axis(0), Slice::new(1, Some(-2), 1));
                view.slice_axis_inplace(Axis(1), Slice::new(2, Some(-3), 1));
            }
            3 => {
                view.slice_axis_inplace(Axis(0), Slice::new(0, None, 3));
                view.slice_axis_inplace(Axis(1), Slice::new(0, None, 2));
            }
            _ => {}
        }
        if self.layout >= 4 {
            view.invert_axis(Axis(0));
            view.invert_axis(Axis(1));
        }
        view
    }
}

/// One case: shapes, layouts of A, B and C, and the update.
#[derive(Clone, Copy, Debug)]
struct Case {
    shape: [usize; 3],
    layouts: [usize; 3],
    update: usize,
}

const ALPHA: f64 = -0.375;
const BETA: f64 = 0.9375;

/// Replacing, adding, and blending with a factor of the old C and without one.
const UPDATES: usize = 4;

impl Case {
    fn update<T: Element>(self) -> Update<T> {
        match self.update {
            0 => Update::Replace,
            1 => Update::Add,
            _ => Update::Blend { alpha: T::from_f64(ALPHA), beta: T::from_f64(self.beta()) },
        }
    }

    /// The factor of the old C under a blend.
    fn beta(self) -> f64 {
        if self.update == 2 { BETA } else { 1.0 }
    }

    fn operands<T: Element>(self) -> [Laid<T>; 3] {
        let [m, k, n] = self.shape;
        let mut numbers = Numbers(m as u64 * 1_000_003 + k as u64 * 1009 + n as u64);
        let [a, b, c] = self.layouts;
        [
            Laid::new(m, k, a, || numbers.scalar()),
            Laid::new(k, n, b, || numbers.scalar()),
            Laid::new(m, n, c, || if self.update == 0 { T::from_f64(f64::NAN) } else { numbers.scalar() }),
        ]
    }

    /// The result on one instruction set, in row-major order.
    fn result<T: Element>(self, isa: Isa) -> Array2<T> {
        let [mut a, mut b, mut c] = self.operands::<T>();
        matmul(engine(isa), &a.view(), &b.view(), self.update(), &mut c.view(), None);
        let untouched = c.whole.len() - c.view().len();
        let view = c.view().to_owned();
        // What lies between the elements of C is as it was.
        let (_, _, mut before) = {
            let [a, b, c] = self.operands::<T>();
            (a, b, c)
        };
        before.view().assign(&view);
        let same =
            before.whole.iter().zip(&c.whole).all(|(x, y)| x.to_f64().to_bits() == y.to_f64().to_bits());
        assert!(untouched == 0 || same, "{self:?} wrote outside of C");
        view
    }

    fn check<T: Element>(self, epsilon: f64) {
        let [mut a, mut b, _] = self.operands::<T>();
        self.check_with::<T>(&sums(&a.view(), &b.view()), epsilon);
    }

    /// [`Case::check`] for each update.
    fn check_updates<T: Element>(shape: [usize; 3], layouts: [usize; 3], epsilon: f64) {
        let case = |update| Self { shape, layouts, update };
        let [mut a, mut b, _] = case(0).operands::<T>();
        let sums = sums(&a.view(), &b.view());
        for update in 0..UPDATES {
            case(update).check_with::<T>(&sums, epsilon);
        }
    }

    /// The results against the exact sums of A B.
    fn check_with<T: Element>(self, sums: &Sums, epsilon: f64) {
        let [_, k, _] = self.shape;
        let [_, _, mut c] = self.operands::<T>();
        let c = c.view();
        // The exact result and the bound of the error, element by element.
        let expected = Zip::from(&sums.terms).and(&sums.sizes).and(&c).map_collect(|&sum, &size, old| {
            let old = old.to_f64();
            let (expected, size) = match self.update {
                0 => (sum, size),
                1 => (old + sum, old.abs() + size),
                _ => (self.beta() * old + ALPHA * sum, old.abs() + size),
            };
            (expected, 2.0 * (k as f64 + 2.0) * epsilon * size)
        });
        let mut fused: Option<Array2<T>> = None;
        for isa in Isa::available() {
            let result = self.result::<T>(isa);
            for (at, &(expected, bound)) in expected.indexed_iter() {
                let found = result[at].to_f64();
                assert!(
                    (found - expected).abs() <= bound,
                    "{isa} {self:?} at {at:?}: {found} for {expected}"
                );
            }
            if isa != Isa::Portable {
                let first = fused.get_or_insert_with(|| result.clone());
                assert!(bits(first) == bits(&result), "{isa} {self:?} has other bits");
            }
        }
    }
}

/// A B, and the sums of the magnitudes of its terms.
struct Sums {
    terms: Array2<f64>,
    sizes: Array2<f64>,
}

/// Plain loops in `f64`, row by row.
fn sums<T: Element>(a: &ArrayRef2<T>, b: &ArrayRef2<T>) -> Sums {
    let n = b.ncols();
    let b: Vec<f64> = b.iter().map(|x| x.to_f64()).collect();
    let mut sums = Sums { terms: Array2::zeros((a.nrows(), n)), sizes: Array2::zeros((a.nrows(), n)) };
    for ((a, mut terms), mut sizes) in
        a.rows().into_iter().zip(sums.terms.rows_mut()).zip(sums.sizes.rows_mut())
    {
        let (terms, sizes) = (terms.as_slice_mut().unwrap(), sizes.as_slice_mut().unwrap());
        for (a, b) in a.iter().zip(b.chunks_exact(n.max(1))) {
            let a = a.to_f64();
            for ((sum, size), b) in terms.iter_mut().zip(&mut *sizes).zip(b) {
                *sum += a * b;
                *size += (a * b).abs();
            }
        }
    }
    sums
}

fn bits<T: Element>(array: &Array2<T>) -> Vec<u64> {
    array.iter().map(|x| x.to_f64().to_bits()).collect()
}

/// Sizes around every lane width and tile border.
const SIZES: [usize; 22] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 28, 31, 32, 33, 47, 65];

#[test]
fn random_shapes_and_layouts() {
    let mut numbers = Numbers(7);
    for _ in 0..if cfg!(miri) { 20 } else { 4000 } {
        let mut size = || SIZES[numbers.below(SIZES.len())];
        let shape = [size(), size(), size()];
        let mut layout = || numbers.below(LAYOUTS);
        let layouts = [layout(), layout(), layout()];
        let case = Case { shape, layouts, update: numbers.below(UPDATES) };
        case.check::<f32>(f64::from(f32::EPSILON));
        case.check::<f64>(f64::EPSILON);
    }
}

#[test]
fn dot_form_with_long_sums() {
    for k in [32, 33, 47, 48, 63, 64, 65, 200, 784] {
        for (m, n) in [(1, 1), (1, 33), (7, 5), (40, 70), (70, 10), (10, 70), (9, 12)] {
            for layouts in [[0, 1, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 1, 3], [2, 1, 2]] {
                Case::check_updates::<f32>([m, k, n], layouts, f64::from(f32::EPSILON));
                Case::check_updates::<f64>([m, k, n], layouts, f64::EPSILON);
            }
        }
    }
}

/// Shapes that are cut into blocks and copied.
#[test]
fn large_shapes() {
    for shape in [
        [150, 1030, 130],
        [61, 2100, 260],
        [128, 100, 512],
        [60, 130, 1024],
        [20, 5000, 33],
        [1, 3000, 300],
        [515, 9, 700],
        [100, 300, 128],
        [48, 80, 1024],
        // So much that both are copied: tiles of six rows and of five, and pieces of sums that are no multiple of four.
        [65, 563, 800],
        // Many tiles whose registers of B would lie in two cache lines.
        [613, 50, 35],
        // Pieces of sums that a few tiles read at once.
        [20, 700, 33],
        [64, 300, 40],
    ] {
        for layouts in [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 1], [3, 5, 2]] {
            Case::check_updates::<f32>(shape, layouts, f64::from(f32::EPSILON));
        }
    }
    Case { shape: [70, 1100, 140], layouts: [0, 1, 0], update: 2 }.check::<f64>(f64::EPSILON);
    Case { shape: [65, 563, 800], layouts: [1, 0, 0], update: 1 }.check::<f64>(f64::EPSILON);
    // Short rows of B: whole strips are copied by the first tile, and what is left beside them before. Several blocks of rows and of sums.
    for shape in [[61, 300, 64], [150, 1030, 67]] {
        for layouts in [[0, 0, 0], [1, 0, 0], [0, 0, 2], [3, 5, 1]] {
            Case::check_updates::<f64>(shape, layouts, f64::EPSILON);
        }
    }
    // More rows of A than are copied at once.
    Case { shape: [1030, 2060, 130], layouts: [1, 0, 0], update: 1 }.check::<f32>(f64::from(f32::EPSILON));
}

/// Strips side by side, with and without columns behind them, as rows in exactly as much memory as they take.
fn strips_are_copied<T: Element>() {
    const BEHIND: usize = 9;
    let mut numbers = Numbers(5);
    let untouched = T::from_f64(-7.0);
    for isa in Isa::available() {
        for _ in 0..if cfg!(miri) { 40 } else { 3000 } {
            let (rows, cols, strips) = (1 + numbers.below(9), 1 + numbers.below(17), 1 + numbers.below(4));
            let room = strips * cols + numbers.below(17);
            let case = format!("{isa}: {strips} strips of {rows} × {cols}, {room} in a row");
            let source = Array2::from_shape_fn((rows, room), |(i, j)| T::from_f64((100 * i + j) as f64));
            let from = MatRef::new(&source).block(0, 0, rows, strips * cols);
            let mut copy = vec![untouched; strips * rows * cols + BEHIND];
            let to = copy.as_mut_ptr();
            let copies = Strips { from, cols, room, to, to_row: cols, to_strip: rows * cols, more: false };
            Ready::new(isa).unwrap().dispatch(copies);
            let (copied, behind) = copy.split_at(strips * rows * cols);
            for (at, x) in copied.iter().enumerate() {
                let (s, i, j) = (at / (rows * cols), at / cols % rows, at % cols);
                assert_eq!(*x, T::from_f64((100 * i + s * cols + j) as f64), "{case}: {s}, {i}, {j}");
            }
            assert!(behind.iter().all(|&x| x == untouched), "{case}");
        }
    }
}

#[test]
fn strips_are_copied_and_nothing_behind_them_is_written() {
    strips_are_copied::<f32>();
    strips_are_copied::<f64>();
}

/// Rows whose last register is half empty, as processors that split registers compute them and as others do.
#[test]
fn half_registers() {
    for splits in [true, false] {
        SPLITS.set(Some(splits));
        for shape in [[7, 30, 24], [40, 65, 17], [15, 200, 53], [300, 40, 20]] {
            for layouts in [[0, 0, 0], [0, 1, 0], [1, 0, 1]] {
                Case::check_updates::<f32>(shape, layouts, f64::from(f32::EPSILON));
                Case::check_updates::<f64>(shape, layouts, f64::EPSILON);
            }
        }
    }
    SPLITS.set(None);
}

/// A single row whose B is as large as caches, with whole and partial registers at the end of a row, and 8 rows of B and some.
#[test]
fn single_rows_of_large_products() {
    for shape in [[1, 1203, 1300], [1, 1600, 1024], [1, 5, 300_000]] {
        for layouts in [[0, 0, 0], [1, 0, 0], [0, 2, 0], [2, 0, 2]] {
            Case::check_updates::<f32>(shape, layouts, f64::from(f32::EPSILON));
        }
    }
    Case { shape: [1, 701, 900], layouts: [0, 0, 0], update: 1 }.check::<f64>(f64::EPSILON);
}

/// A single row of one register to more than are computed at once, and wider ones whose B is read as it lies in memory, with something left of
/// the last register and of the last rows of B that are read side by side.
#[test]
fn single_rows_of_every_width() {
    let (widest, step) = if cfg!(miri) { (35, 34) } else { (140, 1) };
    for n in (1..=widest).step_by(step) {
        for layouts in [[0, 0, 0], [0, 0, 1], [2, 2, 2]] {
            Case::check_updates::<f32>([1, 250, n], layouts, f64::from(f32::EPSILON));
            Case::check_updates::<f64>([1, 131, n], layouts, f64::EPSILON);
        }
    }
}

/// A few rows whose B is larger than caches: it is read some rows at a time, into a buffer where C is scattered or blended, and for more
/// rows it is copied.
#[test]
fn few_rows_of_large_products() {
    for shape in [[2, 700, 1100], [13, 1203, 650], [27, 803, 650], [30, 803, 650], [64, 803, 650]] {
        for layouts in [[0, 0, 0], [1, 0, 0], [0, 2, 1], [0, 0, 3], [2, 0, 2]] {
            Case::check_updates::<f32>(shape, layouts, f64::from(f32::EPSILON));
        }
        Case::check_updates::<f64>(shape, [0, 0, 0], f64::EPSILON);
    }
}

/// A C that is large beside A and B, walked through as it lies in memory; with A copied where its columns lie 4 KiB apart, and with both
/// copied where there is much to compute.
#[test]
fn short_sums_for_large_results() {
    for shape in
        [[600, 1, 611], [1300, 7, 450], [517, 7, 700], [1024, 17, 515], [1025, 100, 256], [701, 70, 433]]
    {
        for layouts in [[0, 0, 0], [1, 0, 0], [0, 0, 1], [1, 1, 1], [2, 1, 2]] {
            Case::check_updates::<f32>(shape, layouts, f64::from(f32::EPSILON));
        }
    }
    Case { shape: [1024, 17, 259], layouts: [1, 0, 0], update: 2 }.check::<f64>(f64::EPSILON);
}

/// Sums of a few terms are chains of multiply-adds to the bit, in rows of whole registers and with something left of one.
#[test]
fn sums_of_a_few_terms() {
    for (k, n) in (0..=5).flat_map(|k| [17, 33, 40, 64, 75, 128, 150].map(|n| (k, n))) {
        for layouts in [[0, 0, 0], [1, 0, 0], [2, 3, 2], [0, 0, 1], [0, 1, 0]] {
            let shape = [37, k, n];
            Case::check_updates::<f32>(shape, layouts, f64::from(f32::EPSILON));
            Case::check_updates::<f64>(shape, layouts, f64::EPSILON);
            for update in 0..UPDATES {
                let case = Case { shape, layouts, update };
                let [mut a, mut b, mut c] = case.operands::<f32>();
                let (a, b, c) = (a.view(), b.view(), c.view());
                let expected = Array2::from_shape_fn(c.dim(), |(i, j)| {
                    let first = if update == 1 { c[(i, j)] } else { 0.0 };
                    let sum = (0..k).fold(first, |sum, p| a[(i, p)].mul_add(b[(p, j)], sum));
                    match case.update::<f32>() {
                        Update::Blend { alpha, beta } => alpha.mul_add(sum, beta * c[(i, j)]),
                        Update::Replace | Update::Add => sum,
                    }
                });
                for isa in Isa::available().filter(|&isa| isa != Isa::Portable) {
                    assert!(bits(&case.result::<f32>(isa)) == bits(&expected), "{isa} {case:?}");
                }
            }
        }
    }
}

/// β C + α (A B) has the bits of the product followed by the elementwise step.
#[test]
fn a_blend_is_the_product_and_then_a_step() {
    for isa in Isa::available().filter(|&isa| isa != Isa::Portable) {
        for shape in [[7, 8, 33], [784, 10, 30], [60, 600, 40], [20, 2500, 40], [3, 64, 3], [5, 0, 5]] {
            for (layouts, update) in [([0, 0, 0], 2), ([0, 1, 0], 3), ([1, 0, 1], 2), ([1, 0, 0], 3)] {
                let case = Case { shape, layouts, update };
                let blended = case.result::<f32>(isa);
                // The same operands with another update.
                let [mut a, mut b, mut c] = case.operands::<f32>();
                let mut g = Array2::from_elem((shape[0], shape[2]), f32::NAN);
                matmul(engine(isa), &a.view(), &b.view(), Update::Replace, &mut g, None);
                let (alpha, beta) = (f32::from_f64(ALPHA), f32::from_f64(case.beta()));
                let stepped = Array2::from_shape_fn(g.dim(), |at| alpha.mul_add(g[at], beta * c.view()[at]));
                assert!(bits(&blended) == bits(&stepped), "{isa} {case:?}");
            }
        }
    }
}

#[test]
fn the_epilogue_sees_each_finished_element_once() {
    let mut numbers = Numbers(3);
    let shapes =
        [[0, 3, 4], [4, 0, 5], [1, 100, 40], [33, 7, 65], [70, 1100, 300], [20, 64, 10], [64, 64, 5]];
    for isa in Isa::available() {
        for shape in shapes {
            let layouts = [numbers.below(LAYOUTS), numbers.below(LAYOUTS), numbers.below(LAYOUTS)];
            for update in 0..UPDATES {
                let case = Case { shape, layouts, update };
                let expected = case.result::<f64>(isa);
                let [mut a, mut b, mut c] = case.operands::<f64>();
                let seen = Mutex::new(Array2::<usize>::zeros(expected.dim()));
                let epilogue = |block: Block<f64>| {
                    let mut seen = seen.lock().unwrap();
                    for i in 0..block.c.rows {
                        for j in 0..block.c.cols {
                            let at = [block.row + i, block.col + j];
                            seen[at] += 1;
                            // SAFETY: the element lies in the block, which only this call touches now.
                            let element = unsafe { *block.c.at(i, j) };
                            assert_eq!(element.to_bits(), expected[at].to_bits(), "{case:?}");
                        }
                    }
                };
                matmul(engine(isa), &a.view(), &b.view(), case.update(), &mut c.view(), Some(&epilogue));
                assert!(seen.into_inner().unwrap().iter().all(|&n| n == 1), "{case:?}");
            }
        }
    }
}

/// An operand of which rows or columns repeat (stride 0).
#[test]
fn broadcast_operands() {
    let row = Array2::from_shape_fn((1, 40), |(_, j)| j as f32);
    let (a, b) = (row.broadcast((9, 40)).unwrap(), Array2::from_shape_fn((40, 20), |(i, j)| (i + j) as f32));
    for isa in Isa::available() {
        let mut c = Array2::zeros((9, 20));
        matmul(engine(isa), &a, &b, Update::Replace, &mut c, None);
        let expected = Array2::from_shape_fn(c.dim(), |(_, j)| (0..40).map(|p| (p * (p + j)) as f32).sum());
        assert_eq!(c, expected);
        // Transposed: the unit strides are those of an axis that repeats.
        let mut c = Array2::zeros((20, 9));
        matmul(engine(isa), &b.t(), &a.t(), Update::Replace, &mut c, None);
        assert_eq!(c, expected.t());
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let shapes =
        [[1, 784, 128], [32, 784, 128], [130, 200, 10], [64, 64, 200], [200, 300, 400], [7, 3, 2000]];
    for (round, shape) in shapes.into_iter().enumerate() {
        for layouts in [[0, 0, 0], [0, 1, 0], [1, 0, 1], [3, 2, 5]] {
            let case = Case { shape, layouts, update: round % UPDATES };
            for isa in Isa::available() {
                let expected = case.result::<f32>(isa);
                for threads in [2, 3, 8] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let engine = Engine { isa: Ready::new(isa).unwrap(), threads: 0 };
                    pool.install(|| {
                        // Helpers come and go: several runs see both.
                        for _ in 0..5 {
                            let [mut a, mut b, mut c] = case.operands::<f32>();
                            let seen = Mutex::new(0);
                            let epilogue =
                                |block: Block<f32>| *seen.lock().unwrap() += block.c.rows * block.c.cols;
                            matmul(
                                engine,
                                &a.view(),
                                &b.view(),
                                case.update(),
                                &mut c.view(),
                                Some(&epilogue),
                            );
                            assert!(
                                bits(&c.view().to_owned()) == bits(&expected),
                                "{isa} {case:?} {threads}"
                            );
                            assert_eq!(seen.into_inner().unwrap(), expected.len());
                        }
                    });
                }
            }
        }
    }
}
