//! The numbers that every program computes for itself, the same in each: number `index` of stream `stream` is
//! SplitMix64's output function (Steele, Lea, Flood 2014) of a counter, so that any of them can be computed alone.

/// Row by row, in [−1, 1).
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

/// The first numbers of a stream, in [−1, 1): multiples of 2⁻²³, which f32 holds exactly.
#[must_use]
pub fn numbers(stream: u64, count: usize) -> Vec<f32> {
    (0..count as u64).map(|index| (bits(stream, index) as f64 / 8_388_608.0 - 1.0) as f32).collect()
}

/// The inputs, row by row.
#[must_use]
pub fn inputs(rows: usize, columns: usize) -> Vec<f32> {
    numbers(INPUTS, rows * columns)
}

/// The classes of the rows.
#[must_use]
pub fn labels(rows: usize, classes: usize) -> Vec<u32> {
    (0..rows as u64).map(|index| (bits(LABELS, index) % classes as u64) as u32).collect()
}

/// The values that the outputs should have, row by row, from the numbers that the classes come from.
#[must_use]
pub fn values(rows: usize, outputs: usize) -> Vec<f32> {
    numbers(LABELS, rows * outputs)
}

/// The first parameters of a layer: in ±1/√inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// The size of the layer before.
    pub inputs: usize,
    /// The size of this layer.
    pub outputs: usize,
    /// Row by row, a row for each output.
    pub weights: Vec<f32>,
    /// One for each output.
    pub biases: Vec<f32>,
}

/// The layers of a network.
#[must_use]
pub fn layers(sizes: &[usize]) -> Vec<Dense> {
    let layer = |(layer, pair): (usize, &[usize])| {
        let &[inputs, outputs] = pair else { unreachable!("windows of two") };
        let stream = LAYERS + 2 * layer as u64;
        let scale = (1.0 / (inputs as f64).sqrt()) as f32;
        let scaled = |stream, count| numbers(stream, count).into_iter().map(|x| x * scale).collect();
        Dense {
            inputs,
            outputs,
            weights: scaled(stream, inputs * outputs),
            biases: scaled(stream + 1, outputs),
        }
    };
    sizes.windows(2).enumerate().map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_other_languages() {
        assert_eq!(numbers(0, 2), [0.766_621_6, -0.136_944_06]);
        assert_eq!(labels(6, 10), [0, 1, 7, 9, 3, 0]);
        assert_eq!(numbers(3, 2), [-0.810_942_05, 0.331_752_42]);
    }
}
