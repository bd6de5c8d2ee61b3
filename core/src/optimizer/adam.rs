//! Adam and its kin.

use super::settings::{common, optimizer};
use super::{Decay, Optimizer, OptimizerState, Part, scalars_of};
use crate::update::Rule;
use crate::{Backend, Result, Scalar};

/// βᵗ.
fn power(beta: f64, t: u64) -> f64 {
    libm::pow(beta, t as f64)
}

/// Decay beside the gradient or as part of it.
fn decay(decoupled: bool, weight_decay: f64) -> Decay {
    if decoupled { Decay::Decoupled(weight_decay) } else { Decay::Coupled(weight_decay) }
}

optimizer! {
    /// Adam (Kingma and Ba, arXiv 1412.6980): m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²;
    /// w ← w − α m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).
    ///
    /// [`Adam::amsgrad`] divides by the largest v so far (Reddi, Kale and Kumar, arXiv 1904.09237). [`Adam::adamw`] lets weights decay
    /// beside the gradient, w ← (1 − α d) w (Loshchilov and Hutter, arXiv 1711.05101). PyTorch's `Adam` and `AdamW`.
    Adam, 1e-3 {
        /// With the weight decay d.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With this β₁.
        beta1: f64 = 0.9, "beta1", Fraction;
        /// With this β₂.
        beta2: f64 = 0.999, "beta2", Fraction;
        /// With this ε.
        epsilon: f64 = 1e-8, "epsilon", NonNegative;
        /// With the largest second moment so far, as AMSGrad.
        amsgrad: bool = false, "amsgrad", Flag;
        /// With weight decay beside the gradient, as AdamW.
        decoupled: bool = false, "decoupled", Flag;
    }
}

impl Adam {
    /// AdamW: decoupled weight decay of 0.01.
    #[must_use]
    pub fn adamw(learning_rate: f64) -> Self {
        Self::new(learning_rate).decoupled(true).weight_decay(0.01)
    }
}

impl<T: Scalar> Optimizer<T> for Adam {
    common!(|this| match (this.decoupled, this.amsgrad) {
        (false, false) => "adam",
        (false, true) => "amsgrad",
        (true, _) => "adamw",
    });

    fn check(&self) -> Result<()> {
        self.verify()
    }

    fn state_len(&self, parts: &[Part]) -> usize {
        (2 + usize::from(self.amsgrad)) * scalars_of(parts)
    }

    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()> {
        let n = parameters.len();
        let vectors = [("exp_avg", 0.0, n), ("exp_avg_sq", 0.0, n), ("max_exp_avg_sq", 0.0, n)];
        let t = state.begin(&vectors[..2 + usize::from(self.amsgrad)], gradient, parameters)?;
        let decay = decay(self.decoupled, self.weight_decay);
        state.update(backend, self.learning_rate, decay, (gradient, parameters), |rate| self.rule(rate, t))
    }
}

impl Adam {
    /// The rule of step t.
    pub(super) fn rule<T: Scalar>(&self, rate: f64, t: u64) -> Rule<T> {
        Rule::Adam {
            rate: T::of(rate / (1.0 - power(self.beta1, t))),
            gain1: T::of(1.0 - self.beta1),
            beta2: T::of(self.beta2),
            gain2: T::of(1.0 - self.beta2),
            root: T::of(1.0 / (1.0 - power(self.beta2, t)).sqrt()),
            epsilon: T::of(self.epsilon),
            amsgrad: self.amsgrad,
        }
    }
}

optimizer! {
    /// Adamax (Kingma and Ba, arXiv 1412.6980, section 7.1): m ← β₁ m + (1 − β₁) g; u ← max(β₂ u, |g| + ε);
    /// w ← w − α / (1 − β₁ᵗ) · m / u. PyTorch's `Adamax`.
    Adamax, 2e-3 {
        /// With the weight decay d, part of the gradient.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With this β₁.
        beta1: f64 = 0.9, "beta1", Fraction;
        /// With this β₂.
        beta2: f64 = 0.999, "beta2", Fraction;
        /// With this ε.
        epsilon: f64 = 1e-8, "epsilon", NonNegative;
    }
}

impl<T: Scalar> Optimizer<T> for Adamax {
    common!(|_this| "adamax");

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
        let t = state.begin(&[("exp_avg", 0.0, n), ("exp_inf", 0.0, n)], gradient, parameters)?;
        let by = 1.0 - power(self.beta1, t);
        let (gain1, beta2, epsilon) = (T::of(1.0 - self.beta1), T::of(self.beta2), T::of(self.epsilon));
        let rule = |rate| Rule::Adamax { rate: T::of(rate / by), gain1, beta2, epsilon };
        let decay = Decay::Coupled(self.weight_decay);
        state.update(backend, self.learning_rate, decay, (gradient, parameters), rule)
    }
}

