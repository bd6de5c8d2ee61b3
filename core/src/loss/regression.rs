//! Losses on values: how far each output is from its target.

use ndarray::ArrayRef2;

use super::{Loss, Score, checked, elementwise, mean_over_outputs};
use crate::{Backend, MeanAbsoluteError, Result, Scalar, Targets};

/// The quadratic loss ½ ‖a − y‖² of a row; ∂/∂a = a − y. Nielsen, *Neural Networks and Deep Learning*, chapter 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quadratic;

impl<T: Scalar> Loss<T> for Quadratic {
    fn name(&self) -> &'static str {
        "quadratic"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let half = T::of(0.5);
        elementwise("quadratic loss", outputs, targets, delta, 1.0, |a, y| {
            let error = a - y;
            (half * error * error, error)
        })
    }
}

/// The mean squared error 1/n Σ (a − y)² over the n outputs of a row; ∂/∂a = 2 (a − y)/n. PyTorch's `MSELoss`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeanSquaredError;

impl<T: Scalar> Loss<T> for MeanSquaredError {
    fn name(&self) -> &'static str {
        "mse"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let two = T::of(2.0);
        let scale = mean_over_outputs(outputs);
        elementwise("mean squared error", outputs, targets, delta, scale, |a, y| {
            let error = a - y;
            (error * error, two * error)
        })
    }
}

/// The mean absolute error 1/n Σ |a − y| over the n outputs of a row; ∂/∂a = sign(a − y)/n, and 0 where a = y. PyTorch's `L1Loss`.
impl<T: Scalar> Loss<T> for MeanAbsoluteError {
    fn name(&self) -> &'static str {
        "mae"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        elementwise("mean absolute error", outputs, targets, delta, mean_over_outputs(outputs), |a: T, y| {
            let error = a - y;
            (error.abs(), sign(error))
        })
    }
}

/// −1, 0 or 1; NaN stays NaN.
fn sign<T: Scalar>(x: T) -> T {
    if x > T::zero() {
        T::one()
    } else if x < T::zero() {
        -T::one()
    } else {
        x
    }
}

/// Huber's loss, the mean over the outputs of e²/2 where |e| ≤ δ and δ (|e| − δ/2) beyond, with e = a − y; its derivative is e between −δ and
/// δ, else ±δ. Huber, *Robust Estimation of a Location Parameter*, 1964. PyTorch's `HuberLoss`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Huber {
    delta: f64,
}

impl Huber {
    /// With the distance δ from which on the loss is linear.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) unless δ is a finite number above 0.
    pub fn new(delta: f64) -> Result<Self> {
        let delta = checked("δ of Huber's loss", delta, delta > 0.0, "a finite number above 0")?;
        Ok(Self { delta })
    }
}

impl Default for Huber {
    /// δ = 1.
    fn default() -> Self {
        Self { delta: 1.0 }
    }
}

impl<T: Scalar> Loss<T> for Huber {
    fn name(&self) -> &'static str {
        "huber"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let (limit, half) = (T::of(self.delta), T::of(0.5));
        elementwise("Huber's loss", outputs, targets, delta, mean_over_outputs(outputs), |a: T, y| {
            let error = a - y;
            if error.abs() > limit {
                (limit * (error.abs() - half * limit), limit * sign(error))
            } else {
                (half * error * error, error)
            }
        })
    }
}

/// The mean over the outputs of ln cosh(a − y), which is e²/2 near 0 and |e| − ln 2 far off; its derivative is tanh(a − y).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCosh;

impl<T: Scalar> Loss<T> for LogCosh {
    fn name(&self) -> &'static str {
        "log-cosh"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let (half, two) = (T::of(0.5), T::of(2.0));
        elementwise("log-cosh loss", outputs, targets, delta, mean_over_outputs(outputs), |a: T, y| {
            let error = a - y;
            let size = error.abs();
            // Near 0 the second form would cancel, far off the first would overflow.
            let value = if size < T::one() {
                half * (size.sinh() * size.sinh()).ln_1p()
            } else {
                size + (-two * size).exp().ln_1p() - T::of(std::f64::consts::LN_2)
            };
            (value, error.tanh())
        })
    }
}

/// The pinball (quantile) loss, the mean over the outputs of τ (y − a) where y > a and (1 − τ) (a − y) elsewhere; its derivative is −τ or 1 − τ,
/// and 0 where y = a. The best a is the τ-quantile of y. Koenker and Bassett, *Regression Quantiles*, 1978.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pinball {
    quantile: f64,
}

impl Pinball {
    /// For the quantile 0 < τ < 1.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for another τ.
    pub fn new(quantile: f64) -> Result<Self> {
        let fits = quantile > 0.0 && quantile < 1.0;
        Ok(Self { quantile: checked("the quantile τ", quantile, fits, "a number between 0 and 1")? })
    }
}

impl Default for Pinball {
    /// τ = ½, which is half the mean absolute error.
    fn default() -> Self {
        Self { quantile: 0.5 }
    }
}

impl<T: Scalar> Loss<T> for Pinball {
    fn name(&self) -> &'static str {
        "pinball"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let (tau, rest) = (T::of(self.quantile), T::of(1.0 - self.quantile));
        elementwise("pinball loss", outputs, targets, delta, mean_over_outputs(outputs), |a: T, y| {
            let short = y - a;
            if short > T::zero() {
                (tau * short, -tau)
            } else if short < T::zero() {
                (-rest * short, rest)
            } else {
                (short, short)
            }
        })
    }
}
