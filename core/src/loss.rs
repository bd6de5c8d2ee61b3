//! Losses L, their values and the change in loss that starts backpropagation, Δa_y = ∂L/∂a_y.
//!
//! A loss over a batch is the mean over its rows; its gradient is that of the mean. The average over the mini-batch in
//! the note's last step is thereby made here, once, where it is cheapest.

use std::fmt::Debug;

use ndarray::{ArrayRef2, ArrayViewMut1};

use crate::activation::sigmoid;
use crate::{Activation, Backend, Error, Result, Scalar, Targets, check};

/// What a loss says of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// The loss: the mean over the rows.
    pub loss: f64,
    /// How many rows have their largest output where the target has its largest, where targets are classes
    /// (or probabilities of classes).
    pub correct: Option<usize>,
}

/// The function at the end of a network which a loss takes in: the loss is then computed from its argument, the
/// logits, which is stable and cheaper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Link {
    /// σ, elementwise.
    Sigmoid,
    /// Softmax over the row.
    Softmax,
}

/// A loss function.
///
/// A loss of your own needs one method; backpropagation needs nothing else of it.
pub trait Loss<T: Scalar>: Debug + Send + Sync {
    /// The name for reports.
    fn name(&self) -> &'static str;

    /// The link function this loss contains, if it is one on logits: a network that ends with it has it skipped when
    /// the loss is computed.
    fn link(&self) -> Option<Link> {
        None
    }

    /// The mean loss over the rows of `outputs` (batch × n_y) and, where asked for, its gradient by them, Δa_y.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Label`], [`Error::Targets`] if the targets do not fit the outputs.
    fn evaluate(
        &self,
        backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score>;
}

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
        let scale = 1.0 / outputs.ncols().max(1) as f64;
        elementwise("mean squared error", outputs, targets, delta, scale, |a, y| {
            let error = a - y;
            (error * error, two * error)
        })
    }
}

/// The cross-entropy −Σ t_i ln p_i of p = softmax(z), on logits z; ∂/∂z = p Σt − t. PyTorch's `CrossEntropyLoss`.
///
/// Targets are classes, or rows of probabilities. The log-likelihood cost of Nielsen's chapter 3 is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CrossEntropy;

impl<T: Scalar> Loss<T> for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn link(&self) -> Option<Link> {
        Some(Link::Softmax)
    }

    fn evaluate(
        &self,
        backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        backend.softmax_cross_entropy(outputs, targets, delta)
    }
}

/// How the binary cross-entropies of a row's outputs make the loss of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OverOutputs {
    /// Their mean, as PyTorch's `BCEWithLogitsLoss`.
    #[default]
    Mean,
    /// Their sum, as Nielsen's cross-entropy cost in chapter 3.
    Sum,
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
        let scale = match self.over_outputs {
            OverOutputs::Mean => 1.0 / outputs.ncols().max(1) as f64,
            OverOutputs::Sum => 1.0,
        };
        elementwise("binary cross-entropy", outputs, targets, delta, scale, |z: T, t| {
            let value = z.max(T::zero()) - z * t + (-z.abs()).exp().ln_1p();
            (if z.is_nan() { z } else { value }, sigmoid(z) - t)
        })
    }
}

/// A loss that is a sum over outputs: `of(a, y)` gives a term and its derivative by a, `scale` multiplies both.
fn elementwise<T: Scalar>(
    operation: &'static str,
    outputs: &ArrayRef2<T>,
    targets: Targets<'_, T>,
    mut delta: Option<&mut ArrayRef2<T>>,
    scale: f64,
    of: impl Fn(T, T) -> (T, T),
) -> Result<Score> {
    let (rows, columns) = outputs.dim();
    // With one output a label is the target itself: 0 or 1.
    let binary = columns == 1 && matches!(targets, Targets::Classes(_));
    targets.check(operation, rows, if binary { 2 } else { columns })?;
    if let Some(delta) = &delta {
        check::same_shape(operation, "Δ", delta.dim(), outputs.dim())?;
    }
    let per_row = T::of(scale / rows.max(1) as f64);
    let mut sum = 0.0;
    let mut correct = 0;
    for (row, outputs) in outputs.rows().into_iter().enumerate() {
        let mut loss = T::zero();
        for (column, &a) in outputs.iter().enumerate() {
            let (term, derivative) = of(a, targets.at(row, if binary { 1 } else { column }));
            loss += term;
            if let Some(delta) = &mut delta {
                delta[[row, column]] = derivative * per_row;
            }
        }
        sum += loss.as_f64();
        if let Targets::Classes(labels) = targets
            && !binary
        {
            correct += usize::from(argmax(outputs.iter().copied()) == labels[row]);
        }
    }
    let counted = matches!(targets, Targets::Classes(_)) && !binary;
    Ok(Score { loss: sum * scale / rows.max(1) as f64, correct: counted.then_some(correct) })
}

