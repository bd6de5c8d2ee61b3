//! The numbers behind the vector functions, for `f32` and `f64`.
//!
//! The polynomials are minimax fits by Remez' exchange in 180-bit arithmetic. Those for `f32` were rounded one
//! coefficient at a time from the lowest power up, the others being fitted again after each; those for `f64` were
//! rounded at once; those of GELU for `f32` were found by a branch and bound over roundings, with a linear programme for the
//! rest at each node. Every comment gives the largest error of the rounded polynomial relative to the function
//! it stands in.

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
    /// 0, 1, …, 16.
    const COUNT: &'static [Self; 17];
    const INFINITY: Self;
    const NEG_INFINITY: Self;
    /// The least normal number.
    const LEAST_NORMAL: Self;

    /// 1.5 · 2^(digits − 1): what is added to it is rounded to an integer, to be had by subtracting it again.
    const ROUNDER: Self;
    /// 1/ln 2.
    const LOG2_E: Self;
    /// −1/(4 ln 2).
    const MINUS_QUARTER_LOG2_E: Self;
    /// ln 2 with so few digits that its product with any exponent is exact.
    const LN_2_HIGH: Self;
    /// ln 2 − [`Real::LN_2_HIGH`].
    const LN_2_LOW: Self;
    /// 4 ln 2 as far as this type holds it.
    const FOUR_LN_2: Self;
    /// [`Real::FOUR_LN_2`] in two parts, the first short as in [`Real::LN_2_HIGH`].
    const FOUR_LN_2_HIGH: Self;
    const FOUR_LN_2_LOW: Self;
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

    /// q with eʳ ≈ 1 + r + r² q(r) on −ln 2 / 2 + b ≤ r ≤ ln 2 / 2 + b, b = [`Real::TANH_BIAS`].
    const EXP_BIASED: &'static [Self];
    /// The shift of the range of r in tanh, so that n = 0 up to y = 0.5.
    const TANH_BIAS: Self;
    /// All coefficients of eʳ ≈ 1 + r + r² q(r) on |r| ≤ ln 2 / 2, times [`Real::DROP`].
    const EXP_DROPPED: &'static [Self];
    /// All coefficients of eʳ.
    const EXP_ALL: &'static [Self];
    /// The coefficients −¼, … of (e^(−r/4) − 1)/r ≈ −¼ + r (…).
    const EXP_QUARTER: &'static [Self];
    /// h with y coth(y/2) ≈ 2 + y² h(y²) on 0 ≤ y ≤ ln 2 / 2 + [`Real::TANH_BIAS`].
    const COTH: &'static [Self];
    /// R with ln((1 + s)/(1 − s)) ≈ 2 s + s³ R(s²), for |s| ≤ (√2 − 1)/(√2 + 1), which m from √½ to √2 needs.
    const LN: &'static [Self];
    /// The same for |s| ≤ 1/3, which ln(1 + e) with 0 ≤ e ≤ 1 needs.
    const LN_1P: &'static [Self];
    /// k in [`Real::GELU`].
    const GELU_POLE: Self;
    /// Up to this t, what t + k loses by rounding is made up for; the sum of both is exact.
    const GELU_NEAR: Self;
    /// c in [`Real::GELU`].
    const GELU_CENTRE: Self;
    /// P times [`Real::DROP`], with Φ(−t) ≈ e^(−t²/2) P(c − w)/(t + k), w = t/(t + k), for 0 ≤ t ≤ [`Real::GELU_MAX`].
    ///
    /// The range reduction takes [`Real::FOUR_LN_2`] for 4 ln 2 without correcting it; its error ε relative to that
    /// multiplies the result by e^(ε t²/2), which P makes up for.
    const GELU: &'static [Self];
    /// 1/√(2π).
    const FRAC_1_SQRT_TAU: Self;
    const LN_2: Self;
    const SQRT_2: Self;
    /// 2 √(2/π), and the cubic term of GELU's tanh form.
    const SQRT_8_OVER_PI: Self;
    const GELU_CUBIC: Self;
}

/// The coefficients of `scale · (1 + r + r² q(r))` by r′, where r = `ratio · r′`, from the one of r′^`from` on; `scale` and
/// `ratio` are powers of two.
macro_rules! rescaled {
    ($t:ident, $q:expr, $ratio:expr, $scale:expr, from $from:literal) => {{
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
        ALL.split_at($from).1
    }};
}

