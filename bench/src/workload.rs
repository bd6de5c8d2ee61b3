//! The workloads: training and inference of small to middling networks, from rows in memory.

use std::fmt;
use std::str::FromStr;

use chainrule::layer::Mode;
use chainrule::{
    Accumulate, Activation, Adam, Backend, CrossEntropy, Error, Loss, MeanSquaredError, Network, Optimizer,
    OptimizerState, Result, Scalar, Sgd, Targets, Workspace,
};
use ndarray::{Array2, ArrayView2, Axis, s};

use crate::data;

/// What a workload does with its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Training: every batch updates the network.
    Train(Objective, Method),
    /// Forward propagation alone, to the logits.
    Infer,
}

/// What training makes small, a mean over the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objective {
    /// The softmax cross-entropy with classes.
    CrossEntropy,
    /// The mean squared error from values.
    Mse,
}

/// How a batch updates the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Plain gradient descent.
    Sgd,
    /// Adam with β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
    Adam,
}

/// The names of an enum on the command line.
macro_rules! names {
    ($type:ident: $($name:literal $variant:ident),+) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $name),+ })
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> std::result::Result<Self, String> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(format!("expected {}", [$($name),+].join(" or "))),
                }
            }
        }
    };
}
names!(Objective: "cross-entropy" CrossEntropy, "mse" Mse);
names!(Method: "sgd" Sgd, "adam" Adam);

/// A network, and what is done with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    /// The name, such as `W1`, or the sizes.
    pub name: &'static str,
    /// The number of inputs, then the outputs of each layer.
    pub sizes: &'static [usize],
    /// The activation of the hidden layers.
    pub activation: Activation,
    /// The rows of a batch.
    pub batch: usize,
    /// The rows in memory; an epoch goes through them in their order.
    pub rows: usize,
    /// What is done.
    pub task: Task,
}

const SMALL: &[usize] = &[784, 128, 10];
const SGD: Task = Task::Train(Objective::CrossEntropy, Method::Sgd);

/// All workloads.
#[rustfmt::skip]
pub const WORKLOADS: [Workload; 9] = [
    Workload { name: "W1", sizes: &[784, 30, 10], activation: Activation::Sigmoid, batch: 10, rows: 10_000, task: SGD },
    Workload { name: "W2", sizes: SMALL, activation: Activation::Relu, batch: 32, rows: 10_000, task: SGD },
    Workload { name: "W3", sizes: &[784, 512, 512, 10], activation: Activation::Relu, batch: 128, rows: 10_000, task: SGD },
    Workload { name: "W4", sizes: &[1024, 2048, 2048, 1024, 10], activation: Activation::Relu, batch: 512, rows: 4096, task: SGD },
    Workload { name: "W5", sizes: &[4, 16, 16, 3], activation: Activation::Relu, batch: 8, rows: 10_000, task: SGD },
    Workload { name: "W6a", sizes: SMALL, activation: Activation::Relu, batch: 1, rows: 10_000, task: Task::Infer },
    Workload { name: "W6b", sizes: SMALL, activation: Activation::Relu, batch: 1000, rows: 10_000, task: Task::Infer },
    // SimpleChains' own.
    Workload { name: "W7", sizes: &[4, 32, 16, 4], activation: Activation::Tanh, batch: 10_000, rows: 10_000, task: Task::Train(Objective::Mse, Method::Adam) },
    // The network of burn's issue 4811, without the scaling of its inputs.
    Workload { name: "W8", sizes: &[6, 64, 8, 4], activation: Activation::Relu, batch: 1, rows: 10_000, task: Task::Infer },
];

