//! What holds the program to numbers: `check` and `presets`.

use std::path::PathBuf;

use chainrule::{Activation, Initializer};
use clap::Args;

use super::{JsonArgs, MachineArgs};
use crate::config::{Output, Sizes, named, not_negative};
use crate::presets::Preset;

/// Compare the gradient of every parameter with central differences, in f64.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule check --layers 4,8,3
  chainrule check --layers 4,8,3 --activation gelu --loss quadratic --output softmax --backend naive

Exits with 1 when the worst relative error exceeds the tolerance.")]
pub(crate) struct CheckArgs {
    /// Sizes of all layers, from the inputs to the outputs
    #[arg(long, value_name = "SIZES", default_value = "4,8,3")]
    pub(crate) layers: Sizes,

    /// Of the hidden layers
    #[arg(long, value_name = "NAME", default_value = "gelu", value_parser = named::<Activation>)]
    pub(crate) activation: Activation,

    /// The output's function: softmax or an activation [default: softmax with cross-entropy, else sigmoid]
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Option<Output>,

    /// The loss, named as for `train`
    #[arg(long, value_name = "NAME", default_value = "cross-entropy")]
    pub(crate) loss: String,

    /// Initial weights, named as for `train` [default: as there]
    #[arg(long, value_name = "NAME", value_parser = named::<Initializer>)]
    pub(crate) init: Option<Initializer>,

    /// Initial biases
    #[arg(long, value_name = "NAME", default_value = "normal:0.1", value_parser = named::<Initializer>)]
    pub(crate) bias_init: Initializer,

    /// Samples in the batch
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) batch: u16,

    /// Of the network, the inputs and the targets
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// The largest relative error to accept
    #[arg(long, value_name = "ERROR", default_value_t = 1e-6, value_parser = not_negative)]
    pub(crate) tolerance: f64,

    /// The backend to check [default: all that are linked]
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,

    #[command(flatten)]
    pub(crate) told: JsonArgs,
}

/// List the presets, or repeat the experiments over several seeds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule presets                                    what they are
  chainrule presets --seeds 5 --markdown               all of them, each with the seeds 0 to 4
  chainrule presets nielsen-30 zhang --seeds 3")]
pub(crate) struct PresetsArgs {
    /// Which ones [default: all]
    #[arg(value_enum, value_name = "NAME", hide_possible_values = true)]
    pub(crate) presets: Vec<Preset>,

    /// Train each with so many seeds, from 0, and print the mean and the range beside the published figure
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) seeds: Option<u16>,

    /// The table in Markdown
    #[arg(long)]
    pub(crate) markdown: bool,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    /// The folder of MNIST's files, or the one above it (else $CHAINRULE_DATA, else data/mnist)
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,

    /// No progress on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}
