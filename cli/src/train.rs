//! `chainrule train`.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use chainrule::{
    Backend, Callback, Epoch, Evaluation, Linked, Loss, Metric, Network, RunState, Step, evaluate,
    loss_by_name, metric_by_name,
};
use chainrule_data::Answers;
use chainrule_model::{Checkpoint, Description, Model, check_writable, write_atomically};
use chainrule_report::Run;

use crate::args::{Dtype, Header, MachineArgs, TrainArgs};
use crate::arrays::is_archive;
use crate::auto;
use crate::failure::Failure;
use crate::interrupt;
use crate::memory::peak_memory;
use crate::plan::Plan;
use crate::plot::learning_curve;
use crate::preparation::TargetScale;
use crate::progress::Progress;
use crate::recipe::{Recipe, Task, architecture};
use crate::report::{Record, Summary, human, json_record, json_summary};
use crate::run::{self, RunFolder};
use crate::source::{Data, Part, Source};

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
    history: Vec<Epoch>,
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
        let outputs = scale.undo(&network.predict(self.backend, &part.inputs)?);
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

/// What is done after steps and epochs.
struct Watch<'a, T> {
    gauge: &'a Gauge<'a, T>,
    data: &'a Data<T>,
    progress: &'a Progress,
    on_step: Option<OnStep<'a>>,
    on_epoch: &'a mut dyn FnMut(&Record) -> Result<(), Failure>,
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
            _ => self.gauge.measure_some(network, self.data.validation.as_ref())?,
        };
        let test = self.gauge.measure_some(network, self.data.test.as_ref())?;
        let record = Record::new(epoch, validation, test);
        self.progress.epoch(&record);
        (self.on_epoch)(&record)?;
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
    /// Trains a network on `data`, telling each epoch to `on_epoch`.
    pub(crate) fn run<T: Linked>(
        &self,
        data: &Data<T>,
        progress: &Progress,
        keep: Keep<'_>,
        from: Option<Checkpoint<T>>,
        mut on_epoch: impl FnMut(&Record) -> Result<(), Failure>,
    ) -> Result<Outcome<T>, Failure> {
        let config = &self.recipe.trainer;
        let backend = self.machine.backend::<T>()?;
        let gauge = Gauge::new(&self.recipe, &*backend, data.target_scale.as_ref())?;
        let Keep { folder, improvise } = keep;
        let (mut records, mut failure) = (Vec::new(), None);
        let mut trainer = config.trainer::<T>()?.callback(Watch {
            gauge: &gauge,
            data,
            progress,
            on_step: progress.on_step().map(|on_step| Box::new(on_step) as Box<_>),
            on_epoch: &mut on_epoch,
            keep: Keep { folder: &mut *folder, improvise },
            epochs: config.epochs,
            records: &mut records,
            failure: &mut failure,
        });
        if let Some(validation) = &data.validation {
            trainer = trainer.validation(validation.dataset()?);
        }
        let mut network = match from {
            Some(Checkpoint { network, state, .. }) => {
                trainer = trainer.resume(state);
                network
            }
            None => self.recipe.network::<T>(data.features(), data.task(), config.seed)?,
        };
        let history = trainer.fit(&mut network, &*backend, &data.train.dataset()?)?;
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
            last.validation = gauge.measure_some(&network, data.validation.as_ref())?;
            last.test = gauge.measure_some(&network, data.test.as_ref())?;
        }
        let seconds: f64 = records.iter().map(|record| record.seconds).sum();
        let summary = Summary {
            last,
            epochs: records.len(),
            samples_per_s: (data.train.len() * records.len()) as f64 / seconds.max(1e-9),
            seconds,
            backend: backend.name().to_owned(),
            isa: backend.isa().to_owned(),
            threads: backend.threads(),
            seed: config.seed,
            parameters: network.parameters().len(),
            peak_memory: peak_memory(),
        };
        Ok(Outcome { network, records, history, summary })
    }
}

/// `chainrule train`.
pub(crate) fn command(args: &TrainArgs) -> Result<(), Failure> {
    let plan = Plan::new(args)?;
    interrupt::catch()?;
    plan.machine.install(|| match plan.dtype {
        Dtype::F32 => train::<f32>(args, &plan),
        Dtype::F64 => train::<f64>(args, &plan),
    })
}

