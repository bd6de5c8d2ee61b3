//! Activation functions: a = g(z), elementwise, and their slopes g′(z).

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result, Scalar};

mod formulas;

use formulas::{SELU_ALPHA, SELU_SCALE, clamp, elu, normal_cdf};
pub(crate) use formulas::{sigmoid, softplus};

/// An elementwise activation function g.
///
/// Definitions, defaults and the slopes at kinks are PyTorch's. Any finite z gives a finite result as long as the result itself
/// is within range, and NaN stays NaN.
///
/// Softmax is not one of them: each of its outputs depends on every z of the row, and its Jacobian is
/// diag(p) − p pᵀ. It is a layer of its own, [`Softmax`](crate::Softmax), and so are
/// [`LogSoftmax`](crate::LogSoftmax) and [`Prelu`](crate::Prelu), whose slope is trained.
///
/// ```
/// use chainrule_core::Activation;
/// assert_eq!(Activation::Sigmoid.apply(0.0), 0.5);
/// assert_eq!(Activation::Sigmoid.derivative(0.0), 0.25);
/// assert_eq!("relu".parse(), Ok(Activation::Relu));
/// assert_eq!("elu:0.5".parse(), Ok(Activation::Elu(0.5)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// g(z) = z, g′(z) = 1.
    #[default]
    Identity,
    /// g(z) = σ(z) = 1 / (1 + e^(−z)), g′(z) = a (1 − a).
    Sigmoid,
    /// g(z) = tanh z, g′(z) = 1 − a².
    Tanh,
    /// g(z) = max(z, 0), g′(z) = 1 for z > 0 and 0 elsewhere (at 0 as well, as in PyTorch).
    Relu,
    /// g(z) = z for z > 0 and s z elsewhere, with the slope 0 ≤ s < ∞ given; g′(z) = 1 or s.
    LeakyRelu(f64),
    /// g(z) = z Φ(z) = z/2 erfc(−z/√2), g′(z) = Φ(z) + z φ(z). Hendrycks and Gimpel, arXiv 1606.08415.
    Gelu,
    /// g(z) = z σ(z), g′(z) = σ(z) (1 + z (1 − σ(z))). Elfwing et al., arXiv 1702.03118.
    Silu,
    /// g(z) = min(max(z, 0), 6), g′(z) = 1 for 0 < z < 6 and 0 elsewhere. Howard et al., arXiv 1704.04861.
    Relu6,
    /// g(z) = z for z > 0 and α (e^z − 1) elsewhere, with 0 ≤ α ≤ 10³⁰ given; g′(z) = 1 or α e^z = a + α.
    /// Clevert et al., arXiv 1511.07289.
    Elu(f64),
    /// g(z) = λ z for z > 0 and λ α (e^z − 1) elsewhere, with λ = 1.0507… and α = 1.6732…; g′(z) = λ or λ α e^z.
    /// Klambauer et al., arXiv 1706.02515.
    Selu,
    /// g(z) = z for z > 0 and α (e^(z/α) − 1) elsewhere, with 10⁻³⁰ ≤ α ≤ 10³⁰ given; g′(z) = 1 or e^(z/α) = a/α + 1.
    /// Barron, arXiv 1704.07483.
    Celu(f64),
    /// GELU's tanh form: g(z) = z/2 (1 + tanh u) = z σ(2u) with u = √(2/π) (z + 0.044715 z³);
    /// g′(z) = σ(2u) + z σ(2u) (1 − σ(2u)) 2u′. Hendrycks and Gimpel, arXiv 1606.08415.
    GeluTanh,
    /// g(z) = z t with t = tanh(ln(1 + e^z)), g′(z) = t + z σ(z) (1 − t²). Misra, arXiv 1908.08681.
    Mish,
    /// g(z) = ln(1 + e^z), g′(z) = σ(z) = 1 − e^(−a). Dugas et al., NIPS 2000. (PyTorch takes z itself above 20, which is off by up to 2·10⁻⁹.)
    Softplus,
    /// g(z) = z / (1 + |z|), g′(z) = 1 / (1 + |z|)². Bergstra et al., *Quadratic Polynomials Learn Better Image Features*, 2009.
    Softsign,
    /// g(z) = min(max(z + 3, 0), 6) / 6, g′(z) = 1/6 for −3 < z < 3 and 0 elsewhere. Howard et al., arXiv 1905.02244.
    HardSigmoid,
    /// g(z) = min(max(z, −1), 1), g′(z) = 1 for −1 < z < 1 and 0 elsewhere. Collobert, 2004.
    HardTanh,
    /// g(z) = z min(max(z + 3, 0), 6) / 6, g′(z) = z/3 + ½ for −3 < z < 3, 0 below and 1 above. Howard et al., arXiv 1905.02244.
    HardSwish,
}

