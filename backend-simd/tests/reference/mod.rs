//! References for the vector functions: for `f32` through `f64`, for `f64` through pairs of `f64` that hold 106 bits.

use std::ops::{Add, Div, Mul, Neg, Sub};

use chainrule_simd::Function;

/// An unevaluated sum `high + low` with |low| ≤ ½ ulp(high) (Dekker, Knuth).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Double {
    high: f64,
    low: f64,
}

fn two_sum(a: f64, b: f64) -> Double {
    let high = a + b;
    let part = high - a;
    Double { high, low: (a - (high - part)) + (b - part) }
}

fn two_product(a: f64, b: f64) -> Double {
    let high = a * b;
    Double { high, low: a.mul_add(b, -high) }
}

impl From<f64> for Double {
    fn from(high: f64) -> Self {
        Self { high, low: 0.0 }
    }
}

impl Add for Double {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (s, t) = (two_sum(self.high, other.high), two_sum(self.low, other.low));
        let s = two_sum(s.high, s.low + t.high);
        two_sum(s.high, s.low + t.low)
    }
}

impl Neg for Double {
    type Output = Self;
    fn neg(self) -> Self {
        Self { high: -self.high, low: -self.low }
    }
}

impl Sub for Double {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl Mul for Double {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let p = two_product(self.high, other.high);
        two_sum(p.high, p.low + self.high.mul_add(other.low, self.low * other.high))
    }
}

impl Div for Double {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let first = self.high / other.high;
        let rest = self - other * first.into();
        let second = rest.high / other.high;
        let rest = rest - other * second.into();
        two_sum(first, second) + (rest.high / other.high).into()
    }
}

const LN_2: Double = Double { high: std::f64::consts::LN_2, low: 2.319_046_813_846_299_6e-17 };

impl Double {
    const ZERO: Self = Self { high: 0.0, low: 0.0 };
    const ONE: Self = Self { high: 1.0, low: 0.0 };

    /// eˣ, as long as it is neither subnormal nor infinite; 0 below that.
    fn exp(self) -> Self {
        let n = (self.high / LN_2.high).round();
        if n < -1000.0 {
            return Self::ZERO;
        }
        let r = self - LN_2 * n.into();
        let mut sum = Self::ONE;
        for i in (1..=25).rev() {
            sum = Self::ONE + sum * r / f64::from(i).into();
        }
        // In two steps, as 2ⁿ may be out of range.
        let half = (n / 2.0).floor();
        sum * half.exp2().into() * (n - half).exp2().into()
    }

    /// eˣ − 1 without cancellation.
    fn exp_m1(self) -> Self {
        if self.high.abs() > 0.5 {
            return self.exp() - Self::ONE;
        }
        let mut sum = Self::ONE;
        for i in (2..=25).rev() {
            sum = Self::ONE + sum * self / f64::from(i).into();
        }
        sum * self
    }

    /// ln(1 + x) for x > −1, from Newton's steps on eʸ − 1 = x.
    fn ln_1p(self) -> Self {
        let mut y = Self::from(self.high.ln_1p());
        for _ in 0..2 {
            let e = y.exp_m1();
            y = y - (e - self) / (e + Self::ONE);
        }
        y
    }

    fn ln(self) -> Self {
        let mut y = Self::from(self.high.ln());
        for _ in 0..2 {
            y = y + self * (-y).exp() - Self::ONE;
        }
        y
    }

    /// (Φ(−t), φ(t)) of the normal distribution, for t ≥ 0.
    fn normal(self) -> (Self, Self) {
        // 1/√(2π)
        let height = Self { high: 0.398_942_280_401_432_7, low: -2.492_327_202_277_73e-17 };
        let density = height * (-(self * self) / 2.0.into()).exp();
        let tail = if self.high < 7.0 {
            // ½ − φ(t) (t + t³/3 + t⁵/(3·5) + …)
            let (mut term, mut sum, mut i) = (self, self, 1.0);
            while term.high > sum.high * 1e-34 {
                i += 2.0;
                term = term * self * self / i.into();
                sum = sum + term;
            }
            Self::from(0.5) - density * sum
        } else {
            // φ(t)/(t + 1/(t + 2/(t + 3/(t + …))))
            let mut fraction = self;
            for i in (1..=120).rev() {
                fraction = self + Self::from(f64::from(i)) / fraction;
            }
            density / fraction
        };
        (tail, density)
    }

