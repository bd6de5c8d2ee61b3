//! The numbers behind the vector functions, for `f32` and `f64`.
//!
//! The polynomials are minimax fits by Remez' exchange in 180-bit arithmetic. Those for `f32` were rounded one
//! coefficient at a time from the lowest power up, the others being fitted again after each; those for `f64` were
//! rounded at once, the error that this adds being far below an ulp. Every comment gives the largest error of the
//! rounded polynomial relative to the function it stands in.

use crate::isa::Element;

/// A scalar with the constants of [`vmath`](crate::vmath).
pub(crate) trait Real: Element {
    /// The sign bit alone, −0.
    const SIGN: Self;
    /// All bits but the sign.
    const MAGNITUDE: Self;
    const TWO: Self;
    const HALF: Self;
    const NAN: Self;
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    /// The least normal number.
    const LEAST_NORMAL: Self;

    /// 1.5 · 2^(digits − 1): what is added to it is rounded to an integer, to be had by subtracting it again.
    const ROUNDER: Self;
    /// 1/ln 2.
    const LOG2_E: Self;
    /// −1/(2 ln 2).
    const MINUS_HALF_LOG2_E: Self;
    /// ln 2 with so few digits that its product with any exponent is exact.
    const LN_2_HIGH: Self;
    /// ln 2 − [`Real::LN_2_HIGH`].
    const LN_2_LOW: Self;
    /// 2 ln 2 as far as this type holds it.
    const TWO_LN_2: Self;
    /// [`Real::TWO_LN_2`] in two parts, the first short as in [`Real::LN_2_HIGH`].
    const TWO_LN_2_HIGH: Self;
    const TWO_LN_2_LOW: Self;
    /// Keeps the upper half of the digits, so that the square is exact.
    const UPPER: Self;

    /// Above it eˣ is infinite.
    const EXP_MAX: Self;
    /// Below it eˣ rounds to 0.
    const EXP_MIN: Self;
    /// Below it 2ⁿ with n = round(x/ln 2) − 1 may not be normal; not below the least x for which it is.
    const EXP_SMALL: Self;
    /// An integer l; results that may underflow are computed 2^l times too large and brought down at the end.
    const LIFT: Self;
    /// 2^(−l).
    const DROP: Self;
    /// From here on tanh x rounds to 1.
    const TANH_MAX: Self;
    /// Below minus this, x eˣ rounds to 0.
    const SIGMOID_MAX: Self;
    /// Below minus this, x Φ(x) rounds to 0.
    const GELU_MAX: Self;

    /// q with eʳ ≈ 1 + r + r² q(r) on |r| ≤ ln 2 / 2; the error is relative to eʳ − 1.
    const EXP: &'static [Self];
    /// All coefficients of e^(−r′/2), with r′ = −2 r, times [`Real::DROP`].
    const EXP_HALF: &'static [Self];
    /// All coefficients of eʳ ≈ 1 + r + r² q(r), times [`Real::DROP`].
    const EXP_DROPPED: &'static [Self];
    /// All coefficients of eʳ, times 2.
    const EXP_DOUBLED: &'static [Self];
    /// R with ln((1 + s)/(1 − s)) ≈ 2 s + s³ R(s²), for |s| ≤ (√2 − 1)/(√2 + 1), which m from √½ to √2 needs.
    const LN: &'static [Self];
    /// The same for |s| ≤ 1/3, which ln(1 + e) with 0 ≤ e ≤ 1 needs.
    const LN_1P: &'static [Self];
    /// k in [`Real::GELU`].
    const GELU_POLE: Self;
    /// P with Φ(−t) ≈ e^(−t²/2) P(v)/(t + k), v = k/(t + k), for 0 ≤ t ≤ [`Real::GELU_MAX`].
    ///
    /// The range reduction takes [`Real::TWO_LN_2`] for 2 ln 2 without correcting it; its error ε relative to that
    /// multiplies the result by e^(ε t²/2), which P makes up for.
    const GELU: &'static [Self];
    /// 1/√(2π).
    const FRAC_1_SQRT_TAU: Self;
    const LN_2: Self;
    const SQRT_2: Self;
}

