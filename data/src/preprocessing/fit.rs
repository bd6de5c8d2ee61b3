//! What is learnt from the training rows.

use super::{
    Method, Preprocessing, Step, check_finite,
    step::{number, parts},
};
use crate::{Error, error::counted, symmetric_eigen};
use ndarray::{Array1, Array2, ArrayRef2, ArrayView2, Axis, CowArray, Ix2, linalg::general_mat_mul};
use num_traits::Float;

/// A function for the eigenvalues of a symmetric matrix and its eigenvectors, one a row, in the same order, whichever that is:
/// [`symmetric_eigen`], or LAPACK's.
pub type EigenSolver<'a> =
    dyn Fn(&Array2<f64>) -> Result<(Vec<f64>, Array2<f64>), Box<dyn std::error::Error + Send + Sync>> + 'a;

impl Preprocessing {
    /// Fits steps on some rows, those that are trained on, or on all; each on what the one before makes of them.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for no rows or columns, a row that there is not, numbers that are not finite or too great to have a mean and a
    /// variance, a setting out of range, and more components than there are directions with variance.
    pub fn fit<T: Float>(
        methods: &[Method],
        inputs: &ArrayRef2<T>,
        rows: Option<&[usize]>,
    ) -> Result<Self, Error> {
        Self::fit_with(methods, inputs, rows, &|matrix| Ok(symmetric_eigen(matrix)?))
    }

    /// [`Preprocessing::fit`] with another function for eigenvalues, which PCA and ZCA need: LAPACK's for wide data, say.
    ///
    /// # Errors
    ///
    /// As [`Preprocessing::fit`]; [`Error::Eigenvalues`] if that function fails.
    pub fn fit_with<T: Float>(
        methods: &[Method],
        inputs: &ArrayRef2<T>,
        rows: Option<&[usize]>,
        eigen: &EigenSolver<'_>,
    ) -> Result<Self, Error> {
        let refused =
            |found: String, expected: String| Err(Error::Argument { name: "rows", found, expected });
        if let Some(row) = rows.and_then(|rows| rows.iter().find(|&&row| row >= inputs.nrows())) {
            return refused(format!("row {row}"), format!("some of the {}", counted(inputs.nrows(), "row")));
        }
        if rows.map_or(inputs.nrows(), <[usize]>::len) == 0 || inputs.ncols() == 0 {
            return refused("none".to_owned(), "at least one, of at least one column".to_owned());
        }
        methods.iter().try_for_each(|method| method.check())?;
        if methods.is_empty() {
            return Ok(Self::default());
        }
        let mut train: CowArray<'_, T, Ix2> = match rows {
            Some(rows) => inputs.select(Axis(0), rows).into(),
            None => inputs.view().into(),
        };
        check_finite("inputs", &train)?;
        let mut steps = Vec::new();
        for (index, method) in methods.iter().enumerate() {
            let step = fitted(*method, train.view(), eigen)?;
            // What numbers that are too great come to is not finite.
            step.check().map_err(|_| Error::Argument {
                name: "inputs",
                found: "numbers that are too great to be scaled".to_owned(),
                expected: "numbers whose squares can be added".to_owned(),
            })?;
            if index + 1 < methods.len() {
                train = step.transform(train.into_owned())?.into();
                check_finite("inputs", &train)?;
            }
            steps.push(step);
        }
        Self::new(steps)
    }
}

