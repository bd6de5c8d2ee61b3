//! What uses a network that was trained: `predict`, `evaluate`, `inspect` and `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Header, JsonArgs, MachineArgs};
use crate::config::Delimiter;

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

    /// Lines at the start of the table to pass over unread [default: 0]
    #[arg(long, value_name = "LINES")]
    pub(crate) skip: Option<usize>,

    /// The names of the inputs and of the targets in an archive (NPZ) [default: x,y]
    #[arg(long, value_name = "INPUTS,TARGETS", value_delimiter = ',')]
    pub(crate) arrays: Vec<String>,

    /// The targets of an array (NPY): another one
    #[arg(long, value_name = "NPY")]
    pub(crate) targets: Option<PathBuf>,

    /// Whether the first row of the table holds names [default: auto]
    #[arg(long, value_enum)]
    pub(crate) header: Option<Header>,
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
    /// The file with the network, or the folder of a run
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
    /// The file with the network, or the folder of a run
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) read: ReadArgs,

    #[command(flatten)]
    pub(crate) machine: MachineArgs,

    /// Metrics instead of the usual: top-K, precision, recall, f1 (each also -micro, -macro, -weighted), roc-auc, log-loss, r2, rmse, mae
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) metrics: Vec<String>,

    #[command(flatten)]
    pub(crate) told: JsonArgs,
}

/// Tell what a file of a network holds: layers, shapes, parameters, memory, operations.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The file with the network, a checkpoint, or the folder of a run
    pub(crate) model: PathBuf,

    #[command(flatten)]
    pub(crate) told: JsonArgs,
}

/// Write a network as a file for other programs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule export iris.model --onnx iris.onnx

The file computes what the network does, with what is done to numbers before it: onnxruntime and others run it. Inputs are the columns that \
`chainrule inspect` lists, categories as 0 and 1. Model files themselves are safetensors, which PyTorch reads.")]
pub(crate) struct ExportArgs {
    /// The file with the network, or the folder of a run
    pub(crate) model: PathBuf,

    /// The file to write, in ONNX's format
    #[arg(long, value_name = "FILE")]
    pub(crate) onnx: PathBuf,
}
