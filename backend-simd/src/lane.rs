//! A register of scalars: the few operations that the algorithms of this crate need, over which each
//! algorithm is written once. Instruction sets are thin instantiations.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;
#[cfg(test)]
mod tests;

use crate::isa::{Element, Kernel};

/// A register of [`Lane::LANES`] scalars.
///
/// # Safety
///
/// Every method may only run where the instruction set that the type stands for is available, inside a function
/// that enables it with `#[target_feature]` (the methods are inlined there). Implementations must be plain data:
/// `LANES` scalars, valid for every bit pattern.
pub(crate) unsafe trait Lane: Copy + 'static {
    /// The scalar in each lane.
    type Elem: Element;
    /// The result of a comparison, one truth value per lane.
    type Mask: Copy;
    /// Number of lanes.
    const LANES: usize;
    /// Whether [`Lane::mul_add`] rounds once. All sets with `FUSED` give the same bits.
    const FUSED: bool;

    unsafe fn splat(x: Self::Elem) -> Self;
    unsafe fn load(from: *const Self::Elem) -> Self;
    unsafe fn store(self, to: *mut Self::Elem);
    /// Loads the first `n ≤ LANES` lanes, the others are zero. Touches no memory past them.
    unsafe fn load_first(from: *const Self::Elem, n: usize) -> Self;
    /// Stores the first `n ≤ LANES` lanes. Touches no memory past them.
    unsafe fn store_first(self, to: *mut Self::Elem, n: usize);

    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    unsafe fn div(self, other: Self) -> Self;
    unsafe fn sqrt(self) -> Self;
    /// `self · b + c`, rounded once where `FUSED`.
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
    /// `c − self · b`, rounded once where `FUSED`.
    unsafe fn neg_mul_add(self, b: Self, c: Self) -> Self;
    /// The larger; `other` where either is NaN or both are zeros (the rule of `maxps`).
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller; `other` where either is NaN or both are zeros (the rule of `minps`).
    unsafe fn min(self, other: Self) -> Self;

    unsafe fn lt(self, other: Self) -> Self::Mask;
    unsafe fn le(self, other: Self) -> Self::Mask;
    unsafe fn eq(self, other: Self) -> Self::Mask;
    /// `yes` where the mask is set, `no` elsewhere.
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// Bitwise operations on the representation.
    unsafe fn and(self, other: Self) -> Self;
    unsafe fn or(self, other: Self) -> Self;
    /// `2ⁿ` for an integer-valued lane `n` in the range of normal exponents.
    unsafe fn exp2_int(self) -> Self;
    /// The unbiased exponent of a positive normal number, as a number: `e` with `x = m · 2^e`, `1 ≤ m < 2`.
    unsafe fn exponent(self) -> Self;
    /// The mantissa of a positive normal number, scaled to `1 ≤ m < 2`.
    unsafe fn mantissa(self) -> Self;

    /// Edge of the square that [`Lane::transpose`] moves.
    const SQUARE: usize;
    /// Copies a square of `SQUARE × SQUARE` scalars, transposed: `to[j][i] ← from[i][j]`, where rows are `from_row`
    /// and `to_row` scalars apart and columns are adjacent on both sides. The two sides do not overlap.
    unsafe fn transpose(from: *const Self::Elem, from_row: isize, to: *mut Self::Elem, to_row: isize);
    /// A register of half as many lanes where that is twice as fast, the type itself where there is none.
    type Half: Lane<Elem = Self::Elem>;
    /// The first lanes.
    unsafe fn narrow(self) -> Self::Half;
    /// The first lanes of a register whose others may be anything.
    unsafe fn widen(half: Self::Half) -> Self;

    /// The sum of all lanes as a fixed tree over halves: lane `i` plus lane `i + LANES / 2`, and so on.
    unsafe fn sum(self) -> Self::Elem;

    /// [`Lane::sum`] of each of eight registers, with the same bits.
    #[inline(always)]
    unsafe fn sum8(of: [Self; 8]) -> [Self::Elem; 8] {
        // A loop, since `map` would not be inlined into the function that enables the set.
        let mut sums = [<Self::Elem as Element>::ZERO; 8];
        for (sum, x) in sums.iter_mut().zip(of) {
            // SAFETY: the caller's function enables the set.
            *sum = unsafe { x.sum() };
        }
        sums
    }

    /// Runs a kernel over this register type inside a function that enables its instruction set.
    unsafe fn enter<K: Kernel<Self::Elem>>(kernel: K) -> K::Output;
}

