//! Instruction sets: which there are, which one this machine has, and the one way to run a kernel with one.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::gemm::Lanes;
use crate::lane::{Lane, portable};

#[cfg(target_arch = "x86_64")]
use crate::lane::{avx2, avx512};

#[cfg(target_arch = "aarch64")]
use crate::lane::neon;

/// The environment variable that forces an instruction set, by its name (`CHAINRULE_ISA=avx2`).
pub const ISA_VARIABLE: &str = "CHAINRULE_ISA";

/// An instruction set that the kernels of this crate are instantiated for.
///
/// All sets with fused multiply-add ([`Isa::Avx2`], [`Isa::Avx512`], [`Isa::Neon`]) give the same bits.
/// [`Isa::Portable`] is what the build's target guarantees (SSE2 on x86-64, where a product and a sum round twice).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// 128-bit registers, with the instructions that the compilation target guarantees.
    Portable,
    /// AVX2 and FMA, 256-bit registers (x86-64).
    Avx2,
    /// AVX-512F and AVX-512VL, 512-bit registers (x86-64).
    Avx512,
    /// NEON, 128-bit registers (AArch64).
    Neon,
}

/// An instruction set was asked for which is unknown or which this machine does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaError(String);

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for IsaError {}

impl Isa {
    /// Every set that is known, best last.
    pub const ALL: [Self; 4] = [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512];

    /// The set's name: `portable`, `avx2`, `avx512` or `neon`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
        }
    }

    /// Whether this machine can run the set.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && Self::Avx2.is_available()
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[allow(unreachable_patterns, reason = "the sets of other architectures")]
            _ => false,
        }
    }

    /// The sets that this machine can run, best last.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// The best set that this machine can run, whatever the environment says.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::Portable)
    }

    /// The set that the environment variable `CHAINRULE_ISA` forces, the best one if it is unset or empty.
    ///
    /// # Errors
    ///
    /// If the variable names a set that is unknown or that this machine does not have.
    pub fn from_env() -> Result<Self, IsaError> {
        match std::env::var(ISA_VARIABLE) {
            Err(std::env::VarError::NotPresent) => Ok(Self::detect()),
            Ok(name) if name.is_empty() => Ok(Self::detect()),
            Ok(name) => {
                let isa: Self = name.parse()?;
                Ready::new(isa).map(Ready::isa)
            }
            Err(std::env::VarError::NotUnicode(name)) => Err(unknown(&name.to_string_lossy())),
        }
    }
}

fn unknown(name: &str) -> IsaError {
    let known = Isa::ALL.map(Isa::name).join(", ");
    IsaError(format!("unknown instruction set {name:?}; known are {known}"))
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Self, IsaError> {
        Self::ALL.into_iter().find(|isa| isa.name().eq_ignore_ascii_case(name)).ok_or_else(|| unknown(name))
    }
}

/// A computation that is written once, over any register type of its scalar.
///
/// Implementations mark `run` `#[inline(always)]`, so that it becomes part of the function that enables the set,
/// and call nothing from it that is generic over `L` and not inlined as well (such a function would be compiled
/// without the set; closures too). A part that is to stay a function of its own enters through [`Lane::enter`].
pub(crate) trait Kernel<T: Element> {
    /// What the computation gives.
    type Output;

    /// # Safety
    ///
    /// `L`'s instruction set is enabled in the calling function.
    unsafe fn run<L: Lane<Elem = T>>(self) -> Self::Output;
}

/// An instruction set that this machine has been found to have: the proof that running its kernels is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready(Isa);

impl Ready {
    /// The proof for `isa`.
    pub(crate) fn new(isa: Isa) -> Result<Self, IsaError> {
        if isa.is_available() {
            Ok(Self(isa))
        } else {
            let here = Isa::available().map(Isa::name).collect::<Vec<_>>().join(", ");
            Err(IsaError(format!("this machine does not have the instruction set {isa}; available: {here}")))
        }
    }

    /// The set of [`Isa::from_env`], or the best one where the environment asks for what cannot be had. Read once.
    #[allow(dead_code, reason = "a shorthand for code that has no backend value at hand")]
    pub(crate) fn current() -> Self {
        static CURRENT: OnceLock<Ready> = OnceLock::new();
        *CURRENT.get_or_init(|| Self(Isa::from_env().unwrap_or_else(|_| Isa::detect())))
    }

