//! The two element types a network can be trained in.

use bytemuck::Pod;
use ndarray::NdFloat;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// An element type: `f32` or `f64`.
///
/// The trait is sealed, so that a [`Backend`](crate::Backend) may rely on there being no third one.
pub trait Scalar: NdFloat + Pod + Default + std::iter::Sum + sealed::Sealed {
    /// The name of the type as the command line and files write it: `"f32"` or `"f64"`.
    const NAME: &'static str;

    /// The value of this type nearest to `x`.
    fn of(x: f64) -> Self;

    /// This value as `f64`, exactly.
    fn as_f64(self) -> f64;

    /// The complementary error function, erfc(x) = 2/√π ∫ₓ^∞ e^(−t²) dt.
    #[must_use]
    fn erfc(self) -> Self;
}

impl Scalar for f32 {
    const NAME: &'static str = "f32";

    #[expect(
        clippy::cast_possible_truncation,
        reason = "rounding to the nearest f32 is what the method is for"
    )]
    fn of(x: f64) -> Self {
        x as Self
    }

    fn as_f64(self) -> f64 {
        f64::from(self)
    }

    fn erfc(self) -> Self {
        libm::erfcf(self)
    }
}

impl Scalar for f64 {
    const NAME: &'static str = "f64";

    fn of(x: f64) -> Self {
        x
    }

    fn as_f64(self) -> f64 {
        self
    }

    fn erfc(self) -> Self {
        libm::erfc(self)
    }
}