optimizer! {
    /// NAdam (Dozat 2016): Adam with Nesterov's momentum. With μₜ = β₁ (1 − ½ · 0.96^(t ψ)):
    /// w ← w − α ((1 − μₜ) g / (1 − Πᵢ₌₁ᵗ μᵢ) + μₜ₊₁ m / (1 − Πᵢ₌₁ᵗ⁺¹ μᵢ)) / (√v̂ + ε). PyTorch's `NAdam`.
    Nadam, 2e-3 {
        /// With the weight decay d.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With this β₁.
        beta1: f64 = 0.9, "beta1", Fraction;
        /// With this β₂.
        beta2: f64 = 0.999, "beta2", Fraction;
        /// With this ε.
        epsilon: f64 = 1e-8, "epsilon", NonNegative;
        /// With this ψ.
        momentum_decay: f64 = 4e-3, "momentum-decay", NonNegative;
        /// With weight decay beside the gradient.
        decoupled: bool = false, "decoupled", Flag;
    }
}

impl<T: Scalar> Optimizer<T> for Nadam {
    common!(|_this| "nadam");

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
        let t = state.begin(&[("exp_avg", 0.0, n), ("exp_avg_sq", 0.0, n)], gradient, parameters)?;
        let momentum = |t: u64| self.beta1 * (1.0 - 0.5 * libm::pow(0.96, t as f64 * self.momentum_decay));
        let (mu, next) = (momentum(t), momentum(t + 1));
        let product = state.scalar("mu_product", 1.0);
        *product *= mu;
        let product = *product;
        let rule = |rate| Rule::Nadam {
            rate: T::of(rate * (1.0 - mu) / (1.0 - product)),
            ahead: T::of(rate * next / (1.0 - product * next)),
            gain1: T::of(1.0 - self.beta1),
            beta2: T::of(self.beta2),
            gain2: T::of(1.0 - self.beta2),
            root: T::of(1.0 / (1.0 - power(self.beta2, t)).sqrt()),
            epsilon: T::of(self.epsilon),
        };
        let decay = decay(self.decoupled, self.weight_decay);
        state.update(backend, self.learning_rate, decay, (gradient, parameters), rule)
    }
}

optimizer! {
    /// RAdam (Liu et al., arXiv 1908.03265): Adam whose first steps go by the momentum alone, until the variance is known. With
    /// ρ∞ = 2 / (1 − β₂) − 1 and ρₜ = ρ∞ − 2 t β₂ᵗ / (1 − β₂ᵗ): where ρₜ > 5, w ← w − α r m̂ √(1 − β₂ᵗ) / (√v + ε) with
    /// r² = (ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ), else w ← w − α m̂. PyTorch's `RAdam`.
    Radam, 1e-3 {
        /// With the weight decay d.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With this β₁.
        beta1: f64 = 0.9, "beta1", Fraction;
        /// With this β₂.
        beta2: f64 = 0.999, "beta2", Fraction;
        /// With this ε.
        epsilon: f64 = 1e-8, "epsilon", NonNegative;
        /// With weight decay beside the gradient.
        decoupled: bool = false, "decoupled", Flag;
    }
}

impl<T: Scalar> Optimizer<T> for Radam {
    common!(|_this| "radam");

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
        let t = state.begin(&[("exp_avg", 0.0, n), ("exp_avg_sq", 0.0, n)], gradient, parameters)?;
        let power2 = power(self.beta2, t);
        let most = 2.0 / (1.0 - self.beta2) - 1.0;
        let rho = most - 2.0 * t as f64 * power2 / (1.0 - power2);
        let rectified = rho > 5.0;
        let factor = if rectified {
            let square = (rho - 4.0) * (rho - 2.0) * most / ((most - 4.0) * (most - 2.0) * rho);
            square.sqrt() * (1.0 - power2).sqrt()
        } else {
            1.0
        };
        let by = 1.0 - power(self.beta1, t);
        let rule = |rate| Rule::Radam {
            rate: T::of(rate / by * factor),
            gain1: T::of(1.0 - self.beta1),
            beta2: T::of(self.beta2),
            gain2: T::of(1.0 - self.beta2),
            epsilon: T::of(self.epsilon),
            rectified,
        };
        let decay = decay(self.decoupled, self.weight_decay);
        state.update(backend, self.learning_rate, decay, (gradient, parameters), rule)
    }
}
