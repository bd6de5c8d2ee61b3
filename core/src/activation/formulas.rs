//! The activations that take more than a line, in forms that no finite z overflows and that keep NaN.

use crate::Scalar;

/// 1/√(2π), the height of the normal density.
const FRAC_1_SQRT_TAU: f64 = 0.398_942_280_401_432_7;
/// √(2/π) and the cubic term of GELU's tanh form.
const SQRT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
const GELU_CUBIC: f64 = 0.044_715;
/// SELU's α and λ, by which activations keep mean 0 and variance 1 (Klambauer et al., equation 14).
pub(super) const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
pub(super) const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// σ(z) = 1 / (1 + e^(−z)), by the form that keeps e^… at most 1 on either side.
#[inline]
pub(crate) fn sigmoid<T: Scalar>(z: T) -> T {
    let e = (-z.abs()).exp();
    let small = e / (T::one() + e);
    if z < T::zero() { small } else { T::one() / (T::one() + e) }
}

/// ln(1 + e^z) = max(z, 0) + ln(1 + e^(−|z|)).
#[inline]
pub(crate) fn softplus<T: Scalar>(z: T) -> T {
    let tail = (-z.abs()).exp().ln_1p();
    if z <= T::zero() { tail } else { z + tail }
}

/// z between two bounds; NaN stays NaN.
#[inline]
pub(super) fn clamp<T: Scalar>(z: T, low: T, high: T) -> T {
    if z <= low {
        low
    } else if z >= high {
        high
    } else {
        z
    }
}

/// α (e^(z/s) − 1) below 0 and z above, which is ELU for s = 1 and CELU for s = α.
#[inline]
pub(super) fn elu<T: Scalar>(z: T, alpha: T, stretch: T) -> T {
    if z <= T::zero() { alpha * (z / stretch).exp_m1() } else { z }
}

/// Φ(z), the distribution function of N(0, 1), by erfc: 1 + erf would cancel for negative z.
#[inline]
pub(super) fn normal_cdf<T: Scalar>(z: T) -> T {
    T::of(0.5) * (-z * T::of(std::f64::consts::FRAC_1_SQRT_2)).erfc()
}

/// Φ(z) + z φ(z).
#[inline]
pub(super) fn gelu_slope<T: Scalar>(z: T) -> T {
    let density = (-z * z / T::of(2.0)).exp() * T::of(FRAC_1_SQRT_TAU);
    normal_cdf(z) + z * density
}

/// u of GELU's tanh form: ½ (1 + tanh u) is σ(2u), which does not cancel for negative u.
#[inline]
fn gelu_tanh_gate<T: Scalar>(z: T) -> T {
    sigmoid(T::of(2.0 * SQRT_2_OVER_PI) * (z + T::of(GELU_CUBIC) * z * z * z))
}

#[inline]
pub(super) fn gelu_tanh<T: Scalar>(z: T) -> T {
    z * gelu_tanh_gate(z)
}

/// With s = σ(2u): s + z s (1 − s) 2u′.
#[inline]
pub(super) fn gelu_tanh_slope<T: Scalar>(z: T) -> T {
    let s = gelu_tanh_gate(z);
    // Beyond 30, s (1 − s) is 0; without the bound it would be 0 times an infinite z².
    let near = clamp(z, T::of(-30.0), T::of(30.0));
    let du = T::of(2.0 * SQRT_2_OVER_PI) * (T::one() + T::of(3.0 * GELU_CUBIC) * near * near);
    s + near * s * (T::one() - s) * du
}

/// tanh(ln(1 + e^z)) and one minus its square. With w = (1 + e^z)² they are (w − 1)/(w + 1) and 4w/(w + 1)², each divided through
/// by e^(2z) for positive z.
#[inline]
fn tanh_of_softplus<T: Scalar>(z: T) -> (T, T) {
    let (one, two, four) = (T::one(), T::of(2.0), T::of(4.0));
    let e = (-z.abs()).exp();
    if z <= T::zero() {
        let n = e * (e + two);
        (n / (n + two), four * (n + one) / ((n + two) * (n + two)))
    } else {
        let (square, v) = (e * e, (one + e) * (one + e));
        ((one + two * e) / (v + square), four * square * v / ((v + square) * (v + square)))
    }
}

#[inline]
pub(super) fn mish<T: Scalar>(z: T) -> T {
    z * tanh_of_softplus(z).0
}

/// With t = tanh(softplus z): t + z σ(z) (1 − t²).
#[inline]
pub(super) fn mish_slope<T: Scalar>(z: T) -> T {
    let (t, rest) = tanh_of_softplus(z);
    t + z * sigmoid(z) * rest
}

/// min(max(z + 3, 0), 6) / 6.
#[inline]
pub(super) fn hard_sigmoid<T: Scalar>(z: T) -> T {
    let six = T::of(6.0);
    clamp(z + T::of(3.0), T::zero(), six) / six
}

/// z/3 + ½ between −3 and 3, 0 at −3 and below, 1 at 3 and above.
#[inline]
pub(super) fn hard_swish_slope<T: Scalar>(z: T) -> T {
    let three = T::of(3.0);
    if z <= -three {
        T::zero()
    } else if z >= three {
        T::one()
    } else {
        z / three + T::of(0.5)
    }
}
