//! What is done to numbers before a network sees them, settled by the training data.

use crate::{Error, error::counted};
use ndarray::{Array2, ArrayRef2};
use num_traits::Float;
use serde::{Deserialize, Serialize};

mod fit;
mod method;
mod step;

pub use fit::EigenSolver;
pub use method::Method;
pub use step::Step;

/// Steps that numbers go through before a network sees them, fitted on the training data alone, and kept with the model.
///
/// A row is a sample, a column a feature. The numbers of a step are `f64`, and each result is rounded to `T` once. The same does for the
/// targets of a regression: [`inverse`](Self::inverse) brings what the network says back to their units.
///
/// What is deserialised is checked: steps that can be had are sound.
///
/// ```
/// use chainrule_data::{Method, Preprocessing};
/// use ndarray::array;
///
/// let train = array![[1.0, 10.0], [3.0, 10.0]];
/// let steps = Preprocessing::fit(&[Method::Standardise], &train, None)?;
/// // (x − mean) / standard deviation; a column that is constant is only centred.
/// assert_eq!(steps.transform(train.clone())?, array![[-1.0, 0.0], [1.0, 0.0]]);
/// assert_eq!(steps.transform(array![[5.0, 12.0]])?, array![[3.0, 2.0]]);
/// assert_eq!(steps.inverse(array![[3.0, 2.0]])?, array![[5.0, 12.0]]);
/// # Ok::<(), chainrule_data::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Preprocessing {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    steps: Vec<Step>,
}

impl TryFrom<Unchecked> for Preprocessing {
    type Error = Error;

    fn try_from(unchecked: Unchecked) -> Result<Self, Error> {
        Self::new(unchecked.steps)
    }
}

impl Preprocessing {
    /// These steps, one after the other; none of them is one that changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for numbers that are not finite, that divide by 0 or whose shapes contradict each other.
    pub fn new(steps: Vec<Step>) -> Result<Self, Error> {
        let mut width = None;
        for step in &steps {
            step.check()?;
            let (inputs, outputs) = step.widths().unzip();
            if let (Some(width), Some(inputs)) = (width, inputs)
                && width != inputs
            {
                return Err(columns("steps", width, inputs));
            }
            width = outputs.or(width);
        }
        Ok(Self { steps })
    }

    /// The steps.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many columns go in; nothing if any number may.
    #[must_use]
    pub fn inputs(&self) -> Option<usize> {
        self.steps.iter().find_map(Step::widths).map(|(inputs, _)| inputs)
    }

    /// How many columns come out if `inputs` go in.
    #[must_use]
    pub fn outputs(&self, inputs: usize) -> usize {
        self.steps.iter().rev().find_map(Step::widths).map_or(inputs, |(_, outputs)| outputs)
    }

    /// Rows as the network is given them. Steps that work on each number by itself do so in place.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for another number of columns than the training data had, and where a number that is not finite goes in or
    /// comes out.
    pub fn transform<T: Float>(&self, rows: Array2<T>) -> Result<Array2<T>, Error> {
        if let Some(inputs) = self.inputs()
            && inputs != rows.ncols()
        {
            return Err(columns("inputs", rows.ncols(), inputs));
        }
        finite("inputs", self.steps.iter().try_fold(rows, |rows, step| step.transform(rows))?)
    }

    /// Rows of what [`transform`](Self::transform) gives back in the units of its inputs. Where directions were dropped, what comes back
    /// is the nearest that is possible without them.
    ///
    /// # Errors
    ///
    /// As [`Preprocessing::transform`].
    pub fn inverse<T: Float>(&self, rows: Array2<T>) -> Result<Array2<T>, Error> {
        let outputs = self.outputs(rows.ncols());
        if outputs != rows.ncols() {
            return Err(columns("outputs", rows.ncols(), outputs));
        }
        finite("outputs", self.steps.iter().rev().try_fold(rows, |rows, step| step.inverse(rows))?)
    }
}

fn columns(name: &'static str, found: usize, expected: usize) -> Error {
    Error::Argument { name, found: counted(found, "column"), expected: counted(expected, "column") }
}

fn finite<T: Float>(name: &'static str, rows: Array2<T>) -> Result<Array2<T>, Error> {
    check_finite(name, &rows)?;
    Ok(rows)
}

fn check_finite<T: Float>(name: &'static str, rows: &ArrayRef2<T>) -> Result<(), Error> {
    match rows.indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some(((row, column), value)) => Err(Error::Argument {
            name,
            found: format!("{} in row {row}, column {column}", value.to_f64().unwrap_or(f64::NAN)),
            expected: "finite numbers, before and after they are preprocessed".to_owned(),
        }),
    }
}
