//! Softmax, its Jacobian and its cross-entropy.

use chainrule_core::{Accumulate, Backend, Error, Scalar, Targets};
use ndarray::{Array2, ArrayRef2, Axis, array};

use crate::case::{Case, Operands, Outcome, attempt, explore};
use crate::compare::{accepted, close, close_matrix, epsilon, tiny};
use crate::layout::{Layout, Matrix};
use crate::reference::Reference;

const SOFTMAX: Operands =
    Operands { inputs: &[], outputs: &["Z"], options: &[], accumulates: false, activates: false };
const BACKWARD: Operands =
    Operands { inputs: &["p"], outputs: &["Δ"], options: &[], accumulates: false, activates: false };
const LOG_BACKWARD: Operands =
    Operands { inputs: &["ln p"], outputs: &["Δ"], options: &[], accumulates: false, activates: false };
const ENTROPY: Operands = Operands {
    inputs: &["Z", "t"],
    outputs: &["δ"],
    options: &["classes", "δ"],
    accumulates: false,
    activates: false,
};

/// The largest element of each row; NaN and empty rows do not matter to what it is used for.
fn largest(z: &ArrayRef2<f64>) -> Vec<f64> {
    z.rows().into_iter().map(|row| row.fold(f64::NEG_INFINITY, |m, &z| m.max(z))).collect()
}

/// The error of p_i: of the exponent z_i − m, which is rounded, and of the sum over the n of the row.
fn softmax_bound<T: Scalar>(p: f64, z: f64, largest: f64, n: usize) -> f64 {
    let distance = (z - largest).abs();
    let distance = if distance.is_finite() { distance } else { 0.0 };
    4.0 * epsilon::<T>() * p * (distance + n as f64 + 4.0) + 4.0 * tiny::<T>()
}

pub(crate) fn softmax_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&SOFTMAX, false, |case| {
        let random = &mut case.random();
        let mut z = Matrix::<T>::output(case.layouts[0], (case.m, case.n), || random.logit());
        softmax(backend, &mut z)
    })
}

pub(crate) fn softmax_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&SOFTMAX, true, |case| {
        let random = &mut case.random();
        let mut z = Matrix::<T>::output(case.layouts[0], (case.m, case.n), || random.number());
        softmax(backend, &mut z)
    })?;
    for row in extreme_rows() {
        attempt(
            || format!("softmax of {row:?}"),
            || {
                let mut values = row.iter().map(|&z| T::of(z));
                let mut z =
                    Matrix::output(Layout::Contiguous, (1, row.len()), || values.next().expect("one each"));
                softmax(backend, &mut z)
            },
        )?;
    }
    Ok(())
}

/// Logits whose exponentials leave the range of the type.
fn extreme_rows() -> Vec<Vec<f64>> {
    vec![
        vec![1e30, -1e30],
        vec![-1e30, -1e30, -1e30],
        vec![1e30; 17],
        vec![1000.0, 999.0, -1000.0],
        vec![-1000.0, -1001.0],
        vec![88.8, 0.0, -88.8, -104.0],
        vec![710.0, 0.0, -745.2],
        vec![1e38, -1e38, 0.0],
        vec![0.0],
        (0..40).map(|i| f64::from(i) * 100.0 - 2000.0).collect(),
    ]
}

fn softmax<T: Scalar>(backend: &dyn Backend<T>, z: &mut Matrix<T>) -> Result<(), String> {
    let z64 = z.exact();
    let mut expected = z64.clone();
    accepted(Reference.softmax(&mut expected))?;
    accepted(backend.softmax(&mut z.view_mut()))?;
    z.intact("Z")?;
    let (largest, n) = (largest(&z64), z64.ncols());
    for (i, row) in z64.rows().into_iter().enumerate() {
        // ∞ − ∞ is NaN by the formula; a limit would be right as well.
        if row.iter().any(|z| z.is_infinite()) && !row.iter().any(|z| z.is_nan()) {
            continue;
        }
        for j in 0..n {
            let bound = softmax_bound::<T>(expected[[i, j]], z64[[i, j]], largest[i], n);
            close(|| format!("p[{i}, {j}]"), z.view()[[i, j]], expected[[i, j]], bound)?;
        }
        let sum: f64 = z.view().row(i).iter().map(|p| p.as_f64()).sum();
        if n > 0 && (sum - 1.0).abs() > (n as f64 + 4.0) * epsilon::<T>() {
            return Err(format!("row {i} sums to {sum}"));
        }
    }
    Ok(())
}

