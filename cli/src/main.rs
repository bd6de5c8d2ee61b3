//! The `chainrule` command: trains feed-forward networks, checks their gradients and uses them.
//!
//! What a user sees is told by `chainrule --help`. Here, from the outside in: `args` is the command line, `config` what flags and
//! configuration files have in common, `plan` what `train` makes of both, `auto` what it chooses itself, `recipe` the network and
//! the trainer, `source`, `table`, `arrays` and `windows` what reads data, `part`, `data` and `preparation` what is made of them, `train` the command, `job` the run,
//! `run` its folder, `report` and `plot` what it tells, `predict` what reads the file it leaves.
//!
//! Exit codes: 0 for success, 1 for a failure while running, 2 for a command line or configuration that cannot be meant, 130
//! for a run that was interrupted.
#![forbid(unsafe_code)]

mod applies;
mod args;
mod arrays;
mod auto;
mod backends;
mod check;
mod config;
mod data;
mod evaluate;
mod export;
mod failure;
mod find;
mod hints;
mod inspect;
mod interrupt;
mod job;
mod known;
mod memory;
mod outputs;
mod part;
mod plan;
mod plot;
mod predict;
mod preparation;
mod presets;
mod progress;
mod recipe;
mod repeat;
mod report;
mod run;
mod source;
mod table;
mod train;
mod windows;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command, CompletionsArgs};
use failure::Failure;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Train(args) => train::command(&args),
        Command::Evaluate(args) => evaluate::command(&args),
        Command::Inspect(args) => inspect::command(&args),
        Command::Export(args) => export::command(&args),
        Command::FindLr(args) => find::command(&args),
        Command::Completions(args) => completions(&args),
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

/// `chainrule completions`.
fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "chainrule", &mut script);
    Ok(std::io::stdout().write_all(&script)?)
}
