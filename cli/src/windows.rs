//! Arrays that are larger than memory: windows of two NPY files, one an epoch.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use chainrule::{Dataset, EpochData, Scalar};
use chainrule_data::npy::{self, Shuffled, Window};
use chainrule_data::{Answers, Preprocessing, Task};

use crate::config::{ClassWeights, DataSection, PreprocessingSection};
use crate::data::{Data, TEST_SHARE, Wanted};
use crate::failure::Failure;
use crate::part::{Part, Pixels};
use crate::preparation::{Preparation, TargetScale, fit};

/// What is held out is at most this part of a window, where no share is told.
const LARGEST_PART: usize = 4;

/// The windows of a file, each prepared as the first.
#[derive(Debug)]
pub(crate) struct Windows<T> {
    file: Shuffled,
    /// In the file, for messages.
    place: String,
    /// How many make a pass.
    count: usize,
    /// The rows of each, or nearly.
    rows: usize,
    preprocessing: Preprocessing,
    scale: Option<TargetScale>,
    at_hand: Option<Part<T>>,
}

impl<T: Scalar> Windows<T> {
    /// The samples of all windows.
    pub(crate) fn samples(&self) -> usize {
        self.file.len()
    }

    /// How many windows make a pass.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// ` in 7 windows of 1000 or fewer, one an epoch`
    pub(crate) fn told(&self) -> String {
        format!(" in {} windows of {} or fewer, one an epoch", self.count, self.rows)
    }

    /// Targets are put on this scale from now on.
    pub(crate) fn scale_targets(&mut self, scale: Option<TargetScale>) {
        self.scale = scale;
    }

    fn read(&mut self, epoch: usize) -> Result<Part<T>, Failure> {
        let window = epoch.saturating_sub(1);
        let (pass, window) = (window / self.count, window % self.count);
        let window = self.file.nth(pass as u64, window)?;
        let mut part =
            part(window.ok_or_else(|| Failure::unfit(&self.place, "no rows", "those of a window"))?);
        part.inputs = self.preprocessing.transform(part.inputs)?;
        if let (Some(scale), Answers::Values(values)) = (&self.scale, &mut part.answers) {
            scale.apply(values);
        }
        Ok(part)
    }
}

impl<T: Scalar> EpochData<T> for Windows<T> {
    type Error = Failure;

    fn epoch(&mut self, epoch: usize) -> Result<Dataset<'_, T>, Failure> {
        // The one before makes room first.
        self.at_hand = None;
        let part = self.read(epoch)?;
        self.at_hand.insert(part).dataset()
    }
}

fn part<T: Scalar>(window: Window<T>) -> Part<T> {
    Part::new(window.inputs, window.answers)
}

/// The inputs and the targets from a file each, in windows that take so much memory.
pub(crate) fn load<T: Scalar>(
    paths: &[PathBuf],
    section: &DataSection,
    preprocessing: &PreprocessingSection,
    wanted: Wanted,
    mebibytes: NonZeroUsize,
) -> Result<Data<T>, Failure> {
    let [inputs, targets] = paths else {
        return Err(Failure::Usage("--window needs two NPY files, the inputs and the targets".to_owned()));
    };
    if section.class_weights == Some(ClassWeights::Balanced) || section.sample_weights.is_some() {
        return Err(Failure::Usage("--window knows no weights, of classes or of samples".to_owned()));
    }
    let task = section.task.map_or(Task::Auto, Into::into);
    let memory = mebibytes.get().saturating_mul(1 << 20);
    let mut file = Shuffled::open(inputs, targets, task, memory)?.seed(wanted.seed);
    let (place, rows) = (inputs.display().to_string(), file.len());
    let classes = file.classes()?;
    if classes == Some(1) {
        return Err(Failure::unfit(place, "1 class", "at least 2"));
    }
    let most = file.window::<T>()?.div_ceil(LARGEST_PART);
    let held_out = |told: Option<f64>, usual: f64, of: usize| {
        let share = rows_of(told.unwrap_or(usual), of);
        if told.is_some() { share } else { share.min(most) }
    };
    let test = held_out(section.test_share, TEST_SHARE, rows);
    let validation = held_out(section.validation_share, wanted.validation, rows - test);
    let train = rows - test - validation;
    if train == 0 || test + validation == 0 {
        let found = format!("{rows} rows, of which {train} are to train on");
        return Err(Failure::unfit(place, found, "some to train on, and some to test with"));
    }
    let some = |file: &mut Shuffled, from: usize, to: usize| {
        if from == to { Ok(None) } else { file.read(from..to).map(|window| Some(part(window))) }
    };
    let mut held_out =
        [some(&mut file, train, train + validation)?, some(&mut file, train + validation, rows)?];
    file = file.rows(0..train)?;
    let (count, of_each) = (file.windows::<T>()?, file.window::<T>()?);
    let mut windows = Windows {
        file,
        place,
        count,
        rows: of_each,
        preprocessing: Preprocessing::default(),
        scale: None,
        at_hand: None,
    };
    let mut first = windows.read(1)?;
    let (steps, scaled) = fit(&preprocessing.scaling.clone().unwrap_or_default(), first.inputs, None)?;
    first.inputs = scaled;
    for part in held_out.iter_mut().flatten() {
        part.inputs = steps.transform(std::mem::take(&mut part.inputs))?;
    }
    windows.preprocessing = steps.clone();
    let [validation, test] = held_out;
    let name = inputs.display().to_string();
    let mut data = Data {
        validation,
        test,
        pictures: Pixels::of(&npy::row_shape(inputs)?),
        preparation: Preparation { preprocessing: steps, ..Preparation::default() },
        windows: Some(windows),
        ..Data::new(first, (0..classes.unwrap_or(0)).map(|class| class.to_string()).collect())
    };
    data.weigh_and_scale(&name, section, preprocessing)?;
    Ok(data)
}

/// round(share · n)
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of n is from 0 to n")]
fn rows_of(share: f64, n: usize) -> usize {
    ((share * n as f64).round() as usize).min(n)
}
