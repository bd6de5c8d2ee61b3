//! The provided methods of a dense layer, against their default bodies over the reference.

use chainrule_core::{Accumulate, Backend, Descent, Scalar, Slope};
use ndarray::{Array1, Array2};

use crate::case::{Case, Operands, Outcome, explore, lopsided};
use crate::compare::{
    accepted, activation_bound, close_matrix, close_vector, epsilon, slope_bound, steepest, sum_bound, tiny,
};
use crate::layout::{Layout, Matrix, Vector, bits};
use crate::reference::{Reference, magnitude};

const FORWARD: Operands = Operands {
    inputs: &["X", "W", "b"],
    outputs: &["Z", "A"],
    options: &["b", "Z"],
    accumulates: false,
    activates: true,
};
const BIAS: Operands = Operands {
    inputs: &["b"],
    outputs: &["Z", "A"],
    options: &["b", "Z"],
    accumulates: false,
    activates: true,
};
const BACKWARD: Operands = Operands {
    inputs: &["δ", "W", "saved"],
    outputs: &["Δ"],
    options: &["slope"],
    accumulates: false,
    activates: true,
};
const GRADIENT: Operands = Operands {
    inputs: &["δ", "X"],
    outputs: &["ΔW", "Δb"],
    options: &["Δb"],
    accumulates: true,
    activates: false,
};
const DESCEND: Operands = Operands {
    inputs: &["δ", "X"],
    outputs: &["W", "b"],
    options: &["b"],
    accumulates: false,
    activates: false,
};

pub(crate) fn dense_forward_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&FORWARD, false, |case| forward(backend, case))?;
    lopsided(&FORWARD, |case| forward(backend, case))
}

pub(crate) fn dense_forward_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&FORWARD, true, |case| forward(backend, case))
}

/// X m × k, W n × k, b n, Z and A m × n.
fn forward<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let g = case.activation;
    let random = &mut case.random();
    let x = case.input::<T>(0, (case.m, case.k), random);
    let w = case.input::<T>(1, (case.n, case.k), random);
    let b = case.options[0].then(|| case.vector_input::<T>(2, case.n, random));
    let mut z = case.options[1].then(|| case.output::<T>(3, (case.m, case.n), random));
    let mut a = case.output::<T>(4, (case.m, case.n), random);

    let (x64, w64, b64) = (x.exact(), w.exact(), b.as_ref().map(Vector::exact));
    let mut expected_z = Array2::zeros((case.m, case.n));
    let mut expected_a = expected_z.clone();
    accepted(Reference.dense_forward(&x64, &w64, b64.as_deref(), g, Some(&mut expected_z), &mut expected_a))?;
    accepted(backend.dense_forward(
        &x.view(),
        &w.view(),
        b.as_ref().map(Vector::view).as_deref(),
        g,
        z.as_mut().map(Matrix::view_mut).as_deref_mut(),
        &mut a.view_mut(),
    ))?;

    a.intact("A")?;
    let sums = magnitude(&x64, &w64.t());
    let bound =
        |i: usize, j: usize| sum_bound::<T>(case.k, sums[[i, j]] + b64.as_ref().map_or(0.0, |b| b[j].abs()));
    if let Some(z) = &z {
        z.intact("Z")?;
        close_matrix("Z", &z.view(), &expected_z, bound)?;
    }
    let found = a.view();
    forgive_limits(&mut expected_a, &expected_z, |i, j| found[[i, j]]);
    close_matrix("A", &found, &expected_a, |i, j| {
        let (z, off) = (expected_z[[i, j]], bound(i, j));
        if z.is_infinite() {
            return activation_bound::<T>(g, z);
        }
        // The product g′(z) z in the activation's own bound moves with z as well.
        steepest(g) * off + activation_bound::<T>(g, z) + 16.0 * epsilon::<T>() * off
    })
}

/// Where g or g′ of an infinite number is NaN by its formula (∞ · 0), its limit is right as well.
fn forgive_limits<T: Scalar>(
    expected: &mut Array2<f64>,
    argument: &Array2<f64>,
    found: impl Fn(usize, usize) -> T,
) {
    for ((i, j), expected) in expected.indexed_iter_mut() {
        if expected.is_nan() && argument[[i, j]].is_infinite() {
            *expected = found(i, j).as_f64();
        }
    }
}

pub(crate) fn bias_activate_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&BIAS, false, |case| bias_activate(backend, case))
}

pub(crate) fn bias_activate_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&BIAS, true, |case| bias_activate(backend, case))
}

