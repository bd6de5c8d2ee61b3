//! The vector functions for users of the crate.

use crate::isa::Ready;
use crate::vmath::map::{self, map};
use crate::{Isa, IsaError};

/// A function of one variable, computed lane by lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Function {
    /// eˣ.
    Exp,
    /// ln x.
    Ln,
    /// tanh x.
    Tanh,
    /// σ(x) = 1/(1 + e^(−x)).
    Sigmoid,
    /// ln(1 + eˣ).
    Softplus,
    /// x σ(x).
    Silu,
    /// The slope of x σ(x).
    SiluSlope,
    /// x Φ(x) with the distribution function Φ of N(0, 1).
    Gelu,
    /// The slope of x Φ(x), Φ(x) + x φ(x).
    GeluSlope,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 9] = [
        Self::Exp,
        Self::Ln,
        Self::Tanh,
        Self::Sigmoid,
        Self::Softplus,
        Self::Silu,
        Self::SiluSlope,
        Self::Gelu,
        Self::GeluSlope,
    ];
}

/// An instruction set to compute [`Function`]s with, for `f32` or `f64`.
///
/// ```
/// use chainrule_simd::{Function, VectorMath};
/// let math = VectorMath::new();
/// let mut y = [0.0_f32; 3];
/// math.map(Function::Exp, &[0.0, f32::NEG_INFINITY, f32::INFINITY], &mut y);
/// assert_eq!(y, [1.0, 0.0, f32::INFINITY]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct VectorMath(Ready);

impl VectorMath {
    /// With the best instruction set of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self(Ready::current())
    }

    /// With the instruction set given.
    ///
    /// # Errors
    /// If this machine does not have it.
    pub fn with_isa(isa: Isa) -> Result<Self, IsaError> {
        Ready::new(isa).map(Self)
    }

    /// The instruction set.
    #[must_use]
    pub fn isa(self) -> Isa {
        self.0.isa()
    }

    /// `y[i] ← f(x[i])`.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn map<T: VectorScalar>(self, f: Function, x: &[T], y: &mut [T]) {
        T::map(self, f, x, y);
    }
}

impl Default for VectorMath {
    fn default() -> Self {
        Self::new()
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// The types that [`VectorMath`] computes with: `f32` and `f64`.
pub trait VectorScalar: sealed::Sealed + Sized {
    #[doc(hidden)]
    fn map(math: VectorMath, f: Function, x: &[Self], y: &mut [Self]);
}

macro_rules! vector_scalar {
    ($($t:ty),*) => {$(
        impl VectorScalar for $t {
            fn map(math: VectorMath, f: Function, x: &[Self], y: &mut [Self]) {
                let ready = math.0;
                match f {
                    Function::Exp => map(ready, map::Exp, x, y),
                    Function::Ln => map(ready, map::Ln, x, y),
                    Function::Tanh => map(ready, map::Tanh, x, y),
                    Function::Sigmoid => map(ready, map::Sigmoid, x, y),
                    Function::Softplus => map(ready, map::Softplus, x, y),
                    Function::Silu => map(ready, map::Silu, x, y),
                    Function::SiluSlope => map(ready, map::SiluSlope, x, y),
                    Function::Gelu => map(ready, map::Gelu, x, y),
                    Function::GeluSlope => map(ready, map::GeluSlope, x, y),
                }
            }
        }
    )*};
}
vector_scalar!(f32, f64);
