//! The backend value.

use std::fmt;

use chainrule_core::{
    Accumulate, Activation, Backend, Descent, Error, Result, Scalar, Score, Slope, Targets, check,
};
use ndarray::{ArrayRef1, ArrayRef2};

use crate::dense::row;
use crate::elementwise::{self, Goal};
use crate::gemm::view::{MatMut, MatRef};
use crate::gemm::{self, Engine, Update};
use crate::isa::{Isa, Ready};
use crate::optimizers;
use crate::vmath::Real;

/// The backend `simd`: the library's own kernels, on the best instruction set that the machine has.
///
/// ```
/// use chainrule_core::{Accumulate, Backend};
/// use chainrule_simd::Simd;
/// use ndarray::{Array2, array};
/// let (a, b) = (array![[1.0_f32, 2.0]], array![[3.0], [4.0]]);
/// let mut c = Array2::zeros((1, 1));
/// Simd::new().matmul(&a, &b, Accumulate::Replace, &mut c)?;
/// assert_eq!(c, array![[11.0]]);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// The same bits come out on any number of threads, and on every instruction set that has fused multiply-add.
#[derive(Clone, Copy)]
pub struct Simd {
    engine: Engine,
}

impl Simd {
    /// The backend on the instruction set that the environment variable [`CHAINRULE_ISA`](crate::ISA_VARIABLE) names, or
    /// on the best one where it names none that this machine has, with all threads of rayon's current pool.
    #[must_use]
    pub fn new() -> Self {
        Self { engine: Engine { isa: Ready::current(), threads: 0 } }
    }

    /// A backend with settings.
    ///
    /// ```
    /// # use chainrule_simd::{Isa, Simd};
    /// let backend = Simd::builder().isa(Isa::Portable).threads(1).build()?;
    /// assert_eq!((backend.isa(), backend.threads()), (Isa::Portable, 1));
    /// # Ok::<(), chainrule_core::Error>(())
    /// ```
    #[must_use]
    pub fn builder() -> SimdBuilder {
        SimdBuilder::default()
    }

    /// The same backend, using at most so many threads of rayon's current pool at once; 0 stands for all of them.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { engine: Engine { threads, ..self.engine } }
    }

    /// The instruction set it runs on.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.engine.isa.isa()
    }

    /// The largest number of threads it uses at once, when called from where this is called.
    #[must_use]
    pub fn threads(&self) -> usize {
        match self.engine.threads {
            0 => rayon::current_num_threads(),
            threads => threads.min(rayon::current_num_threads()),
        }
    }
}

impl Default for Simd {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simd").field("isa", &self.isa()).field("threads", &self.engine.threads).finish()
    }
}

/// Settings of a [`Simd`].
#[derive(Clone, Copy, Debug, Default)]
pub struct SimdBuilder {
    isa: Option<Isa>,
    threads: usize,
}

impl SimdBuilder {
    /// Runs on this instruction set, whatever the environment says.
    #[must_use]
    pub fn isa(mut self, isa: Isa) -> Self {
        self.isa = Some(isa);
        self
    }

    /// Uses at most so many threads of rayon's current pool at once; 0, the default, stands for all of them.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// The backend.
    ///
    /// # Errors
    /// [`Error::Backend`] if this machine does not have the instruction set, or if the environment variable
    /// [`CHAINRULE_ISA`](crate::ISA_VARIABLE) asks for one that it does not have or that is unknown.
    pub fn build(self) -> Result<Simd> {
        let isa = match self.isa {
            Some(isa) => Ok(isa),
            None => Isa::from_env(),
        };
        let isa = isa
            .and_then(Ready::new)
            .map_err(|error| Error::Backend { backend: "simd".to_owned(), message: error.to_string() })?;
        Ok(Simd { engine: Engine { isa, threads: self.threads } })
    }
}

fn update<T>(how: Accumulate) -> Update<T> {
    match how {
        Accumulate::Replace => Update::Replace,
        Accumulate::Add => Update::Add,
    }
}

/// The methods of the trait for any scalar, after their shapes were checked; those of dense layers are in their own file.
impl Engine {
    fn bias_activate<T: Real + Scalar>(
        self,
        b: Option<&ArrayRef1<T>>,
        g: Activation,
        z: Option<&mut ArrayRef2<T>>,
        a: &mut ArrayRef2<T>,
    ) {
        let bias = b.map(|b| MatRef { rows: a.nrows(), ..row(b) });
        // SAFETY: the arrays are borrowed until the call returns, and their shapes were checked.
        unsafe { elementwise::finish_forward(self, g, bias, z.map(MatMut::new), MatMut::new(a)) };
    }

