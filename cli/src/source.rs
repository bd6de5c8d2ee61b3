//! The data that `train` and `predict` can be told to use.

use std::path::{Path, PathBuf};

use chainrule::random::{Generator, Stream};
use chainrule::{Scalar, TrainerConfig};
use chainrule_data::{LabelledData, Split, digits_split, mnist};

use crate::arrays;
use crate::config::{ClassWeights, DataSection, PreprocessingSection};
use crate::data::{Data, Wanted};
use crate::failure::Failure;
use crate::recipe::Recipe;
use crate::table;

/// Where data comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Digits,
    Mnist(MnistSplit),
    Table(Vec<PathBuf>),
    Arrays(Vec<PathBuf>),
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

/// The largest grey values; each is divided by it when it is read.
const DIGITS: f64 = 16.0;
const MNIST: f64 = 255.0;

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
            paths => {
                let arrays = paths.iter().any(|path| arrays::are_in(path));
                let paths = paths.iter().map(PathBuf::from).collect();
                Ok(if arrays { Self::Arrays(paths) } else { Self::Table(paths) })
            }
        }
    }

    /// The settings that suit it, where they don't depend on the data.
    pub(crate) fn recipe(&self) -> Option<Recipe> {
        match self {
            Self::Digits => Some(Recipe::plain(&[256], 0.5, 30)),
            Self::Mnist(_) => {
                let plain = Recipe::plain(&[128], 0.1, 10);
                Some(Recipe { trainer: TrainerConfig { batch_size: 32, ..plain.trainer }, ..plain })
            }
            Self::Table(_) | Self::Arrays(_) => None,
        }
    }

    /// Its name in sentences.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Digits => "digits".to_owned(),
            Self::Mnist(_) => "mnist".to_owned(),
            Self::Table(paths) | Self::Arrays(paths) => {
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" and ")
            }
        }
    }

    /// What its reader has divided the numbers by.
    pub(crate) fn divided_by(&self) -> Option<f64> {
        match self {
            Self::Digits => Some(DIGITS),
            Self::Mnist(_) => Some(MNIST),
            Self::Table(_) | Self::Arrays(_) => None,
        }
    }

    /// Reads it, and holds out what is to be held out.
    pub(crate) fn load<T: Scalar>(
        &self,
        section: &DataSection,
        preprocessing: &PreprocessingSection,
        wanted: Wanted,
    ) -> Result<Data<T>, Failure> {
        let mut data = match self {
            Self::Digits => Data::labelled("digits", digits_split(wanted.seed), 8, DIGITS)?,
            Self::Mnist(split) => mnist_data(*split, section.data_dir.as_deref(), wanted.seed)?,
            Self::Table(paths) => return table::load(paths, section, preprocessing, wanted),
            Self::Arrays(paths) => return arrays::load(paths, section, preprocessing, wanted),
        };
        if wanted.validation > 0.0 && data.validation.is_none() {
            data.hold_out(wanted.validation, wanted.seed)?;
        }
        if let Some(methods) = &preprocessing.scaling {
            data.preprocess(methods)?;
        }
        if section.class_weights == Some(ClassWeights::Balanced) {
            data.balance()?;
        }
        Ok(data)
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
    let mut data = Data::labelled("mnist", Split { train, test }, 28, MNIST)?;
    match split {
        MnistSplit::Standard => {}
        MnistSplit::Validation => {
            let n = data.train.len();
            let (train, last): (Vec<_>, Vec<_>) = (0..n).partition(|&row| row < n - VALIDATION);
            data.validation = Some(data.train.select(&last));
            data.train = data.train.select(&train);
        }
        MnistSplit::Kaggle => kaggle(&mut data, seed),
    }
    Ok(data)
}

/// Puts a random choice of the training images in the place of the test images.
fn kaggle<T: Scalar>(data: &mut Data<T>, seed: u64) {
    // Epochs are counted from 1: this stream is not used for the order of any.
    let mut generator = Generator::new(seed, Stream::Order { epoch: 0 });
    let mut rows: Vec<usize> = (0..KAGGLE).collect();
    for place in 0..KAGGLE_DEV {
        let left = (KAGGLE - place) as u64;
        rows.swap(place, place + usize::try_from(generator.below(left)).unwrap_or(0));
    }
    data.test = Some(data.train.select(&rows[..KAGGLE_DEV]));
    data.train = data.train.select(&rows[KAGGLE_DEV..]);
}

/// The rows that can be had of a source that brings its own labels: in the units of the network, all digits or MNIST's test
/// images.
pub(crate) fn labelled<T: Scalar>(
    source: &Source,
    folder: Option<&Path>,
) -> Result<Option<LabelledData<T>>, Failure> {
    match source {
        Source::Digits => Ok(Some(chainrule_data::digits())),
        Source::Mnist(_) => Ok(Some(mnist::load(mnist::find_dir(folder)?)?.test)),
        Source::Table(_) | Source::Arrays(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::Part;
    use chainrule_data::Answers;
    use ndarray::Array2;

    #[test]
    fn the_stand_in_for_kaggle_is_a_permutation() {
        let inputs = Array2::from_shape_fn((60_000, 1), |(row, _)| row as f64);
        let labels: Vec<usize> = (0..60_000).collect();
        let part = Part::new(inputs, Answers::Classes(labels));
        let mut data = Data::new(part, vec!["a".to_owned(), "b".to_owned()]);
        kaggle(&mut data, 1);
        let (train, test) = (&data.train, data.test.as_ref().unwrap());
        assert_eq!((train.len(), test.len()), (41_000, 1_000));
        let labels = |part: &Part<f64>| match &part.answers {
            Answers::Classes(labels) => labels.clone(),
            Answers::Values(_) => Vec::new(),
        };
        let pairs = |part: &Part<f64>| {
            part.inputs.iter().zip(labels(part)).all(|(&x, label)| (x - label as f64).abs() < 0.5)
        };
        assert!(pairs(train) && pairs(test));
        let mut all = [labels(train), labels(test)].concat();
        assert_ne!(labels(test), (0..1000).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..42_000).collect::<Vec<_>>());
    }
}
