//! AVX-512F and AVX-512VL: 512-bit registers. Partial loads and stores are masked.

#![allow(clippy::wildcard_imports, reason = "intrinsics by the dozen, with unmistakable names")]

use std::arch::x86_64::*;

use crate::lane::avx2::{F32x8, F64x4, sum_f32, sum_f64, transpose_f32};
use crate::lane::lane;

lane! {
    /// Sixteen `f32`.
    F32x16(__m512): 16 of f32, mask __mmask16, square 8, half F32x8, features "avx512f,avx512vl,avx2,fma";
    splat _mm512_set1_ps, load _mm512_loadu_ps, store _mm512_storeu_ps,
    add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps, sqrt _mm512_sqrt_ps;

    lane!(@binary max _mm512_max_ps, min _mm512_min_ps);
    lane! { @method
        narrow(self: Self) -> F32x8 = F32x8(_mm512_castps512_ps256(self.0));
        widen(half: F32x8) -> Self = Self(_mm512_castps256_ps512(half.0));
        load_first(from: *const f32, n: usize) -> Self = Self(_mm512_maskz_loadu_ps(first16(n), from));
        store_first(self: Self, to: *mut f32, n: usize) -> () = _mm512_mask_storeu_ps(to, first16(n), self.0);
        lt(self: Self, other: Self) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0);
        le(self: Self, other: Self) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_LE_OQ>(self.0, other.0);
        eq(self: Self, other: Self) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0);
        select(mask: __mmask16, yes: Self, no: Self) -> Self = Self(_mm512_mask_blend_ps(mask, no.0, yes.0));
        mul_add(self: Self, b: Self, c: Self) -> Self = Self(_mm512_fmadd_ps(self.0, b.0, c.0));
        neg_mul_add(self: Self, b: Self, c: Self) -> Self = Self(_mm512_fnmadd_ps(self.0, b.0, c.0));
        and(self: Self, other: Self) -> Self = Self(_mm512_castsi512_ps(_mm512_and_si512(
            _mm512_castps_si512(self.0), _mm512_castps_si512(other.0))));
        or(self: Self, other: Self) -> Self = Self(_mm512_castsi512_ps(_mm512_or_si512(
            _mm512_castps_si512(self.0), _mm512_castps_si512(other.0))));
        // n + 2²³ + 127 has n + 127, the biased exponent, in its low bits.
        exp2_int(self: Self) -> Self = {
            let biased = _mm512_castps_si512(_mm512_add_ps(self.0, _mm512_set1_ps(8_388_735.0)));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased)))
        };
        exponent(self: Self) -> Self = Self(_mm512_getexp_ps(self.0));
        mantissa(self: Self) -> Self =
            Self(_mm512_getmant_ps::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_ZERO>(self.0));
        transpose(from: *const f32, from_row: isize, to: *mut f32, to_row: isize) -> () =
            transpose_f32(from, from_row, to, to_row);
        sum(self: Self) -> f32 = {
            let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0)));
            sum_f32(_mm256_add_ps(_mm512_castps512_ps256(self.0), high))
        };
        // Two registers are folded into one, whose blocks of 128 bits then stand for one or two of them.
        sum8(of: [Self; 8]) -> [f32; 8] = {
            let halves = |a: Self, b: Self| _mm512_add_ps(
                _mm512_shuffle_f32x4::<0b01_00_01_00>(a.0, b.0), _mm512_shuffle_f32x4::<0b11_10_11_10>(a.0, b.0));
            let quarters = |a: __m512, b: __m512| _mm512_add_ps(
                _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b), _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b));
            let first = quarters(halves(of[0], of[1]), halves(of[2], of[3]));
            let second = quarters(halves(of[4], of[5]), halves(of[6], of[7]));
            let pairs = _mm512_add_ps(
                _mm512_shuffle_ps::<0b01_00_01_00>(first, second), _mm512_shuffle_ps::<0b11_10_11_10>(first, second));
            let sums = _mm512_add_ps(
                _mm512_shuffle_ps::<0b10_00_10_00>(pairs, pairs), _mm512_shuffle_ps::<0b11_01_11_01>(pairs, pairs));
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 0, 0, 0, 0, 0, 0, 0, 0);
            let mut out = [0.0; 8];
            _mm256_storeu_ps(out.as_mut_ptr(), _mm512_castps512_ps256(_mm512_permutexvar_ps(order, sums)));
            out
        };
    }
}

