//! Cross-entropy on logits.

use ndarray::{ArrayRef2, ArrayViewMut1};

use super::{Link, Loss, Score, argmax, check_weights, checked};
use crate::{Backend, Result, Scalar, Targets, check};

/// The cross-entropy −Σ t_i ln p_i of p = softmax(z), on logits z; ∂/∂z = p Σt − t. PyTorch's `CrossEntropyLoss`.
///
/// Targets are classes, or rows of probabilities (one-hot or soft). The log-likelihood cost of Nielsen's chapter 3 is the same.
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

impl CrossEntropy {
    /// With labels smoothed by ε.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) unless 0 ≤ ε ≤ 1.
    pub fn label_smoothing(self, smoothing: f64) -> Result<CrossEntropyWith> {
        CrossEntropyWith::default().label_smoothing(smoothing)
    }

    /// With a weight for each class.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a weight that is not a finite number of at least 0.
    pub fn class_weights(self, weights: impl Into<Vec<f64>>) -> Result<CrossEntropyWith> {
        CrossEntropyWith::default().class_weights(weights)
    }
}

/// [`CrossEntropy`] with a weight w_c for each class and with labels smoothed by ε.
///
/// Smoothing mixes the target with the uniform distribution over the C classes: t′ = (1 − ε) t + ε/C (Szegedy et al., arXiv 1512.00567). A row's loss
/// is −Σ q_c ln p_c; ∂/∂z = p Σq − q. As in PyTorch, what becomes of the weights depends on the kind of targets:
///
/// - classes: q_c = (1 − ε) w_y \[c = y\] + w_c ε/C, and the mean over the rows is weighted by w_y: Σ L_i / Σ w_{y_i};
/// - rows of probabilities: q_c = w_c t′_c, and the mean is a plain one.
///
/// ```
/// use chainrule_core::{CrossEntropy, Loss};
/// let loss = CrossEntropy.class_weights([1.0, 5.0])?.label_smoothing(0.1)?;
/// assert_eq!(Loss::<f32>::name(&loss), "cross-entropy");
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrossEntropyWith {
    smoothing: f64,
    /// Empty if all are 1.
    weights: Vec<f64>,
}

impl CrossEntropyWith {
    /// With labels smoothed by ε.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) unless 0 ≤ ε ≤ 1.
    pub fn label_smoothing(self, smoothing: f64) -> Result<Self> {
        let fits = (0.0..=1.0).contains(&smoothing);
        let smoothing = checked("the smoothing of labels", smoothing, fits, "a number from 0 to 1")?;
        Ok(Self { smoothing, ..self })
    }

    /// With a weight for each class.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a weight that is not a finite number of at least 0.
    pub fn class_weights(self, weights: impl Into<Vec<f64>>) -> Result<Self> {
        let weights = weights.into();
        check_weights("the weights of classes", weights.iter().copied())?;
        Ok(Self { weights, ..self })
    }

    /// Smoothed classes alone, by the backend's own cross-entropy: with q = (1 − ε) t + ε/n, the row's loss is greater by
    /// ε (z_t − mean z), and ∂/∂z by ε (t − 1/n).
    fn smoothed<T: Scalar>(
        &self,
        backend: &dyn Backend<T>,
        logits: &ArrayRef2<T>,
        labels: &[usize],
        mut delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let mut score =
            backend.softmax_cross_entropy(logits, Targets::Classes(labels), delta.as_deref_mut())?;
        let (rows, columns) = logits.dim();
        if self.smoothing == 0.0 || rows == 0 {
            return Ok(score);
        }
        let per_column = T::one() / T::of(columns as f64);
        let mut above = 0.0;
        for (z, &label) in logits.rows().into_iter().zip(labels) {
            above += (z[label] - z.sum() * per_column).as_f64();
        }
        score.loss += self.smoothing * above / rows as f64;
        if let Some(delta) = &mut delta {
            let of_row = T::of(self.smoothing / rows as f64);
            for (mut change, &label) in delta.rows_mut().into_iter().zip(labels) {
                change.map_inplace(|change| *change -= of_row * per_column);
                change[label] += of_row;
            }
        }
        Ok(score)
    }

