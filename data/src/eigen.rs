//! Eigenvalues and eigenvectors of symmetric matrices, in plain Rust.

use crate::{Error, labelled::matrix};
use ndarray::Array2;

/// The eigenvalues of a symmetric matrix, in ascending order, and its eigenvectors: of norm 1, one a row, in the same order.
///
/// The matrix is brought to tridiagonal form by Householder's reflections and from there to diagonal form by implicit QL steps (Golub
/// and Van Loan, *Matrix Computations*, 8.3; the algorithm of EISPACK's `tred2` and `tql2`): about 6 n³ operations for an n × n matrix.
/// What lies above the diagonal is not looked at.
///
/// ```
/// use ndarray::array;
/// let (values, vectors) = chainrule_data::symmetric_eigen(&array![[2.0, 1.0], [1.0, 2.0]])?;
/// assert!((values[0] - 1.0).abs() < 1e-15 && (values[1] - 3.0).abs() < 1e-15);
/// assert!((vectors[[1, 0]] - vectors[[1, 1]]).abs() < 1e-15);
/// # Ok::<(), chainrule_data::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Argument`] for a matrix that is not square or not finite, [`Error::Eigenvalues`] if the steps do not converge, which no
/// finite matrix is known to do.
pub fn symmetric_eigen(a: &Array2<f64>) -> Result<(Vec<f64>, Array2<f64>), Error> {
    let n = a.nrows();
    let refused = |found: String, expected: &str| Error::Argument {
        name: "matrix",
        found,
        expected: expected.to_owned(),
    };
    if a.ncols() != n {
        return Err(refused(format!("{n} × {}", a.ncols()), "a square one"));
    }
    // Scaled to 1, no square overflows.
    let greatest = a.iter().fold(0.0_f64, |most, x| if x.is_finite() { most.max(x.abs()) } else { f64::NAN });
    if a.iter().any(|x| !x.is_finite()) {
        return Err(refused("a number that is not finite".to_owned(), "finite numbers"));
    }
    let scale = if greatest > 0.0 { greatest } else { 1.0 };
    let mut rows: Vec<Vec<f64>> =
        a.rows().into_iter().map(|row| row.iter().map(|x| x / scale).collect()).collect();
    let (mut diagonal, mut beside, mut vectors) = tridiagonal(&mut rows);
    diagonalise(&mut diagonal, &mut beside, &mut vectors)?;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| diagonal[i].total_cmp(&diagonal[j]));
    let values = order.iter().map(|&i| diagonal[i] * scale).collect();
    let vectors = order.iter().flat_map(|&i| std::mem::take(&mut vectors[i])).collect();
    Ok((values, matrix(n, n, vectors)?))
}

/// T's diagonal, the elements beside it, and Qᵀ, for A = Q T Qᵀ. `a` is overwritten.
fn tridiagonal(a: &mut [Vec<f64>]) -> (Vec<f64>, Vec<f64>, Vec<Vec<f64>>) {
    let n = a.len();
    let mut reflections: Vec<(Vec<f64>, f64)> = Vec::new();
    let mut beside = vec![0.0; n];
    for k in 0..n.saturating_sub(2) {
        // H = 1 − β v vᵀ brings x, the column below the diagonal, to (α, 0, …).
        let mut v: Vec<f64> = a[k + 1..].iter().map(|row| row[k]).collect();
        let below: f64 = v[1..].iter().map(|x| x * x).sum();
        if below == 0.0 {
            beside[k] = v[0];
            reflections.push((v, 0.0));
            continue;
        }
        let norm = (v[0] * v[0] + below).sqrt();
        let alpha = if v[0] > 0.0 { -norm } else { norm };
        beside[k] = alpha;
        v[0] -= alpha;
        let beta = 2.0 / (v[0] * v[0] + below);
        // A ← H A H = A − v wᵀ − w vᵀ, with p = β A v and w = p − ½ β (pᵀv) v; the lower half is enough.
        let m = v.len();
        let mut w = vec![0.0; m];
        for i in 0..m {
            let row = &a[k + 1 + i][k + 1..k + 1 + i];
            let mut sum = a[k + 1 + i][k + 1 + i] * v[i];
            for ((x, v_j), w_j) in row.iter().zip(&v).zip(&mut w) {
                sum += x * v_j;
                *w_j += x * v[i];
            }
            w[i] += sum;
        }
        let half = 0.5 * beta * beta * dot(&w, &v);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w = beta * *w - half * v);
        for i in 0..m {
            let row = &mut a[k + 1 + i][k + 1..=k + 1 + i];
            for ((x, v_j), w_j) in row.iter_mut().zip(&v).zip(&w) {
                *x -= v[i] * w_j + w[i] * v_j;
            }
        }
        reflections.push((v, beta));
    }
    if n > 1 {
        beside[n - 2] = a[n - 1][n - 2];
    }
    let diagonal = (0..n).map(|i| a[i][i]).collect();
    // Qᵀ = H_{n−3} … H_0, from the left: only rows and columns after k differ from the identity.
    let mut q: Vec<Vec<f64>> =
        (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for (k, (v, beta)) in reflections.iter().enumerate().rev() {
        for row in &mut q[k + 1..] {
            let row = &mut row[k + 1..];
            let times = beta * dot(row, v);
            row.iter_mut().zip(v).for_each(|(x, v)| *x -= times * v);
        }
    }
    (diagonal, beside, q)
}

