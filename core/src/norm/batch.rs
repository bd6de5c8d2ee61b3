//! Batch normalisation.

use ndarray::ArrayRef2;

use super::{add_gradient, check_epsilon, gradient_of_affine, scale, scale_and_shift, weight_and_bias};
use crate::layer::{Below, Change, Kept, Layer, Mode, Parameter, Pass, apply_change, elements, elements_mut};
use crate::random::Generator;
use crate::{Accumulate, Error, LayerConfig, Result, Scalar};

/// Batch normalisation: a_j = γ ⊙ â + β with â = (a_k − μ) / √(v + ε), μ and v being each input's mean and variance.
///
/// In training they are those of the batch, and with n rows
///
/// ```text
/// Δγ = Σ δ_j ⊙ â    Δβ = Σ δ_j    Δa_k = γ / √(v + ε) ⊙ (δ_j − (Δβ + â ⊙ Δγ) / n)
/// ```
///
/// Otherwise they are the running statistics, constants that each training step moves a bit (the momentum m) towards those of its
/// batch: r ← (1 − m) r + m s. Ioffe and Szegedy, arXiv 1502.03167.
///
/// As PyTorch's `BatchNorm1d`: ε = 10⁻⁵, m = 0.1; v is Σ (a − μ)²/n where a batch is normalised, and Σ (a − μ)²/(n − 1) where it goes into the
/// running variance; the parameters are `weight` and `bias`, the buffers `running_mean` and `running_var`. (PyTorch's counter of batches has
/// no use here; `load_state_dict` does without it.) A batch of one row has no variance to learn from and is refused in training.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    size: usize,
    epsilon: f64,
    momentum: f64,
    affine: bool,
    parameters: [Parameter; 2],
    buffers: [Parameter; 2],
}

impl BatchNorm {
    /// Over n inputs; γ begins as 1, β as 0, the running mean as 0 and the running variance as 1.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let buffer = |name| Parameter { name, rows: size, columns: None, decays: false };
        Self {
            size,
            epsilon: 1e-5,
            momentum: 0.1,
            affine: true,
            parameters: weight_and_bias(size),
            buffers: [buffer("running_mean"), buffer("running_var")],
        }
    }

    /// With another ε.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// With another momentum m from 0 to 1: the part of the running statistics that each step replaces.
    #[must_use]
    pub fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// Without γ and β.
    #[must_use]
    pub fn without_affine(self) -> Self {
        Self { affine: false, ..self }
    }

    fn affine_len(&self) -> usize {
        if self.affine { self.size } else { 0 }
    }

    /// Δa_k from Δγ and Δβ; â and 1/√(v + ε) lie in the scratch.
    fn change_in_activation<T: Scalar>(
        &self,
        mode: Mode,
        weight: &[T],
        kept: Kept<'_, T>,
        delta: &[T],
        (d_weight, d_bias): (&[T], &[T]),
        below: &mut [T],
    ) {
        let n = self.size;
        let (normal, statistics) = kept.scratch.split_at(delta.len());
        let (_, inverse) = statistics.split_at(2 * n);
        let per_row = T::one() / T::of((delta.len() / n).max(1) as f64);
        let rows = below.chunks_exact_mut(n).zip(delta.chunks_exact(n)).zip(normal.chunks_exact(n));
        for ((below, delta), normal) in rows {
            below.copy_from_slice(delta);
            if mode != Mode::Evaluate {
                for (i, (d, &a)) in below.iter_mut().zip(normal).enumerate() {
                    *d -= (d_bias[i] + a * d_weight[i]) * per_row;
                }
            }
            below.iter_mut().zip(inverse).for_each(|(d, &s)| *d *= s);
            below.iter_mut().zip(weight).for_each(|(d, &w)| *d *= w);
        }
    }
}

impl<T: Scalar> Layer<T> for BatchNorm {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn input_size(&self) -> usize {
        self.size
    }

    fn output_size(&self) -> usize {
        self.size
    }

    fn config(&self) -> Option<LayerConfig> {
        let Self { epsilon, momentum, affine, .. } = *self;
        Some(LayerConfig::BatchNorm { epsilon, momentum, affine })
    }

    fn check(&self) -> Result<()> {
        check_epsilon(self.epsilon)?;
        if (0.0..=1.0).contains(&self.momentum) {
            return Ok(());
        }
        Err(Error::setting("the momentum of batch normalisation", self.momentum, "a number from 0 to 1"))
    }

    fn parameters(&self) -> &[Parameter] {
        if self.affine { &self.parameters } else { &[] }
    }

    fn initialize(&self, _generator: &mut Generator, parameters: &mut [T]) {
        let (weight, bias) = parameters.split_at_mut(self.affine_len());
        weight.fill(T::one());
        bias.fill(T::zero());
    }

    fn buffers(&self) -> &[Parameter] {
        &self.buffers
    }

