//! The one source of chance in this crate: a permutation that depends on its seed alone.

use chacha20::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// The numbers 0 to `count` − 1 in an order drawn from all orders with equal probability.
///
/// Part of the contract of every split, so it must never change: the generator is `ChaCha` with 8 rounds
/// whose 32-byte key is the three numbers in little endian, then zeros; Fisher and Yates' exchanges run from the last
/// place down to the second.
pub(crate) fn permutation(count: usize, key: [u64; 3]) -> Vec<usize> {
    let mut seed = [0; 32];
    for (bytes, number) in seed.chunks_exact_mut(8).zip(key) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    let mut generator = ChaCha8Rng::from_seed(seed);
    let mut order: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        order.swap(place, below(&mut generator, place));
    }
    order
}

/// A whole number from 0 to `last`, both included, each equally probable.
///
/// The generator's next 64 bits modulo the range's size; draws at or above the greatest multiple of that size
/// are thrown away, since they would favour the small numbers.
fn below(generator: &mut impl Rng, last: usize) -> usize {
    let size = last as u64 + 1;
    // 2⁶⁴ mod size: that many draws at the top are one too many.
    let surplus = (u64::MAX % size + 1) % size;
    loop {
        let draw = generator.next_u64();
        if draw <= u64::MAX - surplus {
            // The remainder is at most `last`, which is a usize.
            return usize::try_from(draw % size).unwrap_or(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with an implementation of `ChaCha8` and of the shuffle written apart from this one, in
    /// another language.
    #[test]
    fn a_seed_means_this_order_for_ever() {
        assert_eq!(permutation(10, [0, 0, 0]), [3, 0, 5, 9, 6, 7, 2, 4, 1, 8]);
        assert_eq!(permutation(10, [42, 0, 0]), [2, 1, 4, 3, 7, 0, 5, 8, 6, 9]);
        assert_eq!(permutation(10, [u64::MAX, 0, 0]), [9, 3, 5, 8, 2, 4, 6, 0, 1, 7]);
        let long = permutation(1797, [42, 0, 0]);
        assert_eq!(long[..8], [1752, 1771, 1063, 96, 1529, 1314, 493, 842]);
        assert_eq!(long[1793..], [258, 267, 1571, 296]);
        assert_eq!(permutation(0, [1, 0, 0]), [0; 0]);
        assert_eq!(permutation(1, [1, 0, 0]), [0]);
    }

    /// A generator that hands out what it is given.
    struct Given(std::vec::IntoIter<u64>);

    impl chacha20::rand_core::TryRng for Given {
        type Error = std::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            unreachable!("whole words are drawn")
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(self.0.next().expect("no draw is wasted"))
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
            unreachable!("whole words are drawn")
        }
    }

    #[test]
    fn draws_that_would_favour_small_numbers_are_thrown_away() {
        // 2⁶⁴ = 3 · 6148914691236517205 + 1: the last draw is one too many.
        assert_eq!(below(&mut Given(vec![u64::MAX, 5].into_iter()), 2), 2);
        assert_eq!(below(&mut Given(vec![u64::MAX - 1].into_iter()), 2), 2);
        // 2⁶⁴ is a multiple of 4: none is.
        assert_eq!(below(&mut Given(vec![u64::MAX].into_iter()), 3), 3);
    }
}
