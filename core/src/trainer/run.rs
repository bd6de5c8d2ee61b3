//! The run itself: epoch after epoch, step after step.

use std::time::Instant;

use super::Trainer;
use super::batch::{Batch, Part};
use super::evaluate::{Total, diverged, measure};
use super::report::{Epoch, Step};
use super::stopping::StoppingState;
use crate::random::{Generator, Stream};
use crate::{
    Accumulate, Backend, Dataset, Gradients, Loss, Mode, Network, OptimizerState, PlateauState, Result,
    Scalar, Score, Weighted, Workspace,
};

/// Everything that a run consists of besides the network and the trainer's settings.
///
/// A checkpoint stores it with the network's parameters and buffers. It is made anew by [`RunState::new`], and its fields set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunState<T> {
    /// The epoch at hand, counted from 1: after the last step of one, still that; after its end, the next.
    pub epoch: usize,
    /// How many samples of it were seen.
    pub samples: usize,
    /// How many steps of it were made.
    pub epoch_steps: usize,
    /// The losses of these.
    pub total: Total,
    /// How many steps were made since training began.
    pub steps: u64,
    /// The learning rate of the last of them.
    pub learning_rate: f64,
    /// How many batches went through the network since then; noise is drawn by this number.
    pub batches: u64,
    /// What the optimiser remembers.
    pub optimizer: OptimizerState<T>,
    /// What the plateau remembers.
    pub plateau: PlateauState,
    /// What early stopping remembers, the best network too.
    pub stopping: StoppingState<T>,
    /// Whether early stopping has ended the run.
    pub stopped: bool,
    /// The epochs that were completed.
    pub history: Vec<Epoch>,
}

impl<T: Scalar> RunState<T> {
    /// Before the first step.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a setting out of range.
    pub fn new(network: &Network<T>, gradients: Gradients) -> Result<Self> {
        Ok(Self {
            epoch: 1,
            samples: 0,
            epoch_steps: 0,
            total: Total::default(),
            steps: 0,
            learning_rate: 0.0,
            batches: 0,
            optimizer: OptimizerState::with(network, gradients)?,
            plateau: PlateauState::default(),
            stopping: StoppingState::default(),
            stopped: false,
            history: Vec::new(),
        })
    }
}

/// How epochs came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With the last one, or by early stopping.
    Completed,
    /// A callback broke them off after one.
    AfterEpoch,
    /// A callback broke one off.
    WithinEpoch,
}

/// The memory of a run, which no checkpoint needs.
pub(super) struct Memory<'r, 'd, T> {
    data: &'r Dataset<'d, T>,
    rows: Option<&'r [usize]>,
    /// The rows in the order of the epoch, if that is not the data set's own.
    order: Option<Vec<usize>>,
    batch: Batch<T>,
    workspace: Workspace<T>,
    /// The gradient over several batches.
    sum: Vec<T>,
    /// The parameters as an objective is asked about them.
    parameters: Vec<T>,
    batch_size: usize,
}

impl<'r, 'd, T: Scalar> Memory<'r, 'd, T> {
    pub(super) fn new(
        trainer: &Trainer<'_, T>,
        network: &Network<T>,
        data: &'r Dataset<'d, T>,
        rows: Option<&'r [usize]>,
    ) -> Result<Self> {
        let n = rows.map_or(data.len(), <[usize]>::len);
        let batch_size = trainer.batch_size.min(n);
        let shuffled = trainer.shuffle && batch_size < n;
        let order = (shuffled || rows.is_some()).then(|| (0..n).collect::<Vec<_>>());
        let mut memory = Self {
            data,
            rows,
            batch: Batch::new(data, if order.is_some() { batch_size } else { 0 }),
            order,
            workspace: Workspace::new(network, batch_size)?,
            sum: Vec::new(),
            parameters: Vec::new(),
            batch_size,
        };
        if trainer.accumulate > 1 {
            memory.sum = vec![T::zero(); network.parameters().len()];
        }
        Ok(memory)
    }

