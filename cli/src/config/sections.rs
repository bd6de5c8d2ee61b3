//! The sections of a configuration file, which are the headings of `chainrule train --help` as well.

use std::path::PathBuf;

use chainrule::{Activation, EarlyStopping, Initializer, Monitor, OptimizerConfig, Plateau, TrainerConfig};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use super::{BatchSize, Delimiter, Hidden, Layers, Methods, Output, WholeRun, not_negative, positive, share};
use crate::args::{Dtype, Header};

/// Each field from the first, else from the second.
macro_rules! or {
    ($over:expr, $under:expr; $($field:ident),*) => {
        Self { $($field: $over.$field.or($under.$field),)* }
    };
}

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

    /// How classes are weighed in the loss [default: none]
    #[arg(long, value_enum, value_name = "HOW")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) class_weights: Option<ClassWeights>,

    /// The character between fields; `tab` for a tabulator [default: ,]
    #[arg(long, value_name = "CHARACTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delimiter: Option<Delimiter>,

    /// The names of the inputs and of the targets in archives (NPZ) [default: x,y]
    #[arg(long, value_name = "INPUTS,TARGETS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) arrays: Vec<String>,

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
            delimiter: self.delimiter.or(under.delimiter),
            arrays: or(self.arrays, under.arrays),
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

/// The network.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkSection {
    /// Units of each hidden layer: `30`, `128,64`, or `none` [default: digits 256, mnist 128, tables chosen by their size]
    #[arg(long, value_name = "UNITS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hidden: Option<Hidden>,

    /// Of the hidden layers: identity, sigmoid, tanh, relu, relu6, leaky-relu[:SLOPE], elu, selu, celu, gelu, gelu-tanh, silu, mish, softplus,
    /// softsign, hard-sigmoid, hard-tanh, hard-swish [default: relu]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) activation: Option<Activation>,

    /// The probability with which a hidden layer's output is dropped in training [default: 0; tables 0.2]
    #[arg(long, value_name = "P", value_parser = share)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dropout: Option<f64>,

    /// All layers before the last, instead of --hidden: "dense:64:relu dropout:0.2 residual(dense:64:gelu dense:64) batch-norm layer-norm rms-norm
    /// prelu tanh"
    #[arg(long, value_name = "LAYERS", conflicts_with_all = ["hidden", "dropout"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layers: Option<Layers>,

    /// The output's function: softmax, log-softmax or an activation [default: what the loss asks for]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Output>,

    /// Initial weights: zeros, constant[:X], normal[:DEVIATION], uniform[:LIMIT], glorot-normal, glorot-uniform, he-normal,
    /// he-uniform, lecun-normal, lecun-uniform, orthogonal [default: he-normal for relu and its kin, else glorot-uniform]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) init: Option<Initializer>,

    /// Initial biases, named as for --init [default: zeros]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bias_init: Option<Initializer>,
}

impl NetworkSection {
    pub(crate) fn over(self, mut under: Self) -> Self {
        // One of the two ways to tell the layers takes the place of the other.
        if self.layers.is_some() {
            (under.hidden, under.dropout) = (None, None);
        } else if self.hidden.is_some() || self.dropout.is_some() {
            under.layers = None;
        }
        or!(self, under; hidden, activation, dropout, layers, output, init, bias_init)
    }
}

/// Training: the flags that stand for keys of `[training]`, which are those of the library's `TrainerConfig`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Training")]
pub(crate) struct TrainingFlags {
    /// The loss: cross-entropy[:SMOOTHING], binary-cross-entropy[:WEIGHT], binary-cross-entropy-sum, quadratic, mse, mae, huber[:DELTA],
    /// log-cosh, pinball[:QUANTILE], hinge, squared-hinge, multi-margin[:MARGIN], poisson, gaussian, kl-divergence [default: cross-entropy; mse for
    /// numbers]
    #[arg(long, value_name = "NAME", value_parser = loss)]
    pub(crate) loss: Option<String>,

    /// sgd, adagrad, adadelta, rmsprop, adam, amsgrad, adamw, adamax, nadam, radam, lion, rprop, lbfgs, muon [default: sgd; tables adamw]
    #[arg(long, value_name = "NAME", value_parser = optimizer)]
    pub(crate) optimizer: Option<String>,

    /// A setting of the optimiser: `--set weight-decay=0.1 --set beta2=0.99`
    #[arg(long, value_name = "NAME=NUMBER", value_parser = setting)]
    pub(crate) set: Vec<(String, f64)>,

    /// The learning rate [default: digits 0.5, mnist 0.1, tables 0.003; else the optimiser's]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub(crate) lr: Option<f64>,

    /// The learning rate over the steps: cosine, one-cycle (over the whole run), step:N,F, multi-step:F,T,…, exponential:F, polynomial:N,P,
    /// cosine:N[,M], cosine-restarts:N,K[,M], warm-up:N[,S], one-cycle:N, inverse-scaling:P, several with ` then ` or ` * ` [default: constant;
    /// tables cosine]
    #[arg(long, value_name = "SCHEDULE")]
    pub(crate) schedule: Option<WholeRun>,

    /// The same over the epochs
    #[arg(long, value_name = "SCHEDULE")]
    pub(crate) schedule_by_epoch: Option<WholeRun>,

    /// Lower the learning rate after so many epochs without improvement, to a tenth or by the factor
    #[arg(long, value_name = "EPOCHS[,FACTOR]", value_parser = plateau)]
    pub(crate) plateau: Option<Plateau>,

