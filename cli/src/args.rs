//! The command line.

use std::fmt;
use std::path::PathBuf;

use chainrule::{Activation, Initializer};
use chainrule_data::csv;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::config::{
    DataSection, Delimiter, NetworkSection, Output, OutputSection, PreprocessingSection, Sizes,
    TrainingFlags, not_negative, positive,
};
use crate::presets::Preset;

/// Trains feed-forward neural networks on the CPU by backpropagation, and uses them.
#[derive(Debug, Parser)]
#[command(name = "chainrule", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  chainrule train digits                     train on the embedded digits, in a second or two
  chainrule train flowers.csv --target species --out flowers.model
                                             choose a network for a table, and keep it
  chainrule evaluate flowers.model test.csv  measure it
  chainrule predict flowers.model new.csv    use it
  chainrule train --preset nielsen-30        repeat what a book reports
  chainrule check --layers 4,8,3             compare gradients with finite differences

Exit codes: 0 success; 1 a failure while running; 2 a command line or a configuration that cannot be meant; 130 interrupted (training keeps \
what it reached).")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(Box<TrainArgs>),
    Evaluate(EvaluateArgs),
    Predict(PredictArgs),
    Inspect(InspectArgs),
    Export(ExportArgs),
    #[command(name = "find-lr")]
    FindLr(Box<FindArgs>),
    Check(CheckArgs),
    Backends(BackendsArgs),
    Presets(PresetsArgs),
    Completions(CompletionsArgs),
}

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

With --json there is one object per epoch on standard output, and a last one with the key \"summary\".

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
    pub(crate) told: ToldArgs,
}

/// How much is told, and to whom.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct ToldArgs {
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    /// The same as --format json
    #[arg(long)]
    json: bool,

    /// No progress and no notes, only the result
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl ToldArgs {
    /// Whether programs read it.
    pub(crate) fn json(&self) -> bool {
        self.json || self.format == Format::Json
    }
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

/// What computes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Machine")]
pub(crate) struct MachineArgs {
    /// What computes: a name that `chainrule backends` lists [default: the fastest]
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,

    /// At most so many threads; the result is the same for any number [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// Where a network's inputs come from.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReadArgs {
    /// A table (CSV, gzipped or not), an array (NPY), an archive of arrays (NPZ), `-` for a table or an array on standard input, `digits` or
    /// `mnist`
    #[arg(default_value = "-", value_name = "PATH|-|digits|mnist")]
    pub(crate) input: String,

    /// The folder of MNIST's files, or the one above it (else $CHAINRULE_DATA, else data/mnist)
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,

    /// The character between the table's fields; `tab` for a tabulator [default: as in the training data]
    #[arg(long, value_name = "CHARACTER")]
    pub(crate) delimiter: Option<Delimiter>,

    /// Lines at the start of the table to pass over unread
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    pub(crate) skip: usize,

    /// The names of the inputs and of the targets in an archive (NPZ) [default: x,y]
    #[arg(long, value_name = "INPUTS,TARGETS", value_delimiter = ',')]
    pub(crate) arrays: Vec<String>,

    /// The targets of an array (NPY): another one
    #[arg(long, value_name = "NPY")]
    pub(crate) targets: Option<PathBuf>,

    /// Whether the first row of the table holds names
    #[arg(long, value_enum, default_value_t = Header::Auto)]
    pub(crate) header: Header,
}

/// Use a network that `chainrule train` wrote: the class and the outputs, or the numbers, for each row.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule predict digits.model digits               the embedded digits
  chainrule predict mnist.model mnist                 MNIST's test images
  chainrule predict iris.model new.csv                a row per sample: the features, with or without the target
  chainrule predict iris.model new.csv --format jsonl
  chainrule predict iris.model new.csv --out outputs.npy
  tail -n 1 new.csv | chainrule predict iris.model -

Columns are found by their names where the table has a header, else by their order. CSV and JSON lines have `class` first, then p_CLASS (or \
output_CLASS where outputs are no probabilities); of numbers to predict, their names. An NPY file has the outputs alone, rows × outputs.")]
pub(crate) struct PredictArgs {
    /// The file with the network
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) read: ReadArgs,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    /// The form of the predictions [default: as the name of --out ends, else csv]
    #[arg(long, value_enum, value_name = "FORM")]
    format: Option<Rendering>,

    /// Write the predictions to FILE, whole or not at all; `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// No notes on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl PredictArgs {
    /// The form of the predictions.
    pub(crate) fn rendering(&self) -> Rendering {
        let ending = self.out.as_ref().and_then(|out| out.extension()).and_then(|ending| ending.to_str());
        self.format.unwrap_or(match ending {
            Some("npy") => Rendering::Npy,
            Some("jsonl" | "ndjson") => Rendering::Jsonl,
            _ => Rendering::Csv,
        })
    }
}