    /// The samples of an epoch.
    pub(super) fn samples(&self) -> usize {
        self.rows.map_or(self.data.len(), <[usize]>::len)
    }

    /// The order of an epoch.
    pub(super) fn arrange(&mut self, seed: u64, shuffle: bool, epoch: usize) {
        let shuffle = shuffle && self.batch_size < self.samples();
        let Some(order) = &mut self.order else { return };
        for (i, place) in order.iter_mut().enumerate() {
            *place = self.rows.map_or(i, |rows| rows[i]);
        }
        if shuffle {
            Generator::new(seed, Stream::Order { epoch: epoch as u64 }).shuffle(order);
        }
    }

    /// The samples from `start` to `end` of the epoch, and the workspace.
    fn part(
        &mut self,
        backend: &dyn Backend<T>,
        start: usize,
        end: usize,
    ) -> Result<(Part<'_, T>, &mut Workspace<T>)> {
        let part = match &self.order {
            Some(order) => self.batch.gather(backend, self.data, &order[start..end])?,
            None => Part::of(self.data, start, end),
        };
        Ok((part, &mut self.workspace))
    }
}

/// The loss of a part, weighted where its rows are, and the sum of the weights.
fn with_loss<T: Scalar, R>(
    loss: &dyn Loss<T>,
    part: &Part<'_, T>,
    work: impl FnOnce(&dyn Loss<T>, f64) -> Result<R>,
) -> Result<R> {
    let weight = loss.total_weight(part.targets, part.weights);
    match part.weights {
        Some(weights) => work(&Weighted::new(loss, weights), weight),
        None => work(loss, weight),
    }
}

