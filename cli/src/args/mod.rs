//! The command line.

mod check;
mod train;
mod using;

use std::fmt;

use chainrule_data::csv;
use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

pub(crate) use check::{CheckArgs, PresetsArgs};
pub(crate) use train::{FindArgs, TrainArgs};
pub(crate) use using::{EvaluateArgs, ExportArgs, InspectArgs, PredictArgs, ReadArgs, Rendering};

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

/// List the backends that are linked, the fastest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  chainrule backends
  chainrule backends --json
  CHAINRULE_ISA=avx2 chainrule backends      what the simd backend is made to use")]
pub(crate) struct BackendsArgs {
    #[command(flatten)]
    pub(crate) told: JsonArgs,
}

/// For whom the output is.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct JsonArgs {
    /// JSON for programs on standard output, an object a line
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
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