/// b n, Z and A m × n; A holds the product.
fn bias_activate<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let g = case.activation;
    let random = &mut case.random();
    let b = case.options[0].then(|| case.vector_input::<T>(0, case.n, random));
    let mut z = case.options[1].then(|| case.output::<T>(1, (case.m, case.n), random));
    let mut a = Matrix::<T>::output(case.layouts[2], (case.m, case.n), || random.logit());

    let (old, b64) = (a.exact(), b.as_ref().map(Vector::exact));
    let (mut expected_z, mut expected_a) = (old.clone(), old.clone());
    accepted(Reference.bias_activate(b64.as_deref(), g, Some(&mut expected_z), &mut expected_a))?;
    accepted(backend.bias_activate(
        b.as_ref().map(Vector::view).as_deref(),
        g,
        z.as_mut().map(Matrix::view_mut).as_deref_mut(),
        &mut a.view_mut(),
    ))?;

    a.intact("A")?;
    // One rounding, or none.
    let bound = |z: f64| if b64.is_some() { epsilon::<T>() * z.abs() } else { 0.0 };
    if let Some(z) = &z {
        z.intact("Z")?;
        close_matrix("Z", &z.view(), &expected_z, |i, j| bound(expected_z[[i, j]]))?;
    }
    let found = a.view();
    forgive_limits(&mut expected_a, &expected_z, |i, j| found[[i, j]]);
    close_matrix("A", &found, &expected_a, |i, j| {
        let z = expected_z[[i, j]];
        let moved = if z.is_infinite() { 0.0 } else { steepest(g) * bound(z) };
        moved + activation_bound::<T>(g, z)
    })
}

pub(crate) fn dense_backward_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&BACKWARD, false, |case| backward(backend, case))?;
    lopsided(&BACKWARD, |case| backward(backend, case))
}

pub(crate) fn dense_backward_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&BACKWARD, true, |case| backward(backend, case))
}

/// δ m × k, W k × n, saved and Δ m × n.
fn backward<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let g = case.activation;
    let random = &mut case.random();
    let delta = case.input::<T>(0, (case.m, case.k), random);
    let w = case.input::<T>(1, (case.k, case.n), random);
    let saved = case.input::<T>(2, (case.m, case.n), random);
    let mut below = case.output::<T>(3, (case.m, case.n), random);
    let with_slope = case.options[0];

    let (delta64, w64, saved64) = (delta.exact(), w.exact(), saved.exact());
    let mut product = Array2::zeros((case.m, case.n));
    let mut expected = product.clone();
    let slope64 = with_slope.then(|| Slope { activation: g, saved: saved64.view() });
    accepted(Reference.dense_backward(&delta64, &w64, slope64, &mut expected))?;
    accepted(Reference.matmul(&delta64, &w64, Accumulate::Replace, &mut product))?;
    let slope = with_slope.then(|| Slope { activation: g, saved: saved.view() });
    accepted(backend.dense_backward(&delta.view(), &w.view(), slope, &mut below.view_mut()))?;

    below.intact("Δ")?;
    let found = below.view();
    if with_slope {
        forgive_limits(&mut expected, &saved64, |i, j| found[[i, j]]);
    }
    let sums = magnitude(&delta64, &w64);
    close_matrix("Δ", &found, &expected, |i, j| {
        let off = sum_bound::<T>(case.k, sums[[i, j]]);
        if !with_slope {
            return off;
        }
        let (slope, slope_off) =
            (g.derivative_from_saved(saved64[[i, j]]).abs(), slope_bound::<T>(g, saved64[[i, j]]));
        off * (slope + slope_off) + product[[i, j]].abs() * (slope_off + epsilon::<T>() * slope) + tiny::<T>()
    })
}

pub(crate) fn dense_gradient_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&GRADIENT, false, |case| gradient(backend, case))?;
    lopsided(&GRADIENT, |case| gradient(backend, case))
}

pub(crate) fn dense_gradient_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&GRADIENT, true, |case| gradient(backend, case))
}