pub(crate) fn log_softmax_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&SOFTMAX, false, |case| {
        let random = &mut case.random();
        let mut z = Matrix::<T>::output(case.layouts[0], (case.m, case.n), || random.logit());
        log_softmax(backend, &mut z)
    })
}

pub(crate) fn log_softmax_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&SOFTMAX, true, |case| {
        let random = &mut case.random();
        let mut z = Matrix::<T>::output(case.layouts[0], (case.m, case.n), || random.number());
        log_softmax(backend, &mut z)
    })?;
    for row in extreme_rows() {
        attempt(
            || format!("the logarithm of softmax of {row:?}"),
            || {
                let mut values = row.iter().map(|&z| T::of(z));
                let mut z =
                    Matrix::output(Layout::Contiguous, (1, row.len()), || values.next().expect("one each"));
                log_softmax(backend, &mut z)
            },
        )?;
    }
    Ok(())
}

fn log_softmax<T: Scalar>(backend: &dyn Backend<T>, z: &mut Matrix<T>) -> Result<(), String> {
    let z64 = z.exact();
    let mut expected = z64.clone();
    accepted(Reference.log_softmax(&mut expected))?;
    accepted(backend.log_softmax(&mut z.view_mut()))?;
    z.intact("Z")?;
    let n = z64.ncols() as f64;
    for (i, row) in z64.rows().into_iter().enumerate() {
        if row.iter().any(|z| z.is_infinite()) && !row.iter().any(|z| z.is_nan()) {
            continue;
        }
        for (j, &expected) in expected.row(i).iter().enumerate() {
            // Of the distance from the largest, and of the sum and its logarithm, which is at least 0.
            let bound = 4.0 * epsilon::<T>() * (expected.abs() + n + 4.0);
            close(|| format!("ln p[{i}, {j}]"), z.view()[[i, j]], expected, bound)?;
        }
    }
    Ok(())
}

pub(crate) fn log_softmax_backward_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&LOG_BACKWARD, false, |case| log_softmax_backward(backend, case))
}

pub(crate) fn log_softmax_backward_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&LOG_BACKWARD, true, |case| log_softmax_backward(backend, case))
}

fn log_softmax_backward<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let ln_p = Matrix::<T>::input(case.layouts[0], (case.m, case.n), || {
        let z: T = random.logit();
        // ln p is not above 0; NaN stays.
        if z > T::zero() { -z } else { z }
    });
    let mut delta = Matrix::<T>::output(case.layouts[1], (case.m, case.n), || random.number());
    let (ln_p64, old) = (ln_p.exact(), delta.exact());
    let mut expected = old.clone();
    accepted(Reference.log_softmax_backward(&ln_p64, &mut expected))?;
    accepted(backend.log_softmax_backward(&ln_p.view(), &mut delta.view_mut()))?;
    delta.intact("Δ")?;
    let n = old.ncols() as f64;
    close_matrix("Δ", &delta.view(), &expected, |i, j| {
        let sum: f64 = old.row(i).iter().map(|d| d.abs()).sum();
        let p = ln_p64[[i, j]].exp();
        2.0 * epsilon::<T>() * (old[[i, j]].abs() + (n + 8.0) * p * sum) + 4.0 * tiny::<T>()
    })
}

pub(crate) fn softmax_backward_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&BACKWARD, false, |case| softmax_backward(backend, case, false))
}

pub(crate) fn softmax_backward_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&BACKWARD, true, |case| softmax_backward(backend, case, true))
}

/// p and Δ m × n, each row through the matrix diag(p) − p pᵀ; by the default's formula where there is NaN.
fn softmax_backward<T: Scalar>(
    backend: &dyn Backend<T>,
    case: &Case,
    by_default: bool,
) -> Result<(), String> {
    let random = &mut case.random();
    let p = case.input::<T>(0, (case.m, case.n), random);
    let mut delta = Matrix::<T>::output(case.layouts[1], (case.m, case.n), || random.number());
    let (p64, old) = (p.exact(), delta.exact());
    let mut expected = old.clone();
    if by_default {
        accepted(Reference.softmax_backward(&p64, &mut expected))?;
    } else {
        for (i, p) in p64.rows().into_iter().enumerate() {
            let mut jacobian = Array2::from_diag(&p);
            accepted(Reference.outer(&p.mapv(|p| -p), &p, Accumulate::Add, &mut jacobian))?;
            let row = old.row(i).insert_axis(Axis(0));
            let mut product = expected.row_mut(i).insert_axis(Axis(0));
            accepted(Reference.matmul(&row, &jacobian, Accumulate::Replace, &mut product))?;
        }
    }
    accepted(backend.softmax_backward(&p.view(), &mut delta.view_mut()))?;
    delta.intact("Δ")?;
    close_matrix("Δ", &delta.view(), &expected, |i, j| {
        let magnitude: f64 = p64.row(i).iter().zip(old.row(i)).map(|(p, d)| (p * d).abs()).sum();
        let terms = (case.n as f64 + 4.0) * magnitude + 2.0 * old[[i, j]].abs();
        2.0 * epsilon::<T>() * p64[[i, j]].abs() * terms + tiny::<T>()
    })
}

