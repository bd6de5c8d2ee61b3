//! What the backend does for dense layers: products with all that can be done while their results are in cache.

use chainrule_core::{Activation, Scalar, Slope};
use ndarray::{ArrayRef1, ArrayRef2};

use crate::elementwise::{self, read};
use crate::gemm::view::{MatMut, MatRef};
use crate::gemm::{self, Block, Buffer, Engine, Epilogue, Update};
use crate::isa::{Kernel, Ready};
use crate::lane::Lane;
use crate::small::{self, Finish};
use crate::threads;
use crate::vmath::Real;

/// Bytes of inputs and outputs that a piece of a tall batch has, about those of a first-level cache.
const PIECE: usize = 32 << 10;

/// Fewest rows of such a piece.
const FEWEST: usize = 64;

/// Pieces into which the sum over a tall batch is cut, for the gradient of a narrow layer.
const SUMS: usize = 8;

/// The pieces into which the sum over a batch of so many rows is cut for the gradient of a layer: 1 unless the rows are many beside
/// the weights. A thread then has the same rows from the forward product on: to fetch them from the cache of another core costs
/// more than to add the sums. Decided by shapes alone.
fn sums<T>(rows: usize, n_j: usize, n_k: usize) -> usize {
    let len = n_j.saturating_mul(n_k);
    let bytes = len.saturating_mul(size_of::<T>());
    if rows >= 4 * FEWEST * SUMS && bytes <= PIECE / 2 {
        SUMS
    } else if rows.saturating_mul(n_j + n_k) > 4 * len
        && rows.saturating_mul(len) >= DEEP
        && bytes <= 8 * PIECE
    {
        2
    } else {
        1
    }
}

/// Multiply-adds from which the forward product of a small batch, or the gradient of a tall one, is computed as the sum of two.
const DEEP: usize = 1 << 20;

/// And those of a single sample, whose time goes into fetching the weights, and of layers that have this many inputs, beside which little
/// goes from thread to thread.
const DEEP_SOONER: usize = 1 << 16;
const DEPTH: usize = 256;

/// Most multiply-adds of a product alone that is better off without a plan.
const TINY: usize = 1 << 12;

/// Whether X W is computed as the sum of two products: for batches that are small beside the weights, if those of one input are
/// adjacent in memory. Decided by shapes and strides alone.
fn is_deep<T>(x: MatRef<T>, w: MatRef<T>) -> bool {
    w.col == 1 && has_deep_shape(x.rows, x.cols, w.cols) && !gemm::is_dot(x, w)
}

/// [`is_deep`] as far as it is decided by shapes.
fn has_deep_shape(rows: usize, depth: usize, cols: usize) -> bool {
    let deep = if rows == 1 || depth >= DEPTH { DEEP_SOONER } else { DEEP };
    rows.saturating_mul(4) <= depth && rows.saturating_mul(depth).saturating_mul(cols) >= deep
}

/// Whether such a batch belongs to a deep product with layers of 16 units and more: then each of two threads will read half of its columns.
pub(crate) fn is_halved(rows: usize, depth: usize) -> bool {
    has_deep_shape(rows, depth, 16)
}

/// A vector as a matrix of one row.
pub(crate) fn row<T: Copy>(x: &ArrayRef1<T>) -> MatRef<T> {
    let [col] = *x.strides() else { unreachable!("one axis") };
    MatRef { ptr: x.as_ptr(), rows: 1, cols: x.len(), row: 0, col }
}

/// A vector as a matrix of one row.
fn row_mut<T: Copy>(x: &mut ArrayRef1<T>) -> MatMut<T> {
    let [col] = *x.strides() else { unreachable!("one axis") };
    MatMut { ptr: x.as_mut_ptr(), rows: 1, cols: x.len(), row: 0, col }
}

/// Z and A of a finished block of X W, which lies in A.
///
/// # Safety
///
/// Bias, Z and A have the same shape, and the block is valid for reads and writes.
unsafe fn finish<T: Real + Scalar>(
    g: Activation,
    bias: Option<MatRef<T>>,
    z: Option<MatMut<T>>,
    isa: Ready,
    Block { row, col, c }: Block<T>,
) {
    let bias = bias.map(|b| b.block(row, col, c.rows, c.cols));
    let z = z.map(|z| z.block(row, col, c.rows, c.cols));
    // SAFETY: the caller's contract.
    unsafe { elementwise::finish_forward(Engine { isa, threads: 1 }, g, bias, z, c) }
}