fn fitted<T: Float>(
    method: Method,
    train: ArrayView2<'_, T>,
    eigen: &EigenSolver<'_>,
) -> Result<Step, Error> {
    Ok(match method {
        Method::Divide { by } => Step::Divide { by },
        Method::Standardise => {
            let (offset, divisor) =
                train.columns().into_iter().map(|column| moments(column.iter().map(|&x| number(x)))).unzip();
            Step::Scale { offset, divisor }
        }
        Method::MinMax { low, high } => {
            let scale = |column: ndarray::ArrayView1<'_, T>| {
                let least = column.iter().fold(f64::INFINITY, |least, &x| least.min(number(x)));
                let greatest = column.iter().fold(f64::NEG_INFINITY, |greatest, &x| greatest.max(number(x)));
                let range = if greatest > least { greatest - least } else { 1.0 };
                let divisor = range / (high - low);
                (least - low * divisor, divisor)
            };
            let (offset, divisor) = train.columns().into_iter().map(scale).unzip();
            Step::Scale { offset, divisor }
        }
        Method::Pca { components, whiten } => {
            let Directions { mean, vectors, variances } = directions(train, 0.0, eigen)?;
            let found = vectors.nrows();
            if let Some(wanted) = components
                && wanted > found
            {
                return Err(Error::Argument {
                    name: "method",
                    found: counted(wanted, "component"),
                    expected: format!("at most {found}, the directions in which the rows vary"),
                });
            }
            let count = components.unwrap_or(found);
            let deviations =
                whiten.then(|| variances[..count].iter().map(|variance| variance.sqrt()).collect());
            let components = vectors.slice_axis(Axis(0), (..count).into()).to_owned();
            Step::Pca { mean, components, deviations }
        }
        Method::Zca { epsilon } => {
            let Directions { mean, vectors, variances } = directions(train, epsilon, eigen)?;
            let deviations = variances.iter().map(|variance| (variance + epsilon).sqrt()).collect();
            Step::Zca { mean, components: vectors, deviations }
        }
    })
}

/// The mean and the standard deviation (by n) of numbers; 1 for one that is not told from 0.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    // The second sum takes back what rounding of the mean does to the first.
    let (squares, rest) = values.fold((0.0, 0.0), |(squares, rest), x| {
        let difference = x - mean;
        (squares + difference * difference, rest + difference)
    });
    let variance = (squares - rest * rest / n) / n;
    let noise = n * f64::EPSILON * variance + (n * mean * f64::EPSILON).powi(2);
    (
        mean,
        if variance > noise {
            variance.sqrt()
        } else if variance.is_nan() {
            f64::NAN
        } else {
            1.0
        },
    )
}

/// The principal directions of rows, those of greatest variance first.
struct Directions {
    mean: Vec<f64>,
    /// One a row, with its element of greatest size positive.
    vectors: Array2<f64>,
    variances: Vec<f64>,
}

fn directions<T: Float>(
    train: ArrayView2<'_, T>,
    epsilon: f64,
    eigen: &EigenSolver<'_>,
) -> Result<Directions, Error> {
    let (n, columns) = train.dim();
    let mut mean = Array1::<f64>::zeros(columns);
    for part in parts(train) {
        mean += &part.sum_axis(Axis(0));
    }
    mean /= n as f64;
    let mut covariance = Array2::<f64>::zeros((columns, columns));
    for mut part in parts(train) {
        part -= &mean;
        general_mat_mul(1.0, &part.t(), &part, 1.0, &mut covariance);
    }
    covariance /= n.saturating_sub(1).max(1) as f64;
    if covariance.iter().any(|x| !x.is_finite()) {
        return Err(Error::Argument {
            name: "inputs",
            found: "numbers that are too great for a covariance".to_owned(),
            expected: "numbers whose squares can be added".to_owned(),
        });
    }
    let (values, vectors) =
        eigen(&covariance).map_err(|cause| Error::Eigenvalues { cause: cause.to_string() })?;
    if values.len() != columns || vectors.dim() != (columns, columns) {
        let cause =
            format!("found {} values and {:?} vectors of a matrix of {columns}", values.len(), vectors.dim());
        return Err(Error::Eigenvalues { cause });
    }
    let greatest = values.iter().copied().fold(0.0, f64::max);
    // What rounding makes of a variance of 0.
    let noise = greatest * columns.max(n) as f64 * f64::EPSILON;
    let mut order: Vec<usize> = (0..columns)
        .filter(|&i| values[i] > noise || (epsilon > 0.0 && values[i] + epsilon > noise))
        .collect();
    order.sort_by(|&i, &j| values[j].total_cmp(&values[i]));
    if order.is_empty() {
        return Err(Error::Argument {
            name: "inputs",
            found: "rows that are all alike".to_owned(),
            expected: "rows that vary".to_owned(),
        });
    }
    let mut vectors = vectors.select(Axis(0), &order);
    for mut vector in vectors.rows_mut() {
        let largest =
            vector.iter().fold(0.0_f64, |largest, &x| if x.abs() > largest.abs() { x } else { largest });
        if largest < 0.0 {
            vector.mapv_inplace(|x| -x);
        }
    }
    let variances = order.iter().map(|&i| values[i]).collect();
    Ok(Directions { mean: mean.to_vec(), vectors, variances })
}
