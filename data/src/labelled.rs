//! A data set for classification, and how it is divided.

use crate::{Error, error::counted, shuffle::permutation};
use ndarray::{Array2, ArrayViewMut2};
use num_traits::Float;

/// Samples with the class that each belongs to.
///
/// Holds by construction: one label for each row of the inputs, every label below the number of classes, and
/// inputs in row-major order, one row per sample.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledData<T> {
    /// len × features, in standard layout.
    inputs: Array2<T>,
    labels: Vec<usize>,
    class_names: Vec<String>,
    /// As many as features, or none.
    feature_names: Vec<String>,
}

/// A data set in two: what is learnt from, and what tells how well.
#[derive(Debug, Clone, PartialEq)]
pub struct Split<T> {
    /// The samples to train with.
    pub train: LabelledData<T>,
    /// The samples to test with.
    pub test: LabelledData<T>,
}

impl<T: Clone> LabelledData<T> {
    /// A data set of `inputs` (samples × features), the class of each sample, and the classes' names.
    ///
    /// Inputs in another memory order than row-major are copied into it.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when there is not one label for each row, or a label is not below the number of
    /// names.
    ///
    /// ```
    /// use chainrule_data::LabelledData;
    /// use ndarray::array;
    ///
    /// let names = ["no", "yes"].map(String::from).to_vec();
    /// let xor = LabelledData::new(array![[0., 0.], [0., 1.], [1., 0.], [1., 1.]], vec![0, 1, 1, 0], names)?;
    /// assert_eq!((xor.len(), xor.features(), xor.classes()), (4, 2, 2));
    /// assert!(LabelledData::new(array![[0.5]], vec![1], vec!["only".to_owned()]).is_err());
    /// # Ok::<(), chainrule_data::Error>(())
    /// ```
    pub fn new(inputs: Array2<T>, labels: Vec<usize>, class_names: Vec<String>) -> Result<Self, Error> {
        if labels.len() != inputs.nrows() {
            return Err(Error::Argument {
                name: "labels",
                found: counted(labels.len(), "label"),
                expected: format!("one for each of the {}", counted(inputs.nrows(), "row")),
            });
        }
        if let Some((row, label)) = labels.iter().enumerate().find(|&(_, &label)| label >= class_names.len())
        {
            return Err(Error::Argument {
                name: "labels",
                found: format!("label {label} in row {row}"),
                expected: format!("a number below {}, the number of classes", class_names.len()),
            });
        }
        let inputs =
            if inputs.is_standard_layout() { inputs } else { inputs.as_standard_layout().into_owned() };
        Ok(Self { inputs, labels, class_names, feature_names: Vec::new() })
    }

    /// This data set with names for its features.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when there are neither as many names as features nor none.
    pub fn with_feature_names(mut self, names: Vec<String>) -> Result<Self, Error> {
        if !names.is_empty() && names.len() != self.features() {
            return Err(Error::Argument {
                name: "names",
                found: counted(names.len(), "name"),
                expected: format!("one for each of the {}", counted(self.features(), "feature")),
            });
        }
        self.feature_names = names;
        Ok(self)
    }

    /// The first `count` samples for training, the others for testing.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `count` exceeds the number of samples.
    ///
    /// ```
    /// let split = chainrule_data::digits::<f64>().split_at(1500)?;
    /// assert_eq!((split.train.len(), split.test.len()), (1500, 297));
    /// # Ok::<(), chainrule_data::Error>(())
    /// ```
    pub fn split_at(mut self, count: usize) -> Result<Split<T>, Error> {
        let (samples, features) = self.inputs.dim();
        if count > samples {
            return Err(Error::Argument {
                name: "count",
                found: count.to_string(),
                expected: format!("at most {samples}, the number of samples"),
            });
        }
        let (mut front, offset) = self.inputs.into_raw_vec_and_offset();
        front.truncate(offset.unwrap_or(0) + samples * features);
        let back = front.split_off(offset.unwrap_or(0) + count * features);
        front.drain(..offset.unwrap_or(0));
        front.shrink_to_fit();
        let back_labels = self.labels.split_off(count);
        self.labels.shrink_to_fit();
        let test = Self {
            inputs: matrix(samples - count, features, back)?,
            labels: back_labels,
            class_names: self.class_names.clone(),
            feature_names: self.feature_names.clone(),
        };
        Ok(Split { train: Self { inputs: matrix(count, features, front)?, ..self }, test })
    }

    /// A random split: round(`fraction` · len) samples for training, the others for testing, both in random
    /// order.
    ///
    /// A seed means the same split on every platform and in every release: the order is Fisher and Yates'
    /// shuffle driven by `ChaCha8`, keyed with the seed. Rows are exchanged in place, so that only the test
    /// samples are copied.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `fraction` would leave either part empty.
    ///
    /// ```
    /// let split = chainrule_data::digits::<f32>().split_shuffled(0.75, 1)?;
    /// assert_eq!((split.train.len(), split.test.len()), (1348, 449));
    /// # Ok::<(), chainrule_data::Error>(())
    /// ```
    pub fn split_shuffled(mut self, fraction: f64, seed: u64) -> Result<Split<T>, Error> {
        let count = self.share(fraction)?;
        let order = permutation(self.len(), [seed, 0, 0]);
        self.reorder(order);
        self.split_at(count)
    }