impl Engine {
    /// Calls `work(engine, row, rows)` for pieces of the rows of A B, on several threads if that pays; for all of them at once unless
    /// the batch is tall and the layer narrow. What the pieces are depends on shapes and strides alone.
    fn by_rows<T: Real>(self, a: MatRef<T>, b: MatRef<T>, work: &(dyn Fn(Self, usize, usize) + Sync)) {
        let (rows, depth, cols) = (a.rows, a.cols, b.cols);
        let size = size_of::<T>();
        let piece = (PIECE / ((depth + cols).max(1) * size)).max(FEWEST);
        if rows < 2 * piece || depth.saturating_mul(cols) * size > PIECE / 2 || gemm::is_dot(a, b) {
            return work(self, 0, rows);
        }
        // An even number, of which two threads have as many.
        let pieces = rows.div_ceil(piece).next_multiple_of(2);
        self.share_rows::<T>((rows, depth, cols), pieces, &|engine, _, row, rows| work(engine, row, rows));
    }

    /// Calls `work(engine, piece, row, rows)` for so many pieces of the rows, each thread for those that follow each other.
    fn share_rows<T: Real>(
        self,
        (rows, depth, cols): (usize, usize, usize),
        pieces: usize,
        work: &(dyn Fn(Self, usize, usize, usize) + Sync),
    ) {
        let nanoseconds = rows * (depth * cols / T::PER_NANOSECOND + cols / elementwise::PACE);
        let ways = threads::ways_where_data_lies(self.threads, nanoseconds).min(pieces);
        let alone = Self { threads: 1, ..self };
        threads::parallel_for(ways, &|part| {
            for piece in gemm::share(pieces, ways, 1, part) {
                let rows = gemm::share(rows, pieces, gemm::UNIT, piece);
                work(alone, piece, rows.start, rows.len());
            }
        });
    }

    /// C from A B.
    #[inline]
    pub(crate) fn matmul<T: Real>(
        self,
        a: &ArrayRef2<T>,
        b: &ArrayRef2<T>,
        update: Update<T>,
        c: &mut ArrayRef2<T>,
    ) {
        let (a, b, c) = (MatRef::new(a), MatRef::new(b), MatMut::new(c));
        let tiny = a.rows.saturating_mul(a.cols).saturating_mul(b.cols) <= TINY && update == Update::Replace;
        // SAFETY: the arrays are borrowed until this function returns, and their shapes were checked.
        unsafe {
            if !(tiny && small::product(self.isa, a, b, &Finish::Replace, c)) {
                gemm::product(self, a, b, update, c, None);
            }
        }
    }

    pub(crate) fn dense_forward<T: Real + Scalar>(
        self,
        x: &ArrayRef2<T>,
        w: &ArrayRef2<T>,
        b: Option<&ArrayRef1<T>>,
        g: Activation,
        z: Option<&mut ArrayRef2<T>>,
        a: &mut ArrayRef2<T>,
    ) {
        let relu = g == Activation::Relu && z.is_none();
        let finish = match b {
            Some(b) => Finish::Bias { bias: b.as_ptr(), relu },
            None => Finish::Replace,
        };
        // SAFETY: the arrays are borrowed until this function returns, and their shapes were checked.
        unsafe {
            let contiguous = b.is_none_or(|b| row(b).col == 1);
            if contiguous
                && small::product(self.isa, MatRef::new(x), MatRef::new(w).t(), &finish, MatMut::new(a))
            {
                if !(relu && b.is_some()) {
                    let alone = Self { threads: 1, ..self };
                    elementwise::finish_forward(alone, g, None, z.map(MatMut::new), MatMut::new(a));
                }
                return;
            }
        }
        self.large_forward(x, w, b, g, z, a);
    }

