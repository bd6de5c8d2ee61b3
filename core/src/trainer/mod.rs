//! Training: epochs of mini-batches, with validation, schedules, early stopping and callbacks.

mod batch;
mod config;
mod evaluate;
mod finder;
mod fit;
mod memory;
mod report;
mod run;
mod stopping;

use std::fmt;
use std::ops::ControlFlow;

use crate::metric::Metric;
use crate::{
    Backend, Dataset, Error, Gradients, Group, Loss, Network, Optimizer, Plateau, Result, Scalar, Schedule,
};

use evaluate::{check_rows, fits};

pub use config::TrainerConfig;
pub use evaluate::{Total, evaluate, evaluate_rows};
pub use finder::{RateCurve, RateFinder};
pub use fit::EpochData;
pub use memory::TrainingMemory;
pub use report::{Callback, Epoch, Evaluation, Step};
pub use run::RunState;
pub use stopping::{Best, EarlyStopping, Monitor, StoppingState};

/// Trains a network on a data set by mini-batches.
///
/// ```
/// use chainrule_core::{Activation, Adam, CrossEntropy, Dataset, EarlyStopping, Network, Trainer};
/// use ndarray::array;
///
/// let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
/// let exclusive_or = Dataset::classes(&x, &[0, 1, 1, 0])?;
/// let mut network = Network::<f64>::builder(2)
///     .dense(8, Activation::Tanh)
///     .dense(2, Activation::Identity)
///     .softmax()
///     .build(1)?;
/// # use chainrule_naive::Naive;
/// let history = Trainer::new(CrossEntropy, Adam::new(0.05))
///     .epochs(200)
///     .batch_size(4)
///     .schedule("cosine:200".parse()?)
///     .early_stopping(EarlyStopping::new(20))
///     .fit(&mut network, &Naive, &exclusive_or)?;
/// assert!(history.last().unwrap().train.loss < 0.05);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
pub struct Trainer<'a, T> {
    loss: Box<dyn Loss<T> + 'a>,
    optimizer: Box<dyn Optimizer<T> + 'a>,
    epochs: usize,
    batch_size: usize,
    accumulate: usize,
    seed: u64,
    shuffle: bool,
    l2: f64,
    gradients: Gradients,
    by_step: Schedule,
    by_epoch: Schedule,
    plateau: Option<Plateau>,
    early_stopping: Option<EarlyStopping>,
    monitor: Monitor,
    validation: Option<(Dataset<'a, T>, Option<Vec<usize>>)>,
    metrics: Vec<Box<dyn Metric<T> + 'a>>,
    callbacks: Vec<Box<dyn Callback<T> + 'a>>,
    state: Option<RunState<T>>,
    /// Whether the next fit goes on from the state.
    resumed: bool,
}

impl<'a, T: Scalar> Trainer<'a, T> {
    /// A trainer with a loss and an optimiser; 10 epochs, batches of 32, seed 0, shuffled.
    pub fn new(loss: impl Loss<T> + 'a, optimizer: impl Optimizer<T> + 'a) -> Self {
        Self {
            loss: Box::new(loss),
            optimizer: Box::new(optimizer),
            epochs: 10,
            batch_size: 32,
            accumulate: 1,
            seed: 0,
            shuffle: true,
            l2: 0.0,
            gradients: Gradients::default(),
            by_step: Schedule::Constant,
            by_epoch: Schedule::Constant,
            plateau: None,
            early_stopping: None,
            monitor: Monitor::Loss,
            validation: None,
            metrics: Vec::new(),
            callbacks: Vec::new(),
            state: None,
            resumed: false,
        }
    }

    /// How often the data set is gone through.
    #[must_use]
    pub fn epochs(self, epochs: usize) -> Self {
        Self { epochs, ..self }
    }

