//! What `train` is to do, of flags, a configuration file, a preset and what suits the data: the first that says something counts.

use std::num::NonZeroU16;
use std::path::Path;

use chainrule::{Scalar, Schedule, TrainerConfig};

use crate::applies;
use crate::args::{Dtype, MachineArgs, TrainArgs};
use crate::auto;
use crate::config::{Config, FileConfig, MachineSection, NetworkSection, TrainingFlags, suggestion};
use crate::data::{Data, Wanted};
use crate::failure::Failure;
use crate::presets::Preset;
use crate::recipe::{OF_NUMBERS, Recipe, Task, check_metrics, check_targets};
use crate::source::{MnistSplit, Source};
use crate::{outputs, run};

/// The share of the training data that early stopping goes by, where none is told.
const VALIDATION_SHARE: f64 = 0.1;

/// What is told, before any data are read.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) source: Source,
    pub(crate) machine: MachineArgs,
    pub(crate) dtype: Dtype,
    /// All that is told but the training.
    pub(crate) config: Config,
    file: FileConfig,
    flags: TrainingFlags,
}

impl Plan {
    /// Of a command line.
    pub(crate) fn new(args: &TrainArgs) -> Result<Self, Failure> {
        let file = match args.resume.as_ref().map(|run| run::config(run)).or(args.config.clone()) {
            Some(path) => FileConfig::read(&path)?,
            None => FileConfig::default(),
        };
        let told = file.config.clone();
        let config = Config {
            preset: args.preset.or(told.preset),
            data: args.data.clone().over(told.data),
            preprocessing: args.preprocessing.clone().over(told.preprocessing),
            network: args.network.clone().over(told.network),
            training: TrainerConfig::default(),
            machine: MachineSection {
                backend: args.machine.backend.clone().or(told.machine.backend),
                threads: args.machine.threads.and_then(NonZeroU16::new).or(told.machine.threads),
                dtype: args.dtype.or(told.machine.dtype),
            },
            output: args.output.clone().over(told.output),
        };
        let mut source = match (config.data.source.as_slice(), config.preset) {
            ([], Some(_)) => Source::Mnist(MnistSplit::Standard),
            ([], None) => {
                let message = "there is nothing to train on, expected data.source in the configuration or \
                               digits, mnist or a file on the command line";
                return Err(Failure::Usage(message.to_owned()));
            }
            (names, _) => Source::parse(names)?,
        };
        if let Some(preset) = config.preset {
            let Source::Mnist(split) = &mut source else {
                return Err(Failure::Usage(format!(
                    "the preset {} is for mnist, found {}",
                    preset.name(),
                    source.name()
                )));
            };
            *split = preset.split();
        }
        applies::check(&source, &config.data, &config.preprocessing)?;
        let machine = MachineArgs {
            backend: config.machine.backend.clone(),
            threads: config.machine.threads.map(NonZeroU16::get),
        };
        let dtype = config.machine.dtype.unwrap_or_default();
        let plan = Self { source, machine, dtype, config, file, flags: args.training.clone() };
        // What can be wrong without any data is told before they are read.
        plan.training(&plan.base(1, Task::Classes(2)).trainer)?;
        if !plan.chooses() {
            plan.over(plan.base(1, Task::Classes(2)))?.check_loss(Task::Classes(2))?;
        }
        Ok(plan)
    }

    /// The settings of the trainer over a base, but for schedules over the whole run.
    fn training(&self, base: &TrainerConfig) -> Result<TrainerConfig, Failure> {
        let config = self.flags.over(self.file.training_over(base)?);
        let rate = config.optimizer.build::<f64>()?.learning_rate();
        if rate <= 0.0 {
            return Err(Failure::Usage(format!("the learning rate is {rate}, expected a number above 0")));
        }
        Ok(config)
    }

    /// Of what is held out, and of all else.
    pub(crate) fn wanted(&self) -> Result<Wanted, Failure> {
        let training = self.training(&self.base(1, Task::Classes(2)).trainer)?;
        let goes_by = training.early_stopping.is_some() || training.plateau.is_some();
        let usual = if goes_by { VALIDATION_SHARE } else { 0.0 };
        Ok(Wanted { validation: self.config.data.validation_share.unwrap_or(usual), seed: training.seed })
    }

    /// Reads the data.
    pub(crate) fn load<T: Scalar>(&self) -> Result<Data<T>, Failure> {
        self.source.load(&self.config.data, &self.config.preprocessing, self.wanted()?)
    }