    /// [`Engine::dense_forward`] of what is not small: a function of its own, so that small layers do not wait for what it keeps on the stack.
    #[inline(never)]
    fn large_forward<T: Real + Scalar>(
        self,
        x: &ArrayRef2<T>,
        w: &ArrayRef2<T>,
        b: Option<&ArrayRef1<T>>,
        g: Activation,
        z: Option<&mut ArrayRef2<T>>,
        a: &mut ArrayRef2<T>,
    ) {
        // Every row of the bias is b.
        let bias = b.map(|b| MatRef { rows: a.nrows(), ..row(b) });
        let (x, w, z, a) = (MatRef::new(x), MatRef::new(w).t(), z.map(MatMut::new), MatMut::new(a));
        if is_deep(x, w) {
            // SAFETY: the arrays are borrowed until this function returns, and their shapes were checked.
            return unsafe { self.forward_in_halves(x, w, bias, g, z, a) };
        }
        self.by_rows(x, w, &|engine, row, rows| {
            let part = |m: MatRef<T>| m.block(row, 0, rows, m.cols);
            let part_mut = |m: MatMut<T>| m.block(row, 0, rows, m.cols);
            // SAFETY: as above; the pieces do not overlap.
            unsafe { engine.forward(part(x), w, bias.map(part), g, z.map(part_mut), part_mut(a)) };
        });
    }

    /// Z ← X W + 1 bᵀ, A ← g(Z).
    ///
    /// # Safety
    ///
    /// The views are valid and of fitting shapes.
    unsafe fn forward<T: Real + Scalar>(
        self,
        x: MatRef<T>,
        w: MatRef<T>,
        bias: Option<MatRef<T>>,
        g: Activation,
        z: Option<MatMut<T>>,
        a: MatMut<T>,
    ) {
        // SAFETY: the block lies inside of A, and no two blocks overlap.
        let epilogue = move |block| unsafe { finish(g, bias, z, self.isa, block) };
        let nothing = bias.is_none() && z.is_none() && g == Activation::Identity;
        // SAFETY: the caller's contract.
        unsafe {
            gemm::product(self, x, w, Update::Replace, a, if nothing { None } else { Some(&epilogue) });
        };
    }

    /// [`Engine::forward`] as the sum of the products of both halves of X and W. Two threads have a half of W each, the one that
    /// they write in [`Engine::dense_gradient`]: to take the other's from its cache costs more than to add the halves. One thread
    /// computes the second half into C, unless it reads a large W as it lies in memory, which takes several visits to C.
    ///
    /// # Safety
    ///
    /// The views are valid and of fitting shapes.
    unsafe fn forward_in_halves<T: Real + Scalar>(
        self,
        x: MatRef<T>,
        w: MatRef<T>,
        bias: Option<MatRef<T>>,
        g: Activation,
        z: Option<MatMut<T>>,
        a: MatMut<T>,
    ) {
        let (rows, depth, cols) = (x.rows, x.cols, w.cols);
        let first = gemm::share(depth, 2, gemm::UNIT, 0).end;
        let half = |part: usize| {
            let (from, len) = if part == 0 { (0, first) } else { (first, depth - first) };
            (x.block(0, from, rows, len), w.block(from, 0, len, cols))
        };
        let alone = Self { threads: 1, ..self };
        // SAFETY: the block lies inside of A, and no two blocks overlap.
        let epilogue = move |block| unsafe { finish(g, bias, z, self.isa, block) };
        let ways = self.ways_of_deep(x, w);
        let (x_0, w_0) = half(0);
        let (x_1, w_1) = half(1);
        if ways == 1 && !gemm::is_read_in_order(w_1) {
            let add = Update::Blend { alpha: T::of(1.0), beta: T::of(1.0) };
            // SAFETY: the caller's contract; the first product writes all of A.
            unsafe {
                gemm::product(alone, x_0, w_0, Update::Replace, a, None);
                gemm::product(alone, x_1, w_1, add, a, Some(&epilogue));
            }
            return;
        }
        Buffer::with(rows * cols, |space: *mut T| {
            let other = MatMut { ptr: space, rows, cols, row: cols.cast_signed(), col: 1 };
            let parts = (ways / 2).max(1);
            let halves = |part: usize| {
                let ((x, w), c) = if part < parts { ((x_0, w_0), a) } else { ((x_1, w_1), other) };
                let cols = gemm::share(cols, parts, gemm::UNIT, part % parts);
                // SAFETY: the caller's contract; parts do not overlap.
                unsafe {
                    let w = w.block(0, cols.start, w.rows, cols.len());
                    let c = c.block(0, cols.start, rows, cols.len());
                    gemm::product(alone, x, w, Update::Replace, c, None);
                }
            };
            if ways == 1 {
                (0..2).for_each(halves);
            } else {
                threads::parallel_for(2 * parts, &halves);
            }
            let other = other.as_ref();
            let pieces = rows.div_ceil((PIECE / (cols * size_of::<T>())).max(1));
            self.share_rows::<T>((rows, 0, cols), pieces, &|_, _, row, n| {
                let c = a.block(row, 0, n, cols);
                let other = other.block(row, 0, n, cols);
                // SAFETY: both products are there, and pieces do not overlap.
                unsafe { elementwise::finish_forward(alone, Activation::Identity, Some(other), None, c) };
                epilogue(Block { row, col: 0, c });
            });
        });
    }

