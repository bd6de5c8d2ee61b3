//! What data are, and what is done to them: the sections `[data]` and `[preprocessing]`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{Delimiter, Methods, or, share};
use crate::args::Header;

/// Where data come from, and what is learnt of them.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "Data")]
pub(crate) struct DataSection {
    /// `digits` (1,797 images, embedded), `mnist` (four IDX files), one or two tables (CSV) or archives (NPZ) to train and to test with, or two
    /// arrays (NPY), the inputs and the targets
    #[arg(value_name = "digits|mnist|PATH", num_args = 1..=2,
          required_unless_present_any = ["preset", "config", "resume"])]
    pub(crate) source: Vec<String>,

    /// The column to predict: `last`, a number from 1, or a name in the header [default: last]
    #[arg(long, visible_alias = "label", value_name = "COLUMN", value_parser = column)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,

    /// What the target is [default: classes if it is text or few whole numbers, else numbers]
    #[arg(long, value_enum, value_name = "TASK")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) task: Option<TaskKind>,

    /// Columns of categories, whatever they look like
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) categorical: Vec<String>,

    /// Columns to leave out
    #[arg(long, value_name = "COLUMN", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ignore: Vec<String>,

    /// The share of a single table that is held out to test with [default: 0.2]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) test_share: Option<f64>,

    /// The share of the rest that early stopping and plateaus go by [default: 0.1 if there are such, else 0]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) validation_share: Option<f64>,

    /// How classes are weighed in the loss of training [default: none]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) class_weights: Option<ClassWeights>,

    /// How much each row counts in training: a column of numbers of at least 0, which is no input; of arrays the name of a third one (NPZ) or a
    /// file of its own (NPY). What is measured, of validation and test data too, counts every row alike
    #[arg(long, value_name = "COLUMN|ARRAY|NPY", value_parser = column)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sample_weights: Option<String>,

    /// The character between fields; `tab` for a tabulator [default: ,]
    #[arg(long, value_name = "CHARACTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delimiter: Option<Delimiter>,

    /// The names of the inputs and of the targets in archives (NPZ) [default: x,y]
    #[arg(long, value_name = "INPUTS,TARGETS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) arrays: Vec<String>,

    /// Train on two arrays (NPY) that may be larger than memory: on windows of so many MiB, shuffled, one an epoch. The last rows are held out
    /// (those to test with are no more than a quarter of a window, unless their share is told); the first window tells how to scale them all
    #[arg(long, value_name = "MIB")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) window: Option<NonZeroUsize>,

    /// Whether the first row holds names [default: auto]
    #[arg(long, value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<Header>,

    /// Lines at the start to pass over unread [default: 0]
    #[arg(long, value_name = "LINES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skip: Option<usize>,

    /// The folder of MNIST's files, or the one above it (else $CHAINRULE_DATA, else data/mnist)
    #[arg(long, value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data_dir: Option<PathBuf>,
}

impl DataSection {
    pub(crate) fn over(self, under: Self) -> Self {
        fn or<V>(over: Vec<V>, under: Vec<V>) -> Vec<V> {
            if over.is_empty() { under } else { over }
        }
        Self {
            source: or(self.source, under.source),
            target: self.target.or(under.target),
            task: self.task.or(under.task),
            categorical: or(self.categorical, under.categorical),
            ignore: or(self.ignore, under.ignore),
            test_share: self.test_share.or(under.test_share),
            validation_share: self.validation_share.or(under.validation_share),
            class_weights: self.class_weights.or(under.class_weights),
            sample_weights: self.sample_weights.or(under.sample_weights),
            delimiter: self.delimiter.or(under.delimiter),
            arrays: or(self.arrays, under.arrays),
            window: self.window.or(under.window),
            header: self.header.or(under.header),
            skip: self.skip.or(under.skip),
            data_dir: self.data_dir.or(under.data_dir),
        }
    }
}

/// What is to be learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TaskKind {
    /// One class of several
    Classification,
    /// Numbers
    Regression,
}

/// How classes are weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ClassWeights {
    /// Every sample counts alike
    None,
    /// Every class counts alike: n / (k n_c)
    Balanced,
}

/// What is done to numbers before the network sees them.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "Preprocessing")]
pub(crate) struct PreprocessingSection {
    /// What is done to the features, fitted on the rows that are trained on: standardise, min-max[:LOW,HIGH], divide:BY, pca[:COMPONENTS],
    /// pca-whiten[:COMPONENTS], zca[:EPSILON], several with ` then `, or none [default: standardise]
    #[arg(long, value_name = "HOW")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scaling: Option<Methods>,

    /// What stands for missing values [default: refuse]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<Missing>,

    /// What becomes of a category that the training data do not have [default: refuse]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unknown_categories: Option<UnknownCategories>,

    /// Train on numbers to predict as they are, instead of each less its mean and divided by its standard deviation
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) raw_targets: Option<bool>,
}

impl PreprocessingSection {
    pub(crate) fn over(self, under: Self) -> Self {
        or!(self, under; scaling, missing, unknown_categories, raw_targets)
    }
}

/// What stands for missing values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Missing {
    /// They are an error
    #[default]
    Refuse,
    /// The mean of numbers, the most frequent category
    Mean,
    /// The median of numbers, the most frequent category
    Median,
    /// The most frequent value
    MostFrequent,
}

/// What becomes of categories that were not trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum UnknownCategories {
    /// They are an error
    #[default]
    Refuse,
    /// None of the categories
    Zeros,
}

fn column(text: &str) -> Result<String, String> {
    if text == "0" {
        return Err("expected `last`, a number from 1, or a name".to_owned());
    }
    Ok(text.to_owned())
}
