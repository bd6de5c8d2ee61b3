//! The workloads, as `chainrule-bench` has them.

use std::ops::Range;

/// What is done with a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Training: every batch updates the network.
    Train(Objective, Method),
    /// Forward propagation alone, to the logits.
    Infer,
}

/// What training makes small, a mean over the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Objective {
    /// The softmax cross-entropy with classes.
    CrossEntropy,
    /// The mean squared error from values.
    Mse,
}

/// How a batch updates the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    /// Plain gradient descent.
    Sgd,
    /// Adam with β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
    Adam,
}

/// What stands between the layers; the last layer has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Activation {
    /// max(0, z)
    Relu,
    /// 1 / (1 + e⁻ᶻ)
    Sigmoid,
    /// tanh z
    Tanh,
}

/// A network, and what is done with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Such as `W1`, or the sizes.
    pub name: String,
    /// The inputs, then the outputs of each layer.
    pub sizes: Vec<usize>,
    /// Of the hidden layers.
    pub activation: Activation,
    /// The rows of a batch.
    pub batch: usize,
    /// The rows in memory; an epoch goes through them in their order.
    pub rows: usize,
    /// What is done.
    pub task: Task,
}

impl Workload {
    /// The workload of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn by_name(name: &str) -> Result<Self, String> {
        use Activation::{Relu, Sigmoid, Tanh};
        use Task::Infer;
        let train = Task::Train(Objective::CrossEntropy, Method::Sgd);
        let (net, activation, batch, rows, task) = match name {
            "W1" => ("784-30-10", Sigmoid, 10, 10_000, train),
            "W2" => ("784-128-10", Relu, 32, 10_000, train),
            "W3" => ("784-512-512-10", Relu, 128, 10_000, train),
            "W4" => ("1024-2048-2048-1024-10", Relu, 512, 4096, train),
            "W5" => ("4-16-16-3", Relu, 8, 10_000, train),
            "W6a" => ("784-128-10", Relu, 1, 10_000, Infer),
            "W6b" => ("784-128-10", Relu, 1000, 10_000, Infer),
            // SimpleChains' own.
            "W7" => ("4-32-16-4", Tanh, 10_000, 10_000, Task::Train(Objective::Mse, Method::Adam)),
            // The network of burn's issue 4811, without the scaling of its inputs.
            "W8" => ("6-64-8-4", Relu, 1, 10_000, Infer),
            _ => return Err(format!("no workload \"{name}\", expected W1 to W5, W6a, W6b, W7, W8")),
        };
        Ok(Self { name: name.to_owned(), ..Self::new(net, activation, batch, rows, task)? })
    }

    /// Another one; `net` gives the sizes, such as 784-100-50-10.
    ///
    /// # Errors
    /// Sizes that are no numbers, or 0.
    pub fn new(
        net: &str,
        activation: Activation,
        batch: usize,
        rows: usize,
        task: Task,
    ) -> Result<Self, String> {
        let sizes: Option<Vec<usize>> = net.split('-').map(|size| size.parse().ok()).collect();
        match sizes {
            Some(sizes) if sizes.len() > 1 && !sizes.contains(&0) && batch > 0 && rows > 0 => {
                Ok(Self { name: net.to_owned(), sizes, activation, batch, rows, task })
            }
            _ => Err(format!("\"{net}\" with batches of {batch} of {rows} rows makes no sense")),
        }
    }

    /// The rows of each batch of an epoch; the last may be short.
    pub fn batches(&self) -> impl Iterator<Item = Range<usize>> {
        let (batch, rows) = (self.batch, self.rows);
        (0..rows).step_by(batch).map(move |start| start..rows.min(start + batch))
    }

    /// What training makes small; the cross-entropy where nothing is trained.
    #[must_use]
    pub fn objective(&self) -> Objective {
        match self.task {
            Task::Train(objective, _) => objective,
            Task::Infer => Objective::CrossEntropy,
        }
    }

    /// How it learns; by plain descent where nothing is trained.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.task {
            Task::Train(_, method) => method,
            Task::Infer => Method::Sgd,
        }
    }

    /// The number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.sizes[0]
    }

    /// The number of outputs.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    /// The multiplications and additions of the matrix products that a sample needs: forward, and in training the change in
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
}