    fn initialize_buffers(&self, buffers: &mut [T]) {
        let (mean, variance) = buffers.split_at_mut(self.size);
        mean.fill(T::zero());
        variance.fill(T::one());
    }

    fn update_buffers(&self, kept: Kept<'_, T>, buffers: &mut [T]) {
        let rows = kept.output.nrows();
        if rows < 2 {
            return;
        }
        let (running_mean, running_variance) = buffers.split_at_mut(self.size);
        let (mean, variance) = kept.scratch[rows * self.size..].split_at(self.size);
        let (stay, go) = (T::of(1.0 - self.momentum), T::of(self.momentum));
        let unbiased = T::of(rows as f64 / (rows - 1) as f64);
        for (running, &mean) in running_mean.iter_mut().zip(mean) {
            *running = stay * *running + go * mean;
        }
        for (running, &variance) in running_variance.iter_mut().zip(variance) {
            *running = stay * *running + go * (variance * unbiased);
        }
    }

    /// â, and of each input μ, v and 1/√(v + ε).
    fn scratch_len(&self, batch: usize) -> usize {
        batch.saturating_add(3).saturating_mul(self.size)
    }

    /// Δγ and Δβ.
    fn work_len(&self, _batch: usize) -> usize {
        2 * self.size
    }

    fn forward(&self, pass: &Pass<'_, T>, scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
        let (rows, n) = (pass.input.nrows(), self.size);
        output.assign(&pass.input);
        let output = elements_mut(output);
        let (normal, statistics) = scratch.split_at_mut(rows * n);
        let (mean, statistics) = statistics.split_at_mut(n);
        let (variance, inverse) = statistics.split_at_mut(n);
        if pass.mode == Mode::Evaluate {
            mean.copy_from_slice(&pass.buffers[..n]);
            variance.copy_from_slice(&pass.buffers[n..]);
        } else {
            if rows < 2 {
                return Err(Error::setting(
                    "the size of a training batch",
                    rows,
                    "at least 2 rows for batch normalisation (a batch size that leaves no single row over)",
                ));
            }
            let per_row = T::one() / T::of(rows as f64);
            mean.fill(T::zero());
            variance.fill(T::zero());
            for row in output.chunks_exact(n) {
                mean.iter_mut().zip(row).for_each(|(m, &a)| *m += a);
            }
            scale(mean, per_row);
            for row in output.chunks_exact(n) {
                for ((v, &a), &m) in variance.iter_mut().zip(row).zip(&*mean) {
                    *v += (a - m) * (a - m);
                }
            }
            scale(variance, per_row);
        }
        let epsilon = T::of(self.epsilon);
        for (s, &v) in inverse.iter_mut().zip(&*variance) {
            *s = T::one() / (v + epsilon).sqrt();
        }
        for (normal, row) in normal.chunks_exact_mut(n).zip(output.chunks_exact(n)) {
            for (i, (a, &x)) in normal.iter_mut().zip(row).enumerate() {
                *a = (x - mean[i]) * inverse[i];
            }
        }
        let (weight, bias) = pass.parameters.split_at(self.affine_len());
        scale_and_shift(normal, weight, bias, output, n);
        Ok(())
    }

    /// By [`Layer::backpropagate`], with memory allocated for it.
    fn backward(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        let mut work = vec![T::zero(); 2 * self.size];
        let mut gradient = vec![T::zero(); pass.parameters.len()];
        let below = Below { delta: below.view_mut(), slope: None };
        let (parameters, how) = (pass.parameters, Accumulate::Replace);
        let change = Change::Batch { parameters, how, gradient: &mut gradient };
        self.backpropagate(pass, kept, delta, Some(below), change, &mut work)
    }

    fn gradient(
        &self,
        _pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        how: Accumulate,
        gradient: &mut [T],
    ) -> Result<()> {
        gradient_of_affine(elements(delta), kept, self.size, how, gradient);
        Ok(())
    }

    fn backpropagate(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: Option<Below<'_, '_, T>>,
        change: Change<'_, T>,
        work: &mut [T],
    ) -> Result<()> {
        let n = self.size;
        let work = &mut work[..2 * n];
        work.fill(T::zero());
        let (d_weight, d_bias) = work.split_at_mut(n);
        add_gradient(elements(delta), &kept.scratch[..delta.len()], d_weight, d_bias, n);
        if let Some(Below { delta: mut below, slope }) = below {
            let weight = &change.parameters()[..self.affine_len()];
            let sums = (&*d_weight, &*d_bias);
            let into = elements_mut(&mut below);
            self.change_in_activation(pass.mode, weight, kept, elements(delta), sums, into);
            if let Some(slope) = slope {
                pass.backend.apply_slope(slope, &mut below)?;
            }
        }
        apply_change(pass.backend, &work[..2 * self.affine_len()], change)
    }
}
