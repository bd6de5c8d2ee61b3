//! Data in memory: what is held out of them, what is done to them, and how they are put together.

use chainrule::{LayerConfig, Scalar, balanced_weights};
use chainrule_data::{Answers, Encoder, LabelledData, Preprocessing, Split, Step};

use crate::applies;
use crate::config::{ClassWeights, DataSection, Delimiter, Methods, PreprocessingSection};
use crate::failure::Failure;
use crate::part::{Part, Pixels};
use crate::preparation::{Preparation, TargetScale, fit};
use crate::recipe::Task;
use crate::windows::Windows;

/// The share of a single file that is held out to test with.
pub(crate) const TEST_SHARE: f64 = 0.2;

/// What is asked of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The share of the training data for validation.
    pub(crate) validation: f64,
    /// Of what is held out.
    pub(crate) seed: u64,
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
    /// How inputs are pictures before anything is done to them, if they are.
    pub(crate) pictures: Option<Pixels>,
    /// What has to be done again before the network is used.
    pub(crate) preparation: Preparation,
    /// Where a file is trained on window by window, of which `train` is the first.
    pub(crate) windows: Option<Windows<T>>,
    /// By what numbers to predict were shifted and scaled for training.
    pub(crate) target_scale: Option<TargetScale>,
    /// Which rows of a file the parts are, where it was divided.
    pub(crate) rows: Option<chainrule::Split>,
}

impl<T: Scalar> Data<T> {
    /// Grey pictures of that width and height, whose pixels were divided by the greatest.
    pub(crate) fn labelled(place: &str, split: Split<T>, side: usize, by: f64) -> Result<Self, Failure> {
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
            test: Some(part(split.test)),
            feature_names,
            pictures: Pixels::of(&[side, side]),
            preparation: Preparation { preprocessing, ..Preparation::default() },
            ..Self::new(part(split.train), class_names)
        })
    }

    /// Data to train on, and no more.
    pub(crate) fn new(train: Part<T>, class_names: Vec<String>) -> Self {
        Self {
            train,
            validation: None,
            test: None,
            class_names,
            feature_names: Vec::new(),
            target_names: Vec::new(),
            pictures: None,
            preparation: Preparation::default(),
            windows: None,
            target_scale: None,
            rows: None,
        }
    }

    /// The number of features.
    pub(crate) fn features(&self) -> usize {
        self.train.inputs.ncols()
    }

    /// The number of samples to train on.
    pub(crate) fn samples(&self) -> usize {
        self.windows.as_ref().map_or(self.train.len(), Windows::samples)
    }

    /// What is learnt.
    pub(crate) fn task(&self) -> Task {
        match &self.train.answers {
            Answers::Classes(_) => Task::Classes(self.class_names.len()),
            Answers::Values(values) => Task::Values(values.ncols()),
        }
    }

    /// Takes a share of the training data for validation, of each class alike.
    pub(crate) fn hold_out(&mut self, share: f64, seed: u64) -> Result<(), Failure> {
        let split = split(&self.train.answers, share, 0.0, seed)?;
        self.validation = Some(self.train.select(&split.validation));
        self.train = self.train.select(&split.train);
        Ok(())
    }

    /// Fits more preprocessing on the training data, and does it to all.
    pub(crate) fn preprocess(&mut self, methods: &Methods) -> Result<(), Failure> {
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
        place: &str,
        section: &DataSection,
        preprocessing: &PreprocessingSection,
    ) -> Result<(), Failure> {
        if section.class_weights == Some(ClassWeights::Balanced) {
            self.balance()?;
        }
        match (&self.train.answers, preprocessing.raw_targets == Some(true)) {
            (Answers::Values(values), false) => self.target_scale = Some(TargetScale::fit(values)?),
            (Answers::Values(_), true) | (Answers::Classes(_), false) => {}
            (Answers::Classes(_), true) => return Err(Failure::Usage(applies::raw_targets(place))),
        }
        Ok(())
    }

    /// Puts numbers to predict on a scale of their own, if the network can give it back at its end.
    pub(crate) fn scale_targets(&mut self, layers: &[LayerConfig], loss: &str) {
        self.target_scale = self.target_scale.take().filter(|scale| scale.fits(layers, loss));
        if let Some(windows) = &mut self.windows {
            windows.scale_targets(self.target_scale.clone());
        }
        if let Some(scale) = &self.target_scale {
            let held_out = self.validation.iter_mut().chain(&mut self.test);
            for part in std::iter::once(&mut self.train).chain(held_out) {
                if let Answers::Values(values) = &mut part.answers {
                    scale.apply(values);
                }
            }
        }
    }

    /// Lets every class count alike in training, and its rows by the weights they have.
    pub(crate) fn balance(&mut self) -> Result<(), Failure> {
        let Answers::Classes(labels) = &self.train.answers else {
            return Err(Failure::Usage("class weights need classes, found numbers to predict".to_owned()));
        };
        let of_class = balanced_weights(labels, self.class_names.len())?;
        let weights = self.train.weights.take().unwrap_or_else(|| vec![T::of(1.0); labels.len()]);
        let product = |(&label, weight): (&usize, T)| T::of(of_class[label]) * weight;
        self.train.weights = Some(labels.iter().zip(weights).map(product).collect());
        Ok(())
    }
}

