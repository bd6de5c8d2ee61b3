//! What makes a training run: the network and the settings of the trainer.

use chainrule::{
    Activation, Initializer, LayerConfig, Link, Loss, Network, NetworkConfig, OptimizerConfig, Scalar,
    TrainerConfig, loss_by_name,
};

use chainrule_data::Answers;

use crate::config::{BatchSize, Hidden, NetworkSection, Output};
use crate::failure::Failure;

/// No network has more parameters: beyond, a slip of the keyboard is more likely.
const MOST_PARAMETERS: usize = 1 << 30;

/// What is learnt: how many classes or numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Classes(usize),
    Values(usize),
}

/// All settings of a run but the data and the machine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recipe {
    pub(crate) network: NetworkSection,
    /// Weights and biases of the last layer, where they begin in another way than the others.
    pub(crate) last_init: Option<[Initializer; 2]>,
    pub(crate) trainer: TrainerConfig,
}

impl Recipe {
    /// Rectified hidden layers, and plain descent in mini-batches of 16.
    pub(crate) fn plain(hidden: &[usize], lr: f64, epochs: usize) -> Self {
        Self {
            network: NetworkSection { hidden: Some(Hidden(hidden.to_vec())), ..NetworkSection::default() },
            last_init: None,
            trainer: TrainerConfig {
                optimizer: OptimizerConfig::new("sgd").set("learning-rate", lr),
                epochs,
                batch_size: 16,
                ..TrainerConfig::default()
            },
        }
    }

    /// g of the hidden layers that name none.
    pub(crate) fn activation(&self) -> Activation {
        self.network.activation.unwrap_or(Activation::Relu)
    }

    /// What the network ends with.
    pub(crate) fn output(&self, task: Task) -> Result<Output, Failure> {
        if let Some(output) = self.network.output {
            return Ok(output);
        }
        let loss = loss_by_name::<f64>(&self.trainer.loss)?;
        Ok(match (loss.link(), loss.name(), task) {
            (Some(Link::Softmax), ..) => Output::Softmax,
            // Rates are above 0.
            _ if self.trainer.loss == "poisson-on-rates" => Output::Activation(Activation::Softplus),
            (_, "kl-divergence", _) => Output::LogSoftmax,
            (Some(Link::Sigmoid), ..)
            | (_, "binary-cross-entropy-on-probabilities", _)
            | (_, "quadratic" | "mse" | "mae" | "huber" | "log-cosh", Task::Classes(_)) => {
                Output::Activation(Activation::Sigmoid)
            }
            _ => Output::Activation(Activation::Identity),
        })
    }

    /// The last layer's size: a loss may tell of one number by several outputs.
    fn outputs(&self, task: Task) -> Result<usize, Failure> {
        let loss = loss_by_name::<f64>(&self.trainer.loss)?;
        Ok(match task {
            Task::Classes(classes) => classes,
            Task::Values(values) => (values..=4 * values)
                .find(|&outputs| loss.target_columns(outputs) == values)
                .unwrap_or(values),
        })
    }

    /// The network as a description.
    ///
    /// # Errors
    /// For what no network can be made of.
    pub(crate) fn config(&self, inputs: usize, task: Task) -> Result<NetworkConfig, Failure> {
        self.check_loss(task)?;
        let mut layers = match &self.network.layers {
            Some(layers) => layers.0.clone(),
            None => self.hidden(),
        };
        let (last, function) = match self.output(task)? {
            output @ (Output::Softmax | Output::LogSoftmax) if self.outputs(task)? == 1 => {
                return Err(Failure::Usage(format!(
                    "the output {output} of a single number is always the same, expected identity or another function"
                )));
            }
            Output::Softmax => (Activation::Identity, Some(LayerConfig::Softmax {})),
            Output::LogSoftmax => (Activation::Identity, Some(LayerConfig::LogSoftmax {})),
            Output::Activation(activation) => (activation, None),
        };
        let [weights, biases] = match self.last_init {
            Some(both) => both.map(Some),
            None => [self.network.init, self.network.bias_init],
        };
        layers.push(LayerConfig::Dense {
            outputs: self.outputs(task)?,
            activation: last,
            bias: true,
            weights,
            biases,
        });
        layers.extend(function);
        let config = NetworkConfig { inputs, layers };
        check_size(&config, MOST_PARAMETERS)?;
        Ok(config)
    }