impl Activation {
    /// Every activation, with the usual parameters.
    pub const ALL: [Self; 18] = [
        Self::Identity,
        Self::Sigmoid,
        Self::Tanh,
        Self::Relu,
        Self::LeakyRelu(0.01),
        Self::Gelu,
        Self::Silu,
        Self::Relu6,
        Self::Elu(1.0),
        Self::Selu,
        Self::Celu(1.0),
        Self::GeluTanh,
        Self::Mish,
        Self::Softplus,
        Self::Softsign,
        Self::HardSigmoid,
        Self::HardTanh,
        Self::HardSwish,
    ];

    /// a = g(z). NaN stays NaN; no finite z overflows on the way.
    #[inline]
    #[must_use]
    pub fn apply<T: Scalar>(self, z: T) -> T {
        let (zero, one) = (T::zero(), T::one());
        match self {
            Self::Identity => z,
            Self::Sigmoid => sigmoid(z),
            Self::Tanh => z.tanh(),
            // The comparisons keep NaN: `z.max(0)` would not.
            Self::Relu => {
                if z <= zero {
                    zero
                } else {
                    z
                }
            }
            Self::LeakyRelu(slope) => {
                if z <= zero {
                    z * T::of(slope)
                } else {
                    z
                }
            }
            Self::Gelu => z * normal_cdf(z),
            Self::Silu => z * sigmoid(z),
            Self::Relu6 => clamp(z, zero, T::of(6.0)),
            Self::Elu(alpha) => elu(z, T::of(alpha), one),
            Self::Selu => T::of(SELU_SCALE) * elu(z, T::of(SELU_ALPHA), one),
            Self::Celu(alpha) => elu(z, T::of(alpha), T::of(alpha)),
            Self::GeluTanh => formulas::gelu_tanh(z),
            Self::Mish => formulas::mish(z),
            Self::Softplus => softplus(z),
            Self::Softsign => z / (one + z.abs()),
            Self::HardSigmoid => formulas::hard_sigmoid(z),
            Self::HardTanh => clamp(z, -one, one),
            Self::HardSwish => z * formulas::hard_sigmoid(z),
        }
    }

    /// g′(z).
    #[inline]
    #[must_use]
    pub fn derivative<T: Scalar>(self, z: T) -> T {
        self.derivative_from_saved(if self.saves_output() { self.apply(z) } else { z })
    }

    /// Whether g′ can be had from a = g(z) alone, so that z need not be kept. Not so where g rises and falls (both forms of GELU,
    /// SiLU, mish, hard swish), nor where it would cancel: in 1 − |a| for softsign, in a + λ α for SELU.
    #[inline]
    #[must_use]
    pub fn saves_output(self) -> bool {
        !matches!(
            self,
            Self::Gelu
                | Self::Silu
                | Self::Selu
                | Self::GeluTanh
                | Self::Mish
                | Self::Softsign
                | Self::HardSwish
        )
    }