    /// In how many parts the products of a deep layer X W are computed, all alike, so that its weights stay with their threads. With each
    /// product go the sums of Z or δ from one thread to the other.
    fn ways_of_deep<T: Real>(self, x: MatRef<T>, w: MatRef<T>) -> usize {
        let nanoseconds = gemm::nanoseconds::<T>(x.rows, x.cols, w.cols);
        threads::ways_in_place(self.threads, nanoseconds, x.rows * w.cols * size_of::<T>())
    }

    /// C from A B, one of the products by which a layer X W learns.
    ///
    /// # Safety
    ///
    /// As for [`gemm::product`] with A, B and C; of X and W nothing is read.
    unsafe fn product_of_layer<T: Real>(
        self,
        [x, w]: [MatRef<T>; 2],
        [a, b]: [MatRef<T>; 2],
        update: Update<T>,
        c: MatMut<T>,
        epilogue: Option<Epilogue<'_, T>>,
    ) {
        let parts = if is_deep(x, w) { self.ways_of_deep(x, w) } else { gemm::parts(self, a, b, &c) };
        // SAFETY: the caller's contract.
        unsafe { gemm::product_in_parts(self.isa, parts, a, b, update, c, epilogue) };
    }

    pub(crate) fn dense_backward<T: Real + Scalar>(
        self,
        delta: &ArrayRef2<T>,
        w: &ArrayRef2<T>,
        slope: Option<Slope<'_, T>>,
        below: &mut ArrayRef2<T>,
    ) {
        let slope = slope.filter(|slope| slope.activation != Activation::Identity);
        let saved = slope.as_ref().map(|slope| MatRef::new(&slope.saved)).filter(|saved| saved.col == 1);
        let step = |below: f64| {
            saved.map(|MatRef { ptr, row, .. }| Finish::Step { saved: ptr, row, below: T::of(below) })
        };
        let finish = match slope.as_ref().map(|slope| slope.activation) {
            Some(Activation::Relu) => step(0.0),
            Some(Activation::LeakyRelu(slope)) => step(slope),
            _ => None,
        };
        let rest = slope.as_ref().filter(|_| finish.is_none());
        let finish = finish.unwrap_or(Finish::Replace);
        // SAFETY: the arrays are borrowed until this function returns, and their shapes were checked.
        unsafe {
            if small::product(self.isa, MatRef::new(delta), MatRef::new(w), &finish, MatMut::new(below)) {
                if let Some(Slope { activation, saved }) = rest {
                    let alone = Self { threads: 1, ..self };
                    elementwise::apply_slope(alone, *activation, MatRef::new(saved), MatMut::new(below));
                }
                return;
            }
        }
        self.large_backward(delta, w, slope, below);
    }

