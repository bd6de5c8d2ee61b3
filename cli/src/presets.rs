//! Published experiments on MNIST, with their settings.

use chainrule::{Activation, Initializer, TrainerConfig};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::config::{BatchSize, NetworkSection, Output};
use crate::recipe::Recipe;
use crate::source::MnistSplit;

/// A published experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// Michael Nielsen, *Neural Networks and Deep Learning*, chapter 1: `net = network.Network([784, 30, 10])`,
    /// `net.SGD(training_data, 30, 10, 3.0, test_data=test_data)`. Sigmoids, the quadratic cost, weights and biases N(0, 1).
    #[value(name = "nielsen-30")]
    #[serde(rename = "nielsen-30")]
    Nielsen30,
    /// The same chapter: the same with 100 hidden units. In most runs here it stays below the published figure.
    #[value(name = "nielsen-100")]
    #[serde(rename = "nielsen-100")]
    Nielsen100,
    /// Chapter 3, after regularisation and the better initialiser: the cross-entropy of sigmoids, summed over the outputs, weights N(0, 1/n) and
    /// biases N(0, 1), η 0.1, λ 5.0, 60 epochs; he reports the validation data.
    #[value(name = "nielsen-ce-100")]
    #[serde(rename = "nielsen-ce-100")]
    NielsenCe100,
    /// Chapter 6, the shallow network that the convolutional ones are compared with: softmax and log-likelihood, η 0.1, λ 0, 60
    /// epochs. As his network3.py has it: hidden weights N(0, 1/n_out), hidden biases N(0, 1), the last layer 0. He reports the test data at
    /// the epoch that is best on the validation data.
    #[value(name = "nielsen-softmax-100")]
    #[serde(rename = "nielsen-softmax-100")]
    NielsenSoftmax100,
    /// Grant Sanderson (3Blue1Brown), *Neural networks*, chapters 1 to 4: 784-16-16-10 with sigmoids, 13,002 parameters. The films do not say
    /// how it was trained; chosen here: the quadratic cost (as in the films), weights N(0, 1/n), biases N(0, 1), η 2, λ 0.5, batches of
    /// 32, 60 epochs, on all 60,000 training images.
    #[value(name = "3b1b")]
    #[serde(rename = "3b1b")]
    ThreeBlueOneBrown,
    /// Samson Zhang, *Building a neural network FROM SCRATCH* (video w8yWXqWQYmU and its Kaggle notebook): 784-10 ReLU-10 softmax, weights and
    /// biases uniform in (−½, ½), 500 steps of full-batch descent with α 0.10 on 41,000 of Kaggle's 42,000 digits, 1,000 held out. For those digits
    /// stand MNIST's first 42,000 training images.
    Zhang,
}

/// Which figure of a run is the one that its source reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Figure {
    /// The test accuracy of the best epoch.
    BestTest,
    /// The validation accuracy of the best epoch.
    BestValidation,
    /// The test accuracy of the epoch that is best on the validation data.
    TestAtBestValidation,
    /// The test accuracy of the last epoch.
    LastTest,
    /// The accuracies on training and held-out data of the last step.
    LastTrainAndTest,
}

impl Preset {
    pub(crate) fn recipe(self) -> Recipe {
        let recipe = match self {
            Self::Nielsen30 => Recipe::plain(&[30], 3.0, 30),
            Self::Nielsen100 => Recipe::plain(&[100], 3.0, 30),
            Self::NielsenCe100 | Self::NielsenSoftmax100 => Recipe::plain(&[100], 0.1, 60),
            Self::ThreeBlueOneBrown => Recipe::plain(&[16, 16], 2.0, 60),
            Self::Zhang => Recipe::plain(&[10], 0.1, 500),
        };
        let sigmoid = Output::Activation(Activation::Sigmoid);
        let normal = Initializer::Normal(1.0);
        let (activation, output, loss, init, bias_init) = match self {
            Self::Nielsen30 | Self::Nielsen100 => (Activation::Sigmoid, sigmoid, "quadratic", normal, normal),
            Self::NielsenCe100 => {
                (Activation::Sigmoid, sigmoid, "binary-cross-entropy-sum", Initializer::LecunNormal, normal)
            }
            Self::NielsenSoftmax100 => {
                // 1/√n_out of the hidden layer
                let init = Initializer::Normal(0.1);
                (Activation::Sigmoid, Output::Softmax, "cross-entropy", init, normal)
            }
            Self::ThreeBlueOneBrown => {
                (Activation::Sigmoid, sigmoid, "quadratic", Initializer::LecunNormal, normal)
            }
            Self::Zhang => {
                let uniform = Initializer::Uniform(0.5);
                (Activation::Relu, Output::Softmax, "cross-entropy", uniform, uniform)
            }
        };
        let (batch_size, l2) = match self {
            Self::NielsenCe100 => (10, 5.0),
            Self::ThreeBlueOneBrown => (32, 0.5),
            Self::Zhang => (BatchSize::FULL, 0.0),
            _ => (10, 0.0),
        };
        Recipe {
            network: NetworkSection {
                activation: Some(activation),
                output: Some(output),
                init: Some(init),
                bias_init: Some(bias_init),
                ..recipe.network
            },
            last_init: (self == Self::NielsenSoftmax100).then_some([Initializer::Zeros; 2]),
            trainer: TrainerConfig { loss: loss.to_owned(), batch_size, l2, ..recipe.trainer },
        }
    }

