//! Binary cross-entropy: each output for itself.

use ndarray::ArrayRef2;

use super::{Link, Loss, Score, check_weights, elementwise, elementwise_by_column, mean_over_outputs};
use crate::activation::{sigmoid, softplus};
use crate::{Backend, Result, Scalar, Targets, check};

/// How the binary cross-entropies of a row's outputs make the loss of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverOutputs {
    /// Their mean, as PyTorch's `BCEWithLogitsLoss`.
    #[default]
    Mean,
    /// Their sum, as Nielsen's cross-entropy cost in chapter 3.
    Sum,
}

impl OverOutputs {
    fn scale<T>(self, outputs: &ArrayRef2<T>) -> f64 {
        match self {
            Self::Mean => mean_over_outputs(outputs),
            Self::Sum => 1.0,
        }
    }
}

/// The binary cross-entropy −t ln σ(z) − (1−t) ln(1−σ(z)) of each output, on logits z; ∂/∂z = σ(z) − t.
///
/// It is computed as max(z, 0) − z t + ln(1 + e^(−|z|)), which no finite z overflows. Targets are values from 0 to 1, or
/// classes, which stand for their one-hot rows; with a single output, classes 0 and 1 stand for the targets 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BinaryCrossEntropy {
    /// Mean or sum over the outputs of a row.
    pub over_outputs: OverOutputs,
}

impl<T: Scalar> Loss<T> for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary-cross-entropy"
    }

    fn link(&self) -> Option<Link> {
        Some(Link::Sigmoid)
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let scale = self.over_outputs.scale(outputs);
        elementwise("binary cross-entropy", outputs, targets, delta, scale, |z: T, t| {
            let value = z.max(T::zero()) - z * t + (-z.abs()).exp().ln_1p();
            (if z.is_nan() { z } else { value }, sigmoid(z) - t)
        })
    }
}

impl BinaryCrossEntropy {
    /// With a weight p for positive targets: one for all outputs, or one for each.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a weight that is not a finite number of at least 0.
    pub fn pos_weight(self, weights: impl Into<Vec<f64>>) -> Result<BinaryCrossEntropyWith> {
        let pos_weight = weights.into();
        check_weights("the weight of positive targets", pos_weight.iter().copied())?;
        Ok(BinaryCrossEntropyWith { over_outputs: self.over_outputs, pos_weight })
    }
}

/// [`BinaryCrossEntropy`] with a weight p for positive targets, −p t ln σ(z) − (1−t) ln(1−σ(z)); ∂/∂z = (1 − t + p t) σ(z) − p t.
///
/// PyTorch's `BCEWithLogitsLoss(pos_weight=…)`. A p above 1 finds more of the positive ones, at the price of false alarms.
#[derive(Clone, Debug, PartialEq)]
pub struct BinaryCrossEntropyWith {
    over_outputs: OverOutputs,
    pos_weight: Vec<f64>,
}

impl<T: Scalar> Loss<T> for BinaryCrossEntropyWith {
    fn name(&self) -> &'static str {
        "binary-cross-entropy"
    }

    fn link(&self) -> Option<Link> {
        Some(Link::Sigmoid)
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let operation = "binary cross-entropy";
        let weights = self.pos_weight.len();
        if weights != 1 {
            check::same_length(operation, "weights of positive targets", weights, outputs.ncols())?;
        }
        let scale = self.over_outputs.scale(outputs);
        elementwise_by_column(operation, outputs, targets, delta, scale, |z: T, t, column| {
            let p = T::of(self.pos_weight[column.min(weights - 1)]);
            let (positive, negative) = (p * t, T::one() - t);
            let value = positive * softplus(-z) + negative * softplus(z);
            (value, (negative + positive) * sigmoid(z) - positive)
        })
    }
}

/// The binary cross-entropy −t ln a − (1−t) ln(1−a) of each output, on probabilities a, the mean over the outputs;
/// ∂/∂a = (a − t) / (a (1 − a)).
///
/// As PyTorch's `BCELoss`, logarithms are not taken to be less than −100, and a (1 − a) not less than 10⁻¹². [`BinaryCrossEntropy`], which takes
/// the sigmoid in, is cheaper and exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BinaryCrossEntropyOnProbabilities;

impl<T: Scalar> Loss<T> for BinaryCrossEntropyOnProbabilities {
    fn name(&self) -> &'static str {
        "binary-cross-entropy-on-probabilities"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let (one, floor, least) = (T::one(), T::of(-100.0), T::of(1e-12));
        // NaN, the logarithm of what is no probability, must not become −100.
        let bounded = |ln: T| if ln < floor { floor } else { ln };
        let scale = mean_over_outputs(outputs);
        elementwise("binary cross-entropy", outputs, targets, delta, scale, |a: T, t| {
            let value = -(t * bounded(a.ln()) + (one - t) * bounded((-a).ln_1p()));
            (value, (a - t) / (a * (one - a)).max(least))
        })
    }
}
