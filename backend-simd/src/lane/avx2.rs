//! AVX2 and FMA: 256-bit registers.

#![allow(clippy::wildcard_imports, reason = "intrinsics by the dozen, with unmistakable names")]

use std::arch::x86_64::*;

use crate::lane::lane;

/// All bits set in the first half, none in the second: a window of it, `n` before the middle, masks the first `n` lanes.
static FIRST: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

/// Mask of the first `n ≤ 8` lanes of 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
fn first(n: usize) -> __m256i {
    debug_assert!(n <= 8);
    // SAFETY: `n ≤ 8`, so the window of eight lies inside the sixteen.
    unsafe { _mm256_loadu_si256(FIRST.as_ptr().add(8 - n).cast()) }
}

/// Transposes 8 × 8 `f32`.
///
/// # Safety
///
/// `from` and `to` are valid for eight rows of eight scalars, `from_row` and `to_row` apart.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn transpose_f32(from: *const f32, from_row: isize, to: *mut f32, to_row: isize) {
    // SAFETY: rows are valid by the function's contract.
    unsafe {
        // Rows i and i + 4 side by side, in halves: the exchange of 128-bit blocks is done by the loads.
        let pair = |i: isize, column: isize| {
            let low = _mm_loadu_ps(from.offset(i * from_row + column));
            let high = _mm_loadu_ps(from.offset((i + 4) * from_row + column));
            _mm256_set_m128(high, low)
        };
        let mut column = 0;
        while column < 8 {
            let (r0, r1, r2, r3) = (pair(0, column), pair(1, column), pair(2, column), pair(3, column));
            let (s0, s1) = (_mm256_unpacklo_ps(r0, r1), _mm256_unpackhi_ps(r0, r1));
            let (s2, s3) = (_mm256_unpacklo_ps(r2, r3), _mm256_unpackhi_ps(r2, r3));
            let out = to.offset(column * to_row);
            _mm256_storeu_ps(out, _mm256_shuffle_ps::<0b01_00_01_00>(s0, s2));
            _mm256_storeu_ps(out.offset(to_row), _mm256_shuffle_ps::<0b11_10_11_10>(s0, s2));
            _mm256_storeu_ps(out.offset(2 * to_row), _mm256_shuffle_ps::<0b01_00_01_00>(s1, s3));
            _mm256_storeu_ps(out.offset(3 * to_row), _mm256_shuffle_ps::<0b11_10_11_10>(s1, s3));
            column += 4;
        }
    }
}

/// Transposes 4 × 4 `f64`.
///
/// # Safety
///
/// `from` and `to` are valid for four rows of four scalars, `from_row` and `to_row` apart.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn transpose_f64(from: *const f64, from_row: isize, to: *mut f64, to_row: isize) {
    // SAFETY: rows are valid by the function's contract.
    unsafe {
        let pair = |i: isize, column: isize| {
            let low = _mm_loadu_pd(from.offset(i * from_row + column));
            let high = _mm_loadu_pd(from.offset((i + 2) * from_row + column));
            _mm256_set_m128d(high, low)
        };
        let mut column = 0;
        while column < 4 {
            let (r0, r1) = (pair(0, column), pair(1, column));
            let out = to.offset(column * to_row);
            _mm256_storeu_pd(out, _mm256_unpacklo_pd(r0, r1));
            _mm256_storeu_pd(out.offset(to_row), _mm256_unpackhi_pd(r0, r1));
            column += 2;
        }
    }
}

/// The sum of eight lanes as a tree over halves.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_f32(x: __m256) -> f32 {
    let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
}

/// The sum of four lanes as a tree over halves.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn sum_f64(x: __m256d) -> f64 {
    let x = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
    _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)))
}

