//! Numbers that programs in other languages compute as well, so that they start from the same network and data.
//!
//! Number `index` of stream `stream` is SplitMix64's output function (Steele, Lea and Flood 2014) of a counter. The same stands in
//! `bench/peers/common/src/data.rs` and in `bench/peers/python/common.py`; tests hold each against the same figures.

use chainrule::{Network, Scalar};
use ndarray::Array2;

const INPUTS: u64 = 0;
const LABELS: u64 = 1;
/// Two streams for each layer: its weights, its biases.
const LAYERS: u64 = 2;

/// 24 bits.
fn bits(stream: u64, index: u64) -> u64 {
    let mut z = (index + 1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(stream.wrapping_mul(0xD1B5_4A32_D192_ED03));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) >> 40
}

/// A number in [−1, 1), a multiple of 2⁻²³, which f32 holds exactly.
fn number(stream: u64, index: usize) -> f64 {
    bits(stream, index as u64) as f64 / 8_388_608.0 - 1.0
}

/// The inputs, a row for each sample.
pub(crate) fn inputs<T: Scalar>(rows: usize, columns: usize) -> Array2<T> {
    Array2::from_shape_fn((rows, columns), |(row, column)| T::of(number(INPUTS, row * columns + column)))
}

/// The classes of the samples.
pub(crate) fn labels(rows: usize, classes: usize) -> Vec<usize> {
    let class = |row| usize::try_from(bits(LABELS, row as u64) % classes as u64).unwrap_or(0);
    (0..rows).map(class).collect()
}

/// Values in [−1, 1), a row for each sample, from the numbers that the classes come from.
pub(crate) fn values<T: Scalar>(rows: usize, columns: usize) -> Array2<T> {
    Array2::from_shape_fn((rows, columns), |(row, column)| T::of(number(LABELS, row * columns + column)))
}

/// Gives every dense layer its first parameters: in ±1/√inputs, rounded as single precision rounds them.
pub(crate) fn fill<T: Scalar>(network: &mut Network<T>) {
    for layer in 0..network.layers().len() {
        let stream = LAYERS + 2 * layer as u64;
        let Some(inputs) = network.weights(layer).map(|w| w.ncols()) else { continue };
        #[allow(clippy::cast_possible_truncation, reason = "the rounding that the other programs do")]
        let scaled = |stream, index| {
            let scale = (1.0 / (inputs as f64).sqrt()) as f32;
            T::of(f64::from(number(stream, index) as f32 * scale))
        };
        if let Some(mut weights) = network.weights_mut(layer) {
            for ((row, column), w) in weights.indexed_iter_mut() {
                *w = scaled(stream, row * inputs + column);
            }
        }
        if let Some(mut bias) = network.bias_mut(layer) {
            for (index, b) in bias.iter_mut().enumerate() {
                *b = scaled(stream + 1, index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_other_languages() {
        assert_eq!(
            inputs::<f64>(1, 2).as_slice(),
            Some(&[0.766_621_589_660_644_5, -0.136_944_055_557_250_98][..])
        );
        assert_eq!(labels(6, 10), [0, 1, 7, 9, 3, 0]);
        for (index, known) in [-0.810_942_053_794_860_8, 0.331_752_419_471_740_7].into_iter().enumerate() {
            assert_eq!(number(3, index).to_bits(), f64::to_bits(known));
        }
    }
}