fn train<T: Linked>(args: &TrainArgs, plan: &Plan) -> Result<(), Failure> {
    let backend = plan.machine.backend::<T>()?;
    plan.files().try_for_each(|file| check_writable(file))?;
    let mut data = plan.load::<T>()?;
    let recipe = plan.recipe(&data)?;
    let config = recipe.config(data.features(), data.task())?;
    scale_targets(&mut data, &config.layers);
    let (json, quiet) = (args.told.json(), args.told.quiet);
    let mut out = std::io::stdout().lock();
    let mut settled = plan.settled(&recipe);
    // A network whose numbers are on a scale of their own is of no use without it.
    let kept =
        if data.target_scale.is_some() { Description::default() } else { description(&data, &recipe)? };
    let (mut folder, from) = match (&args.resume, &plan.config.output.run) {
        (Some(run), _) => {
            let (folder, from) = RunFolder::reopen::<T>(run, kept.clone())?;
            (Some(folder), from)
        }
        (None, Some(run)) => (Some(RunFolder::create(run, &settled, kept.clone())?), None),
        (None, None) => (None, None),
    };
    if !json && !quiet {
        if plan.chooses() {
            writeln!(out, "{}", auto::reasons(&data, plan.config.data.task.is_some()))?;
        }
        let part = |part: &Option<Part<T>>, what: &str| {
            part.as_ref().map(|part| format!(", {} {what}", part.len())).unwrap_or_default()
        };
        writeln!(
            out,
            "{}: {} samples to train{}{}\n{}, {} loss; {} at learning rate {}, {}; batch {}, λ {}, seed {}; {} on {} ({})",
            plan.source.name(),
            data.train.len(),
            part(&data.test, "to test"),
            part(&data.validation, "for validation"),
            architecture(&config),
            recipe.trainer.loss,
            recipe.trainer.optimizer.name,
            recipe.learning_rate()?,
            schedules(&recipe),
            recipe.batch(),
            recipe.trainer.l2,
            recipe.trainer.seed,
            T::NAME,
            backend.name(),
            backend.isa(),
        )?;
        out.flush()?;
    }
    settled.output.run = settled.output.run.or_else(|| Some(run::free_name()));
    let improvise = || {
        let name = settled.output.run.clone().unwrap_or_default();
        RunFolder::create(&name, &settled, kept.clone())
    };
    let progress = Progress::new(recipe.trainer.epochs, quiet, !json);
    let job = Job { recipe, machine: &plan.machine };
    let keep = Keep { folder: &mut folder, improvise: Some(&improvise) };
    let Outcome { mut network, records, history, summary } =
        job.run(&data, &progress, keep, from, |record| {
            if json { Ok(json_record(&mut out, record)?) } else { Ok(()) }
        })?;
    if let Some(scale) = &data.target_scale {
        scale.take_in(&mut network);
    }
    if let Some(file) = &plan.config.output.svg {
        let title = format!("{}: {}", plan.source.name(), architecture(&config));
        write_atomically(file, learning_curve(&title, &records)?.as_bytes())?;
    }
    let model = folder.as_ref().map(RunFolder::model);
    let models: Vec<_> = plan.config.output.out.iter().chain(&model).collect();
    for file in &models {
        Model::save(file, &network, &description(&data, &job.recipe)?)?;
    }
    if let Some(folder) = &folder {
        report(folder, plan, &job, &data, &network, &history, &records)?;
    }
    if json {
        return Ok(json_summary(&mut out, &summary)?);
    }
    human(&mut out, &records, &summary)?;
    if let Some(file) = &plan.config.output.svg {
        writeln!(out, "learning curves: {}", file.display())?;
    }
    if let Some(folder) = &folder {
        writeln!(out, "the run: {}", folder.path().display())?;
    }
    if let Some(file) = models.first() {
        writeln!(out, "use the network: {}", use_command(file, plan)?)?;
    }
    Ok(out.flush()?)
}

