//! The data that `train` and `predict` can be told to use.

use std::path::{Path, PathBuf};

use chainrule::random::{Generator, Stream};
use chainrule::{Dataset, Scalar, TrainerConfig, balanced_weights};
use chainrule_data::{Answers, LabelledData, Preprocessing, Split, Step, digits_split, mnist};
use ndarray::{Array2, Axis};

use crate::arrays;
use crate::config::{ClassWeights, DataSection, Methods, PreprocessingSection};
use crate::failure::Failure;
use crate::preparation::{Preparation, TargetScale, fit};
use crate::recipe::{Recipe, Task};
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

    /// How wide and high its pictures are, if it has some.
    pub(crate) fn side(&self) -> Option<usize> {
        match self {
            Self::Digits => Some(8),
            Self::Mnist(_) => Some(28),
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
            Self::Digits => Data::labelled("digits", digits_split(wanted.seed), DIGITS)?,
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

/// What is asked of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The share of the training data for validation.
    pub(crate) validation: f64,
    /// Of what is held out.
    pub(crate) seed: u64,
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
        Self::new(self.inputs.select(Axis(0), rows), answers)
    }

    /// Those for training, validation and test, where there are any.
    pub(crate) fn held_out(&self, rows: &chainrule::Split) -> [Option<Self>; 3] {
        [&rows.train, &rows.validation, &rows.test].map(|rows| (!rows.is_empty()).then(|| self.select(rows)))
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

/// Data in memory, to train and to test with.
#[derive(Debug)]
pub(crate) struct Data<T> {
    pub(crate) train: Part<T>,
    pub(crate) validation: Option<Part<T>>,
    pub(crate) test: Option<Part<T>>,
    /// None for numbers.
    pub(crate) class_names: Vec<String>,
    pub(crate) feature_names: Vec<String>,
    pub(crate) target_names: Vec<String>,
    /// What has to be done again before the network is used.
    pub(crate) preparation: Preparation,
    /// By what numbers to predict were shifted and scaled for training.
    pub(crate) target_scale: Option<TargetScale>,
}

impl<T: Scalar> Data<T> {
    fn labelled(place: &str, split: Split<T>, by: f64) -> Result<Self, Failure> {
        let preprocessing = Preprocessing::new(vec![Step::Divide { by }])?;
        let class_names = split.train.class_names().to_vec();
        let feature_names = split.train.feature_names().to_vec();
        if class_names.len() < 2 {
            return Err(Failure::unfit(place, "1 class", "at least 2"));
        }
        let part = |data: LabelledData<T>| {
            let (inputs, labels) = data.into_parts();
            Part::new(inputs, Answers::Classes(labels))
        };
        Ok(Self {
            train: part(split.train),
            validation: None,
            test: Some(part(split.test)),
            class_names,
            feature_names,
            target_names: Vec::new(),
            preparation: Preparation { preprocessing, ..Preparation::default() },
            target_scale: None,
        })
    }

    /// The number of features.
    pub(crate) fn features(&self) -> usize {
        self.train.inputs.ncols()
    }

    /// What is learnt.
    pub(crate) fn task(&self) -> Task {
        match &self.train.answers {
            Answers::Classes(_) => Task::Classes(self.class_names.len()),
            Answers::Values(values) => Task::Values(values.ncols()),
        }
    }

    /// Takes a share of the training data for validation, of each class alike.
    fn hold_out(&mut self, share: f64, seed: u64) -> Result<(), Failure> {
        let split = split(&self.train.answers, share, 0.0, seed)?;
        self.validation = Some(self.train.select(&split.validation));
        self.train = self.train.select(&split.train);
        Ok(())
    }

    /// Fits more preprocessing on the training data, and does it to all.
    fn preprocess(&mut self, methods: &Methods) -> Result<(), Failure> {
        let (more, inputs) = fit(methods, std::mem::take(&mut self.train.inputs), None)?;
        self.train.inputs = inputs;
        for part in [&mut self.validation, &mut self.test].into_iter().flatten() {
            part.inputs = more.transform(std::mem::take(&mut part.inputs))?;
        }
        let steps = [self.preparation.preprocessing.steps(), more.steps()].concat();
        self.preparation.preprocessing = Preprocessing::new(steps)?;
        Ok(())
    }

    /// Weighs classes, and finds the scale of numbers to predict, as is asked for.
    pub(crate) fn weigh_and_scale(
        &mut self,
        section: &DataSection,
        preprocessing: &PreprocessingSection,
    ) -> Result<(), Failure> {
        if section.class_weights == Some(ClassWeights::Balanced) {
            self.balance()?;
        }
        if let (Answers::Values(values), false) =
            (&self.train.answers, preprocessing.raw_targets == Some(true))
        {
            self.target_scale = Some(TargetScale::fit(values)?);
        }
        Ok(())
    }

    /// Lets every class count alike in training.
    pub(crate) fn balance(&mut self) -> Result<(), Failure> {
        let Answers::Classes(labels) = &self.train.answers else {
            return Err(Failure::Usage("class weights need classes, found numbers to predict".to_owned()));
        };
        let weights = balanced_weights(labels, self.class_names.len())?;
        self.train.weights = Some(labels.iter().map(|&label| T::of(weights[label])).collect());
        Ok(())
    }
}

/// Rows for training, validation and test, of each class alike.
pub(crate) fn split<T>(
    answers: &Answers<T>,
    validation: f64,
    test: f64,
    seed: u64,
) -> Result<chainrule::Split, Failure> {
    Ok(match answers {
        Answers::Classes(labels) => chainrule::Split::stratified(labels, validation, test, seed)?,
        Answers::Values(values) => chainrule::Split::random(values.nrows(), validation, test, seed)?,
    })
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
    let mut data = Data::labelled("mnist", Split { train, test }, MNIST)?;
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

    fn data(inputs: Array2<f64>, labels: Vec<usize>) -> Data<f64> {
        Data {
            train: Part::new(inputs, Answers::Classes(labels)),
            validation: None,
            test: None,
            class_names: vec!["a".to_owned(), "b".to_owned()],
            feature_names: Vec::new(),
            target_names: Vec::new(),
            preparation: Preparation::default(),
            target_scale: None,
        }
    }

    #[test]
    fn a_share_of_each_class_is_held_out_and_classes_are_balanced() {
        let labels: Vec<usize> = (0..40).map(|row| usize::from(row % 4 == 0)).collect();
        let mut data = data(Array2::from_shape_fn((40, 1), |(row, _)| row as f64), labels);
        data.hold_out(0.2, 1).unwrap();
        let of = |part: &Part<f64>| match &part.answers {
            Answers::Classes(labels) => (labels.len(), labels.iter().sum::<usize>()),
            Answers::Values(_) => unreachable!(),
        };
        assert_eq!((of(&data.train), of(data.validation.as_ref().unwrap())), ((32, 8), (8, 2)));
        data.balance().unwrap();
        let mut weights = data.train.weights.clone().unwrap();
        weights.sort_by(f64::total_cmp);
        assert_eq!(
            (weights[0].to_bits(), weights[31].to_bits()),
            ((32.0_f64 / 48.0).to_bits(), 2.0_f64.to_bits())
        );
    }

    #[test]
    fn the_stand_in_for_kaggle_is_a_permutation() {
        let inputs = Array2::from_shape_fn((60_000, 1), |(row, _)| row as f64);
        let labels: Vec<usize> = (0..60_000).collect();
        let mut data = data(inputs, labels);
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
