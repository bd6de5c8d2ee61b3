//! Networks as descriptions: what files hold besides the parameters.

use std::sync::Arc;

use crate::layer::Layer;
use crate::{
    Activation, BatchNorm, Dense, Dropout, Elementwise, Error, Initializer, LayerNorm, LogSoftmax, Network,
    Prelu, Residual, Result, RmsNorm, Scalar, Softmax,
};

/// A layer as a description. Its inputs are the outputs of the layer before it.
///
/// With the feature `serde` it is read and written with its `kind` in kebab case, `{ kind = "dense", outputs = 10 }` in TOML; keys with a
/// usual value may be left out, unknown ones are refused.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)
)]
#[non_exhaustive]
pub enum LayerConfig {
    /// A [`Dense`] layer.
    Dense {
        /// n_j.
        outputs: usize,
        /// g.
        #[cfg_attr(feature = "serde", serde(default))]
        activation: Activation,
        /// Whether there is a b.
        #[cfg_attr(feature = "serde", serde(default = "yes"))]
        bias: bool,
        /// How W begins; as [`Dense::new`] tells where nothing is said.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        weights: Option<Initializer>,
        /// How b begins; as 0 where nothing is said.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        biases: Option<Initializer>,
    },
    /// An activation as a layer of its own: [`Elementwise`].
    Activation {
        /// g.
        function: Activation,
    },
    /// [`Softmax`].
    Softmax {},
    /// [`LogSoftmax`].
    LogSoftmax {},
    /// [`Dropout`].
    Dropout {
        /// p.
        probability: f64,
    },
    /// [`BatchNorm`].
    BatchNorm {
        /// ε.
        #[cfg_attr(feature = "serde", serde(default = "usual_epsilon"))]
        epsilon: f64,
        /// m.
        #[cfg_attr(feature = "serde", serde(default = "usual_momentum"))]
        momentum: f64,
        /// Whether there are γ and β.
        #[cfg_attr(feature = "serde", serde(default = "yes"))]
        affine: bool,
    },
    /// [`LayerNorm`].
    LayerNorm {
        /// ε.
        #[cfg_attr(feature = "serde", serde(default = "usual_epsilon"))]
        epsilon: f64,
        /// Whether there is a γ.
        #[cfg_attr(feature = "serde", serde(default = "yes"))]
        affine: bool,
        /// Whether there is a β, which there is none of without γ.
        #[cfg_attr(feature = "serde", serde(default = "yes"))]
        bias: bool,
    },
    /// [`RmsNorm`].
    RmsNorm {
        /// ε; that of the element type where nothing is said.
        #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
        epsilon: Option<f64>,
        /// Whether there is a γ.
        #[cfg_attr(feature = "serde", serde(default = "yes"))]
        affine: bool,
    },
    /// [`Prelu`].
    Prelu {
        /// Whether each input has a slope of its own.
        #[cfg_attr(feature = "serde", serde(default))]
        per_input: bool,
        /// The initial slope.
        #[cfg_attr(feature = "serde", serde(default = "usual_slope"))]
        initial: f64,
    },
    /// A [`Residual`] block.
    Residual {
        /// The layers that there is a way around.
        layers: Vec<Self>,
    },
}

#[cfg(feature = "serde")]
fn yes() -> bool {
    true
}

#[cfg(feature = "serde")]
fn usual_epsilon() -> f64 {
    1e-5
}

#[cfg(feature = "serde")]
fn usual_momentum() -> f64 {
    0.1
}

#[cfg(feature = "serde")]
fn usual_slope() -> f64 {
    0.25
}

impl LayerConfig {
    /// A dense layer with a bias and the usual initial values.
    #[must_use]
    pub fn dense(outputs: usize, activation: Activation) -> Self {
        Self::Dense { outputs, activation, bias: true, weights: None, biases: None }
    }