/// The form of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rendering {
    /// A table with a header
    Csv,
    /// An object a line
    Jsonl,
    /// An array of the outputs, rows × outputs
    Npy,
}

/// Measure a network on data with known targets.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule evaluate iris.model test.csv
  chainrule evaluate digits.model digits --json
  chainrule evaluate rents.model test.csv --metrics rmse,mae")]
pub(crate) struct EvaluateArgs {
    /// The file with the network
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) read: ReadArgs,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    /// Metrics instead of the usual: top-K, precision, recall, f1 (each also -micro, -macro, -weighted), roc-auc, log-loss, r2, rmse, mae
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) metrics: Vec<String>,

    /// An object for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// Tell what a file of a network holds: layers, shapes, parameters, memory, operations.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The file with the network, or a checkpoint
    pub(crate) model: PathBuf,

    /// An object for programs
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write a network as a file for other programs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule export iris.model --onnx iris.onnx

The file computes what the network does, with what is done to numbers before it: onnxruntime and others run it. Inputs are the columns that \
`chainrule inspect` lists, categories as 0 and 1. Model files themselves are safetensors, which PyTorch reads.")]
pub(crate) struct ExportArgs {
    /// The file with the network
    pub(crate) model: PathBuf,

    /// The file to write, in ONNX's format
    #[arg(long, value_name = "FILE")]
    pub(crate) onnx: PathBuf,
}

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

/// Print a script that completes this command in a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule completions bash > ~/.local/share/bash-completion/completions/chainrule
  chainrule completions zsh > ~/.zfunc/_chainrule")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

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
    #[arg(long, value_name = "NAME", default_value = "gelu")]
    pub(crate) activation: Activation,

    /// The output's function: softmax or an activation [default: softmax with cross-entropy, else sigmoid]
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Option<Output>,

    /// The loss, named as for `train`
    #[arg(long, value_name = "NAME", default_value = "cross-entropy")]
    pub(crate) loss: String,

    /// Initial weights, named as for `train` [default: as there]
    #[arg(long, value_name = "NAME")]
    pub(crate) init: Option<Initializer>,

    /// Initial biases
    #[arg(long, value_name = "NAME", default_value = "normal:0.1")]
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

    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

/// List the backends that are linked, the fastest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule backends
  chainrule backends --format json
  CHAINRULE_ISA=avx2 chainrule backends      what the simd backend is made to use")]
pub(crate) struct BackendsArgs {
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
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

/// For whom the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences
    Human,
    /// JSON objects, one a line
    Json,
}

/// The element type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dtype {
    /// Single precision
    #[default]
    F32,
    /// Double precision
    F64,
}

/// Whether a CSV file has a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Header {
    /// If none of the first row's features is a number
    #[default]
    Auto,
    /// It does
    Yes,
    /// It does not
    No,
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Yes => "yes",
            Self::No => "no",
        })
    }
}

impl From<Header> for csv::Header {
    fn from(header: Header) -> Self {
        match header {
            Header::Auto => Self::Auto,
            Header::Yes => Self::Yes,
            Header::No => Self::No,
        }
    }
}
