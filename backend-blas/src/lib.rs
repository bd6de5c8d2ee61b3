//! The BLAS backend of chainrule: matrix products by CBLAS, and what of LAPACK a network has use for.
//!
//! ```
//! # #[cfg(any(feature = "openblas-system", feature = "openblas-static", feature = "openblas-source"))] {
//! use chainrule_blas::Blas;
//! use chainrule_core::{Accumulate, Backend};
//! use ndarray::{Array2, array};
//!
//! let (a, b) = (array![[1.0, 2.0]], array![[3.0], [4.0]]);
//! let mut c = Array2::zeros((1, 1));
//! Blas::new().matmul(&a, &b, Accumulate::Replace, &mut c)?;
//! assert_eq!(c, array![[11.0]]);
//! # }
//! # Ok::<(), chainrule_core::Error>(())
//! ```
//!
//! # Features: which BLAS
//!
//! | feature | links | needs |
//! | --- | --- | --- |
//! | `openblas-system` | the shared library that is installed, through `openblas-src` | `libopenblas-dev` (Debian, Ubuntu), `openblas-devel` (Fedora), `openblas` (Arch, Homebrew) |
//! | `openblas-static` | the archive `libopenblas.a` that is installed, so that the program needs no OpenBLAS where it runs | the same packages and `gfortran`; `OPENBLAS_LIB_DIR` names another folder |
//! | `openblas-source` | an archive that `openblas-src` builds | network, `make`, C and Fortran compilers, minutes |
//! | none | nothing: the application links a CBLAS and a LAPACK, by `intel-mkl-src`, `accelerate-src` or `netlib-src` | see below |
//!
//! Both of the first stop with a message that names the package if the library is not there. (`ndarray-linalg`'s
//! feature `openblas-static` is called `openblas-source` here. `openblas-src` with its features `system` and `static`
//! links the shared library all the same where the archive lies below `/usr`; hence an own search for it.) With several of
//! them the archive comes first.
//!
//! Without a feature this crate compiles, but a program with it links only if some other crate in it brings the
//! symbols `cblas_sgemm`, `dgeqrf_` and so on. The binary at the end chooses: add for example
//! `intel-mkl-src = { version = "0.8", features = ["mkl-static-lp64-seq"] }` and `extern crate intel_mkl_src as _;` to
//! it. An undefined symbol `cblas_…` means that this, or a feature, is missing. Integers are 32 bits wide (LP64).
//!
//! # Threads
//!
//! OpenBLAS is threaded by default. That number belongs to the process, not to a caller; [`Blas`] sets it to
//! its own, 1 unless asked for more, before a product where another was set. Two values with different numbers therefore
//! disturb each other if used at once: results stay right, but their bits may depend on which was first. Whoever
//! splits work over threads leaves it at 1, so that one level is parallel.
//!
//! At most 48 calls are in OpenBLAS at once, others wait: it ends the program when its table of work buffers is full.
#![warn(unsafe_op_in_unsafe_fn)]

mod cblas;
pub mod linalg;

use std::any::Any;
use std::cell::RefCell;

use cblas_sys::CBLAS_LAYOUT::{CblasColMajor, CblasRowMajor};
use chainrule_core::{
    Accumulate, Activation, Backend, Descent, Error, Result, Scalar, Score, Slope, Targets, Update, check,
};
use chainrule_simd::Simd;
use ndarray::{ArrayRef1, ArrayRef2};

use cblas::Plane;

#[cfg(any(feature = "openblas-system", feature = "openblas-source"))]
extern crate openblas_src as _;

/// The backend `blas`.
///
/// Row-major and column-major matrices, whole or parts of larger ones, pass to CBLAS as they are; any other
/// strides (stepped, backwards, repeated) go through a copy in a buffer of the thread, which grows to the
/// largest size met and stays. Whatever is no product is done by the vector code of [`Simd`], on the calling thread, so
/// that OpenBLAS's threads and rayon's never multiply.
#[derive(Clone, Debug)]
pub struct Blas {
    threads: usize,
    vectors: Simd,
}

impl Blas {
    /// A backend that computes on the calling thread.
    #[must_use]
    pub fn new() -> Self {
        Self::with_threads(1)
    }

    /// A backend whose products OpenBLAS may split over that many threads (at least 1): a setting of the process, see
    /// [the crate's documentation](crate#threads). A CBLAS that is not OpenBLAS keeps its own setting.
    #[must_use]
    pub fn with_threads(threads: usize) -> Self {
        Self { threads: threads.max(1), vectors: Simd::new().with_threads(1) }
    }

    /// The library and how it was built, as OpenBLAS tells: for reports.
    #[must_use]
    pub fn library() -> &'static str {
        cblas::config()
    }
}

impl Default for Blas {
    fn default() -> Self {
        Self::new()
    }
}

