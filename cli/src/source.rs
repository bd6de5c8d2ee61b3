//! The data that `train` and `predict` can be told to use.

use std::path::{Path, PathBuf};

use chainrule::random::{Generator, Stream};
use chainrule::{Dataset, Scalar, Targets};
use chainrule_data::{LabelledData, Split, csv, digits_split, mnist};
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::args::CsvArgs;
use crate::failure::Failure;
use crate::settings::{BatchSize, Settings};

/// Where data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Digits,
    Mnist(MnistSplit),
    Csv(Vec<PathBuf>),
}

/// How MNIST's 60,000 training images and 10,000 test images are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MnistSplit {
    /// To train and to test.
    Standard,
    /// Nielsen's: the first 50,000 to train, the last 10,000 for validation, and the test images.
    Validation,
    /// In place of Kaggle's 42,000: the first 42,000 training images, shuffled by the seed; 1,000 to test, the others to train.
    Kaggle,
}

/// Grey values become numbers from 0 to 1.
const DIGITS: Scaling = Scaling::Divide { by: 16.0 };
const MNIST: Scaling = Scaling::Divide { by: 255.0 };

const KAGGLE: usize = 42_000;
const KAGGLE_DEV: usize = 1_000;
const VALIDATION: usize = 10_000;

impl Source {
    /// `digits`, `mnist`, or one or two paths.
    pub(crate) fn parse(names: &[String]) -> Result<Self, Failure> {
        match names {
            [name] if name == "digits" => Ok(Self::Digits),
            [name] if name == "mnist" => Ok(Self::Mnist(MnistSplit::Standard)),
            [name, other] | [other, name] if name == "digits" || name == "mnist" => Err(Failure::Usage(
                format!("`{name}` stands alone, found `{other}` beside it (a file of that name is ./{name})"),
            )),
            paths => Ok(Self::Csv(paths.iter().map(PathBuf::from).collect())),
        }
    }

    /// The settings that suit it.
    pub(crate) fn defaults(&self) -> Settings {
        let table = Settings::default();
        match self {
            Self::Digits => Settings { hidden: vec![256], lr: 0.5, epochs: 30, ..table },
            Self::Mnist(_) => {
                Settings { hidden: vec![128], lr: 0.1, batch_size: BatchSize::rows(32), epochs: 10, ..table }
            }
            Self::Csv(_) => table,
        }
    }

    /// Its name in sentences.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Digits => "digits".to_owned(),
            Self::Mnist(_) => "mnist".to_owned(),
            Self::Csv(paths) => {
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
            }
        }
    }

    /// What its reader has done to the numbers, where that does not depend on the data.
    pub(crate) fn scaling(&self) -> Option<Scaling> {
        match self {
            Self::Digits => Some(DIGITS),
            Self::Mnist(_) => Some(MNIST),
            Self::Csv(_) => None,
        }
    }

    /// Reads it, and holds out what is to be held out.
    pub(crate) fn load<T: Scalar>(
        &self,
        folder: Option<&Path>,
        args: &CsvArgs,
        seed: u64,
    ) -> Result<Data<T>, Failure> {
        match self {
            Self::Digits => Data::new("digits", digits_split(seed), DIGITS),
            Self::Mnist(split) => mnist_data(*split, folder, seed),
            Self::Csv(paths) => csv_data(&self.name(), paths, args, seed),
        }
    }
}

/// Data in memory, to train and to test with.
#[derive(Debug)]
pub(crate) struct Data<T> {
    train: (Array2<T>, Vec<usize>),
    test: (Array2<T>, Vec<usize>),
    /// How many at the end of `train` are for validation.
    validation: usize,
    pub(crate) class_names: Vec<String>,
    pub(crate) feature_names: Vec<String>,
    /// What was done to the numbers of the source, and has to be done again before the network is used.
    pub(crate) scaling: Scaling,
}

/// Views of data, for training.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sets<'a, T> {
    pub(crate) train: Dataset<'a, T>,
    pub(crate) validation: Option<Dataset<'a, T>>,
    pub(crate) test: Dataset<'a, T>,
}