    fn softmax_cross_entropy<T: Real + Scalar>(
        self,
        logits: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let operation = "softmax cross-entropy";
        let (rows, columns) = logits.dim();
        targets.check(operation, rows, columns)?;
        if let Some(delta) = &delta {
            check::same_shape(operation, "δ", delta.dim(), logits.dim())?;
        }
        let goal = match &targets {
            Targets::Classes(labels) => Goal::Classes(labels),
            Targets::Values(values) => Goal::Values(MatRef::new(values)),
        };
        let count = rows.max(1) as f64;
        let per_row = <T as crate::isa::Element>::ONE / T::of(count);
        // SAFETY: the arrays are borrowed until the call returns, and shapes and labels were checked.
        let (loss, correct) = unsafe {
            let delta = delta.map(MatMut::new);
            elementwise::cross_entropy(self.isa, MatRef::new(logits), goal, delta, per_row)
        };
        Ok(Score { loss: loss / count, correct: Some(correct) })
    }
}

macro_rules! backend {
    ($($t:ty),*) => {$(
        impl Backend<$t> for Simd {
            fn name(&self) -> &'static str {
                "simd"
            }

            fn isa(&self) -> &'static str {
                self.isa().name()
            }

            fn threads(&self) -> usize {
                self.threads()
            }

            fn matmul(
                &self,
                a: &ArrayRef2<$t>,
                b: &ArrayRef2<$t>,
                how: Accumulate,
                c: &mut ArrayRef2<$t>,
            ) -> Result<()> {
                check::matmul(a, b, c)?;
                self.engine.matmul(a, b, update(how), c);
                Ok(())
            }

            fn hadamard(&self, a: &ArrayRef2<$t>, c: &mut ArrayRef2<$t>) -> Result<()> {
                check::hadamard(a, c)?;
                // SAFETY: the arrays are borrowed until the call returns, and of one shape.
                unsafe { elementwise::hadamard(self.engine, MatRef::new(a), MatMut::new(c)) };
                Ok(())
            }

            fn outer(
                &self,
                x: &ArrayRef1<$t>,
                y: &ArrayRef1<$t>,
                how: Accumulate,
                c: &mut ArrayRef2<$t>,
            ) -> Result<()> {
                check::outer(x, y, c)?;
                // SAFETY: the arrays are borrowed until the call returns; an outer product is one over k = 1.
                unsafe { gemm::product(self.engine, row(x).t(), row(y), update(how), MatMut::new(c), None) };
                Ok(())
            }

            fn dense_forward(
                &self,
                x: &ArrayRef2<$t>,
                w: &ArrayRef2<$t>,
                b: Option<&ArrayRef1<$t>>,
                g: Activation,
                z: Option<&mut ArrayRef2<$t>>,
                a: &mut ArrayRef2<$t>,
            ) -> Result<()> {
                check::dense_forward(x, w, b, z.as_deref(), a)?;
                self.engine.dense_forward(x, w, b, g, z, a);
                Ok(())
            }

            fn bias_activate(
                &self,
                b: Option<&ArrayRef1<$t>>,
                g: Activation,
                z: Option<&mut ArrayRef2<$t>>,
                a: &mut ArrayRef2<$t>,
            ) -> Result<()> {
                check::bias_activate(b, z.as_deref(), a)?;
                self.engine.bias_activate(b, g, z, a);
                Ok(())
            }

            fn dense_backward(
                &self,
                delta: &ArrayRef2<$t>,
                w: &ArrayRef2<$t>,
                slope: Option<Slope<'_, $t>>,
                below: &mut ArrayRef2<$t>,
            ) -> Result<()> {
                check::dense_backward(delta, w, slope, below)?;
                self.engine.dense_backward(delta, w, slope, below);
                Ok(())
            }

            fn dense_gradient(
                &self,
                delta: &ArrayRef2<$t>,
                x: &ArrayRef2<$t>,
                how: Accumulate,
                dw: &mut ArrayRef2<$t>,
                db: Option<&mut ArrayRef1<$t>>,
            ) -> Result<()> {
                check::dense_gradient(delta, x, dw, db.as_deref())?;
                self.engine.dense_gradient(delta, x, (update(how), update(how)), dw, db);
                Ok(())
            }

            fn activate(&self, g: Activation, a: &mut ArrayRef2<$t>) -> Result<()> {
                // SAFETY: the array is borrowed until the call returns.
                unsafe { elementwise::activate(self.engine, g, MatMut::new(a)) };
                Ok(())
            }

            fn apply_slope(&self, slope: Slope<'_, $t>, delta: &mut ArrayRef2<$t>) -> Result<()> {
                check::same_shape("apply_slope", "saved", slope.saved.dim(), delta.dim())?;
                let saved = MatRef::new(&slope.saved);
                // SAFETY: the arrays are borrowed until the call returns, and of one shape.
                unsafe { elementwise::apply_slope(self.engine, slope.activation, saved, MatMut::new(delta)) };
                Ok(())
            }

            fn select_rows(&self, x: &ArrayRef2<$t>, r: &[usize], c: &mut ArrayRef2<$t>) -> Result<()> {
                check::select_rows(x, r, c)?;
                self.engine.select_rows(x, r, c);
                Ok(())
            }

            fn softmax(&self, z: &mut ArrayRef2<$t>) -> Result<()> {
                // SAFETY: the array is borrowed until the call returns.
                unsafe { elementwise::softmax(self.engine.isa, MatMut::new(z)) };
                Ok(())
            }

            fn softmax_backward(&self, p: &ArrayRef2<$t>, delta: &mut ArrayRef2<$t>) -> Result<()> {
                check::same_shape("softmax_backward", "p", p.dim(), delta.dim())?;
                // SAFETY: the arrays are borrowed until the call returns, and of one shape.
                unsafe {
                    elementwise::softmax_backward(self.engine.isa, MatRef::new(p), MatMut::new(delta));
                }
                Ok(())
            }

            fn log_softmax(&self, z: &mut ArrayRef2<$t>) -> Result<()> {
                // SAFETY: the array is borrowed until the call returns.
                unsafe { elementwise::log_softmax(self.engine.isa, MatMut::new(z)) };
                Ok(())
            }

            fn log_softmax_backward(&self, ln_p: &ArrayRef2<$t>, delta: &mut ArrayRef2<$t>) -> Result<()> {
                check::same_shape("log_softmax_backward", "ln p", ln_p.dim(), delta.dim())?;
                // SAFETY: the arrays are borrowed until the call returns, and of one shape.
                unsafe {
                    elementwise::log_softmax_backward(
                        self.engine.isa,
                        MatRef::new(ln_p),
                        MatMut::new(delta),
                    );
                }
                Ok(())
            }

            fn softmax_cross_entropy(
                &self,
                logits: &ArrayRef2<$t>,
                targets: Targets<'_, $t>,
                delta: Option<&mut ArrayRef2<$t>>,
            ) -> Result<Score> {
                self.engine.softmax_cross_entropy(logits, targets, delta)
            }

            fn descend(&self, step: Descent<$t>, gradient: &[$t], parameters: &mut [$t]) -> Result<()> {
                check::same_length("descend", "gradient", gradient.len(), parameters.len())?;
                elementwise::descend(self.engine, step.rate, step.decay, gradient, parameters);
                Ok(())
            }

            fn update(
                &self,
                update: &chainrule_core::Update<$t>,
                gradient: &[$t],
                states: [&mut [$t]; 3],
                parameters: &mut [$t],
            ) -> Result<()> {
                check::update(update, gradient, &states, parameters)?;
                optimizers::update(self.engine, update, gradient, states, parameters);
                Ok(())
            }

            fn dot(&self, x: &[$t], y: &[$t]) -> Result<f64> {
                check::same_length("dot", "y", y.len(), x.len())?;
                Ok(optimizers::dot(self.engine.isa, x, y))
            }

            fn dense_descend(
                &self,
                delta: &ArrayRef2<$t>,
                x: &ArrayRef2<$t>,
                step: Descent<$t>,
                gradient: &mut [$t],
                w: &mut ArrayRef2<$t>,
                b: Option<&mut ArrayRef1<$t>>,
            ) -> Result<()> {
                check::dense_gradient(delta, x, w, b.as_deref())?;
                let biases = b.as_ref().map_or(0, |b| b.len());
                check::same_length("dense_descend", "gradient", gradient.len(), w.len() + biases)?;
                let weights = Update::Blend { alpha: -step.rate, beta: step.decay };
                let biases = Update::Blend { alpha: -step.rate, beta: 1.0 };
                self.engine.dense_gradient(delta, x, (weights, biases), w, b);
                Ok(())
            }
        }
    )*};
}
backend!(f32, f64);
