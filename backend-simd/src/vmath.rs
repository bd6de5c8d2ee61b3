//! Vector functions: polynomials of our own over lanes.
//!
//! Each function is a straight line of sums, products and at most two divisions, so that every instruction set with
//! fused multiply-add gives the same bits, and a value does not depend on its place in a slice. Largest errors found, in
//! units in the last place of the result, with fused multiply-add (the example `ulp` measures them; these are from every
//! `f32` from 2⁻²⁷ to 2⁸ of both signs, one in 61 of the others, and 2,000,000 `f64`; for `gelu_slope` from one `f32` in 61
//! and 200,000 `f64`):
//!
//! | function | equation | f32 | f64 |
//! | --- | --- | --- | --- |
//! | [`exp`] | eˣ | 0.91 | 0.86 |
//! | [`ln`] | ln x | 0.83 | 0.81 |
//! | [`tanh`] | tanh x | 1.85 | 1.53 |
//! | [`sigmoid`] | 1/(1 + e^(−x)) | 1.65 | 1.62 |
//! | [`softplus`] | ln(1 + eˣ) | 1.93 | 1.62 |
//! | [`silu`] | x σ(x) | 2.42 | 2.24 |
//! | [`silu_slope`] | σ(x) (1 + x (1 − σ(x))) | 0.92 of 1 | 0.76 of 1 |
//! | [`gelu`] | x Φ(x), down to its tail at −14 (−38) | 2.94 | 2.93 |
//! | [`gelu_slope`] | Φ(x) + x φ(x) | 1.21 of 1 | 1.12 of 1 |
//!
//! The slopes cross 0: their errors are absolute, in units of the last place of 1. Without fused multiply-add errors are
//! up to half a unit larger.
//!
//! Underflow is gradual, ±∞ give the limits, NaN stays NaN.

pub(crate) mod activations;
mod constants;
pub(crate) mod map;
mod public;

pub(crate) use constants::Real;
pub use public::{Function, VectorMath, VectorScalar};

use crate::lane::Lane;

// SAFETY of all functions of this module: they call nothing but methods of `L`, which may run where the caller enables
// the instruction set of `L`; that is their own contract as well.

/// Σ cᵢ xⁱ by Horner's rule.
#[inline(always)]
unsafe fn horner<T: Real, L: Lane<Elem = T>>(c: &[T], x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let (&last, rest) = c.split_last().expect("a polynomial has coefficients");
        let mut sum = L::splat(last);
        let mut i = rest.len();
        while i > 0 {
            i -= 1;
            sum = sum.mul_add(x, L::splat(rest[i]));
        }
        sum
    }
}

/// Horner's rule over the coefficients from `FROM` on.
#[inline(always)]
unsafe fn horner_from<T: Real, L: Lane<Elem = T>, const FROM: usize>(c: &[T], x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { horner(&c[FROM..], x) }
}

/// Σ cᵢ xⁱ as Σ (c₂ᵢ + c₂ᵢ₊₁ x) x²ⁱ, with x² given: a chain of half the length.
#[inline(always)]
unsafe fn by_pairs<T: Real, L: Lane<Elem = T>>(c: &[T], x: L, x2: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let mut i = (c.len() - 1) / 2 * 2;
        let mut sum = L::splat(c[i]);
        if i + 1 < c.len() {
            sum = L::splat(c[i + 1]).mul_add(x, sum);
        }
        while i > 0 {
            i -= 2;
            sum = sum.mul_add(x2, L::splat(c[i + 1]).mul_add(x, L::splat(c[i])));
        }
        sum
    }
}

/// Σ cᵢ xⁱ by Horner's rule, or by pairs where that would be a long chain.
#[inline(always)]
unsafe fn polynomial<T: Real, L: Lane<Elem = T>>(c: &[T], x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { if c.len() > 9 { by_pairs(c, x, x.mul(x)) } else { horner(c, x) } }
}

/// The integer n nearest to `x · factor`.
#[inline(always)]
unsafe fn nearest<T: Real, L: Lane<Elem = T>>(x: L, factor: T) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { x.mul_add(L::splat(factor), L::splat(T::ROUNDER)).sub(L::splat(T::ROUNDER)) }
}