impl Workload {
    /// The workload of that name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the names there are.
    pub fn by_name(name: &str) -> Result<Self> {
        WORKLOADS.into_iter().find(|workload| workload.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let names = WORKLOADS.map(|workload| workload.name);
            Error::Unknown { what: "workload", name: name.to_owned(), expected: names.join(", ") }
        })
    }

    /// A workload of one's own, whose sizes are given as `784-100-50-10`. It lives as long as the program.
    ///
    /// # Errors
    /// [`Error::Unknown`] for sizes that cannot be read, [`Error::Empty`] if there is nothing to do.
    pub fn of_sizes(
        net: &str,
        activation: Activation,
        batch: usize,
        rows: usize,
        task: Task,
    ) -> Result<Self> {
        let sizes: Option<Vec<usize>> = net.split('-').map(|size| size.trim().parse().ok()).collect();
        let sizes = sizes.filter(|sizes| sizes.len() > 1).ok_or_else(|| Error::Unknown {
            what: "network",
            name: net.to_owned(),
            expected: "sizes such as 784-100-50-10".to_owned(),
        })?;
        if batch == 0 || rows == 0 {
            return Err(Error::Empty { what: "the workload", expected: "row" });
        }
        let name = String::leak(net.to_owned());
        Ok(Self { name, sizes: Vec::leak(sizes), activation, batch, rows, task })
    }

    /// The multiplications and additions of the matrix products for one sample: forward, and in training the change in
    /// every layer's weights and in every activation but the input's.
    #[must_use]
    pub fn flops_per_sample(&self) -> u64 {
        let product = |pair: &[usize]| 2 * (pair[0] * pair[1]) as u64;
        let forward: u64 = self.sizes.windows(2).map(product).sum();
        match self.task {
            Task::Infer => forward,
            Task::Train(..) => 3 * forward - product(&self.sizes[..2]),
        }
    }

    /// The workload with whole batches only, so that every step has the same size.
    #[must_use]
    pub fn whole_batches(self) -> Self {
        Self { rows: self.rows / self.batch * self.batch, ..self }
    }

    /// Random data, and a random network with all the memory that it needs; both are the same in every language.
    ///
    /// # Errors
    /// None for the workloads of [`WORKLOADS`].
    pub fn prepare<T: Scalar>(&self) -> Result<Ready<T>> {
        let &[inputs, ref hidden @ .., classes] = self.sizes else {
            return Err(Error::Empty { what: "the network", expected: "layer" });
        };
        let mut builder = Network::builder(inputs);
        for &size in hidden {
            builder = builder.dense(size, self.activation);
        }
        let mut network = builder.dense(classes, Activation::Identity).build(1)?;
        let workspace = match self.task {
            Task::Train(..) => Workspace::new(&network, self.batch)?,
            Task::Infer => Workspace::for_inference(&network, self.batch)?,
        };
        data::fill(&mut network);
        let inputs = data::inputs(self.rows, inputs);
        let targets = match self.task {
            Task::Train(Objective::Mse, _) => Answers::Values(data::values(self.rows, classes)),
            _ => Answers::Classes(data::labels(self.rows, classes)),
        };
        let state = OptimizerState::new(&network);
        Ok(Ready {
            workload: *self,
            network,
            workspace,
            state,
            inputs,
            targets,
            next: 0,
            epoch: 1,
            rate: 0.01,
            value: 0.0,
        })
    }
}

/// What the network should answer to all rows.
#[derive(Debug)]
enum Answers<T> {
    Classes(Vec<usize>),
    Values(Array2<T>),
}

/// A workload ready to run.
#[derive(Debug)]
pub struct Ready<T> {
    workload: Workload,
    network: Network<T>,
    workspace: Workspace<T>,
    state: OptimizerState<T>,
    inputs: Array2<T>,
    targets: Answers<T>,
    next: usize,
    /// The epoch at hand, counted from 1.
    epoch: usize,
    rate: f64,
    /// The loss of the last step.
    value: f64,
}

impl<T: Scalar> Ready<T> {
    /// The same with another learning rate than 0.01.
    #[must_use]
    pub fn rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// What runs.
    #[must_use]
    pub fn workload(&self) -> &Workload {
        &self.workload
    }

    /// The losses of that many steps, each before it changed the network; of inference the means of the logits. Other
    /// programs that start from the same network and data have to find the same.
    ///
    /// # Errors
    /// As [`Ready::step`].
    pub fn losses(&mut self, backend: &dyn Backend<T>, steps: usize) -> Result<Vec<f64>> {
        let mut values = Vec::with_capacity(steps);
        for _ in 0..steps {
            let rows = self.step(backend)?;
            values.push(match self.workload.task {
                Task::Train(..) => self.value,
                Task::Infer => {
                    let logits = self.workspace.output();
                    let logits = logits.slice(s![..rows, ..]);
                    logits.iter().map(|logit| logit.as_f64()).sum::<f64>() / logits.len() as f64
                }
            });
        }
        Ok(values)
    }

    /// One step on the next batch, the last of an epoch being as short as it comes out. Gives the number of its samples.
    ///
    /// # Errors
    /// What the backend refuses; [`Error::Diverged`] if the loss is no longer finite: then the figure would be of no use.
    pub fn step(&mut self, backend: &dyn Backend<T>) -> Result<usize> {
        let start = self.next;
        let end = self.inputs.nrows().min(start + self.workload.batch);
        self.next = if end == self.inputs.nrows() { 0 } else { end };
        let inputs = rows(&self.inputs, start, end);
        match self.workload.task {
            Task::Train(objective, method) => {
                let loss: &dyn Loss<T> = match objective {
                    Objective::CrossEntropy => &CrossEntropy,
                    Objective::Mse => &MeanSquaredError,
                };
                let targets = match &self.targets {
                    Answers::Classes(labels) => Targets::Classes(&labels[start..end]),
                    Answers::Values(values) => Targets::Values(rows(values, start, end)),
                };
                let (network, workspace, mode) = (&mut self.network, &mut self.workspace, Mode::Evaluate);
                // As the trainer does it.
                let optimizer: &mut dyn Optimizer<T> = match method {
                    Method::Sgd => &mut Sgd::new(self.rate),
                    Method::Adam => &mut Adam::new(self.rate),
                };
                let score = if let Some(step) = optimizer.descent() {
                    network.descend(backend, loss, &inputs, targets, mode, step, workspace)?
                } else {
                    let how = Accumulate::Replace;
                    let score = network.gradient(backend, loss, &inputs, targets, mode, how, workspace)?;
                    let gradient = workspace.gradient();
                    optimizer.step(backend, &mut self.state, gradient, network.parameters_mut())?;
                    score
                };
                if !score.loss.is_finite() {
                    return Err(Error::Diverged {
                        epoch: self.epoch,
                        step: start / self.workload.batch + 1,
                        layer: self.workload.name.to_owned(),
                        quantity: "the loss".to_owned(),
                    });
                }
                self.value = score.loss;
            }
            Task::Infer => {
                std::hint::black_box(self.network.forward(backend, &inputs, &mut self.workspace)?);
            }
        }
        self.epoch += usize::from(self.next == 0);
        Ok(end - start)
    }

