//! Activation functions: a = g(z), elementwise, and their slopes g′(z).

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result, Scalar};

/// An elementwise activation function g.
///
/// Softmax is not one of them: each of its outputs depends on every z of the row, and its Jacobian is
/// diag(p) − p pᵀ. It is a layer of its own, [`Softmax`](crate::Softmax).
///
/// ```
/// use chainrule_core::Activation;
/// assert_eq!(Activation::Sigmoid.apply(0.0), 0.5);
/// assert_eq!(Activation::Sigmoid.derivative(0.0), 0.25);
/// assert_eq!("relu".parse(), Ok(Activation::Relu));
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
}

impl Activation {
    /// Every activation, with the usual parameters, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Identity,
        Self::Sigmoid,
        Self::Tanh,
        Self::Relu,
        Self::LeakyRelu(0.01),
        Self::Gelu,
        Self::Silu,
    ];

    /// a = g(z). NaN stays NaN; no finite z overflows on the way.
    #[inline]
    #[must_use]
    pub fn apply<T: Scalar>(self, z: T) -> T {
        let zero = T::zero();
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
        }
    }

    /// g′(z).
    #[inline]
    #[must_use]
    pub fn derivative<T: Scalar>(self, z: T) -> T {
        self.derivative_from_saved(if self.saves_output() { self.apply(z) } else { z })
    }

    /// Whether g′ can be had from a = g(z) alone, so that z need not be kept: true for all but GELU and `SiLU`.
    #[inline]
    #[must_use]
    pub fn saves_output(self) -> bool {
        !matches!(self, Self::Gelu | Self::Silu)
    }

    /// g′(z), from what the forward pass keeps: a where [`Activation::saves_output`], else z.
    #[inline]
    #[must_use]
    pub fn derivative_from_saved<T: Scalar>(self, saved: T) -> T {
        let (zero, one) = (T::zero(), T::one());
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
            Self::Gelu => {
                let density = (-saved * saved / T::of(2.0)).exp() * T::of(FRAC_1_SQRT_TAU);
                normal_cdf(saved) + saved * density
            }
            Self::Silu => {
                let s = sigmoid(saved);
                s * (one + saved * (one - s))
            }
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
        }
    }

    /// Refuses parameters out of range.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Self::LeakyRelu(slope) if !(slope.is_finite() && slope >= 0.0) => {
                Err(Error::setting("the slope of leaky-relu", slope, "a finite number of at least 0"))
            }
            _ => Ok(()),
        }
    }
}

/// 1/√(2π), the height of the normal density.
const FRAC_1_SQRT_TAU: f64 = 0.398_942_280_401_432_7;

/// σ(z) = 1 / (1 + e^(−z)), by the form that keeps e^… at most 1 on either side.
#[inline]
pub(crate) fn sigmoid<T: Scalar>(z: T) -> T {
    let e = (-z.abs()).exp();
    let small = e / (T::one() + e);
    if z < T::zero() { small } else { T::one() / (T::one() + e) }
}

/// Φ(z), the distribution function of N(0, 1), by erfc: 1 + erf would cancel for negative z.
fn normal_cdf<T: Scalar>(z: T) -> T {
    T::of(0.5) * (-z * T::of(std::f64::consts::FRAC_1_SQRT_2)).erfc()
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeakyRelu(slope) => write!(f, "leaky-relu:{slope}"),
            _ => f.write_str(self.name()),
        }
    }
}

impl FromStr for Activation {
    type Err = Error;

    /// Reads a name such as `tanh`, or `leaky-relu:0.2` with its slope (0.01 where none is given).
    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::Unknown {
            what: "activation",
            name: text.to_owned(),
            expected: Self::ALL.map(Self::name).join(", "),
        };
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        let known = Self::ALL.into_iter().find(|g| g.name() == name).ok_or_else(unknown)?;
        let activation = match (known, parameter) {
            (Self::LeakyRelu(_), Some(slope)) => Self::LeakyRelu(slope.parse().map_err(|_| unknown())?),
            (_, Some(_)) => return Err(unknown()),
            (_, None) => known,
        };
        activation.check()?;
        Ok(activation)
    }
}
