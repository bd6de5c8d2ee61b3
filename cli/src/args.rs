//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use chainrule::{Activation, Initializer};
use chainrule_data::csv::{self, Column};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::presets::Preset;
use crate::settings::{BatchSize, Hidden, Layers, LossKind, Output};

/// Trains feed-forward neural networks on the CPU by backpropagation, and uses them.
#[derive(Debug, Parser)]
#[command(name = "chainrule", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "\
Examples:
  chainrule train digits                     train on the embedded digits, in a second or two
  chainrule train digits --out digits.model  and keep the network
  chainrule predict digits.model digits      use it
  chainrule train --preset nielsen-30        repeat what a book reports
  chainrule check --layers 4,8,3             compare gradients with finite differences

Exit codes: 0 success, 1 a failure while running, 2 a command line that cannot be meant.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Train(Box<TrainArgs>),
    Predict(PredictArgs),
    Check(CheckArgs),
    Backends(BackendsArgs),
    Presets(PresetsArgs),
}

/// Train a network, and measure it on data held out.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule train digits
  chainrule train digits --hidden 128,64 --activation gelu --lr 0.05 --epochs 20 --svg curve.svg
  chainrule train mnist --hidden 30 --activation sigmoid --loss quadratic --lr 3 --batch-size 10
  chainrule train mnist --preset nielsen-100 --seed 3
  chainrule train iris.csv --skip 1 --out iris.model     one file: a fifth is held out
  chainrule train train.csv test.csv --format json       two files: one to train, one to test

With --format json there is one object per epoch on standard output, and a last one with the key \"summary\".")]
pub(crate) struct TrainArgs {
    /// `digits` (1,797 images, embedded), `mnist` (four IDX files), or one or two CSV files with a class in a column
    #[arg(value_name = "digits|mnist|PATH", num_args = 1..=2, required_unless_present = "preset")]
    pub(crate) source: Vec<String>,

    /// Take all settings from a published experiment on MNIST; flags given besides override it
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true, long_help = PRESET_HELP)]
    pub(crate) preset: Option<Preset>,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,

    #[command(flatten)]
    pub(crate) descent: DescentArgs,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    /// The element type
    #[arg(long, value_enum, default_value_t = Dtype::F32, help_heading = "Machine")]
    pub(crate) dtype: Dtype,

    /// Write the trained network to FILE (safetensors), for `chainrule predict`
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,

    /// Draw the learning curves into FILE (SVG)
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) svg: Option<PathBuf>,

    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Human, help_heading = "Output")]
    pub(crate) format: Format,

    /// No progress and no notes, only the result
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,

    /// The folder of MNIST's files, or the one above it (else $CHAINRULE_DATA, else data/mnist)
    #[arg(long, value_name = "FOLDER", help_heading = "Data")]
    pub(crate) data_dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) csv: CsvArgs,
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

/// The network.
#[derive(Debug, Args)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkArgs {
    /// Units of each hidden layer: `30`, `128,64`, or `none` [default: digits 256, mnist 128, CSV 32]
    #[arg(long, value_name = "UNITS")]
    pub(crate) hidden: Option<Hidden>,

    /// Of the hidden layers: identity, sigmoid, tanh, relu, leaky-relu[:SLOPE], gelu, silu [default: relu]
    #[arg(long, value_name = "NAME")]
    pub(crate) activation: Option<Activation>,

    /// The output's function: softmax or an activation [default: softmax with cross-entropy, else sigmoid]
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Option<Output>,

    /// The loss [default: cross-entropy]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) loss: Option<LossKind>,

    /// Initial weights: zeros, constant[:X], normal[:DEVIATION], uniform[:LIMIT], glorot-normal, glorot-uniform, he-normal,
    /// he-uniform, lecun-normal, lecun-uniform, orthogonal [default: he-normal for relu and its kin, else glorot-uniform]
    #[arg(long, value_name = "NAME")]
    pub(crate) init: Option<Initializer>,

    /// Initial biases, named as for --init [default: zeros]
    #[arg(long, value_name = "NAME")]
    pub(crate) bias_init: Option<Initializer>,
}

/// The descent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub(crate) struct DescentArgs {
    /// The learning rate [default: digits 0.5, mnist 0.1, CSV 0.05]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub(crate) lr: Option<f64>,

    /// Samples a step, or `full` for all of them [default: digits 16, mnist 32, CSV 16]
    #[arg(long, value_name = "N|full")]
    pub(crate) batch_size: Option<BatchSize>,

    /// How often to go through the data [default: digits 30, mnist 10, CSV 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) epochs: Option<u32>,

    /// Of the initial network, of the order of the samples and of what is held out
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,

    /// Nielsen's λ: adds λ/2n Σ w² to the loss, n being the number of training samples [default: 0]
    #[arg(long, value_name = "LAMBDA", value_parser = not_negative)]
    pub(crate) l2: Option<f64>,
}