    /// All steps of one epoch; gives their number.
    ///
    /// # Errors
    /// As [`Ready::step`].
    pub fn epoch(&mut self, backend: &dyn Backend<T>) -> Result<usize> {
        self.next = 0;
        let mut steps = 0;
        loop {
            self.step(backend)?;
            steps += 1;
            if self.next == 0 {
                return Ok(steps);
            }
        }
    }
}

/// Rows without a copy, and without the arithmetic of a slice by ranges, which a tiny network would notice.
fn rows<T>(matrix: &Array2<T>, start: usize, end: usize) -> ArrayView2<'_, T> {
    matrix.view().split_at(Axis(0), end).0.split_at(Axis(0), start).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flops_are_those_of_the_products() {
        let flops = |name| Workload::by_name(name).unwrap().flops_per_sample();
        assert_eq!(["W1", "W2", "W3", "W6a"].map(flops), [95_880, 409_088, 3_209_216, 203_264]);
        assert_eq!(Workload::by_name("w5").unwrap().flops_per_sample(), 2_080);
        assert_eq!(["W7", "w8"].map(flops), [3_968, 1_856]);
        assert!(Workload::by_name("W0").unwrap_err().to_string().contains("W6b"));
    }

    #[test]
    fn an_epoch_goes_through_all_rows() {
        for backend in chainrule::backends::<f32>() {
            let workload = Workload { rows: 20, ..Workload::by_name("W5").unwrap() };
            let mut ready = workload.prepare::<f32>().unwrap();
            let steps: Vec<_> = (0..4).map(|_| ready.step(&*backend).unwrap()).collect();
            assert_eq!(steps, [8, 8, 4, 8]);
            assert_eq!(ready.epoch(&*backend).unwrap(), 3);
            assert_eq!(workload.whole_batches().prepare::<f32>().unwrap().epoch(&*backend).unwrap(), 2);
        }
    }

    #[test]
    fn losses_are_those_of_the_other_programs() {
        // As NumPy computes them: bench/peers/python/peer_numpy.py --workload W5 --losses 2 --rate 0.1 --dtype f64 --seconds 0
        for backend in chainrule::backends::<f64>() {
            let mut ready = Workload::by_name("W5").unwrap().prepare::<f64>().unwrap().rate(0.1);
            let losses = ready.losses(&*backend, 2).unwrap();
            let expected = [1.094_736_030_132_785_8, 1.072_472_376_443_41];
            for (loss, expected) in losses.iter().zip(expected) {
                assert!((loss - expected).abs() < 1e-12, "{}: {losses:?}", backend.name());
            }
            let mut ready = Workload::by_name("W7").unwrap().prepare::<f64>().unwrap().rate(0.01);
            let losses = ready.losses(&*backend, 2).unwrap();
            let expected = [0.351_834_414_790_975_1, 0.338_778_971_449_325_3];
            for (loss, expected) in losses.iter().zip(expected) {
                assert!((loss - expected).abs() < 1e-12, "{}: {losses:?}", backend.name());
            }
            let mut ready = Workload::by_name("W6b").unwrap().prepare::<f64>().unwrap();
            assert!(ready.losses(&*backend, 1).unwrap()[0].is_finite());
        }
    }

    #[test]
    fn a_loss_that_is_not_finite_is_an_error() {
        let workload =
            Workload::of_sizes("3-40-1", Activation::Relu, 2, 6, Task::Train(Objective::Mse, Method::Sgd));
        let mut ready = workload.unwrap().prepare::<f32>().unwrap().rate(1e9);
        let backend = chainrule::default_backend::<f32>().unwrap();
        let error = ready.losses(&*backend, 100).unwrap_err();
        let Error::Diverged { epoch, step, layer, .. } = error else { panic!("{error}") };
        // The first step sees the network as it was.
        assert!((epoch, step) > (1, 1) && step <= 3 && layer == "3-40-1", "{layer}: {epoch}, {step}");
    }

    #[test]
    fn other_networks_are_read() {
        let other = |net| Workload::of_sizes(net, Activation::Tanh, 4, 8, SGD);
        assert_eq!(other("3-5-2").unwrap().sizes, [3, 5, 2]);
        for bad in ["", "3", "3-x", "3,4"] {
            assert!(other(bad).is_err(), "{bad}");
        }
        assert!(Workload::of_sizes("3-2", Activation::Tanh, 0, 8, SGD).is_err());
    }
}
