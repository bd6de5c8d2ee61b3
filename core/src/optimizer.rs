//! Optimisers: how a gradient changes the parameters.

use std::fmt::Debug;

use crate::network::NamedParameter;
use crate::{Backend, Descent, Error, Result, Scalar};

/// Changes parameters by their gradient, a step at a time.
pub trait Optimizer<T: Scalar>: Debug + Send {
    /// The name for reports.
    fn name(&self) -> &'static str;

    /// The learning rate α.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate α, as a schedule does.
    fn set_learning_rate(&mut self, rate: f64);

    /// Sets the weight decay: the gradient of decay/2 · w² is added to that of each weight (not to that of a bias).
    fn set_weight_decay(&mut self, decay: f64);

    /// Refuses settings out of range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    fn check(&self) -> Result<()>;

    /// The step as plain gradient descent, w′ = β w − α Δw, if it is no more than that: then the backend may update
    /// each weight where its gradient is computed, and [`Optimizer::step`] is not called.
    fn descent(&self) -> Option<Descent<T>> {
        None
    }

    /// One step: changes `parameters` by `gradient`, both flat and as long as each other; `named` tells which range is what.
    ///
    /// # Errors
    /// What the backend refuses.
    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        named: &[NamedParameter],
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()>;
}

/// Stochastic gradient descent, w′ = w − α Δw, or with the weight decay d: w′ = (1 − α d) w − α Δw for weights.
///
/// Nielsen's L2 term λ/2n Σ w² is the decay d = λ/n over n training examples; [`Trainer::l2`](crate::Trainer::l2)
/// sets it so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    learning_rate: f64,
    weight_decay: f64,
}

impl Sgd {
    /// With the learning rate α.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, weight_decay: 0.0 }
    }

    /// With weight decay.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }
}

impl<T: Scalar> Optimizer<T> for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, rate: f64) {
        self.learning_rate = rate;
    }

    fn set_weight_decay(&mut self, decay: f64) {
        self.weight_decay = decay;
    }

    fn check(&self) -> Result<()> {
        if !self.learning_rate.is_finite() {
            return Err(Error::setting("the learning rate", self.learning_rate, "a finite number"));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return Err(Error::setting(
                "the weight decay",
                self.weight_decay,
                "a finite number of at least 0",
            ));
        }
        Ok(())
    }

    fn descent(&self) -> Option<Descent<T>> {
        let decay = T::of(1.0 - self.learning_rate * self.weight_decay);
        Some(Descent { rate: T::of(self.learning_rate), decay })
    }

    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        named: &[NamedParameter],
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()> {
        let rate = T::of(self.learning_rate);
        for NamedParameter { parameter, range, .. } in named {
            let decay = if parameter.decays { 1.0 - self.learning_rate * self.weight_decay } else { 1.0 };
            let step = Descent { rate, decay: T::of(decay) };
            backend.descend(step, &gradient[range.clone()], &mut parameters[range.clone()])?;
        }
        Ok(())
    }
}