    /// End after so many epochs without improvement, with the best network
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) early_stopping: Option<u32>,

    /// What these two go by: loss, accuracy or one of the metrics [default: loss]
    #[arg(long, value_name = "WHAT")]
    pub(crate) monitor: Option<Monitor>,

    /// Further metrics: top-K, precision, recall, f1 (each also -micro, -macro, -weighted), roc-auc, log-loss, r2, rmse, mae
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = metric)]
    pub(crate) metrics: Vec<String>,

    /// Samples a step, or `full` for all of them [default: digits 16, mnist and tables 32]
    #[arg(long, value_name = "N|full")]
    pub(crate) batch_size: Option<BatchSize>,

    /// Batches that one step takes together [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) accumulate: Option<u32>,

    /// How often to go through the data [default: digits 30, mnist 10, tables by their size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) epochs: Option<u32>,

    /// Of the initial network, of the order of the samples and of what is held out [default: 0]
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// Go through the samples in the order of the data
    #[arg(long)]
    pub(crate) no_shuffle: bool,

    /// Nielsen's λ: adds λ/2n Σ w² to the loss, n being the number of training samples [default: 0]
    #[arg(long, value_name = "LAMBDA", value_parser = not_negative)]
    pub(crate) l2: Option<f64>,

    /// Adds l1 Σ |w| to the loss [default: 0]
    #[arg(long, value_name = "L1", value_parser = not_negative)]
    pub(crate) l1: Option<f64>,

    /// Scale gradients down to this norm
    #[arg(long, value_name = "NORM", value_parser = positive)]
    pub(crate) clip_norm: Option<f64>,

    /// Clip each element of the gradient to ± this
    #[arg(long, value_name = "VALUE", value_parser = positive)]
    pub(crate) clip_value: Option<f64>,
}

impl TrainingFlags {
    /// The settings with what the flags say. (Schedules over the whole run come later, when its steps are known.)
    pub(crate) fn over(&self, mut config: TrainerConfig) -> TrainerConfig {
        fn set<V: Clone>(value: &mut V, given: Option<V>) {
            if let Some(given) = given {
                *value = given;
            }
        }
        set(&mut config.loss, self.loss.clone());
        if let Some(name) = self.optimizer.as_ref().filter(|name| **name != config.optimizer.name) {
            config.optimizer = OptimizerConfig::new(name.clone());
        }
        if let Some(lr) = self.lr {
            config.optimizer = config.optimizer.set("learning-rate", lr);
        }
        for (name, value) in &self.set {
            config.optimizer = config.optimizer.set(name.clone(), *value);
        }
        if self.plateau.is_some() {
            config.plateau = self.plateau;
        }
        if let Some(patience) = self.early_stopping {
            config.early_stopping = Some(EarlyStopping::new(patience as usize));
        }
        set(&mut config.monitor, self.monitor.clone());
        if !self.metrics.is_empty() {
            config.metrics.clone_from(&self.metrics);
        }
        set(&mut config.batch_size, self.batch_size.map(|size| size.0));
        set(&mut config.accumulate, self.accumulate.map(|n| n as usize));
        set(&mut config.epochs, self.epochs.map(|n| n as usize));
        set(&mut config.seed, self.seed);
        config.shuffle &= !self.no_shuffle;
        set(&mut config.l2, self.l2);
        if let Some(l1) = self.l1 {
            config.gradients = config.gradients.l1(l1);
        }
        if let Some(norm) = self.clip_norm {
            config.gradients = config.gradients.clip_norm(norm);
        }
        if let Some(value) = self.clip_value {
            config.gradients = config.gradients.clip_value(value);
        }
        config
    }
}

/// What computes, in a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct MachineSection {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dtype: Option<Dtype>,
}

/// What is left on disk.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputSection {
    /// Write the trained network to FILE (safetensors), for `chainrule predict`
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<PathBuf>,

    /// Keep the run in a folder: runs/NAME, or a path: config.toml, metrics.csv, model.safetensors and checkpoints
    #[arg(long, value_name = "NAME|PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<PathBuf>,

    /// Draw the learning curves into FILE (SVG)
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) svg: Option<PathBuf>,
}

impl OutputSection {
    pub(crate) fn over(self, under: Self) -> Self {
        or!(self, under; out, run, svg)
    }
}

fn column(text: &str) -> Result<String, String> {
    if text == "0" {
        return Err("expected `last`, a number from 1, or a name".to_owned());
    }
    Ok(text.to_owned())
}

/// The text, if the library knows what it names.
fn known<V>(text: &str, found: chainrule::Result<V>) -> Result<String, String> {
    match found {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}{}", super::nearest_known(&error))),
    }
}

fn loss(text: &str) -> Result<String, String> {
    known(text, chainrule::loss_by_name::<f64>(text))
}

fn optimizer(text: &str) -> Result<String, String> {
    known(text, chainrule::optimizer_by_name::<f64>(text))
}

fn metric(text: &str) -> Result<String, String> {
    known(text, chainrule::metric_by_name::<f64>(text))
}

fn setting(text: &str) -> Result<(String, f64), String> {
    let parts = text.split_once('=').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    parts.ok_or_else(|| "expected a setting's name, `=` and a number".to_owned())
}

fn plateau(text: &str) -> Result<Plateau, String> {
    let (patience, factor) = text.split_once(',').unwrap_or((text, "0.1"));
    match (patience.parse(), factor.parse()) {
        (Ok(patience), Ok(factor)) => Ok(Plateau { patience, factor, ..Plateau::default() }),
        _ => Err("expected a number of epochs, and perhaps `,` and a factor".to_owned()),
    }
}
