//! A training run, with what is done after its steps and epochs.

use std::ops::ControlFlow;

use chainrule::{
    Backend, Callback, Epoch, Evaluation, Linked, Loss, Metric, Network, RunState, Step, Trainer,
    TrainingMemory, evaluate, loss_by_name, metric_by_name,
};
use chainrule_data::Answers;
use chainrule_model::Checkpoint;
use ndarray::Axis;

use crate::args::MachineArgs;
use crate::data::Data;
use crate::failure::Failure;
use crate::hints::resume_command;
use crate::interrupt;
use crate::memory::{memory_now, peak_memory};
use crate::part::Part;
use crate::preparation::TargetScale;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::report::{Record, Summary};
use crate::run::RunFolder;

/// All that makes a run the run it is, but the data.
#[derive(Clone, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) recipe: Recipe,
    pub(crate) machine: &'a MachineArgs,
}

/// What a run leaves.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    pub(crate) network: Network<T>,
    pub(crate) records: Vec<Record>,
    /// All epochs, those of earlier parts of the run as well.
    pub(crate) history: Vec<Epoch>,
    pub(crate) summary: Summary,
}

/// Measures networks in the units of the data.
struct Gauge<'a, T> {
    backend: &'a dyn Backend<T>,
    loss: Box<dyn Loss<T>>,
    metrics: Vec<Box<dyn Metric<T>>>,
    scale: Option<&'a TargetScale>,
}

impl<'a, T: Linked> Gauge<'a, T> {
    fn new(
        recipe: &Recipe,
        backend: &'a dyn Backend<T>,
        scale: Option<&'a TargetScale>,
    ) -> Result<Self, Failure> {
        let metrics = recipe.trainer.metrics.iter().map(|name| metric_by_name::<T>(name));
        let metrics = metrics.collect::<chainrule::Result<_>>()?;
        Ok(Self { backend, loss: loss_by_name(&recipe.trainer.loss)?, metrics, scale })
    }

    /// The loss is that of training; metrics of numbers to predict are in their own units.
    fn measure(&self, network: &Network<T>, part: &Part<T>) -> Result<Evaluation, Failure> {
        let data = part.dataset()?;
        let (Some(scale), Answers::Values(values)) = (self.scale, &part.answers) else {
            return Ok(evaluate(network, self.backend, &*self.loss, &data, &self.metrics)?);
        };
        let mut evaluation = evaluate(network, self.backend, &*self.loss, &data, &[])?;
        let mut outputs = scale.undo(&network.predict(self.backend, &part.inputs)?);
        // A loss may have further outputs after those that tell the numbers.
        outputs.slice_axis_inplace(Axis(1), (..values.ncols()).into());
        let targets = scale.undo(values);
        let of = |metric: &dyn Metric<T>| {
            let value = metric.evaluate(&outputs, chainrule::Targets::Values(targets.view()));
            (metric.name().to_owned(), value)
        };
        evaluation.metrics = self.metrics.iter().map(|metric| of(&**metric)).collect();
        Ok(evaluation)
    }

    fn measure_some(
        &self,
        network: &Network<T>,
        part: Option<&Part<T>>,
    ) -> Result<Option<Evaluation>, Failure> {
        part.map(|part| self.measure(network, part)).transpose()
    }
}

/// Is told the epoch, and how many of its samples are done and all in all.
type OnStep<'a> = Box<dyn FnMut(usize, usize, usize) + 'a>;

/// What a run tells while it goes on.
#[derive(Debug)]
pub(crate) enum Told<'a> {
    /// What it will take, before it begins.
    Memory(&'a TrainingMemory),
    /// An epoch.
    Epoch(&'a Record),
}

/// What is done after steps and epochs.
struct Watch<'a, T> {
    gauge: &'a Gauge<'a, T>,
    validation: Option<&'a Part<T>>,
    test: Option<&'a Part<T>>,
    progress: &'a Progress,
    on_step: Option<OnStep<'a>>,
    tell: &'a mut dyn FnMut(Told<'_>) -> Result<(), Failure>,
    keep: Keep<'a>,
    epochs: usize,
    records: &'a mut Vec<Record>,
    failure: &'a mut Option<Failure>,
}

impl<T: Linked> Watch<'_, T> {
    fn epoch(
        &mut self,
        epoch: &Epoch,
        run: &RunState<T>,
        network: &Network<T>,
    ) -> Result<ControlFlow<()>, Failure> {
        let validation = match (&epoch.validation, self.gauge.scale) {
            (Some(measured), None) => Some(measured.clone()),
            _ => self.gauge.measure_some(network, self.validation)?,
        };
        let test = self.gauge.measure_some(network, self.test)?;
        let record = Record::new(epoch, validation, test);
        self.progress.epoch(&record);
        (self.tell)(Told::Epoch(&record))?;
        self.records.push(record);
        match &mut self.keep.folder {
            Some(folder) => {
                let is_last = epoch.epoch >= self.epochs || run.stopped;
                folder.on_epoch(self.records, epoch, run, network, is_last)
            }
            None => Ok(ControlFlow::Continue(())),
        }
    }

    fn step(
        &mut self,
        step: &Step,
        run: &RunState<T>,
        network: &Network<T>,
    ) -> Result<ControlFlow<()>, Failure> {
        if let Some(on_step) = &mut self.on_step {
            on_step(step.epoch, step.samples, step.samples_per_epoch);
        }
        let requested = interrupt::requested();
        if let (true, None, Some(improvise)) = (requested, &self.keep.folder, self.keep.improvise) {
            *self.keep.folder = Some(improvise()?);
        }
        Ok(match &mut self.keep.folder {
            Some(folder) => folder.on_step(step, run, network),
            None if requested => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        })
    }

    /// Ends the training where something has gone wrong.
    fn ended(&mut self, result: Result<ControlFlow<()>, Failure>) -> ControlFlow<()> {
        result.unwrap_or_else(|error| {
            *self.failure = Some(error);
            ControlFlow::Break(())
        })
    }
}

