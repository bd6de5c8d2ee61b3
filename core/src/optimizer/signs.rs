//! Optimisers that follow signs: Lion and Rprop.

use super::settings::{common, optimizer};
use super::{Decay, Optimizer, OptimizerState, Part, scalars_of};
use crate::update::Rule;
use crate::{Backend, Error, Result, Scalar};

optimizer! {
    /// Lion (Chen et al., arXiv 2302.06675, algorithm 2): w ← w − α (sign(β₁ m + (1 − β₁) g) + d w); m ← β₂ m + (1 − β₂) g.
    ///
    /// Its learning rate is best three to ten times smaller than that of AdamW, its decay d as much larger.
    Lion, 1e-4 {
        /// With the weight decay d, beside the gradient.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With this β₁.
        beta1: f64 = 0.9, "beta1", Fraction;
        /// With this β₂.
        beta2: f64 = 0.99, "beta2", Fraction;
    }
}

impl<T: Scalar> Optimizer<T> for Lion {
    common!(|_this| "lion");

    fn check(&self) -> Result<()> {
        self.verify()
    }

    fn state_len(&self, parts: &[Part]) -> usize {
        scalars_of(parts)
    }

    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()> {
        state.begin(&[("exp_avg", 0.0, parameters.len())], gradient, parameters)?;
        let (beta1, gain1) = (T::of(self.beta1), T::of(1.0 - self.beta1));
        let (beta2, gain2) = (T::of(self.beta2), T::of(1.0 - self.beta2));
        let rule = |rate| Rule::Lion { rate: T::of(rate), beta1, gain1, beta2, gain2 };
        let decay = Decay::Decoupled(self.weight_decay);
        state.update(backend, self.learning_rate, decay, (gradient, parameters), rule)
    }
}

optimizer! {
    /// Rprop (Riedmiller and Braun 1993), for whole data sets as batches: each parameter has a step of its own, which begins with the
    /// learning rate. It grows by η⁺ while the gradient keeps its sign, shrinks by η⁻ where that turns, in which case the parameter
    /// stays; w ← w − step · sign(g). PyTorch's `Rprop`.
    Rprop, 1e-2 {
        /// With the weight decay d, part of the gradient.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With this η⁻.
        shrink: f64 = 0.5, "shrink", Fraction;
        /// With this η⁺.
        grow: f64 = 1.2, "grow", Positive;
        /// With steps no smaller.
        smallest: f64 = 1e-6, "smallest", NonNegative;
        /// With steps no larger.
        largest: f64 = 50.0, "largest", Positive;
    }
}

impl<T: Scalar> Optimizer<T> for Rprop {
    common!(|_this| "rprop");

    fn check(&self) -> Result<()> {
        self.verify()?;
        if self.grow <= 1.0 {
            return Err(Error::setting("grow", self.grow, "a number above 1"));
        }
        Ok(())
    }

    fn state_len(&self, parts: &[Part]) -> usize {
        2 * scalars_of(parts)
    }

    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()> {
        let n = parameters.len();
        let first = state.steps() == 0;
        state.begin(&[("prev", 0.0, n), ("step_size", self.learning_rate, n)], gradient, parameters)?;
        if first {
            let (parts, vectors, _) = state.split();
            for part in parts.iter().filter(|part| part.rate.total_cmp(&1.0).is_ne()) {
                let sizes = super::state::of_range(vectors, 1, part.named.range.clone());
                sizes.fill(T::of(self.learning_rate * part.rate));
            }
        }
        let (shrink, grow) = (T::of(self.shrink), T::of(self.grow));
        let (min, max) = (T::of(self.smallest), T::of(self.largest));
        let decay = Decay::Coupled(self.weight_decay);
        state.update(backend, self.learning_rate, decay, (gradient, parameters), |_| Rule::Rprop {
            shrink,
            grow,
            min,
            max,
        })
    }
}