/// How a matrix can be handed to CBLAS without a copy. `Ok(None)`: it cannot.
///
/// # Errors
/// [`Error::Backend`] for sizes beyond the 32-bit integers of CBLAS.
fn plane<T>(matrix: &ArrayRef2<T>) -> Result<Option<Plane>> {
    let (rows, columns) = matrix.dim();
    let &[down, right] = matrix.strides() else { return Ok(None) };
    // The stride of an axis of one element is never used.
    let steps_by = |length: usize, stride: isize, least: usize| {
        if length <= 1 {
            Some(least.max(1))
        } else {
            usize::try_from(stride).ok().filter(|&s| s >= least.max(1))
        }
    };
    let side_by_side = |length: usize, stride: isize| length <= 1 || stride == 1;
    let (layout, ld) = match (side_by_side(columns, right), side_by_side(rows, down)) {
        (true, _) if steps_by(rows, down, columns).is_some() => {
            (CblasRowMajor, steps_by(rows, down, columns))
        }
        (_, true) => (CblasColMajor, steps_by(columns, right, rows)),
        _ => (CblasRowMajor, None),
    };
    let Some(ld) = ld else { return Ok(None) };
    Ok(Some(Plane { layout, rows: int(rows)?, columns: int(columns)?, ld: int(ld)? }))
}

/// The plane of a row-major copy.
fn plane_of_copy((rows, columns): (usize, usize)) -> Result<Plane> {
    Ok(Plane { layout: CblasRowMajor, rows: int(rows)?, columns: int(columns)?, ld: int(columns)? })
}

fn int(size: usize) -> Result<i32> {
    i32::try_from(size).map_err(|_| Error::Backend {
        backend: "blas".to_owned(),
        message: format!(
            "a size or stride of {size} is beyond the 32-bit integers of CBLAS; split the batch"
        ),
    })
}

/// Room for copies of A, B and C, for each element type.
#[derive(Default)]
struct Copies {
    f32s: [Vec<f32>; 3],
    f64s: [Vec<f64>; 3],
}

thread_local! {
    static COPIES: RefCell<Copies> = RefCell::default();
}

/// Hands out this thread's three buffers.
fn with_copies<T: Scalar, R>(work: impl FnOnce(&mut [Vec<T>; 3]) -> R) -> R {
    COPIES.with_borrow_mut(|Copies { f32s, f64s }| {
        let buffers = match (f32s as &mut dyn Any).downcast_mut() {
            Some(buffers) => Some(buffers),
            None => (f64s as &mut dyn Any).downcast_mut(),
        };
        work(buffers.expect("Scalar is f32 or f64"))
    })
}

/// The matrix as CBLAS takes it, by a copy where it must be.
fn operand<T: Scalar>(matrix: &ArrayRef2<T>, copy: &mut Vec<T>) -> Result<(*const T, Plane)> {
    if let Some(plane) = plane(matrix)? {
        return Ok((matrix.as_ptr(), plane));
    }
    copy.clear();
    copy.extend(matrix.iter());
    Ok((copy.as_ptr(), plane_of_copy(matrix.dim())?))
}

/// The step of a vector that CBLAS can follow. `None`: it cannot.
fn step<T>(vector: &ArrayRef1<T>) -> Option<i32> {
    if vector.len() <= 1 {
        Some(1)
    } else {
        i32::try_from(vector.strides()[0]).ok().filter(|&step| step >= 1)
    }
}

/// y ← A x or y ← y + A x, and true; or nothing, and false, where CBLAS cannot take them as they are. None is empty.
fn matrix_by_vector<T: Scalar>(
    a: &ArrayRef2<T>,
    x: &ArrayRef1<T>,
    how: Accumulate,
    y: &mut ArrayRef1<T>,
) -> Result<bool> {
    let (Some(plane), Some(x_step), Some(y_step)) = (plane(a)?, step(x), step(y)) else { return Ok(false) };
    // Rather than β = 0, which some versions of gemv take for a factor: 0 · NaN.
    if how == Accumulate::Replace {
        y.fill(T::zero());
    }
    // SAFETY: the plane and the steps describe these arrays, A is not empty, and y is borrowed mutably.
    unsafe { cblas::gemv((a.as_ptr(), plane), (x.as_ptr(), x_step), (y.as_mut_ptr(), y_step)) };
    Ok(true)
}