pub(crate) fn softmax_cross_entropy_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&ENTROPY, false, |case| {
        let random = &mut case.random();
        let n = case.n.max(1);
        let z = Matrix::<T>::input(case.layouts[0], (case.m, n), || random.logit());
        entropy(backend, case, &z)
    })
}

pub(crate) fn softmax_cross_entropy_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    // One row that holds NaN: its loss and its gradient are NaN, and the other rows are not.
    attempt(
        || "logits [1, NaN, 0], [1, 2, 0] of classes 0 and 1".to_owned(),
        || {
            let z = array![[1.0, f64::NAN, 0.0], [1.0, 2.0, 0.0]].mapv(T::of);
            let mut delta = Array2::from_elem((2, 3), T::one());
            let score =
                accepted(backend.softmax_cross_entropy(&z, Targets::Classes(&[0, 1]), Some(&mut delta)))?;
            if !score.loss.is_nan() {
                return Err(format!("the loss is {}, expected NaN", score.loss));
            }
            if !delta.row(0).iter().all(|d| d.is_nan()) || delta.row(1).iter().any(|d| d.is_nan()) {
                return Err(format!("δ is {delta}, expected NaN in the first row and nowhere else"));
            }
            Ok(())
        },
    )?;
    for row in extreme_rows() {
        for seed in 0..4 {
            for by_class in [true, false] {
                let case = Case { options: [by_class, true], seed, ..Case::new(1, 1, row.len()) };
                attempt(
                    || format!("logits {row:?}, {}", if by_class { "classes" } else { "probabilities" }),
                    || {
                        let mut numbers = row.iter().map(|&z| T::of(z));
                        let z = Matrix::input(Layout::Contiguous, (1, row.len()), || {
                            numbers.next().expect("one each")
                        });
                        entropy(backend, &case, &z)
                    },
                )?;
            }
        }
    }
    Ok(())
}

/// The targets of a case: classes, or rows of probabilities with zeros among them.
fn targets<T: Scalar>(case: &Case, dim: (usize, usize)) -> (Vec<usize>, Matrix<T>) {
    let mut random = Case { seed: case.seed.wrapping_add(77), ..case.clone() }.random();
    let classes = (0..dim.0).map(|_| random.below(dim.1)).collect();
    let mut rows = Array2::from_shape_simple_fn(dim, || (random.unit() - 0.3).max(0.0));
    for mut row in rows.rows_mut() {
        let sum = row.sum();
        row.map_inplace(|t| *t /= if sum > 0.0 { sum } else { 1.0 });
    }
    let mut rows = rows.into_iter();
    let values = Matrix::input(case.layouts[1], dim, || T::of(rows.next().unwrap_or(0.5)));
    (classes, values)
}