    /// [`Engine::dense_backward`] of what is not small.
    #[inline(never)]
    fn large_backward<T: Real + Scalar>(
        self,
        delta: &ArrayRef2<T>,
        w: &ArrayRef2<T>,
        slope: Option<Slope<'_, T>>,
        below: &mut ArrayRef2<T>,
    ) {
        let slope = slope.as_ref().map(|slope| (slope.activation, MatRef::new(&slope.saved)));
        let (delta, w, below) = (MatRef::new(delta), MatRef::new(w), MatMut::new(below));
        self.by_rows(delta, w, &|engine, row, rows| {
            let part = |m: MatRef<T>| m.block(row, 0, rows, m.cols);
            let below = below.block(row, 0, rows, below.cols);
            let slope = slope.map(|(g, saved)| (g, part(saved)));
            // SAFETY: the arrays are borrowed until this function returns, and their shapes were checked; the pieces do not overlap.
            unsafe { engine.backward(part(delta), w, slope, below) };
        });
    }

    /// Δ ← δ W, times the slope of what was saved.
    ///
    /// # Safety
    ///
    /// The views are valid and of fitting shapes.
    unsafe fn backward<T: Real + Scalar>(
        self,
        delta: MatRef<T>,
        w: MatRef<T>,
        slope: Option<(Activation, MatRef<T>)>,
        below: MatMut<T>,
    ) {
        let layer = [below.as_ref(), w.t()];
        let Some((g, saved)) = slope else {
            // SAFETY: the caller's contract.
            return unsafe { self.product_of_layer(layer, [delta, w], Update::Replace, below, None) };
        };
        let alone = Self { threads: 1, ..self };
        let epilogue = move |Block { row, col, c }: Block<T>| {
            // SAFETY: the block lies inside of the result, which has the shape of `saved`.
            unsafe { elementwise::apply_slope(alone, g, saved.block(row, col, c.rows, c.cols), c) }
        };
        // SAFETY: the caller's contract.
        unsafe { self.product_of_layer(layer, [delta, w], Update::Replace, below, Some(&epilogue)) };
    }

    /// W (or ΔW) and b (or Δb) from δᵀ X and δᵀ 1.
    pub(crate) fn dense_gradient<T: Real + Scalar>(
        self,
        delta: &ArrayRef2<T>,
        x: &ArrayRef2<T>,
        (weights, biases): (Update<T>, Update<T>),
        w: &mut ArrayRef2<T>,
        b: Option<&mut ArrayRef1<T>>,
    ) {
        let finish = match weights {
            Update::Replace => Some(Finish::Replace),
            Update::Blend { alpha, beta } => Some(Finish::Blend { alpha, beta }),
            Update::Add => None,
        };
        // SAFETY: the arrays are borrowed until the calls return.
        unsafe {
            let small = |finish| {
                small::product(self.isa, MatRef::new(delta).t(), MatRef::new(x), finish, MatMut::new(w))
            };
            if finish.as_ref().is_some_and(small) {
                if let Some(b) = b {
                    elementwise::column_sums(self, MatRef::new(delta), biases, row_mut(b));
                }
                return;
            }
        }
        self.large_gradient(delta, x, (weights, biases), w, b);
    }

    /// [`Engine::dense_gradient`] of what is not small.
    #[inline(never)]
    fn large_gradient<T: Real + Scalar>(
        self,
        delta: &ArrayRef2<T>,
        x: &ArrayRef2<T>,
        (weights, biases): (Update<T>, Update<T>),
        w: &mut ArrayRef2<T>,
        b: Option<&mut ArrayRef1<T>>,
    ) {
        let (delta, x, w, b) = (MatRef::new(delta), MatRef::new(x), MatMut::new(w), b.map(row_mut));
        // SAFETY: the arrays are borrowed until this function returns, and their shapes were checked.
        unsafe {
            if self.tall_gradient(delta, x, (weights, biases), w, b) {
                return;
            }
            self.product_of_layer([x, w.as_ref().t()], [delta.t(), x], weights, w, None);
            if let Some(b) = b {
                elementwise::column_sums(self, delta, biases, b);
            }
        }
    }