    /// A random split as [`split_shuffled`](Self::split_shuffled), in which either part has the same share of
    /// every class, as nearly as whole numbers allow.
    ///
    /// Each class first gets ⌊`fraction` · its size⌋ training samples; what is missing to round(`fraction` ·
    /// len) is taken from the classes with the greatest remainders (the lower class number first where they
    /// are equal). Samples are drawn in the order of the shuffle. A class of few samples can be missing from
    /// a part.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when `fraction` would leave either part empty.
    ///
    /// ```
    /// let split = chainrule_data::digits::<f32>().split_stratified(0.5, 1)?;
    /// let (train, test) = (split.train.class_counts(), split.test.class_counts());
    /// assert!(train.iter().zip(&test).all(|(&a, &b)| a.abs_diff(b) <= 1));
    /// # Ok::<(), chainrule_data::Error>(())
    /// ```
    pub fn split_stratified(mut self, fraction: f64, seed: u64) -> Result<Split<T>, Error> {
        let count = self.share(fraction)?;
        let mut quotas = quotas(&self.class_counts(), fraction, count);
        let (mut order, rest): (Vec<_>, Vec<_>) =
            permutation(self.len(), [seed, 0, 0]).into_iter().partition(|&sample| {
                let quota = &mut quotas[self.labels[sample]];
                let chosen = *quota > 0;
                *quota -= usize::from(chosen);
                chosen
            });
        order.extend(rest);
        self.reorder(order);
        self.split_at(count)
    }

    /// The training part's size, when neither part is empty.
    fn share(&self, fraction: f64) -> Result<usize, Error> {
        let exact = fraction * self.len() as f64;
        // `to_usize` has no answer for NaN and for what lies outside of the range.
        match num_traits::ToPrimitive::to_usize(&exact.round()) {
            Some(count) if 0 < count && count < self.len() => Ok(count),
            _ => Err(Error::Argument {
                name: "fraction",
                found: format!("{fraction} of {}", counted(self.len(), "sample")),
                expected: "a share between 0 and 1 that leaves samples for both parts".to_owned(),
            }),
        }
    }

    /// Puts sample `order[i]` in place `i`; `order` is a permutation.
    fn reorder(&mut self, mut order: Vec<usize>) {
        let features = self.features();
        let inputs = self.inputs.as_slice_mut().unwrap_or_default();
        for start in 0..order.len() {
            // Along the cycle: every place takes what it should have, and hands what it had to where that
            // came from.
            let mut place = start;
            loop {
                let from = std::mem::replace(&mut order[place], place);
                if from == start {
                    break;
                }
                self.labels.swap(place, from);
                let (low, high) = (place.min(from) * features, place.max(from) * features);
                let (front, back) = inputs.split_at_mut(high);
                front[low..low + features].swap_with_slice(&mut back[..features]);
                place = from;
            }
        }
    }
}

impl<T> LabelledData<T> {
    /// The inputs: samples × features, in row-major order.
    #[must_use]
    pub fn inputs(&self) -> &Array2<T> {
        &self.inputs
    }

    /// The inputs, to be changed in place.
    pub fn inputs_mut(&mut self) -> ArrayViewMut2<'_, T> {
        self.inputs.view_mut()
    }

    /// The class of each sample.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The number of features: the inputs' columns.
    #[must_use]
    pub fn features(&self) -> usize {
        self.inputs.ncols()
    }

    /// The number of classes; every label is below it.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// The classes' names; a label is an index into them.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The features' names, one for each column of the inputs; empty when they have none.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    /// The number of samples in each class.
    #[must_use]
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes()];
        for &label in &self.labels {
            counts[label] += 1;
        }
        counts
    }

    /// The inputs and the labels.
    #[must_use]
    pub fn into_parts(self) -> (Array2<T>, Vec<usize>) {
        (self.inputs, self.labels)
    }
}

impl<T: Float> LabelledData<T> {
    /// The labels as a matrix, samples × classes, with 1 in the class's column and 0 elsewhere.
    ///
    /// ```
    /// let targets = chainrule_data::digits::<f32>().one_hot();
    /// assert_eq!(targets.dim(), (1797, 10));
    /// assert_eq!(targets[[3, 3]], 1.0); // the first ten images show 0 to 9
    /// assert_eq!(targets.sum(), 1797.0);
    /// ```
    #[must_use]
    pub fn one_hot(&self) -> Array2<T> {
        let mut targets = Array2::zeros((self.len(), self.classes()));
        for (mut row, &label) in targets.rows_mut().into_iter().zip(&self.labels) {
            row[label] = T::one();
        }
        targets
    }
}

