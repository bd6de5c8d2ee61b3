//! Training: epochs of mini-batches, with validation and callbacks.

use std::fmt;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ndarray::{Array2, ArrayView2, Axis};

use crate::layer::rows_of;
use crate::metric::Metric;
use crate::random::{Generator, Stream};
use crate::{
    Accumulate, Backend, Dataset, Error, Loss, Mode, Network, Optimizer, OptimizerState, Result, Scalar,
    Score, Targets, Workspace,
};

/// Trains a network on a data set by mini-batches.
///
/// ```
/// use chainrule_core::{Activation, CrossEntropy, Dataset, Network, Sgd, Trainer};
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
/// let history = Trainer::new(CrossEntropy, Sgd::new(0.5))
///     .epochs(200)
///     .batch_size(4)
///     .fit(&mut network, &Naive, &exclusive_or)?;
/// assert!(history.last().unwrap().train.loss < 0.05);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
pub struct Trainer<'a, T> {
    loss: Box<dyn Loss<T> + 'a>,
    optimizer: Box<dyn Optimizer<T> + 'a>,
    epochs: usize,
    batch_size: usize,
    seed: u64,
    shuffle: bool,
    l2: f64,
    validation: Option<Dataset<'a, T>>,
    metrics: Vec<Box<dyn Metric<T> + 'a>>,
    on_step: Option<Box<OnStep<'a>>>,
    on_epoch: Option<Box<OnEpoch<'a, T>>>,
}

type OnStep<'a> = dyn FnMut(&Step) -> ControlFlow<()> + 'a;
type OnEpoch<'a, T> = dyn FnMut(&Epoch, &Network<T>) -> ControlFlow<()> + 'a;

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
}

/// What a callback learns after an epoch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Epoch {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The loss and the accuracy on the training batches, each before its step changed the network.
    pub train: Evaluation,
    /// The same on the validation data, after the epoch, and the metrics on them.
    pub validation: Option<Evaluation>,
    /// The time its steps took.
    pub duration: Duration,
    /// Its samples divided by that time in seconds.
    pub samples_per_second: f64,
}

/// A loss, and what else was measured with it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The mean loss over the samples, without the L2 term.
    pub loss: f64,
    /// The fraction of samples whose class is right, where targets are classes.
    pub accuracy: Option<f64>,
    /// Each metric asked for, by name.
    pub metrics: Vec<(String, f64)>,
}

impl<'a, T: Scalar> Trainer<'a, T> {
    /// A trainer with a loss and an optimiser; 10 epochs, batches of 32, seed 0, shuffled.
    pub fn new(loss: impl Loss<T> + 'a, optimizer: impl Optimizer<T> + 'a) -> Self {
        Self {
            loss: Box::new(loss),
            optimizer: Box::new(optimizer),
            epochs: 10,
            batch_size: 32,
            seed: 0,
            shuffle: true,
            l2: 0.0,
            validation: None,
            metrics: Vec::new(),
            on_step: None,
            on_epoch: None,
        }
    }

    /// How often the data set is gone through.
    #[must_use]
    pub fn epochs(self, epochs: usize) -> Self {
        Self { epochs, ..self }
    }