    /// g′(z), from what the forward pass keeps: a where [`Activation::saves_output`], else z.
    #[inline]
    #[must_use]
    pub fn derivative_from_saved<T: Scalar>(self, saved: T) -> T {
        let (zero, one) = (T::zero(), T::one());
        let within = |low: T, high: T, slope: T| if saved > low && saved < high { slope } else { zero };
        match self {
            Self::Identity => one,
            Self::Sigmoid => saved * (one - saved),
            Self::Tanh => one - saved * saved,
            Self::Relu => {
                if saved > zero {
                    one
                } else {
                    zero
                }
            }
            Self::LeakyRelu(slope) => {
                if saved > zero {
                    one
                } else {
                    T::of(slope)
                }
            }
            Self::Gelu => formulas::gelu_slope(saved),
            Self::Silu => {
                let s = sigmoid(saved);
                s * (one + saved * (one - s))
            }
            Self::Relu6 => within(zero, T::of(6.0), one),
            Self::Elu(alpha) => {
                if saved > zero {
                    one
                } else {
                    saved + T::of(alpha)
                }
            }
            Self::Selu => {
                if saved > zero {
                    T::of(SELU_SCALE)
                } else {
                    T::of(SELU_SCALE * SELU_ALPHA) * saved.exp()
                }
            }
            Self::Celu(alpha) => {
                if saved > zero {
                    one
                } else {
                    saved / T::of(alpha) + one
                }
            }
            Self::GeluTanh => formulas::gelu_tanh_slope(saved),
            Self::Mish => formulas::mish_slope(saved),
            Self::Softplus => -(-saved).exp_m1(),
            Self::Softsign => {
                let r = one / (one + saved.abs());
                r * r
            }
            Self::HardSigmoid => within(zero, one, T::of(1.0 / 6.0)),
            Self::HardTanh => within(-one, one, one),
            Self::HardSwish => formulas::hard_swish_slope(saved),
        }
    }

    /// The name that [`FromStr`] reads, without parameters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::LeakyRelu(_) => "leaky-relu",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Relu6 => "relu6",
            Self::Elu(_) => "elu",
            Self::Selu => "selu",
            Self::Celu(_) => "celu",
            Self::GeluTanh => "gelu-tanh",
            Self::Mish => "mish",
            Self::Softplus => "softplus",
            Self::Softsign => "softsign",
            Self::HardSigmoid => "hard-sigmoid",
            Self::HardTanh => "hard-tanh",
            Self::HardSwish => "hard-swish",
        }
    }

    /// Whether g has a kink or a jump of its slope, where differences do not converge to g′.
    #[must_use]
    pub fn has_kink(self) -> bool {
        match self {
            Self::Relu | Self::Relu6 | Self::Selu | Self::HardSigmoid | Self::HardTanh | Self::HardSwish => {
                true
            }
            Self::LeakyRelu(slope) | Self::Elu(slope) => (slope - 1.0).abs() > 0.0,
            _ => false,
        }
    }

    /// Whether most of its outputs are those of ReLU, for the choice of initial weights.
    pub(crate) fn is_like_relu(self) -> bool {
        matches!(
            self,
            Self::Relu
                | Self::LeakyRelu(_)
                | Self::Gelu
                | Self::Silu
                | Self::Relu6
                | Self::Elu(_)
                | Self::Celu(_)
                | Self::GeluTanh
                | Self::Mish
                | Self::Softplus
                | Self::HardSwish
        )
    }

    fn parameter(self) -> Option<f64> {
        match self {
            Self::LeakyRelu(x) | Self::Elu(x) | Self::Celu(x) => Some(x),
            _ => None,
        }
    }

    /// Refuses parameters out of range.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::LeakyRelu(slope) if !(slope.is_finite() && slope >= 0.0) => {
                Err(Error::setting("the slope of leaky-relu", slope, "a finite number of at least 0"))
            }
            Self::Elu(alpha) if !(0.0..=1e30).contains(&alpha) => {
                Err(Error::setting("α of elu", alpha, "a number from 0 to 1e30"))
            }
            Self::Celu(alpha) if !(1e-30..=1e30).contains(&alpha) => {
                Err(Error::setting("α of celu", alpha, "a number from 1e-30 to 1e30"))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parameter() {
            Some(parameter) => write!(f, "{}:{parameter}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

impl FromStr for Activation {
    type Err = Error;

    /// Reads a name such as `tanh`, or one with its parameter: `leaky-relu:0.2` (0.01 where none is given), `elu:0.5` and
    /// `celu:0.5` (1 where none is given).
    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::Unknown {
            what: "activation",
            name: text.to_owned(),
            expected: Self::ALL.map(Self::name).join(", "),
        };
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let known = Self::ALL.into_iter().find(|g| g.name() == name).ok_or_else(unknown)?;
        let activation = match (known, parameter) {
            (Self::LeakyRelu(_), Some(slope)) => Self::LeakyRelu(slope),
            (Self::Elu(_), Some(alpha)) => Self::Elu(alpha),
            (Self::Celu(_), Some(alpha)) => Self::Celu(alpha),
            (_, Some(_)) => return Err(unknown()),
            (_, None) => known,
        };
        activation.check()?;
        Ok(activation)
    }
}