    /// How the source divides MNIST.
    pub(crate) fn split(self) -> MnistSplit {
        match self {
            Self::Nielsen30 | Self::Nielsen100 | Self::NielsenCe100 | Self::NielsenSoftmax100 => {
                MnistSplit::Validation
            }
            Self::ThreeBlueOneBrown => MnistSplit::Standard,
            Self::Zhang => MnistSplit::Kaggle,
        }
    }

    pub(crate) fn figure(self) -> Figure {
        match self {
            Self::Nielsen30 | Self::Nielsen100 => Figure::BestTest,
            Self::NielsenCe100 => Figure::BestValidation,
            Self::NielsenSoftmax100 => Figure::TestAtBestValidation,
            Self::ThreeBlueOneBrown => Figure::LastTest,
            Self::Zhang => Figure::LastTrainAndTest,
        }
    }

    /// What the source reports.
    pub(crate) fn published(self) -> &'static str {
        match self {
            Self::Nielsen30 => "95.42 % test (best epoch, best of 3)",
            Self::Nielsen100 => "96.59 % test (best epoch)",
            Self::NielsenCe100 => "98.04 % validation",
            Self::NielsenSoftmax100 => "97.80 % test",
            Self::ThreeBlueOneBrown => "about 96 % test",
            Self::Zhang => "about 85 % train, 84–85 % dev",
        }
    }

    /// The network and the method in a line.
    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Nielsen30 => {
                "784-30-10 sigmoid; quadratic, N(0,1), η 3.0, batch 10, 30 epochs, 50,000 train"
            }
            Self::Nielsen100 => "784-100-10 sigmoid; the same",
            Self::NielsenCe100 => {
                "784-100-10 sigmoid; cross-entropy of sigmoids, N(0,1/n), η 0.1, λ 5.0, batch 10, 60 epochs"
            }
            Self::NielsenSoftmax100 => {
                "784-100 sigmoid-10 softmax; log-likelihood, η 0.1, λ 0, batch 10, 60 epochs"
            }
            Self::ThreeBlueOneBrown => {
                "784-16-16-10 sigmoid; quadratic, N(0,1/n), η 2.0, λ 0.5, batch 32, 60 epochs, 60,000 train (chosen)"
            }
            Self::Zhang => "784-10 ReLU-10 softmax; uniform(−½,½), α 0.10, full batch of 41,000, 500 steps",
        }
    }

    /// Where it is published.
    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::Nielsen30 | Self::Nielsen100 => "Nielsen, Neural Networks and Deep Learning, chapter 1",
            Self::NielsenCe100 => "Nielsen, Neural Networks and Deep Learning, chapter 3",
            Self::NielsenSoftmax100 => "Nielsen, Neural Networks and Deep Learning, chapter 6",
            Self::ThreeBlueOneBrown => "3Blue1Brown, Neural networks, chapters 1 to 4",
            Self::Zhang => "Samson Zhang, Building a neural network FROM SCRATCH (video w8yWXqWQYmU)",
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Task;

    #[test]
    fn presets_have_the_sizes_that_are_published() {
        let parameters = |preset: Preset| {
            preset
                .recipe()
                .network::<f32>(784, Task::Classes(10), 0)
                .map(|network| network.parameters().len())
                .unwrap()
        };
        assert_eq!(parameters(Preset::Nielsen30), 23_860);
        assert_eq!(parameters(Preset::Nielsen100), 79_510);
        assert_eq!(parameters(Preset::ThreeBlueOneBrown), 13_002);
        assert_eq!(parameters(Preset::Zhang), 7_960);
    }

    #[test]
    fn the_softmax_preset_begins_as_network3_does() {
        let network = Preset::NielsenSoftmax100.recipe().network::<f64>(784, Task::Classes(10), 0).unwrap();
        assert!(network.weights(1).unwrap().iter().chain(network.bias(1).unwrap()).all(|&w| w == 0.0));
        let variance = network.weights(0).unwrap().iter().map(|w| w * w).sum::<f64>() / 78_400.0;
        assert!((variance - 0.01).abs() < 0.0005, "{variance}");
    }
}