/// What computes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Machine")]
pub(crate) struct MachineArgs {
    /// What computes: a name that `chainrule backends` lists [default: the fastest]
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: Option<String>,

    /// At most so many threads; the result is the same for any number [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// How CSV files are to be understood.
#[derive(Debug, Args)]
#[command(next_help_heading = "CSV files")]
pub(crate) struct CsvArgs {
    /// The column of the classes: `last`, a number from 1, or a name in the header
    #[arg(long, value_name = "COLUMN", default_value = "last", value_parser = column)]
    pub(crate) label: Column,

    /// The character between fields; `tab` for a tabulator
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = character)]
    pub(crate) delimiter: u8,

    /// Whether the first row holds names
    #[arg(long, value_enum, default_value_t = Header::Auto)]
    pub(crate) header: Header,

    /// Lines at the start to pass over unread
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    pub(crate) skip: usize,

    /// The share of a single file that is held out
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
    pub(crate) test_share: f64,

    /// Take the features as they are, instead of each less its mean and divided by its standard deviation
    #[arg(long)]
    pub(crate) no_standardize: bool,
}

impl Default for CsvArgs {
    fn default() -> Self {
        Self {
            label: Column::Last,
            delimiter: b',',
            header: Header::Auto,
            skip: 0,
            test_share: 0.2,
            no_standardize: false,
        }
    }
}

/// Use a network that `chainrule train --out` wrote: print a class and the outputs for each row, as CSV.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule predict digits.model digits          the embedded digits
  chainrule predict mnist.model mnist            MNIST's test images
  chainrule predict iris.model new.csv           a row per sample: the features, with or without the class
  tail -n 1 new.csv | chainrule predict iris.model -")]
pub(crate) struct PredictArgs {
    /// The file with the network
    pub(crate) model: PathBuf,

    /// A CSV file, `-` for standard input, `digits` or `mnist`
    #[arg(default_value = "-", value_name = "CSV|-|digits|mnist")]
    pub(crate) input: String,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    /// The folder of MNIST's files, or the one above it (else $CHAINRULE_DATA, else data/mnist)
    #[arg(long, value_name = "FOLDER")]
    pub(crate) data_dir: Option<PathBuf>,

    /// The character between the CSV file's fields; `tab` for a tabulator [default: as in the training data]
    #[arg(long, value_name = "CHARACTER", value_parser = character)]
    pub(crate) delimiter: Option<u8>,

    /// Lines at the start of the CSV file to pass over unread
    #[arg(long, value_name = "LINES", default_value_t = 0)]
    pub(crate) skip: usize,

    /// Whether the first row of the CSV file holds names
    #[arg(long, value_enum, default_value_t = Header::Auto)]
    pub(crate) header: Header,

    /// No notes on standard error
    #[arg(long, short)]
    pub(crate) quiet: bool,
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
    pub(crate) layers: Layers,

    /// Of the hidden layers
    #[arg(long, value_name = "NAME", default_value = "gelu")]
    pub(crate) activation: Activation,

    /// The output's function: softmax or an activation [default: softmax with cross-entropy, else sigmoid]
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Option<Output>,

    /// The loss
    #[arg(long, value_enum, value_name = "NAME", default_value_t = LossKind::CrossEntropy)]
    pub(crate) loss: LossKind,

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    /// Single precision
    F32,
    /// Double precision
    F64,
}

/// Whether a CSV file has a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Header {
    /// If none of the first row's features is a number
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

/// A number of which `is` holds.
fn number(text: &str, expected: &str, is: fn(f64) -> bool) -> Result<f64, String> {
    text.parse().ok().filter(|&x: &f64| x.is_finite() && is(x)).ok_or_else(|| format!("expected {expected}"))
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, "a finite number above 0", |x| x > 0.0)
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, "a finite number of at least 0", |x| x >= 0.0)
}

fn share(text: &str) -> Result<f64, String> {
    number(text, "a number between 0 and 1", |x| x > 0.0 && x < 1.0)
}

fn column(text: &str) -> Result<Column, String> {
    if text == "0" {
        return Err("expected `last`, a number from 1, or a name".to_owned());
    }
    Column::from_str(text).map_err(|never| match never {})
}

fn character(text: &str) -> Result<u8, String> {
    match (text, text.as_bytes()) {
        ("tab" | "\\t", _) => Ok(b'\t'),
        (_, &[character]) if character.is_ascii() => Ok(character),
        _ => Err("expected a single ASCII character or `tab`".to_owned()),
    }
}