    /// The layer over so many inputs.
    ///
    /// # Errors
    /// As [`Residual::new`].
    pub fn layer<T: Scalar>(&self, inputs: usize) -> Result<Arc<dyn Layer<T>>> {
        Ok(match *self {
            Self::Dense { outputs, activation, bias, weights, biases } => {
                let mut dense = Dense::new(inputs, outputs, activation);
                if let Some(weights) = weights {
                    dense = dense.initializer(weights);
                }
                if let Some(biases) = biases {
                    dense = dense.bias_initializer(biases);
                }
                Arc::new(if bias { dense } else { dense.without_bias() })
            }
            Self::Activation { function } => Arc::new(Elementwise::new(inputs, function)),
            Self::Softmax {} => Arc::new(Softmax::new(inputs)),
            Self::LogSoftmax {} => Arc::new(LogSoftmax::new(inputs)),
            Self::Dropout { probability } => Arc::new(Dropout::new(inputs, probability)),
            Self::BatchNorm { epsilon, momentum, affine } => {
                let norm = BatchNorm::new(inputs).epsilon(epsilon).momentum(momentum);
                Arc::new(if affine { norm } else { norm.without_affine() })
            }
            Self::LayerNorm { epsilon, affine, bias } => {
                let norm = LayerNorm::new(inputs).epsilon(epsilon);
                Arc::new(match (affine, bias) {
                    (true, true) => norm,
                    (true, false) => norm.without_bias(),
                    (false, _) => norm.without_affine(),
                })
            }
            Self::RmsNorm { epsilon, affine } => {
                let norm = RmsNorm::new(inputs);
                let norm = if let Some(epsilon) = epsilon { norm.epsilon(epsilon) } else { norm };
                Arc::new(if affine { norm } else { norm.without_affine() })
            }
            Self::Prelu { per_input, initial } => {
                let prelu = Prelu::new(inputs).initial(initial);
                Arc::new(if per_input { prelu.per_input() } else { prelu })
            }
            Self::Residual { ref layers } => Arc::new(Residual::new(chain(inputs, layers)?)?),
        })
    }
}

/// The layers, each over the outputs of the one before.
fn chain<T: Scalar>(inputs: usize, layers: &[LayerConfig]) -> Result<Vec<Arc<dyn Layer<T>>>> {
    let mut size = inputs;
    let each = layers.iter().map(|config| {
        let layer = config.layer(size)?;
        size = layer.output_size();
        Ok(layer)
    });
    each.collect()
}

/// The descriptions of layers.
pub(crate) fn configs<T: Scalar>(layers: &[Arc<dyn Layer<T>>]) -> Option<Vec<LayerConfig>> {
    layers.iter().map(|layer| layer.config()).collect()
}

/// A network as a description: all but its parameters and buffers.
///
/// ```
/// use chainrule_core::{Activation, LayerConfig, Network, NetworkConfig};
/// let config = NetworkConfig {
///     inputs: 4,
///     layers: vec![LayerConfig::dense(8, Activation::Relu), LayerConfig::dense(3, Activation::Identity), LayerConfig::Softmax {}],
/// };
/// let network = config.build::<f32>(1)?;
/// assert_eq!(network.parameters().len(), 4 * 8 + 8 + 8 * 3 + 3);
/// assert_eq!(network.config()?, config);
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct NetworkConfig {
    /// n_x.
    pub inputs: usize,
    /// The layers, from the input to the output.
    pub layers: Vec<LayerConfig>,
}

impl NetworkConfig {
    /// The network, with the initial parameters that `seed` means.
    ///
    /// # Errors
    /// As [`Network::new`].
    pub fn build<T: Scalar>(&self, seed: u64) -> Result<Network<T>> {
        Network::new(self.layers()?, seed)
    }

    /// The layers. They take no memory to speak of, whatever their sizes: how many parameters and buffers a description from
    /// outside asks for can be looked at before [`Network::from_parts`] takes them.
    ///
    /// # Errors
    /// As [`Residual::new`].
    pub fn layers<T: Scalar>(&self) -> Result<Vec<Arc<dyn Layer<T>>>> {
        chain(self.inputs, &self.layers)
    }
}

