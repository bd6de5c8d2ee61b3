//! What the normalisation layers share: â = (a − μ) / σ, a scale and a shift, sums along rows.

use crate::layer::{Kept, Parameter};
use crate::{Accumulate, Error, Result, Scalar};

mod batch;
mod row;

pub use batch::BatchNorm;
pub use row::{LayerNorm, RmsNorm};

/// γ and β as PyTorch names them. Neither decays.
fn weight_and_bias(size: usize) -> [Parameter; 2] {
    let vector = |name| Parameter { name, rows: size, columns: None, decays: false };
    [vector("weight"), vector("bias")]
}

fn check_epsilon(epsilon: f64) -> Result<()> {
    if epsilon > 0.0 && epsilon.is_finite() {
        return Ok(());
    }
    Err(Error::setting("ε of a normalisation", epsilon, "a finite number above 0"))
}

/// Σ f(a, b) over two rows of one length, in 16 partial sums so that it may run in lanes; their order depends on the length alone.
fn reduce<T: Scalar>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut sums = [T::zero(); 16];
    let (mut a, mut b) = (a.chunks_exact(16), b.chunks_exact(16));
    for (a, b) in a.by_ref().zip(b.by_ref()) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += f(a, b);
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a.remainder()).zip(b.remainder()) {
        *sum += f(a, b);
    }
    let mut width = 16;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            let other = sums[i + width];
            sums[i] += other;
        }
    }
    sums[0]
}

/// â ⊙ γ + β, row by row; γ and β are 1 and 0 where there are none.
fn scale_and_shift<T: Scalar>(normal: &[T], weight: &[T], bias: &[T], output: &mut [T], size: usize) {
    for (output, normal) in output.chunks_exact_mut(size).zip(normal.chunks_exact(size)) {
        output.copy_from_slice(normal);
        if !weight.is_empty() {
            output.iter_mut().zip(weight).for_each(|(a, &w)| *a *= w);
        }
        if !bias.is_empty() {
            output.iter_mut().zip(bias).for_each(|(a, &b)| *a += b);
        }
    }
}

/// Adds Δγ = Σ δ ⊙ â and Δβ = Σ δ over the rows to what is there.
fn add_gradient<T: Scalar>(delta: &[T], normal: &[T], weight: &mut [T], bias: &mut [T], size: usize) {
    for (delta, normal) in delta.chunks_exact(size).zip(normal.chunks_exact(size)) {
        for ((w, &d), &a) in weight.iter_mut().zip(delta).zip(normal) {
            *w += d * a;
        }
        bias.iter_mut().zip(delta).for_each(|(b, &d)| *b += d);
    }
}

/// Δγ, and Δβ where there is one, into a gradient that has γ first.
fn gradient_of_affine<T: Scalar>(
    delta: &[T],
    kept: Kept<'_, T>,
    size: usize,
    how: Accumulate,
    gradient: &mut [T],
) {
    if how == Accumulate::Replace {
        gradient.fill(T::zero());
    }
    let (weight, bias) = gradient.split_at_mut(size.min(gradient.len()));
    if !weight.is_empty() {
        add_gradient(delta, &kept.scratch[..delta.len()], weight, bias, size);
    }
}

/// x ← s x.
fn scale<T: Scalar>(x: &mut [T], s: T) {
    for x in x {
        *x *= s;
    }
}