impl<T: Scalar> Data<T> {
    pub(crate) fn new(place: &str, split: Split<T>, scaling: Scaling) -> Result<Self, Failure> {
        let class_names = split.train.class_names().to_vec();
        let feature_names = split.train.feature_names().to_vec();
        if class_names.len() < 2 {
            return Err(Failure::unfit(place, "1 class", "at least 2"));
        }
        let (train, test) = (split.train.into_parts(), split.test.into_parts());
        Ok(Self { train, test, validation: 0, class_names, feature_names, scaling })
    }

    /// The number of features.
    pub(crate) fn features(&self) -> usize {
        self.train.0.ncols()
    }

    /// The parts, as views.
    pub(crate) fn sets(&self) -> Result<Sets<'_, T>, Failure> {
        let (inputs, labels) = (self.train.0.view(), self.train.1.as_slice());
        let count = labels.len() - self.validation;
        let (inputs, held_out) = inputs.split_at(Axis(0), count);
        let (labels, held_out_labels) = labels.split_at(count);
        Ok(Sets {
            train: Dataset::new(inputs, Targets::Classes(labels))?,
            validation: match self.validation {
                0 => None,
                _ => Some(Dataset::new(held_out, Targets::Classes(held_out_labels))?),
            },
            test: Dataset::classes(&self.test.0, &self.test.1)?,
        })
    }
}

fn mnist_data<T: Scalar>(split: MnistSplit, folder: Option<&Path>, seed: u64) -> Result<Data<T>, Failure> {
    let folder = mnist::find_dir(folder)?;
    let Split { train, test } = mnist::load::<T>(&folder)?;
    let needs = match split {
        MnistSplit::Standard => 1,
        MnistSplit::Validation => VALIDATION + 1,
        MnistSplit::Kaggle => KAGGLE,
    };
    if train.len() < needs {
        let found = format!("{} training images", train.len());
        return Err(Failure::unfit(folder.display().to_string(), found, format!("at least {needs}")));
    }
    let mut data = Data::new("mnist", Split { train, test }, MNIST)?;
    match split {
        MnistSplit::Standard => {}
        MnistSplit::Validation => data.validation = VALIDATION,
        MnistSplit::Kaggle => kaggle(&mut data, seed),
    }
    Ok(data)
}

/// Puts a random choice of the training images in the place of the test images, by exchanging rows.
fn kaggle<T: Scalar>(data: &mut Data<T>, seed: u64) {
    // Epochs are counted from 1: this stream is not used for the order of any.
    let mut generator = Generator::new(seed, Stream::Order { epoch: 0 });
    let (inputs, labels) = &mut data.train;
    labels.truncate(KAGGLE);
    for place in 0..KAGGLE_DEV {
        let left = (KAGGLE - place) as u64;
        let other = place + usize::try_from(generator.below(left)).unwrap_or(0);
        labels.swap(place, other);
        if place < other {
            let (mut front, mut back) = inputs.view_mut().split_at(Axis(0), other);
            let (mut a, mut b) = (front.row_mut(place), back.row_mut(0));
            a.iter_mut().zip(b.iter_mut()).for_each(|(a, b)| std::mem::swap(a, b));
        }
    }
    let dev = inputs.view().split_at(Axis(0), KAGGLE_DEV).0.to_owned();
    data.test = (dev, labels.drain(..KAGGLE_DEV).collect());
    inputs.slice_axis_inplace(Axis(0), (KAGGLE_DEV..KAGGLE).into());
}

fn csv_data<T: Scalar>(name: &str, paths: &[PathBuf], args: &CsvArgs, seed: u64) -> Result<Data<T>, Failure> {
    let options = csv::Options::new()
        .header(args.header.into())
        .delimiter(args.delimiter)
        .label(args.label.clone())
        .skip(args.skip);
    let mut split = csv::read_split::<T>(paths, &options, 1.0 - args.test_share, seed)?;
    let mut scaling = Scaling::None;
    if !args.no_standardize {
        scaling = Scaling::standard(split.train.inputs());
        for part in [&mut split.train, &mut split.test] {
            scaling.apply(&mut part.inputs_mut());
        }
    }
    Data::new(name, split, scaling)
}

/// What is done to the numbers of a source before a network sees them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Scaling {
    /// Nothing.
    None,
    /// x / by
    Divide {
        /// The divisor.
        by: f64,
    },
    /// (x − mean) / deviation, for each feature
    Standard {
        /// The means over the training data.
        mean: Vec<f64>,
        /// The standard deviations over the training data; 1 for a feature that is constant.
        deviation: Vec<f64>,
    },
}