    /// The samples of a mini-batch. A last batch with fewer is trained on as well.
    #[must_use]
    pub fn batch_size(self, batch_size: usize) -> Self {
        Self { batch_size, ..self }
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

    /// Data to measure the network on after each epoch.
    #[must_use]
    pub fn validation(self, data: Dataset<'a, T>) -> Self {
        Self { validation: Some(data), ..self }
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
        Self { on_step: Some(Box::new(callback)), ..self }
    }

    /// A callback after each epoch; [`ControlFlow::Break`] ends the training there.
    #[must_use]
    pub fn on_epoch(self, callback: impl FnMut(&Epoch, &Network<T>) -> ControlFlow<()> + 'a) -> Self {
        Self { on_epoch: Some(Box::new(callback)), ..self }
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
        self.check(network, data)?;
        let n = data.len();
        let batch = self.batch_size.min(n);
        let mut run = Run {
            workspace: Workspace::new(network, batch)?,
            state: OptimizerState::new(network),
            batch: Batch::new(data, batch),
            order: (self.shuffle && batch < n).then(|| (0..n).collect()),
            steps: 0,
        };
        let mut history = Vec::with_capacity(self.epochs);
        for epoch in 1..=self.epochs {
            let Some(report) = self.epoch(epoch, network, backend, data, &mut run)? else { break };
            let stop = match &mut self.on_epoch {
                Some(callback) => callback(&report, network).is_break(),
                None => false,
            };
            history.push(report);
            if stop {
                break;
            }
        }
        Ok(history)
    }

    /// One epoch; none if a callback broke it off.
    fn epoch(
        &mut self,
        epoch: usize,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        data: &Dataset<'_, T>,
        run: &mut Run<T>,
    ) -> Result<Option<Epoch>> {
        let n = data.len();
        let begun = Instant::now();
        if let Some(order) = &mut run.order {
            order.iter_mut().enumerate().for_each(|(i, place)| *place = i);
            Generator::new(self.seed, Stream::Order { epoch: epoch as u64 }).shuffle(order);
        }
        let mut sum = Total::default();
        for (step, start) in (0..n).step_by(self.batch_size.min(n)).enumerate() {
            let end = n.min(start + self.batch_size);
            let mode = Mode::Train { seed: self.seed, step: run.steps };
            let (inputs, targets) = match &run.order {
                Some(order) => run.batch.gather(data, &order[start..end]),
                None => (rows_of(data.inputs(), start, end), data.targets().slice(start, end)),
            };
            let score =
                self.step(network, backend, inputs, targets, mode, &mut run.workspace, &mut run.state)?;
            if !score.loss.is_finite() {
                return Err(diverged(epoch, step + 1, network, Some(&run.workspace)));
            }
            run.steps += 1;
            sum.add(score, end - start);
            if let Some(callback) = &mut self.on_step {
                let report =
                    Step { epoch, step: step + 1, samples: end, samples_per_epoch: n, loss: score.loss };
                if callback(&report).is_break() {
                    return Ok(None);
                }
            }
        }
        let duration = begun.elapsed();
        // What the last step made of the parameters no loss has seen yet.
        if !network.parameters().iter().all(|w| w.is_finite()) {
            return Err(diverged(epoch, n.div_ceil(self.batch_size.min(n)), network, None));
        }
        let validation = match &self.validation {
            Some(data) => Some(evaluate(network, backend, &*self.loss, data, &self.metrics)?),
            None => None,
        };
        let samples_per_second = n as f64 / duration.as_secs_f64().max(1e-9);
        Ok(Some(Epoch { epoch, train: sum.mean(), validation, duration, samples_per_second }))
    }

    #[expect(clippy::too_many_arguments, reason = "these are what a step depends on")]
    fn step(
        &mut self,
        network: &mut Network<T>,
        backend: &dyn Backend<T>,
        inputs: ArrayView2<'_, T>,
        targets: Targets<'_, T>,
        mode: Mode,
        workspace: &mut Workspace<T>,
        state: &mut OptimizerState<T>,
    ) -> Result<Score> {
        if let Some(step) = self.optimizer.descent() {
            return network.descend(backend, &*self.loss, &inputs, targets, mode, step, workspace);
        }
        let score =
            network.gradient(backend, &*self.loss, &inputs, targets, mode, Accumulate::Replace, workspace)?;
        if score.loss.is_finite() {
            self.optimizer.step(backend, state, workspace.gradient(), network.parameters_mut())?;
        }
        Ok(score)
    }

    fn check(&mut self, network: &Network<T>, data: &Dataset<'_, T>) -> Result<()> {
        if self.batch_size == 0 {
            return Err(Error::setting("the batch size", 0, "at least 1"));
        }
        if !(self.l2.is_finite() && self.l2 >= 0.0) {
            return Err(Error::setting("λ of the L2 term", self.l2, "a finite number of at least 0"));
        }
        if self.l2 > 0.0 {
            self.optimizer.set_weight_decay(self.l2 / data.len() as f64);
        }
        self.optimizer.check()?;
        fits(network, data)?;
        self.validation.as_ref().map_or(Ok(()), |validation| fits(network, validation))
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

/// What a training run needs besides the network.
struct Run<T> {
    workspace: Workspace<T>,
    state: OptimizerState<T>,
    batch: Batch<T>,
    order: Option<Vec<usize>>,
    steps: u64,
}

/// The samples of a batch, gathered from all over the data set.
struct Batch<T> {
    inputs: Array2<T>,
    labels: Vec<usize>,
    values: Array2<T>,
}

impl<T: Scalar> Batch<T> {
    fn new(data: &Dataset<'_, T>, rows: usize) -> Self {
        let targets = data.targets();
        Self {
            inputs: Array2::zeros((rows, data.inputs().ncols())),
            labels: Vec::with_capacity(rows),
            values: Array2::zeros((rows, targets.columns().unwrap_or(0))),
        }
    }

    fn gather(&mut self, data: &Dataset<'_, T>, places: &[usize]) -> (ArrayView2<'_, T>, Targets<'_, T>) {
        let rows = places.len();
        copy_rows(&data.inputs(), places, &mut self.inputs);
        let targets = match data.targets() {
            Targets::Classes(labels) => {
                self.labels.clear();
                self.labels.extend(places.iter().map(|&i| labels[i]));
                Targets::Classes(&self.labels)
            }
            Targets::Values(values) => {
                copy_rows(&values, places, &mut self.values);
                Targets::Values(rows_of(self.values.view(), 0, rows))
            }
        };
        (rows_of(self.inputs.view(), 0, rows), targets)
    }
}

fn copy_rows<T: Scalar>(from: &ArrayView2<'_, T>, places: &[usize], to: &mut Array2<T>) {
    for (&i, mut row) in places.iter().zip(to.axis_iter_mut(Axis(0))) {
        let source = from.row(i);
        match (source.as_slice(), row.as_slice_mut()) {
            (Some(source), Some(row)) => row.copy_from_slice(source),
            _ => row.assign(&source),
        }
    }
}

/// A sum of scores, each weighted by its rows.
#[derive(Default)]
struct Total {
    rows: usize,
    loss: f64,
    correct: Option<usize>,
}

impl Total {
    fn add(&mut self, score: Score, rows: usize) {
        let before = if self.rows == 0 { Some(0) } else { self.correct };
        self.correct = before.zip(score.correct).map(|(a, b)| a + b);
        self.loss += score.loss * rows as f64;
        self.rows += rows;
    }

    fn mean(&self) -> Evaluation {
        let n = self.rows.max(1) as f64;
        let accuracy = self.correct.map(|correct| correct as f64 / n);
        Evaluation { loss: self.loss / n, accuracy, metrics: Vec::new() }
    }
}

/// Measures a network on a data set: the loss, the accuracy and the metrics given.
///
/// # Errors
/// [`Error::Shape`] and [`Error::Label`] for data that does not fit the network.
pub fn evaluate<T: Scalar>(
    network: &Network<T>,
    backend: &dyn Backend<T>,
    loss: &dyn Loss<T>,
    data: &Dataset<'_, T>,
    metrics: &[Box<dyn Metric<T> + '_>],
) -> Result<Evaluation> {
    fits(network, data)?;
    let batch = data.len().min(1024);
    let mut workspace = Workspace::for_inference(network, batch)?;
    let mut sum = Total::default();
    for start in (0..data.len()).step_by(batch) {
        let end = data.len().min(start + batch);
        let inputs = rows_of(data.inputs(), start, end);
        let score =
            network.score(backend, loss, &inputs, data.targets().slice(start, end), &mut workspace)?;
        sum.add(score, end - start);
    }
    let mut evaluation = sum.mean();
    if !metrics.is_empty() {
        let outputs = network.predict(backend, &data.inputs())?;
        let of = |metric: &(dyn Metric<T> + '_)| {
            (metric.name().to_owned(), metric.evaluate(&outputs, data.targets()))
        };
        evaluation.metrics = metrics.iter().map(|metric| of(&**metric)).collect();
    }
    Ok(evaluation)
}

/// Refuses data that the network has no inputs or outputs for.
fn fits<T: Scalar>(network: &Network<T>, data: &Dataset<'_, T>) -> Result<()> {
    if data.inputs().ncols() != network.input_size() {
        return Err(Error::Shape {
            operation: "training",
            operand: "the data set's inputs",
            found: data.inputs().dim().into(),
            expected: (data.len(), network.input_size()).into(),
        });
    }
    // A network of one output has its classes 0 and 1 in it.
    let binary = network.output_size() == 1 && data.targets().columns().is_none();
    data.targets().check("training", data.len(), if binary { 2 } else { network.output_size() })
}

/// Finds the first layer in which something is not finite: a parameter, or the output of the pass last made.
fn diverged<T: Scalar>(
    epoch: usize,
    step: usize,
    network: &Network<T>,
    workspace: Option<&Workspace<T>>,
) -> Error {
    let named = network.named_parameters();
    for (index, layer) in network.layers().iter().enumerate() {
        let of_layer = network.range(index);
        let parameter = named.iter().find(|named| {
            let range = named.range.clone();
            of_layer.contains(&range.start) && network.parameters()[range].iter().any(|w| !w.is_finite())
        });
        let output = workspace.is_some_and(|w| w.activations(index).iter().any(|a| !a.is_finite()));
        let quantity = parameter.map(|named| named.parameter.name).or(output.then_some("output"));
        if let Some(quantity) = quantity {
            let layer = format!("layer {index} ({})", layer.name());
            return Error::Diverged { epoch, step, layer, quantity: format!("the {quantity}") };
        }
    }
    Error::Diverged { epoch, step, layer: "the network".to_owned(), quantity: "the loss".to_owned() }
}