    /// The samples of a mini-batch; [`usize::MAX`] for all. A last batch with fewer is trained on as well. An optimiser that needs the loss of all samples,
    /// such as L-BFGS, has so many computed at once and makes one step an epoch.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Self {
        Self { batch_size, ..self }
    }

    /// How many batches one step takes together: the gradient is that of the mean loss over all of their samples, as if they were one batch,
    /// in the memory of one. (Layers that look at a whole batch, such as batch normalisation, see each by itself.)
    #[must_use]
    pub fn accumulate(self, batches: usize) -> Self {
        Self { accumulate: batches, ..self }
    }

    /// The seed of the order of the samples and of any noise.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether each epoch has an order of its own, drawn from the seed; else it is the data set's.
    #[must_use]
    pub fn shuffle(self, shuffle: bool) -> Self {
        Self { shuffle, ..self }
    }

    /// Nielsen's λ: adds λ/2n Σ w² over the weights to the loss, with n the size of the training set. It replaces the
    /// optimiser's weight decay by λ/n, unless it is 0.
    #[must_use]
    pub fn l2(self, lambda: f64) -> Self {
        Self { l2: lambda, ..self }
    }

    /// Adds l1 Σ |w| over the weights to the loss.
    #[must_use]
    pub fn l1(self, l1: f64) -> Self {
        Self { gradients: self.gradients.l1(l1), ..self }
    }

    /// Scales the gradient down to this norm where it is larger; see [`Gradients::clip_norm`].
    #[must_use]
    pub fn clip_norm(self, largest: f64) -> Self {
        Self { gradients: self.gradients.clip_norm(largest), ..self }
    }

    /// Clips each element of the gradient to ± this; see [`Gradients::clip_value`].
    #[must_use]
    pub fn clip_value(self, largest: f64) -> Self {
        Self { gradients: self.gradients.clip_value(largest), ..self }
    }

    /// Parameters that are treated differently; see [`Group`].
    #[must_use]
    pub fn group(self, group: Group) -> Self {
        Self { gradients: self.gradients.group(group), ..self }
    }

    /// The learning rate as a function of the step, counted from 0 over the whole run.
    #[must_use]
    pub fn schedule(self, by_step: Schedule) -> Self {
        Self { by_step, ..self }
    }

    /// The learning rate as a function of the epoch, counted from 0. With a schedule by steps as well, that begins from this one's rate.
    #[must_use]
    pub fn schedule_by_epoch(self, by_epoch: Schedule) -> Self {
        Self { by_epoch, ..self }
    }

    /// Lowers the learning rate when the monitored value gets no better. Whether larger is better, the monitor tells.
    #[must_use]
    pub fn reduce_on_plateau(self, plateau: Plateau) -> Self {
        Self { plateau: Some(plateau), ..self }
    }

    /// Ends the training when the monitored value gets no better, and gives back the best network.
    #[must_use]
    pub fn early_stopping(self, early_stopping: EarlyStopping) -> Self {
        Self { early_stopping: Some(early_stopping), ..self }
    }

    /// What early stopping and plateaus go by; else it is the loss.
    #[must_use]
    pub fn monitor(self, monitor: Monitor) -> Self {
        Self { monitor, ..self }
    }

    /// Data to measure the network on after each epoch.
    #[must_use]
    pub fn validation(self, data: Dataset<'a, T>) -> Self {
        Self { validation: Some((data, None)), ..self }
    }

    /// Rows of a data set to measure the network on after each epoch, such as those of a [`Split`](crate::Split).
    #[must_use]
    pub fn validation_rows(self, data: Dataset<'a, T>, rows: impl Into<Vec<usize>>) -> Self {
        Self { validation: Some((data, Some(rows.into()))), ..self }
    }

    /// A further metric on the validation data. The loss and the accuracy are always there.
    #[must_use]
    pub fn metric(mut self, metric: impl Metric<T> + 'a) -> Self {
        self.metrics.push(Box::new(metric));
        self
    }

    /// A callback after each step; [`ControlFlow::Break`] ends the training there.
    #[must_use]
    pub fn on_step(self, callback: impl FnMut(&Step) -> ControlFlow<()> + 'a) -> Self {
        self.callback(report::OnStep(callback))
    }

    /// A callback after each epoch; [`ControlFlow::Break`] ends the training there.
    #[must_use]
    pub fn on_epoch(self, callback: impl FnMut(&Epoch, &Network<T>) -> ControlFlow<()> + 'a) -> Self {
        self.callback(report::OnEpoch(callback))
    }

    /// A callback that sees the run's state as well. Callbacks are called in the order in which they were given, each of them.
    #[must_use]
    pub fn callback(mut self, callback: impl Callback<T> + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// The optimiser.
    #[must_use]
    pub fn optimizer(&self) -> &dyn Optimizer<T> {
        &*self.optimizer
    }

    /// The state of the run that was made last, or that the next one goes on from.
    #[must_use]
    pub fn state(&self) -> Option<&RunState<T>> {
        self.state.as_ref()
    }

    /// Lets the next [`Trainer::fit`] go on from this state. With the same settings, data, backend and network as it was taken with,
    /// what follows has the same bits as if nothing had come between.
    #[must_use]
    pub fn resume(self, state: RunState<T>) -> Self {
        Self { state: Some(state), resumed: true, ..self }
    }

    /// Trains the network; returns what was measured, epoch by epoch. An epoch that a callback broke off is not among them.
    ///
    /// # Errors
    /// [`Error::Setting`] for a batch of 0 or settings that are not finite, [`Error::Shape`] and [`Error::Label`] for
    /// data that does not fit the network, [`Error::Diverged`] when NaN or an infinity arises in training: the network
    /// then has the parameters it had before the step.
    pub fn fit(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        data: &Dataset<'_, T>,
    ) -> Result<Vec<Epoch>> {
        self.fit_until(network, backend, data, None, self.epochs)
    }

    /// [`Trainer::fit`] on some rows of the data, such as those of a [`Split`](crate::Split).
    ///
    /// ```
    /// use chainrule_core::{Activation, CrossEntropy, Dataset, Network, Sgd, Split, Trainer, evaluate_rows};
    /// # use chainrule_naive::Naive;
    /// use ndarray::Array2;
    ///
    /// let x = Array2::from_shape_fn((60, 2), |(i, j)| ((7 * i + 3 * j) % 10) as f64 / 10.0 - 0.45);
    /// let labels: Vec<usize> = x.rows().into_iter().map(|row| usize::from(row.sum() > 0.0)).collect();
    /// let data = Dataset::classes(&x, &labels)?;
    /// let split = Split::stratified(&labels, 0.2, 0.2, 1)?;
    /// let mut network = Network::<f64>::builder(2).dense(2, Activation::Identity).softmax().build(1)?;
    /// Trainer::new(CrossEntropy, Sgd::new(1.0).momentum(0.9))
    ///     .epochs(30)
    ///     .batch_size(8)
    ///     .validation_rows(data, split.validation)
    ///     .fit_rows(&mut network, &Naive, &data, &split.train)?;
    /// let test = evaluate_rows(&network, &Naive, &CrossEntropy, &data, &split.test, &[])?;
    /// assert!(test.accuracy.unwrap() > 0.9);
    /// # Ok::<(), chainrule_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Trainer::fit`]; [`Error::Setting`] for a row that the data set does not have, [`Error::Empty`] for none.
    pub fn fit_rows(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        data: &Dataset<'_, T>,
        rows: &[usize],
    ) -> Result<Vec<Epoch>> {
        self.fit_until(network, backend, data, Some(rows), self.epochs)
    }

    /// Refuses settings out of range, and data that does not fit.
    fn check(&mut self, network: &Network<T>, data: &Dataset<'_, T>, rows: Option<&[usize]>) -> Result<()> {
        if self.batch_size == 0 {
            return Err(Error::setting("the batch size", 0, "at least 1"));
        }
        if self.accumulate == 0 {
            return Err(Error::setting("the batches of a step", 0, "at least 1"));
        }
        if !(self.l2.is_finite() && self.l2 >= 0.0) {
            return Err(Error::setting("λ of the L2 term", self.l2, "a finite number of at least 0"));
        }
        check_rows(data, rows)?;
        if self.l2 > 0.0 {
            let n = rows.map_or(data.len(), <[usize]>::len);
            self.optimizer.set_weight_decay(self.l2 / n as f64);
        }
        self.optimizer.check()?;
        self.gradients.check()?;
        self.by_step.check()?;
        self.by_epoch.check()?;
        self.plateau.as_ref().map_or(Ok(()), Plateau::check)?;
        self.early_stopping.as_ref().map_or(Ok(()), EarlyStopping::check)?;
        if let Monitor::Metric(name) = &self.monitor
            && !self.metrics.iter().any(|metric| metric.name() == name)
        {
            let known = ["loss", "accuracy"].into_iter().chain(self.metrics.iter().map(Metric::name));
            let expected = known.collect::<Vec<_>>().join(", ");
            return Err(Error::Unknown { what: "metric to monitor", name: name.clone(), expected });
        }
        fits(network, &*self.loss, data)?;
        match &self.validation {
            Some((data, rows)) => {
                fits(network, &*self.loss, data)?;
                check_rows(data, rows.as_deref())
            }
            None => Ok(()),
        }
    }

    /// Whether a larger value of what is monitored is better.
    fn maximizes(&self) -> bool {
        match &self.monitor {
            Monitor::Loss => false,
            Monitor::Accuracy => true,
            Monitor::Metric(name) => {
                self.metrics.iter().find(|metric| metric.name() == name).is_some_and(Metric::larger_is_better)
            }
        }
    }
}

impl<T> fmt::Debug for Trainer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("epochs", &self.epochs)
            .field("batch_size", &self.batch_size)
            .field("seed", &self.seed)
            .field("l2", &self.l2)
            .finish_non_exhaustive()
    }
}