/// Implements [`Lane`] for a register of an instruction set: the operations that are one intrinsic of the usual
/// argument order by name, the others as methods.
macro_rules! lane {
    (
        $(#[$doc:meta])*
        $name:ident($reg:ty): $lanes:literal of $elem:ty, mask $mask:ty, square $square:literal, half $half:ty, features $features:literal;
        splat $splat:ident, load $load:ident, store $store:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, sqrt $sqrt:ident;
        $($methods:tt)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        #[repr(transparent)]
        pub(crate) struct $name(pub(super) $reg);

        // SAFETY: the type is a transparent register of `LANES` scalars; each method runs intrinsics of the set that
        // `features` names and nothing else, and `enter` enables just that set.
        unsafe impl crate::lane::Lane for $name {
            type Elem = $elem;
            type Mask = $mask;
            type Half = $half;
            const LANES: usize = $lanes;
            const FUSED: bool = true;
            const SQUARE: usize = $square;

            #[inline(always)]
            unsafe fn splat(x: $elem) -> Self {
                // SAFETY: the caller's function enables the set.
                Self(unsafe { $splat(x) })
            }
            #[inline(always)]
            unsafe fn load(from: *const $elem) -> Self {
                // SAFETY: the caller's function enables the set and `from` is valid for `LANES` scalars.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $elem) {
                // SAFETY: the caller's function enables the set and `to` is valid for `LANES` scalars.
                unsafe { $store(to, self.0) }
            }
            crate::lane::lane!(@binary add $add, sub $sub, mul $mul, div $div);
            #[inline(always)]
            unsafe fn sqrt(self) -> Self {
                // SAFETY: the caller's function enables the set.
                Self(unsafe { $sqrt(self.0) })
            }

            #[inline(always)]
            unsafe fn enter<K: crate::isa::Kernel<$elem>>(kernel: K) -> K::Output {
                #[target_feature(enable = $features)]
                fn with_features<K: crate::isa::Kernel<$elem>>(kernel: K) -> K::Output {
                    // SAFETY: this function enables the set that the lane type stands for.
                    unsafe { kernel.run::<$name>() }
                }
                // SAFETY: the caller has found the set to be available on this machine.
                unsafe { with_features(kernel) }
            }

            $($methods)*
        }
    };
    (@binary $($method:ident $intrinsic:ident),*) => {
        $(
            #[inline(always)]
            unsafe fn $method(self, other: Self) -> Self {
                // SAFETY: the caller's function enables the set.
                Self(unsafe { $intrinsic(self.0, other.0) })
            }
        )*
    };
    // No register of half the size.
    (@whole) => {
        #[inline(always)]
        unsafe fn narrow(self) -> Self {
            self
        }
        #[inline(always)]
        unsafe fn widen(half: Self) -> Self {
            half
        }
    };
    // A method of the given signature whose body is a call of intrinsics.
    (@method $($name:ident($($arg:ident: $type:ty),*) -> $out:ty = $body:expr;)*) => {
        $(
            #[inline(always)]
            unsafe fn $name($($arg: $type),*) -> $out {
                // SAFETY: the caller's function enables the set, and pointers are valid as the trait demands.
                unsafe { $body }
            }
        )*
    };
}
pub(crate) use lane;
