//! The oracle: the three operations in f64 with compensated sums, and every provided method at its default.

use chainrule_core::{Accumulate, Backend, Result, check};
use ndarray::{Array2, ArrayRef1, ArrayRef2};

/// Loops over f64 whose sums carry their rounding errors along, so that they are as good as exact for f32 and about
/// twice as precise as the arithmetic for f64.
///
/// It implements nothing but the required methods: what it answers to the others is the definition in
/// [`Backend`] itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

impl Backend<f64> for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    fn matmul(
        &self,
        a: &ArrayRef2<f64>,
        b: &ArrayRef2<f64>,
        how: Accumulate,
        c: &mut ArrayRef2<f64>,
    ) -> Result<()> {
        check::matmul(a, b, c)?;
        for ((i, j), c) in c.indexed_iter_mut() {
            let mut sum = Sum::new(if how == Accumulate::Add { *c } else { 0.0 });
            for p in 0..a.ncols() {
                sum.add_product(a[[i, p]], b[[p, j]]);
            }
            *c = sum.value();
        }
        Ok(())
    }

    fn hadamard(&self, a: &ArrayRef2<f64>, c: &mut ArrayRef2<f64>) -> Result<()> {
        check::hadamard(a, c)?;
        c.zip_mut_with(a, |c, a| *c *= a);
        Ok(())
    }

    fn outer(
        &self,
        x: &ArrayRef1<f64>,
        y: &ArrayRef1<f64>,
        how: Accumulate,
        c: &mut ArrayRef2<f64>,
    ) -> Result<()> {
        check::outer(x, y, c)?;
        for ((i, j), c) in c.indexed_iter_mut() {
            let mut sum = Sum::new(if how == Accumulate::Add { *c } else { 0.0 });
            sum.add_product(x[i], y[j]);
            *c = sum.value();
        }
        Ok(())
    }
}

/// A sum with its rounding errors beside it.
struct Sum {
    high: f64,
    low: f64,
    /// The sum without correction: what counts once it is NaN or infinite.
    plain: f64,
}

impl Sum {
    fn new(start: f64) -> Self {
        Self { high: start, low: 0.0, plain: start }
    }

    fn add_product(&mut self, a: f64, b: f64) {
        let product = a * b;
        self.plain += product;
        let error = a.mul_add(b, -product);
        let sum = self.high + product;
        let part = sum - self.high;
        self.low += (self.high - (sum - part)) + (product - part) + error;
        self.high = sum;
    }

    fn value(&self) -> f64 {
        if self.plain.is_finite() { self.high + self.low } else { self.plain }
    }
}

/// |A| |B|, with a relative error that no bound notices.
pub(crate) fn magnitude(a: &ArrayRef2<f64>, b: &ArrayRef2<f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), b.ncols()), |(i, j)| {
        (0..a.ncols()).map(|p| (a[[i, p]] * b[[p, j]]).abs()).sum()
    })
}
