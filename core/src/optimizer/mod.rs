//! Optimisers: how a gradient changes the parameters.
//!
//! An [`Optimizer`] is configuration; what it remembers lies in an [`OptimizerState`]. Parameterisation and defaults are PyTorch's,
//! to whose sequences of steps they are held. Learning rates are α, gradients g, parameters w.

mod adam;
mod adaptive;
mod lbfgs;
mod muon;
mod registry;
mod rmsprop;
pub(crate) mod settings;
mod sgd;
mod signs;
mod state;

use std::fmt::Debug;

use crate::{Backend, Descent, Error, Result, Scalar};

pub use adam::{Adam, Adamax, Nadam, Radam};
pub use adaptive::{Adadelta, Adagrad};
pub use lbfgs::Lbfgs;
pub use muon::Muon;
pub use registry::{OPTIMIZER_NAMES, OptimizerConfig, optimizer_by_name};
pub use rmsprop::RmsProp;
pub use sgd::Sgd;
pub use signs::{Lion, Rprop};
pub use state::{Decay, Gradients, Group, OptimizerState, Part};

/// Changes parameters by their gradient, a step at a time.
pub trait Optimizer<T: Scalar>: Debug + Send {
    /// The name for reports, and for [`optimizer_by_name`].
    fn name(&self) -> &'static str;

    /// The learning rate α.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate α, as a schedule does.
    fn set_learning_rate(&mut self, rate: f64);

    /// Sets the weight decay: the gradient of decay/2 · w² is added to that of each weight (not to that of a bias), or the
    /// optimiser's own way of decay.
    fn set_weight_decay(&mut self, decay: f64);

    /// All settings by name; a flag is 0 or 1.
    fn settings(&self) -> Vec<(&'static str, f64)> {
        vec![("learning-rate", self.learning_rate())]
    }

    /// Changes a setting by its name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the names there are, [`Error::Setting`] for a value out of range.
    fn set(&mut self, name: &str, value: f64) -> Result<()> {
        match name {
            "learning-rate" => self.set_learning_rate(value),
            _ => {
                return Err(Error::Unknown {
                    what: "setting of the optimiser",
                    name: name.to_owned(),
                    expected: "learning-rate".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Refuses settings out of range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    fn check(&self) -> Result<()>;

    /// How many scalars it comes to remember of these parameters, [`OptimizerState::parts`], and needs to work in. For
    /// [`Trainer::memory`](crate::Trainer::memory); 0 if it remembers nothing.
    fn state_len(&self, parts: &[Part]) -> usize {
        let _ = parts;
        0
    }

    /// The step as plain gradient descent, w′ = β w − α Δw, if it is no more than that: then the backend may update
    /// each weight where its gradient is computed, and [`Optimizer::step`] is not called.
    fn descent(&self) -> Option<Descent<T>> {
        None
    }

    /// One step: changes `parameters` by `gradient`, both flat and as long as each other. After the first, a step allocates nothing.
    ///
    /// # Errors
    /// [`Error::Shape`] for slices of another length than the state's network has parameters, [`Error::Setting`] for the state of another
    /// optimiser.
    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()>;

    /// This optimiser as one that looks at the loss at places of its own choice, if it is one: then the trainer calls
    /// [`Minimize::minimize`] and not [`Optimizer::step`].
    fn minimizer(&mut self) -> Option<&mut dyn Minimize<T>> {
        None
    }
}

/// The number of all parameters.
fn scalars_of(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.named.range.len()).sum()
}

/// The loss as a function of the parameters: writes its gradient, returns its value.
pub type Objective<'a, T> = dyn FnMut(&[T], &mut [T]) -> Result<f64> + 'a;

/// Optimisers that evaluate the loss and its gradient where they like, such as a line search does.
pub trait Minimize<T: Scalar> {
    /// One step, of as many evaluations as the optimiser's settings allow. Returns the loss before it. If that is not finite, no
    /// parameter changes.
    ///
    /// # Errors
    /// As [`Optimizer::step`], and what the objective refuses.
    fn minimize(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        objective: &mut Objective<'_, T>,
        parameters: &mut [T],
    ) -> Result<f64>;
}

impl<T: Scalar, O: Optimizer<T> + ?Sized> Optimizer<T> for Box<O> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn learning_rate(&self) -> f64 {
        (**self).learning_rate()
    }

    fn set_learning_rate(&mut self, rate: f64) {
        (**self).set_learning_rate(rate);
    }

    fn set_weight_decay(&mut self, decay: f64) {
        (**self).set_weight_decay(decay);
    }

    fn settings(&self) -> Vec<(&'static str, f64)> {
        (**self).settings()
    }

    fn set(&mut self, name: &str, value: f64) -> Result<()> {
        (**self).set(name, value)
    }

    fn check(&self) -> Result<()> {
        (**self).check()
    }

    fn state_len(&self, parts: &[Part]) -> usize {
        (**self).state_len(parts)
    }

    fn descent(&self) -> Option<Descent<T>> {
        (**self).descent()
    }

    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()> {
        (**self).step(backend, state, gradient, parameters)
    }

    fn minimizer(&mut self) -> Option<&mut dyn Minimize<T>> {
        (**self).minimizer()
    }
}
