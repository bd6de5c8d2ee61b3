//! Stochastic gradient descent.

use super::settings::{common, optimizer};
use super::{Decay, Optimizer, OptimizerState, Part, scalars_of};
use crate::update::Rule;
use crate::{Backend, Descent, Error, Result, Scalar};

optimizer! {
    /// Stochastic gradient descent, w′ = w − α Δw, or with the weight decay d: w′ = (1 − α d) w − α Δw for weights.
    ///
    /// With the momentum μ and the dampening τ (Polyak 1964; Sutskever et al. 2013): b ← μ b + (1 − τ) g, beginning with b = g in the
    /// first step; w ← w − α b, or with Nesterov w ← w − α (g + μ b). PyTorch's `SGD`.
    ///
    /// Nielsen's L2 term λ/2n Σ w² is the decay d = λ/n over n training examples; [`Trainer::l2`](crate::Trainer::l2)
    /// sets it so.
    Sgd, 1e-3 {
        /// With the weight decay d, part of the gradient: g = Δw + d w.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With the momentum μ.
        momentum: f64 = 0.0, "momentum", NonNegative;
        /// With the dampening τ.
        dampening: f64 = 0.0, "dampening", Finite;
        /// With Nesterov's momentum.
        nesterov: bool = false, "nesterov", Flag;
    }
}

impl<T: Scalar> Optimizer<T> for Sgd {
    common!(|_this| "sgd");

    fn check(&self) -> Result<()> {
        self.verify()?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            return Err(Error::setting("nesterov", true, "false without momentum or with dampening"));
        }
        Ok(())
    }

    fn state_len(&self, parts: &[Part]) -> usize {
        if self.momentum == 0.0 { 0 } else { scalars_of(parts) }
    }

    fn descent(&self) -> Option<Descent<T>> {
        let decay = T::of(1.0 - self.learning_rate * self.weight_decay);
        (self.momentum == 0.0).then(|| Descent { rate: T::of(self.learning_rate), decay })
    }

    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()> {
        let decay = Decay::Coupled(self.weight_decay);
        let slices = |parameters| (gradient, parameters);
        if self.momentum == 0.0 {
            state.begin(&[], gradient, parameters)?;
            let rule = |rate| Rule::Descent { rate: T::of(rate) };
            return state.update(backend, self.learning_rate, decay, slices(parameters), rule);
        }
        let step = state.begin(&[("momentum_buffer", 0.0, parameters.len())], gradient, parameters)?;
        let gain = T::of(if step == 1 { 1.0 } else { 1.0 - self.dampening });
        let (momentum, nesterov) = (T::of(self.momentum), self.nesterov);
        let rule = |rate| Rule::Momentum { rate: T::of(rate), momentum, gain, nesterov };
        state.update(backend, self.learning_rate, decay, slices(parameters), rule)
    }
}
