//! The folder of a run.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chainrule::{Callback, Epoch, Evaluation, Network, RunState, Scalar, Step};
use chainrule_model::{Checkpoint, Checkpointer, Description, Model, write_atomically};
use chainrule_report::{EventWriter, Metrics, Run, RunReport, unnamed};

use crate::config::{Config, OutputSection};
use crate::failure::Failure;
use crate::hints::resume_command;
use crate::interrupt;
use crate::report::Record;

/// No more often than this is metrics.csv written anew while training goes on.
const PACE: Duration = Duration::from_secs(1);

/// No more often than this is a checkpoint written, unless the run is interrupted.
const CHECKPOINTS: Duration = Duration::from_secs(10);

/// The configuration in a run's folder.
pub(crate) fn config(run: &Path) -> PathBuf {
    folder(run).join("config.toml")
}

/// The trained network in a folder.
fn model(folder: &Path) -> PathBuf {
    folder.join("model.safetensors")
}

/// Reads the file of a network, or that of a run whose folder is given.
pub(crate) fn open(path: &Path) -> Result<Model, Failure> {
    let file = network(path);
    let checkpoints = path.join("checkpoints");
    if path.is_dir() && !file.exists() && checkpoints.is_dir() {
        let expected = format!(
            "one that has, or a checkpoint in {}; go on with: {}",
            checkpoints.display(),
            resume_command(path)?
        );
        return Err(Failure::unfit(path.display().to_string(), "a run that has not ended", expected));
    }
    Ok(Model::read(file)?)
}

/// The file of a network, or that of a run whose folder is given.
pub(crate) fn network(path: &Path) -> PathBuf {
    if path.is_dir() { model(path) } else { path.to_path_buf() }
}

/// Where a run lies: a mere name is one below `runs`.
fn folder(run: &Path) -> PathBuf {
    let is_name = run.components().count() == 1 && run.file_name().is_some() && !run.is_dir();
    if is_name { Path::new("runs").join(run) } else { run.to_path_buf() }
}

/// A name for the run of somebody who has given none.
pub(crate) fn free_name() -> PathBuf {
    let name = |number: u32| PathBuf::from(format!("interrupted-{number}"));
    (1..u32::MAX).map(name).find(|name| !folder(name).exists()).unwrap_or_else(|| name(0))
}

/// A folder with config.toml, metrics.csv, model.safetensors and checkpoints.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    checkpoints: Checkpointer,
    /// The one after the last epoch.
    finally: Checkpointer,
    /// What an earlier part of the run has written into metrics.csv.
    before: Metrics,
    written: Option<Instant>,
}

impl RunFolder {
    /// A new folder, with what the run is.
    pub(crate) fn create(path: &Path, config: &Config, description: Description) -> Result<Self, Failure> {
        let path = folder(path);
        if path.join("config.toml").exists() {
            return Err(Failure::Usage(format!(
                "{}: there is a run already, expected another name, or --resume to go on with it",
                path.display()
            )));
        }
        fs::create_dir_all(&path).map_err(|cause| Failure::writing(&path, cause))?;
        write_atomically(&path.join("config.toml"), config.to_toml()?.as_bytes())?;
        Self::new(path, &config.output, description)
    }

    fn new(path: PathBuf, output: &OutputSection, description: Description) -> Result<Self, Failure> {
        let folder = path.join("checkpoints");
        let checkpointer = || -> Result<_, Failure> {
            let checkpointer = Checkpointer::new(&folder)?.description(description.clone());
            Ok(match output.keep {
                Some(keep) => checkpointer.keep(keep.get()),
                None => checkpointer,
            })
        };
        let finally = checkpointer()?;
        let checkpoints = checkpointer()?.every_epoch(false).every(CHECKPOINTS).interrupt(interrupt::flag());
        Ok(Self { path, checkpoints, finally, before: Metrics::default(), written: None })
    }

