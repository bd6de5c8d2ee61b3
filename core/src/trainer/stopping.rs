//! Stopping early, and what decides it.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use super::report::{Epoch, Evaluation};
use crate::{Error, Network, Result, Scalar};

/// What early stopping and a plateau go by: measured on the validation data where there are any, else on the training batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Monitor {
    /// The loss; lower is better.
    #[default]
    Loss,
    /// The accuracy; higher is better.
    Accuracy,
    /// A metric of [`Trainer::metric`](crate::Trainer::metric) by its name, on the validation data.
    Metric(String),
}

impl fmt::Display for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::Metric(name) => name,
        })
    }
}

impl FromStr for Monitor {
    type Err = Infallible;

    /// Reads `loss`, `accuracy`, or the name of a metric.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "loss" => Self::Loss,
            "accuracy" => Self::Accuracy,
            metric => Self::Metric(metric.to_owned()),
        })
    }
}

impl Monitor {
    /// The value in an epoch; NaN where it has none.
    pub(super) fn value(&self, epoch: &Epoch) -> f64 {
        let measured: &Evaluation = epoch.validation.as_ref().unwrap_or(&epoch.train);
        match self {
            Self::Loss => measured.loss,
            Self::Accuracy => measured.accuracy.unwrap_or(f64::NAN),
            Self::Metric(name) => {
                measured.metrics.iter().find(|(known, _)| known == name).map_or(f64::NAN, |(_, x)| *x)
            }
        }
    }
}

/// Ends the training after `patience` epochs in a row without improvement, and gives back the best network.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
pub struct EarlyStopping {
    /// The epochs without improvement after which training ends.
    pub patience: usize,
    /// By how much a value must be better to count as improvement.
    #[cfg_attr(feature = "serde", serde(default))]
    pub min_delta: f64,
    /// Whether the network gets the parameters and buffers of its best epoch at the end.
    #[cfg_attr(feature = "serde", serde(default = "yes"))]
    pub restore_best: bool,
}

#[cfg(feature = "serde")]
fn yes() -> bool {
    true
}

impl EarlyStopping {
    /// After so many epochs without any improvement; the best network is given back.
    #[must_use]
    pub fn new(patience: usize) -> Self {
        Self { patience, min_delta: 0.0, restore_best: true }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.patience == 0 {
            return Err(Error::setting("the patience of early stopping", 0, "at least 1 epoch"));
        }
        if !(self.min_delta.is_finite() && self.min_delta >= 0.0) {
            let name = "the improvement that early stopping asks for";
            return Err(Error::setting(name, self.min_delta, "a finite number of at least 0"));
        }
        Ok(())
    }
}

/// The best epoch so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Best<T> {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// What was measured.
    pub value: f64,
    /// The network's parameters after it.
    pub parameters: Vec<T>,
    /// The network's buffers after it.
    pub buffers: Vec<T>,
}

/// What early stopping remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct StoppingState<T> {
    /// The value that the last improvement reached.
    pub reached: Option<f64>,
    /// The epochs since.
    pub bad: usize,
    /// The best epoch, where its network is to be restored.
    pub best: Option<Best<T>>,
}

impl<T> Default for StoppingState<T> {
    fn default() -> Self {
        Self { reached: None, bad: 0, best: None }
    }
}

impl EarlyStopping {
    /// Takes the value of an epoch; tells whether training ends.
    pub(super) fn observe<T: Scalar>(
        &self,
        state: &mut StoppingState<T>,
        (epoch, value, maximize): (usize, f64, bool),
        network: &Network<T>,
    ) -> bool {
        let better = |value: f64, than: Option<f64>, by: f64| match than {
            None => !value.is_nan(),
            Some(than) if maximize => value > than + by,
            Some(than) => value < than - by,
        };
        if self.restore_best && better(value, state.best.as_ref().map(|best| best.value), 0.0) {
            // In the memory of the one before.
            let (mut parameters, mut buffers) =
                state.best.take().map(|best| (best.parameters, best.buffers)).unwrap_or_default();
            for (to, from) in [(&mut parameters, network.parameters()), (&mut buffers, network.buffers())] {
                to.clear();
                to.extend_from_slice(from);
            }
            state.best = Some(Best { epoch, value, parameters, buffers });
        }
        if better(value, state.reached, self.min_delta) {
            (state.reached, state.bad) = (Some(value), 0);
        } else {
            state.bad += 1;
        }
        state.bad >= self.patience
    }
}
