//! The vector functions: their errors, special values, every length, the same bits on every fused set.

mod reference;

use chainrule_simd::{Function, Isa, VectorMath};
use reference::{Double, error_f32, error_f64, of_f32};

/// The errors that the documentation promises, in ulp: f32, f64, and both without fused multiply-add.
fn promised(f: Function) -> (f64, f64, f64) {
    match f {
        Function::Exp => (0.95, 0.9, 1.2),
        Function::Ln => (0.85, 0.85, 0.9),
        Function::Tanh => (1.85, 1.55, 1.9),
        Function::Sigmoid => (1.65, 1.65, 2.0),
        Function::Softplus => (1.95, 1.65, 2.05),
        Function::Silu => (2.45, 2.25, 2.65),
        Function::Gelu => (2.95, 2.95, 3.45),
        // In units of 1.
        Function::SiluSlope => (0.95, 0.8, 1.0),
        Function::GeluSlope => (1.25, 1.15, 1.3),
        _ => unreachable!(),
    }
}

fn fused(isa: Isa) -> bool {
    isa != Isa::Portable
}

fn all() -> impl Iterator<Item = VectorMath> {
    Isa::available().map(|isa| VectorMath::with_isa(isa).expect("it is available"))
}

/// One `f32` in some thousands, of every exponent and sign.
fn sample_f32() -> Vec<f32> {
    (0..=u32::MAX).step_by(6007).map(f32::from_bits).collect()
}

fn sample_f64() -> Vec<f64> {
    (0..6000)
        .map(|i| {
            let u = f64::from(i) / 6000.0;
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            match i % 4 {
                0 | 1 => sign * (u * 6.6).exp(),
                2 => (u - 0.5) * 12.0,
                _ => sign * (-u * 60.0).exp(),
            }
        })
        .collect()
}

#[test]
fn errors_are_as_promised_f32() {
    let x = sample_f32();
    let mut y = vec![0.0; x.len()];
    for f in Function::ALL {
        let expected: Vec<f64> = x.iter().map(|&x| of_f32(f, x)).collect();
        let (promised, _, without_fma) = promised(f);
        for math in all() {
            let bound = if fused(math.isa()) { promised } else { without_fma };
            math.map(f, &x, &mut y);
            for ((&x, &y), &expected) in x.iter().zip(&y).zip(&expected) {
                let error = error_f32(f, expected, y);
                assert!(error <= bound, "{f:?}({x:e}) = {y:e} on {}: {error} ulp", math.isa());
            }
        }
    }
}

#[test]
fn errors_are_as_promised_f64() {
    let mut x = sample_f64();
    let mut y = vec![0.0; x.len()];
    for f in Function::ALL {
        if f == Function::Ln {
            for x in &mut x {
                *x = x.abs();
            }
        } else {
            x = sample_f64();
        }
        let expected: Vec<Double> = x.iter().map(|&x| Double::of(f, x)).collect();
        let (_, promised, without_fma) = promised(f);
        for math in all() {
            let bound = if fused(math.isa()) { promised } else { without_fma };
            math.map(f, &x, &mut y);
            for ((&x, &y), &expected) in x.iter().zip(&y).zip(&expected) {
                let error = error_f64(f, expected, y);
                assert!(error <= bound, "{f:?}({x:e}) = {y:e} on {}: {error} ulp", math.isa());
            }
        }
    }
}

#[test]
fn special_values() {
    fn check<T>(one: T, infinity: T, nan: T, least: T)
    where
        T: chainrule_simd::VectorScalar + num::Number,
    {
        let (zero, half) = (one - one, one / (one + one));
        let minus = |x: T| zero - x;
        let cases: &[(Function, T, T)] = &[
            (Function::Exp, zero, one),
            (Function::Exp, infinity, infinity),
            (Function::Exp, minus(infinity), zero),
            (Function::Exp, least, one),
            (Function::Ln, one, zero),
            (Function::Ln, zero, minus(infinity)),
            (Function::Ln, infinity, infinity),
            (Function::Tanh, infinity, one),
            (Function::Tanh, minus(infinity), minus(one)),
            (Function::Tanh, least, least),
            (Function::Tanh, minus(least), minus(least)),
            (Function::Sigmoid, zero, half),
            (Function::Sigmoid, infinity, one),
            (Function::Sigmoid, minus(infinity), zero),
            (Function::Softplus, infinity, infinity),
            (Function::Softplus, minus(infinity), zero),
            (Function::Silu, zero, zero),
            (Function::Silu, infinity, infinity),
            (Function::Silu, minus(infinity), zero),
            (Function::SiluSlope, zero, half),
            (Function::SiluSlope, infinity, one),
            (Function::SiluSlope, minus(infinity), zero),
            (Function::Gelu, zero, zero),
            (Function::Gelu, infinity, infinity),
            (Function::Gelu, minus(infinity), zero),
            (Function::GeluSlope, infinity, one),
            (Function::GeluSlope, minus(infinity), zero),
        ];
        for math in all() {
            for &(f, x, expected) in cases {
                let mut y = [nan];
                math.map(f, &[x], &mut y);
                assert!(y[0] == expected, "{f:?}({x:?}) = {:?} on {}", y[0], math.isa());
            }
            for f in Function::ALL {
                let mut y = [zero];
                math.map(f, &[nan], &mut y);
                assert!(y[0] != y[0], "{f:?}(NaN) = {:?} on {}", y[0], math.isa());
            }
            let mut y = [nan, nan];
            math.map(Function::Ln, &[minus(one), minus(infinity)], &mut y);
            assert!(y.iter().all(|y| y != y), "ln of a negative number on {}", math.isa());
            // The sign of zero is kept.
            math.map(Function::Tanh, &[minus(zero), zero * minus(one)], &mut y);
            assert!(one / y[1] == minus(infinity), "tanh(-0) on {}", math.isa());
        }
    }
    check(1.0_f32, f32::INFINITY, f32::NAN, f32::from_bits(1));
    check(1.0_f64, f64::INFINITY, f64::NAN, f64::from_bits(1));
}

