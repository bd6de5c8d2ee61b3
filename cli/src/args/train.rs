//! `train`, and `find-lr`, which takes the same.

use std::path::PathBuf;

use clap::Args;

use super::{Dtype, JsonArgs, MachineArgs};
use crate::config::{
    DataSection, NetworkSection, OutputSection, PreprocessingSection, TrainingFlags, positive,
};
use crate::presets::Preset;

/// Train a network, and measure it on data held out.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule train digits
  chainrule train flowers.csv --target species            guesses the task, chooses a network and how to train it
  chainrule train flowers.csv --task regression --target length --out length.model
  chainrule train train.csv test.csv --json               two files: one to train, one to test
  chainrule train digits --layers \"dense:128:gelu dropout:0.3\" --optimizer adamw --set weight-decay=0.1 --schedule cosine
  chainrule train flowers.csv --early-stopping 20 --class-weights balanced --metrics f1-macro
  chainrule train --config run.toml --epochs 50           a file that says all that, and a flag over it
  chainrule train mnist --preset nielsen-100 --seed 3

A configuration file has the sections [data], [preprocessing], [network], [training], [machine] and [output]. Keys are called as the flags \
above; those of [training] as in the library's TrainerConfig: loss, optimizer = { name, learning-rate, … }, epochs, batch-size, accumulate, \
seed, shuffle, l2, gradients = { clip-norm, clip-value, l1, groups }, schedule, schedule-by-epoch, plateau = { patience, factor }, \
early-stopping = { patience }, monitor, metrics. In [network], layers = [{ kind = \"dense\", outputs = 64, activation = \"relu\" }, …].

With --json there is one object per epoch on standard output, before them one with the key \"memory\" (what training will take, in bytes), and \
a last one with the key \"summary\".

Exit codes: 0 success, 1 a failure while running, 2 a command line or a configuration that cannot be meant, 130 interrupted.")]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) data: DataSection,

    /// Take from a TOML file what no flag says
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Go on with an interrupted run: its folder
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "source", "preset"])]
    pub(crate) resume: Option<PathBuf>,

    /// Take all settings from a published experiment on MNIST; flags given besides override it
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true, long_help = PRESET_HELP)]
    pub(crate) preset: Option<Preset>,

    #[command(flatten)]
    pub(crate) preprocessing: PreprocessingSection,

    #[command(flatten)]
    pub(crate) network: NetworkSection,

    #[command(flatten)]
    pub(crate) training: TrainingFlags,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    /// The element type [default: f32]
    #[arg(long, value_enum, help_heading = "Machine")]
    pub(crate) dtype: Option<Dtype>,

    #[command(flatten)]
    pub(crate) output: OutputSection,

    #[command(flatten)]
    pub(crate) told: JsonArgs,

    /// No progress and no notes, only the result
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,
}

const PRESET_HELP: &str = "\
Take all settings from a published experiment on MNIST; flags given besides override it.

  nielsen-30           784-30-10 sigmoid, quadratic loss (Nielsen, chapter 1)
  nielsen-100          the same with 100 hidden units (Nielsen, chapter 1)
  nielsen-ce-100       cross-entropy of sigmoids, N(0, 1/n), L2 (Nielsen, chapter 3)
  nielsen-softmax-100  softmax and log-likelihood (Nielsen, chapter 6)
  3b1b                 784-16-16-10 sigmoid (3Blue1Brown, Neural networks)
  zhang                784-10-10 ReLU and softmax, full batch (Samson Zhang)

`chainrule presets` lists their settings, sources and published figures.";

/// Try learning rates from small to large, and suggest one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule find-lr digits
  chainrule find-lr flowers.csv --target species --optimizer adamw --json

All that `train` takes says how; the learning rate itself and schedules are left aside.")]
pub(crate) struct FindArgs {
    #[command(flatten)]
    pub(crate) train: TrainArgs,

    /// The first rate
    #[arg(long, value_name = "RATE", default_value_t = 1e-7, value_parser = positive)]
    pub(crate) from: f64,

    /// The last rate
    #[arg(long, value_name = "RATE", default_value_t = 10.0, value_parser = positive)]
    pub(crate) to: f64,

    /// Steps from one to the other
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(crate) steps: u32,
}
