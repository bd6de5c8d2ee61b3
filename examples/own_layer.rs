//! A layer of one's own: a scale and a shift for each input, a_j = s_j a_k + t_j, with its gradient checked.

use chainrule::layer::{Kept, Layer, Parameter, Pass};
use chainrule::random::Generator;
use chainrule::{
    Accumulate, Activation, CrossEntropy, Network, Result, Scalar, Targets, default_backend, gradient_check,
};
use ndarray::{ArrayRef2, array};

/// Its parameters are s, then t. It has one output for each input.
#[derive(Debug)]
struct Scale {
    size: usize,
    parameters: [Parameter; 2],
}

impl Scale {
    fn new(size: usize) -> Self {
        let vector = |name| Parameter { name, rows: size, columns: None, decays: false };
        Self { size, parameters: [vector("scale"), vector("shift")] }
    }
}

impl<T: Scalar> Layer<T> for Scale {
    fn name(&self) -> &'static str {
        "scale"
    }

    fn input_size(&self) -> usize {
        self.size
    }

    fn output_size(&self) -> usize {
        self.size
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn initialize(&self, _generator: &mut Generator, parameters: &mut [T]) {
        let (scale, shift) = parameters.split_at_mut(self.size);
        scale.fill(T::one());
        shift.fill(T::zero());
    }

    fn forward(&self, pass: &Pass<'_, T>, _scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
        let (scale, shift) = pass.parameters.split_at(self.size);
        for ((_, j), a) in output.indexed_iter_mut() {
            *a = shift[j];
        }
        for ((i, j), &a_k) in pass.input.indexed_iter() {
            output[[i, j]] += scale[j] * a_k;
        }
        Ok(())
    }

    /// Δa_k = s ⊙ δ_j.
    fn backward(
        &self,
        pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        below.assign(delta);
        for row in below.rows_mut() {
            row.into_iter().zip(pass.parameters).for_each(|(d, &scale)| *d *= scale);
        }
        Ok(())
    }

    /// Δs = δ_j ⊙ a_k and Δt = δ_j, each summed over the batch.
    fn gradient(
        &self,
        pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        how: Accumulate,
        gradient: &mut [T],
    ) -> Result<()> {
        if how == Accumulate::Replace {
            gradient.fill(T::zero());
        }
        let (scale, shift) = gradient.split_at_mut(self.size);
        for ((i, j), &d) in delta.indexed_iter() {
            scale[j] += d * pass.input[[i, j]];
            shift[j] += d;
        }
        Ok(())
    }
}

fn main() -> Result<()> {
    let mut network = Network::<f64>::builder(3)
        .layer(Scale::new(3))
        .dense(4, Activation::Tanh)
        .layer(Scale::new(4))
        .dense(2, Activation::Identity)
        .build(1)?;
    // Scales of 1 and shifts of 0 would hide a mistake.
    for (i, w) in network.parameters_mut().iter_mut().enumerate() {
        *w += 0.1 * (i as f64).sin();
    }
    let x = array![[0.5, -1.0, 0.3], [2.0, 0.1, -0.7]];
    let backend = default_backend()?;
    let check = gradient_check(&network, &*backend, &CrossEntropy, &x, Targets::Classes(&[0, 1]))?;
    println!("{check}");
    assert!(check.relative_error < 1e-7);
    Ok(())
}
