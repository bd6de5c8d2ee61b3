//! Activations, slopes and the optimiser's update.

use chainrule_core::{Activation, Backend, Descent, Scalar, Slope};
use ndarray::{Array2, aview1};

use crate::case::{Case, Operands, Outcome, attempt, explore};
use crate::compare::{accepted, activation_bound, close, close_matrix, epsilon, slope_bound, tiny};
use crate::layout::{Matrix, bits};
use crate::reference::Reference;

const ACTIVATE: Operands =
    Operands { inputs: &[], outputs: &["A"], options: &[], accumulates: false, activates: true };
const SLOPE: Operands =
    Operands { inputs: &["saved"], outputs: &["δ"], options: &[], accumulates: false, activates: true };
const DESCEND: Operands =
    Operands { inputs: &[], outputs: &[], options: &[], accumulates: false, activates: false };

/// Zeros, infinities, NaN, the ends of the range and where activations turn.
pub(crate) fn landmarks<T: Scalar>() -> Vec<T> {
    let positive = [
        T::zero(),
        T::min_positive_value(),
        T::min_positive_value() / T::of(4.0),
        T::epsilon(),
        T::max_value(),
        T::infinity(),
    ];
    let turns = [
        0.3,
        0.5,
        0.625,
        1.0,
        std::f64::consts::SQRT_2,
        2.0,
        5.0,
        9.01,
        16.6,
        17.4,
        36.0,
        87.3,
        88.72,
        103.9,
        709.7,
        745.1,
        1e10,
        1e30,
    ];
    let positive = positive.into_iter().chain(turns.map(T::of));
    positive.flat_map(|x| [x, -x]).chain([T::nan()]).collect()
}

pub(crate) fn activate_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&ACTIVATE, false, |case| {
        let random = &mut case.random();
        let mut a = Matrix::<T>::output(case.layouts[0], (case.m, case.n), || random.logit());
        activate(backend, case.activation, &mut a)
    })
}

/// A against g in f64, elementwise.
fn activate<T: Scalar>(backend: &dyn Backend<T>, g: Activation, a: &mut Matrix<T>) -> Result<(), String> {
    let z = a.exact();
    let mut expected = z.clone();
    accepted(Reference.activate(g, &mut expected))?;
    accepted(backend.activate(g, &mut a.view_mut()))?;
    a.intact("A")?;
    for ((index, &found), (&expected, &z)) in a.view().indexed_iter().zip(expected.iter().zip(&z)) {
        if z.is_infinite() && expected.is_nan() {
            continue;
        }
        let place = || format!("{g} of z = {z:e}, at {index:?},");
        close(place, found, expected, activation_bound::<T>(g, z))?;
    }
    Ok(())
}

pub(crate) fn activate_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    // As a row and as a column, so that the same numbers meet full lanes, remainders and plain loops.
    for g in Activation::ALL {
        for column in [false, true] {
            let case = || format!("{g} of special values in a {}", if column { "column" } else { "row" });
            attempt(case, || {
                let values = landmarks::<T>();
                let dim = if column { (values.len(), 1) } else { (1, values.len()) };
                let mut values = values.into_iter();
                let layout = crate::Layout::Sliced;
                let mut a = Matrix::output(layout, dim, || values.next().expect("one each"));
                activate(backend, g, &mut a)
            })?;
        }
    }
    Ok(())
}

pub(crate) fn activate_saturation<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let grid: Vec<T> = (-1600..=1600)
        .map(|i| T::of(f64::from(i) / 16.0))
        .chain((0..120).map(|i| T::of(128.0 * (f64::from(i) / 2.0).exp2())))
        .filter(|z| z.is_finite())
        .collect();
    for (g, low, high) in [(Activation::Sigmoid, 0.0, 1.0), (Activation::Tanh, -1.0, 1.0)] {
        attempt(
            || format!("{g} over a rising grid from -100 to far out"),
            || {
                let mut a = Array2::from_shape_fn((1, grid.len()), |(_, i)| grid[i]);
                accepted(backend.activate(g, &mut a))?;
                for (i, &found) in a.iter().enumerate() {
                    let value = found.as_f64();
                    if !(low..=high).contains(&value) {
                        return Err(format!("g({}) is {found}, outside of [{low}, {high}]", grid[i]));
                    }
                    // Steps of 1/16 are far larger than the rounding of g, until g saturates.
                    let before = if i == 0 { low } else { a[[0, i - 1]].as_f64() };
                    if value < before - 2.0 * epsilon::<T>() * before.abs() - tiny::<T>() {
                        return Err(format!("g falls from {before} to {found} at z = {}", grid[i]));
                    }
                }
                Ok(())
            },
        )?;
    }
    Ok(())
}

