//! What the memory of this machine gives, and where a workload lies under the roof that it makes.

use std::hint::black_box;
use std::time::Instant;

/// Bytes a second that one thread reads, in 10⁹.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bandwidths {
    /// Of 256 KiB: from the second-level cache.
    pub cache: f64,
    /// Of 256 MiB.
    pub memory: f64,
}

pub(crate) fn bandwidths() -> Bandwidths {
    Bandwidths { cache: read(1 << 15), memory: read(1 << 25) }
}

/// Reads so many words again and again for some tenths of a second; the best.
fn read(words: usize) -> f64 {
    const CHAINS: usize = 32;
    let data = vec![1u64; words];
    let mut best = 0.0;
    let begun = Instant::now();
    while begun.elapsed().as_secs_f64() < 0.3 {
        let times = (1 << 22) / words + 1;
        let start = Instant::now();
        for _ in 0..times {
            let mut sums = [0u64; CHAINS];
            for chunk in black_box(&data).as_chunks::<CHAINS>().0 {
                for (sum, word) in sums.iter_mut().zip(chunk) {
                    *sum ^= word;
                }
            }
            black_box(sums);
        }
        best = f64::max(best, (8 * words * times) as f64 / start.elapsed().as_secs_f64() / 1e9);
    }
    best
}

/// Operations for each byte that a step of a workload has to read or write at least once: all weights (in training they are read
/// twice and written), the batch, and every activation twice. None for a workload that is not one of the list.
pub(crate) fn intensity(workload: &str) -> Option<f64> {
    let (sizes, batch, train): (&[usize], usize, bool) = match workload {
        "W1" => (&[784, 30, 10], 10, true),
        "W2" => (&[784, 128, 10], 32, true),
        "W3" => (&[784, 512, 512, 10], 128, true),
        "W4" => (&[1024, 2048, 2048, 1024, 10], 512, true),
        "W5" => (&[4, 16, 16, 3], 8, true),
        "W6a" => (&[784, 128, 10], 1, false),
        "W6b" => (&[784, 128, 10], 1000, false),
        // Adam keeps two more numbers for each weight, but they stay in the first-level cache.
        "W7" => (&[4, 32, 16, 4], 10_000, true),
        "W8" => (&[6, 64, 8, 4], 1, false),
        _ => return None,
    };
    let weights: usize = sizes.windows(2).map(|pair| pair[0] * pair[1] + pair[1]).sum();
    let products: usize = sizes.windows(2).map(|pair| 2 * pair[0] * pair[1]).sum();
    let activations: usize = sizes[1..].iter().sum();
    let (flops, words) = if train {
        (3 * products - 2 * sizes[0] * sizes[1], 3 * weights + batch * (2 * sizes[0] + 4 * activations))
    } else {
        (products, weights + batch * (sizes[0] + 2 * activations))
    };
    Some((batch * flops) as f64 / (4 * words) as f64)
}

/// The same of a product `MxKxN`, each operand once.
pub(crate) fn product_intensity(shape: &str) -> Option<f64> {
    let sizes: Vec<f64> = shape.split('x').filter_map(|size| size.parse().ok()).collect();
    let &[m, k, n] = sizes.as_slice() else { return None };
    Some(2.0 * m * k * n / (4.0 * (m * k + k * n + m * n)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intensities() {
        assert!((product_intensity("16x16x16").unwrap() - 16.0 / 6.0).abs() < 1e-12);
        assert_eq!(product_intensity("16"), None);
        // One sample: two operations for each weight of four bytes.
        assert!((intensity("W6a").unwrap() - 0.5).abs() < 0.01);
        assert!(intensity("W4") > intensity("W1"));
    }
}
