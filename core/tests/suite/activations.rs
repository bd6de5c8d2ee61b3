//! Activations where formulas break: kinks, far off, at NaN, in f32; and their slopes by differences.

use chainrule_core::random::{Generator, Stream};
use chainrule_core::{Activation, Scalar};

/// Every activation, some with unusual parameters too.
fn all() -> impl Iterator<Item = Activation> {
    let others =
        [Activation::LeakyRelu(0.0), Activation::LeakyRelu(1.7), Activation::Elu(0.3), Activation::Celu(2.5)];
    Activation::ALL.into_iter().chain(others).chain([Activation::Elu(0.0), Activation::Celu(1e-3)])
}

#[test]
fn slopes_are_derivatives() {
    let kinks = [-3.0, -1.0, 0.0, 1.0, 3.0, 6.0];
    let mut generator = Generator::new(3, Stream::Initial);
    for g in all() {
        for _ in 0..2000 {
            let z = 8.0 * (2.0 * generator.uniform() - 1.0);
            let h = 1e-5;
            if kinks.iter().any(|k: &f64| (k - z).abs() < 2.0 * h) {
                continue;
            }
            let numeric = (g.apply(z + h) - g.apply(z - h)) / ((z + h) - (z - h));
            let analytic = g.derivative(z);
            // The third derivative of e^(1000 z) is 10⁹.
            let tolerance = if g == Activation::Celu(1e-3) { 1e-1 } else { 1e-9 };
            assert!(
                (numeric - analytic).abs() < tolerance,
                "{g} at {z}: {analytic}, by differences {numeric}"
            );
        }
    }
}

fn finite_and_nan<T: Scalar>() {
    let largest = T::max_value();
    let sizes = [T::zero(), T::min_positive_value(), T::epsilon(), T::of(19.0), T::of(90.0), T::of(750.0)];
    let far = [T::of(1e9), T::of(1e19), T::of(1e30), largest];
    for g in all() {
        for z in sizes.into_iter().chain(far).flat_map(|z| [z, -z]) {
            // λ z, or a slope above 1, may leave the range at its very end.
            let a = g.apply(z);
            let overflows = z.abs() == largest && matches!(g, Activation::Selu | Activation::LeakyRelu(_));
            assert!(a.is_finite() || overflows, "{g}({z}) is {a} in {}", T::NAME);
            assert!(g.derivative(z).is_finite(), "the slope of {g} at {z} is not finite in {}", T::NAME);
        }
        assert!(g.apply(T::nan()).is_nan(), "{g} loses NaN");
    }
}

#[test]
fn finite_stays_finite_and_nan_stays_nan() {
    finite_and_nan::<f32>();
    finite_and_nan::<f64>();
}

/// In f32, values and slopes are those of f64 to a few units in the last place of the result and of the argument.
#[test]
fn single_precision_is_that_of_double_rounded() {
    let mut generator = Generator::new(4, Stream::Initial);
    for g in all() {
        for _ in 0..2000 {
            let z = f32::of(12.0 * (2.0 * generator.uniform() - 1.0));
            let (a, exact) = (f64::from(g.apply(z)), g.apply(f64::from(z)));
            let conditioned = (f64::from(z) * g.derivative(f64::from(z))).abs();
            let tiny = f64::from(f32::MIN_POSITIVE);
            let bound = 8.0 * f64::from(f32::EPSILON) * (exact.abs() + conditioned) + tiny;
            assert!((a - exact).abs() <= bound, "{g}({z}) is {a}, should be {exact}");
            let (slope, exact) = (f64::from(g.derivative(z)), g.derivative(f64::from(z)));
            let bound = 40.0 * f64::from(f32::EPSILON) * exact.abs().max(1.0);
            assert!((slope - exact).abs() <= bound, "the slope of {g} at {z} is {slope}, should be {exact}");
        }
    }
}

/// Far to the left, where GELU's tanh form and mish lose all digits if written as they are defined.
#[test]
fn tails_keep_their_digits() {
    // Computed with 40 digits by another program.
    for (g, z, exact) in [
        (Activation::GeluTanh, -5.0, TAIL_GELU_TANH),
        (Activation::Mish, -20.0, TAIL_MISH),
        (Activation::Softplus, -30.0, TAIL_SOFTPLUS),
        (Activation::Celu(2.0), -1e-10, TAIL_CELU),
    ] {
        let a: f64 = g.apply(z);
        assert!((a / exact - 1.0).abs() < 1e-13, "{g}({z}) is {a:e}, should be {exact:e}");
    }
}

const TAIL_GELU_TANH: f64 = -2.291_796_196_629_506e-7;
const TAIL_MISH: f64 = -4.122_307_240_628_761e-8;
const TAIL_SOFTPLUS: f64 = 9.357_622_968_839_737e-14;
const TAIL_CELU: f64 = -9.999_999_999_75e-11;

#[test]
fn names_are_read_back() {
    for g in all() {
        assert_eq!(g.to_string().parse(), Ok(g));
    }
    for wrong in ["", "tanh:1", "elu:", "elu:-1", "elu:nan", "celu:0", "leaky-relu:inf", "ReLU"] {
        assert!(wrong.parse::<Activation>().is_err(), "{wrong}");
    }
}
