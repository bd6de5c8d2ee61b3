//! The folder of a run.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chainrule::{Callback, Epoch, Network, RunState, Scalar, Step};
use chainrule_model::{Checkpoint, Checkpointer, Description, write_atomically};
use chainrule_report::{EventWriter, Run, RunReport};

use crate::config::Config;
use crate::failure::Failure;
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
    /// The rows of metrics.csv that an earlier part of the run has written.
    before: Vec<Vec<(String, f64)>>,
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
        Self::new(path, description)
    }

    fn new(path: PathBuf, description: Description) -> Result<Self, Failure> {
        let folder = path.join("checkpoints");
        let finally = Checkpointer::new(&folder)?.description(description.clone());
        let checkpoints = Checkpointer::new(folder)?
            .every_epoch(false)
            .every(CHECKPOINTS)
            .description(description)
            .interrupt(interrupt::flag());
        Ok(Self { path, checkpoints, finally, before: Vec::new(), written: None })
    }

    /// The folder of a run that goes on, and where it goes on from; from the beginning where there is no checkpoint yet.
    pub(crate) fn reopen<T: Scalar>(
        path: &Path,
        description: Description,
    ) -> Result<(Self, Option<Checkpoint<T>>), Failure> {
        let mut run = Self::new(folder(path), description)?;
        let Some(latest) = Checkpoint::<T>::latest(run.path.join("checkpoints"))? else {
            return Ok((run, None));
        };
        run.before = run.read_metrics()?;
        let history = &latest.checkpoint.state.history;
        run.before.truncate(history.len());
        // A program that was killed may have been quicker with a checkpoint than with these.
        let missing = history.iter().skip(run.before.len());
        run.before.extend(missing.map(|epoch| Record::new(epoch, epoch.validation.clone(), None).numbers()));
        Ok((run, Some(latest.checkpoint)))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the trained network.
    pub(crate) fn model(&self) -> PathBuf {
        self.path.join("model.safetensors")
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

    /// Writes what is to be looked at: report.html, plots, metrics.csv, and event files for TensorBoard.
    pub(crate) fn report<T: Scalar>(
        &self,
        run: &Run<'_, '_, T>,
        history: &[Epoch],
        records: &[Record],
    ) -> Result<(), Failure> {
        RunReport::from_run(run)?.write_folder(&self.path)?;
        let mut events = EventWriter::create(self.path.join("tensorboard"), 0)?;
        history.iter().try_for_each(|epoch| events.epoch(epoch))?;
        // This one tells of the test data as well.
        self.metrics(records)
    }

    /// Writes metrics.csv: a row for each epoch.
    pub(crate) fn metrics(&self, records: &[Record]) -> Result<(), Failure> {
        let path = self.path.join("metrics.csv");
        let rows: Vec<_> = self.before.iter().cloned().chain(records.iter().map(Record::numbers)).collect();
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in rows.iter().flatten() {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        let mut text = names.join(",") + "\n";
        for row in &rows {
            let cell = |name: &&str| {
                let value = row.iter().find(|(known, _)| known == name);
                value.map_or_else(String::new, |(_, value)| value.to_string())
            };
            text += &names.iter().map(cell).collect::<Vec<_>>().join(",");
            text.push('\n');
        }
        Ok(write_atomically(&path, text.as_bytes())?)
    }

    /// Reads it back; what is no number is left out.
    fn read_metrics(&self) -> Result<Vec<Vec<(String, f64)>>, Failure> {
        let path = self.path.join("metrics.csv");
        if !path.exists() {
            return Ok(Vec::new());
        }
        let refused =
            |error: csv::Error| Failure::unfit(path.display().to_string(), error.to_string(), "CSV");
        let mut reader = csv::Reader::from_path(&path).map_err(refused)?;
        let names = reader.headers().map_err(refused)?.clone();
        let row = |record: csv::Result<csv::StringRecord>| {
            let record = record.map_err(refused)?;
            let cells = names.iter().zip(&record);
            Ok(cells.filter_map(|(name, cell)| Some((name.to_owned(), cell.parse().ok()?))).collect())
        };
        reader.records().map(row).collect()
    }
}