/// Error 2^−28.3 relative to eʳ.
const EXP_32: &[f32] = &[4.999_999_4e-1, 1.666_652_1e-1, 4.166_826_6e-2, 8.368_686e-3, 1.382_099_9e-3];

/// Error 2^−25.7.
const GELU_32: [f32; 9] = [
    9.244_222e-1,
    1.608_239_5,
    1.974_298_8,
    1.587_763_8,
    6.019_028e-1,
    -2.136_881_5e-1,
    -2.986_126_8e-1,
    2.548_948e-2,
    1.166_207_8e-1,
];

impl Real for f32 {
    const SIGN: Self = -0.0;
    const MAGNITUDE: Self = f32::from_bits(0x7FFF_FFFF);
    const TWO: Self = 2.0;
    const HALF: Self = 0.5;
    const NAN: Self = f32::NAN;
    const COUNT: &'static [Self; 17] =
        &[0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15., 16.];
    const INFINITY: Self = f32::INFINITY;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;
    const LEAST_NORMAL: Self = f32::MIN_POSITIVE;

    const ROUNDER: Self = 12_582_912.0;
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const MINUS_QUARTER_LOG2_E: Self = -0.25 * std::f32::consts::LOG2_E;
    const LN_2_HIGH: Self = 355.0 / 512.0;
    const LN_2_LOW: Self = -2.121_944_4e-4;
    const FOUR_LN_2: Self = 4.0 * std::f32::consts::LN_2;
    const FOUR_LN_2_HIGH: Self = 4.0 * Self::LN_2_HIGH;
    const FOUR_LN_2_LOW: Self = 4.0 * std::f32::consts::LN_2 - 4.0 * Self::LN_2_HIGH;
    const UPPER: Self = f32::from_bits(0xFFFF_F000);

    const EXP_MAX: Self = 89.0;
    const EXP_MIN: Self = -104.0;
    const EXP_SMALL: Self = -86.0;
    const LIFT: Self = 32.0;
    const DROP: Self = 1.0 / 4_294_967_296.0;
    const TANH_MAX: Self = 10.0;
    const SIGMOID_MAX: Self = 109.0;
    const GELU_MAX: Self = 14.375;

    const EXP_DROPPED: &'static [Self] = rescaled!(f32, EXP_32, 1.0, f32::DROP, from 0);
    const EXP_ALL: &'static [Self] = rescaled!(f32, EXP_32, 1.0, 1.0, from 0);
    const EXP_QUARTER: &'static [Self] = rescaled!(f32, EXP_32, -0.25, 1.0, from 1);
    const TANH_BIAS: Self = 0.165;
    /// Error 2^−28.2 relative to eʳ.
    const EXP_BIASED: &'static [Self] =
        &[5.0e-1, 1.666_688_5e-1, 4.166_203_7e-2, 8.275_321e-3, 1.611_781_5e-3];
    /// Error 2^−25.4.
    const COTH: &'static [Self] = &[1.666_647_3e-1, -2.753_850_8e-3];
    /// Error 2^−31.1.
    const LN: &'static [Self] = &[6.666_666e-1, 4.000_033_7e-1, 2.853_723_8e-1, 2.358_357e-1];
    /// Error 2^−30.4.
    const LN_1P: &'static [Self] =
        &[6.666_667_5e-1, 3.999_887_7e-1, 2.861_688_4e-1, 2.142_766_3e-1, 2.430_092_5e-1];
    const GELU_POLE: Self = 3.796_875;
    const GELU_NEAR: Self = 0.906_25;
    const GELU_CENTRE: Self = 0.375;
    const GELU: &'static [Self] = &{
        let (mut c, mut i) = (GELU_32, 0);
        while i < c.len() {
            c[i] *= f32::DROP;
            i += 1;
        }
        c
    };
    const FRAC_1_SQRT_TAU: Self = 0.398_942_3;
    const LN_2: Self = std::f32::consts::LN_2;
    const SQRT_2: Self = std::f32::consts::SQRT_2;
    const SQRT_8_OVER_PI: Self = 1.595_769_2;
    const GELU_CUBIC: Self = 0.044_715;
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