/// x = n ln 2 + r with an integer n and |r| ≤ ln 2 / 2 (Cody and Waite).
#[inline(always)]
unsafe fn reduce<T: Real, L: Lane<Elem = T>>(x: L) -> (L, L) {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let n = nearest(x, T::LOG2_E);
        let r = n.neg_mul_add(L::splat(T::LN_2_HIGH), x);
        (n, n.neg_mul_add(L::splat(T::LN_2_LOW), r))
    }
}

#[inline(always)]
pub(crate) unsafe fn abs<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { x.and(L::splat(T::MAGNITUDE)) }
}

/// eˣ.
///
/// x = n ln 2 + r, eˣ = 2ⁿ eʳ. As 2ⁿ may be too small or too large for a normal number, one factor is 2^(n−1),
/// lifted where it is small, and a last exact factor makes up for it: only that product can underflow or overflow.
#[inline(always)]
pub(crate) unsafe fn exp<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        // In this order NaN passes both.
        let x = L::splat(T::EXP_MIN).max(L::splat(T::EXP_MAX).min(x));
        let (n, r) = reduce(x);
        let small = x.lt(L::splat(T::EXP_SMALL));
        let lift = L::select(small, L::splat(T::LIFT - T::ONE), L::splat(T::ZERO - T::ONE));
        let last = L::select(small, L::splat(T::DROP + T::DROP), L::splat(T::TWO));
        horner(T::EXP_ALL, r).mul(n.add(lift).exp2_int()).mul(last)
    }
}

/// For x ≤ 0, not below −[`Real::SIGMOID_MAX`]: (p, s) with eˣ = p s, where s is a power of two 2^l too large and p as
/// much too small. The product rounds only if it is subnormal.
#[inline(always)]
unsafe fn exp_parts<T: Real, L: Lane<Elem = T>>(x: L) -> (L, L) {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let (n, r) = reduce(x);
        (horner(T::EXP_DROPPED, r), n.add(L::splat(T::LIFT)).exp2_int())
    }
}

/// −|x|, at least −`limit`; NaN stays NaN.
#[inline(always)]
unsafe fn minus_abs<T: Real, L: Lane<Elem = T>>(x: L, limit: T) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { L::splat(T::ZERO - limit).max(x.or(L::splat(T::SIGN))) }
}

/// tanh x: with y = 2|x| it is E/(E + 2), E = eʸ − 1, where y is large, and y/C, C = y coth(y/2), where it is small.
///
/// The latter is exact but for the rounding of C, a polynomial in y² that is close to 2, and of the quotient.
#[inline(always)]
pub(crate) unsafe fn tanh<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let two = L::splat(T::TWO);
        let t = L::splat(T::TANH_MAX).min(abs(x));
        let y = t.add(t);
        let n = nearest(y.sub(L::splat(T::TANH_BIAS)), T::LOG2_E);
        // Where n is not 0, an error in y is damped: ln 2 as it is will do.
        let r = if L::FUSED {
            n.neg_mul_add(L::splat(T::LN_2), y)
        } else {
            n.neg_mul_add(L::splat(T::LN_2_LOW), n.neg_mul_add(L::splat(T::LN_2_HIGH), y))
        };
        let r2 = r.mul(r);
        // Where n = 0, r is y.
        let c = r2.mul_add(horner(T::COTH, r2), two);
        // E = 2ⁿ (eʳ − 1) + (2ⁿ − 1).
        let m = r2.mul_add(by_pairs(T::EXP_BIASED, r, r2), r);
        let s = n.exp2_int();
        let e = m.mul_add(s, s.sub(L::splat(T::ONE)));
        let small = n.lt(L::splat(T::HALF));
        let tanh = L::select(small, r, e).div(L::select(small, c, e.add(two)));
        tanh.or(x.and(L::splat(T::SIGN)))
    }
}

