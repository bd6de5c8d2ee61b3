//! A backend of one's own, written against `chainrule-core` alone: the three operations as iterators over rows.
//!
//! All else (layers, losses, training) works on any such value. `chainrule-conformance` tells whether a backend is right.

use chainrule_core::{
    Accumulate, Activation, Backend, CrossEntropy, Dataset, Network, Result, Scalar, Sgd, Trainer, check,
};
use ndarray::{ArrayRef1, ArrayRef2, Zip, array};

/// Computes each row of a result as a sum of rows.
struct Rows;

impl<T: Scalar> Backend<T> for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }

    /// Row i of C is Σ_p a_ip times row p of B.
    fn matmul(
        &self,
        a: &ArrayRef2<T>,
        b: &ArrayRef2<T>,
        how: Accumulate,
        c: &mut ArrayRef2<T>,
    ) -> Result<()> {
        check::matmul(a, b, c)?;
        if how == Accumulate::Replace {
            c.fill(T::zero());
        }
        for (a_i, mut c_i) in a.rows().into_iter().zip(c.rows_mut()) {
            for (&a_ip, b_p) in a_i.iter().zip(b.rows()) {
                c_i.scaled_add(a_ip, &b_p);
            }
        }
        Ok(())
    }

    fn hadamard(&self, a: &ArrayRef2<T>, c: &mut ArrayRef2<T>) -> Result<()> {
        check::hadamard(a, c)?;
        c.zip_mut_with(a, |c, &a| *c *= a);
        Ok(())
    }

    fn outer(&self, x: &ArrayRef1<T>, y: &ArrayRef1<T>, how: Accumulate, c: &mut ArrayRef2<T>) -> Result<()> {
        check::outer(x, y, c)?;
        for (&x, mut row) in x.iter().zip(c.rows_mut()) {
            Zip::from(&mut row).and(y).for_each(|c, &y| match how {
                Accumulate::Replace => *c = x * y,
                Accumulate::Add => *c += x * y,
            });
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let data = Dataset::classes(&x, &[0, 1, 1, 0])?;
    let mut network = Network::<f32>::builder(2)
        .dense(8, Activation::Tanh)
        .dense(2, Activation::Identity)
        .softmax()
        .build(1)?;
    Trainer::new(CrossEntropy, Sgd::new(0.5)).epochs(300).batch_size(4).fit(&mut network, &Rows, &data)?;
    let p = network.predict(&Rows, &x)?;
    println!("{p:.3}");
    assert!(p[[0, 0]] > 0.9 && p[[1, 1]] > 0.9 && p[[2, 1]] > 0.9 && p[[3, 0]] > 0.9);
    Ok(())
}