/// What was read of files, before anything is held out or done to numbers.
#[derive(Debug)]
pub(crate) struct Read<T> {
    /// The file to train with, in messages.
    pub(crate) place: String,
    /// Its rows.
    pub(crate) all: Part<T>,
    /// Which of them are held out.
    pub(crate) rows: chainrule::Split,
    /// Those of a second file, to test with.
    pub(crate) test: Option<Part<T>>,
    pub(crate) class_names: Vec<String>,
    pub(crate) feature_names: Vec<String>,
    pub(crate) target_names: Vec<String>,
    pub(crate) pictures: Option<Pixels>,
    /// How a table became the inputs.
    pub(crate) encoder: Option<Encoder>,
    pub(crate) delimiter: Option<Delimiter>,
}

impl<T: Scalar> Read<T> {
    /// Fits what is to be done to inputs on the rows to train on, does it to all, and holds out.
    pub(crate) fn prepared(
        self,
        section: &DataSection,
        preprocessing: &PreprocessingSection,
    ) -> Result<Data<T>, Failure> {
        let Self { place, all, rows, test, .. } = self;
        if matches!(all.answers, Answers::Classes(_)) && self.class_names.len() == 1 {
            return Err(Failure::unfit(place, "1 class", "at least 2"));
        }
        let methods = preprocessing.scaling.clone().unwrap_or_default();
        let (steps, inputs) = fit(&methods, all.inputs, Some(&rows.train))?;
        let [train, validation, held_out] = Part { inputs, ..all }.held_out(&rows);
        let train = train.ok_or_else(|| Failure::unfit(&place, "no rows", "some to train on"))?;
        if train.weights.as_ref().is_some_and(|weights| weights.iter().all(|&weight| weight == T::of(0.0))) {
            let found = "weights that are all 0 in the rows to train on";
            return Err(Failure::unfit(place, found, "some above 0"));
        }
        let test = match test {
            Some(part) => Some(Part::new(steps.transform(part.inputs)?, part.answers)),
            None => held_out,
        };
        let (encoder, delimiter) = (self.encoder, self.delimiter);
        let mut data = Data {
            validation,
            test,
            feature_names: self.feature_names,
            target_names: self.target_names,
            pictures: self.pictures,
            preparation: Preparation { encoder, preprocessing: steps, delimiter },
            rows: Some(rows),
            ..Data::new(train, self.class_names)
        };
        data.weigh_and_scale(&place, section, preprocessing)?;
        Ok(data)
    }
}

/// The rows of a file to train on and to hold out; none to test with where a second file has them.
pub(crate) fn held_out<T>(
    answers: &Answers<T>,
    section: &DataSection,
    wanted: Wanted,
    is_tested_with_another: bool,
) -> Result<chainrule::Split, Failure> {
    let test = if is_tested_with_another { 0.0 } else { section.test_share.unwrap_or(TEST_SHARE) };
    // What is held out for validation is a share of what is left.
    split(answers, wanted.validation * (1.0 - test), test, wanted.seed)
}

/// Rows for training, validation and test, of each class alike.
fn split<T>(
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

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn a_share_of_each_class_is_held_out_and_classes_are_balanced() {
        let labels: Vec<usize> = (0..40).map(|row| usize::from(row % 4 == 0)).collect();
        let names = ["a".to_owned(), "b".to_owned()];
        let inputs = Array2::from_shape_fn((40, 1), |(row, _)| row as f64);
        let mut data = Data::new(Part::new(inputs, Answers::Classes(labels)), names.to_vec());
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
        // Weights of rows are multiplied by those of their classes.
        let Answers::Classes(labels) = data.train.answers.clone() else { unreachable!() };
        data.train.weights = Some((0..32_u8).map(f64::from).collect());
        data.balance().unwrap();
        for (row, (weight, label)) in data.train.weights.unwrap().into_iter().zip(labels).enumerate() {
            let expected = row as f64 * [32.0 / 48.0, 2.0][label];
            assert_eq!(weight.to_bits(), expected.to_bits());
        }
    }
}