impl Scaling {
    /// The scaling that makes each column's mean 0 and its standard deviation 1.
    pub(crate) fn standard<T: Scalar>(inputs: &Array2<T>) -> Self {
        let n = inputs.nrows().max(1) as f64;
        let (mut means, mut deviations) = (Vec::new(), Vec::new());
        for column in inputs.columns() {
            let mean = column.iter().map(|x| x.as_f64() / n).sum::<f64>();
            let square = |x: &T| (x.as_f64() - mean) * (x.as_f64() - mean) / n;
            let deviation = column.iter().map(square).sum::<f64>().sqrt();
            means.push(mean);
            deviations.push(if deviation > 0.0 && deviation.is_finite() { deviation } else { 1.0 });
        }
        Self::Standard { mean: means, deviation: deviations }
    }

    /// Scales rows of as many features as this knows.
    pub(crate) fn apply<T: Scalar>(&self, rows: &mut ndarray::ArrayViewMut2<'_, T>) {
        match self {
            Self::None => {}
            Self::Divide { by } => rows.mapv_inplace(|x| x / T::of(*by)),
            Self::Standard { mean, deviation } => {
                for mut row in rows.rows_mut() {
                    for ((x, mean), deviation) in row.iter_mut().zip(mean).zip(deviation) {
                        *x = T::of((x.as_f64() - mean) / deviation);
                    }
                }
            }
        }
    }

    /// Whether it is for rows of that many features, and its numbers are such that it makes sense.
    pub(crate) fn is_sound(&self, features: usize) -> bool {
        let divisor = |x: &f64| x.is_finite() && *x != 0.0;
        match self {
            Self::None => true,
            Self::Divide { by } => divisor(by),
            Self::Standard { mean, deviation } => {
                mean.len() == features
                    && deviation.len() == features
                    && mean.iter().all(|x| x.is_finite())
                    && deviation.iter().all(divisor)
            }
        }
    }
}

/// The rows that `predict` can take from a source that brings its own labels: in the units of the network, all digits or
/// MNIST's test images.
pub(crate) fn labelled<T: Scalar>(
    source: &Source,
    folder: Option<&Path>,
) -> Result<Option<LabelledData<T>>, Failure> {
    match source {
        Source::Digits => Ok(Some(chainrule_data::digits())),
        Source::Mnist(_) => Ok(Some(mnist::load(mnist::find_dir(folder)?)?.test)),
        Source::Csv(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn standard_scaling_of_training_data() {
        let x = array![[1.0, 5.0], [3.0, 5.0]];
        let scaling = Scaling::standard(&x);
        assert_eq!(scaling, Scaling::Standard { mean: vec![2.0, 5.0], deviation: vec![1.0, 1.0] });
        let mut scaled = x.clone();
        scaling.apply(&mut scaled.view_mut());
        assert_eq!(scaled, array![[-1.0, 0.0], [1.0, 0.0]]);
        assert!(scaling.is_sound(2) && !scaling.is_sound(3));
        assert!(!Scaling::Divide { by: 0.0 }.is_sound(1));
    }

    #[test]
    fn the_stand_in_for_kaggle_is_a_permutation() {
        let inputs = Array2::from_shape_fn((60_000, 1), |(row, _)| row as f64);
        let labels: Vec<usize> = (0..60_000).collect();
        let mut data = Data {
            train: (inputs, labels),
            test: (Array2::zeros((0, 1)), Vec::new()),
            validation: 0,
            class_names: Vec::new(),
            feature_names: Vec::new(),
            scaling: Scaling::None,
        };
        kaggle(&mut data, 1);
        let (train, test) = (&data.train, &data.test);
        assert_eq!(
            (train.0.nrows(), train.1.len(), test.0.nrows(), test.1.len()),
            (41_000, 41_000, 1_000, 1_000)
        );
        let pairs = |part: &(Array2<f64>, Vec<usize>)| {
            part.0.iter().zip(&part.1).all(|(&x, &label)| (x - label as f64).abs() < 0.5)
        };
        assert!(pairs(train) && pairs(test));
        let mut all: Vec<usize> = train.1.iter().chain(&test.1).copied().collect();
        assert_ne!(test.1, (0..1000).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..42_000).collect::<Vec<_>>());
    }
}