/// σ(x) = 1/(1 + e^(−x)): with e = e^(−|x|) and d = e/(1 + e), it is e − e d where x < 0 and 1 − d elsewhere.
#[inline(always)]
pub(crate) unsafe fn sigmoid<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let one = L::splat(T::ONE);
        let (p, s) = exp_parts(minus_abs(x, T::SIGMOID_MAX));
        let e = p.mul(s);
        let d = e.div(e.add(one));
        let whole = L::select(x.lt(L::splat(T::ZERO)), e, one);
        whole.neg_mul_add(d, whole)
    }
}

/// `SiLU`, x σ(x): with e and d of [`sigmoid`] it is x e − x e d where x < 0 and x − x d elsewhere.
#[inline(always)]
pub(crate) unsafe fn silu<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let zero = L::splat(T::ZERO);
        let a = minus_abs(x, T::SIGMOID_MAX);
        let (p, s) = exp_parts(a);
        let e = p.mul(s);
        let d = e.div(e.add(L::splat(T::ONE)));
        // x is multiplied to the power while that is lifted, so that only one product can underflow.
        let whole = L::select(x.lt(zero), a.mul(s).mul(p), x);
        // Neither ∞ times 0 nor, for x = −0, the difference of two zeros of one sign.
        let factor = L::splat(T::SIGMOID_MAX).min(whole.add(zero));
        factor.neg_mul_add(d, whole)
    }
}

/// The slope of `SiLU`, σ(x) (1 + x (1 − σ(x))): with e = e^(−|x|) it is e (1 + e − |x|)/(1 + e)² for x < 0, and one
/// minus that for x > 0.
#[inline(always)]
pub(crate) unsafe fn silu_slope<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let a = minus_abs(x, T::SIGMOID_MAX);
        let (p, s) = exp_parts(a);
        let e = p.mul(s);
        let one_e = e.add(L::splat(T::ONE));
        let left = e.mul(one_e.add(a)).div(one_e.mul(one_e));
        L::select(x.lt(L::splat(T::ZERO)), left, L::splat(T::ONE).sub(left))
    }
}

/// For t from 0 to [`Real::GELU_MAX`]: (m, s) with e^(−t²/2) = (1 + m) s e^(ε t²/2) e^(d/4), where s is a power of two, 2^l too
/// large, and ε that of [`Real::GELU`]; P makes up for both.
#[inline(always)]
unsafe fn density_parts<T: Real, L: Lane<Elem = T>>(t: L, d: L) -> (L, L) {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        // 2 t² = square − more: 2 t² is up to 414 (or 2984), its rounding error would multiply the result.
        let twice = t.add(t);
        let (square, more) = if L::FUSED {
            let square = twice.mul(t);
            (square, twice.neg_mul_add(t, square))
        } else {
            let upper = t.and(L::splat(T::UPPER));
            let twice_upper = upper.add(upper);
            (twice_upper.mul(upper), upper.sub(t).mul(twice.add(twice_upper)))
        };
        let n = nearest(square, T::MINUS_QUARTER_LOG2_E);
        let r = if L::FUSED {
            n.mul_add(L::splat(T::FOUR_LN_2), square)
        } else {
            let r = n.mul_add(L::splat(T::FOUR_LN_2_HIGH), square);
            n.mul_add(L::splat(T::FOUR_LN_2_LOW), r)
        };
        let r = r.sub(more.sub(d));
        (polynomial(T::EXP_QUARTER, r).mul(r), n.add(L::splat(T::LIFT)).exp2_int())
    }
}

/// GELU, x Φ(x) = max(x, 0) − |x| Φ(−|x|), with Φ(−t) = e^(−t²/2) P(c − w)/(t + k) and w = t/(t + k).
#[inline(always)]
pub(crate) unsafe fn gelu<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let t = L::splat(T::GELU_MAX).min(abs(x));
        let k = L::splat(T::GELU_POLE);
        // What t + k loses counts by about ¼ for small t, and by little for larger ones, where this is 0.
        let near = L::splat(T::GELU_NEAR).min(t);
        let lost = near.sub(near.add(k).sub(k));
        let (m, s) = density_parts(t, lost);
        let w = t.div(t.add(k));
        let q = L::splat(T::GELU_CENTRE).sub(w);
        // P = p + low, where p is rounded and low what that lost.
        let first = L::splat(T::GELU[0]);
        let rest = polynomial(&T::GELU[1..], q);
        let p = q.mul_add(rest, first);
        let low = q.mul_add(rest, first.sub(p));
        let value = p.add(p.mul_add(m, low));
        // The larger of 0 and −0 is the second here: the sign of x = −0 stays.
        w.mul(s).neg_mul_add(value, L::splat(T::ZERO).max(x))
    }
}