pub(crate) fn apply_slope_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&SLOPE, false, |case| apply_slope(backend, case))
}

pub(crate) fn apply_slope_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&SLOPE, true, |case| apply_slope(backend, case))?;
    for g in Activation::ALL {
        attempt(
            || format!("the slope of {g} at special values"),
            || {
                let mut saved: Vec<T> = landmarks();
                if g.saves_output() {
                    saved = saved.into_iter().map(|z| g.apply(z)).collect();
                }
                let saved = Array2::from_shape_vec((1, saved.len()), saved).expect("one row");
                let mut delta = Matrix::output(crate::Layout::Sliced, saved.dim(), || T::of(0.75));
                slopes(backend, g, &saved, &mut delta)
            },
        )?;
    }
    Ok(())
}

fn apply_slope<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let saved = Matrix::<T>::input(case.layouts[0], (case.m, case.n), || {
        let z = random.logit();
        if case.activation.saves_output() { case.activation.apply(z) } else { z }
    });
    let mut delta = Matrix::<T>::output(case.layouts[1], (case.m, case.n), || random.number());
    slopes(backend, case.activation, &saved.view(), &mut delta)
}

fn slopes<T: Scalar>(
    backend: &dyn Backend<T>,
    g: Activation,
    saved: &ndarray::ArrayRef2<T>,
    delta: &mut Matrix<T>,
) -> Result<(), String> {
    let old = delta.exact();
    let saved64 = saved.mapv(Scalar::as_f64);
    let mut expected = old.clone();
    accepted(Reference.apply_slope(Slope { activation: g, saved: saved64.view() }, &mut expected))?;
    accepted(backend.apply_slope(Slope { activation: g, saved: saved.view() }, &mut delta.view_mut()))?;
    delta.intact("δ")?;
    for ((index, &found), (&expected, &saved)) in
        delta.view().indexed_iter().zip(expected.iter().zip(&saved64))
    {
        if saved.is_infinite() && expected.is_nan() {
            continue;
        }
        let bound =
            old[index].abs() * slope_bound::<T>(g, saved) + epsilon::<T>() * expected.abs() + tiny::<T>();
        close(|| format!("δ{index:?}, with {g} and saved = {saved:e},"), found, expected, bound)?;
    }
    Ok(())
}

pub(crate) fn descend_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&DESCEND, false, |case| descend(backend, case))
}

/// A slice of m·n parameters that starts anywhere.
fn descend<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let length = case.m * case.n;
    let (w0, g0) = (random.below(9), random.below(9));
    let mut w: Vec<T> = (0..length + w0 + 5).map(|_| random.number()).collect();
    let gradient: Vec<T> = (0..length + g0).map(|_| random.number()).collect();
    let decay = [1.0, 0.875, 0.999][random.below(3)];
    let step = Descent { rate: T::of(random.unit()), decay: T::of(decay) };
    let step64 = Descent { rate: step.rate.as_f64(), decay: step.decay.as_f64() };
    let old = w.clone();
    let mut expected: Vec<f64> = w[w0..w0 + length].iter().map(|w| w.as_f64()).collect();
    let gradient64: Vec<f64> = gradient[g0..].iter().map(|w| w.as_f64()).collect();
    accepted(Reference.descend(step64, &gradient64, &mut expected))?;
    accepted(backend.descend(step, &gradient[g0..], &mut w[w0..w0 + length]))?;
    for (i, (&found, &old)) in w.iter().zip(&old).enumerate() {
        if !(w0..w0 + length).contains(&i) && bits(found) != bits(old) {
            return Err(format!("the memory around W was written to: {old} became {found}"));
        }
    }
    let found = &w[w0..w0 + length];
    close_matrix(
        "W",
        &aview1(found).insert_axis(ndarray::Axis(0)),
        &aview1(&expected).insert_axis(ndarray::Axis(0)),
        |_, j| {
            let (old, change) = (old[w0 + j].as_f64() * step64.decay, step64.rate * gradient64[j]);
            2.0 * epsilon::<T>() * (old.abs() + change.abs()) + tiny::<T>()
        },
    )
}
