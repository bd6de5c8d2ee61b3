//! What is mistaken for what, and the metrics that follow from it.

use ndarray::{Array2, ArrayRef2};

use super::{Metric, classes, meant, told};
use crate::{Result, Scalar, Targets};

/// How often each class (row) was taken for each class (column). scikit-learn's `confusion_matrix`.
///
/// ```
/// use chainrule_core::{Average, ConfusionMatrix, Targets};
/// use ndarray::array;
/// let outputs = array![[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.3, 0.7]];
/// let confusion = ConfusionMatrix::new(&outputs, Targets::Classes(&[0, 1, 1, 1]))?;
/// assert_eq!(confusion.counts(), &array![[1, 0], [1, 2]]);
/// assert_eq!(confusion.precision(Average::Class(1)), 1.0);
/// assert_eq!(confusion.recall(Average::Class(1)), 2.0 / 3.0);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    counts: Array2<usize>,
}

/// Over which classes precision, recall and F1 are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// Over all decisions alike: where every row has one class, the accuracy.
    Micro,
    /// The mean over the classes that were meant or told.
    Macro,
    /// That mean, each class weighted by the number of its rows.
    Weighted,
    /// One class alone, such as 1 of two.
    Class(usize),
}

impl ConfusionMatrix {
    /// Of outputs n × n_y and their targets.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::Label`](crate::Error::Label) for targets that do not fit the outputs.
    pub fn new<T: Scalar>(outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> Result<Self> {
        let classes = classes(outputs);
        let columns = if targets.columns().is_some() { outputs.ncols() } else { classes };
        targets.check("a confusion matrix", outputs.nrows(), columns)?;
        let mut counts = Array2::zeros((classes, classes));
        for row in 0..outputs.nrows() {
            counts[[meant(targets, row), told(outputs, row)]] += 1;
        }
        Ok(Self { counts })
    }

    /// The counts, classes × classes: row = what was meant, column = what was told.
    #[must_use]
    pub fn counts(&self) -> &Array2<usize> {
        &self.counts
    }

    /// The fraction of rows told right.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        ratio(self.counts.diag().sum(), self.counts.sum())
    }

    /// Of the rows told to be of a class, the fraction that is. 0 where none was.
    #[must_use]
    pub fn precision(&self, average: Average) -> f64 {
        self.average(average, |right, _, told| ratio(right, told))
    }

    /// Of the rows of a class, the fraction told to be. 0 where there is none.
    #[must_use]
    pub fn recall(&self, average: Average) -> f64 {
        self.average(average, |right, meant, _| ratio(right, meant))
    }

    /// The harmonic mean of a class's precision and recall, 2 right / (meant + told).
    #[must_use]
    pub fn f1(&self, average: Average) -> f64 {
        self.average(average, |right, meant, told| ratio(2 * right, meant + told))
    }

    /// `of` takes the numbers of rows that are right, meant and told.
    fn average(&self, average: Average, of: impl Fn(usize, usize, usize) -> f64) -> f64 {
        let class = |c: usize| (self.counts[[c, c]], self.counts.row(c).sum(), self.counts.column(c).sum());
        let all = self.counts.nrows();
        let value = |c: usize| {
            let (right, meant, told) = class(c);
            of(right, meant, told)
        };
        match average {
            Average::Micro => of(self.counts.diag().sum(), self.counts.sum(), self.counts.sum()),
            Average::Macro => {
                let seen: Vec<_> = (0..all).filter(|&c| class(c).1 + class(c).2 > 0).collect();
                seen.iter().map(|&c| value(c)).sum::<f64>() / seen.len().max(1) as f64
            }
            Average::Weighted => {
                let weighted = (0..all).map(|c| class(c).1 as f64 * value(c)).sum::<f64>();
                weighted / self.counts.sum().max(1) as f64
            }
            Average::Class(c) if c < all => value(c),
            Average::Class(_) => 0.0,
        }
    }
}

fn ratio(part: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

/// Defines a metric that a confusion matrix has.
macro_rules! of_confusion {
    ($(#[$doc:meta])* $name:ident, $method:ident, $text:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name(pub Average);

        impl<T: Scalar> Metric<T> for $name {
            fn name(&self) -> &'static str {
                match self.0 {
                    Average::Micro => concat!($text, "-micro"),
                    Average::Macro => concat!($text, "-macro"),
                    Average::Weighted => concat!($text, "-weighted"),
                    Average::Class(_) => $text,
                }
            }

            fn evaluate(&self, outputs: &ArrayRef2<T>, targets: Targets<'_, T>) -> f64 {
                ConfusionMatrix::new(outputs, targets).map_or(f64::NAN, |confusion| confusion.$method(self.0))
            }
        }
    };
}

of_confusion! {
    /// [`ConfusionMatrix::precision`] as a metric.
    Precision, precision, "precision"
}

of_confusion! {
    /// [`ConfusionMatrix::recall`] as a metric.
    Recall, recall, "recall"
}

of_confusion! {
    /// [`ConfusionMatrix::f1`] as a metric.
    F1, f1, "f1"
}
