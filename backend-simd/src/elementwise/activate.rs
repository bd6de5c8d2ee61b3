//! Activations and their slopes over matrices.

use std::marker::PhantomData as P;

use chainrule_core::{Activation, Scalar};

use super::{both, each};
use crate::gemm::Engine;
use crate::gemm::view::{MatMut, MatRef};
use crate::lane::Lane;
use crate::vmath::map::{self, Binary, Unary};
use crate::vmath::{self, Real, activations};

unary! {
    /// x.
    Keep: |self, x| x;
    /// max(x, 0); NaN stays NaN.
    Relu: |self, x| L::select(x.le(L::splat(T::ZERO)), L::splat(T::ZERO), x);
    /// x where it is positive, s x elsewhere.
    LeakyRelu(T): |self, x| L::select(x.le(L::splat(T::ZERO)), x.mul(L::splat(self.0)), x);
    /// x between two bounds.
    Clamp(T, T): |self, x| activations::clamp(x, self.0, self.1);
    /// Where x is positive s x, α (e^(x/t) − 1) elsewhere, with (s, α, t) given.
    Elu(T, T, T): |self, x| {
        let left = L::splat(self.1).mul(activations::exp_m1(x.div(L::splat(self.2))));
        L::select(x.le(L::splat(T::ZERO)), left, x.mul(L::splat(self.0)))
    };
    /// GELU's tanh form.
    GeluTanh: |self, x| activations::gelu_tanh(x);
    /// Mish.
    Mish: |self, x| activations::mish(x);
    /// Softsign.
    Softsign: |self, x| activations::softsign(x);
    /// min(max(x + 3, 0), 6)/6, with (3, 6) given.
    HardSigmoid(T, T): |self, x| hard_sigmoid(x, self.0, self.1);
    /// x times that.
    HardSwish(T, T): |self, x| x.mul(hard_sigmoid(x, self.0, self.1));
}

/// min(max(x + `three`, 0), `six`)/`six`.
#[inline(always)]
unsafe fn hard_sigmoid<T: Real, L: Lane<Elem = T>>(x: L, three: T, six: T) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { activations::clamp(x.add(L::splat(three)), T::ZERO, six).div(L::splat(six)) }
}

binary! {
    /// The change y times the slope of σ, a (1 − a), where x = a.
    TimesSigmoidSlope: |self, a, y| y.mul(a.mul(L::splat(T::ONE).sub(a)));
    /// The change y times the slope of tanh, 1 − a², where x = a.
    TimesTanhSlope: |self, a, y| y.mul(a.neg_mul_add(a, L::splat(T::ONE)));
    /// The change y times 1 where a > 0, and the slope given elsewhere.
    TimesStep(T): |self, a, y| {
        let slope = L::select(L::splat(T::ZERO).lt(a), L::splat(T::ONE), L::splat(self.0));
        y.mul(slope)
    };
    /// The change y times the slope of GELU at x = z.
    TimesGeluSlope: |self, z, y| y.mul(vmath::gelu_slope(z));
    /// The change y times the slope of `SiLU` at x = z.
    TimesSiluSlope: |self, z, y| y.mul(vmath::silu_slope(z));
    /// The change y times the slope s where x lies between two bounds, and 0 elsewhere, with (low, high, s) given.
    TimesWithin(T, T, T): |self, x, y| {
        let zero = L::splat(T::ZERO);
        let slope = L::select(x.lt(L::splat(self.1)), L::splat(self.2), zero);
        y.mul(L::select(L::splat(self.0).lt(x), slope, zero))
    };
    /// The change y times 1 where a is positive, a/α s + s elsewhere, with (α, s) given: ELU's slope a + α for (1, α) and CELU's
    /// for (α, 1).
    TimesEluSlope(T, T): |self, a, y| {
        let left = a.div(L::splat(self.0)).add(L::splat(self.1));
        y.mul(L::select(L::splat(T::ZERO).lt(a), L::splat(T::ONE), left))
    };
    /// The change y times λ where z is positive, λα eᶻ elsewhere, with (λ, λα) given.
    TimesSeluSlope(T, T): |self, z, y| {
        let left = L::splat(self.1).mul(vmath::exp(z));
        y.mul(L::select(L::splat(T::ZERO).lt(z), L::splat(self.0), left))
    };
    /// The change y times the slope of GELU's tanh form at x = z.
    TimesGeluTanhSlope: |self, z, y| y.mul(activations::gelu_tanh_slope(z));
    /// The change y times the slope of mish at x = z.
    TimesMishSlope: |self, z, y| y.mul(activations::mish_slope(z));
    /// The change y times 1 − e^(−a), where x = a.
    TimesSoftplusSlope: |self, a, y| {
        let zero = L::splat(T::ZERO);
        y.mul(zero.sub(activations::exp_m1(zero.sub(a))))
    };
    /// The change y times 1/(1 + |z|)², where x = z.
    TimesSoftsignSlope: |self, z, y| {
        let one = L::splat(T::ONE);
        let r = one.div(one.add(vmath::abs(z)));
        y.mul(r.mul(r))
    };
    /// The change y times z/3 + ½ between −3 and 3, 0 below and 1 above, where x = z, with 3 given.
    TimesHardSwishSlope(T): |self, z, y| {
        let (zero, one, three) = (L::splat(T::ZERO), L::splat(T::ONE), L::splat(self.0));
        let slope = z.div(three).add(L::splat(T::HALF));
        let slope = L::select(three.le(z), one, slope);
        y.mul(L::select(z.le(zero.sub(three)), zero, slope))
    };
}

