//! A fitted step.

use crate::{Error, error::counted, labelled::matrix};
use ndarray::{Array2, ArrayView2, Axis};
use num_traits::Float;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Rows that are projected at a time, as `f64`.
const ROWS: usize = 1024;

/// One step of preprocessing, with the numbers that were learnt from the training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Step {
    /// x / by.
    Divide {
        /// The divisor.
        by: f64,
    },
    /// (x − offset) / divisor, for each column: standardised, or scaled to a range.
    Scale {
        /// What is subtracted, for each column.
        offset: Vec<f64>,
        /// What it is divided by, for each column.
        divisor: Vec<f64>,
    },
    /// V (x − mean): principal components.
    Pca {
        /// The columns' means.
        mean: Vec<f64>,
        /// V, components × columns.
        #[serde(with = "rows")]
        components: Array2<f64>,
        /// What each component is divided by, if they are whitened.
        deviations: Option<Vec<f64>>,
    },
    /// Vᵀ diag(1/deviations) V (x − mean): whitened and turned back.
    Zca {
        /// The columns' means.
        mean: Vec<f64>,
        /// V, components × columns.
        #[serde(with = "rows")]
        components: Array2<f64>,
        /// √(λ + ε), for each component.
        deviations: Vec<f64>,
    },
}

impl Step {
    /// How many columns go in and come out; nothing if any number may.
    pub(super) fn widths(&self) -> Option<(usize, usize)> {
        match self {
            Self::Divide { .. } => None,
            Self::Scale { offset, .. } => Some((offset.len(), offset.len())),
            Self::Pca { mean, components, .. } => Some((mean.len(), components.nrows())),
            Self::Zca { mean, .. } => Some((mean.len(), mean.len())),
        }
    }

    /// Refuses what no fit would give.
    pub(super) fn check(&self) -> Result<(), Error> {
        let unsound = |found: String, expected: &str| {
            Err(Error::Argument { name: "steps", found, expected: expected.to_owned() })
        };
        let (mean, divisors): (&[f64], &[f64]) = match self {
            Self::Divide { by } => (&[], std::slice::from_ref(by)),
            Self::Scale { offset, divisor } => (offset, divisor),
            Self::Pca { mean, deviations, .. } => (mean, deviations.as_deref().unwrap_or_default()),
            Self::Zca { mean, deviations, .. } => (mean, deviations),
        };
        if let Some(value) = mean.iter().chain(divisors).find(|value| !value.is_finite()) {
            return unsound(value.to_string(), "finite numbers");
        }
        if divisors.contains(&0.0) {
            return unsound("0".to_owned(), "a number to divide by");
        }
        if let Some((0, _) | (_, 0)) = self.widths() {
            return unsound("no columns".to_owned(), "at least one");
        }
        match self {
            Self::Divide { .. } => Ok(()),
            Self::Scale { offset, divisor } => {
                if divisor.len() == offset.len() {
                    return Ok(());
                }
                unsound(counted(divisor.len(), "divisor"), &counted(offset.len(), "column"))
            }
            Self::Pca { components, .. } | Self::Zca { components, .. } => {
                if components.ncols() != mean.len() {
                    return unsound(counted(components.ncols(), "column"), &counted(mean.len(), "mean"));
                }
                let whitens = !matches!(self, Self::Pca { deviations: None, .. });
                if whitens && divisors.len() != components.nrows() {
                    return unsound(
                        counted(divisors.len(), "deviation"),
                        &counted(components.nrows(), "component"),
                    );
                }
                match components.iter().find(|value| !value.is_finite()) {
                    Some(value) => unsound(value.to_string(), "finite numbers"),
                    None => Ok(()),
                }
            }
        }
    }

    /// The W of W (x − mean) for a step of that kind, outputs × columns, its row the destination.
    ///
    /// ```
    /// use chainrule_data::{Method, Preprocessing};
    /// use ndarray::array;
    ///
    /// let steps = Preprocessing::fit(&[Method::Zca { epsilon: 0.0 }], &array![[0.0], [4.0]], None)?;
    /// let w = steps.steps()[0].matrix().unwrap();
    /// assert!((w[[0, 0]] - 1.0 / 8.0_f64.sqrt()).abs() < 1e-15);
    /// # Ok::<(), chainrule_data::Error>(())
    /// ```
    #[must_use]
    pub fn matrix(&self) -> Option<Array2<f64>> {
        let divided = |components: &Array2<f64>, deviations: &[f64]| {
            let mut w = components.clone();
            for (mut row, deviation) in w.rows_mut().into_iter().zip(deviations) {
                row.mapv_inplace(|x| x / deviation);
            }
            w
        };
        match self {
            Self::Divide { .. } | Self::Scale { .. } => None,
            Self::Pca { components, deviations, .. } => {
                Some(divided(components, deviations.as_deref().unwrap_or_default()))
            }
            Self::Zca { components, deviations, .. } => {
                Some(components.t().dot(&divided(components, deviations)))
            }
        }
    }

