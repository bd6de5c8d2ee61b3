//! Losses that are negative logarithms of a likelihood, and the divergence of distributions.

use std::f64::consts::TAU;

use ndarray::ArrayRef2;

use super::{Loss, Score, checked, elementwise, mean_over_outputs};
use crate::error::Shape;
use crate::{Backend, Error, Result, Scalar, Targets, check};

/// The Kullback–Leibler divergence Σ t_i (ln t_i − ln p_i) of a row, on outputs ln p, such as [`LogSoftmax`](crate::LogSoftmax)'s; its derivative by
/// ln p_i is −t_i.
///
/// PyTorch's `KLDivLoss` with `reduction="batchmean"`. A t_i of 0 takes no part. Targets are rows of probabilities, or classes, which stand for their
/// one-hot rows. Kullback and Leibler, *On Information and Sufficiency*, 1951.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KlDivergence;

impl<T: Scalar> Loss<T> for KlDivergence {
    fn name(&self) -> &'static str {
        "kl-divergence"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        elementwise("Kullback–Leibler divergence", outputs, targets, delta, 1.0, |ln_p, t: T| {
            if t == T::zero() { (t, t) } else { (t * (t.ln() - ln_p), -t) }
        })
    }
}

/// The negative logarithm of Poisson's likelihood, the mean over the outputs: e^a − y a for outputs a = ln λ (∂/∂a = e^a − y), or λ − y ln(λ + ε) for
/// outputs λ (∂/∂λ = 1 − y/(λ + ε)).
///
/// PyTorch's `PoissonNLLLoss`. What does not depend on the outputs, ln y!, is left out, or with [`PoissonNll::full`] there in Stirling's approximation for y
/// above 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoissonNll {
    on_rates: Option<f64>,
    full: bool,
}

impl Default for PoissonNll {
    /// On ln λ, without ln y!.
    fn default() -> Self {
        Self { on_rates: None, full: false }
    }
}

impl PoissonNll {
    /// On outputs λ, with ε = 10⁻⁸.
    #[must_use]
    pub fn on_rates(self) -> Self {
        Self { on_rates: Some(1e-8), ..self }
    }

    /// With Stirling's y ln y − y + ½ ln 2πy.
    #[must_use]
    pub fn full(self) -> Self {
        Self { full: true, ..self }
    }
}

impl<T: Scalar> Loss<T> for PoissonNll {
    fn name(&self) -> &'static str {
        "poisson"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let of = |a: T, y: T| {
            let constant = if self.full && y > T::one() {
                y * y.ln() - y + T::of(0.5) * (T::of(TAU) * y).ln()
            } else {
                T::zero()
            };
            match self.on_rates {
                None => (a.exp() - y * a + constant, a.exp() - y),
                Some(epsilon) => {
                    let rate = a + T::of(epsilon);
                    (a - y * rate.ln() + constant, T::one() - y / rate)
                }
            }
        };
        elementwise("Poisson's likelihood", outputs, targets, delta, mean_over_outputs(outputs), of)
    }
}

/// The negative logarithm of a normal distribution's likelihood, the mean over the targets of ½ (ln v + (μ − y)²/v).
///
/// For n targets the network has 2n outputs, first the means μ, then the variances v. ∂/∂μ = (μ − y)/v, ∂/∂v = ½ (1/v − (μ − y)²/v²). As PyTorch's
/// `GaussianNLLLoss`, a variance below ε = 10⁻⁶ counts as ε, in the derivative as well. (So does one below 0, which PyTorch refuses; let the variances come from
/// softplus.) Nix and Weigend, *Estimating the Mean and Variance of the Target Probability Distribution*, 1994.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianNll {
    epsilon: f64,
    full: bool,
}

impl Default for GaussianNll {
    /// ε = 10⁻⁶, without ½ ln 2π.
    fn default() -> Self {
        Self { epsilon: 1e-6, full: false }
    }
}

impl GaussianNll {
    /// With another least variance ε.
    ///
    /// # Errors
    /// [`Error::Setting`] unless it is a finite number above 0.
    pub fn epsilon(self, epsilon: f64) -> Result<Self> {
        let epsilon = checked("ε of the variance", epsilon, epsilon > 0.0, "a finite number above 0")?;
        Ok(Self { epsilon, ..self })
    }

    /// With the constant ½ ln 2π.
    #[must_use]
    pub fn full(self) -> Self {
        Self { full: true, ..self }
    }
}

impl<T: Scalar> Loss<T> for GaussianNll {
    fn name(&self) -> &'static str {
        "gaussian"
    }

    fn target_columns(&self, outputs: usize) -> usize {
        outputs / 2
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        mut delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let operation = "the normal distribution's likelihood";
        let (rows, columns) = outputs.dim();
        let n = columns / 2;
        let Targets::Values(values) = targets else {
            return Err(Error::Targets { loss: "gaussian", found: "classes", expected: "values" });
        };
        targets.check(operation, rows, n)?;
        if columns != 2 * n {
            return Err(Error::Shape {
                operation,
                operand: "outputs (a mean and a variance for each target)",
                found: Shape::Matrix(rows, columns),
                expected: Shape::Matrix(rows, 2 * n),
            });
        }
        if let Some(delta) = &delta {
            check::same_shape(operation, "Δ", delta.dim(), outputs.dim())?;
        }
        let scale = 1.0 / (rows * n).max(1) as f64;
        let (half, least) = (T::of(0.5), T::of(self.epsilon));
        let constant = if self.full { T::of(0.5 * TAU.ln()) } else { T::zero() };
        let mut sum = 0.0;
        for (row, a) in outputs.rows().into_iter().enumerate() {
            let mut loss = T::zero();
            for column in 0..n {
                let error = a[column] - values[[row, column]];
                let variance = if a[n + column] < least { least } else { a[n + column] };
                loss += half * (variance.ln() + error * error / variance) + constant;
                if let Some(delta) = &mut delta {
                    let slope = error / variance;
                    delta[[row, column]] = slope * T::of(scale);
                    delta[[row, n + column]] = half * (variance.recip() - slope * slope) * T::of(scale);
                }
            }
            sum += loss.as_f64();
        }
        Ok(Score { loss: sum * scale, correct: None })
    }
}
