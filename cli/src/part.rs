//! Some rows of data, each with what is to be learnt of it, and how rows are pictures.

use chainrule::{Dataset, Scalar};
use chainrule_data::Answers;
use chainrule_report::Channels;
use ndarray::{Array2, Axis};

use crate::failure::Failure;

/// How rows of the inputs are pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) channels: Channels,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Pixels {
    /// Of rows of so many dimensions: height × width, with one channel or three before or after.
    pub(crate) fn of(shape: &[usize]) -> Option<Self> {
        let (channels, height, width) = match *shape {
            [height, width] | [1, height, width] | [height, width, 1] => (Channels::Grey, height, width),
            [height, width, 3] => (Channels::Interleaved, height, width),
            [3, height, width] => (Channels::Planes, height, width),
            _ => return None,
        };
        (height > 1 && width > 1).then_some(Self { channels, width, height })
    }
}

/// Samples with what is to be learnt of them.
#[derive(Clone, Debug)]
pub(crate) struct Part<T> {
    pub(crate) inputs: Array2<T>,
    pub(crate) answers: Answers<T>,
    /// How much each counts, if not alike.
    pub(crate) weights: Option<Vec<T>>,
}

impl<T: Scalar> Part<T> {
    pub(crate) fn new(inputs: Array2<T>, answers: Answers<T>) -> Self {
        Self { inputs, answers, weights: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.inputs.nrows()
    }

    /// Some of the rows, in this order.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let answers = match &self.answers {
            Answers::Classes(labels) => Answers::Classes(rows.iter().map(|&row| labels[row]).collect()),
            Answers::Values(values) => Answers::Values(values.select(Axis(0), rows)),
        };
        let weights = self.weights.as_ref().map(|weights| rows.iter().map(|&row| weights[row]).collect());
        Self { inputs: self.inputs.select(Axis(0), rows), answers, weights }
    }

    /// Those for training, validation and test, where there are any. Weights are for training alone: what is measured counts rows alike.
    pub(crate) fn held_out(&self, rows: &chainrule::Split) -> [Option<Self>; 3] {
        let some = |rows: &[usize]| (!rows.is_empty()).then(|| self.select(rows));
        let alike = |part: Self| Self { weights: None, ..part };
        [some(&rows.train), some(&rows.validation).map(alike), some(&rows.test).map(alike)]
    }

    /// As the library takes them.
    pub(crate) fn dataset(&self) -> Result<Dataset<'_, T>, Failure> {
        let data = match &self.answers {
            Answers::Classes(labels) => Dataset::classes(&self.inputs, labels)?,
            Answers::Values(values) => Dataset::values(&self.inputs, values)?,
        };
        Ok(match &self.weights {
            Some(weights) => data.weighted(weights)?,
            None => data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_tell_pictures() {
        let of = |shape: &[usize]| Pixels::of(shape).map(|p| (p.channels, p.height, p.width));
        assert_eq!(of(&[28, 20]), Some((Channels::Grey, 28, 20)));
        assert_eq!(of(&[1, 28, 20]), Some((Channels::Grey, 28, 20)));
        assert_eq!(of(&[32, 30, 3]), Some((Channels::Interleaved, 32, 30)));
        assert_eq!(of(&[3, 32, 30]), Some((Channels::Planes, 32, 30)));
        for none in [&[][..], &[64], &[1, 64], &[2, 8, 8], &[2, 3, 8, 8]] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