    fn weight(&self, class: usize) -> f64 {
        self.weights.get(class).copied().unwrap_or(1.0)
    }

    fn mean<T: Scalar>(
        &self,
        logits: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        weights: Option<&[T]>,
        mut delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        let (rows, columns) = logits.dim();
        targets.check("cross-entropy", rows, columns)?;
        if !self.weights.is_empty() {
            check::same_length("cross-entropy", "weights of classes", self.weights.len(), columns)?;
        }
        if let Some(weights) = weights {
            check::same_length("cross-entropy", "weights of rows", weights.len(), rows)?;
        }
        if let Some(delta) = &delta {
            check::same_shape("cross-entropy", "δ", delta.dim(), logits.dim())?;
        }
        let total = self.total_weight(targets, weights);
        let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
        let (keep, spread) = (1.0 - self.smoothing, self.smoothing / columns.max(1) as f64);
        let (mut sum, mut correct) = (0.0, 0);
        for (row, z) in logits.rows().into_iter().enumerate() {
            let of_row = scale * weights.map_or(1.0, |weights| weights[row].as_f64());
            let q = |class: usize| {
                let t = targets.at(row, class).as_f64();
                T::of(self.weight(class) * (keep * t + spread))
            };
            let largest = z.fold(T::neg_infinity(), |m, &z| if m.is_nan() || z <= m { m } else { z });
            let total = z.iter().map(|&z| (z - largest).exp()).sum::<T>();
            let (mut loss, mut mass) = (T::zero(), T::zero());
            for (class, &z) in z.iter().enumerate() {
                let q = q(class);
                // A class of probability 0 takes no part, however far its logit lies.
                if q != T::zero() {
                    loss += q * (total.ln() - (z - largest));
                    mass += q;
                }
            }
            if of_row > 0.0 {
                sum += of_row * loss.as_f64();
            }
            let wanted = match targets {
                Targets::Classes(labels) => labels[row],
                Targets::Values(values) => argmax(values.row(row).iter().copied()),
            };
            correct += usize::from(argmax(z.iter().copied()) == wanted);
            if let Some(delta) = &mut delta {
                let of_row = T::of(of_row);
                for (class, &z) in z.iter().enumerate() {
                    let p = (z - largest).exp() / total;
                    let change = (p * mass - q(class)) * of_row;
                    delta[[row, class]] = if of_row > T::zero() { change } else { T::zero() };
                }
            }
        }
        Ok(Score { loss: sum, correct: Some(correct) })
    }
}

impl<T: Scalar> Loss<T> for CrossEntropyWith {
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
        match targets {
            Targets::Classes(labels) if self.weights.is_empty() => {
                self.smoothed(backend, outputs, labels, delta)
            }
            _ => self.mean(outputs, targets, None, delta),
        }
    }

    fn evaluate_weighted(
        &self,
        _backend: &dyn Backend<T>,
        outputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        weights: &[T],
        delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        self.mean(outputs, targets, Some(weights), delta)
    }

    fn total_weight(&self, targets: Targets<'_, T>, weights: Option<&[T]>) -> f64 {
        let of_row = |row: usize| weights.map_or(1.0, |weights| weights[row].as_f64());
        let of_class = |row: usize| match targets {
            Targets::Classes(labels) => self.weight(labels[row]),
            Targets::Values(_) => 1.0,
        };
        (0..targets.len()).map(|row| of_row(row) * of_class(row)).sum()
    }
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

/// The logarithm of softmax, in place.
pub(crate) fn log_softmax_row<T: Scalar>(row: &mut ArrayViewMut1<'_, T>) {
    let largest = row.fold(T::neg_infinity(), |m, &z| if m.is_nan() || z <= m { m } else { z });
    let total = row.iter().map(|&z| (z - largest).exp()).sum::<T>().ln();
    row.map_inplace(|z| *z = *z - largest - total);
}