#[test]
fn subnormal_numbers_and_signed_zeros() {
    let least = f64::from_bits(1);
    let tiny = [least, 7.0 * least, 1e-310, f64::MIN_POSITIVE - least, f64::MIN_POSITIVE, 0.0];
    for math in all() {
        for x in tiny.into_iter().flat_map(|x| [x, -x]) {
            for f in Function::ALL {
                // To first order; ln has none.
                let expected = match f {
                    Function::Exp => 1.0,
                    Function::Ln => x.ln(),
                    Function::Tanh => x,
                    Function::Sigmoid | Function::SiluSlope | Function::GeluSlope => 0.5,
                    Function::Softplus => std::f64::consts::LN_2,
                    Function::Silu | Function::Gelu => x / 2.0,
                    _ => unreachable!(),
                };
                let mut y = [f64::INFINITY];
                math.map(f, &[x], &mut y);
                let place = format!("{f:?}({x:e}) = {:e} on {}", y[0], math.isa());
                if !expected.is_finite() {
                    let same = y[0].to_bits() == expected.to_bits() || y[0].is_nan() && expected.is_nan();
                    assert!(same, "{place}");
                    continue;
                }
                // A unit in the last place; two of the least where x and Φ(x) are rounded before they meet.
                let bound = (expected.abs() * f64::EPSILON).max(2.0 * least);
                assert!((y[0] - expected).abs() <= bound, "{place}");
                if x == 0.0 && matches!(f, Function::Tanh | Function::Silu | Function::Gelu) {
                    assert_eq!(y[0].is_sign_negative(), x.is_sign_negative(), "{place}");
                }
            }
        }
    }
}

/// What the test of special values needs of a number.
mod num {
    use std::fmt::Debug;
    use std::ops::{Add, Div, Mul, Sub};

    pub(crate) trait Number:
        Copy
        + Debug
        + PartialEq
        + Add<Output = Self>
        + Sub<Output = Self>
        + Div<Output = Self>
        + Mul<Output = Self>
    {
    }
    impl Number for f32 {}
    impl Number for f64 {}
}

#[test]
fn underflow_is_gradual() {
    let x = [-87.5_f32, -95.0, -100.0, -103.0, -103.9, -104.5];
    let mut y = [0.0; 6];
    for math in all() {
        math.map(Function::Exp, &x, &mut y);
        for (&x, &y) in x.iter().zip(&y) {
            let expected = f64::from(x).exp();
            let unit = 2_f64.powi(-149);
            assert!((f64::from(y) - expected).abs() <= 0.75 * unit, "exp({x}) = {y:e} on {}", math.isa());
        }
    }
    let mut y = [0.0_f64; 2];
    for math in all() {
        math.map(Function::Exp, &[-745.0, -720.0], &mut y);
        assert_eq!(y[0].to_bits(), 1);
        assert!((y[1] / (-720.0_f64).exp() - 1.0).abs() < 1e-9);
    }
}

#[test]
fn every_length_gives_the_values_of_each_element_alone() {
    let x: Vec<f32> = (0_u8..67).map(|i| (f32::from(i) - 33.0) * 0.31).collect();
    for math in all() {
        for f in Function::ALL {
            let mut alone = vec![0.0; x.len()];
            for (x, y) in x.chunks(1).zip(alone.chunks_mut(1)) {
                math.map(f, x, y);
            }
            for len in 0..=x.len() {
                let mut y = vec![7.0; x.len()];
                math.map(f, &x[..len], &mut y[..len]);
                let expected = alone[..len].iter().chain(std::iter::repeat_n(&7.0, x.len() - len));
                assert!(
                    y.iter().zip(expected).all(|(y, e)| y.to_bits() == e.to_bits()),
                    "{f:?}, {len} elements, {}",
                    math.isa()
                );
            }
        }
    }
}

#[test]
fn the_same_bits_on_all_fused_sets() {
    let fused: Vec<_> = all().filter(|math| fused(math.isa())).collect();
    let (x, wide) = (sample_f32(), sample_f64());
    for f in Function::ALL {
        let narrow: Vec<Vec<u32>> = fused
            .iter()
            .map(|math| {
                let mut y = vec![0.0; x.len()];
                math.map(f, &x, &mut y);
                y.into_iter().map(|y| if y.is_nan() { 0 } else { y.to_bits() }).collect()
            })
            .collect();
        assert!(narrow.windows(2).all(|pair| pair[0] == pair[1]), "{f:?} of f32");
        let wide: Vec<Vec<u64>> = fused
            .iter()
            .map(|math| {
                let mut y = vec![0.0; wide.len()];
                math.map(f, &wide, &mut y);
                y.into_iter().map(|y| if y.is_nan() { 0 } else { y.to_bits() }).collect()
            })
            .collect();
        assert!(wide.windows(2).all(|pair| pair[0] == pair[1]), "{f:?} of f64");
    }
}
