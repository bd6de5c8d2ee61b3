//! The settings of a training run as a description.

use super::{EarlyStopping, Monitor, Trainer};
use crate::{Gradients, OptimizerConfig, Plateau, Result, Scalar, Schedule, loss_by_name, metric_by_name};

/// The settings of a [`Trainer`] as a description, everything by its name.
///
/// With the feature `serde`, keys are in kebab case, those with a usual value may be left out, unknown ones are refused:
///
/// ```toml
/// loss = "cross-entropy"
/// optimizer = { name = "adamw", learning-rate = 1e-3, weight-decay = 1e-2 }
/// epochs = 20
/// batch-size = 64
/// schedule-by-epoch = "warm-up:2 then cosine:18"
/// early-stopping = { patience = 3 }
/// gradients = { clip-norm = 1.0, groups = [{ pattern = "0.*", rate = 0.1 }] }
/// ```
///
/// ```
/// use chainrule_core::{Activation, Dataset, Network, OptimizerConfig, TrainerConfig};
/// # use chainrule_naive::Naive;
/// let config = TrainerConfig {
///     loss: "mse".to_owned(),
///     optimizer: OptimizerConfig::new("sgd").set("learning-rate", 0.1),
///     epochs: 50,
///     ..TrainerConfig::default()
/// };
/// let (x, y) = (ndarray::array![[0.0], [1.0]], ndarray::array![[1.0], [3.0]]);
/// let mut network = Network::<f64>::builder(1).dense(1, Activation::Identity).build(1)?;
/// let history = config.trainer()?.fit(&mut network, &Naive, &Dataset::values(&x, &y)?)?;
/// assert!(history.last().unwrap().train.loss < 0.1);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields, default)
)]
pub struct TrainerConfig {
    /// The loss, as [`loss_by_name`] reads it.
    pub loss: String,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// As [`Trainer::epochs`].
    pub epochs: usize,
    /// As [`Trainer::batch_size`]; in a file `"full"` stands for [`usize::MAX`], all samples.
    #[cfg_attr(feature = "serde", serde(with = "crate::serialize::batch_size"))]
    pub batch_size: usize,
    /// As [`Trainer::accumulate`].
    pub accumulate: usize,
    /// As [`Trainer::seed`].
    pub seed: u64,
    /// As [`Trainer::shuffle`].
    pub shuffle: bool,
    /// As [`Trainer::l2`].
    pub l2: f64,
    /// As [`Trainer::clip_norm`], [`Trainer::clip_value`], [`Trainer::l1`] and [`Trainer::group`].
    pub gradients: Gradients,
    /// As [`Trainer::schedule`].
    pub schedule: Schedule,
    /// As [`Trainer::schedule_by_epoch`].
    pub schedule_by_epoch: Schedule,
    /// As [`Trainer::reduce_on_plateau`].
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub plateau: Option<Plateau>,
    /// As [`Trainer::early_stopping`].
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub early_stopping: Option<EarlyStopping>,
    /// As [`Trainer::monitor`].
    pub monitor: Monitor,
    /// The metrics, as [`metric_by_name`] reads them.
    pub metrics: Vec<String>,
}

impl Default for TrainerConfig {
    /// Cross-entropy, plain SGD, and what [`Trainer::new`] begins with.
    fn default() -> Self {
        Self {
            loss: "cross-entropy".to_owned(),
            optimizer: OptimizerConfig::new("sgd"),
            epochs: 10,
            batch_size: 32,
            accumulate: 1,
            seed: 0,
            shuffle: true,
            l2: 0.0,
            gradients: Gradients::default(),
            schedule: Schedule::Constant,
            schedule_by_epoch: Schedule::Constant,
            plateau: None,
            early_stopping: None,
            monitor: Monitor::Loss,
            metrics: Vec::new(),
        }
    }
}

impl TrainerConfig {
    /// The trainer.
    ///
    /// # Errors
    /// [`Error::Unknown`](crate::Error::Unknown) for a name that stands for nothing, [`Error::Setting`](crate::Error::Setting) for a parameter of
    /// a loss or an optimiser out of range. What else is out of range, [`Trainer::fit`] refuses.
    pub fn trainer<'a, T: Scalar>(&self) -> Result<Trainer<'a, T>> {
        let mut trainer = Trainer::new(loss_by_name::<T>(&self.loss)?, self.optimizer.build()?)
            .epochs(self.epochs)
            .batch_size(self.batch_size)
            .accumulate(self.accumulate)
            .seed(self.seed)
            .shuffle(self.shuffle)
            .l2(self.l2)
            .schedule(self.schedule.clone())
            .schedule_by_epoch(self.schedule_by_epoch.clone())
            .monitor(self.monitor.clone());
        trainer.gradients = self.gradients.clone();
        trainer.plateau = self.plateau;
        trainer.early_stopping = self.early_stopping;
        for metric in &self.metrics {
            trainer = trainer.metric(metric_by_name::<T>(metric)?);
        }
        Ok(trainer)
    }
}
