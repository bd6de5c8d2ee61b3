//! Checkpoints: everything that a run consists of.

use std::fmt;
use std::path::{Path, PathBuf};

use chainrule_core::{Best, Epoch, Gradients, Network, PlateauState, RunState, Scalar, StoppingState, Total};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{self, RUN};
use crate::tensors::Tensor;
use crate::{Description, ElementType, Error, Model, Result, StateDict, files};

/// The key in the metadata.
const KEY: &str = "chainrule-run";

/// The version that is written, and the latest that is read.
const VERSION: u32 = 1;

/// Counts in files are at most this, so that none can overflow in the run that goes on.
const LARGEST: u64 = 1 << 53;

/// Everything that a run consists of, so that it can go on with the same bits: the network, and what the
/// [`Trainer`](chainrule_core::Trainer) keeps in its [`RunState`]. (What is left out is the data and the trainer's settings, which the
/// caller has again.)
///
/// The file is a [`Model`] file as well, with the network as it was then. The rest are tensors whose names begin with `run.` and
/// a second key in the metadata. [`Checkpointer`](crate::Checkpointer) writes such files in the course of a run.
///
/// ```
/// use chainrule_core::{Dataset, LayerConfig, NetworkConfig, TrainerConfig, OptimizerConfig, Activation};
/// use chainrule_model::{Checkpoint, Checkpointer};
/// # use chainrule_naive::Naive;
/// # let (x, y) = (ndarray::array![[0.0], [1.0]], ndarray::array![[1.0], [3.0]]);
/// # let data = Dataset::values(&x, &y)?;
/// # let temporary = tempfile::tempdir()?;
/// # let folder = temporary.path().join("checkpoints");
/// let settings = TrainerConfig {
///     loss: "mse".to_owned(),
///     optimizer: OptimizerConfig::new("adam").set("learning-rate", 0.1),
///     ..TrainerConfig::default()
/// };
/// let mut checkpoints = Checkpointer::new(&folder)?.settings(&settings)?;
/// let (mut network, trainer) = match Checkpoint::<f64>::latest(&folder)? {
///     Some(found) => (found.checkpoint.network, settings.trainer()?.resume(found.checkpoint.state)),
///     None => {
///         let config = NetworkConfig { inputs: 1, layers: vec![LayerConfig::dense(1, Activation::Identity)] };
///         (config.build(1)?, settings.trainer()?)
///     }
/// };
/// let history = trainer.callback(&mut checkpoints).fit(&mut network, &Naive, &data)?;
/// checkpoints.check()?;
/// # let found = Checkpoint::<f64>::latest(&folder)?.unwrap();
/// # assert_eq!(found.checkpoint.network.parameters(), network.parameters());
/// # assert_eq!(found.checkpoint.settings::<TrainerConfig>()?, settings);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checkpoint<T> {
    /// The network as it was then.
    pub network: Network<T>,
    /// The rest of the run, which [`Trainer::resume`](chainrule_core::Trainer::resume) takes.
    pub state: RunState<T>,
    /// What is known of the network.
    pub description: Description,
    /// What the caller keeps with it.
    settings: Value,
}