/// f(y + x): an activation after a bias.
#[derive(Clone, Copy)]
struct AfterSum<F>(F);

impl<T: Real, F: Unary<T>> Binary<T> for AfterSum<F> {
    #[inline(always)]
    unsafe fn eval<L: Lane<Elem = T>>(self, x: L, y: L) -> L {
        // SAFETY: the caller enables the set of `L`.
        unsafe { self.0.eval(y.add(x)) }
    }
}

/// Runs `$run(f)` with the function that the activation `$g` is, if it is one of those that are fused with the bias.
macro_rules! with_activation {
    ($t:ty, $g:expr, $identity:expr, |$f:ident| $run:expr, else $other:expr) => {
        match $g {
            Activation::Identity => $identity,
            Activation::Sigmoid => {
                let $f = map::Sigmoid;
                $run
            }
            Activation::Tanh => {
                let $f = map::Tanh;
                $run
            }
            Activation::Relu => {
                let $f = Relu(P::<$t>);
                $run
            }
            Activation::LeakyRelu(slope) => {
                let $f = LeakyRelu(<$t as Scalar>::of(slope), P);
                $run
            }
            Activation::Gelu => {
                let $f = map::Gelu;
                $run
            }
            Activation::Silu => {
                let $f = map::Silu;
                $run
            }
            _ => $other,
        }
    };
}

/// A ← g(A).
///
/// # Safety
///
/// A is valid for reads and writes.
#[inline]
pub(crate) unsafe fn activate<T: Real + Scalar>(engine: Engine, g: Activation, a: MatMut<T>) {
    with_activation!(T, g, (), |f| each(engine, f, a), else {
        // SAFETY: the caller's contract.
        unsafe { activate_rarely(engine, g, a) }
    });
}

/// [`activate`] for the other activations. One that this crate does not know of goes through its definition.
unsafe fn activate_rarely<T: Real + Scalar>(engine: Engine, g: Activation, a: MatMut<T>) {
    let [zero, one, three, six] = [0.0, 1.0, 3.0, 6.0].map(T::of);
    match g {
        Activation::Relu6 => each(engine, Clamp(zero, six, P), a),
        Activation::Elu(alpha) => each(engine, Elu(one, T::of(alpha), one, P), a),
        Activation::Selu => {
            let (scale, left) = selu();
            each(engine, Elu(scale, left, one, P), a);
        }
        Activation::Celu(alpha) => each(engine, Elu(one, T::of(alpha), T::of(alpha), P), a),
        Activation::GeluTanh => each(engine, GeluTanh(P), a),
        Activation::Mish => each(engine, Mish(P), a),
        Activation::Softplus => each(engine, map::Softplus, a),
        Activation::Softsign => each(engine, Softsign(P), a),
        Activation::HardSigmoid => each(engine, HardSigmoid(three, six, P), a),
        Activation::HardTanh => each(engine, Clamp(zero - one, one, P), a),
        Activation::HardSwish => each(engine, HardSwish(three, six, P), a),
        // SAFETY: the elements of A are valid.
        _ => unsafe { by_definition(a, |z| g.apply(z)) },
    }
}

/// SELU's λ and λα, as slopes on either side of 0.
fn selu<T: Scalar>() -> (T, T) {
    let slope = |z: f64| T::of(Activation::Selu.derivative(z));
    (slope(1.0), slope(0.0))
}

