//! What a network should answer, and data sets of inputs with their targets.

use ndarray::{ArrayRef2, ArrayView2};

use crate::error::Shape;
use crate::layer::rows_of;
use crate::loss::check_weights;
use crate::{Error, Result, Scalar};

/// The targets of a batch or of a data set, one per row, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a, T> {
    /// A class per row, counted from 0. Losses that need a row of numbers take the one-hot row of the class.
    Classes(&'a [usize]),
    /// A row of numbers per sample: values to reach, or a probability for each class.
    Values(ArrayView2<'a, T>),
}

impl<T: Scalar> Targets<'_, T> {
    /// The rows from `start` to `end`.
    pub(crate) fn slice(self, start: usize, end: usize) -> Self {
        match self {
            Self::Classes(labels) => Self::Classes(&labels[start..end]),
            Self::Values(values) => Self::Values(rows_of(values, start, end)),
        }
    }

    /// The number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Classes(labels) => labels.len(),
            Self::Values(values) => values.nrows(),
        }
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of values per row; none for classes.
    pub(crate) fn columns(&self) -> Option<usize> {
        match self {
            Self::Classes(_) => None,
            Self::Values(values) => Some(values.ncols()),
        }
    }

    /// The number that output `column` of `row` should be; 1 or 0 for a class.
    #[inline]
    pub(crate) fn at(&self, row: usize, column: usize) -> T {
        match self {
            Self::Classes(labels) => {
                if labels[row] == column {
                    T::one()
                } else {
                    T::zero()
                }
            }
            Self::Values(values) => values[[row, column]],
        }
    }

    /// Refuses targets that do not fit `rows` × `outputs` outputs.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of rows or columns, [`Error::Label`] for a class without an output.
    pub fn check(&self, operation: &'static str, rows: usize, outputs: usize) -> Result<()> {
        let shape =
            |found: Shape, expected: Shape| Error::Shape { operation, operand: "targets", found, expected };
        match self {
            Self::Classes(labels) => {
                if labels.len() != rows {
                    return Err(shape(labels.len().into(), rows.into()));
                }
                match labels.iter().position(|&label| label >= outputs) {
                    Some(row) => Err(Error::Label { row, label: labels[row], classes: outputs }),
                    None => Ok(()),
                }
            }
            Self::Values(values) if values.dim() != (rows, outputs) => {
                Err(shape(values.dim().into(), (rows, outputs).into()))
            }
            Self::Values(_) => Ok(()),
        }
    }
}

/// Inputs with their targets, borrowed and checked: at least one row, as many targets as inputs, all finite.
///
/// ```
/// use chainrule_core::Dataset;
/// use ndarray::array;
/// let x = array![[0.0, 1.0], [1.0, 0.0]];
/// let data = Dataset::classes(&x, &[1, 0])?;
/// assert_eq!(data.len(), 2);
/// assert!(Dataset::classes(&x, &[1]).is_err());
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Dataset<'a, T> {
    inputs: ArrayView2<'a, T>,
    targets: Targets<'a, T>,
    weights: Option<&'a [T]>,
}

impl<'a, T: Scalar> Dataset<'a, T> {
    /// A data set for classification: inputs n × n_x, and n labels counted from 0.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Shape`], [`Error::NonFinite`]. Labels are held against the network's outputs later.
    pub fn classes(inputs: &'a ArrayRef2<T>, labels: &'a [usize]) -> Result<Self> {
        Self::new(inputs.view(), Targets::Classes(labels))
    }

    /// A data set for regression or with soft labels: inputs n × n_x, values n × n_y.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Shape`], [`Error::NonFinite`].
    pub fn values(inputs: &'a ArrayRef2<T>, values: &'a ArrayRef2<T>) -> Result<Self> {
        Self::new(inputs.view(), Targets::Values(values.view()))
    }

    /// A data set of the two.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::Shape`], [`Error::NonFinite`].
    pub fn new(inputs: ArrayView2<'a, T>, targets: Targets<'a, T>) -> Result<Self> {
        if inputs.nrows() == 0 {
            return Err(Error::Empty { what: "the data set", expected: "row" });
        }
        if targets.len() != inputs.nrows() {
            return Err(Error::Shape {
                operation: "a data set",
                operand: "targets",
                found: targets.len().into(),
                expected: inputs.nrows().into(),
            });
        }
        check_finite("inputs", &inputs)?;
        if let Targets::Values(values) = &targets {
            check_finite("targets", values)?;
        }
        Ok(Self { inputs, targets, weights: None })
    }

    /// The same data with a weight for each row: losses become weighted means, Σ w_i L_i / Σ w_i.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of weights than of rows, [`Error::Setting`] for one that is not a finite number of
    /// at least 0, or if all are 0.
    pub fn weighted(self, weights: &'a [T]) -> Result<Self> {
        if weights.len() != self.len() {
            return Err(Error::Shape {
                operation: "a data set",
                operand: "weights",
                found: weights.len().into(),
                expected: self.len().into(),
            });
        }
        check_weights("the weights of rows", weights.iter().map(|w| w.as_f64()))?;
        if weights.iter().all(|&w| w == T::zero()) {
            return Err(Error::setting("the sum of the weights of rows", 0, "a number above 0"));
        }
        Ok(Self { weights: Some(weights), ..self })
    }

    /// The number of rows, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a data set is never empty")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.nrows()
    }

    /// The inputs, n × n_x.
    #[must_use]
    pub fn inputs(&self) -> ArrayView2<'_, T> {
        self.inputs.view()
    }

    /// The weights of the rows, if they have any.
    #[must_use]
    pub fn weights(&self) -> Option<&[T]> {
        self.weights
    }

    /// The targets, n of them.
    #[must_use]
    pub fn targets(&self) -> Targets<'_, T> {
        match &self.targets {
            Targets::Classes(labels) => Targets::Classes(labels),
            Targets::Values(values) => Targets::Values(values.view()),
        }
    }
}

/// Refuses NaN and infinities, naming the first one's place.
pub(crate) fn check_finite<T: Scalar>(what: &'static str, values: &ArrayRef2<T>) -> Result<()> {
    // 0 x is 0 for the finite and NaN for the rest; a sum of these is quick and can't overflow.
    let finite = |slice: &[T]| slice.iter().fold(T::zero(), |sum, &x| sum + T::zero() * x) == T::zero();
    for (row, line) in values.rows().into_iter().enumerate() {
        if line.as_slice().is_some_and(finite) {
            continue;
        }
        if let Some((column, value)) = line.iter().enumerate().find(|(_, x)| !x.is_finite()) {
            return Err(Error::NonFinite { what, row, column, value: value.as_f64() });
        }
    }
    Ok(())
}