/// Error 2^−54.5.
const GELU_64: [f64; 23] = [
    0.766_416_292_139_219_2,
    1.307_178_662_615_649_6,
    1.888_253_396_013_766,
    2.273_476_159_421_335,
    2.210_006_032_495_925,
    1.619_642_595_794_733_4,
    0.732_201_101_524_270_1,
    -0.013_605_790_964_056_25,
    -0.291_257_064_300_739_1,
    -0.150_952_362_070_973_54,
    0.066_639_035_709_433_53,
    0.098_936_186_613_838_16,
    -0.006_830_564_914_274_154_6,
    -0.056_582_699_241_061_59,
    -0.004_177_597_918_310_377,
    0.034_331_945_839_792_26,
    0.003_273_121_421_457_906_7,
    -0.022_634_788_841_144_414,
    0.000_151_008_565_877_662,
    0.014_699_641_460_844_189,
    -0.003_380_892_167_866_794,
    -0.006_665_322_645_413_934_5,
    0.003_556_580_528_743_760_7,
];

impl Real for f64 {
    const SIGN: Self = -0.0;
    const MAGNITUDE: Self = f64::from_bits(0x7FFF_FFFF_FFFF_FFFF);
    const TWO: Self = 2.0;
    const HALF: Self = 0.5;
    const NAN: Self = f64::NAN;
    const COUNT: &'static [Self; 17] =
        &[0., 1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12., 13., 14., 15., 16.];
    const INFINITY: Self = f64::INFINITY;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;
    const LEAST_NORMAL: Self = f64::MIN_POSITIVE;

    const ROUNDER: Self = 6_755_399_441_055_744.0;
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const MINUS_QUARTER_LOG2_E: Self = -0.25 * std::f64::consts::LOG2_E;
    const LN_2_HIGH: Self = 0.693_147_180_560_117_7;
    const LN_2_LOW: Self = -1.723_944_452_561_483_5e-13;
    const FOUR_LN_2: Self = 4.0 * std::f64::consts::LN_2;
    const FOUR_LN_2_HIGH: Self = 4.0 * Self::LN_2_HIGH;
    const FOUR_LN_2_LOW: Self = 4.0 * std::f64::consts::LN_2 - 4.0 * Self::LN_2_HIGH;
    const UPPER: Self = f64::from_bits(0xFFFF_FFFF_F800_0000);

    const EXP_MAX: Self = 710.0;
    const EXP_MIN: Self = -746.0;
    const EXP_SMALL: Self = -707.0;
    const LIFT: Self = 64.0;
    const DROP: Self = 1.0 / 18_446_744_073_709_551_616.0;
    const TANH_MAX: Self = 20.0;
    const SIGMOID_MAX: Self = 752.0;
    const GELU_MAX: Self = 38.625;

    const EXP_DROPPED: &'static [Self] = rescaled!(f64, EXP_64, 1.0, f64::DROP, from 0);
    const EXP_ALL: &'static [Self] = rescaled!(f64, EXP_64, 1.0, 1.0, from 0);
    const EXP_QUARTER: &'static [Self] = rescaled!(f64, EXP_64, -0.25, 1.0, from 1);
    const TANH_BIAS: Self = 0.165;
    /// Error 2^−60.8 relative to eʳ.
    const EXP_BIASED: &'static [Self] = &[
        0.5,
        0.166_666_666_666_666_66,
        0.041_666_666_666_666_74,
        0.008_333_333_333_333_35,
        0.001_388_888_888_883_615_8,
        0.000_198_412_698_425_258_87,
        2.480_158_744_197_065e-5,
        2.755_731_234_226_448_5e-6,
        2.755_728_732_051_238_7e-7,
        2.506_108_177_279_273e-8,
        2.063_111_688_452_197_6e-9,
        1.886_604_487_493_442_6e-10,
    ];
    /// Error 2^−59.5.
    const COTH: &'static [Self] = &[
        0.166_666_666_666_666_66,
        -0.002_777_777_777_777_763,
        6.613_756_613_708_653e-5,
        -1.653_439_145_935_279_5e-6,
        4.175_345_115_596_337e-8,
        -1.056_548_722_622_260_3e-9,
        2.607_279_921_162_398_5e-11,
    ];
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
    const GELU_NEAR: Self = 0.75;
    const GELU_CENTRE: Self = 0.5;
    const GELU: &'static [Self] = &{
        let (mut c, mut i) = (GELU_64, 0);
        while i < c.len() {
            c[i] *= f64::DROP;
            i += 1;
        }
        c
    };
    const FRAC_1_SQRT_TAU: Self = 0.398_942_280_401_432_7;
    const LN_2: Self = std::f64::consts::LN_2;
    const SQRT_2: Self = std::f64::consts::SQRT_2;
    const SQRT_8_OVER_PI: Self = 1.595_769_121_605_730_8;
    const GELU_CUBIC: Self = 0.044_715;
}
