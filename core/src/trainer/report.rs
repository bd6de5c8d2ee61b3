//! What a training run tells.

use std::ops::ControlFlow;
use std::time::Duration;

use super::RunState;
use crate::{Network, Scalar};

/// What a callback learns after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Step {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The step in the epoch, counted from 1.
    pub step: usize,
    /// How many samples of the epoch have been seen.
    pub samples: usize,
    /// How many samples an epoch has.
    pub samples_per_epoch: usize,
    /// The loss of the batch, before the step changed the network.
    pub loss: f64,
    /// The learning rate of the step.
    pub learning_rate: f64,
}

/// What a callback learns after an epoch.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Epoch {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The loss and the accuracy on the training batches, each before its step changed the network.
    pub train: Evaluation,
    /// The same on the validation data, after the epoch, and the metrics on them.
    pub validation: Option<Evaluation>,
    /// The learning rate of its last step.
    pub learning_rate: f64,
    /// The time its steps took.
    pub duration: Duration,
    /// Its samples divided by that time in seconds.
    pub samples_per_second: f64,
}

/// A loss, and what else was measured with it.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
#[non_exhaustive]
pub struct Evaluation {
    /// The mean loss over the samples, without the L2 term.
    #[cfg_attr(feature = "serde", serde(with = "crate::serialize::number"))]
    pub loss: f64,
    /// The fraction of samples whose class is right, where targets are classes.
    pub accuracy: Option<f64>,
    /// Each metric asked for, by name.
    #[cfg_attr(feature = "serde", serde(with = "crate::serialize::named_numbers"))]
    pub metrics: Vec<(String, f64)>,
}

/// What is called in the course of a training run; [`ControlFlow::Break`] ends it there.
///
/// The [`RunState`] is everything that a run consists of besides the network and the trainer's settings: stored with the network's
/// parameters and buffers, it is a checkpoint from which [`Trainer::resume`](crate::Trainer::resume) goes on with the same bits.
pub trait Callback<T: Scalar> {
    /// After each step.
    fn on_step(&mut self, step: &Step, run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        let _ = (step, run, network);
        ControlFlow::Continue(())
    }

    /// After each epoch, which is the last of the run's history.
    fn on_epoch(&mut self, epoch: &Epoch, run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        let _ = (epoch, run, network);
        ControlFlow::Continue(())
    }
}

/// For a callback that is needed again after the run.
impl<T: Scalar, C: Callback<T> + ?Sized> Callback<T> for &mut C {
    fn on_step(&mut self, step: &Step, run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        (**self).on_step(step, run, network)
    }

    fn on_epoch(&mut self, epoch: &Epoch, run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        (**self).on_epoch(epoch, run, network)
    }
}

/// A closure after each step.
pub(super) struct OnStep<F>(pub(super) F);

impl<T: Scalar, F: FnMut(&Step) -> ControlFlow<()>> Callback<T> for OnStep<F> {
    fn on_step(&mut self, step: &Step, _run: &RunState<T>, _network: &Network<T>) -> ControlFlow<()> {
        (self.0)(step)
    }
}

/// A closure after each epoch.
pub(super) struct OnEpoch<F>(pub(super) F);

impl<T: Scalar, F: FnMut(&Epoch, &Network<T>) -> ControlFlow<()>> Callback<T> for OnEpoch<F> {
    fn on_epoch(&mut self, epoch: &Epoch, _run: &RunState<T>, network: &Network<T>) -> ControlFlow<()> {
        (self.0)(epoch, network)
    }
}