    fn hidden(&self) -> Vec<LayerConfig> {
        let NetworkSection { hidden, dropout, init, bias_init, .. } = &self.network;
        let mut layers = Vec::new();
        for &outputs in hidden.as_ref().map_or(&[][..], |hidden| &hidden.0) {
            let (weights, biases) = (*init, *bias_init);
            layers.push(LayerConfig::Dense {
                outputs,
                activation: self.activation(),
                bias: true,
                weights,
                biases,
            });
            if let Some(probability) = dropout.filter(|&p| p > 0.0) {
                layers.push(LayerConfig::Dropout { probability });
            }
        }
        layers
    }

    /// The network, with the initial parameters that `seed` means.
    pub(crate) fn network<T: Scalar>(
        &self,
        inputs: usize,
        task: Task,
        seed: u64,
    ) -> Result<Network<T>, Failure> {
        Ok(self.config(inputs, task)?.build(seed)?)
    }

    /// A loss on logits contains the output's function: another one there is a mistake.
    pub(crate) fn check_loss(&self, task: Task) -> Result<(), Failure> {
        let loss = loss_by_name::<f64>(&self.trainer.loss)?;
        let output = self.output(task)?;
        let fits = |link| [link, Output::Activation(Activation::Identity)].contains(&output);
        let expected = match loss.link() {
            Some(Link::Softmax) if !fits(Output::Softmax) => "softmax, or identity for logits",
            Some(Link::Sigmoid) if !fits(Output::Activation(Activation::Sigmoid)) => {
                "sigmoid, or identity for logits"
            }
            _ => return Ok(()),
        };
        Err(Failure::Usage(format!(
            "the loss {} does not go with the output {output}, expected {expected}",
            self.trainer.loss
        )))
    }

    /// The batch, in words.
    pub(crate) fn batch(&self) -> String {
        if self.trainer.batch_size == BatchSize::FULL {
            "full".to_owned()
        } else {
            self.trainer.batch_size.to_string()
        }
    }

    /// What the optimiser begins with.
    pub(crate) fn learning_rate(&self) -> Result<f64, Failure> {
        Ok(self.trainer.optimizer.build::<f64>()?.learning_rate())
    }
}

/// The metrics of numbers; all others compare classes.
pub(crate) const OF_NUMBERS: [&str; 3] = ["r2", "rmse", "mae"];

/// Refuses metrics of classes where numbers are predicted, which would be taken for classes by the side of ½ on which they lie. (Those that a
/// loss on probabilities is for may be meant so.)
pub(crate) fn check_metrics(names: &[String], loss: &str, are_numbers: bool) -> Result<(), Failure> {
    let of_classes = names.iter().find(|name| !OF_NUMBERS.contains(&name.as_str()));
    let (Some(name), true) = (of_classes, are_numbers) else { return Ok(()) };
    if is_of_probabilities(&*loss_by_name::<f64>(loss)?) {
        return Ok(());
    }
    let known = OF_NUMBERS.join(", ");
    Err(Failure::Usage(format!(
        "the metric {name} is for classes, found numbers to predict, expected {known}"
    )))
}

/// Whether targets of this loss are probabilities, if they are no classes.
fn is_of_probabilities(loss: &dyn Loss<f64>) -> bool {
    loss.link().is_some() || ["binary-cross-entropy-on-probabilities", "kl-divergence"].contains(&loss.name())
}

