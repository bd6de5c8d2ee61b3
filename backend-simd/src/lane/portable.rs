//! 128-bit registers of the crate `wide`, with the instructions that the compilation target guarantees: SSE2 on
//! x86-64, NEON on `AArch64`, simd128 on WebAssembly, plain scalars elsewhere.

#![allow(clippy::cast_lossless, reason = "one of the two widths is the target's own")]

use wide::{f32x4, f64x2};

use crate::isa::Kernel;
use crate::lane::Lane;

/// Whether `wide` fuses a product and a sum on this target.
const FUSED: bool = cfg!(any(
    all(target_feature = "sse2", target_feature = "fma"),
    all(target_arch = "aarch64", target_feature = "neon")
));

macro_rules! portable {
    (
        $(#[$doc:meta])*
        $name:ident($reg:ident): lanes $($lane:literal)* of $elem:ident as $bits:ident, mantissa $mantissa:literal, bias $bias:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub(crate) struct $name($reg);

        // Lane by lane, written out: loops over four or two took a fifth of the time in which this crate compiles.
        impl $name {
            /// A register of the same scalar.
            #[inline(always)]
            fn all(x: $elem) -> $reg {
                $reg::from([$((x, $lane).0),*])
            }

            /// Applies a function of the representation to each lane.
            #[inline(always)]
            fn map_bits(self, f: impl Fn($elem) -> $bits) -> Self {
                let x = self.0.to_array();
                Self($reg::from([$($elem::from_bits(f(x[$lane]))),*]))
            }
        }

        // SAFETY: a transparent `wide` register is plain data, and it runs wherever the crate was compiled for.
        unsafe impl Lane for $name {
            type Elem = $elem;
            type Mask = $reg;
            type Half = Self;
            const LANES: usize = [$($lane),*].len();
            const FUSED: bool = FUSED;
            const SQUARE: usize = Self::LANES;

            crate::lane::lane! { @whole }

            #[inline(always)]
            unsafe fn splat(x: $elem) -> Self {
                Self(Self::all(x))
            }
            #[inline(always)]
            unsafe fn load(from: *const $elem) -> Self {
                // SAFETY: `from` is valid for `LANES` scalars; no alignment is assumed.
                Self($reg::from(unsafe { from.cast::<[$elem; Self::LANES]>().read_unaligned() }))
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $elem) {
                // SAFETY: `to` is valid for `LANES` scalars; no alignment is assumed.
                unsafe { to.cast::<[$elem; Self::LANES]>().write_unaligned(self.0.to_array()) }
            }
            #[inline(always)]
            unsafe fn load_first(from: *const $elem, n: usize) -> Self {
                debug_assert!(n <= Self::LANES);
                let mut lanes = [0.0; Self::LANES];
                $(if $lane < n {
                    // SAFETY: `from` is valid for `n` scalars.
                    lanes[$lane] = unsafe { *from.add($lane) };
                })*
                Self($reg::from(lanes))
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $elem, n: usize) {
                debug_assert!(n <= Self::LANES);
                let lanes = self.0.to_array();
                $(if $lane < n {
                    // SAFETY: `to` is valid for `n` scalars.
                    unsafe { *to.add($lane) = lanes[$lane] };
                })*
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                Self(self.0 * other.0)
            }
            #[inline(always)]
            unsafe fn div(self, other: Self) -> Self {
                Self(self.0 / other.0)
            }
            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                Self(self.0.sqrt())
            }
            #[inline(always)]
            unsafe fn mul_add(self, b: Self, c: Self) -> Self {
                Self(self.0.mul_add(b.0, c.0))
            }
            #[inline(always)]
            unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self {
                Self(self.0.mul_neg_add(b.0, c.0))
            }
            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                if cfg!(target_feature = "sse2") {
                    Self(self.0.fast_max(other.0))
                } else {
                    Self(self.0.simd_gt(other.0).select(self.0, other.0))
                }
            }
            #[inline(always)]
            unsafe fn min(self, other: Self) -> Self {
                if cfg!(target_feature = "sse2") {
                    Self(self.0.fast_min(other.0))
                } else {
                    Self(self.0.simd_lt(other.0).select(self.0, other.0))
                }
            }

            #[inline(always)]
            unsafe fn lt(self, other: Self) -> $reg {
                self.0.simd_lt(other.0)
            }
            #[inline(always)]
            unsafe fn le(self, other: Self) -> $reg {
                self.0.simd_le(other.0)
            }
            #[inline(always)]
            unsafe fn eq(self, other: Self) -> $reg {
                self.0.simd_eq(other.0)
            }
            #[inline(always)]
            unsafe fn select(mask: $reg, yes: Self, no: Self) -> Self {
                Self(mask.select(yes.0, no.0))
            }

            #[inline(always)]
            unsafe fn and(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
            #[inline(always)]
            unsafe fn or(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
            #[inline(always)]
            unsafe fn exp2_int(self) -> Self {
                // n + 2^mantissa + bias has n + bias, the biased exponent, in its low bits.
                let shift = ((1_u64 << $mantissa) + $bias) as $elem;
                Self(self.0 + Self::all(shift)).map_bits(|x| x.to_bits() << $mantissa)
            }
            #[inline(always)]
            unsafe fn exponent(self) -> Self {
                // The biased exponent as the low bits of 2^mantissa, as a number.
                let shift = (1_u64 << $mantissa) as $elem;
                let number = self.map_bits(|x| (x.to_bits() >> $mantissa) | shift.to_bits());
                Self(number.0 - Self::all(shift + $bias as $elem))
            }
            #[inline(always)]
            unsafe fn mantissa(self) -> Self {
                let low: $bits = (1 << $mantissa) - 1;
                Self((self.0 & Self::all($elem::from_bits(low))) | Self::all(1.0))
            }

            #[inline(always)]
            unsafe fn transpose(from: *const $elem, from_row: isize, to: *mut $elem, to_row: isize) {
                let mut rows = [$reg::splat(0.0); Self::LANES];
                let mut source = from;
                for row in &mut rows {
                    // SAFETY: each row of the square is valid for `LANES` scalars.
                    *row = unsafe { Self::load(source) }.0;
                    source = source.wrapping_offset(from_row);
                }
                let mut target = to;
                for row in $reg::transpose(rows) {
                    // SAFETY: each row of the square is valid for `LANES` scalars.
                    unsafe { Self(row).store(target) };
                    target = target.wrapping_offset(to_row);
                }
            }
            #[inline(always)]
            unsafe fn sum(self) -> $elem {
                let mut lanes = self.0.to_array();
                let mut half = Self::LANES / 2;
                while half > 0 {
                    for i in 0..half {
                        lanes[i] += lanes[i + half];
                    }
                    half /= 2;
                }
                lanes[0]
            }

            #[inline(always)]
            unsafe fn enter<K: Kernel<$elem>>(kernel: K) -> K::Output {
                #[inline(never)]
                fn plainly<K: Kernel<$elem>>(kernel: K) -> K::Output {
                    // SAFETY: the target guarantees this register type.
                    unsafe { kernel.run::<$name>() }
                }
                plainly(kernel)
            }
        }
    };
}

portable! {
    /// Four `f32`.
    F32(f32x4): lanes 0 1 2 3 of f32 as u32, mantissa 23, bias 127
}
portable! {
    /// Two `f64`.
    F64(f64x2): lanes 0 1 of f64 as u64, mantissa 52, bias 1023
}
