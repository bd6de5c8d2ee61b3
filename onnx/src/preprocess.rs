//! What is done to the inputs before the network sees them.

use chainrule_core::Scalar;
use ndarray::{Array2, ArrayRef2};

use crate::{Error, Result};

/// A step that inputs go through before they reach the network: exported as the graph's first nodes, and read from them.
///
/// The numbers are kept as `f64` and rounded to the element type of the network.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Preprocess {
    /// x ← (x − mean) / scale, each feature by its own mean and scale, or all by one if there is but one.
    ///
    /// Standardising (mean and standard deviation), min-max scaling (minimum and range) and division by 255 are of this form.
    Affine {
        /// What is subtracted: as many numbers as features, or one.
        mean: Vec<f64>,
        /// What it is divided by: as many numbers as features, or one; none of them 0.
        scale: Vec<f64>,
    },
    /// x ← W x with W outputs × features, its row the destination: PCA and ZCA whitening of features whose mean is 0 already.
    Matrix(Array2<f64>),
}

impl Preprocess {
    /// Division by one number.
    #[must_use]
    pub fn divide(by: f64) -> Self {
        Self::Affine { mean: vec![0.0], scale: vec![by] }
    }

    /// How many features come out of it if `features` go in.
    ///
    /// # Errors
    /// [`Error::Unfit`] for as many as it does not fit, and for numbers that are not finite or divide by 0.
    pub fn outputs(&self, features: usize) -> Result<usize> {
        match self {
            Self::Affine { mean, scale } => {
                for (what, values) in [("mean", mean), ("scale", scale)] {
                    if values.len() != 1 && values.len() != features {
                        let found = format!("{} numbers", values.len());
                        return Err(Error::unfit(
                            format!("the {what} of a preprocessing step"),
                            found,
                            one_or(features),
                        ));
                    }
                    check_finite(what, values)?;
                }
                if scale.contains(&0.0) {
                    return Err(Error::unfit(
                        "the scale of a preprocessing step",
                        "0",
                        "numbers to divide by",
                    ));
                }
                Ok(features)
            }
            Self::Matrix(matrix) => {
                if matrix.ncols() != features || matrix.nrows() == 0 {
                    let found = format!("shape {}×{}", matrix.nrows(), matrix.ncols());
                    return Err(Error::unfit(
                        "the matrix of a preprocessing step",
                        found,
                        format!("a column for each of {features} features"),
                    ));
                }
                check_finite("matrix", matrix)?;
                Ok(matrix.nrows())
            }
        }
    }

    /// The step on rows of features.
    ///
    /// ```
    /// use chainrule_onnx::Preprocess;
    /// use ndarray::array;
    /// let standardise = Preprocess::Affine { mean: vec![1.0, 2.0], scale: vec![0.5, 4.0] };
    /// assert_eq!(standardise.apply(&array![[2.0, 4.0]])?, array![[2.0, 0.5]]);
    /// let rotate = Preprocess::Matrix(array![[0.0, -1.0], [1.0, 0.0]]);
    /// assert_eq!(rotate.apply(&array![[2.0, 4.0]])?, array![[-4.0, 2.0]]);
    /// # Ok::<(), chainrule_onnx::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Preprocess::outputs`].
    pub fn apply<T: Scalar>(&self, inputs: &ArrayRef2<T>) -> Result<Array2<T>> {
        let outputs = self.outputs(inputs.ncols())?;
        Ok(match self {
            Self::Affine { mean, scale } => {
                let mut x = inputs.to_owned();
                for mut row in x.rows_mut() {
                    for (i, x) in row.iter_mut().enumerate() {
                        *x = (*x - T::of(at(mean, i))) / T::of(at(scale, i));
                    }
                }
                x
            }
            Self::Matrix(matrix) => Array2::from_shape_fn((inputs.nrows(), outputs), |(row, output)| {
                inputs.row(row).iter().zip(matrix.row(output)).map(|(&x, &w)| x * T::of(w)).sum()
            }),
        })
    }
}

fn check_finite<'a>(what: &str, values: impl IntoIterator<Item = &'a f64>) -> Result<()> {
    match values.into_iter().find(|x| !x.is_finite()) {
        Some(x) => {
            Err(Error::unfit(format!("the {what} of a preprocessing step"), x.to_string(), "finite numbers"))
        }
        None => Ok(()),
    }
}

/// The number for a feature, of one for each or one for all.
fn at(values: &[f64], feature: usize) -> f64 {
    values[if values.len() == 1 { 0 } else { feature }]
}

fn one_or(features: usize) -> String {
    format!("one, or one for each of {features} features")
}
