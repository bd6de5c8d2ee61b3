//! How values are distributed.

use chainrule_core::Scalar;
use num_traits::ToPrimitive;

/// The number of bins.
const BINS: usize = 40;

/// How the values of a parameter, or of its gradient, are distributed: counts in bins of equal width, and moments.
///
/// ```
/// let histogram = chainrule_report::Histogram::new("0.bias", &[1.0_f32, 2.0, 2.0, 5.0, f32::NAN]);
/// assert_eq!((histogram.count, histogram.non_finite), (4, 1));
/// assert_eq!((histogram.min, histogram.mean(), histogram.max), (1.0, 2.5, 5.0));
/// assert_eq!(histogram.bins.iter().sum::<u64>(), 4);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// What the values are, such as `0.weight`.
    pub name: String,
    /// How many are finite; all that follows is about these.
    pub count: u64,
    /// How many are NaN or infinite.
    pub non_finite: u64,
    /// How many are 0.
    pub zeros: u64,
    /// The smallest, or 0 if there is none.
    pub min: f64,
    /// The largest, or 0 if there is none.
    pub max: f64,
    /// Their sum.
    pub sum: f64,
    /// The sum of their squares.
    pub sum_of_squares: f64,
    /// Where the first bin begins.
    pub low: f64,
    /// Where the last bin ends.
    pub high: f64,
    /// How many are in each bin; no bins if there are no values.
    pub bins: Vec<u64>,
}

impl Histogram {
    /// Of these values.
    #[must_use]
    pub fn new<T: Scalar>(name: impl Into<String>, values: &[T]) -> Self {
        let mut histogram = Self { name: name.into(), ..Self::default() };
        let finite = || values.iter().map(|value| value.as_f64()).filter(|value| value.is_finite());
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in finite() {
            (min, max) = (min.min(value), max.max(value));
            histogram.count += 1;
            histogram.zeros += u64::from(value == 0.0);
            histogram.sum += value;
            histogram.sum_of_squares += value * value;
        }
        histogram.non_finite = values.len() as u64 - histogram.count;
        if histogram.count == 0 {
            return histogram;
        }
        (histogram.min, histogram.max) = (min, max);
        // Bins need some width.
        let pad = if max > min {
            0.0
        } else if min == 0.0 {
            0.5
        } else {
            min.abs() / 2.0
        };
        (histogram.low, histogram.high) = (min - pad, max + pad);
        histogram.bins = vec![0; BINS];
        // Halves, since the difference of two large numbers may have no room.
        let half = |value: f64| value / 2.0 - histogram.low / 2.0;
        let width = half(histogram.high);
        for value in finite() {
            let place = (half(value) / width * BINS as f64).to_usize().unwrap_or(0);
            histogram.bins[place.min(BINS - 1)] += 1;
        }
        histogram
    }

    /// Their mean; 0 if there are none.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    /// Their standard deviation √(mean of squares − mean²).
    #[must_use]
    pub fn deviation(&self) -> f64 {
        (self.sum_of_squares / self.count.max(1) as f64 - self.mean().powi(2)).max(0.0).sqrt()
    }

    /// The upper end of a bin.
    #[must_use]
    pub fn edge(&self, bin: usize) -> f64 {
        let share = (bin + 1) as f64 / self.bins.len().max(1) as f64;
        self.low * (1.0 - share) + self.high * share
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_value_is_in_the_bin_of_its_size(values in proptest::collection::vec(any::<f64>(), 0..200)) {
            let histogram = Histogram::new("w", &values);
            prop_assert_eq!(histogram.count + histogram.non_finite, values.len() as u64);
            prop_assert_eq!(histogram.bins.iter().sum::<u64>(), histogram.count);
            prop_assert!(values.iter().all(|&v| !v.is_finite() || (histogram.min <= v && v <= histogram.max)));
        }

        #[test]
        fn edges_part_the_values(values in proptest::collection::vec(-1e3..1e3_f64, 1..200), bin in 0..BINS) {
            let histogram = Histogram::new("w", &values);
            // At the edge itself, rounding decides.
            let slack = 1e-9 * (histogram.high - histogram.low);
            let below = |edge: f64| values.iter().filter(|&&v| v < edge).count() as u64;
            let counted = histogram.bins[..=bin].iter().sum::<u64>();
            prop_assert!(below(histogram.edge(bin) - slack) <= counted && counted <= below(histogram.edge(bin) + slack).max(counted.min(histogram.count)));
            prop_assert_eq!(histogram.edge(BINS - 1).to_bits(), histogram.high.to_bits());
        }
    }

    #[test]
    fn values_that_are_alike_have_a_bin() {
        for value in [0.0, -3.0, 1e300, f64::MAX, f64::MIN] {
            let histogram = Histogram::new("w", &[value; 7]);
            assert_eq!(histogram.bins.iter().max(), Some(&7), "{value}");
            assert_eq!((histogram.min, histogram.max), (value, value));
        }
        let extremes = Histogram::new("w", &[f64::MIN, 0.0, f64::MAX]);
        assert_eq!((extremes.bins[0], extremes.bins[BINS / 2], extremes.bins[BINS - 1]), (1, 1, 1));
        assert_eq!(Histogram::new::<f64>("w", &[]), Histogram { name: "w".into(), ..Histogram::default() });
    }

    #[test]
    fn moments_are_those_of_the_values() {
        let histogram = Histogram::new("w", &[1.0, 3.0, f64::INFINITY, 0.0, 0.0]);
        assert_eq!((histogram.mean(), histogram.zeros, histogram.non_finite), (1.0, 2, 1));
        assert!((histogram.deviation() - 1.5_f64.sqrt()).abs() < 1e-15);
    }
}
