//! Activations that follow from the functions beside this module in a few steps.
//!
//! Their errors, by z in units of the last place as the conformance suite bounds them, come from the errors of the parts.

use super::{Real, abs, exp_parts, horner_from, minus_abs, reduce};
use crate::lane::Lane;

// SAFETY of all functions of this module: they call nothing but methods of `L`, which may run where the caller enables
// the instruction set of `L`; that is their own contract as well.

/// x between two bounds; NaN stays NaN.
#[inline(always)]
pub(crate) unsafe fn clamp<T: Real, L: Lane<Elem = T>>(x: L, low: T, high: T) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { L::splat(low).max(L::splat(high).min(x)) }
}

/// eˣ − 1: with x = n ln 2 + r it is 2ⁿ (eʳ − 1) + (2ⁿ − 1), which does not cancel near 0; up to 1.3 ulp.
#[inline(always)]
pub(crate) unsafe fn exp_m1<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let y = clamp(x, T::ZERO - (T::TANH_MAX + T::TANH_MAX), T::EXP_MAX);
        let (n, r) = reduce(y);
        let m = r.mul(r).mul_add(horner_from::<T, L, 2>(T::EXP_ALL, r), r);
        // Half of it, since 2ⁿ may be too large.
        let half = n.sub(L::splat(T::ONE)).exp2_int();
        let e = m.mul_add(half, half.sub(L::splat(T::HALF))).mul(L::splat(T::TWO));
        // −0 stays.
        L::select(x.eq(L::splat(T::ZERO)), x, e)
    }
}

/// σ(x) and 1 − σ(x) as numerators over 1 + e^(−|x|), and that.
#[inline(always)]
unsafe fn sigmoid_parts<T: Real, L: Lane<Elem = T>>(x: L) -> (L, L, L) {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let one = L::splat(T::ONE);
        let (p, s) = exp_parts(minus_abs(x, T::SIGMOID_MAX));
        let e = p.mul(s);
        let negative = x.lt(L::splat(T::ZERO));
        (L::select(negative, e, one), L::select(negative, one, e), e.add(one))
    }
}

/// 2u of GELU's tanh form, 2 √(2/π) (z + 0.044715 z³).
#[inline(always)]
unsafe fn twice_u<T: Real, L: Lane<Elem = T>>(z: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let cubic = L::splat(T::GELU_CUBIC).mul(z.mul(z));
        L::splat(T::SQRT_8_OVER_PI).mul(cubic.mul_add(z, z))
    }
}

/// GELU's tanh form, z σ(2u).
#[inline(always)]
pub(crate) unsafe fn gelu_tanh<T: Real, L: Lane<Elem = T>>(z: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let (s, _, whole) = sigmoid_parts(twice_u(z));
        z.mul(s).div(whole)
    }
}

/// The slope of that: with s = σ(2u), s + z s (1 − s) 2u′.
#[inline(always)]
pub(crate) unsafe fn gelu_tanh_slope<T: Real, L: Lane<Elem = T>>(z: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        // Further out s (1 − s) is 0, and would be multiplied by an infinite z².
        let z = clamp(z, T::ZERO - T::GELU_MAX, T::GELU_MAX);
        let (s, t, whole) = sigmoid_parts(twice_u(z));
        let cubic = L::splat(T::GELU_CUBIC + T::GELU_CUBIC + T::GELU_CUBIC).mul(z.mul(z));
        let slope_of_2u = L::splat(T::SQRT_8_OVER_PI).mul(cubic.add(L::splat(T::ONE)));
        let s = s.div(whole);
        z.mul(s).mul(t.div(whole)).mul_add(slope_of_2u, s)
    }
}

/// With w = (1 + eᶻ)², tanh(ln(1 + eᶻ)) is (w − 1)/(w + 1): numerator and denominator, divided through by e^(2z) for positive z; and
/// e = e^(−|z|).
#[inline(always)]
unsafe fn tanh_of_softplus<T: Real, L: Lane<Elem = T>>(z: L) -> (L, L, L) {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let two = L::splat(T::TWO);
        let (p, s) = exp_parts(minus_abs(z, T::SIGMOID_MAX));
        let e = p.mul(s);
        let left = e.mul(e.add(two));
        let right = two.mul_add(e, L::splat(T::ONE));
        let negative = z.lt(L::splat(T::ZERO));
        let rest = L::select(negative, two, two.mul(e).mul(e));
        let n = L::select(negative, left, right);
        (n, n.add(rest), e)
    }
}

/// Mish, z tanh(ln(1 + eᶻ)).
#[inline(always)]
pub(crate) unsafe fn mish<T: Real, L: Lane<Elem = T>>(z: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let (n, d, _) = tanh_of_softplus(z);
        z.mul(n).div(d)
    }
}

/// The slope of mish: with t = tanh(ln(1 + eᶻ)), t + z σ(z) (1 − t²); 1 − t² is 4 w/(w + 1)².
#[inline(always)]
pub(crate) unsafe fn mish_slope<T: Real, L: Lane<Elem = T>>(z: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let z = clamp(z, T::ZERO - T::SIGMOID_MAX, T::SIGMOID_MAX);
        let (n, d, e) = tanh_of_softplus(z);
        let one_e = e.add(L::splat(T::ONE));
        // σ(z) w over (1 + e), by e^(2z) as above.
        let negative = z.lt(L::splat(T::ZERO));
        let sw = one_e.mul(L::select(negative, e, e.mul(e)));
        let four = L::splat(T::TWO + T::TWO);
        let t = n.div(d);
        z.mul(four).mul(sw.div(d).div(d)).add(t)
    }
}

/// Softsign, x/(1 + |x|).
#[inline(always)]
pub(crate) unsafe fn softsign<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { x.div(L::splat(T::ONE).add(abs(x))) }
}