/// Transposes 8 × 8 `f64`.
///
/// # Safety
///
/// `from` and `to` are valid for eight rows of eight scalars, `from_row` and `to_row` apart.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn transpose_f64(from: *const f64, from_row: isize, to: *mut f64, to_row: isize) {
    // SAFETY: rows are valid by the function's contract.
    unsafe {
        // Four columns of rows i and i + 2 side by side: the exchange of 256-bit blocks is done by the loads.
        let pair = |i: isize, column: isize| {
            let low = _mm256_loadu_pd(from.offset(i * from_row + column));
            let high = _mm256_loadu_pd(from.offset((i + 2) * from_row + column));
            _mm512_insertf64x4::<1>(_mm512_castpd256_pd512(low), high)
        };
        let mut column = 0;
        while column < 8 {
            let (r0, r1, r4, r5) = (pair(0, column), pair(1, column), pair(4, column), pair(5, column));
            let (s0, s1) = (_mm512_unpacklo_pd(r0, r1), _mm512_unpackhi_pd(r0, r1));
            let (s4, s5) = (_mm512_unpacklo_pd(r4, r5), _mm512_unpackhi_pd(r4, r5));
            let out = to.offset(column * to_row);
            _mm512_storeu_pd(out, _mm512_shuffle_f64x2::<0b10_00_10_00>(s0, s4));
            _mm512_storeu_pd(out.offset(to_row), _mm512_shuffle_f64x2::<0b10_00_10_00>(s1, s5));
            _mm512_storeu_pd(out.offset(2 * to_row), _mm512_shuffle_f64x2::<0b11_01_11_01>(s0, s4));
            _mm512_storeu_pd(out.offset(3 * to_row), _mm512_shuffle_f64x2::<0b11_01_11_01>(s1, s5));
            column += 4;
        }
    }
}

lane! {
    /// Eight `f64`.
    F64x8(__m512d): 8 of f64, mask __mmask8, square 8, half F64x4, features "avx512f,avx512vl,avx2,fma";
    splat _mm512_set1_pd, load _mm512_loadu_pd, store _mm512_storeu_pd,
    add _mm512_add_pd, sub _mm512_sub_pd, mul _mm512_mul_pd, div _mm512_div_pd, sqrt _mm512_sqrt_pd;

    lane!(@binary max _mm512_max_pd, min _mm512_min_pd);
    lane! { @method
        narrow(self: Self) -> F64x4 = F64x4(_mm512_castpd512_pd256(self.0));
        widen(half: F64x4) -> Self = Self(_mm512_castpd256_pd512(half.0));
        load_first(from: *const f64, n: usize) -> Self = Self(_mm512_maskz_loadu_pd(first8(n), from));
        store_first(self: Self, to: *mut f64, n: usize) -> () = _mm512_mask_storeu_pd(to, first8(n), self.0);
        lt(self: Self, other: Self) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(self.0, other.0);
        le(self: Self, other: Self) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_LE_OQ>(self.0, other.0);
        eq(self: Self, other: Self) -> __mmask8 = _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(self.0, other.0);
        select(mask: __mmask8, yes: Self, no: Self) -> Self = Self(_mm512_mask_blend_pd(mask, no.0, yes.0));
        mul_add(self: Self, b: Self, c: Self) -> Self = Self(_mm512_fmadd_pd(self.0, b.0, c.0));
        neg_mul_add(self: Self, b: Self, c: Self) -> Self = Self(_mm512_fnmadd_pd(self.0, b.0, c.0));
        and(self: Self, other: Self) -> Self = Self(_mm512_castsi512_pd(_mm512_and_si512(
            _mm512_castpd_si512(self.0), _mm512_castpd_si512(other.0))));
        or(self: Self, other: Self) -> Self = Self(_mm512_castsi512_pd(_mm512_or_si512(
            _mm512_castpd_si512(self.0), _mm512_castpd_si512(other.0))));
        // n + 2⁵² + 1023 has n + 1023, the biased exponent, in its low bits.
        exp2_int(self: Self) -> Self = {
            let biased = _mm512_castpd_si512(_mm512_add_pd(self.0, _mm512_set1_pd(4_503_599_627_371_519.0)));
            Self(_mm512_castsi512_pd(_mm512_slli_epi64::<52>(biased)))
        };
        exponent(self: Self) -> Self = Self(_mm512_getexp_pd(self.0));
        mantissa(self: Self) -> Self =
            Self(_mm512_getmant_pd::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_ZERO>(self.0));
        transpose(from: *const f64, from_row: isize, to: *mut f64, to_row: isize) -> () =
            transpose_f64(from, from_row, to, to_row);
        sum(self: Self) -> f64 = {
            let high = _mm512_extractf64x4_pd::<1>(self.0);
            sum_f64(_mm256_add_pd(_mm512_castpd512_pd256(self.0), high))
        };
    }
}

/// Mask of the first `n ≤ 16` lanes.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "sixteen bits are kept on purpose")]
fn first16(n: usize) -> __mmask16 {
    debug_assert!(n <= 16);
    ((1_u32 << n) - 1) as __mmask16
}

/// Mask of the first `n ≤ 8` lanes.
#[inline(always)]
#[allow(clippy::cast_possible_truncation, reason = "eight bits are kept on purpose")]
fn first8(n: usize) -> __mmask8 {
    debug_assert!(n <= 8);
    ((1_u32 << n) - 1) as __mmask8
}