lane! {
    /// Eight `f32`.
    F32x8(__m256): 8 of f32, mask __m256, square 8, half Self, features "avx2,fma";
    splat _mm256_set1_ps, load _mm256_loadu_ps, store _mm256_storeu_ps,
    add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps, div _mm256_div_ps, sqrt _mm256_sqrt_ps;

    lane!(@binary max _mm256_max_ps, min _mm256_min_ps, and _mm256_and_ps, or _mm256_or_ps);
    lane! { @whole }
    lane! { @method
        load_first(from: *const f32, n: usize) -> Self = Self(_mm256_maskload_ps(from, first(n)));
        lt(self: Self, other: Self) -> __m256 = _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0);
        le(self: Self, other: Self) -> __m256 = _mm256_cmp_ps::<_CMP_LE_OQ>(self.0, other.0);
        eq(self: Self, other: Self) -> __m256 = _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0);
        select(mask: __m256, yes: Self, no: Self) -> Self = Self(_mm256_blendv_ps(no.0, yes.0, mask));
        mul_add(self: Self, b: Self, c: Self) -> Self = Self(_mm256_fmadd_ps(self.0, b.0, c.0));
        neg_mul_add(self: Self, b: Self, c: Self) -> Self = Self(_mm256_fnmadd_ps(self.0, b.0, c.0));
        // n + 2²³ + 127 has n + 127, the biased exponent, in its low bits.
        exp2_int(self: Self) -> Self = {
            let biased = _mm256_castps_si256(_mm256_add_ps(self.0, _mm256_set1_ps(8_388_735.0)));
            Self(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)))
        };
        // The biased exponent as the low bits of 2²³, as a number.
        exponent(self: Self) -> Self = {
            let biased = _mm256_srli_epi32::<23>(_mm256_castps_si256(self.0));
            let number = _mm256_castsi256_ps(_mm256_or_si256(biased, _mm256_set1_epi32(0x4B00_0000)));
            Self(_mm256_sub_ps(number, _mm256_set1_ps(8_388_735.0)))
        };
        mantissa(self: Self) -> Self = {
            let bits = _mm256_and_ps(self.0, _mm256_castsi256_ps(_mm256_set1_epi32(0x007F_FFFF)));
            Self(_mm256_or_ps(bits, _mm256_set1_ps(1.0)))
        };
        transpose(from: *const f32, from_row: isize, to: *mut f32, to_row: isize) -> () =
            transpose_f32(from, from_row, to, to_row);
        sum(self: Self) -> f32 = sum_f32(self.0);
        // Two registers are folded into one, whose blocks of 128 bits then stand for one or more of them.
        sum8(of: [Self; 8]) -> [f32; 8] = {
            let halves = |a: Self, b: Self| _mm256_add_ps(
                _mm256_permute2f128_ps::<0x20>(a.0, b.0), _mm256_permute2f128_ps::<0x31>(a.0, b.0));
            let pairs = |a: __m256, b: __m256| _mm256_add_ps(
                _mm256_shuffle_ps::<0b01_00_01_00>(a, b), _mm256_shuffle_ps::<0b11_10_11_10>(a, b));
            let first = pairs(halves(of[0], of[1]), halves(of[2], of[3]));
            let second = pairs(halves(of[4], of[5]), halves(of[6], of[7]));
            let sums = _mm256_add_ps(
                _mm256_shuffle_ps::<0b10_00_10_00>(first, second), _mm256_shuffle_ps::<0b11_01_11_01>(first, second));
            let mut out = [0.0; 8];
            let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
            _mm256_storeu_ps(out.as_mut_ptr(), _mm256_permutevar8x32_ps(sums, order));
            out
        };
        // Pieces of four, two and one: masked stores are slow on several processors.
        store_first(self: Self, to: *mut f32, n: usize) -> () = {
            debug_assert!(n <= 8);
            if n == 8 {
                return _mm256_storeu_ps(to, self.0);
            }
            let (mut rest, mut to) = (_mm256_castps256_ps128(self.0), to);
            if n & 4 != 0 {
                _mm_storeu_ps(to, rest);
                to = to.add(4);
                rest = _mm256_extractf128_ps::<1>(self.0);
            }
            if n & 2 != 0 {
                _mm_storel_pd(to.cast(), _mm_castps_pd(rest));
                to = to.add(2);
                rest = _mm_movehl_ps(rest, rest);
            }
            if n & 1 != 0 {
                _mm_store_ss(to, rest);
            }
        };
    }
}

