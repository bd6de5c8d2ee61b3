//! From the state to epochs, and back.

use super::Trainer;
use super::report::Epoch;
use super::run::{Ended, Memory, RunState};
use crate::{Backend, Dataset, Error, Network, Result, Scalar};

/// Data that each epoch has of its own: windows of a file that is larger than memory, pictures that are turned at random.
///
/// For [`Trainer::fit_each`].
pub trait EpochData<T> {
    /// Why there are none.
    type Error: From<Error>;

    /// The data of this epoch, counted from 1. Whoever goes on with a run asks for that of the epoch at hand; what follows has the same
    /// bits if they are the same whenever they are asked for.
    ///
    /// # Errors
    /// What keeps the data from being had, such as a file that cannot be read; the run ends with it.
    fn epoch(&mut self, epoch: usize) -> std::result::Result<Dataset<'_, T>, Self::Error>;
}

impl<T: Scalar> Trainer<'_, T> {
    /// [`Trainer::fit`] where each epoch has data of its own. Schedules, early stopping, callbacks and the state count such epochs; that
    /// all of them together are one data set is not known, so that [`Trainer::l2`] goes by the samples of an epoch.
    ///
    /// ```
    /// use chainrule_core::{Activation, Dataset, EpochData, Error, MeanSquaredError, Network, Sgd, Trainer};
    /// use ndarray::Array2;
    ///
    /// /// y = 2x, of other x in each epoch.
    /// struct Line {
    ///     x: Array2<f64>,
    ///     y: Array2<f64>,
    /// }
    ///
    /// impl EpochData<f64> for Line {
    ///     type Error = Error;
    ///
    ///     fn epoch(&mut self, epoch: usize) -> Result<Dataset<'_, f64>, Error> {
    ///         self.x = Array2::from_shape_fn((20, 1), |(i, _)| ((i * (epoch + 3)) % 17) as f64 / 17.0);
    ///         self.y = 2.0 * &self.x;
    ///         Dataset::values(&self.x, &self.y)
    ///     }
    /// }
    ///
    /// # use chainrule_naive::Naive;
    /// let mut network = Network::<f64>::builder(1).dense(1, Activation::Identity).build(1)?;
    /// let mut line = Line { x: Array2::zeros((1, 1)), y: Array2::zeros((1, 1)) };
    /// let mut trainer = Trainer::new(MeanSquaredError, Sgd::new(0.3)).epochs(50).batch_size(5);
    /// let history = trainer.fit_each(&mut network, &Naive, &mut line)?;
    /// assert_eq!(history.len(), 50);
    /// assert!((network.weights(0).unwrap()[[0, 0]] - 2.0).abs() < 1e-3);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Trainer::fit`], and what the data's own error is.
    pub fn fit_each<D: EpochData<T>>(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        data: &mut D,
    ) -> std::result::Result<Vec<Epoch>, D::Error> {
        let mut run = self.begin(network)?;
        let mut ended = Ended::Completed;
        while ended == Ended::Completed && run.epoch <= self.epochs && !run.stopped {
            let epoch = run.epoch;
            let data = data.epoch(epoch)?;
            self.check(network, &data, None)?;
            ended = self.epochs_on(network, backend, &data, None, &mut run, epoch)?;
        }
        Ok(self.end(network, run, ended))
    }

    /// One more epoch, on these data, which may be others than before: the optimiser, the schedules and all else go on from where the
    /// last run left them. scikit-learn's `partial_fit`. Early stopping gives the best network back with the epoch that it ends with.
    ///
    /// # Errors
    /// As [`Trainer::fit`].
    pub fn partial_fit(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        data: &Dataset<'_, T>,
    ) -> Result<Option<Epoch>> {
        self.resumed = self.state.is_some();
        self.check(network, data, None)?;
        let mut run = self.begin(network)?;
        let epoch = run.epoch;
        let ended = self.epochs_on(network, backend, data, None, &mut run, epoch)?;
        // What follows goes on from this network, not from the best one.
        let ended = if run.stopped { ended } else { Ended::WithinEpoch };
        Ok(self.end(network, run, ended).pop().filter(|last| last.epoch == epoch))
    }

    /// Trains until `last` is completed, from the beginning or from the state.
    pub(super) fn fit_until(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        data: &Dataset<'_, T>,
        rows: Option<&[usize]>,
        last: usize,
    ) -> Result<Vec<Epoch>> {
        self.check(network, data, rows)?;
        let mut run = self.begin(network)?;
        let ended = self.epochs_on(network, backend, data, rows, &mut run, last)?;
        Ok(self.end(network, run, ended))
    }

    /// The state to go on from, or that of a new run.
    fn begin(&mut self, network: &Network<T>) -> Result<RunState<T>> {
        let resumed = std::mem::take(&mut self.resumed);
        match self.state.take().filter(|_| resumed) {
            Some(run) => Ok(run),
            None => RunState::new(network, self.gradients.clone()),
        }
    }

    /// Epochs on data that fit, until `last` is completed.
    fn epochs_on(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        data: &Dataset<'_, T>,
        rows: Option<&[usize]>,
        run: &mut RunState<T>,
        last: usize,
    ) -> Result<Ended> {
        let mut memory = Memory::new(self, network, data, rows)?;
        let base = self.optimizer.learning_rate();
        let ended = self.epochs_until(network, backend, &mut memory, run, last, base);
        self.optimizer.set_learning_rate(base);
        ended
    }

    /// Gives the best network back, unless an epoch was broken off, and keeps the state; all epochs.
    fn end(&mut self, network: &mut Network<T>, run: RunState<T>, ended: Ended) -> Vec<Epoch> {
        if let Some(best) = run.stopping.best.as_ref().filter(|_| ended != Ended::WithinEpoch) {
            network.parameters_mut().copy_from_slice(&best.parameters);
            network.buffers_mut().copy_from_slice(&best.buffers);
        }
        let history = run.history.clone();
        self.state = Some(run);
        history
    }
}