/// Brings a tridiagonal matrix to diagonal form, and turns the rows of `vectors` with it.
fn diagonalise(d: &mut [f64], e: &mut [f64], vectors: &mut [Vec<f64>]) -> Result<(), Error> {
    const MOST: usize = 100;
    let n = d.len();
    for low in 0..n {
        for round in 0.. {
            // The block from `low` that does not fall apart.
            let small =
                |i: usize| e[i].abs() <= f64::EPSILON * (d[i].abs() + d[i + 1].abs()) + f64::MIN_POSITIVE;
            let high = (low..n - 1).find(|&i| small(i)).unwrap_or(n - 1);
            if high == low {
                break;
            }
            if round == MOST {
                return Err(Error::Eigenvalues { cause: format!("no convergence in {MOST} steps") });
            }
            // Wilkinson's shift: the eigenvalue of the leading 2 × 2 block that is nearer to its first element.
            let half = (d[low + 1] - d[low]) / (2.0 * e[low]);
            let mut g = d[high] - d[low] + e[low] / (half + half.hypot(1.0).copysign(half));
            let (mut sine, mut cosine, mut shift) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (low..high).rev() {
                let (f, b) = (sine * e[i], cosine * e[i]);
                let r = f.hypot(g);
                e[i + 1] = r;
                if r == 0.0 {
                    // The block has fallen apart on the way.
                    d[i + 1] -= shift;
                    e[high] = 0.0;
                    split = true;
                    break;
                }
                (sine, cosine) = (f / r, g / r);
                g = d[i + 1] - shift;
                let r = (d[i] - g) * sine + 2.0 * cosine * b;
                shift = sine * r;
                d[i + 1] = g + shift;
                g = cosine * r - b;
                let (front, back) = vectors.split_at_mut(i + 1);
                for (x, y) in front[i].iter_mut().zip(&mut back[0]) {
                    (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
                }
            }
            if !split {
                d[low] -= shift;
                e[low] = g;
                e[high] = 0.0;
            }
        }
    }
    Ok(())
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    /// A V = V Λ and VᵀV = 1, to rounding.
    fn check(a: &Array2<f64>) {
        let n = a.nrows();
        let (values, vectors) = symmetric_eigen(a).unwrap();
        let norm = a.iter().fold(0.0_f64, |most, x| most.max(x.abs())) * n as f64;
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1]));
        let bound = 20.0 * n as f64 * f64::EPSILON;
        let scaled = Array2::from_shape_fn((n, n), |(i, j)| values[i] * vectors[[i, j]]);
        let turned = vectors.dot(a);
        assert!(turned.iter().zip(&scaled).all(|(x, y)| (x - y).abs() <= bound * norm), "{a}");
        let unit = vectors.dot(&vectors.t());
        assert!(
            unit.indexed_iter().all(|((i, j), x)| (x - f64::from(u8::from(i == j))).abs() <= bound),
            "{a}"
        );
    }

    #[test]
    fn matrices_that_are_special() {
        for n in 0..5 {
            check(&Array2::zeros((n, n)));
            check(&Array2::eye(n));
            check(&Array2::ones((n, n)));
            check(&Array2::from_diag(&ndarray::Array::from_iter((0..n).map(|i| -(i as f64)))));
        }
        check(&array![[0.0, 1e-300], [1e-300, 0.0]]);
        check(&(array![[1.0, 2.0, 3.0], [2.0, -1.0, 0.5], [3.0, 0.5, 0.0]] * 1e300));
        // Wilkinson's matrix has pairs of eigenvalues that agree to all digits.
        let wilkinson = Array2::from_shape_fn((21, 21), |(i, j)| match i.abs_diff(j) {
            0 => (i as f64 - 10.0).abs(),
            1 => 1.0,
            _ => 0.0,
        });
        check(&wilkinson);
        let hilbert = Array2::from_shape_fn((12, 12), |(i, j)| 1.0 / (i + j + 1) as f64);
        check(&hilbert);
        check(&Array2::from_shape_fn((100, 100), |(i, j)| (((i + 1) * (j + 1) * 7919) % 101) as f64));
        let (values, _) =
            symmetric_eigen(&array![[2.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 2.0]]).unwrap();
        for (value, expected) in values.iter().zip([2.0 - 2.0_f64.sqrt(), 2.0, 2.0 + 2.0_f64.sqrt()]) {
            assert!((value - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn what_is_no_symmetric_matrix_of_numbers() {
        assert!(matches!(symmetric_eigen(&Array2::zeros((2, 3))), Err(Error::Argument { .. })));
        assert!(symmetric_eigen(&array![[f64::NAN]]).is_err());
        assert!(symmetric_eigen(&array![[1.0, 0.0], [f64::INFINITY, 1.0]]).is_err());
    }

    proptest! {
        #[test]
        fn any_matrix(n in 1_usize..12, values in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 144), decades in 0_i32..300) {
            let fit = |x: f64| x.signum() * x.abs().log10().clamp(-1.0, 1.0).exp2() * if decades % 3 == 0 { 1.0 } else { 10_f64.powi(decades) };
            let value = |i: usize, j: usize| if values[i * 12 + j] == 0.0 { 0.0 } else { fit(values[i * 12 + j]) };
            check(&Array2::from_shape_fn((n, n), |(i, j)| value(i.max(j), i.min(j))));
        }
    }
}
