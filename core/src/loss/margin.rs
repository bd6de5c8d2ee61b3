//! Losses that want outputs on the right side by a margin, and no more.

use ndarray::ArrayRef2;

use super::{Loss, Score, argmax, checked, elementwise, mean_over_outputs};
use crate::{Backend, Error, Result, Scalar, Targets, check};

/// The hinge loss, the mean over the outputs of max(0, 1 − y a) with y = ±1; its derivative is −y where y a < 1, else 0.
///
/// Targets are the values −1 and 1, or classes: with a single output, class 0 stands for −1 and class 1 for 1; with several, the output of the class
/// is to be 1 and the others −1. Rosasco et al., *Are Loss Functions All the Same?*, 2004.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hinge;

/// The squared hinge loss, the mean over the outputs of max(0, 1 − y a)² with y = ±1; its derivative is −2 y max(0, 1 − y a).
///
/// Targets are as those of [`Hinge`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SquaredHinge;

/// y = ±1 from a target.
fn sides<T: Scalar>(targets: Targets<'_, T>) -> impl Fn(T) -> T {
    let classes = matches!(targets, Targets::Classes(_));
    move |t| if classes { t + t - T::one() } else { t }
}

impl<T: Scalar> Loss<T> for Hinge {
    fn name(&self) -> &'static str {
        "hinge"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let side = sides(targets);
        elementwise("hinge loss", outputs, targets, delta, mean_over_outputs(outputs), |a: T, t| {
            let y = side(t);
            let short = T::one() - y * a;
            if short <= T::zero() { (T::zero(), T::zero()) } else { (short, -y) }
        })
    }
}

impl<T: Scalar> Loss<T> for SquaredHinge {
    fn name(&self) -> &'static str {
        "squared-hinge"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let side = sides(targets);
        elementwise("squared hinge loss", outputs, targets, delta, mean_over_outputs(outputs), |a: T, t| {
            let y = side(t);
            let short = T::one() - y * a;
            if short <= T::zero() { (T::zero(), T::zero()) } else { (short * short, -(y + y) * short) }
        })
    }
}

/// The multi-class margin loss 1/C Σ_{j ≠ y} max(0, m − a_y + a_j)^p over the C outputs, for the class y.
///
/// Each j within the margin has the derivative p max(…)^(p−1)/C, and y the negative sum of these. Crammer and Singer, *On the
/// Algorithmic Implementation of Multiclass Kernel-based Vector Machines*, 2001. PyTorch's `MultiMarginLoss`. Targets are classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MultiMargin {
    margin: f64,
    squared: bool,
}

impl MultiMargin {
    /// With the margin m, and p = 1.
    ///
    /// # Errors
    /// [`Error::Setting`] unless m is finite.
    pub fn new(margin: f64) -> Result<Self> {
        Ok(Self { margin: checked("the margin", margin, true, "a finite number")?, squared: false })
    }

    /// With p = 2.
    #[must_use]
    pub fn squared(self) -> Self {
        Self { squared: true, ..self }
    }
}

impl Default for MultiMargin {
    /// m = 1, p = 1.
    fn default() -> Self {
        Self { margin: 1.0, squared: false }
    }
}

impl<T: Scalar> Loss<T> for MultiMargin {
    fn name(&self) -> &'static str {
        "multi-margin"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        mut delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let Targets::Classes(labels) = targets else {
            return Err(Error::Targets { loss: "multi-margin", found: "values", expected: "classes" });
        };
        let (rows, columns) = outputs.dim();
        targets.check("multi-margin loss", rows, columns)?;
        if let Some(delta) = &mut delta {
            check::same_shape("multi-margin loss", "Δ", delta.dim(), outputs.dim())?;
            delta.fill(T::zero());
        }
        let scale = mean_over_outputs(outputs) / rows.max(1) as f64;
        let (mut sum, mut correct) = (0.0, 0);
        for (row, a) in outputs.rows().into_iter().enumerate() {
            let y = labels[row];
            let mut loss = T::zero();
            for (j, &a_j) in a.iter().enumerate().filter(|&(j, _)| j != y) {
                let short = T::of(self.margin) - a[y] + a_j;
                if short <= T::zero() {
                    continue;
                }
                let (term, slope) =
                    if self.squared { (short * short, short + short) } else { (short, T::one()) };
                loss += term;
                if let Some(delta) = &mut delta {
                    delta[[row, j]] = slope * T::of(scale);
                    delta[[row, y]] -= slope * T::of(scale);
                }
            }
            sum += loss.as_f64();
            correct += usize::from(argmax(a.iter().copied()) == y);
        }
        Ok(Score { loss: sum * scale, correct: Some(correct) })
    }
}