/// The default of [`Backend::softmax_cross_entropy`].
pub(crate) fn softmax_cross_entropy<T: Scalar>(
    logits: &ArrayRef2<T>,
    targets: Targets<'_, T>,
    mut delta: Option<&mut ArrayRef2<T>>,
) -> Result<Score> {
    let (rows, columns) = logits.dim();
    targets.check("softmax cross-entropy", rows, columns)?;
    if let Some(delta) = &delta {
        check::same_shape("softmax cross-entropy", "δ", delta.dim(), logits.dim())?;
    }
    let per_row = T::one() / T::of(rows.max(1) as f64);
    let mut sum = 0.0;
    let mut correct = 0;
    for (row, z) in logits.rows().into_iter().enumerate() {
        // ln p_i = z_i − (m + ln Σ e^(z_j − m)), with m the largest z.
        let largest = z.fold(T::neg_infinity(), |m, &z| if m.is_nan() || z <= m { m } else { z });
        let total = z.iter().map(|&z| (z - largest).exp()).sum::<T>();
        let (mut loss, mut mass) = (T::zero(), T::zero());
        match targets {
            Targets::Classes(labels) => {
                loss = total.ln() - (z[labels[row]] - largest);
                mass = T::one();
            }
            Targets::Values(values) => {
                for (&t, &z) in values.row(row).iter().zip(&z) {
                    // A class of probability 0 takes no part, however far its logit lies.
                    if t != T::zero() {
                        loss += t * (total.ln() - (z - largest));
                    }
                    mass += t;
                }
            }
        }
        sum += loss.as_f64();
        let wanted = match targets {
            Targets::Classes(labels) => labels[row],
            Targets::Values(values) => argmax(values.row(row).iter().copied()),
        };
        correct += usize::from(argmax(z.iter().copied()) == wanted);
        if let Some(delta) = &mut delta {
            for (column, &z) in z.iter().enumerate() {
                let p = (z - largest).exp() / total;
                delta[[row, column]] = (p * mass - targets.at(row, column)) * per_row;
            }
        }
    }
    Ok(Score { loss: sum / rows.max(1) as f64, correct: Some(correct) })
}

/// Softmax of one row, in place.
pub(crate) fn softmax_row<T: Scalar>(row: &mut ArrayViewMut1<'_, T>) {
    let largest = row.fold(T::neg_infinity(), |m, &z| if m.is_nan() || z <= m { m } else { z });
    row.map_inplace(|z| *z = (*z - largest).exp());
    let total = row.sum();
    row.map_inplace(|p| *p /= total);
}

/// The index of the first largest value; 0 for an empty row.
pub(crate) fn argmax<T: Scalar>(values: impl Iterator<Item = T>) -> usize {
    let mut best = (0, T::neg_infinity());
    for (i, value) in values.enumerate() {
        if value > best.1 {
            best = (i, value);
        }
    }
    best.0
}

/// The link function that an activation is, if it is one.
pub(crate) fn link_of(activation: Activation) -> Option<Link> {
    (activation == Activation::Sigmoid).then_some(Link::Sigmoid)
}

/// A loss by its name, for the command line and for configuration files.
///
/// ```
/// let loss = chainrule_core::loss_by_name::<f32>("cross-entropy")?;
/// assert_eq!(loss.name(), "cross-entropy");
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unknown`] with the names there are.
pub fn loss_by_name<T: Scalar>(name: &str) -> Result<Box<dyn Loss<T>>> {
    Ok(match name {
        "quadratic" => Box::new(Quadratic),
        "mse" => Box::new(MeanSquaredError),
        "cross-entropy" => Box::new(CrossEntropy),
        "binary-cross-entropy" => Box::new(BinaryCrossEntropy::default()),
        _ => {
            return Err(Error::Unknown {
                what: "loss",
                name: name.to_owned(),
                expected: "quadratic, mse, cross-entropy or binary-cross-entropy".to_owned(),
            });
        }
    })
}

impl<T: Scalar, L: Loss<T> + ?Sized> Loss<T> for Box<L> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn link(&self) -> Option<Link> {
        (**self).link()
    }

    fn evaluate(
        &self,
        backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        (**self).evaluate(backend, outputs, targets, delta)
    }
}