fn entropy<T: Scalar>(backend: &dyn Backend<T>, case: &Case, z: &Matrix<T>) -> Result<(), String> {
    let (z64, view) = (z.exact(), z.view());
    let (rows, n) = z64.dim();
    let (classes, values) = targets::<T>(case, (rows, n));
    let (values64, values_view) = (values.exact(), values.view());
    let by_class = case.options[0];
    let (targets, targets64) = if by_class {
        (Targets::Classes(&classes), Targets::Classes(&classes))
    } else {
        (Targets::Values(values_view), Targets::Values(values64.view()))
    };
    let mut expected = Array2::zeros((rows, n));
    let score64 = accepted(Reference.softmax_cross_entropy(&z64, targets64, Some(&mut expected)))?;
    let random = &mut case.random();
    let mut delta = case.options[1].then(|| case.output::<T>(2, (rows, n), random));
    let score = accepted(backend.softmax_cross_entropy(
        &view,
        targets,
        delta.as_mut().map(Matrix::view_mut).as_deref_mut(),
    ))?;

    let largest = largest(&z64);
    let target = |i: usize, j: usize| {
        if by_class { f64::from(u8::from(classes[i] == j)) } else { values64[[i, j]] }
    };
    let batch = rows.max(1) as f64;
    let mut bound = batch * epsilon::<T>() * score64.loss.abs() + tiny::<T>();
    for ((i, j), z) in z64.indexed_iter() {
        let terms = (z - largest[i]).abs() + 2.0 * n as f64 + 8.0;
        bound += 4.0 * epsilon::<T>() * target(i, j) * terms * (n as f64 + 1.0).sqrt() / batch;
    }
    // A distance between logits that f32 cannot hold is an infinite loss in f32.
    let overflows = score64.loss > T::max_value().as_f64();
    let loss = score.loss;
    if !(overflows || (loss - score64.loss).abs() <= bound) {
        return Err(format!("the loss is {loss}, expected {}: allowed ± {bound:.3e}", score64.loss));
    }
    if score.correct != score64.correct {
        return Err(format!("correct is {:?}, expected {:?}", score.correct, score64.correct));
    }
    let Some(delta) = delta else { return Ok(()) };
    delta.intact("δ")?;
    let mut p64 = z64.clone();
    accepted(Reference.softmax(&mut p64))?;
    close_matrix("δ", &delta.view(), &expected, |i, j| {
        let (p, t) = (p64[[i, j]], target(i, j));
        let terms = softmax_bound::<T>(p, z64[[i, j]], largest[i], n)
            + 4.0 * epsilon::<T>() * (p * (n as f64 + 2.0) + t);
        terms / batch + tiny::<T>()
    })
}

pub(crate) fn softmax_cross_entropy_slope<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    for i in 0..24 {
        let case =
            Case { seed: i as u64, options: [i % 2 == 0, true], ..Case::new(1 + i % 4, 1, 1 + i % 11) };
        attempt(
            || format!("{} × {} logits from seed {i} and central differences", case.m, case.n),
            || slope(backend, &case),
        )?;
    }
    Ok(())
}

/// δ against central differences of the loss in f64.
fn slope<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let mut random = case.random();
    let dim = (case.m, case.n);
    let z = Array2::from_shape_simple_fn(dim, || T::of(4.0) * random.number::<T>());
    let (classes, values) = targets::<T>(case, dim);
    let (values64, values_view) = (values.exact(), values.view());
    let (targets, targets64) = if case.options[0] {
        (Targets::Classes(&classes), Targets::Classes(&classes))
    } else {
        (Targets::Values(values_view), Targets::Values(values64.view()))
    };
    let mut delta = Array2::from_elem(dim, T::nan());
    accepted(backend.softmax_cross_entropy(&z, targets, Some(&mut delta)))?;
    let mut z64 = z.mapv(Scalar::as_f64);
    let h = 1e-4;
    for i in 0..case.m {
        for j in 0..case.n {
            let middle = z64[[i, j]];
            let mut loss = |z| {
                z64[[i, j]] = z;
                Reference.softmax_cross_entropy(&z64, targets64, None).map(|score| score.loss)
            };
            let difference = (accepted(loss(middle + h))? - accepted(loss(middle - h))?) / (2.0 * h);
            accepted(loss(middle))?;
            // |f‴| h²/6 with |f‴| ≤ 1, the rounding of the difference, and that of δ.
            let bound = h * h / 6.0 + 1e-11 + 64.0 * epsilon::<T>();
            close(|| format!("δ[{i}, {j}]"), delta[[i, j]], difference, bound)?;
        }
    }
    Ok(())
}

pub(crate) fn softmax_cross_entropy_labels<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    for (rows, n, row, label) in
        [(1, 1, 0, 1), (3, 4, 2, 4), (5, 3, 0, usize::MAX), (20, 17, 19, 17), (2, 0, 0, 0)]
    {
        attempt(
            || format!("label {label} in row {row} of {rows} × {n} logits"),
            || {
                let z = Array2::<T>::zeros((rows, n));
                let mut labels = vec![0; rows];
                labels[row] = label;
                let mut delta = Matrix::<T>::output(Layout::Sliced, (rows, n), || T::of(3.5));
                let result =
                    backend.softmax_cross_entropy(&z, Targets::Classes(&labels), Some(&mut delta.view_mut()));
                match result {
                    Err(Error::Label { row: r, label: l, classes: c }) if (r, l, c) == (row, label, n) => {}
                    other => return Err(format!("expected Error::Label, got {other:?}")),
                }
                delta.untouched("δ")
            },
        )?;
    }
    Ok(())
}