lane! {
    /// Four `f64`.
    F64x4(__m256d): 4 of f64, mask __m256d, square 4, half Self, features "avx2,fma";
    splat _mm256_set1_pd, load _mm256_loadu_pd, store _mm256_storeu_pd,
    add _mm256_add_pd, sub _mm256_sub_pd, mul _mm256_mul_pd, div _mm256_div_pd, sqrt _mm256_sqrt_pd;

    lane!(@binary max _mm256_max_pd, min _mm256_min_pd, and _mm256_and_pd, or _mm256_or_pd);
    lane! { @whole }
    lane! { @method
        load_first(from: *const f64, n: usize) -> Self = Self(_mm256_maskload_pd(from, first(2 * n)));
        lt(self: Self, other: Self) -> __m256d = _mm256_cmp_pd::<_CMP_LT_OQ>(self.0, other.0);
        le(self: Self, other: Self) -> __m256d = _mm256_cmp_pd::<_CMP_LE_OQ>(self.0, other.0);
        eq(self: Self, other: Self) -> __m256d = _mm256_cmp_pd::<_CMP_EQ_OQ>(self.0, other.0);
        select(mask: __m256d, yes: Self, no: Self) -> Self = Self(_mm256_blendv_pd(no.0, yes.0, mask));
        mul_add(self: Self, b: Self, c: Self) -> Self = Self(_mm256_fmadd_pd(self.0, b.0, c.0));
        neg_mul_add(self: Self, b: Self, c: Self) -> Self = Self(_mm256_fnmadd_pd(self.0, b.0, c.0));
        // n + 2⁵² + 1023 has n + 1023, the biased exponent, in its low bits.
        exp2_int(self: Self) -> Self = {
            let biased = _mm256_castpd_si256(_mm256_add_pd(self.0, _mm256_set1_pd(4_503_599_627_371_519.0)));
            Self(_mm256_castsi256_pd(_mm256_slli_epi64::<52>(biased)))
        };
        // The biased exponent as the low bits of 2⁵², as a number.
        exponent(self: Self) -> Self = {
            let biased = _mm256_srli_epi64::<52>(_mm256_castpd_si256(self.0));
            let number = _mm256_castsi256_pd(_mm256_or_si256(biased, _mm256_set1_epi64x(0x4330_0000_0000_0000)));
            Self(_mm256_sub_pd(number, _mm256_set1_pd(4_503_599_627_371_519.0)))
        };
        mantissa(self: Self) -> Self = {
            let bits = _mm256_and_pd(self.0, _mm256_castsi256_pd(_mm256_set1_epi64x(0x000F_FFFF_FFFF_FFFF)));
            Self(_mm256_or_pd(bits, _mm256_set1_pd(1.0)))
        };
        transpose(from: *const f64, from_row: isize, to: *mut f64, to_row: isize) -> () =
            transpose_f64(from, from_row, to, to_row);
        sum(self: Self) -> f64 = sum_f64(self.0);
        store_first(self: Self, to: *mut f64, n: usize) -> () = {
            debug_assert!(n <= 4);
            if n == 4 {
                return _mm256_storeu_pd(to, self.0);
            }
            let (mut rest, mut to) = (_mm256_castpd256_pd128(self.0), to);
            if n & 2 != 0 {
                _mm_storeu_pd(to, rest);
                to = to.add(2);
                rest = _mm256_extractf128_pd::<1>(self.0);
            }
            if n & 1 != 0 {
                _mm_store_sd(to, rest);
            }
        };
    }
}