impl<T: Scalar> Checkpoint<T> {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`Error::File`], and as [`Checkpoint::from_bytes`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::new(&Model::read(path)?)
    }

    /// The bytes of a checkpoint, which messages call `place`. Any bytes can be given.
    ///
    /// # Errors
    /// [`Error::Unfit`] if they are no checkpoint, one of a later version or one in another element type; [`Error::Tensor`],
    /// [`Error::NotFinite`] and [`Error::Library`] if they contradict themselves.
    pub fn from_bytes(bytes: Vec<u8>, place: impl Into<String>) -> Result<Self> {
        Self::new(&Model::from_bytes(bytes, place)?)
    }

    /// The newest checkpoint in a folder that [`Checkpointer`](crate::Checkpointer) writes to, and is whole; none where there is none.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be read; if there are checkpoints, but none is whole, what is wrong with the newest.
    pub fn latest(folder: impl AsRef<Path>) -> Result<Option<Latest<T>>> {
        let mut skipped = Vec::new();
        for (_, path) in list(folder.as_ref())?.into_iter().rev() {
            match Self::read(&path) {
                Ok(checkpoint) => return Ok(Some(Latest { path, checkpoint, skipped })),
                Err(error) => skipped.push(error),
            }
        }
        skipped.into_iter().next().map_or(Ok(None), Err)
    }

    /// What the caller keeps with it, by [`Checkpointer::settings`](crate::Checkpointer::settings).
    ///
    /// # Errors
    /// [`Error::Unfit`] for another type than it was written with.
    pub fn settings<S: DeserializeOwned>(&self) -> Result<S> {
        let read = S::deserialize(&self.settings);
        read.map_err(|error| Error::unfit("the checkpoint's settings", error.to_string(), "those of a run"))
    }

    fn new(model: &Model) -> Result<Self> {
        let tensors = model.state_dict();
        let unfit = |found: String, expected: &str| Error::unfit(tensors.place(), found, expected);
        let json = tensors
            .metadata(KEY)
            .ok_or_else(|| unfit("a model file".to_owned(), "a checkpoint, which has the state of a run"))?;
        model::check_version(json, VERSION, tensors.place())?;
        let run: Run = serde_json::from_str(json).map_err(|error| {
            unfit(format!("metadata that cannot be understood ({error})"), "a checkpoint")
        })?;
        if model.element_type() != ElementType::of::<T>() {
            let found = format!("a run in {}", model.element_type());
            return Err(unfit(found, &format!("one in {}, since the bits have to be the same", T::NAME)));
        }
        let network = model.network::<T>()?;
        let description = model.description().clone();
        let (state, settings) = run.state(&network, tensors)?;
        Ok(Self { network, state, description, settings })
    }
}

/// What was found in a folder.
#[derive(Debug)]
#[non_exhaustive]
pub struct Latest<T> {
    /// The file.
    pub path: PathBuf,
    /// What is in it.
    pub checkpoint: Checkpoint<T>,
    /// What is wrong with those that are newer.
    pub skipped: Vec<Error>,
}

/// The checkpoints in a folder by their steps, the oldest first; none if there is no such folder.
pub(crate) fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let failure = |cause| Error::reading(folder, cause);
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failure)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failure)?;
        let name = entry.file_name();
        let step =
            name.to_str().and_then(|name| name.strip_prefix("checkpoint-")?.strip_suffix(".safetensors"));
        // `parse` would take a sign.
        let digits = step.filter(|step| step.bytes().all(|byte| byte.is_ascii_digit()));
        found.extend(digits.and_then(|digits| Some((digits.parse().ok()?, entry.path()))));
    }
    found.sort();
    Ok(found)
}

/// The file of a checkpoint after so many steps.
pub(crate) fn file(folder: &Path, steps: u64) -> PathBuf {
    folder.join(format!("checkpoint-{steps:08}.safetensors"))
}

/// Writes a checkpoint, whole or not at all.
pub(crate) fn save<T: Scalar>(
    path: &Path,
    network: &Network<T>,
    state: &RunState<T>,
    description: &Description,
    settings: &Value,
) -> Result<()> {
    let place = path.display().to_string();
    let mut tensors: Vec<_> =
        state.optimizer.vectors().map(|(name, vector)| (optimizer(name), Tensor::vector(vector))).collect();
    if let Some(best) = &state.stopping.best {
        tensors.push((BEST_PARAMETERS.to_owned(), Tensor::vector(&best.parameters)));
        tensors.push((BEST_BUFFERS.to_owned(), Tensor::vector(&best.buffers)));
    }
    let json = serde_json::to_string(&Run::new(state, settings))
        .map_err(|error| Error::unfit(&place, error.to_string(), "what JSON can express"))?;
    let bytes = model::to_bytes(network, description, &place, tensors, [(KEY.to_owned(), json)])?;
    files::write_atomically(path, &bytes)
}

const BEST_PARAMETERS: &str = "run.best.parameters";
const BEST_BUFFERS: &str = "run.best.buffers";

/// The tensor of what an optimiser remembers.
fn optimizer(vector: &str) -> String {
    format!("{RUN}optimizer.{vector}")
}

/// A number as text: JSON has neither infinities nor NaN.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Exact(f64);

impl From<Exact> for String {
    fn from(Exact(x): Exact) -> Self {
        x.to_string()
    }
}

