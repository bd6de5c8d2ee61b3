//! How far a result may lie from the exact one.

use chainrule_core::{Activation, Error, Scalar};
use ndarray::{ArrayRef1, ArrayRef2};

/// ε of the element type, the distance from 1 to the next larger number.
pub(crate) fn epsilon<T: Scalar>() -> f64 {
    T::epsilon().as_f64()
}

/// The smallest normal number: results below it may be flushed to zero.
pub(crate) fn tiny<T: Scalar>() -> f64 {
    T::min_positive_value().as_f64()
}

/// The bound of a sum of `k` products whose magnitudes add up to `magnitude`: 2(k+2)·ε·Σ|a||b|.
pub(crate) fn sum_bound<T: Scalar>(k: usize, magnitude: f64) -> f64 {
    2.0 * (k as f64 + 2.0) * epsilon::<T>() * magnitude + tiny::<T>()
}

/// Refuses an element that is further than `bound` from the exact one. NaN must be NaN, an infinity that infinity.
pub(crate) fn close<T: Scalar>(
    place: impl Fn() -> String,
    found: T,
    expected: f64,
    bound: f64,
) -> Result<(), String> {
    let value = found.as_f64();
    let right = if expected.is_nan() {
        value.is_nan()
    } else if expected.is_infinite() {
        value.to_bits() == expected.to_bits()
    } else {
        // A bound may be NaN where magnitudes are 0 · ∞: then only the exact value will do. It may be beyond what `T` can hold.
        (value - expected).abs() <= if bound.is_nan() { 0.0 } else { bound } || found == T::of(expected)
    };
    if right {
        return Ok(());
    }
    let place = place();
    if expected.is_finite() && value.is_finite() {
        let off = (value - expected).abs();
        Err(format!("{place} is {found}, expected {expected}: off by {off:.3e}, allowed {bound:.3e}"))
    } else {
        Err(format!("{place} is {found}, expected {expected}"))
    }
}

/// [`close`] for every element of a matrix.
pub(crate) fn close_matrix<T: Scalar>(
    name: &str,
    found: &ArrayRef2<T>,
    expected: &ArrayRef2<f64>,
    bound: impl Fn(usize, usize) -> f64,
) -> Result<(), String> {
    for ((i, j), &found) in found.indexed_iter() {
        close(|| format!("{name}[{i}, {j}]"), found, expected[[i, j]], bound(i, j))?;
    }
    Ok(())
}

/// [`close`] for every element of a vector.
pub(crate) fn close_vector<T: Scalar>(
    name: &str,
    found: &ArrayRef1<T>,
    expected: &ArrayRef1<f64>,
    bound: impl Fn(usize) -> f64,
) -> Result<(), String> {
    for (i, &found) in found.indexed_iter() {
        close(|| format!("{name}[{i}]"), found, expected[i], bound(i))?;
    }
    Ok(())
}

/// A call that must succeed.
pub(crate) fn accepted<R>(result: chainrule_core::Result<R>) -> Result<R, String> {
    result.map_err(|error| format!("the call was refused: {error}"))
}

/// A call that must be refused for its shapes.
pub(crate) fn refused<R>(result: chainrule_core::Result<R>) -> Result<(), String> {
    match result {
        Err(Error::Shape { .. }) => Ok(()),
        Err(error) => Err(format!("expected Error::Shape, got: {error}")),
        Ok(_) => Err("shapes that do not fit were accepted".to_owned()),
    }
}

/// Units in the last place that a transcendental function may err by. The reference for f64 is itself in f64.
fn ulps<T: Scalar>() -> f64 {
    if T::NAME == "f64" { 8.0 } else { 4.0 }
}

/// The bound of g(z): exact for identity and ReLU; 2 ulp for leaky ReLU (its slope is rounded as well); for the
/// transcendental ones [`ulps`] of the result and of the argument, ulps·ε·(|g(z)| + |z g′(z)|).
pub(crate) fn activation_bound<T: Scalar>(g: Activation, z: f64) -> f64 {
    let epsilon = epsilon::<T>();
    match g {
        Activation::Identity | Activation::Relu => 0.0,
        Activation::LeakyRelu(_) => 2.0 * epsilon * g.apply(z).abs() + tiny::<T>(),
        _ if z.is_infinite() => epsilon,
        _ => ulps::<T>() * epsilon * (g.apply(z).abs() + (z * g.derivative(z)).abs()) + tiny::<T>(),
    }
}

/// The bound of g′ from what the forward pass saved, by the rule of [`activation_bound`].
pub(crate) fn slope_bound<T: Scalar>(g: Activation, saved: f64) -> f64 {
    let epsilon = epsilon::<T>();
    let s = Activation::Sigmoid.apply(saved);
    // |x f′(x)| of the function f of what was saved that the slope is.
    let conditioned = match g {
        Activation::Identity | Activation::Relu => return 0.0,
        Activation::LeakyRelu(slope) => return epsilon * slope,
        _ if saved.is_infinite() => return epsilon,
        Activation::Sigmoid => (saved * (1.0 - 2.0 * saved)).abs(),
        Activation::Tanh => 2.0 * saved * saved,
        Activation::Gelu => {
            let density = (-saved * saved / 2.0).exp() * 0.398_942_280_401_432_7;
            (saved * density * 2.0).abs() + (saved * density * saved * saved).abs()
        }
        // 1 − σ(z) is rounded to ε/2 and then multiplied by z, until it is 0 for z above 40.
        Activation::Silu => {
            (saved * s * (1.0 - s) * (2.0 + saved * (1.0 - 2.0 * s))).abs() + saved.clamp(0.0, 40.0) * s
        }
        _ => saved.abs(),
    };
    let conditioned = if conditioned.is_finite() { conditioned } else { 0.0 };
    ulps::<T>() * epsilon * (g.derivative_from_saved(saved).abs() + conditioned) + tiny::<T>()
}

/// The largest slope that any activation has, rounded up.
pub(crate) fn steepest(g: Activation) -> f64 {
    match g {
        Activation::LeakyRelu(slope) => slope.max(1.0),
        _ => 1.2,
    }
}