/// How many samples of each class belong to a part of `count` samples that is `fraction` of the whole.
fn quotas(sizes: &[usize], fraction: f64, count: usize) -> Vec<usize> {
    let exact: Vec<f64> = sizes.iter().map(|&size| fraction * size as f64).collect();
    let mut quotas: Vec<usize> =
        exact.iter().map(|share| num_traits::ToPrimitive::to_usize(share).unwrap_or(0)).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    // A stable sort: equal remainders stay in the order of the classes.
    by_remainder.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let mut missing = count.saturating_sub(quotas.iter().sum());
    for class in by_remainder {
        if missing > 0 && quotas[class] < sizes[class] {
            quotas[class] += 1;
            missing -= 1;
        }
    }
    quotas
}

/// `values` as a matrix of `rows` × `columns`.
pub(crate) fn matrix<T>(rows: usize, columns: usize, values: Vec<T>) -> Result<Array2<T>, Error> {
    let length = values.len();
    Array2::from_shape_vec((rows, columns), values).map_err(|error| Error::Argument {
        name: "values",
        found: counted(length, "value"),
        expected: format!("{rows} × {columns} ({error})"),
    })
}

/// The names `0`, `1`, … of `count` classes that have no others.
pub(crate) fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Axis, Slice};
    use proptest::prelude::*;

    fn sample_data(labels: Vec<usize>, classes: usize) -> LabelledData<f64> {
        let inputs = Array2::from_shape_fn((labels.len(), 3), |(row, column)| (3 * row + column) as f64);
        LabelledData::new(inputs, labels, numbers(classes)).unwrap()
    }

    /// Which sample of `sample_data` a row is.
    fn origins(part: &LabelledData<f64>) -> Vec<usize> {
        part.inputs()
            .rows()
            .into_iter()
            .map(|row| {
                assert_eq!((row[1] - row[0], row[2] - row[0]), (1.0, 2.0), "a row was torn apart");
                num_traits::ToPrimitive::to_usize(&(row[0] / 3.0)).unwrap()
            })
            .collect()
    }

    #[test]
    fn a_sliced_owned_array_is_split_at_its_own_rows() {
        let mut middle = Array2::from_shape_fn((6, 2), |(row, column)| 10 * row + column);
        middle.slice_axis_inplace(Axis(0), Slice::from(1..5));
        let split = LabelledData::new(middle, vec![0; 4], numbers(1)).unwrap().split_at(1).unwrap();
        assert_eq!(split.train.inputs(), ndarray::array![[10, 11]]);
        assert_eq!(split.test.inputs(), ndarray::array![[20, 21], [30, 31], [40, 41]]);
    }

    #[test]
    fn columns_first_inputs_become_rows_first() {
        let turned = ndarray::array![[1, 2, 3], [4, 5, 6]].reversed_axes();
        let split = LabelledData::new(turned, vec![0, 1, 0], numbers(2)).unwrap().split_at(2).unwrap();
        assert_eq!(split.train.inputs(), ndarray::array![[1, 4], [2, 5]]);
        assert_eq!(split.test.inputs(), ndarray::array![[3, 6]]);
    }

    #[test]
    fn no_features_and_no_rows_are_possible() {
        let split = LabelledData::new(Array2::<f32>::zeros((4, 0)), vec![0; 4], numbers(1)).unwrap();
        assert_eq!(split.split_shuffled(0.5, 3).unwrap().test.len(), 2);
        let empty = LabelledData::new(Array2::<f32>::zeros((0, 4)), vec![], numbers(1)).unwrap();
        assert_eq!(empty.clone().split_at(0).unwrap().train.len(), 0);
        assert!(empty.split_shuffled(0.5, 3).is_err());
    }

    #[test]
    fn shares_that_leave_a_part_empty_are_refused() {
        for fraction in [0.0, 1.0, -0.5, 2.0, 0.04, 0.96, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
            let error = sample_data(vec![0; 10], 1).split_stratified(fraction, 0).unwrap_err();
            assert!(matches!(error, Error::Argument { name: "fraction", .. }), "{fraction}: {error}");
        }
        assert!(sample_data(vec![0; 10], 1).split_at(11).is_err());
    }

    proptest! {
        #[test]
        fn a_split_keeps_every_sample_once(
            labels in prop::collection::vec(0_usize..4, 2..80),
            seed: u64,
            stratified: bool,
            fraction in 0.0..1.0,
        ) {
            let data = sample_data(labels.clone(), 4);
            let split = if stratified {
                data.split_stratified(fraction, seed)
            } else {
                data.split_shuffled(fraction, seed)
            };
            prop_assume!(split.is_ok());
            let split = split.unwrap();
            let (train, test) = (origins(&split.train), origins(&split.test));
            for (part, origins) in [(&split.train, &train), (&split.test, &test)] {
                for (label, &origin) in part.labels().iter().zip(origins) {
                    prop_assert_eq!(*label, labels[origin]);
                }
            }
            let mut all = [train, test].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            if stratified {
                let whole = sample_data(labels, 4).class_counts();
                for (part, all) in split.train.class_counts().into_iter().zip(whole) {
                    prop_assert!((part as f64 - fraction * all as f64).abs() <= 1.0);
                }
            }
        }
    }
}
