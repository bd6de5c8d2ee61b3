//! The naive backend of chainrule: the three operations as plain loops, in the order of their definitions.
//!
//! It is the specification that the other backends are tested against, so it uses nothing but loops and leaves every
//! provided method of [`Backend`] at its default. Whoever writes a backend can start from a copy of this file.
#![forbid(unsafe_code)]

use chainrule_core::{Accumulate, Backend, Result, Scalar, check};
use ndarray::{ArrayRef1, ArrayRef2};

/// The backend `naive`.
///
/// ```
/// use chainrule_core::{Accumulate, Backend};
/// use ndarray::{Array2, array};
/// let (a, b) = (array![[1.0, 2.0]], array![[3.0], [4.0]]);
/// let mut c = Array2::zeros((1, 1));
/// chainrule_naive::Naive.matmul(&a, &b, Accumulate::Replace, &mut c)?;
/// assert_eq!(c, array![[11.0]]);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Naive;

impl<T: Scalar> Backend<T> for Naive {
    fn name(&self) -> &'static str {
        "naive"
    }

    /// `c_ij` ← Σ_p `a_ip` `b_pj`, summed in the order of p.
    fn matmul(
        &self,
        a: &ArrayRef2<T>,
        b: &ArrayRef2<T>,
        how: Accumulate,
        c: &mut ArrayRef2<T>,
    ) -> Result<()> {
        check::matmul(a, b, c)?;
        for ((i, j), c) in c.indexed_iter_mut() {
            let mut sum = T::zero();
            for p in 0..a.ncols() {
                sum += a[[i, p]] * b[[p, j]];
            }
            write(sum, how, c);
        }
        Ok(())
    }

    /// `c_ij` ← `a_ij` `c_ij`.
    fn hadamard(&self, a: &ArrayRef2<T>, c: &mut ArrayRef2<T>) -> Result<()> {
        check::hadamard(a, c)?;
        for ((i, j), c) in c.indexed_iter_mut() {
            *c *= a[[i, j]];
        }
        Ok(())
    }

    /// `c_ij` ← `x_i` `y_j`.
    fn outer(&self, x: &ArrayRef1<T>, y: &ArrayRef1<T>, how: Accumulate, c: &mut ArrayRef2<T>) -> Result<()> {
        check::outer(x, y, c)?;
        for ((i, j), c) in c.indexed_iter_mut() {
            write(x[i] * y[j], how, c);
        }
        Ok(())
    }
}

/// c ← value, or c ← c + value.
fn write<T: Scalar>(value: T, how: Accumulate, c: &mut T) {
    match how {
        Accumulate::Replace => *c = value,
        Accumulate::Add => *c += value,
    }
}