    /// What suits the source: a preset, or, for a table, what is chosen for so many rows.
    fn base(&self, rows: usize, task: Task) -> Recipe {
        let fixed = self.config.preset.map(Preset::recipe).or_else(|| self.source.recipe());
        fixed.unwrap_or_else(|| auto::recipe(rows, task))
    }

    /// The recipe for these data.
    pub(crate) fn recipe<T: Scalar>(&self, data: &Data<T>) -> Result<Recipe, Failure> {
        let mut base = self.base(data.samples(), data.task());
        if let Some(windows) = &data.windows {
            base.trainer.epochs = base.trainer.epochs.saturating_mul(windows.count());
        }
        let mut recipe = self.over(base)?;
        if data.windows.is_some() && recipe.trainer.l2 > 0.0 {
            let message = "--l2 goes by the number of samples, which an epoch of a window does not have: expected --set weight-decay";
            return Err(Failure::Usage(message.to_owned()));
        }
        if matches!(data.task(), Task::Values(_)) && recipe.trainer.metrics.is_empty() {
            recipe.trainer.metrics = OF_NUMBERS.map(str::to_owned).to_vec();
        }
        let are_numbers = matches!(data.task(), Task::Values(_));
        check_metrics(&recipe.trainer.metrics, &recipe.trainer.loss, are_numbers)?;
        check_targets(&recipe.trainer.loss, &data.train.answers)?;
        check_monitor(&recipe.trainer, data.task())?;
        let TrainerConfig { batch_size, accumulate, epochs, .. } = recipe.trainer;
        let steps = data.train.len().div_ceil(batch_size.saturating_mul(accumulate).max(1));
        let whole = &self.file.whole;
        if let Some(schedule) = self.flags.schedule.as_ref().or(whole.schedule.as_ref()) {
            recipe.trainer.schedule = schedule.over((steps * epochs) as u64);
        } else if self.chooses() && !self.file.has_training("schedule") {
            recipe.trainer.schedule =
                Schedule::Cosine { steps: (steps * epochs).max(1) as u64, minimum: 0.0 };
        }
        let by_epoch = self.flags.schedule_by_epoch.as_ref().or(whole.schedule_by_epoch.as_ref());
        if let Some(schedule) = by_epoch {
            recipe.trainer.schedule_by_epoch = schedule.over(epochs as u64);
        }
        Ok(recipe)
    }

    /// Whether the recipe is chosen by the data.
    pub(crate) fn chooses(&self) -> bool {
        matches!(self.source, Source::Table(_) | Source::Arrays(_))
    }

    fn over(&self, base: Recipe) -> Result<Recipe, Failure> {
        let loss_told = self.flags.loss.is_some() || self.file.has_training("loss");
        let told = &self.config.network;
        // An output that suits another loss, or beginnings of a last layer among others, are not kept.
        let output = if loss_told { None } else { base.network.output };
        let under = NetworkSection { output, ..base.network };
        let keeps = told.init.is_none() && told.bias_init.is_none();
        Ok(Recipe {
            network: told.clone().over(under),
            last_init: base.last_init.filter(|_| keeps),
            trainer: self.training(&base.trainer)?,
        })
    }

    /// Fails if a file that the run is to write could not be written, or is one that it reads.
    pub(crate) fn check_outputs(&self, config: Option<&Path>) -> Result<(), Failure> {
        let read = || self.config.data.source.iter().map(Path::new).chain(config);
        let output = &self.config.output;
        output.out.iter().chain(&output.svg).try_for_each(|file| outputs::check(file, read()))
    }

    /// The run as a configuration file describes it, with everything settled.
    pub(crate) fn settled(&self, recipe: &Recipe) -> Config {
        Config { network: recipe.network.clone(), training: recipe.trainer.clone(), ..self.config.clone() }
    }
}

/// Refuses to go by what the run does not measure.
fn check_monitor(config: &TrainerConfig, task: Task) -> Result<(), Failure> {
    let accuracy = matches!(task, Task::Classes(_)).then_some("accuracy");
    let metrics = config.metrics.iter().map(String::as_str).filter(|&name| name != "accuracy");
    let choices: Vec<_> = std::iter::once("loss").chain(accuracy).chain(metrics).collect();
    let monitor = config.monitor.to_string();
    if choices.contains(&monitor.as_str()) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "the run does not measure `{monitor}`, which it is to go by: expected {}{} (--metrics asks for others)",
        choices.join(", "),
        suggestion(&monitor, choices.iter().copied()),
    )))
}