impl<T: Scalar> Backend<T> for Blas
where
    Simd: Backend<T>,
{
    fn name(&self) -> &'static str {
        "blas"
    }

    /// The processor core that OpenBLAS chose its kernels for.
    fn isa(&self) -> &'static str {
        cblas::core_name()
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn matmul(
        &self,
        a: &ArrayRef2<T>,
        b: &ArrayRef2<T>,
        how: Accumulate,
        c: &mut ArrayRef2<T>,
    ) -> Result<()> {
        check::matmul(a, b, c)?;
        if a.is_empty() || b.is_empty() {
            if how == Accumulate::Replace {
                c.fill(T::zero());
            }
            return Ok(());
        }
        cblas::set_threads(self.threads);
        let by_vector = if c.ncols() == 1 {
            matrix_by_vector(a, &b.column(0), how, &mut c.column_mut(0))?
        } else if c.nrows() == 1 {
            matrix_by_vector(&b.t(), &a.row(0), how, &mut c.row_mut(0))?
        } else {
            false
        };
        if by_vector {
            return Ok(());
        }
        with_copies(|[a_copy, b_copy, c_copy]| {
            let a_operand = operand(a, a_copy)?;
            let b_operand = operand(b, b_copy)?;
            if let Some(c_plane) = plane(c)? {
                // SAFETY: the planes describe these arrays, none is empty (a and b are not), and c is borrowed mutably.
                unsafe {
                    cblas::gemm(a_operand, b_operand, how == Accumulate::Add, (c.as_mut_ptr(), c_plane));
                }
                return Ok(());
            }
            let c_plane = plane_of_copy(c.dim())?;
            c_copy.clear();
            c_copy.resize(c.len(), T::zero());
            // SAFETY: as above, with the copy in the place of c.
            unsafe { cblas::gemm(a_operand, b_operand, false, (c_copy.as_mut_ptr(), c_plane)) };
            let products = c_copy.iter();
            match how {
                Accumulate::Replace => c.iter_mut().zip(products).for_each(|(c, &product)| *c = product),
                Accumulate::Add => c.iter_mut().zip(products).for_each(|(c, &product)| *c += product),
            }
            Ok(())
        })
    }

    fn hadamard(&self, a: &ArrayRef2<T>, c: &mut ArrayRef2<T>) -> Result<()> {
        self.vectors.hadamard(a, c)
    }

    fn outer(&self, x: &ArrayRef1<T>, y: &ArrayRef1<T>, how: Accumulate, c: &mut ArrayRef2<T>) -> Result<()> {
        check::outer(x, y, c)?;
        if c.is_empty() {
            return Ok(());
        }
        if how == Accumulate::Add
            && let (Some(x_step), Some(y_step), Some(c_plane)) = (step(x), step(y), plane(c)?)
        {
            cblas::set_threads(self.threads);
            // SAFETY: the steps and the plane describe these arrays, c is not empty and borrowed mutably.
            unsafe {
                cblas::ger((x.as_ptr(), x_step), (y.as_ptr(), y_step), (c.as_mut_ptr(), c_plane));
            }
            return Ok(());
        }
        // Nothing to add up: one pass over C, where ger would have to fill it with 0 first.
        for (mut row, &x) in c.rows_mut().into_iter().zip(x) {
            match how {
                Accumulate::Replace => row.zip_mut_with(y, |c, &y| *c = x * y),
                Accumulate::Add => row.zip_mut_with(y, |c, &y| *c += x * y),
            }
        }
        Ok(())
    }

    fn bias_activate(
        &self,
        b: Option<&ArrayRef1<T>>,
        g: Activation,
        z: Option<&mut ArrayRef2<T>>,
        a: &mut ArrayRef2<T>,
    ) -> Result<()> {
        self.vectors.bias_activate(b, g, z, a)
    }

    fn activate(&self, g: Activation, a: &mut ArrayRef2<T>) -> Result<()> {
        self.vectors.activate(g, a)
    }

    fn apply_slope(&self, slope: Slope<'_, T>, delta: &mut ArrayRef2<T>) -> Result<()> {
        self.vectors.apply_slope(slope, delta)
    }

    fn select_rows(&self, x: &ArrayRef2<T>, r: &[usize], c: &mut ArrayRef2<T>) -> Result<()> {
        self.vectors.select_rows(x, r, c)
    }

    fn softmax(&self, z: &mut ArrayRef2<T>) -> Result<()> {
        self.vectors.softmax(z)
    }

    fn softmax_backward(&self, p: &ArrayRef2<T>, delta: &mut ArrayRef2<T>) -> Result<()> {
        self.vectors.softmax_backward(p, delta)
    }

    fn log_softmax(&self, z: &mut ArrayRef2<T>) -> Result<()> {
        self.vectors.log_softmax(z)
    }

    fn log_softmax_backward(&self, ln_p: &ArrayRef2<T>, delta: &mut ArrayRef2<T>) -> Result<()> {
        self.vectors.log_softmax_backward(ln_p, delta)
    }

    fn softmax_cross_entropy(
        &self,
        logits: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        self.vectors.softmax_cross_entropy(logits, targets, delta)
    }

    fn descend(&self, step: Descent<T>, gradient: &[T], parameters: &mut [T]) -> Result<()> {
        self.vectors.descend(step, gradient, parameters)
    }

    fn update(
        &self,
        update: &Update<T>,
        gradient: &[T],
        states: [&mut [T]; 3],
        parameters: &mut [T],
    ) -> Result<()> {
        self.vectors.update(update, gradient, states, parameters)
    }

    fn dot(&self, x: &[T], y: &[T]) -> Result<f64> {
        self.vectors.dot(x, y)
    }
}
