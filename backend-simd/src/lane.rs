//! A register of scalars: the few operations that the algorithms of this crate need, over which each
//! algorithm is written once. Instruction sets are thin instantiations.

/// A register of [`Lane::LANES`] scalars.
///
/// # Safety
///
/// Every method may only run where the instruction set that the type stands for is available, inside a function
/// that enables it with `#[target_feature]` (the methods are inlined there). Implementations must be plain data:
/// `LANES` scalars, valid for every bit pattern.
pub(crate) unsafe trait Lane: Copy + 'static {
    /// The scalar in each lane.
    type Elem: Copy + 'static;
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
    /// The larger; `other` where either is NaN (the rule of `maxps`).
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller; `other` where either is NaN (the rule of `minps`).
    unsafe fn min(self, other: Self) -> Self;
    /// To the nearest integer, halves to even, for |x| below 2^22 (f32) or 2^51 (f64).
    unsafe fn round(self) -> Self;

    unsafe fn lt(self, other: Self) -> Self::Mask;
    unsafe fn le(self, other: Self) -> Self::Mask;
    unsafe fn eq(self, other: Self) -> Self::Mask;
    /// `yes` where the mask is set, `no` elsewhere.
    unsafe fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// Bitwise operations on the representation.
    unsafe fn and(self, other: Self) -> Self;
    unsafe fn or(self, other: Self) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    /// `2ⁿ` for an integer-valued lane `n` in the range of normal exponents.
    unsafe fn exp2_int(self) -> Self;
    /// The unbiased exponent of a positive normal number, as a number: `e` with `x = m · 2^e`, `1 ≤ m < 2`.
    unsafe fn exponent(self) -> Self;
    /// The mantissa of a positive normal number, scaled to `1 ≤ m < 2`.
    unsafe fn mantissa(self) -> Self;
}