    /// [`Engine::dense_gradient`] by sums over pieces of the batch, if there are several; whether there were.
    ///
    /// # Safety
    ///
    /// The views are valid, W and b for writes, and of fitting shapes.
    unsafe fn tall_gradient<T: Real>(
        self,
        delta: MatRef<T>,
        x: MatRef<T>,
        (weights, biases): (Update<T>, Update<T>),
        w: MatMut<T>,
        b: Option<MatMut<T>>,
    ) -> bool {
        let (rows, n_j, n_k) = (delta.rows, delta.cols, x.cols);
        let pieces = sums::<T>(rows, n_j, n_k);
        if pieces == 1 {
            return false;
        }
        let len = n_j * n_k;
        // As W lies in memory, so that both are walked through along their rows.
        let turned = w.row == 1 && w.col != 1;
        let w = if turned { w.t() } else { w };
        let both = len + n_j;
        Buffer::with(pieces * both, |space: *mut T| {
            let sums = MatMut { ptr: space, rows: pieces, cols: both, row: both.cast_signed(), col: 1 };
            self.share_rows::<T>((rows, n_k, n_j), pieces, &|engine, piece, row, rows| {
                let part = |m: MatRef<T>| m.block(row, 0, rows, m.cols);
                let to = sums.at(piece, 0);
                let dw = MatMut { ptr: to, rows: w.rows, cols: w.cols, row: w.cols.cast_signed(), col: 1 };
                let dw = if turned { dw.t() } else { dw };
                let db = MatMut { ptr: to.wrapping_add(len), rows: 1, cols: n_j, row: 0, col: 1 };
                // SAFETY: the caller's contract; each piece has sums of its own.
                unsafe {
                    gemm::product(engine, part(delta).t(), part(x), Update::Replace, dw, None);
                    elementwise::column_sums(engine, part(delta), Update::Replace, db);
                }
            });
            let sums = sums.as_ref();
            self.isa.dispatch(Total { sums: sums.block(0, 0, pieces, len), c: w, update: weights });
            if let Some(b) = b {
                self.isa.dispatch(Total { sums: sums.block(0, len, pieces, n_j), c: b, update: biases });
            }
        });
        true
    }
}

/// Updates C with the sum over the rows of `sums`, in their order; a row holds a term of each element of C, row after row.
struct Total<T> {
    sums: MatRef<T>,
    c: MatMut<T>,
    update: Update<T>,
}

