//! Flags that stand for keys of `[training]`.

use chainrule::{EarlyStopping, Monitor, OptimizerConfig, Plateau, TrainerConfig};
use clap::Args;

use super::{BatchSize, WholeRun, nearest_known, not_negative, positive};

/// Training: the flags that stand for keys of `[training]`, which are those of the library's `TrainerConfig`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Training")]
pub(crate) struct TrainingFlags {
    /// The loss: cross-entropy[:SMOOTHING], binary-cross-entropy[:WEIGHT], binary-cross-entropy-sum, binary-cross-entropy-on-probabilities,
    /// quadratic, mse, mae, huber[:DELTA], log-cosh, pinball[:QUANTILE], hinge, squared-hinge, multi-margin[:MARGIN], poisson (its outputs are logarithms), poisson-on-rates,
    /// gaussian (means, then variances), kl-divergence [default: cross-entropy, for tables
    /// smoothed by 0.1; mse for numbers]
    #[arg(long, value_name = "NAME", value_parser = loss)]
    pub(crate) loss: Option<String>,

    /// sgd, adagrad, adadelta, rmsprop, adam, amsgrad, adamw, adamax, nadam, radam, lion, rprop, lbfgs, muon [default: sgd; tables adamw]
    #[arg(long, value_name = "NAME", value_parser = optimizer)]
    pub(crate) optimizer: Option<String>,

    /// A setting of the optimiser: `--set weight-decay=0.1 --set beta2=0.99`
    #[arg(long, value_name = "NAME=NUMBER", value_parser = setting)]
    pub(crate) set: Vec<(String, f64)>,

    /// The learning rate [default: digits 0.5, mnist 0.1, tables 0.003; else the optimiser's]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub(crate) lr: Option<f64>,

    /// The learning rate over the steps: cosine, one-cycle (over the whole run), step:N,F, multi-step:F,T,…, exponential:F, polynomial:N,P,
    /// cosine:N[,M], cosine-restarts:N,K[,M], warm-up:N[,S], one-cycle:N, inverse-scaling:P, several with ` then ` or ` * ` [default: constant;
    /// tables cosine]
    #[arg(long, value_name = "SCHEDULE")]
    pub(crate) schedule: Option<WholeRun>,

    /// The same over the epochs
    #[arg(long, value_name = "SCHEDULE")]
    pub(crate) schedule_by_epoch: Option<WholeRun>,

    /// Lower the learning rate after so many epochs without improvement, to a tenth or by the factor
    #[arg(long, value_name = "EPOCHS[,FACTOR]", value_parser = plateau)]
    pub(crate) plateau: Option<Plateau>,

    /// End after so many epochs without improvement, with the best network
    #[arg(long, value_name = "EPOCHS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) early_stopping: Option<u32>,

    /// What these two go by: loss, accuracy or one of the metrics [default: loss]
    #[arg(long, value_name = "WHAT")]
    pub(crate) monitor: Option<Monitor>,

    /// Further metrics: top-K, precision, recall, f1 (each also -micro, -macro, -weighted), roc-auc, log-loss, r2, rmse, mae
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = metric)]
    pub(crate) metrics: Vec<String>,

    /// Samples a step, or `full` for all of them [default: digits 16, mnist and tables 32]
    #[arg(long, value_name = "N|full")]
    pub(crate) batch_size: Option<BatchSize>,

    /// Batches that one step takes together [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) accumulate: Option<u32>,

    /// How often to go through the data [default: digits 30, mnist 10, tables by their size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) epochs: Option<u32>,

    /// Of the initial network, of the order of the samples and of what is held out [default: 0]
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// Go through the samples in the order of the data
    #[arg(long)]
    pub(crate) no_shuffle: bool,

    /// Nielsen's λ: adds λ/2n Σ w² to the loss, n being the number of training samples [default: 0]
    #[arg(long, value_name = "LAMBDA", value_parser = not_negative)]
    pub(crate) l2: Option<f64>,

    /// Adds l1 Σ |w| to the loss [default: 0]
    #[arg(long, value_name = "L1", value_parser = not_negative)]
    pub(crate) l1: Option<f64>,

    /// Scale gradients down to this norm
    #[arg(long, value_name = "NORM", value_parser = positive)]
    pub(crate) clip_norm: Option<f64>,

    /// Clip each element of the gradient to ± this
    #[arg(long, value_name = "VALUE", value_parser = positive)]
    pub(crate) clip_value: Option<f64>,
}

impl TrainingFlags {
    /// The settings with what the flags say. (Schedules over the whole run come later, when its steps are known.)
    pub(crate) fn over(&self, mut config: TrainerConfig) -> TrainerConfig {
        fn set<V: Clone>(value: &mut V, given: Option<V>) {
            if let Some(given) = given {
                *value = given;
            }
        }
        set(&mut config.loss, self.loss.clone());
        if let Some(name) = self.optimizer.as_ref().filter(|name| **name != config.optimizer.name) {
            config.optimizer = OptimizerConfig::new(name.clone());
        }
        if let Some(lr) = self.lr {
            config.optimizer = config.optimizer.set("learning-rate", lr);
        }
        for (name, value) in &self.set {
            config.optimizer = config.optimizer.set(name.clone(), *value);
        }
        if self.plateau.is_some() {
            config.plateau = self.plateau;
        }
        if let Some(patience) = self.early_stopping {
            config.early_stopping = Some(EarlyStopping::new(patience as usize));
        }
        set(&mut config.monitor, self.monitor.clone());
        if !self.metrics.is_empty() {
            config.metrics.clone_from(&self.metrics);
        }
        set(&mut config.batch_size, self.batch_size.map(|size| size.0));
        set(&mut config.accumulate, self.accumulate.map(|n| n as usize));
        set(&mut config.epochs, self.epochs.map(|n| n as usize));
        set(&mut config.seed, self.seed);
        config.shuffle &= !self.no_shuffle;
        set(&mut config.l2, self.l2);
        if let Some(l1) = self.l1 {
            config.gradients = config.gradients.l1(l1);
        }
        if let Some(norm) = self.clip_norm {
            config.gradients = config.gradients.clip_norm(norm);
        }
        if let Some(value) = self.clip_value {
            config.gradients = config.gradients.clip_value(value);
        }
        config
    }
}

/// The text, if the library knows what it names.
fn known<V>(text: &str, found: chainrule::Result<V>) -> Result<String, String> {
    match found {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}{}", nearest_known(&error))),
    }
}

fn loss(text: &str) -> Result<String, String> {
    known(text, chainrule::loss_by_name::<f64>(text))
}

fn optimizer(text: &str) -> Result<String, String> {
    known(text, chainrule::optimizer_by_name::<f64>(text))
}

fn metric(text: &str) -> Result<String, String> {
    known(text, chainrule::metric_by_name::<f64>(text))
}

fn setting(text: &str) -> Result<(String, f64), String> {
    let parts = text.split_once('=').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    parts.ok_or_else(|| "expected a setting's name, `=` and a number".to_owned())
}

fn plateau(text: &str) -> Result<Plateau, String> {
    let (patience, factor) = text.split_once(',').unwrap_or((text, "0.1"));
    match (patience.parse(), factor.parse()) {
        (Ok(patience), Ok(factor)) => Ok(Plateau { patience, factor, ..Plateau::default() }),
        _ => Err("expected a number of epochs, and perhaps `,` and a factor".to_owned()),
    }
}
