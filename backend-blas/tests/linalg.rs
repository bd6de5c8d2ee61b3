//! QR against its definition and against core's own; least squares against the normal equations and against training.
#![cfg(any(feature = "openblas-system", feature = "openblas-static", feature = "openblas-source"))]

use std::ops::ControlFlow;

use chainrule_blas::Blas;
use chainrule_blas::linalg::{least_squares, orthonormal, symmetric_eigen};
use chainrule_core::initializer::gaussian;
use chainrule_core::random::{Generator, Stream};
use chainrule_core::{Activation, Dataset, Error, Initializer, Network, Quadratic, Sgd, Trainer};
use ndarray::{Array2, Axis, array, concatenate};

/// The largest difference of two matrices.
fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).fold(0.0, |most, (a, b)| f64::max(most, (a - b).abs()))
}

#[test]
fn columns_or_rows_are_orthonormal() {
    for (rows, columns) in [(1, 1), (5, 1), (1, 5), (4, 4), (30, 7), (7, 30), (64, 64)] {
        let a = gaussian(&mut Generator::new(3, Stream::Initial), rows, columns);
        let q = orthonormal(&a).unwrap();
        let gram = if rows < columns { q.dot(&q.t()) } else { q.t().dot(&q) };
        assert!(distance(&gram, &Array2::eye(rows.min(columns))) < 1e-13, "{rows} × {columns}");
        // R = Qᵀ A is upper triangular with a positive diagonal.
        let r = if rows < columns { q.dot(&a.t()) } else { q.t().dot(&a) };
        for ((i, j), &r) in r.indexed_iter() {
            assert!(if i == j { r > 0.0 } else { i < j || r.abs() < 1e-12 }, "R[{i}, {j}] is {r}");
        }
    }
}

#[test]
fn the_orthogonal_initialiser_is_lapacks() {
    for (rows, columns) in [(1, 1), (6, 6), (30, 10), (10, 30), (1, 9), (40, 3)] {
        let mut w = Array2::<f64>::zeros((rows, columns));
        Initializer::Orthogonal.fill_weights(&mut Generator::new(7, Stream::Initial), &mut w);
        let a = gaussian(&mut Generator::new(7, Stream::Initial), rows, columns);
        let off = distance(&w, &orthonormal(&a).unwrap());
        assert!(off < 1e-12, "{rows} × {columns}: off by {off:e}");
    }
}

#[test]
fn any_memory_order_and_empty_matrices() {
    let a = gaussian(&mut Generator::new(1, Stream::Initial), 6, 4);
    let other = Array2::from_shape_fn((4, 6), |(i, j)| a[[j, i]]).reversed_axes();
    assert!(distance(&orthonormal(&a).unwrap(), &orthonormal(&other).unwrap()) < 1e-14);
    assert_eq!(orthonormal(&Array2::zeros((0, 3))).unwrap().dim(), (0, 3));
    let y = a.slice_axis(Axis(1), (0..2).into()).to_owned();
    assert!(distance(&least_squares(&a, &y).unwrap(), &least_squares(&other, &y).unwrap()) < 1e-13);
}

#[test]
fn least_squares_leaves_a_residual_at_right_angles() {
    let x = gaussian(&mut Generator::new(5, Stream::Initial), 40, 6);
    let y = gaussian(&mut Generator::new(6, Stream::Initial), 40, 3);
    let w = least_squares(&x, &y).unwrap();
    assert!(distance(&x.t().dot(&(x.dot(&w) - &y)), &Array2::zeros((6, 3))) < 1e-12);
    // More unknowns than equations: solved exactly, by the w of least norm, which lies in the row space of X.
    let (x, y) =
        (x.t().as_standard_layout().into_owned(), gaussian(&mut Generator::new(8, Stream::Initial), 6, 2));
    let w = least_squares(&x, &y).unwrap();
    assert!(distance(&x.dot(&w), &y) < 1e-12);
    let rows = orthonormal(&x).unwrap();
    assert!(distance(&rows.t().dot(&rows.dot(&w)), &w) < 1e-12);
}

