//! The one abstraction: what a backend computes.
//!
//! Three methods are required, the three operations of the note on backpropagation: the matrix product, the Hadamard
//! product and the outer product. The provided methods are fusions of these, right by default; a backend overrides
//! those where it can be faster. Whoever writes a backend runs `chainrule-conformance` on it.

use ndarray::{ArrayRef1, ArrayRef2, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};

use crate::update::{self, Update};
use crate::{Activation, Result, Scalar, Score, Targets, check, loss};

/// What happens to the old content of an output C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accumulate {
    /// C ← result. The old C is never read: it may hold NaN.
    Replace,
    /// C ← C + result.
    Add,
}

/// The slope g′(z) of an activation, and what is needed to compute it.
#[derive(Clone, Copy, Debug)]
pub struct Slope<'a, T> {
    /// The activation g.
    pub activation: Activation,
    /// What the forward pass kept, batch × n: a = g(z) where [`Activation::saves_output`], else z.
    pub saved: ArrayView2<'a, T>,
}

/// One step of gradient descent with decay: w′ = β w − α Δw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Descent<T> {
    /// The learning rate α.
    pub rate: T,
    /// The factor β of the old weights: 1 without weight decay, 1 − α λ/n with Nielsen's L2 term.
    pub decay: T,
}

/// The operations of backpropagation on one element type.
///
/// A backend is a value that is passed to whatever computes; it is never chosen by a global or by a type alias. All
/// arguments are [`ndarray::ArrayRef`]s of any strides: owned arrays, views, transposes and slices pass without a copy.
/// One row per sample; a weight matrix W is n_j × n_k, its row the destination.
///
/// # Contract
///
/// - Every method returns [`Error::Shape`](crate::Error::Shape) before it touches memory if the shapes do not fit (the
///   functions of [`check`] do that).
/// - Any size may be 0. A product over nothing is 0.
/// - NaN and infinities propagate as in the plain loops.
/// - A method is deterministic: the same arguments give the same bits, from however many threads it is called at once.
pub trait Backend<T: Scalar>: Send + Sync {
    /// The name by which users choose it: `"naive"`.
    fn name(&self) -> &str;