impl<T: Scalar> Trainer<'_, T> {
    /// Goes on until `last` is completed, or the run ended otherwise.
    pub(super) fn epochs_until(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        memory: &mut Memory<'_, '_, T>,
        run: &mut RunState<T>,
        last: usize,
        base: f64,
    ) -> Result<Ended> {
        while run.epoch <= last && !run.stopped {
            if !self.epoch(network, backend, memory, run, base)? {
                return Ok(Ended::WithinEpoch);
            }
            let Some(report) = run.history.last() else { break };
            let value = self.monitor.value(report);
            let maximize = self.maximizes();
            if let Some(plateau) = &self.plateau {
                let plateau = crate::Plateau { maximize, ..*plateau };
                plateau.observe(&mut run.plateau, value, base);
            }
            if let Some(stopping) = &self.early_stopping {
                run.stopped = stopping.observe(&mut run.stopping, (report.epoch, value, maximize), network);
            }
            let mut go_on = true;
            for callback in &mut self.callbacks {
                go_on &= callback.on_epoch(report, run, network).is_continue();
            }
            if !go_on {
                return Ok(Ended::AfterEpoch);
            }
        }
        Ok(Ended::Completed)
    }

    /// The rest of an epoch; whether no callback broke it off.
    fn epoch(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        memory: &mut Memory<'_, '_, T>,
        run: &mut RunState<T>,
        base: f64,
    ) -> Result<bool> {
        let (n, epoch, already) = (memory.samples(), run.epoch, run.samples);
        let begun = Instant::now();
        memory.arrange(self.seed, self.shuffle, epoch);
        while run.samples < n {
            let (rate, score) = self.step(network, backend, memory, run, base)?;
            let report = Step {
                epoch,
                step: run.epoch_steps,
                samples: run.samples,
                samples_per_epoch: n,
                loss: score.loss,
                learning_rate: rate,
            };
            let mut go_on = true;
            for callback in &mut self.callbacks {
                go_on &= callback.on_step(&report, run, network).is_continue();
            }
            if !go_on {
                return Ok(false);
            }
        }
        let duration = begun.elapsed();
        // What the last step made of the parameters no loss has seen yet.
        if !network.parameters().iter().all(|w| w.is_finite()) {
            return Err(diverged(epoch, run.epoch_steps, network, None));
        }
        let validation = match &self.validation {
            Some((data, rows)) => {
                Some(measure(network, backend, &*self.loss, data, rows.as_deref(), &self.metrics)?)
            }
            None => None,
        };
        let samples_per_second = (n - already.min(n)) as f64 / duration.as_secs_f64().max(1e-9);
        let learning_rate = run.learning_rate;
        let train = run.total.mean();
        run.history.push(Epoch { epoch, train, validation, learning_rate, duration, samples_per_second });
        (run.epoch, run.samples, run.epoch_steps, run.total) = (epoch + 1, 0, 0, Total::default());
        Ok(true)
    }

    /// One step at its learning rate, which is returned with the score before it.
    pub(super) fn step(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        memory: &mut Memory<'_, '_, T>,
        run: &mut RunState<T>,
        base: f64,
    ) -> Result<(f64, Score)> {
        let by_epoch = self.by_epoch.rate(base, run.epoch as u64 - 1);
        let rate = self.by_step.rate(by_epoch, run.steps) * run.plateau.scale;
        self.optimizer.set_learning_rate(rate);
        run.learning_rate = rate;
        let (start, n) = (run.samples, memory.samples());
        let whole = self.optimizer.minimizer().is_some();
        let end = if whole {
            n
        } else {
            n.min(start.saturating_add(memory.batch_size.saturating_mul(self.accumulate)))
        };
        let mut total = Total::default();
        let score = if whole {
            self.minimize(network, backend, memory, run, &mut total)?
        } else if end - start > memory.batch_size {
            self.accumulated(network, backend, memory, run, (start, end), &mut total)?
        } else {
            self.single(network, backend, memory, run, (start, end), &mut total)?
        };
        if !score.loss.is_finite() {
            return Err(diverged(run.epoch, run.epoch_steps + 1, network, Some(&memory.workspace)));
        }
        let before = if run.total.rows == 0 { Some(0) } else { run.total.correct };
        run.total.correct = before.zip(total.correct).map(|(a, b)| a + b);
        run.total.loss += total.loss;
        run.total.weight += total.weight;
        run.total.rows += total.rows;
        (run.samples, run.epoch_steps, run.steps) = (end, run.epoch_steps + 1, run.steps + 1);
        Ok((rate, score))
    }

    /// The step of one batch. If its loss is not finite, it is returned and nothing changes.
    fn single(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        memory: &mut Memory<'_, '_, T>,
        run: &mut RunState<T>,
        (start, end): (usize, usize),
        total: &mut Total,
    ) -> Result<Score> {
        let mode = Mode::Train { seed: self.seed, step: run.batches };
        run.batches += 1;
        let (part, workspace) = memory.part(backend, start, end)?;
        let optimizer = &mut self.optimizer;
        let descent = if self.gradients.is_plain() { optimizer.descent() } else { None };
        with_loss(&*self.loss, &part, |loss, weight| {
            let Part { inputs, targets, .. } = &part;
            let score = if let Some(step) = descent {
                let score = network.descend(backend, loss, inputs, *targets, mode, step, workspace)?;
                run.optimizer.count();
                score
            } else {
                let how = Accumulate::Replace;
                let score = network.gradient(backend, loss, inputs, *targets, mode, how, workspace)?;
                if score.loss.is_finite() {
                    network.update_buffers(workspace);
                    let gradient = workspace.gradient();
                    optimizer.step(backend, &mut run.optimizer, gradient, network.parameters_mut())?;
                }
                score
            };
            total.add(score, end - start, weight);
            Ok(score)
        })
    }

    /// The step of several batches.
    fn accumulated(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        memory: &mut Memory<'_, '_, T>,
        run: &mut RunState<T>,
        (start, end): (usize, usize),
        total: &mut Total,
    ) -> Result<Score> {
        let mut sum = std::mem::take(&mut memory.sum);
        let spans = spans(start, end, memory.batch_size);
        let score = gradient_of(
            spans,
            &*self.loss,
            self.seed,
            network,
            backend,
            memory,
            &mut run.batches,
            true,
            &mut sum,
        );
        let score = score.and_then(|(score, of)| {
            *total = of;
            if score.loss.is_finite() {
                self.optimizer.step(backend, &mut run.optimizer, &sum, network.parameters_mut())?;
            }
            Ok(score)
        });
        memory.sum = sum;
        score
    }

    /// The step of an optimiser that asks for the loss of all samples where it likes.
    fn minimize(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        memory: &mut Memory<'_, '_, T>,
        run: &mut RunState<T>,
        total: &mut Total,
    ) -> Result<Score> {
        let mut parameters = std::mem::take(&mut memory.parameters);
        parameters.clear();
        parameters.extend_from_slice(network.parameters());
        let (seed, n, batch_size) = (self.seed, memory.samples(), memory.batch_size);
        let (begin, mut first) = (run.batches, None);
        let mut after = begin;
        let loss = &*self.loss;
        let mut objective = |w: &[T], gradient: &mut [T]| {
            network.parameters_mut().copy_from_slice(w);
            // The same noise wherever it is asked for.
            let mut batches = begin;
            let spans = spans(0, n, batch_size);
            let update = first.is_none();
            let (score, of) =
                gradient_of(spans, loss, seed, network, backend, memory, &mut batches, update, gradient)?;
            after = batches;
            first.get_or_insert((score, of));
            Ok(score.loss)
        };
        let mut result = Ok(f64::NAN);
        if let Some(minimizer) = self.optimizer.minimizer() {
            result = minimizer.minimize(backend, &mut run.optimizer, &mut objective, &mut parameters);
        }
        network.parameters_mut().copy_from_slice(&parameters);
        memory.parameters = parameters;
        run.batches = after;
        result?;
        let (score, of) = first.unwrap_or_default();
        *total = of;
        Ok(score)
    }
}

