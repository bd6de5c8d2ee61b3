//! Adagrad and Adadelta.

use super::settings::{common, optimizer};
use super::{Decay, Optimizer, OptimizerState, Part, scalars_of};
use crate::update::Rule;
use crate::{Backend, Result, Scalar};

optimizer! {
    /// Adagrad (Duchi, Hazan and Singer 2011): s ← s + g²; w ← w − α / (1 + (t − 1) η) · g / (√s + ε), with t the step and η the decay
    /// of the learning rate. PyTorch's `Adagrad`.
    Adagrad, 1e-2 {
        /// With the weight decay d, part of the gradient.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With the decay η of the learning rate.
        rate_decay: f64 = 0.0, "rate-decay", NonNegative;
        /// With the sum s beginning here.
        initial: f64 = 0.0, "initial", NonNegative;
        /// With this ε.
        epsilon: f64 = 1e-10, "epsilon", NonNegative;
    }
}

impl<T: Scalar> Optimizer<T> for Adagrad {
    common!(|_this| "adagrad");

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
        let t = state.begin(&[("sum", self.initial, parameters.len())], gradient, parameters)?;
        let by = 1.0 + (t - 1) as f64 * self.rate_decay;
        let rule = |rate| Rule::Adagrad { rate: T::of(rate / by), epsilon: T::of(self.epsilon) };
        let decay = Decay::Coupled(self.weight_decay);
        state.update(backend, self.learning_rate, decay, (gradient, parameters), rule)
    }
}

optimizer! {
    /// Adadelta (Zeiler, arXiv 1212.5701): s ← ρ s + (1 − ρ) g²; d = √(a + ε) / √(s + ε) g; a ← ρ a + (1 − ρ) d²; w ← w − α d. PyTorch's
    /// `Adadelta`.
    Adadelta, 1.0 {
        /// With the weight decay d, part of the gradient.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With this ρ.
        rho: f64 = 0.9, "rho", Fraction;
        /// With this ε.
        epsilon: f64 = 1e-6, "epsilon", NonNegative;
    }
}

impl<T: Scalar> Optimizer<T> for Adadelta {
    common!(|_this| "adadelta");

    fn check(&self) -> Result<()> {
        self.verify()
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
        state.begin(&[("square_avg", 0.0, n), ("acc_delta", 0.0, n)], gradient, parameters)?;
        let (rho, gain, epsilon) = (T::of(self.rho), T::of(1.0 - self.rho), T::of(self.epsilon));
        let rule = |rate| Rule::Adadelta { rate: T::of(rate), rho, gain, epsilon };
        let decay = Decay::Coupled(self.weight_decay);
        state.update(backend, self.learning_rate, decay, (gradient, parameters), rule)
    }
}