    /// The instruction set it runs on, for reports; `"-"` where that is not its to say.
    fn isa(&self) -> &'static str {
        "-"
    }

    /// The largest number of threads it uses at once.
    fn threads(&self) -> usize {
        1
    }

    /// The matrix product C ← A B, or C ← C + A B.
    ///
    /// Shapes: A m × k, B k × n, C m × n.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn matmul(&self, a: &ArrayRef2<T>, b: &ArrayRef2<T>, how: Accumulate, c: &mut ArrayRef2<T>)
    -> Result<()>;

    /// The Hadamard product C ← A ⊙ C.
    ///
    /// Shapes: A and C m × n.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn hadamard(&self, a: &ArrayRef2<T>, c: &mut ArrayRef2<T>) -> Result<()>;

    /// The outer product C ← x ⊗ y = x yᵀ, or C ← C + x yᵀ.
    ///
    /// Shapes: x m, y n, C m × n.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn outer(&self, x: &ArrayRef1<T>, y: &ArrayRef1<T>, how: Accumulate, c: &mut ArrayRef2<T>) -> Result<()>;

    /// Forward propagation through a dense layer: Z ← X Wᵀ + 1 bᵀ, A ← g(Z).
    ///
    /// Shapes: X batch × n_k, W n_j × n_k, b n_j, Z and A batch × n_j. Z is written where it is asked for.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn dense_forward(
        &self,
        x: &ArrayRef2<T>,
        w: &ArrayRef2<T>,
        b: Option<&ArrayRef1<T>>,
        g: Activation,
        z: Option<&mut ArrayRef2<T>>,
        a: &mut ArrayRef2<T>,
    ) -> Result<()> {
        check::dense_forward(x, w, b, z.as_deref(), a)?;
        self.matmul(x, &w.t(), Accumulate::Replace, a)?;
        self.bias_activate(b, g, z, a)
    }

    /// What follows the product in [`Backend::dense_forward`], in place: with A = X Wᵀ, Z ← A + 1 bᵀ, A ← g(Z).
    ///
    /// Shapes: b n_j, Z and A batch × n_j. Z is written where it is asked for.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn bias_activate(
        &self,
        b: Option<&ArrayRef1<T>>,
        g: Activation,
        z: Option<&mut ArrayRef2<T>>,
        a: &mut ArrayRef2<T>,
    ) -> Result<()> {
        check::bias_activate(b, z.as_deref(), a)?;
        if let Some(b) = b {
            a.rows_mut().into_iter().for_each(|mut row| row.zip_mut_with(b, |a, &b| *a += b));
        }
        if let Some(z) = z {
            z.assign(a);
        }
        self.activate(g, a)
    }

    /// The change in activation, handed on through the slope of the layer below: Δ_k ← δ_j W, times g′(z_k) where a
    /// slope is given: δ_k = Δ_k ⊙ g′(z_k).
    ///
    /// For one sample this is the note's Δa_k = Wᵀ δ_j; here each row of δ is a sample's δ_jᵀ.
    /// Shapes: δ batch × n_j, W n_j × n_k, the result batch × n_k.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn dense_backward(
        &self,
        delta: &ArrayRef2<T>,
        w: &ArrayRef2<T>,
        slope: Option<Slope<'_, T>>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        check::dense_backward(delta, w, slope, below)?;
        self.matmul(delta, w, Accumulate::Replace, below)?;
        match slope {
            Some(slope) => self.apply_slope(slope, below),
            None => Ok(()),
        }
    }

    /// The change in weights: ΔW ← δᵀ X, Δb ← δᵀ 1, each summed over the rows of the batch.
    ///
    /// Shapes: δ batch × n_j, X batch × n_k, ΔW n_j × n_k, Δb n_j.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn dense_gradient(
        &self,
        delta: &ArrayRef2<T>,
        x: &ArrayRef2<T>,
        how: Accumulate,
        dw: &mut ArrayRef2<T>,
        db: Option<&mut ArrayRef1<T>>,
    ) -> Result<()> {
        check::dense_gradient(delta, x, dw, db.as_deref())?;
        self.matmul(&delta.t(), x, how, dw)?;
        if let Some(db) = db {
            if how == Accumulate::Replace {
                db.fill(T::zero());
            }
            for row in delta.rows() {
                db.zip_mut_with(&row, |db, &d| *db += d);
            }
        }
        Ok(())
    }

    /// A ← g(A), elementwise.
    ///
    /// # Errors
    /// None by default.
    fn activate(&self, g: Activation, a: &mut ArrayRef2<T>) -> Result<()> {
        if g != Activation::Identity {
            a.map_inplace(|z| *z = g.apply(*z));
        }
        Ok(())
    }

    /// The Hadamard product with the slope, δ ← Δ ⊙ g′(z), in place.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn apply_slope(&self, slope: Slope<'_, T>, delta: &mut ArrayRef2<T>) -> Result<()> {
        check::same_shape("apply_slope", "saved", slope.saved.dim(), delta.dim())?;
        if slope.activation == Activation::Identity {
            return Ok(());
        }
        // g′(z) has no matrix of its own: it passes through a buffer on the stack, a piece of a row at a time.
        let mut buffer = [T::zero(); 128];
        for (saved, mut delta) in slope.saved.axis_iter(Axis(0)).zip(delta.axis_iter_mut(Axis(0))) {
            for (saved, mut delta) in
                saved.axis_chunks_iter(Axis(0), 128).zip(delta.axis_chunks_iter_mut(Axis(0), 128))
            {
                let slopes = &mut buffer[..saved.len()];
                for (s, &saved) in slopes.iter_mut().zip(&saved) {
                    *s = slope.activation.derivative_from_saved(saved);
                }
                let slopes = ArrayView2::from_shape((1, saved.len()), &*slopes).expect("one row");
                self.hadamard(&slopes, &mut delta.view_mut().insert_axis(Axis(0)))?;
            }
        }
        Ok(())
    }

    /// The samples of a shuffled batch, rows of X by their numbers: C_i ← X_(r_i).
    ///
    /// Shapes: X n × n_k, r batch, C batch × n_k. A row may be named more than once.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method; [`Error::Setting`](crate::Error::Setting) if X has no such row.
    fn select_rows(&self, x: &ArrayRef2<T>, r: &[usize], c: &mut ArrayRef2<T>) -> Result<()> {
        check::select_rows(x, r, c)?;
        for (&i, mut row) in r.iter().zip(c.rows_mut()) {
            row.assign(&x.row(i));
        }
        Ok(())
    }

    /// Softmax of each row, in place: p_i ← e^(z_i) / Σ_j e^(z_j).
    ///
    /// The largest z of the row is subtracted first, which changes nothing but the range.
    ///
    /// # Errors
    /// None by default.
    fn softmax(&self, z: &mut ArrayRef2<T>) -> Result<()> {
        z.rows_mut().into_iter().for_each(|mut row| loss::softmax_row(&mut row));
        Ok(())
    }

    /// The softmax's full Jacobian, diag(p) − p pᵀ, applied to each row in place: Δ ← p ⊙ (Δ − (pᵀΔ) 1).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn softmax_backward(&self, p: &ArrayRef2<T>, delta: &mut ArrayRef2<T>) -> Result<()> {
        check::same_shape("softmax_backward", "p", p.dim(), delta.dim())?;
        for (p, mut delta) in p.rows().into_iter().zip(delta.rows_mut()) {
            let mean = p.iter().zip(&delta).map(|(&p, &d)| p * d).sum::<T>();
            delta.zip_mut_with(&p, |d, &p| *d = p * (*d - mean));
        }
        Ok(())
    }

    /// The logarithm of softmax of each row, in place: z_i ← z_i − m − ln Σ_j e^(z_j − m) with the largest z of the row, m.
    ///
    /// # Errors
    /// None by default.
    fn log_softmax(&self, z: &mut ArrayRef2<T>) -> Result<()> {
        z.rows_mut().into_iter().for_each(|mut row| loss::log_softmax_row(&mut row));
        Ok(())
    }

    /// Its full Jacobian applied to each row in place, from ln p: Δ ← Δ − p Σ_j Δ_j.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn log_softmax_backward(&self, ln_p: &ArrayRef2<T>, delta: &mut ArrayRef2<T>) -> Result<()> {
        check::same_shape("log_softmax_backward", "ln p", ln_p.dim(), delta.dim())?;
        for (ln_p, mut delta) in ln_p.rows().into_iter().zip(delta.rows_mut()) {
            let total = delta.sum();
            delta.zip_mut_with(&ln_p, |d, ln_p| *d -= ln_p.exp() * total);
        }
        Ok(())
    }

    /// Softmax, its cross-entropy and the gradient of that in one sweep over the logits.
    ///
    /// With p = softmax(z) of a row and the target t (a class stands for its one-hot row), the row's loss is
    /// −Σ t_i ln p_i. Where δ is asked for, it becomes the gradient of the mean loss by z: δ ← (p Σt − t) / batch.
    /// The score's loss is the mean over the rows.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape), [`Error::Label`](crate::Error::Label).
    fn softmax_cross_entropy(
        &self,
        logits: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        loss::softmax_cross_entropy(logits, targets, delta)
    }

    /// One step of gradient descent over a slice of parameters: W ← β W − α ΔW.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the lengths differ.
    fn descend(&self, step: Descent<T>, gradient: &[T], parameters: &mut [T]) -> Result<()> {
        check::same_length("descend", "gradient", gradient.len(), parameters.len())?;
        for (w, &dw) in parameters.iter_mut().zip(gradient) {
            *w = step.decay * *w - step.rate * dw;
        }
        Ok(())
    }

    /// The step of any other optimiser over a slice of parameters and its states; see [`Update`].
    ///
    /// Each element by itself, in the order of operations that [`Rule`](crate::Rule) states. States that the rule has none of may
    /// be empty.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the lengths differ.
    fn update(
        &self,
        update: &Update<T>,
        gradient: &[T],
        states: [&mut [T]; 3],
        parameters: &mut [T],
    ) -> Result<()> {
        check::update(update, gradient, &states, parameters)?;
        update.apply(gradient, states, parameters);
        Ok(())
    }

    /// The dot product Σ x_i y_i of f64 products summed in f64, in an order that depends on the length alone: sixteen partial sums, that
    /// of the i with i mod 16 = j in the order of i, then by halves, s_j + s_(j+8) and so on.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the lengths differ.
    fn dot(&self, x: &[T], y: &[T]) -> Result<f64> {
        check::same_length("dot", "y", y.len(), x.len())?;
        Ok(update::dot(x, y))
    }

    /// The change in weights and the step of gradient descent as one: W ← β W − α δᵀX, b ← b − α δᵀ1.
    ///
    /// The same as [`Backend::dense_gradient`] into `gradient` followed by the step, except that `gradient` (as
    /// long as W and b together) is only a place to work in: what it holds afterwards is not specified. Biases do not decay.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) as for every method.
    fn dense_descend(
        &self,
        delta: &ArrayRef2<T>,
        x: &ArrayRef2<T>,
        step: Descent<T>,
        gradient: &mut [T],
        w: &mut ArrayRef2<T>,
        b: Option<&mut ArrayRef1<T>>,
    ) -> Result<()> {
        check::dense_gradient(delta, x, w, b.as_deref())?;
        let biases = b.as_ref().map_or(0, |b| b.len());
        check::same_length("dense_descend", "gradient", gradient.len(), w.len() + biases)?;
        let (dw, db) = gradient.split_at_mut(w.len());
        let (n_j, n_k) = w.dim();
        let mut db = ArrayViewMut1::from(db);
        // ΔW in the memory order of W, so that the step is one over slices.
        let mut view = if w.is_standard_layout() {
            ArrayViewMut2::from_shape((n_j, n_k), &mut *dw).expect("as long as W")
        } else {
            ArrayViewMut2::from_shape((n_k, n_j), &mut *dw).expect("as long as W").reversed_axes()
        };
        self.dense_gradient(delta, x, Accumulate::Replace, &mut view, b.is_some().then_some(&mut *db))?;
        match w.as_slice_memory_order_mut() {
            Some(w) => self.descend(step, dw, w)?,
            None => w.zip_mut_with(&view, |w, &dw| *w = step.decay * *w - step.rate * dw),
        }
        if let Some(b) = b {
            b.zip_mut_with(&db, |b, &db| *b -= step.rate * db);
        }
        Ok(())
    }
}