impl TryFrom<String> for Exact {
    type Error = std::num::ParseFloatError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// The JSON in the metadata: a [`RunState`] without its vectors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Run {
    version: u32,
    epoch: usize,
    samples: usize,
    epoch_steps: usize,
    total: Total,
    steps: u64,
    learning_rate: Exact,
    batches: u64,
    gradients: Gradients,
    optimizer: Optimizer,
    plateau: PlateauState,
    stopping: Stopping,
    stopped: bool,
    history: Vec<Epoch>,
    settings: Value,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Optimizer {
    steps: u64,
    scalars: Vec<(String, Exact)>,
    vectors: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Stopping {
    reached: Option<Exact>,
    bad: usize,
    /// The best epoch and its value.
    best: Option<(usize, Exact)>,
}

impl Run {
    fn new<T: Scalar>(state: &RunState<T>, settings: &Value) -> Self {
        let StoppingState { reached, bad, best } = &state.stopping;
        Self {
            version: VERSION,
            epoch: state.epoch,
            samples: state.samples,
            epoch_steps: state.epoch_steps,
            total: state.total,
            steps: state.steps,
            learning_rate: Exact(state.learning_rate),
            batches: state.batches,
            gradients: state.optimizer.gradients().clone(),
            optimizer: Optimizer {
                steps: state.optimizer.steps(),
                scalars: state.optimizer.scalars().map(|(name, x)| (name.to_owned(), Exact(x))).collect(),
                vectors: state.optimizer.vectors().map(|(name, _)| name.to_owned()).collect(),
            },
            plateau: state.plateau,
            stopping: Stopping {
                reached: reached.map(Exact),
                bad: *bad,
                best: best.as_ref().map(|best| (best.epoch, Exact(best.value))),
            },
            stopped: state.stopped,
            history: state.history.clone(),
            settings: settings.clone(),
        }
    }

    /// Refuses what no run can be at.
    fn check(&self, place: &str) -> Result<()> {
        let counts = [
            ("epoch", self.epoch as u64),
            ("samples", self.samples as u64),
            ("epoch-steps", self.epoch_steps as u64),
            ("steps", self.steps),
            ("batches", self.batches),
            ("total.rows", self.total.rows as u64),
            ("total.correct", self.total.correct.unwrap_or(0) as u64),
            ("optimizer.steps", self.optimizer.steps),
            ("plateau.bad", self.plateau.bad),
            ("plateau.cooldown", self.plateau.cooldown),
            ("stopping.bad", self.stopping.bad as u64),
        ];
        let refused = |name: &str, value: &dyn fmt::Display, expected: String| {
            Err(Error::unfit(place, format!("{name} of {value}"), expected))
        };
        for (name, count) in counts {
            let least = u64::from(name == "epoch");
            if !(least..=LARGEST).contains(&count) {
                return refused(name, &count, format!("a count from {least} to {LARGEST}"));
            }
        }
        let scale = self.plateau.scale;
        if !(scale.is_finite() && scale >= 0.0) {
            return refused("plateau.scale", &scale, "a finite number of at least 0".to_owned());
        }
        Ok(())
    }

    fn state<T: Scalar>(self, network: &Network<T>, tensors: &StateDict) -> Result<(RunState<T>, Value)> {
        self.check(tensors.place())?;
        let refused = |cause| Error::Library { place: tensors.place().to_owned(), cause };
        let mut state = RunState::new(network, self.gradients).map_err(refused)?;
        let vector = |name: String| Ok((tensors.vector(&optimizer(&name), None)?, name));
        let vectors = self.optimizer.vectors.into_iter().map(vector);
        let vectors = vectors.map(|read| read.map(|(vector, name)| (name, vector)));
        let scalars = self.optimizer.scalars.into_iter().map(|(name, Exact(x))| (name, x)).collect();
        state
            .optimizer
            .restore(self.optimizer.steps, scalars, vectors.collect::<Result<_>>()?)
            .map_err(refused)?;
        let best = |(epoch, Exact(value))| {
            let parameters = tensors.vector(BEST_PARAMETERS, Some(&[network.parameters().len()]))?;
            let buffers = tensors.vector(BEST_BUFFERS, Some(&[network.buffers().len()]))?;
            Ok(Best { epoch, value, parameters, buffers })
        };
        state.stopping = StoppingState {
            reached: self.stopping.reached.map(|Exact(x)| x),
            bad: self.stopping.bad,
            best: self.stopping.best.map(best).transpose()?,
        };
        (state.epoch, state.samples, state.epoch_steps) = (self.epoch, self.samples, self.epoch_steps);
        (state.total, state.steps, state.batches) = (self.total, self.steps, self.batches);
        state.learning_rate = self.learning_rate.0;
        (state.plateau, state.stopped, state.history) = (self.plateau, self.stopped, self.history);
        Ok((state, self.settings))
    }
}