/// A ← f(A) for a function of scalars.
///
/// # Safety
///
/// A is valid for reads and writes.
unsafe fn by_definition<T: Copy>(a: MatMut<T>, f: impl Fn(T) -> T) {
    for i in 0..a.rows {
        for j in 0..a.cols {
            // SAFETY: the elements of A are valid.
            unsafe { *a.at(i, j) = f(*a.at(i, j)) };
        }
    }
}

/// What is done to a finished block of X Wᵀ: A ← g(A + 1 bᵀ), and Z ← A + 1 bᵀ where Z is wanted.
///
/// # Safety
///
/// A, and Z of the same shape, are valid for reads and writes, `bias` (of the same shape, its rows the same) for reads.
#[inline]
pub(crate) unsafe fn finish_forward<T: Real + Scalar>(
    engine: Engine,
    g: Activation,
    bias: Option<MatRef<T>>,
    z: Option<MatMut<T>>,
    a: MatMut<T>,
) {
    if let Some(z) = z {
        if let Some(bias) = bias {
            both(engine, AfterSum(Keep(P)), bias, a);
        }
        both(engine, First(P), a.as_ref(), z);
    }
    let Some(bias) = bias.filter(|_| z.is_none()) else {
        // SAFETY: A is valid.
        return unsafe { activate(engine, g, a) };
    };
    with_activation!(T, g, both(engine, AfterSum(Keep(P)), bias, a), |f| both(engine, AfterSum(f), bias, a), else {
        both(engine, AfterSum(Keep(P)), bias, a);
        // SAFETY: the elements of A are valid.
        unsafe { activate_rarely(engine, g, a) }
    });
}

binary! {
    /// x: a copy.
    First: |self, x, _y| x;
}

/// Δ ← Δ ⊙ g′(z), from what the forward pass saved.
///
/// # Safety
///
/// `saved` is valid for reads, Δ (of the same shape) for reads and writes.
#[inline]
pub(crate) unsafe fn apply_slope<T: Real + Scalar>(
    engine: Engine,
    g: Activation,
    saved: MatRef<T>,
    delta: MatMut<T>,
) {
    match g {
        Activation::Identity => {}
        Activation::Sigmoid => both(engine, TimesSigmoidSlope(P), saved, delta),
        Activation::Tanh => both(engine, TimesTanhSlope(P), saved, delta),
        Activation::Relu => both(engine, TimesStep(T::of(0.0), P), saved, delta),
        Activation::LeakyRelu(slope) => both(engine, TimesStep(T::of(slope), P), saved, delta),
        Activation::Gelu => both(engine, TimesGeluSlope(P), saved, delta),
        Activation::Silu => both(engine, TimesSiluSlope(P), saved, delta),
        _ => {
            // SAFETY: the caller's contract.
            unsafe { apply_slope_rarely(engine, g, saved, delta) }
        }
    }
}

/// [`apply_slope`] for the other activations.
unsafe fn apply_slope_rarely<T: Real + Scalar>(
    engine: Engine,
    g: Activation,
    saved: MatRef<T>,
    delta: MatMut<T>,
) {
    let [zero, one, three, six] = [0.0, 1.0, 3.0, 6.0].map(T::of);
    match g {
        Activation::Relu6 => both(engine, TimesWithin(zero, six, one, P), saved, delta),
        Activation::Elu(alpha) => both(engine, TimesEluSlope(one, T::of(alpha), P), saved, delta),
        Activation::Selu => {
            let (scale, left) = selu();
            both(engine, TimesSeluSlope(scale, left, P), saved, delta);
        }
        Activation::Celu(alpha) => both(engine, TimesEluSlope(T::of(alpha), one, P), saved, delta),
        Activation::GeluTanh => both(engine, TimesGeluTanhSlope(P), saved, delta),
        Activation::Mish => both(engine, TimesMishSlope(P), saved, delta),
        Activation::Softplus => both(engine, TimesSoftplusSlope(P), saved, delta),
        Activation::Softsign => both(engine, TimesSoftsignSlope(P), saved, delta),
        Activation::HardSigmoid => both(engine, TimesWithin(zero, one, T::of(1.0 / 6.0), P), saved, delta),
        Activation::HardTanh => both(engine, TimesWithin(zero - one, one, one, P), saved, delta),
        Activation::HardSwish => both(engine, TimesHardSwishSlope(three, P), saved, delta),
        _ => {
            for i in 0..delta.rows {
                for j in 0..delta.cols {
                    // SAFETY: the elements of both are valid.
                    unsafe { *delta.at(i, j) *= g.derivative_from_saved(*saved.at(i, j)) };
                }
            }
        }
    }
}