#[test]
fn what_a_caller_gets_wrong() {
    let x = Array2::<f64>::ones((3, 2));
    assert!(matches!(least_squares(&x, &Array2::ones((2, 1))), Err(Error::Shape { .. })));
    assert!(matches!(least_squares(&x, &Array2::ones((3, 0))), Err(Error::Empty { .. })));
    let spoilt = array![[1.0, f64::NAN]];
    let place = Error::NonFinite { what: "X", row: 0, column: 1, value: f64::NAN }.to_string();
    assert_eq!(least_squares(&spoilt, &array![[1.0]]).unwrap_err().to_string(), place);
    assert!(matches!(orthonormal(&spoilt), Err(Error::NonFinite { .. })));
}

/// A network of one linear layer, trained on the quadratic loss with all samples at once until nothing changes, is the
/// least-squares solution.
#[test]
fn a_linear_network_reaches_least_squares() {
    let x = gaussian(&mut Generator::new(11, Stream::Initial), 60, 5);
    let y = gaussian(&mut Generator::new(12, Stream::Initial), 60, 3);
    let exact = least_squares(&concatenate![Axis(1), x, Array2::ones((60, 1))], &y).unwrap();

    let mut network = Network::<f64>::builder(5).dense(3, Activation::Identity).build(13).unwrap();
    let data = Dataset::values(&x, &y).unwrap();
    let mut losses = Vec::new();
    Trainer::new(Quadratic, Sgd::new(0.5))
        .epochs(2000)
        .batch_size(60)
        .on_step(|step| {
            losses.push(step.loss);
            ControlFlow::Continue(())
        })
        .fit(&mut network, &Blas::new(), &data)
        .unwrap();

    let w = network.weights(0).unwrap();
    let b = network.bias(0).unwrap();
    let reached = concatenate![Axis(0), w.t(), b.insert_axis(Axis(0))];
    let off = distance(&reached, &exact);
    assert!(off < 1e-12, "off by {off:e}: {reached} instead of {exact}");
    let residual = concatenate![Axis(1), x, Array2::ones((60, 1))].dot(&exact) - &y;
    let least = residual.iter().map(|r| r * r / 2.0).sum::<f64>() / 60.0;
    assert!((losses.last().unwrap() - least).abs() < 1e-12);
    assert!(losses[0] > least);
}

#[test]
fn eigenvalues_are_those_of_the_plain_implementation() {
    for n in [1, 2, 5, 40] {
        let a = gaussian(&mut Generator::new(7, Stream::Initial), n, n);
        let a = &a + &a.t();
        let (values, vectors) = symmetric_eigen(&a).unwrap();
        let (plain, _) = chainrule_data::symmetric_eigen(&a).unwrap();
        assert!(values.iter().zip(&plain).all(|(x, y)| (x - y).abs() < 1e-12), "{values:?}, not {plain:?}");
        assert!(distance(&vectors.dot(&vectors.t()), &Array2::eye(n)) < 1e-12);
        let scaled = Array2::from_shape_fn((n, n), |(i, j)| values[i] * vectors[[i, j]]);
        assert!(distance(&vectors.dot(&a), &scaled) < 1e-12);
    }
    assert!(matches!(symmetric_eigen(&Array2::zeros((2, 3))), Err(Error::Shape { .. })));
    assert!(matches!(symmetric_eigen(&array![[f64::NAN]]), Err(Error::NonFinite { .. })));
    assert_eq!(symmetric_eigen(&Array2::zeros((0, 0))).unwrap().0, []);
}

#[test]
fn whitening_with_lapack() {
    let x = gaussian(&mut Generator::new(9, Stream::Initial), 200, 6).dot(&gaussian(
        &mut Generator::new(10, Stream::Initial),
        6,
        6,
    ));
    let methods = [chainrule_data::Method::Zca { epsilon: 0.0 }];
    let plain = chainrule_data::Preprocessing::fit(&methods, &x, None).unwrap();
    let lapack =
        chainrule_data::Preprocessing::fit_with(&methods, &x, None, &|a| Ok(symmetric_eigen(a)?)).unwrap();
    assert!(distance(&plain.transform(x.clone()).unwrap(), &lapack.transform(x).unwrap()) < 1e-9);
}