/// The coefficients of `scale · (1 + r + r² q(r))` by r′, where r = `ratio · r′`; both are powers of two.
macro_rules! rescaled {
    ($t:ident, $q:expr, $ratio:expr, $scale:expr) => {{
        const Q: &[$t] = $q;
        const ALL: [$t; Q.len() + 2] = {
            let mut all = [$scale; Q.len() + 2];
            let mut power = $scale * $ratio;
            all[1] = power;
            let mut i = 0;
            while i < Q.len() {
                power *= $ratio;
                all[i + 2] = Q[i] * power;
                i += 1;
            }
            all
        };
        &ALL
    }};
}

/// Error 2^−26.1.
const EXP_32: &[f32] = &[4.999_999_7e-1, 1.666_653_9e-1, 4.166_775e-2, 8.367_088e-3, 1.383_786_2e-3];

impl Real for f32 {
    const SIGN: Self = -0.0;
    const MAGNITUDE: Self = f32::from_bits(0x7FFF_FFFF);
    const TWO: Self = 2.0;
    const HALF: Self = 0.5;
    const NAN: Self = f32::NAN;
    const INFINITY: Self = f32::INFINITY;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;
    const LEAST_NORMAL: Self = f32::MIN_POSITIVE;

    const ROUNDER: Self = 12_582_912.0;
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const MINUS_HALF_LOG2_E: Self = -0.5 * std::f32::consts::LOG2_E;
    const LN_2_HIGH: Self = 0.693_359_375;
    const LN_2_LOW: Self = -2.121_944_4e-4;
    const TWO_LN_2: Self = 2.0 * std::f32::consts::LN_2;
    const TWO_LN_2_HIGH: Self = 2.0 * 0.693_359_375;
    const TWO_LN_2_LOW: Self = 2.0 * std::f32::consts::LN_2 - 2.0 * 0.693_359_375;
    const UPPER: Self = f32::from_bits(0xFFFF_F000);

    const EXP_MAX: Self = 89.0;
    const EXP_MIN: Self = -104.0;
    const EXP_SMALL: Self = -86.0;
    const LIFT: Self = 32.0;
    const DROP: Self = 1.0 / 4_294_967_296.0;
    const TANH_MAX: Self = 10.0;
    const SIGMOID_MAX: Self = 109.0;
    const GELU_MAX: Self = 14.375;

    const EXP: &'static [Self] = EXP_32;
    const EXP_HALF: &'static [Self] = rescaled!(f32, EXP_32, -0.5, f32::DROP);
    const EXP_DROPPED: &'static [Self] = rescaled!(f32, EXP_32, 1.0, f32::DROP);
    const EXP_DOUBLED: &'static [Self] = rescaled!(f32, EXP_32, 1.0, 2.0);
    /// Error 2^−31.1.
    const LN: &'static [Self] = &[6.666_666e-1, 4.000_033_7e-1, 2.853_723_8e-1, 2.358_357e-1];
    /// Error 2^−30.4.
    const LN_1P: &'static [Self] =
        &[6.666_667_5e-1, 3.999_887_7e-1, 2.861_688_4e-1, 2.142_766_3e-1, 2.430_092_5e-1];
    const GELU_POLE: Self = 2.890_625;
    /// Error 2^−25.4.
    const GELU: &'static [Self] = &[
        3.988_999_7e-1,
        3.999_811e-1,
        3.402_686e-1,
        3.199_429_5e-1,
        -1.013_410_24e-1,
        5.269_869_6e-1,
        -7.768_130_3e-1,
        4.200_067_2e-1,
        -8.261_98e-2,
    ];
    const FRAC_1_SQRT_TAU: Self = 0.398_942_28;
    const LN_2: Self = std::f32::consts::LN_2;
    const SQRT_2: Self = std::f32::consts::SQRT_2;
}

/// Error 2^−59.0.
const EXP_64: &[f64] = &[
    0.5,
    0.166_666_666_666_666_77,
    0.041_666_666_666_666_574,
    0.008_333_333_333_322_123,
    0.001_388_888_888_894_284,
    0.000_198_412_698_850_492_2,
    2.480_158_719_797_016e-5,
    2.755_724_517_380_122_6e-6,
    2.755_738_715_576_69e-7,
    2.510_873_251_991_731_7e-8,
    2.087_891_290_229_566_7e-9,
];

