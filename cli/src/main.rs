//! The `chainrule` command: trains feed-forward networks, checks their gradients and uses them.
//!
//! What a user sees is told by `chainrule --help`. Here, from the outside in: `args` is the command line, `settings` what of
//! it makes a training run, `source` the data, `train` the run, `report` and `plot` what it tells, `model` the file it
//! leaves, `predict` what reads that file.
//!
//! Exit codes: 0 for success, 1 for a failure while running, 2 for a command line that cannot be meant.
#![forbid(unsafe_code)]

mod args;
mod backends;
mod check;
mod failure;
mod files;
mod model;
mod plot;
mod predict;
mod presets;
mod progress;
mod repeat;
mod report;
mod settings;
mod source;
mod train;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command};

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(args) => train::command(&args),
        Command::Predict(args) => predict::command(&args),
        Command::Check(args) => check::command(&args),
        Command::Backends(args) => backends::command(&args),
        Command::Presets(args) => repeat::command(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                // Where stderr is gone as well, the exit code has to do.
                let _ = writeln!(std::io::stderr(), "error: {failure}");
            }
            failure.exit_code()
        }
    }
}