/// Writes what is to be looked at into the run's folder.
fn report<T: Linked>(
    folder: &RunFolder,
    plan: &Plan,
    job: &Job<'_>,
    data: &Data<T>,
    network: &Network<T>,
    history: &[Epoch],
    records: &[Record],
) -> Result<(), Failure> {
    let backend = job.machine.backend::<T>()?;
    let loss = loss_by_name::<T>(&job.recipe.trainer.loss)?;
    let (name, part) = match (&data.test, &data.validation) {
        (Some(test), _) => ("test", test),
        (None, Some(validation)) => ("validation", validation),
        (None, None) => ("training", &data.train),
    };
    // The network tells numbers in their own units by now.
    let mut part = Part::new(part.inputs.clone(), part.answers.clone());
    if let (Some(scale), Answers::Values(values)) = (&data.target_scale, &mut part.answers) {
        *values = scale.undo(values);
    }
    let (dataset, title) = (part.dataset()?, plan.source.name());
    let mut run = Run::new(&title, network, &*backend, &*loss, &dataset)
        .data_name(name)
        .history(history)
        .class_names(&data.class_names)
        .feature_names(&data.feature_names);
    if let Some(side) = plan.source.side() {
        run = run.pictures(side, side);
    }
    let trainer = &job.recipe.trainer;
    let run = run
        .setting("network", architecture(&network.config()?))
        .setting("loss", &trainer.loss)
        .setting("optimiser", &trainer.optimizer.name)
        .setting("learning rate", format!("{}, {}", job.recipe.learning_rate()?, schedules(&job.recipe)))
        .setting("batch", job.recipe.batch())
        .setting("seed", trainer.seed);
    folder.report(&run, history, records)
}

/// Puts numbers to predict on a scale of their own, if the network can give it back at its end.
pub(crate) fn scale_targets<T: Linked>(data: &mut Data<T>, layers: &[chainrule::LayerConfig]) {
    data.target_scale = data.target_scale.take().filter(|scale| scale.fits(layers));
    if let Some(scale) = &data.target_scale {
        let held_out = data.validation.iter_mut().chain(&mut data.test);
        std::iter::once(&mut data.train).chain(held_out).for_each(|part| part.rescale(scale));
    }
}

/// `cosine:2000`, or what else the learning rate does.
fn schedules(recipe: &Recipe) -> String {
    let (by_step, by_epoch) = (&recipe.trainer.schedule, &recipe.trainer.schedule_by_epoch);
    match by_epoch {
        chainrule::Schedule::Constant => by_step.to_string(),
        _ => format!("{by_step} and {by_epoch} by epoch"),
    }
}

/// What is kept with a network.
pub(crate) fn description<T>(data: &Data<T>, recipe: &Recipe) -> Result<Description, Failure>
where
    T: Linked,
{
    let description = Description {
        task: Some(match data.task() {
            Task::Classes(_) => chainrule_model::Task::Classification,
            Task::Values(_) => chainrule_model::Task::Regression,
        }),
        classes: data.class_names.clone(),
        features: data.feature_names.clone(),
        targets: data.target_names.clone(),
        loss: Some(recipe.trainer.loss.clone()),
        ..Description::default()
    };
    Ok(description.with_preprocessing(&data.preparation)?)
}

/// The command that goes on with a run.
fn resume_command(run: &Path) -> Result<String, Failure> {
    let program = std::env::args_os().next().unwrap_or_else(|| "chainrule".into());
    quoted(&[
        program.to_string_lossy().into_owned(),
        "train".to_owned(),
        "--resume".to_owned(),
        run.display().to_string(),
    ])
}

fn quoted(words: &[String]) -> Result<String, Failure> {
    shlex::try_join(words.iter().map(String::as_str))
        .map_err(|_| Failure::Other("a file's name holds a NUL character".to_owned()))
}

/// The command that uses the network: to be pasted into a shell, wherever this program lies.
fn use_command(model: &Path, plan: &Plan) -> Result<String, Failure> {
    let program = std::env::args_os().next().unwrap_or_else(|| "chainrule".into());
    let path = |path: &Path| path.as_os_str().to_string_lossy().into_owned();
    let mut words = vec![program.to_string_lossy().into_owned(), "predict".to_owned(), path(model)];
    let section = &plan.config.data;
    match &plan.source {
        Source::Digits => words.push("digits".to_owned()),
        Source::Mnist(_) => {
            words.push("mnist".to_owned());
            if let Some(folder) = &section.data_dir {
                words.extend(["--data-dir".to_owned(), path(folder)]);
            }
        }
        Source::Table(paths) => {
            words.extend(paths.last().map(|last| path(last)));
            if let Some(skip) = section.skip {
                words.extend(["--skip".to_owned(), skip.to_string()]);
            }
            if let Some(header) = section.header.filter(|&header| header != Header::Auto) {
                words.extend(["--header".to_owned(), header.to_string()]);
            }
        }
        Source::Arrays(paths) => {
            // Of two NPY files the first has the inputs, of two archives the last is to test with.
            let data = if paths.iter().any(|path| is_archive(path)) { paths.last() } else { paths.first() };
            words.extend(data.map(|data| path(data)));
            if !section.arrays.is_empty() {
                words.extend(["--arrays".to_owned(), section.arrays.join(",")]);
            }
        }
    }
    quoted(&words)
}