    /// f(x).
    pub(crate) fn of(f: Function, x: f64) -> Self {
        let (z, one) = (Self::from(x), Self::ONE);
        let e = Self::from(-x.abs()).exp();
        let pick = |negative: Self, positive: Self| if x < 0.0 { negative } else { positive };
        match f {
            Function::Exp => z.exp(),
            Function::Ln => z.ln(),
            Function::Tanh => {
                let m = Self::from(2.0 * x.abs().min(40.0)).exp_m1();
                let t = m / (m + 2.0.into());
                pick(-t, t)
            }
            Function::Sigmoid => pick(e, one) / (one + e),
            Function::Softplus => Self::from(x.max(0.0)) + e.ln_1p(),
            Function::Silu => z * pick(e, one) / (one + e),
            Function::SiluSlope => {
                let s = pick(e, one) / (one + e);
                s * (one + z * pick(one, e) / (one + e))
            }
            Function::Gelu => {
                let tail = Self::from(x.abs()).normal().0;
                z * pick(tail, one - tail)
            }
            Function::GeluSlope => {
                let (tail, density) = Self::from(x.abs()).normal();
                pick(tail, one - tail) + z * density
            }
            _ => unreachable!("a function without a reference"),
        }
    }
}

/// f(x) in `f64`, to be rounded to `f32`.
pub(crate) fn of_f32(f: Function, x: f32) -> f64 {
    let x = f64::from(x);
    let e = (-x.abs()).exp();
    let pick = |negative: f64, positive: f64| if x < 0.0 { negative } else { positive };
    let cdf = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
    match f {
        Function::Exp => x.exp(),
        Function::Ln => x.ln(),
        Function::Tanh => x.tanh(),
        Function::Sigmoid => pick(e, 1.0) / (1.0 + e),
        Function::Softplus => x.max(0.0) + e.ln_1p(),
        Function::Silu => x.max(-1e4) * pick(e, 1.0) / (1.0 + e),
        Function::SiluSlope => {
            let s = pick(e, 1.0) / (1.0 + e);
            s * (1.0 + x.clamp(-1e4, 1e4) * pick(1.0, e) / (1.0 + e))
        }
        Function::Gelu => x.max(-1e4) * cdf(x),
        Function::GeluSlope => {
            let x = x.clamp(-1e4, 1e4);
            cdf(x) + x * (-0.5 * x * x).exp() * 0.398_942_280_401_432_7
        }
        _ => unreachable!("a function without a reference"),
    }
}

/// Whether errors are counted in units of the last place of 1: the slopes cross 0, where no relative error can hold.
fn absolute(f: Function) -> bool {
    matches!(f, Function::SiluSlope | Function::GeluSlope)
}

/// The distance of `y` from the expected f(x) in units of the last place of f(x).
pub(crate) fn error_f32(f: Function, expected: f64, y: f32) -> f64 {
    if expected.is_nan() || y.is_nan() {
        return if expected.is_nan() && y.is_nan() { 0.0 } else { f64::INFINITY };
    }
    if y.is_infinite() {
        // Right if the result rounds to it.
        #[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
        return if (expected as f32).to_bits() == y.to_bits() { 0.0 } else { f64::INFINITY };
    }
    (f64::from(y) - expected).abs() / unit(f, expected, 23, -149)
}

/// The distance of `y` from the expected f(x) in units of the last place of f(x), where that is no smaller than 10^−280.
pub(crate) fn error_f64(f: Function, expected: Double, y: f64) -> f64 {
    if expected.high.abs() < 1e-280 && !absolute(f) {
        return 0.0;
    }
    if !expected.high.is_finite() {
        // Out of range: a little early, since the pairs overflow before the result does.
        return if y > 1e308 { 0.0 } else { f64::INFINITY };
    }
    let difference = Double::from(y) - expected;
    difference.high.abs() / unit(f, expected.high, 52, -1074)
}

fn unit(f: Function, expected: f64, digits: i32, least: i32) -> f64 {
    if absolute(f) {
        return (-f64::from(digits)).exp2();
    }
    let exponent = if expected == 0.0 { least } else { exponent(expected.abs()) - digits };
    f64::from(exponent.max(least)).exp2()
}

/// e with 2^e ≤ x < 2^(e + 1), for a normal x.
fn exponent(x: f64) -> i32 {
    i32::try_from(x.to_bits() >> 52).expect("eleven bits") - 1023
}
