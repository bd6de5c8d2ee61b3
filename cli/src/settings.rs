//! What makes a training run: the network, the loss and the descent.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use chainrule::{
    Activation, BinaryCrossEntropy, CrossEntropy, Initializer, Loss, MeanSquaredError, Network, OverOutputs,
    Quadratic, Scalar,
};
use clap::ValueEnum;

use crate::args::{DescentArgs, NetworkArgs};
use crate::failure::Failure;

/// No layer has more units, and no network more parameters: beyond, a slip of the keyboard is more likely.
const LARGEST_LAYER: usize = 1 << 20;
const MOST_PARAMETERS: usize = 1 << 30;

/// All settings of a run but the data and the machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) hidden: Vec<usize>,
    pub(crate) activation: Activation,
    pub(crate) output: Option<Output>,
    pub(crate) loss: LossKind,
    /// As the activation has it, where none is given.
    pub(crate) init: Option<Initializer>,
    pub(crate) bias_init: Initializer,
    /// Weights and biases of the last layer, where they begin in another way than the others.
    pub(crate) last_init: Option<[Initializer; 2]>,
    pub(crate) lr: f64,
    pub(crate) batch_size: BatchSize,
    pub(crate) epochs: usize,
    pub(crate) l2: f64,
}

impl Default for Settings {
    /// For a small table of numbers.
    fn default() -> Self {
        Self {
            hidden: vec![32],
            activation: Activation::Relu,
            output: None,
            loss: LossKind::CrossEntropy,
            init: None,
            bias_init: Initializer::Zeros,
            last_init: None,
            lr: 0.05,
            batch_size: BatchSize::rows(16),
            epochs: 100,
            l2: 0.0,
        }
    }
}

impl Settings {
    /// These settings, overridden by what is given on the command line.
    pub(crate) fn overridden(mut self, network: &NetworkArgs, descent: &DescentArgs) -> Self {
        fn set<V: Clone>(value: &mut V, given: Option<&V>) {
            if let Some(given) = given {
                value.clone_from(given);
            }
        }
        set(&mut self.hidden, network.hidden.as_ref().map(|hidden| &hidden.0));
        set(&mut self.activation, network.activation.as_ref());
        set(&mut self.loss, network.loss.as_ref());
        set(&mut self.bias_init, network.bias_init.as_ref());
        set(&mut self.lr, descent.lr.as_ref());
        set(&mut self.batch_size, descent.batch_size.as_ref());
        set(&mut self.l2, descent.l2.as_ref());
        self.output = network.output.or(if network.loss.is_some() { None } else { self.output });
        self.init = network.init.or(self.init);
        if network.init.is_some() || network.bias_init.is_some() {
            self.last_init = None;
        }
        self.epochs = descent.epochs.map_or(self.epochs, |epochs| epochs as usize);
        self
    }

    /// What the network ends with.
    pub(crate) fn output(&self) -> Output {
        self.output.unwrap_or(match self.loss {
            LossKind::CrossEntropy => Output::Softmax,
            _ => Output::Activation(Activation::Sigmoid),
        })
    }

    /// The network, with the initial parameters that `seed` means.
    pub(crate) fn network<T: Scalar>(
        &self,
        inputs: usize,
        outputs: usize,
        seed: u64,
    ) -> Result<Network<T>, Failure> {
        self.check(inputs, outputs)?;
        let mut builder = Network::builder(inputs);
        for &units in &self.hidden {
            builder = builder.dense_with(units, self.activation, |dense| {
                let dense = dense.bias_initializer(self.bias_init);
                self.init.map_or(dense.clone(), |init| dense.initializer(init))
            });
        }
        let (last, softmax) = match self.output() {
            Output::Softmax => (Activation::Identity, true),
            Output::Activation(activation) => (activation, false),
        };
        builder = builder.dense_with(outputs, last, |dense| match (self.last_init, self.init) {
            (Some([weights, biases]), _) => dense.initializer(weights).bias_initializer(biases),
            (None, Some(init)) => dense.initializer(init).bias_initializer(self.bias_init),
            (None, None) => dense.bias_initializer(self.bias_init),
        });
        if softmax {
            builder = builder.softmax();
        }
        Ok(builder.build(seed)?)
    }

    /// Refuses what no network can be made of.
    pub(crate) fn check(&self, inputs: usize, outputs: usize) -> Result<(), Failure> {
        self.check_loss()?;
        check_size(inputs, self.hidden.iter().copied().chain([outputs]), MOST_PARAMETERS)
    }