impl<T: Scalar> Network<T> {
    /// The network's description.
    ///
    /// # Errors
    /// [`Error::Unknown`] if there is a layer of a foreign kind, one whose [`Layer::config`] is `None`.
    pub fn config(&self) -> Result<NetworkConfig> {
        let foreign = || {
            let layer = self.layers().iter().find(|layer| layer.config().is_none());
            Error::Unknown {
                what: "kind of layer",
                name: layer.map_or("", |layer| layer.name()).to_owned(),
                expected: "layers of this library, which can be described".to_owned(),
            }
        };
        let layers = configs(self.layers()).ok_or_else(foreign)?;
        Ok(NetworkConfig { inputs: self.input_size(), layers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_kind() -> NetworkConfig {
        let dense = |outputs| LayerConfig::dense(outputs, Activation::Elu(0.5));
        NetworkConfig {
            inputs: 3,
            layers: vec![
                LayerConfig::Dense {
                    outputs: 4,
                    activation: Activation::Identity,
                    bias: false,
                    weights: Some(Initializer::Normal(0.5)),
                    biases: Some(Initializer::Constant(0.1)),
                },
                LayerConfig::BatchNorm { epsilon: 1e-3, momentum: 0.2, affine: true },
                LayerConfig::BatchNorm { epsilon: 1e-5, momentum: 0.1, affine: false },
                LayerConfig::Activation { function: Activation::Mish },
                LayerConfig::Dropout { probability: 0.25 },
                LayerConfig::LayerNorm { epsilon: 1e-4, affine: true, bias: true },
                LayerConfig::LayerNorm { epsilon: 1e-4, affine: true, bias: false },
                LayerConfig::LayerNorm { epsilon: 1e-4, affine: false, bias: false },
                LayerConfig::RmsNorm { epsilon: None, affine: true },
                LayerConfig::RmsNorm { epsilon: Some(1e-6), affine: false },
                LayerConfig::Prelu { per_input: true, initial: 0.1 },
                LayerConfig::Prelu { per_input: false, initial: 0.25 },
                LayerConfig::Residual {
                    layers: vec![dense(6), LayerConfig::Residual { layers: vec![dense(6)] }, dense(4)],
                },
                dense(2),
                LayerConfig::LogSoftmax {},
                LayerConfig::Softmax {},
            ],
        }
    }

    #[test]
    fn a_network_tells_the_description_it_was_built_from() {
        let config = every_kind();
        let network = config.build::<f64>(3).unwrap();
        assert_eq!(network.config().unwrap(), config);
        let layers = config.layers::<f64>().unwrap();
        let again = Network::from_parts(layers, network.parameters(), network.buffers()).unwrap();
        assert_eq!(again.parameters(), network.parameters());
        assert_eq!(again.buffers(), network.buffers());
        assert_eq!(again.named_parameters(), network.named_parameters());
        let layers = config.layers::<f64>().unwrap();
        let error = Network::from_parts(layers, &network.parameters()[1..], network.buffers()).unwrap_err();
        assert!(matches!(error, Error::Shape { operand: "the parameters", .. }), "{error}");
    }

    #[test]
    fn sizes_without_measure_are_refused() {
        let of = |inputs, sizes: &[usize]| {
            let dense = |&outputs: &usize| LayerConfig::dense(outputs, Activation::Relu);
            NetworkConfig { inputs, layers: sizes.iter().map(dense).collect() }.build::<f32>(1)
        };
        for (inputs, sizes) in
            [(usize::MAX, &[2][..]), (2, &[usize::MAX]), (1 << 40, &[1 << 40]), (1, &[1 << 50; 1000])]
        {
            assert!(matches!(of(inputs, sizes).unwrap_err(), Error::Setting { .. }), "{inputs} {sizes:?}");
        }
        assert!(matches!(of(0, &[1]).unwrap_err(), Error::Empty { .. }));
    }
}