    /// The folder of a run that goes on, and where it goes on from; from the beginning where there is no checkpoint yet.
    pub(crate) fn reopen<T: Scalar>(
        path: &Path,
        output: &OutputSection,
        description: Description,
    ) -> Result<(Self, Option<Checkpoint<T>>), Failure> {
        let mut run = Self::new(folder(path), output, description)?;
        let Some(latest) = Checkpoint::<T>::latest(run.path.join("checkpoints"))? else {
            return Ok((run, None));
        };
        let metrics = run.path.join("metrics.csv");
        if metrics.exists() {
            run.before = Metrics::read(metrics)?;
        }
        let history = &latest.checkpoint.state.history;
        run.before.truncate(history.len());
        // A program that was killed may have been quicker with a checkpoint than with these.
        for epoch in history.iter().skip(run.before.rows().len()) {
            run.before.push(Record::new(epoch, epoch.validation.clone(), None).numbers());
        }
        Ok((run, Some(latest.checkpoint)))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the trained network.
    pub(crate) fn model(&self) -> PathBuf {
        model(&self.path)
    }

    /// After a step.
    pub(crate) fn on_step<T: Scalar>(
        &mut self,
        step: &Step,
        run: &RunState<T>,
        network: &Network<T>,
    ) -> ControlFlow<()> {
        self.checkpoints.on_step(step, run, network)
    }

    /// After an epoch.
    pub(crate) fn on_epoch<T: Scalar>(
        &mut self,
        records: &[Record],
        epoch: &Epoch,
        run: &RunState<T>,
        network: &Network<T>,
        is_last: bool,
    ) -> Result<ControlFlow<()>, Failure> {
        if self.written.is_none_or(|written| written.elapsed() >= PACE) {
            self.written = Some(Instant::now());
            self.metrics(records)?;
        }
        let checkpoints = if is_last { &mut self.finally } else { &mut self.checkpoints };
        Ok(checkpoints.on_epoch(epoch, run, network))
    }

    /// Why the run was ended, if it was because a checkpoint could not be written.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        self.checkpoints.check()?;
        Ok(self.finally.check()?)
    }

    /// Writes what is to be looked at: report.html, plots, and event files for TensorBoard.
    pub(crate) fn report<T: Scalar>(&self, run: &Run<'_, '_, T>) -> Result<(), Failure> {
        let report = RunReport::from_run(run)?;
        report.write_folder(&self.path)?;
        let mut events = EventWriter::create(self.path.join("tensorboard"), 0)?;
        for (epoch, test) in report.history.iter().zip(&report.tests) {
            events.epoch(epoch)?;
            if let Some(test) = test {
                events.evaluation("test", epoch.epoch as u64, test)?;
            }
        }
        Ok(report.write_histograms(&mut events, report.history.len() as u64)?)
    }

    /// Writes metrics.csv: a row for each epoch.
    pub(crate) fn metrics(&self, records: &[Record]) -> Result<(), Failure> {
        Ok(self.all(records).write(self.path.join("metrics.csv"))?)
    }

    /// Those of all epochs.
    fn all(&self, records: &[Record]) -> Metrics {
        let mut metrics = self.before.clone();
        for record in records {
            metrics.push(record.numbers());
        }
        metrics
    }

    /// The history of the run as metrics.csv has it, whose metrics are in the units of the data, and what the test data gave after each epoch.
    pub(crate) fn history(
        &self,
        mut history: Vec<Epoch>,
        records: &[Record],
    ) -> (Vec<Epoch>, Vec<Option<Evaluation>>) {
        let metrics = self.all(records);
        for (epoch, numbers) in history.iter_mut().zip(metrics.rows()) {
            epoch.validation = unnamed("validation", numbers).or(epoch.validation.take());
        }
        let of = |numbers: Option<&Vec<(String, f64)>>| unnamed("test", numbers?);
        let tests = (0..history.len()).map(|index| of(metrics.rows().get(index))).collect();
        (history, tests)
    }
}