/// Refuses numbers to predict that the loss is not for.
pub(crate) fn check_targets<T: Scalar>(loss: &str, answers: &Answers<T>) -> Result<(), Failure> {
    let Answers::Values(values) = answers else { return Ok(()) };
    let loss = loss_by_name::<f64>(loss)?;
    let name = loss.name();
    let (range, what) = match name {
        "hinge" | "squared-hinge" => (-1.0..=1.0, "classes, or for −1 and 1"),
        "poisson" => (0.0..=f64::INFINITY, "counts, numbers of at least 0"),
        _ if is_of_probabilities(&*loss) => (0.0..=1.0, "classes, or for probabilities from 0 to 1"),
        _ => return Ok(()),
    };
    if let Some(found) = values.iter().map(|y| y.as_f64()).find(|y| !range.contains(y)) {
        return Err(Failure::Usage(format!(
            "the loss {name} is for {what}, found {found} among the numbers to predict, expected another loss, such as mse"
        )));
    }
    if loss.link() == Some(Link::Softmax) && values.ncols() == 1 {
        return Err(Failure::Usage(format!(
            "the loss {name} is for classes, or for a column of probabilities for each, found one column of numbers to predict, \
             expected another loss, such as mse or binary-cross-entropy, or --task classification"
        )));
    }
    Ok(())
}

/// Refuses networks of more parameters than `most`.
pub(crate) fn check_size(config: &NetworkConfig, most: usize) -> Result<(), Failure> {
    let parameters = config
        .layers::<f32>()?
        .iter()
        .flat_map(|layer| layer.parameters().to_vec())
        .fold(0_usize, |sum, p| sum.saturating_add(p.rows.saturating_mul(p.columns.unwrap_or(1))));
    if parameters > most {
        return Err(Failure::Usage(format!(
            "the network would have {parameters} parameters, expected at most {most}"
        )));
    }
    Ok(())
}

/// `784-30-10`: the sizes of the layers, with what is not a dense one by its name.
pub(crate) fn architecture(config: &NetworkConfig) -> String {
    fn text(layers: &[LayerConfig]) -> String {
        layers.iter().map(name).collect::<Vec<_>>().join("-")
    }
    fn name(layer: &LayerConfig) -> String {
        match layer {
            LayerConfig::Dense { outputs, activation: Activation::Identity, .. } => outputs.to_string(),
            LayerConfig::Dense { outputs, activation, .. } => format!("{outputs} {activation}"),
            LayerConfig::Activation { function } => function.to_string(),
            LayerConfig::Softmax {} => "softmax".to_owned(),
            LayerConfig::LogSoftmax {} => "log-softmax".to_owned(),
            LayerConfig::Dropout { probability } => format!("dropout {probability}"),
            LayerConfig::BatchNorm { .. } => "batch norm".to_owned(),
            LayerConfig::LayerNorm { .. } => "layer norm".to_owned(),
            LayerConfig::RmsNorm { .. } => "RMS norm".to_owned(),
            LayerConfig::Prelu { .. } => "PReLU".to_owned(),
            LayerConfig::Residual { layers } => format!("residual({})", text(layers)),
            _ => "layer".to_owned(),
        }
    }
    format!("{}-{}", config.inputs, text(&config.layers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_from_outside_are_not_larger_than_memory() {
        let recipe = Recipe::plain(&[1 << 20, 1 << 20], 0.1, 1);
        let error = recipe.config(1, Task::Classes(2)).unwrap_err();
        assert!(error.to_string().contains("parameters, expected at most"), "{error}");
    }

    #[test]
    fn the_loss_decides_the_output() {
        let of = |loss: &str, task| {
            let mut recipe = Recipe::plain(&[3], 0.1, 1);
            loss.clone_into(&mut recipe.trainer.loss);
            architecture(&recipe.config(2, task).unwrap())
        };
        assert_eq!(of("cross-entropy", Task::Classes(4)), "2-3 relu-4-softmax");
        assert_eq!(of("quadratic", Task::Classes(4)), "2-3 relu-4 sigmoid");
        assert_eq!(of("mse", Task::Values(1)), "2-3 relu-1");
        assert_eq!(of("gaussian", Task::Values(2)), "2-3 relu-4");
        assert_eq!(of("poisson-on-rates", Task::Values(1)), "2-3 relu-1 softplus");
        assert_eq!(of("hinge", Task::Classes(3)), "2-3 relu-3");
    }
}
