//! A callback that writes checkpoints.

use std::fs;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chainrule_core::{Callback, Epoch, Network, RunState, Scalar, Step};
use serde::Serialize;
use serde_json::Value;

use crate::checkpoint::{file, list, save};
use crate::{Description, Error, Result, files};

/// Writes [checkpoints](crate::Checkpoint) into a folder in the course of a run: `checkpoint-00001234.safetensors` after 1,234 steps,
/// each whole or not at all, the last few kept.
///
/// It is a callback of the trainer, passed as `&mut`, so that it can be asked afterwards. When a checkpoint cannot be written, the run ends there,
/// and [`Checkpointer::check`] tells why; the older checkpoints are as they were.
#[derive(Debug)]
pub struct Checkpointer {
    folder: PathBuf,
    by_steps: u64,
    by_epoch: bool,
    by_time: Option<Duration>,
    keep: usize,
    description: Description,
    settings: Value,
    interrupt: Option<Arc<AtomicBool>>,
    /// When the last one was written, or this was made.
    last: Instant,
    written: Option<PathBuf>,
    interrupted: bool,
    error: Option<Error>,
}

impl Checkpointer {
    /// A checkpoint after every epoch, the last three kept. The folder is made where there is none; what a killed program
    /// left unfinished in it is removed. It is for one run: not for two at a time, nor for another one that begins anew.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be made or written to.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(|cause| Error::writing(&folder, cause))?;
        files::check_writable(&file(&folder, 0))?;
        files::remove_unfinished(&folder)?;
        Ok(Self {
            folder,
            by_steps: 0,
            by_epoch: true,
            by_time: None,
            keep: 3,
            description: Description::default(),
            settings: Value::Null,
            interrupt: None,
            last: Instant::now(),
            written: None,
            interrupted: false,
            error: None,
        })
    }

    /// After so many steps as well; 0 for not by steps.
    #[must_use]
    pub fn every_steps(self, steps: u64) -> Self {
        Self { by_steps: steps, ..self }
    }

    /// Whether after every epoch.
    #[must_use]
    pub fn every_epoch(self, epoch: bool) -> Self {
        Self { by_epoch: epoch, ..self }
    }

    /// After the first step at which so much time has passed as well.
    #[must_use]
    pub fn every(self, time: Duration) -> Self {
        Self { by_time: Some(time), ..self }
    }

    /// How many are kept, at least one.
    #[must_use]
    pub fn keep(self, checkpoints: usize) -> Self {
        Self { keep: checkpoints.max(1), ..self }
    }

    /// What is known of the network, so that a checkpoint can be used as a model file.
    #[must_use]
    pub fn description(self, description: Description) -> Self {
        Self { description, ..self }
    }

    /// What the caller wants to find in the checkpoint besides: the settings of the run, such as a
    /// [`TrainerConfig`](chainrule_core::TrainerConfig).
    ///
    /// # Errors
    /// [`Error::Unfit`] for a value that has no JSON.
    pub fn settings(self, settings: &impl Serialize) -> Result<Self> {
        let settings = serde_json::to_value(settings)
            .map_err(|error| Error::unfit("the settings", error.to_string(), "what JSON can express"))?;
        Ok(Self { settings, ..self })
    }

    /// A flag that ends the run after the step at hand, with a checkpoint; a handler of Ctrl-C may set it.
    #[must_use]
    pub fn interrupt(self, flag: Arc<AtomicBool>) -> Self {
        Self { interrupt: Some(flag), ..self }
    }

    /// Why the run was ended, if it was because a checkpoint could not be written.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::NotFinite`] if the optimiser's state or a buffer is not, [`Error::Library`] for a layer of a foreign
    /// kind.
    pub fn check(&mut self) -> Result<()> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// The checkpoint with which the flag ended the run.
    #[must_use]
    pub fn interrupted(&self) -> Option<&Path> {
        self.written().filter(|_| self.interrupted)
    }

    /// The checkpoint that was written last.
    #[must_use]
    pub fn written(&self) -> Option<&Path> {
        self.written.as_deref()
    }

    /// Writes a checkpoint if it is due; then removes those that are too many.
    fn at<T: Scalar>(&mut self, due: bool, run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        let interrupted = self.interrupt.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed));
        let in_time = self.by_time.is_some_and(|time| self.last.elapsed() >= time);
        // Parameters that are not finite the trainer reports at the next step.
        let sound = || network.parameters().iter().all(|w| w.is_finite());
        if (due || in_time || interrupted) && sound() {
            if let Err(error) = self.write(run, network) {
                self.error = Some(error);
                return ControlFlow::Break(());
            }
            self.interrupted = interrupted;
            if interrupted {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn write<T: Scalar>(&mut self, run: &RunState<T>, network: &Network<T>) -> Result<()> {
        let path = file(&self.folder, run.steps);
        save(&path, network, run, &self.description, &self.settings)?;
        (self.last, self.written) = (Instant::now(), Some(path));
        // Those ahead of the run are another's, or damaged ones that it began before.
        let mut old = list(&self.folder)?;
        old.retain(|(steps, _)| *steps <= run.steps);
        let too_many = old.len().saturating_sub(self.keep);
        for (_, path) in &old[..too_many] {
            match fs::remove_file(path) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => {
                    return Err(Error::File { file: path.clone(), done: "removed", cause });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl<T: Scalar> Callback<T> for Checkpointer {
    fn on_step(&mut self, _: &Step, run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        let due = self.by_steps > 0 && run.steps.is_multiple_of(self.by_steps);
        self.at(due, run, network)
    }

    fn on_epoch(&mut self, _: &Epoch, run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        self.at(self.by_epoch, run, network)
    }
}