    pub(super) fn transform<T: Float>(&self, mut rows: Array2<T>) -> Result<Array2<T>, Error> {
        match self {
            Self::Divide { by } => {
                rows.mapv_inplace(|x| cast(number(x) / by));
                Ok(rows)
            }
            Self::Scale { offset, divisor } => {
                by_column(&mut rows, offset, divisor, |x, offset, divisor| (x - offset) / divisor);
                Ok(rows)
            }
            Self::Pca { mean, components, deviations } => project(&rows, components.nrows(), |mut x| {
                by_column(&mut x, mean, mean, |x, mean, _| x - mean);
                let mut z = x.dot(&components.t());
                if let Some(deviations) = deviations {
                    by_column(&mut z, deviations, deviations, |z, deviation, _| z / deviation);
                }
                z
            }),
            Self::Zca { mean, components, deviations } => project(&rows, mean.len(), |mut x| {
                by_column(&mut x, mean, mean, |x, mean, _| x - mean);
                let mut z = x.dot(&components.t());
                by_column(&mut z, deviations, deviations, |z, deviation, _| z / deviation);
                z.dot(components)
            }),
        }
    }

    pub(super) fn inverse<T: Float>(&self, mut rows: Array2<T>) -> Result<Array2<T>, Error> {
        match self {
            Self::Divide { by } => {
                rows.mapv_inplace(|x| cast(number(x) * by));
                Ok(rows)
            }
            Self::Scale { offset, divisor } => {
                by_column(&mut rows, offset, divisor, |x, offset, divisor| x * divisor + offset);
                Ok(rows)
            }
            Self::Pca { mean, components, deviations } => project(&rows, mean.len(), |mut z| {
                if let Some(deviations) = deviations {
                    by_column(&mut z, deviations, deviations, |z, deviation, _| z * deviation);
                }
                let mut x = z.dot(components);
                by_column(&mut x, mean, mean, |x, mean, _| x + mean);
                x
            }),
            Self::Zca { mean, components, deviations } => project(&rows, mean.len(), |y| {
                let mut z = y.dot(&components.t());
                by_column(&mut z, deviations, deviations, |z, deviation, _| z * deviation);
                let mut x = z.dot(components);
                by_column(&mut x, mean, mean, |x, mean, _| x + mean);
                x
            }),
        }
    }
}

/// Each number changed by two numbers of its column.
fn by_column<T: Float>(rows: &mut Array2<T>, a: &[f64], b: &[f64], f: impl Fn(f64, f64, f64) -> f64) {
    for mut row in rows.rows_mut() {
        for ((x, &a), &b) in row.iter_mut().zip(a).zip(b) {
            *x = cast(f(number(*x), a, b));
        }
    }
}

/// Rows that become others of `outputs` columns, some at a time as `f64`.
fn project<T: Float>(
    rows: &Array2<T>,
    outputs: usize,
    f: impl Fn(Array2<f64>) -> Array2<f64>,
) -> Result<Array2<T>, Error> {
    let mut values = Vec::with_capacity(rows.nrows() * outputs);
    for part in parts(rows.view()) {
        values.extend(f(part).iter().map(|&x| cast::<T>(x)));
    }
    matrix(rows.nrows(), outputs, values)
}

/// The rows as `f64`, some at a time.
pub(super) fn parts<T: Float>(rows: ArrayView2<'_, T>) -> impl Iterator<Item = Array2<f64>> + '_ {
    let count = rows.nrows();
    (0..count).step_by(ROWS).map(move |start| {
        let end = (start + ROWS).min(count);
        rows.slice_axis(Axis(0), (start..end).into()).mapv(number)
    })
}

/// A number as `f64`, exactly.
pub(super) fn number<T: Float>(x: T) -> f64 {
    x.to_f64().unwrap_or(f64::NAN)
}

fn cast<T: Float>(x: f64) -> T {
    T::from(x).unwrap_or_else(T::nan)
}

/// A matrix as a list of its rows.
mod rows {
    use super::{Array2, Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(array: &Array2<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        array.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Array2<f64>, D::Error> {
        let rows = Vec::<Vec<f64>>::deserialize(deserializer)?;
        let columns = rows.first().map_or(0, Vec::len);
        if rows.iter().any(|row| row.len() != columns) {
            return Err(de::Error::custom("found rows of different lengths, expected a matrix"));
        }
        Array2::from_shape_vec((rows.len(), columns), rows.concat()).map_err(de::Error::custom)
    }
}