impl<T: Real> Kernel<T> for Total<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { sums, c, update } = self;
        for i in 0..c.rows {
            let mut j = 0;
            while j < c.cols {
                let n = L::LANES.min(c.cols - j);
                // SAFETY: the elements from (i, j) on lie inside of C, and their terms inside of `sums`; the caller enables the
                // set of `L`.
                unsafe {
                    let mut sum = read::<T, L>(sums.at(0, i * c.cols + j), 1, n);
                    for p in 1..sums.rows {
                        sum = sum.add(read::<T, L>(sums.at(p, i * c.cols + j), 1, n));
                    }
                    elementwise::update_with(sum, update, c.at(i, j), c.col, n);
                }
                j += n;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chainrule_core::{Accumulate, Activation, Backend, Descent, Slope};
    use ndarray::{Array1, Array2};

    use crate::{Isa, Simd};

    /// What a layer of so many inputs and outputs makes of a batch, bit for bit. The weights of an input are adjacent in memory.
    fn everything(backend: &dyn Backend<f32>, rows: usize, (n_k, n_j): (usize, usize)) -> Vec<u32> {
        let number = |i: usize, j: usize| ((i * 37 + j * 101) % 997) as f32 / 500.0 - 1.0;
        let x = Array2::from_shape_fn((rows, n_k), |(i, j)| number(i, j));
        let delta = Array2::from_shape_fn((rows, n_j), |(i, j)| number(i + 3, j));
        let w = Array2::from_shape_fn((n_k, n_j), |(i, j)| number(i, j)).reversed_axes();
        let b = Array1::from_shape_fn(n_j, |j| number(7, j));
        let (mut a, mut z, mut below) =
            (Array2::zeros((rows, n_j)), Array2::zeros((rows, n_j)), Array2::zeros((rows, n_k)));
        backend.dense_forward(&x, &w, Some(&b), Activation::Gelu, Some(&mut z), &mut a).unwrap();
        backend.dense_forward(&x, &w, Some(&b), Activation::Tanh, None, &mut a).unwrap();
        let slope = Slope { activation: Activation::Tanh, saved: x.view() };
        backend.dense_backward(&delta, &w, Some(slope), &mut below).unwrap();
        let (mut dw, mut db) = (Array2::ones((n_k, n_j)).reversed_axes(), Array1::ones(n_j));
        let (mut new_w, mut new_b) = (w.clone(), b.clone());
        let step = Descent { rate: 0.25, decay: 0.5 };
        let mut place = vec![0.0; n_j * n_k + n_j];
        for how in [Accumulate::Replace, Accumulate::Add] {
            backend.dense_gradient(&delta, &x, how, &mut dw, Some(&mut db)).unwrap();
        }
        backend.dense_descend(&delta, &x, step, &mut place, &mut new_w, Some(&mut new_b)).unwrap();
        let matrices = [&a, &z, &below, &dw, &new_w].into_iter().flatten();
        matrices.chain([&db, &new_b].into_iter().flatten()).map(|x| x.to_bits()).collect()
    }

    /// Compares what a layer makes of batches on every set and several numbers of threads.
    fn same_bits(batches: &[usize], layer: (usize, usize)) {
        let fused: Vec<_> = Isa::available().filter(|&isa| isa != Isa::Portable).collect();
        for &rows in batches {
            let alone = |isa| everything(&Simd::builder().isa(isa).threads(1).build().unwrap(), rows, layer);
            let expected = alone(Isa::detect());
            for &isa in &fused {
                assert!(alone(isa) == expected, "{rows} rows on {isa}");
            }
            // The set that the environment asks for, which may be without fused multiply-add.
            let expected = alone(Simd::new().isa());
            for threads in [2, 3, 8] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    for _ in 0..5 {
                        let found = everything(&Simd::new(), rows, layer);
                        assert!(found == expected, "{rows} rows, {threads} threads");
                    }
                });
            }
        }
    }

    #[test]
    fn tall_batches_have_the_same_bits() {
        // On both sides of where batches begin to be tall, and large enough to be shared.
        same_bits(&[2047, 2048, 2051, 30_000], (5, 19));
        same_bits(&[161, 162, 1000], (60, 110));
    }

    #[test]
    fn deep_layers_have_the_same_bits() {
        // On both sides of where the sum is cut, for few rows and for many.
        same_bits(&[1, 8, 9, 32, 125, 126], (501, 257));
        // And for a single one.
        same_bits(&[1, 2], (300, 218));
        same_bits(&[1, 2], (300, 219));
        same_bits(&[1, 2], (600, 436));
        same_bits(&[1, 2], (600, 438));
        // And for so many inputs that few rows are enough; also where a single strip holds all outputs.
        same_bits(&[2, 7, 8, 9, 63, 64, 65], (256, 32));
        same_bits(&[7, 8, 9], (255, 33));
        same_bits(&[10, 50, 61], (784, 30));
        same_bits(&[20], (1100, 14));
    }

    #[test]
    fn wide_layers_of_few_inputs_have_the_same_bits() {
        for n_k in [4, 10, 15, 16, 17] {
            same_bits(&[1, 2, 4], (n_k, 1 + (1 << 18) / n_k));
        }
    }

    #[test]
    fn halves_add_up() {
        let (rows, n_k, n_j) = (33, 700, 131);
        let x = Array2::from_shape_fn((rows, n_k), |(i, j)| ((i * 7 + j * 5) % 11) as f64 - 5.0);
        let w = Array2::from_shape_fn((n_k, n_j), |(i, j)| ((i * 3 + j) % 13) as f64 - 6.0);
        let b = Array1::from_shape_fn(n_j, |j| j as f64);
        // Whole numbers, whose sums are exact in any order.
        let expected = x.dot(&w) + &b;
        let (mut a, mut z) = (Array2::zeros((rows, n_j)), Array2::zeros((rows, n_j)));
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                for _ in 0..5 {
                    let w = w.view().reversed_axes();
                    Simd::new()
                        .dense_forward(&x, &w, Some(&b), Activation::Relu, Some(&mut z), &mut a)
                        .unwrap();
                    assert!(z == expected && a == expected.mapv(|z| z.max(0.0)), "{threads} threads");
                }
            });
        }
    }
}