/// δ k × m, X k × n, ΔW m × n, Δb m.
fn gradient<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let delta = case.input::<T>(0, (case.k, case.m), random);
    let x = case.input::<T>(1, (case.k, case.n), random);
    let mut dw = case.output::<T>(2, (case.m, case.n), random);
    let mut db = case.options[0].then(|| case.vector_output::<T>(3, case.m, random));

    let (delta64, x64, old_w) = (delta.exact(), x.exact(), dw.exact());
    let old_b = db.as_ref().map_or_else(|| Array1::zeros(case.m), Vector::exact);
    let (mut expected_w, mut expected_b) = (old_w.clone(), old_b.clone());
    accepted(Reference.dense_gradient(&delta64, &x64, case.how, &mut expected_w, Some(&mut expected_b)))?;
    accepted(backend.dense_gradient(
        &delta.view(),
        &x.view(),
        case.how,
        &mut dw.view_mut(),
        db.as_mut().map(Vector::view_mut).as_deref_mut(),
    ))?;

    dw.intact("ΔW")?;
    let sums = magnitude(&delta64.t(), &x64);
    let added = |old: f64| if case.how == Accumulate::Add { old.abs() } else { 0.0 };
    close_matrix("ΔW", &dw.view(), &expected_w, |i, j| {
        sum_bound::<T>(case.k, sums[[i, j]] + added(old_w[[i, j]]))
    })?;
    if let Some(db) = &db {
        db.intact("Δb")?;
        close_vector("Δb", &db.view(), &expected_b, |i| {
            let sum: f64 = delta64.column(i).iter().map(|d| d.abs()).sum();
            sum_bound::<T>(case.k, sum + added(old_b[i]))
        })?;
    }
    Ok(())
}

pub(crate) fn dense_descend_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&DESCEND, false, |case| descend(backend, case))?;
    lopsided(&DESCEND, |case| descend(backend, case))
}

/// δ k × m, X k × n, W m × n (contiguous in some order), b m; the gradient's place is filled with NaN.
fn descend<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let delta = case.input::<T>(0, (case.k, case.m), random);
    let x = case.input::<T>(1, (case.k, case.n), random);
    let layout = match case.layouts[2] {
        Layout::Transposed | Layout::TransposedSliced | Layout::Stepped => Layout::Transposed,
        _ => Layout::Contiguous,
    };
    let mut w = Matrix::<T>::output(layout, (case.m, case.n), || random.number());
    let with_b = case.options[0];
    let mut b = with_b.then(|| Vector::<T>::output(case.layouts[3], case.m, || random.number()));
    let decay = if case.seed.is_multiple_of(3) { 1.0 } else { 0.75 + 0.25 * random.unit() };
    let step = Descent { rate: T::of(random.unit()), decay: T::of(decay) };
    let scratch = case.m * case.n + if with_b { case.m } else { 0 };
    // Not aligned to a lane, with guards around it.
    let (before, after) = (1 + random.below(4), 3);
    let mut buffer = vec![T::of(-7.0); before + scratch + after];
    buffer[before..before + scratch].fill(T::nan());

    let (delta64, x64, old_w) = (delta.exact(), x.exact(), w.exact());
    let old_b = b.as_ref().map(Vector::exact);
    let (mut expected_w, mut expected_b) = (old_w.clone(), old_b.clone());
    let step64 = Descent { rate: step.rate.as_f64(), decay: step.decay.as_f64() };
    accepted(Reference.dense_descend(
        &delta64,
        &x64,
        step64,
        &mut vec![f64::NAN; scratch],
        &mut expected_w,
        expected_b.as_deref_mut(),
    ))?;
    accepted(backend.dense_descend(
        &delta.view(),
        &x.view(),
        step,
        &mut buffer[before..before + scratch],
        &mut w.view_mut(),
        b.as_mut().map(Vector::view_mut).as_deref_mut(),
    ))?;

    let guard = bits(T::of(-7.0));
    if buffer[..before].iter().chain(&buffer[before + scratch..]).any(|&x| bits(x) != guard) {
        return Err("the memory around the gradient's place was written to".to_owned());
    }
    w.intact("W")?;
    let sums = magnitude(&delta64.t(), &x64);
    let bound = |old: f64, change: f64, magnitude: f64| {
        step64.rate * sum_bound::<T>(case.k, magnitude)
            + 4.0 * epsilon::<T>() * ((step64.decay * old).abs() + change.abs())
    };
    close_matrix("W", &w.view(), &expected_w, |i, j| {
        let old = old_w[[i, j]];
        bound(old, step64.decay * old - expected_w[[i, j]], sums[[i, j]])
    })?;
    if let (Some(b), Some(old), Some(expected)) = (&b, old_b, expected_b) {
        b.intact("b")?;
        close_vector("b", &b.view(), &expected, |i| {
            let magnitude = delta64.column(i).iter().map(|d| d.abs()).sum();
            bound(old[i], old[i] - expected[i], magnitude)
        })?;
    }
    Ok(())
}
