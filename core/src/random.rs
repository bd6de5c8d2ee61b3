//! Random numbers that are the same on every platform and in every release.
//!
//! The generator is ChaCha8 from `chacha20`; what is drawn from it is defined here, by exact arithmetic and by `libm`,
//! so that neither the platform's mathematical library nor a new release of a crate changes what a seed means.

use chacha20::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// What random numbers are for. Each purpose has a stream of its own under one seed, so that drawing more for one
/// does not change the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stream {
    /// The initial parameters.
    Initial,
    /// The order of the samples in an epoch.
    Order {
        /// The epoch, counted from 1.
        epoch: u64,
    },
    /// How a data set is split.
    Split,
    /// Noise within a training step, such as dropout's.
    Noise {
        /// The step since training began, counted from 0.
        step: u64,
        /// The layer.
        layer: u64,
    },
}

/// A seeded generator.
///
/// ```
/// use chainrule_core::random::{Generator, Stream};
/// let mut generator = Generator::new(7, Stream::Initial);
/// assert_eq!(generator.uniform(), 0.764_109_042_047_738);
/// ```
#[derive(Debug)]
pub struct Generator(ChaCha8Rng);

// `ChaCha8Rng` leaves that to others, lest keys be copied by chance.
impl Clone for Generator {
    fn clone(&self) -> Self {
        let mut chacha = ChaCha8Rng::from_seed(self.0.get_seed());
        chacha.set_stream(self.0.get_stream());
        chacha.set_word_pos(self.0.get_word_pos());
        Self(chacha)
    }
}

impl Generator {
    /// The generator of a seed for a purpose. The seed is the low 8 bytes of ChaCha's key, the others are 0.
    #[must_use]
    pub fn new(seed: u64, stream: Stream) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        // Two bits name the purpose, the others count within it.
        let stream = match stream {
            Stream::Initial => 0,
            Stream::Order { epoch } => 1 | epoch << 2,
            Stream::Split => 3,
            Stream::Noise { step, layer } => 2 | layer << 2 | step << 18,
        };
        let mut chacha = ChaCha8Rng::from_seed(key);
        chacha.set_stream(stream);
        Self(chacha)
    }

    /// Uniform in [0, 1), a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (-53f64).exp2()
    }

    /// N(0, 1), by Marsaglia's polar method.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * libm::sqrt(-2.0 * libm::log(s) / s);
            }
        }
    }

    /// Uniform in 0..n, without bias (Lemire, arXiv 1805.10941); 0 for n = 0.
    pub fn below(&mut self, n: u64) -> u64 {
        let threshold = n.wrapping_neg().checked_rem(n).unwrap_or(0);
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(n);
            #[expect(clippy::cast_possible_truncation, reason = "the low half is what is compared")]
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// A random permutation in place, by Fisher and Yates.
    pub fn shuffle<E>(&mut self, items: &mut [E]) {
        for last in (1..items.len()).rev() {
            #[expect(clippy::cast_possible_truncation, reason = "at most `last`, which is a usize")]
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_the_distributions() {
        let mut generator = Generator::new(1, Stream::Initial);
        let n = 100_000;
        let uniform: Vec<f64> = (0..n).map(|_| generator.uniform()).collect();
        let normal: Vec<f64> = (0..n).map(|_| generator.normal()).collect();
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let square = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
        // Five standard errors.
        assert!((mean(&uniform) - 0.5).abs() < 5.0 * (1.0 / 12.0 / f64::from(n)).sqrt());
        assert!(mean(&normal).abs() < 5.0 / f64::from(n).sqrt());
        assert!((square(&normal) - 1.0).abs() < 5.0 * (2.0 / f64::from(n)).sqrt());
    }

    #[test]
    fn every_permutation_is_as_likely() {
        let mut counts = std::collections::HashMap::new();
        let mut generator = Generator::new(2, Stream::Order { epoch: 1 });
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            generator.shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|&count| (850..1150).contains(&count)), "{counts:?}");
    }

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let draw = |seed, stream| {
            let mut generator = Generator::new(seed, stream);
            (generator.below(1000), generator.below(1 << 40), generator.normal())
        };
        assert_eq!(draw(0, Stream::Initial), GOLDEN[0]);
        assert_eq!(draw(42, Stream::Order { epoch: 3 }), GOLDEN[1]);
        assert_eq!(draw(42, Stream::Noise { step: 5, layer: 1 }), GOLDEN[2]);
        assert_ne!(draw(0, Stream::Split), GOLDEN[0]);
    }

    #[test]
    fn a_clone_draws_the_same() {
        let mut generator = Generator::new(9, Stream::Noise { step: 2, layer: 3 });
        // Within a block and beyond it.
        for draws in [0, 1, 5, 100] {
            for _ in 0..draws {
                generator.uniform();
            }
            let mut clone = generator.clone();
            for _ in 0..50 {
                assert_eq!(clone.uniform().to_bits(), generator.uniform().to_bits(), "after {draws} more");
            }
        }
    }

    /// Computed by another program, from the definition of ChaCha8 and of the methods above.
    const GOLDEN: [(u64, u64, f64); 3] = [
        (836, 694_258_573_288, -0.300_878_308_498_644_66),
        (855, 473_421_903_538, -0.132_956_856_364_354_53),
        (156, 1_098_857_605_596, 0.345_981_652_372_57),
    ];
}
