//! RMSprop.

use super::settings::{common, optimizer};
use super::{Decay, Optimizer, OptimizerState, Part, scalars_of};
use crate::update::Rule;
use crate::{Backend, Result, Scalar};

optimizer! {
    /// RMSprop (Tieleman and Hinton 2012, lecture 6e): s ← α s + (1 − α) g²; v = √s + ε; w ← w − rate g / v.
    ///
    /// Centred (Graves, arXiv 1308.0850), the mean m ← α m + (1 − α) g is taken off: v = √(s − m²) + ε. With the momentum μ:
    /// b ← μ b + g / v; w ← w − rate b. PyTorch's `RMSprop`.
    RmsProp, 1e-2 {
        /// With the weight decay d, part of the gradient.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With this α.
        alpha: f64 = 0.99, "alpha", Fraction;
        /// With this ε.
        epsilon: f64 = 1e-8, "epsilon", NonNegative;
        /// With the momentum μ.
        momentum: f64 = 0.0, "momentum", NonNegative;
        /// With the variance about the mean.
        centered: bool = false, "centered", Flag;
    }
}

impl<T: Scalar> Optimizer<T> for RmsProp {
    common!(|_this| "rmsprop");

    fn check(&self) -> Result<()> {
        self.verify()
    }

    fn state_len(&self, parts: &[Part]) -> usize {
        (1 + usize::from(self.centered) + usize::from(self.momentum != 0.0)) * scalars_of(parts)
    }

    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()> {
        let n = parameters.len();
        let all = [("square_avg", 0.0, n), ("grad_avg", 0.0, n), ("momentum_buffer", 0.0, n)];
        let momentum = T::of(self.momentum);
        match (self.centered, momentum != T::zero()) {
            (false, false) => state.begin(&all[..1], gradient, parameters),
            (true, false) => state.begin(&all[..2], gradient, parameters),
            (false, true) => state.begin(&[all[0], all[2]], gradient, parameters),
            (true, true) => state.begin(&all, gradient, parameters),
        }?;
        let (alpha, gain, epsilon) = (T::of(self.alpha), T::of(1.0 - self.alpha), T::of(self.epsilon));
        let centered = self.centered;
        let rule = |rate| Rule::RmsProp { rate: T::of(rate), alpha, gain, epsilon, momentum, centered };
        let decay = Decay::Coupled(self.weight_decay);
        state.update(backend, self.learning_rate, decay, (gradient, parameters), rule)
    }
}