impl Real for f64 {
    const SIGN: Self = -0.0;
    const MAGNITUDE: Self = f64::from_bits(0x7FFF_FFFF_FFFF_FFFF);
    const TWO: Self = 2.0;
    const HALF: Self = 0.5;
    const NAN: Self = f64::NAN;
    const INFINITY: Self = f64::INFINITY;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;
    const LEAST_NORMAL: Self = f64::MIN_POSITIVE;

    const ROUNDER: Self = 6_755_399_441_055_744.0;
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const MINUS_HALF_LOG2_E: Self = -0.5 * std::f64::consts::LOG2_E;
    const LN_2_HIGH: Self = 0.693_147_180_560_117_7;
    const LN_2_LOW: Self = -1.723_944_452_561_483_5e-13;
    const TWO_LN_2: Self = 2.0 * std::f64::consts::LN_2;
    const TWO_LN_2_HIGH: Self = 2.0 * Self::LN_2_HIGH;
    const TWO_LN_2_LOW: Self = 2.0 * std::f64::consts::LN_2 - 2.0 * Self::LN_2_HIGH;
    const UPPER: Self = f64::from_bits(0xFFFF_FFFF_F800_0000);

    const EXP_MAX: Self = 710.0;
    const EXP_MIN: Self = -746.0;
    const EXP_SMALL: Self = -707.0;
    const LIFT: Self = 64.0;
    const DROP: Self = 1.0 / 18_446_744_073_709_551_616.0;
    const TANH_MAX: Self = 20.0;
    const SIGMOID_MAX: Self = 752.0;
    const GELU_MAX: Self = 38.625;

    const EXP: &'static [Self] = EXP_64;
    const EXP_HALF: &'static [Self] = rescaled!(f64, EXP_64, -0.5, f64::DROP);
    const EXP_DROPPED: &'static [Self] = rescaled!(f64, EXP_64, 1.0, f64::DROP);
    const EXP_DOUBLED: &'static [Self] = rescaled!(f64, EXP_64, 1.0, 2.0);
    /// Error 2^−59.0.
    const LN: &'static [Self] = &[
        0.666_666_666_666_671_3,
        0.399_999_999_995_221_8,
        0.285_714_287_226_465_86,
        0.222_222_003_210_182_54,
        0.181_834_837_591_579_76,
        0.153_159_133_841_938_58,
        0.147_788_768_830_692_64,
    ];
    /// Error 2^−58.8.
    const LN_1P: &'static [Self] = &[
        0.666_666_666_666_666_6,
        0.400_000_000_000_001_2,
        0.285_714_285_713_969_56,
        0.222_222_222_260_248_7,
        0.181_818_179_264_202_2,
        0.153_846_260_200_808_4,
        0.133_330_430_861_325_46,
        0.117_700_371_081_424_48,
        0.104_601_172_630_332_93,
        0.100_688_335_811_441_28,
        0.058_816_887_019_534_73,
        0.159_337_391_113_718_8,
    ];
    const GELU_POLE: Self = 4.75;
    /// Error 2^−54.0.
    const GELU: &'static [Self] = &[
        0.398_942_280_411_470_4,
        0.398_942_279_687_370_7,
        0.381_260_651_852_462_2,
        0.345_896_833_125_787_73,
        0.295_210_415_946_766_7,
        0.233_806_491_821_197_84,
        0.169_065_954_071_488_64,
        0.102_406_182_700_862_69,
        0.073_742_608_398_769_92,
        -0.065_434_954_889_535_62,
        0.271_076_719_840_216,
        -0.777_627_246_968_210_3,
        1.728_554_419_354_260_8,
        -3.236_771_499_320_685_3,
        4.897_888_191_953_908,
        -5.967_867_740_594_644,
        5.782_056_360_411_192,
        -4.333_897_800_485_155,
        2.434_046_086_999_29,
        -0.986_062_627_527_893_4,
        0.271_997_521_143_931_7,
        -0.045_787_708_461_595_31,
        0.003_556_580_528_743_760_7,
    ];
    const FRAC_1_SQRT_TAU: Self = 0.398_942_280_401_432_7;
    const LN_2: Self = std::f64::consts::LN_2;
    const SQRT_2: Self = std::f64::consts::SQRT_2;
}