    /// A loss on logits contains the output's function: another one there is a mistake.
    pub(crate) fn check_loss(&self) -> Result<(), Failure> {
        let fits = |link| [link, Output::Activation(Activation::Identity)].contains(&self.output());
        let expected = match self.loss {
            LossKind::CrossEntropy if !fits(Output::Softmax) => "softmax, or identity for logits",
            LossKind::BinaryCrossEntropy | LossKind::BinaryCrossEntropySum
                if !fits(Output::Activation(Activation::Sigmoid)) =>
            {
                "sigmoid, or identity for logits"
            }
            _ => return Ok(()),
        };
        Err(Failure::Usage(format!(
            "the loss {} does not go with the output {}, expected {expected}",
            self.loss,
            self.output()
        )))
    }

    /// `784-30-10`.
    pub(crate) fn architecture(&self, inputs: usize, outputs: usize) -> String {
        let sizes = [inputs].into_iter().chain(self.hidden.iter().copied()).chain([outputs]);
        sizes.map(|size| size.to_string()).collect::<Vec<_>>().join("-")
    }
}

/// Refuses networks of more parameters than `most`.
pub(crate) fn check_size(
    inputs: usize,
    layers: impl Iterator<Item = usize>,
    most: usize,
) -> Result<(), Failure> {
    let mut below = inputs;
    let mut parameters = 0_usize;
    for units in layers {
        parameters = parameters.saturating_add(below.saturating_add(1).saturating_mul(units));
        below = units;
    }
    if parameters > most {
        return Err(Failure::Usage(format!(
            "the network would have {parameters} parameters, expected at most {most}"
        )));
    }
    Ok(())
}

/// The units of the hidden layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hidden(pub(crate) Vec<usize>);

impl FromStr for Hidden {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "0" | "none" => Ok(Self(Vec::new())),
            text => sizes(text).map(Self).map_err(|error| error + ", or `none`"),
        }
    }
}

/// The sizes of all layers, inputs and outputs included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layers(pub(crate) Vec<usize>);

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match sizes(text)? {
            sizes if sizes.len() >= 2 => Ok(Self(sizes)),
            _ => Err("expected at least two sizes, of the inputs and of the outputs".to_owned()),
        }
    }
}

fn sizes(text: &str) -> Result<Vec<usize>, String> {
    let size = |text: &str| {
        text.trim().parse().ok().filter(|size| (1..=LARGEST_LAYER).contains(size)).ok_or_else(|| {
            format!("`{text}` is no size of a layer, expected numbers from 1 to {LARGEST_LAYER} with commas")
        })
    };
    text.split(',').map(size).collect()
}

/// How many samples make a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchSize {
    /// All of them.
    Full,
    /// So many.
    Rows(NonZeroUsize),
}

impl BatchSize {
    /// At least one row.
    pub(crate) const fn rows(rows: usize) -> Self {
        match NonZeroUsize::new(rows) {
            Some(rows) => Self::Rows(rows),
            None => Self::Rows(NonZeroUsize::MIN),
        }
    }

    /// The rows of a step, of `samples` in all.
    pub(crate) fn of(self, samples: usize) -> usize {
        match self {
            Self::Full => samples,
            Self::Rows(rows) => rows.get().min(samples),
        }
    }
}

impl FromStr for BatchSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self::Full),
            _ => text
                .parse()
                .map(Self::Rows)
                .map_err(|_| "expected a number of at least 1, or `full`".to_owned()),
        }
    }
}

impl fmt::Display for BatchSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Rows(rows) => rows.fmt(f),
        }
    }
}

/// What a network ends with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Output {
    Softmax,
    Activation(Activation),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "softmax" => Ok(Self::Softmax),
            _ => match text.parse() {
                Ok(activation) => Ok(Self::Activation(activation)),
                Err(chainrule::Error::Unknown { expected, .. }) => {
                    Err(format!("expected softmax, {expected}"))
                }
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Softmax => f.write_str("softmax"),
            Self::Activation(activation) => activation.fmt(f),
        }
    }
}

/// The losses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LossKind {
    /// ½ ‖a − y‖²
    Quadratic,
    /// The mean of (a − y)² over the outputs
    Mse,
    /// Softmax and −ln p of the class; also called log-likelihood
    CrossEntropy,
    /// Sigmoids, and the mean of their cross-entropies over the outputs
    BinaryCrossEntropy,
    /// The same with the sum over the outputs, as in Nielsen's book
    BinaryCrossEntropySum,
}

impl LossKind {
    /// The loss itself.
    pub(crate) fn build<T: Scalar>(self) -> Box<dyn Loss<T>> {
        match self {
            Self::Quadratic => Box::new(Quadratic),
            Self::Mse => Box::new(MeanSquaredError),
            Self::CrossEntropy => Box::new(CrossEntropy),
            Self::BinaryCrossEntropy => Box::new(BinaryCrossEntropy::default()),
            Self::BinaryCrossEntropySum => Box::new(BinaryCrossEntropy { over_outputs: OverOutputs::Sum }),
        }
    }
}

impl fmt::Display for LossKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}
