//! Dropout.

use ndarray::ArrayRef2;

use crate::layer::{Kept, Layer, Mode, Pass, elements_mut};
use crate::random::{Generator, Stream};
use crate::{Error, LayerConfig, Result, Scalar};

/// Dropout: in training each output is 0 with the probability p, else a_k / (1 − p); otherwise it is a_k.
///
/// Δa_k = m ⊙ δ_j with the same m_i, 0 or 1/(1 − p), as in the forward pass. Srivastava et al., *Dropout: A Simple Way to Prevent Neural
/// Networks from Overfitting*, 2014, in its inverted form, as PyTorch's `Dropout`: the expectation is the same in either mode.
///
/// The noise depends on the seed, the step and the layer's position alone: [`Stream::Noise`]. It is drawn row after row, so that a batch
/// of f32 has the same zeros as one of f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    size: usize,
    probability: f64,
}

impl Dropout {
    /// Over n values, each of which is dropped with the probability 0 ≤ p ≤ 1.
    #[must_use]
    pub fn new(size: usize, probability: f64) -> Self {
        Self { size, probability }
    }

    /// The probability p.
    #[must_use]
    pub fn probability(&self) -> f64 {
        self.probability
    }
}

impl<T: Scalar> Layer<T> for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn input_size(&self) -> usize {
        self.size
    }

    fn output_size(&self) -> usize {
        self.size
    }

    fn config(&self) -> Option<LayerConfig> {
        Some(LayerConfig::Dropout { probability: self.probability })
    }

    fn check(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.probability) {
            return Ok(());
        }
        Err(Error::setting("the probability of dropout", self.probability, "a number from 0 to 1"))
    }

    /// The factors m.
    fn scratch_len(&self, batch: usize) -> usize {
        batch * self.size
    }

    fn forward(&self, pass: &Pass<'_, T>, scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
        output.assign(&pass.input);
        if let Mode::Train { seed, step } = pass.mode {
            let mut generator = Generator::new(seed, Stream::Noise { step, layer: pass.index as u64 });
            let kept = T::of(1.0 / (1.0 - self.probability));
            for (a, factor) in elements_mut(output).iter_mut().zip(scratch) {
                *factor = if generator.uniform() < self.probability { T::zero() } else { kept };
                *a *= *factor;
            }
        }
        Ok(())
    }

    fn backward(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        below.assign(delta);
        if pass.mode != Mode::Evaluate {
            for (d, &factor) in elements_mut(below).iter_mut().zip(kept.scratch) {
                *d *= factor;
            }
        }
        Ok(())
    }
}
