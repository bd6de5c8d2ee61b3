//! How a data set is divided, and how its classes are weighed.

use crate::random::{Generator, Stream};
use crate::{Error, Result};

/// The rows of a data set in three parts: to learn from, to choose by, and to tell how well.
///
/// The parts are numbers of rows, so that nothing is copied. A seed means the same split on every platform and in every release.
///
/// ```
/// use chainrule_core::Split;
/// let split = Split::random(10, 0.2, 0.1, 7)?;
/// assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (7, 2, 1));
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// The rows to train on.
    pub train: Vec<usize>,
    /// The rows to stop, or to choose settings, by.
    pub validation: Vec<usize>,
    /// The rows that nothing was chosen by.
    pub test: Vec<usize>,
}

/// round(fraction · n), and the same of the other, if something is left for training.
fn shares(n: usize, validation: f64, test: f64) -> Result<[usize; 2]> {
    let fits = |x: f64| (0.0..1.0).contains(&x);
    if !fits(validation) || !fits(test) {
        let wrong = if fits(validation) { test } else { validation };
        return Err(Error::setting("a part of the data set", wrong, "a share from 0 to below 1"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to n")]
    let shares = [validation, test].map(|share| (share * n as f64).round() as usize);
    if shares[0] + shares[1] >= n {
        let found = format!("{validation} and {test} of {n} rows");
        let name = "the parts for validation and test";
        return Err(Error::setting(name, found, "shares that leave rows to train on"));
    }
    Ok(shares)
}

impl Split {
    /// Splits n rows at random: round(`validation` n) and round(`test` n) rows for these, the others to train on, all in
    /// random order.
    ///
    /// # Errors
    /// [`Error::Setting`] for shares outside of 0 to 1, or that leave nothing to train on.
    pub fn random(n: usize, validation: f64, test: f64, seed: u64) -> Result<Self> {
        let [validation, test] = shares(n, validation, test)?;
        let mut train: Vec<usize> = (0..n).collect();
        Generator::new(seed, Stream::Split).shuffle(&mut train);
        let test = train.split_off(n - test);
        let validation = train.split_off(train.len() - validation);
        Ok(Self { train, validation, test })
    }

    /// Splits rows at random such that every part has the same share of each class, as nearly as whole numbers allow.
    ///
    /// Of each class, a part gets ⌊share · size⌋ rows, and the classes with the greatest remainders one more until the part is as large
    /// as by [`Split::random`]; of equal remainders the lower class comes first.
    ///
    /// # Errors
    /// As [`Split::random`].
    pub fn stratified(labels: &[usize], validation: f64, test: f64, seed: u64) -> Result<Self> {
        let n = labels.len();
        let counts = shares(n, validation, test)?;
        let mut classes = labels.to_vec();
        classes.sort_unstable();
        classes.dedup();
        let class_of = |row: usize| classes.binary_search(&labels[row]).unwrap_or_default();
        let mut sizes = vec![0_usize; classes.len()];
        (0..n).for_each(|row| sizes[class_of(row)] += 1);
        let mut left = sizes.clone();
        let mut quotas = [validation, test].into_iter().zip(counts).map(|(share, count)| {
            let quotas = quotas(&sizes, &left, share, count);
            left.iter_mut().zip(&quotas).for_each(|(left, quota)| *left -= quota);
            quotas
        });
        let (mut to_validation, mut to_test) =
            (quotas.next().unwrap_or_default(), quotas.next().unwrap_or_default());
        let mut order: Vec<usize> = (0..n).collect();
        Generator::new(seed, Stream::Split).shuffle(&mut order);
        let mut split = Self::default();
        for row in order {
            let class = class_of(row);
            let part = if to_validation[class] > 0 {
                to_validation[class] -= 1;
                &mut split.validation
            } else if to_test[class] > 0 {
                to_test[class] -= 1;
                &mut split.test
            } else {
                &mut split.train
            };
            part.push(row);
        }
        Ok(split)
    }
}

/// How many rows of each class a part of `count` rows gets, of those `left`.
fn quotas(sizes: &[usize], left: &[usize], share: f64, count: usize) -> Vec<usize> {
    let exact: Vec<f64> = sizes.iter().map(|&size| share * size as f64).collect();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a size")]
    let mut quotas: Vec<usize> =
        exact.iter().zip(left).map(|(x, &left)| (x.floor() as usize).min(left)).collect();
    let mut by_remainder: Vec<usize> = (0..sizes.len()).collect();
    // A stable sort: equal remainders stay in the order of the classes.
    by_remainder.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let mut missing = count.saturating_sub(quotas.iter().sum());
    // Once around is enough unless classes have run out.
    while missing > 0 {
        let before = missing;
        for &class in &by_remainder {
            if missing > 0 && quotas[class] < left[class] {
                quotas[class] += 1;
                missing -= 1;
            }
        }
        if missing == before {
            break;
        }
    }
    quotas
}

/// A weight for each class such that all count alike: n / (k n_c), for n rows, k classes that occur, and n_c rows of the class; 0 for a
/// class without rows. scikit-learn's `class_weight="balanced"`.
///
/// ```
/// let weights = chainrule_core::balanced_weights(&[0, 0, 0, 1], 2)?;
/// assert_eq!(weights, [4.0 / 6.0, 2.0]);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Empty`] without labels, [`Error::Label`] for one that is not among the classes.
pub fn balanced_weights(labels: &[usize], classes: usize) -> Result<Vec<f64>> {
    if labels.is_empty() {
        return Err(Error::Empty { what: "the list of labels", expected: "label" });
    }
    let mut counts = vec![0_usize; classes];
    for (row, &label) in labels.iter().enumerate() {
        *counts.get_mut(label).ok_or(Error::Label { row, label, classes })? += 1;
    }
    let seen = counts.iter().filter(|&&count| count > 0).count();
    let weight = |&count: &usize| if count == 0 { 0.0 } else { labels.len() as f64 / (seen * count) as f64 };
    Ok(counts.iter().map(weight).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_that_leave_nothing_are_refused() {
        for (validation, test) in
            [(0.5, 0.5), (1.0, 0.0), (-0.1, 0.0), (0.0, f64::NAN), (0.9, 0.08), (0.0, 2.0)]
        {
            assert!(matches!(Split::random(10, validation, test, 0), Err(Error::Setting { .. })));
            assert!(matches!(Split::stratified(&[0; 10], validation, test, 0), Err(Error::Setting { .. })));
        }
        assert!(Split::random(0, 0.0, 0.0, 0).is_err());
        assert_eq!(Split::random(3, 0.0, 0.0, 0).unwrap().train.len(), 3);
    }

    #[test]
    fn a_seed_means_the_same_split_for_ever() {
        let split = Split::random(8, 0.25, 0.25, 1).unwrap();
        let (train, validation, test) = GOLDEN;
        assert_eq!(
            (&split.train[..], &split.validation[..], &split.test[..]),
            (&train[..], &validation[..], &test[..])
        );
        assert_ne!(split, Split::random(8, 0.25, 0.25, 2).unwrap());
    }

    /// Pinned when it was first computed.
    const GOLDEN: ([usize; 4], [usize; 2], [usize; 2]) = ([2, 3, 6, 0], [1, 7], [4, 5]);

    proptest! {
        #[test]
        fn every_row_is_in_one_part_and_classes_keep_their_shares(
            labels in prop::collection::vec(0_usize..4, 3..80),
            seed: u64,
            validation in 0.0..0.6,
            test in 0.0..0.6,
        ) {
            let n = labels.len();
            for stratified in [false, true] {
                let split = if stratified {
                    Split::stratified(&labels, validation, test, seed)
                } else {
                    Split::random(n, validation, test, seed)
                };
                let Ok(split) = split else { continue };
                let mut all = [&split.train[..], &split.validation, &split.test].concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..n).collect::<Vec<_>>());
                for (part, share) in [(&split.validation, validation), (&split.test, test)] {
                    prop_assert!((part.len() as f64 - share * n as f64).abs() <= 0.5);
                    for class in (0..4).filter(|_| stratified) {
                        let of = |rows: &[usize]| rows.iter().filter(|&&row| labels[row] == class).count();
                        let whole = labels.iter().filter(|&&label| label == class).count() as f64;
                        // One more where the class has run out.
                        prop_assert!((of(part) as f64 - share * whole).abs() < 2.0);
                    }
                }
            }
        }
    }
}
