//! A curve of one line.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A curve of block characters, from the smallest value (▁) to the largest (█), at most `width` characters wide.
///
/// Where there are more values than characters, each character stands for the mean of some. One that is not finite leaves a space.
/// For losses over several magnitudes, pass their logarithms.
///
/// ```
/// use chainrule_report::sparkline;
/// assert_eq!(sparkline(&[8.0, 4.0, 2.0, 1.0], 40), "█▄▂▁");
/// assert_eq!(sparkline(&[8.0, 8.0, 1.0, 1.0], 2), "█▁");
/// ```
#[must_use]
pub fn sparkline(values: &[f64], width: usize) -> String {
    let width = width.min(values.len());
    let mean = |column: usize| {
        let part = &values[column * values.len() / width..(column + 1) * values.len() / width];
        let finite = part.iter().filter(|value| value.is_finite());
        let n = finite.clone().count();
        // Divided first: a sum may have no room.
        (n > 0).then(|| finite.map(|value| value / n as f64).sum::<f64>())
    };
    let means: Vec<_> = (0..width).map(mean).collect();
    let low = means.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    let block = |value: f64| {
        let height = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        let last = BLOCKS.len() - 1;
        // NaN, where all are alike, is low.
        BLOCKS[num_traits::ToPrimitive::to_usize(&(height * last as f64).round()).unwrap_or(0).min(last)]
    };
    means.into_iter().map(|mean| mean.map_or(' ', block)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_has_no_value_is_a_space() {
        assert_eq!(sparkline(&[1.0, f64::NAN, 0.0, f64::INFINITY], 9), "█ ▁ ");
        assert_eq!(sparkline(&[f64::NAN, 2.0, 1.0, 1.0], 2), "█▁");
        assert_eq!(sparkline(&[3.0; 5], 5), "▁▁▁▁▁");
        assert_eq!(sparkline(&[f64::MIN, 0.0, f64::MAX], 3), "▁▅█");
    }

    proptest! {
        #[test]
        fn a_line_obeys_its_width(values in proptest::collection::vec(any::<f64>(), 0..300), width in 0..100_usize) {
            prop_assert_eq!(sparkline(&values, width).chars().count(), width.min(values.len()));
        }
    }
}
