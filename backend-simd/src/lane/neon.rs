//! NEON: 128-bit registers of AArch64.

#![allow(clippy::wildcard_imports, reason = "intrinsics by the dozen, with unmistakable names")]

use std::arch::aarch64::*;

use crate::lane::lane;

lane! {
    /// Four `f32`.
    F32x4(float32x4_t): 4 of f32, mask uint32x4_t, square 4, half Self, features "neon";
    splat vdupq_n_f32, load vld1q_f32, store vst1q_f32,
    add vaddq_f32, sub vsubq_f32, mul vmulq_f32, div vdivq_f32, sqrt vsqrtq_f32;

    lane! { @whole }
    lane! { @method
        load_first(from: *const f32, n: usize) -> Self = {
            let mut lanes = [0.0; 4];
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n.min(4));
            Self(vld1q_f32(lanes.as_ptr()))
        };
        store_first(self: Self, to: *mut f32, n: usize) -> () = {
            let mut lanes = [0.0; 4];
            vst1q_f32(lanes.as_mut_ptr(), self.0);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n.min(4));
        };
        // `vmaxq` gives NaN for a NaN on either side; the trait's rule is a comparison and a choice.
        max(self: Self, other: Self) -> Self = Self(vbslq_f32(vcgtq_f32(self.0, other.0), self.0, other.0));
        min(self: Self, other: Self) -> Self = Self(vbslq_f32(vcltq_f32(self.0, other.0), self.0, other.0));
        lt(self: Self, other: Self) -> uint32x4_t = vcltq_f32(self.0, other.0);
        le(self: Self, other: Self) -> uint32x4_t = vcleq_f32(self.0, other.0);
        eq(self: Self, other: Self) -> uint32x4_t = vceqq_f32(self.0, other.0);
        select(mask: uint32x4_t, yes: Self, no: Self) -> Self = Self(vbslq_f32(mask, yes.0, no.0));
        mul_add(self: Self, b: Self, c: Self) -> Self = Self(vfmaq_f32(c.0, self.0, b.0));
        neg_mul_add(self: Self, b: Self, c: Self) -> Self = Self(vfmsq_f32(c.0, self.0, b.0));
        and(self: Self, other: Self) -> Self = Self(vreinterpretq_f32_u32(vandq_u32(
            vreinterpretq_u32_f32(self.0), vreinterpretq_u32_f32(other.0))));
        or(self: Self, other: Self) -> Self = Self(vreinterpretq_f32_u32(vorrq_u32(
            vreinterpretq_u32_f32(self.0), vreinterpretq_u32_f32(other.0))));
        exp2_int(self: Self) -> Self = {
            let biased = vaddq_s32(vcvtq_s32_f32(self.0), vdupq_n_s32(127));
            Self(vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased)))
        };
        exponent(self: Self) -> Self = {
            let biased = vreinterpretq_s32_u32(vshrq_n_u32::<23>(vreinterpretq_u32_f32(self.0)));
            Self(vcvtq_f32_s32(vsubq_s32(biased, vdupq_n_s32(127))))
        };
        mantissa(self: Self) -> Self = {
            let bits = vandq_u32(vreinterpretq_u32_f32(self.0), vdupq_n_u32(0x007F_FFFF));
            Self(vreinterpretq_f32_u32(vorrq_u32(bits, vdupq_n_u32(0x3F80_0000))))
        };
        transpose(from: *const f32, from_row: isize, to: *mut f32, to_row: isize) -> () = {
            let row = |i: isize| vld1q_f32(from.offset(i * from_row));
            let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
            let (s0, s1) = (vzip1q_f32(r0, r2), vzip2q_f32(r0, r2));
            let (s2, s3) = (vzip1q_f32(r1, r3), vzip2q_f32(r1, r3));
            vst1q_f32(to, vzip1q_f32(s0, s2));
            vst1q_f32(to.offset(to_row), vzip2q_f32(s0, s2));
            vst1q_f32(to.offset(2 * to_row), vzip1q_f32(s1, s3));
            vst1q_f32(to.offset(3 * to_row), vzip2q_f32(s1, s3));
        };
        sum(self: Self) -> f32 = {
            let halves = vadd_f32(vget_low_f32(self.0), vget_high_f32(self.0));
            vget_lane_f32::<0>(halves) + vget_lane_f32::<1>(halves)
        };
    }
}