    /// The set.
    pub(crate) fn isa(self) -> Isa {
        self.0
    }

    /// Runs `kernel` with this set.
    #[inline]
    pub(crate) fn dispatch<T: Element, K: Kernel<T>>(self, kernel: K) -> K::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Ready` exists only for a set that this machine has.
            Isa::Avx512 => unsafe { T::Avx512::enter(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Ready` exists only for a set that this machine has.
            Isa::Avx2 => unsafe { T::Avx2::enter(kernel) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: a `Ready` exists only for a set that this machine has.
            Isa::Neon => unsafe { T::Neon::enter(kernel) },
            // SAFETY: the compilation target guarantees the portable set; those of other architectures are never ready.
            _ => unsafe { T::Portable::enter(kernel) },
        }
    }
}

/// A scalar type, with its register in every instruction set.
pub(crate) trait Element:
    Copy
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + 'static
{
    const ZERO: Self;
    const ONE: Self;
    /// Multiply-adds that a core is expected to do in a nanosecond: decides over threads, nothing else.
    const PER_NANOSECOND: usize;
    /// `self · b + c`, rounded once.
    #[allow(dead_code, reason = "the scalar oracle of tests")]
    fn mul_add(self, b: Self, c: Self) -> Self;
    #[allow(dead_code, reason = "tests draw their numbers as f64")]
    fn from_f64(x: f64) -> Self;
    #[allow(dead_code, reason = "tests compare in f64")]
    fn to_f64(self) -> f64;

    type Portable: Lanes<Elem = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx2: Lanes<Elem = Self>;
    #[cfg(target_arch = "x86_64")]
    type Avx512: Lanes<Elem = Self>;
    #[cfg(target_arch = "aarch64")]
    type Neon: Lanes<Elem = Self>;
}

macro_rules! element {
    ($t:ident, $speed:literal, $portable:ident, $avx2:ident, $avx512:ident, $neon:ident) => {
        impl Element for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const PER_NANOSECOND: usize = $speed;
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                $t::mul_add(self, b, c)
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_lossless, reason = "rounding is meant")]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[allow(clippy::cast_lossless, reason = "one of the two is f64 itself")]
            fn to_f64(self) -> f64 {
                self as f64
            }
            type Portable = portable::$portable;
            #[cfg(target_arch = "x86_64")]
            type Avx2 = avx2::$avx2;
            #[cfg(target_arch = "x86_64")]
            type Avx512 = avx512::$avx512;
            #[cfg(target_arch = "aarch64")]
            type Neon = neon::$neon;
        }
    };
}
element!(f32, 50, F32, F32x8, F32x16, F32x4);
element!(f64, 25, F64, F64x4, F64x8, F64x2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for isa in Isa::ALL {
            assert_eq!(isa.to_string().parse(), Ok(isa));
        }
        assert!("sse9".parse::<Isa>().unwrap_err().to_string().contains("avx512"));
    }

    #[test]
    fn the_best_set_is_available_and_others_are_refused() {
        assert!(Isa::detect().is_available());
        for isa in Isa::ALL {
            assert_eq!(Ready::new(isa).is_ok(), isa.is_available());
        }
    }

    /// A kernel that reports its register type.
    struct Width;
    impl<T: Element> Kernel<T> for Width {
        type Output = usize;
        #[inline(always)]
        unsafe fn run<L: Lane<Elem = T>>(self) -> usize {
            L::LANES * size_of::<T>()
        }
    }

    #[test]
    fn dispatch_runs_the_set_that_was_asked_for() {
        for isa in Isa::available() {
            let ready = Ready::new(isa).unwrap();
            let bytes = match isa {
                Isa::Avx512 => 64,
                Isa::Avx2 => 32,
                Isa::Portable | Isa::Neon => 16,
            };
            assert_eq!(ready.dispatch::<f32, _>(Width), bytes);
            assert_eq!(ready.dispatch::<f64, _>(Width), bytes);
        }
    }
}
