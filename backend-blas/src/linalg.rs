//! What of LAPACK a network has use for, through ndarray-linalg: an exact least-squares solution to hold linear
//! networks against, orthonormal matrices, and the eigenvalues that whitening asks for.

use chainrule_core::{Error, Result};
use ndarray::Array2;
use ndarray_linalg::error::LinalgError;
use ndarray_linalg::{Eigh, LeastSquaresSvd, QR, UPLO};

/// The Q of A = Q R with R's diagonal not negative, which makes it unique for A of full rank: m × n with
/// orthonormal columns. For m < n, the transpose of that of Aᵀ: orthonormal rows.
///
/// ```
/// # #[cfg(any(feature = "openblas-system", feature = "openblas-static", feature = "openblas-source"))] {
/// use ndarray::array;
/// let q = chainrule_blas::linalg::orthonormal(&array![[3.0], [4.0]])?;
/// assert!((q[[0, 0]] - 0.6_f64).abs() < 1e-15 && (q[[1, 0]] - 0.8_f64).abs() < 1e-15);
/// # }
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::NonFinite`] for NaN and infinities in A, [`Error::Backend`] if LAPACK fails.
pub fn orthonormal(a: &Array2<f64>) -> Result<Array2<f64>> {
    finite("the matrix", a)?;
    if a.is_empty() {
        return Ok(a.clone());
    }
    if a.nrows() < a.ncols() {
        let q = orthonormal(&a.t().as_standard_layout().into_owned())?;
        return Ok(q.reversed_axes());
    }
    let (mut q, r) = a.qr().map_err(failed)?;
    for (mut column, &diagonal) in q.columns_mut().into_iter().zip(&r.diag()) {
        if diagonal < 0.0 {
            column.map_inplace(|q| *q = -*q);
        }
    }
    Ok(q)
}

/// The W that minimises ‖X W − Y‖², of least norm where several do: X n × n_x, Y n × n_y, W n_x × n_y.
///
/// A linear network without hidden layers that is trained on the quadratic loss to the end reaches Wᵀ; append a column
/// of ones to X for its bias.
///
/// ```
/// # #[cfg(any(feature = "openblas-system", feature = "openblas-static", feature = "openblas-source"))] {
/// use ndarray::array;
/// // A line through (0, 1), (1, 3), (2, 5).
/// let x = array![[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]];
/// let w = chainrule_blas::linalg::least_squares(&x, &array![[1.0], [3.0], [5.0]])?;
/// assert!((w[[0, 0]] - 2.0_f64).abs() < 1e-12 && (w[[1, 0]] - 1.0_f64).abs() < 1e-12);
/// # }
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] if X and Y have not as many rows, [`Error::Empty`] for arrays without elements,
/// [`Error::NonFinite`], [`Error::Backend`] if LAPACK does not converge.
pub fn least_squares(x: &Array2<f64>, y: &Array2<f64>) -> Result<Array2<f64>> {
    if x.nrows() != y.nrows() {
        return Err(Error::Shape {
            operation: "least_squares",
            operand: "Y",
            found: y.dim().into(),
            expected: (x.nrows(), y.ncols()).into(),
        });
    }
    for (what, array) in [("X", x), ("Y", y)] {
        if array.is_empty() {
            return Err(Error::Empty { what, expected: "element" });
        }
        finite(what, array)?;
    }
    // Row-major for both: LAPACK is told the layout once.
    let (x, y) = (x.as_standard_layout(), y.as_standard_layout());
    Ok(x.least_squares(&y).map_err(failed)?.solution)
}

/// The eigenvalues of a symmetric matrix in ascending order, and its eigenvectors: of norm 1, one a row, in the same order. One half of
/// the matrix is looked at.
///
/// It takes the place of `chainrule_data::symmetric_eigen` where data are wide.
///
/// ```
/// # #[cfg(any(feature = "openblas-system", feature = "openblas-static", feature = "openblas-source"))] {
/// use ndarray::array;
/// let (values, vectors) = chainrule_blas::linalg::symmetric_eigen(&array![[2.0, 1.0], [1.0, 2.0]])?;
/// assert!((values[0] - 1.0).abs() < 1e-15 && (values[1] - 3.0).abs() < 1e-15);
/// assert!((vectors[[1, 0]] - vectors[[1, 1]]).abs() < 1e-15);
/// # }
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Shape`] for a matrix that is not square, [`Error::NonFinite`], [`Error::Backend`] if LAPACK does not converge.
pub fn symmetric_eigen(a: &Array2<f64>) -> Result<(Vec<f64>, Array2<f64>)> {
    let (rows, columns) = a.dim();
    if rows != columns {
        return Err(Error::Shape {
            operation: "symmetric_eigen",
            operand: "A",
            found: (rows, columns).into(),
            expected: (rows, rows).into(),
        });
    }
    finite("A", a)?;
    if a.is_empty() {
        return Ok((Vec::new(), a.clone()));
    }
    let (values, vectors) = a.eigh(UPLO::Lower).map_err(failed)?;
    Ok((values.to_vec(), vectors.reversed_axes()))
}

fn finite(what: &'static str, array: &Array2<f64>) -> Result<()> {
    match array.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((row, column), &value)) => Err(Error::NonFinite { what, row, column, value }),
        None => Ok(()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: LinalgError) -> Error {
    Error::Backend { backend: "blas".to_owned(), message: format!("LAPACK: {error}") }
}