lane! {
    /// Two `f64`.
    F64x2(float64x2_t): 2 of f64, mask uint64x2_t, square 2, half Self, features "neon";
    splat vdupq_n_f64, load vld1q_f64, store vst1q_f64,
    add vaddq_f64, sub vsubq_f64, mul vmulq_f64, div vdivq_f64, sqrt vsqrtq_f64;

    lane! { @whole }
    lane! { @method
        load_first(from: *const f64, n: usize) -> Self = {
            let mut lanes = [0.0; 2];
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n.min(2));
            Self(vld1q_f64(lanes.as_ptr()))
        };
        store_first(self: Self, to: *mut f64, n: usize) -> () = {
            let mut lanes = [0.0; 2];
            vst1q_f64(lanes.as_mut_ptr(), self.0);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n.min(2));
        };
        // `vmaxq` gives NaN for a NaN on either side; the trait's rule is a comparison and a choice.
        max(self: Self, other: Self) -> Self = Self(vbslq_f64(vcgtq_f64(self.0, other.0), self.0, other.0));
        min(self: Self, other: Self) -> Self = Self(vbslq_f64(vcltq_f64(self.0, other.0), self.0, other.0));
        lt(self: Self, other: Self) -> uint64x2_t = vcltq_f64(self.0, other.0);
        le(self: Self, other: Self) -> uint64x2_t = vcleq_f64(self.0, other.0);
        eq(self: Self, other: Self) -> uint64x2_t = vceqq_f64(self.0, other.0);
        select(mask: uint64x2_t, yes: Self, no: Self) -> Self = Self(vbslq_f64(mask, yes.0, no.0));
        mul_add(self: Self, b: Self, c: Self) -> Self = Self(vfmaq_f64(c.0, self.0, b.0));
        neg_mul_add(self: Self, b: Self, c: Self) -> Self = Self(vfmsq_f64(c.0, self.0, b.0));
        and(self: Self, other: Self) -> Self = Self(vreinterpretq_f64_u64(vandq_u64(
            vreinterpretq_u64_f64(self.0), vreinterpretq_u64_f64(other.0))));
        or(self: Self, other: Self) -> Self = Self(vreinterpretq_f64_u64(vorrq_u64(
            vreinterpretq_u64_f64(self.0), vreinterpretq_u64_f64(other.0))));
        exp2_int(self: Self) -> Self = {
            let biased = vaddq_s64(vcvtq_s64_f64(self.0), vdupq_n_s64(1023));
            Self(vreinterpretq_f64_s64(vshlq_n_s64::<52>(biased)))
        };
        exponent(self: Self) -> Self = {
            let biased = vreinterpretq_s64_u64(vshrq_n_u64::<52>(vreinterpretq_u64_f64(self.0)));
            Self(vcvtq_f64_s64(vsubq_s64(biased, vdupq_n_s64(1023))))
        };
        mantissa(self: Self) -> Self = {
            let bits = vandq_u64(vreinterpretq_u64_f64(self.0), vdupq_n_u64(0x000F_FFFF_FFFF_FFFF));
            Self(vreinterpretq_f64_u64(vorrq_u64(bits, vdupq_n_u64(0x3FF0_0000_0000_0000))))
        };
        transpose(from: *const f64, from_row: isize, to: *mut f64, to_row: isize) -> () = {
            let (r0, r1) = (vld1q_f64(from), vld1q_f64(from.offset(from_row)));
            vst1q_f64(to, vzip1q_f64(r0, r1));
            vst1q_f64(to.offset(to_row), vzip2q_f64(r0, r1));
        };
        sum(self: Self) -> f64 = vgetq_lane_f64::<0>(self.0) + vgetq_lane_f64::<1>(self.0);
    }
}