/// The batches from `start` to `end`.
fn spans(start: usize, end: usize, batch: usize) -> impl Iterator<Item = (usize, usize)> {
    (start..end).step_by(batch.max(1)).map(move |start| (start, end.min(start.saturating_add(batch))))
}

/// The gradient of the mean loss over several batches, into `sum`; the score is theirs together.
#[expect(clippy::too_many_arguments, reason = "these are what a gradient over batches depends on")]
fn gradient_of<T: Scalar>(
    spans: impl Iterator<Item = (usize, usize)>,
    loss: &dyn Loss<T>,
    seed: u64,
    network: &mut Network<T>,
    backend: &dyn Backend<T>,
    memory: &mut Memory<'_, '_, T>,
    batches: &mut u64,
    update_buffers: bool,
    sum: &mut [T],
) -> Result<(Score, Total)> {
    let mut total = Total::default();
    sum.fill(T::zero());
    for (start, end) in spans {
        let mode = Mode::Train { seed, step: *batches };
        *batches += 1;
        let (part, workspace) = memory.part(backend, start, end)?;
        let score = with_loss(loss, &part, |loss, weight| {
            let (inputs, targets) = (&part.inputs, part.targets);
            let how = Accumulate::Replace;
            let score = network.gradient(backend, loss, inputs, targets, mode, how, workspace)?;
            total.add(score, end - start, weight);
            // Its part of the sum, each batch counting by its weight.
            let factor = crate::Descent { rate: T::of(-weight), decay: T::one() };
            backend.descend(factor, workspace.gradient(), sum)?;
            Ok(score)
        })?;
        if !score.loss.is_finite() {
            return Ok((score, total));
        }
        if update_buffers {
            network.update_buffers(workspace);
        }
    }
    if total.weight > 0.0 {
        let scale = T::of(1.0 / total.weight);
        for dw in sum.iter_mut() {
            *dw *= scale;
        }
    }
    let loss = total.mean().loss;
    Ok((Score { loss, correct: total.correct }, total))
}