/// The slope of GELU, Φ(x) + x φ(x): for x < 0 it is e^(−t²/2) (P(c − w)/(t + k) − t/√(2π)) with t = |x|, and one minus
/// that for x > 0.
#[inline(always)]
pub(crate) unsafe fn gelu_slope<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let one = L::splat(T::ONE);
        let t = L::splat(T::GELU_MAX).min(abs(x));
        let (m, s) = density_parts(t, L::splat(T::ZERO));
        let inverse = one.div(t.add(L::splat(T::GELU_POLE)));
        let p = polynomial(T::GELU, t.neg_mul_add(inverse, L::splat(T::GELU_CENTRE)));
        let tail = t.neg_mul_add(L::splat(T::FRAC_1_SQRT_TAU * T::DROP), p.mul(inverse));
        let left = tail.mul_add(m, tail).mul(s);
        let left = L::select(L::splat(T::GELU_MAX).le(t), L::splat(T::ZERO), left);
        L::select(x.lt(L::splat(T::ZERO)), left, one.sub(left))
    }
}

/// ln(1 + f) for the f of which s = f/(2 + f) lies in the range of the polynomial R = `c`, plus `more`:
/// f − (f²/2 − (s (f²/2 + s² R(s²)) + more)).
#[inline(always)]
unsafe fn ln_1p_core<T: Real, L: Lane<Elem = T>>(c: &[T], f: L, more: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let s = f.div(f.add(L::splat(T::TWO)));
        let s2 = s.mul(s);
        let half = f.mul(f).mul(L::splat(T::HALF));
        let inner = s.mul_add(s2.mul_add(horner(c, s2), half), more);
        f.sub(half.sub(inner))
    }
}

/// ln x, the natural logarithm: −∞ at ±0, NaN below.
///
/// x = 2ᵉ m with m from √½ to √2; ln x = e ln 2 + ln(1 + (m − 1)).
#[inline(always)]
pub(crate) unsafe fn ln<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let (zero, one) = (L::splat(T::ZERO), L::splat(T::ONE));
        // Subnormal numbers are lifted.
        let small = x.lt(L::splat(T::LEAST_NORMAL));
        let lifted = x.mul(L::select(small, L::splat(T::ONE).div(L::splat(T::DROP)), one));
        let (e, m) = (lifted.exponent(), lifted.mantissa());
        let large = L::splat(T::SQRT_2).lt(m);
        let m = L::select(large, m.mul(L::splat(T::HALF)), m);
        let e = e.add(L::select(large, one, zero)).sub(L::select(small, L::splat(T::LIFT), zero));
        let high = e.mul(L::splat(T::LN_2_HIGH));
        let low = e.mul(L::splat(T::LN_2_LOW));
        let y = high.add(ln_1p_core(T::LN, m.sub(one), low));
        let y = L::select(x.lt(L::splat(T::INFINITY)), y, x);
        let y = L::select(zero.le(x), y, L::splat(T::NAN));
        L::select(x.eq(zero), L::splat(T::NEG_INFINITY), y)
    }
}

/// Softplus, ln(1 + eˣ) = max(x, 0) + ln(1 + e^(−|x|)), which no x overflows.
#[inline(always)]
pub(crate) unsafe fn softplus<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let zero = L::splat(T::ZERO);
        let (p, s) = exp_parts(minus_abs(x, T::SIGMOID_MAX));
        let more = ln_1p_core(T::LN_1P, p.mul(s), zero);
        L::select(x.le(zero), zero, x).add(more)
    }
}