impl<T: Linked> Callback<T> for Watch<'_, T> {
    fn on_step(&mut self, step: &Step, run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        let result = self.step(step, run, network);
        self.ended(result)
    }

    fn on_epoch(&mut self, epoch: &Epoch, run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        let result = self.epoch(epoch, run, network);
        self.ended(result)
    }
}

/// Where a run is kept.
pub(crate) struct Keep<'a> {
    pub(crate) folder: &'a mut Option<RunFolder>,
    /// Makes a folder for a run that has none when it is interrupted.
    pub(crate) improvise: Option<&'a dyn Fn() -> Result<RunFolder, Failure>>,
}

impl Job<'_> {
    fn trainer<'d, T: Linked>(&self, validation: Option<&'d Part<T>>) -> Result<Trainer<'d, T>, Failure> {
        let trainer = self.recipe.trainer.trainer::<T>()?;
        Ok(match validation {
            Some(validation) => trainer.validation(validation.dataset()?),
            None => trainer,
        })
    }

    /// Trains a network on `data`. Of data in windows none is at hand any more afterwards.
    pub(crate) fn run<T: Linked>(
        &self,
        data: &mut Data<T>,
        progress: &Progress,
        keep: Keep<'_>,
        from: Option<Checkpoint<T>>,
        mut tell: impl FnMut(Told<'_>) -> Result<(), Failure>,
    ) -> Result<Outcome<T>, Failure> {
        let config = &self.recipe.trainer;
        let backend = self.machine.backend::<T>()?;
        let Keep { folder, improvise } = keep;
        let (mut network, state) = match from {
            Some(Checkpoint { network, state, .. }) => (network, Some(state)),
            None => (self.recipe.network::<T>(data.features(), data.task(), config.seed)?, None),
        };
        let Data { train, validation, test, windows, target_scale, .. } = data;
        let (validation, test) = (validation.as_ref(), test.as_ref());
        let gauge = Gauge::new(&self.recipe, &*backend, target_scale.as_ref())?;
        let memory = self.trainer(validation)?.memory(&network, &train.dataset()?, None);
        tell(Told::Memory(&memory))?;
        let memory_before = memory_now();
        let (mut records, mut failure) = (Vec::new(), None);
        let mut trainer = self.trainer(validation)?.callback(Watch {
            gauge: &gauge,
            validation,
            test,
            progress,
            on_step: progress.on_step().map(|on_step| Box::new(on_step) as Box<_>),
            tell: &mut tell,
            keep: Keep { folder: &mut *folder, improvise },
            epochs: config.epochs,
            records: &mut records,
            failure: &mut failure,
        });
        if let Some(state) = state {
            trainer = trainer.resume(state);
        }
        let history = match windows {
            Some(windows) => {
                // One window at a time.
                *train = train.select(&[]);
                trainer.fit_each(&mut network, &*backend, windows)?
            }
            None => trainer.fit(&mut network, &*backend, &train.dataset()?)?,
        };
        let state = trainer.state().map(|state| (state.epoch, state.epoch_steps, state.stopped));
        drop(trainer);
        progress.finish();
        if let Some(failure) = failure {
            return Err(failure);
        }
        if let Some(folder) = folder {
            folder.metrics(&records)?;
            folder.check()?;
        }
        if let Some((epoch, steps, false)) = state
            && epoch <= config.epochs
        {
            let at = format!("interrupted in epoch {epoch} of {}, after {steps} steps of it", config.epochs);
            return Err(Failure::Interrupted(match folder {
                Some(folder) => format!("{at}; go on with: {}", resume_command(folder.path())?),
                None => at,
            }));
        }
        let mut last = match (records.last(), history.last()) {
            (Some(record), _) => record.clone(),
            (None, Some(epoch)) => Record::new(epoch, epoch.validation.clone(), None),
            (None, None) => return Err(Failure::Other("no epoch was trained".to_owned())),
        };
        if config.early_stopping.is_some() || records.is_empty() {
            // The network that is kept is that of another epoch, or an earlier part of the run has measured it.
            last.validation = gauge.measure_some(&network, validation)?;
            last.test = gauge.measure_some(&network, test)?;
        }
        // A sum of nothing would be −0.
        let seconds = records.iter().fold(0.0, |sum, record| sum + record.seconds);
        let samples = records.iter().fold(0.0, |sum, record| sum + record.seconds * record.samples_per_s);
        let summary = Summary {
            last,
            epochs: history.len(),
            samples_per_s: samples / seconds.max(1e-9),
            seconds,
            backend: backend.name().to_owned(),
            isa: backend.isa().to_owned(),
            threads: backend.threads(),
            seed: config.seed,
            parameters: network.parameters().len(),
            stated_memory: memory.total(),
            memory_before,
            peak_memory: peak_memory(),
        };
        Ok(Outcome { network, records, history, summary })
    }
}
