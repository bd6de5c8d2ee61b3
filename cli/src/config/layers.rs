//! Layers as text: `dense:64:relu dropout:0.2 residual(dense:64:gelu dense:64)`.

use std::str::FromStr;

use chainrule::{Activation, LayerConfig};
use serde::{Deserialize, Deserializer, Serialize};

use super::list::list_or_text;
use super::nearest::{named, suggestion};

/// The layers before the last, in the forms that the command line and a configuration file take.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Layers(pub(crate) Vec<LayerConfig>);

impl<'de> Deserialize<'de> for Layers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list_or_text(deserializer, Self, "a list of layers, or a text as for --layers")
    }
}

/// The words that a layer begins with, besides the activations.
const KINDS: [&str; 10] = [
    "dense",
    "activation",
    "dropout",
    "batch-norm",
    "layer-norm",
    "rms-norm",
    "prelu",
    "softmax",
    "log-softmax",
    "residual",
];

impl FromStr for Layers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.replace('(', " ( ").replace(')', " ) ");
        let mut words = text.split_whitespace().peekable();
        let layers = sequence(&mut words, false)?;
        Ok(Self(layers))
    }
}

/// The layers up to the end, or to the closing parenthesis.
fn sequence<'a>(
    words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    within: bool,
) -> Result<Vec<LayerConfig>, String> {
    let mut layers = Vec::new();
    loop {
        match words.next() {
            None if within => return Err("expected `)` after the layers of `residual(`".to_owned()),
            None => return Ok(layers),
            Some(")") if within => return Ok(layers),
            Some("residual") if words.peek() == Some(&"(") => {
                words.next();
                layers.push(LayerConfig::Residual { layers: sequence(words, true)? });
            }
            Some(word) => layers.push(layer(word)?),
        }
    }
}

fn layer(word: &str) -> Result<LayerConfig, String> {
    let (kind, rest) = word.split_once(':').map_or((word, None), |(kind, rest)| (kind, Some(rest)));
    let number = |what: &str| {
        let text = rest.unwrap_or_default();
        text.parse::<f64>().map_err(|_| format!("`{word}`: expected {what}"))
    };
    match (kind, rest) {
        ("dense", Some(rest)) => {
            let (units, activation) = rest.split_once(':').unwrap_or((rest, "identity"));
            let units = super::size(units)?;
            Ok(LayerConfig::dense(units, named(activation).map_err(|error| format!("`{word}`: {error}"))?))
        }
        ("activation", Some(rest)) => Ok(LayerConfig::Activation { function: named(rest)? }),
        ("dropout", Some(_)) => Ok(LayerConfig::Dropout { probability: number("a probability")? }),
        ("batch-norm", None) => Ok(LayerConfig::BatchNorm { epsilon: 1e-5, momentum: 0.1, affine: true }),
        ("layer-norm", None) => Ok(LayerConfig::LayerNorm { epsilon: 1e-5, affine: true, bias: true }),
        ("rms-norm", None) => Ok(LayerConfig::RmsNorm { epsilon: None, affine: true }),
        ("prelu", None) => Ok(LayerConfig::Prelu { per_input: false, initial: 0.25 }),
        ("prelu", Some(_)) => Ok(LayerConfig::Prelu { per_input: false, initial: number("a slope")? }),
        ("softmax", None) => Ok(LayerConfig::Softmax {}),
        ("log-softmax", None) => Ok(LayerConfig::LogSoftmax {}),
        _ => match word.parse::<Activation>() {
            Ok(function) => Ok(LayerConfig::Activation { function }),
            Err(_) => Err(format!(
                "`{word}` is no layer{}, expected dense:UNITS[:ACTIVATION], dropout:P, batch-norm, layer-norm, rms-norm, \
                 prelu[:SLOPE], softmax, log-softmax, an activation, or residual(LAYERS)",
                if KINDS.contains(&kind) { String::new() } else { suggestion(kind, KINDS) }
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_from_text() {
        let layers: Layers =
            "dense:64:leaky-relu:0.2 dropout:0.5 residual(dense:64:gelu dense:64) batch-norm relu"
                .parse()
                .unwrap();
        assert_eq!(
            layers.0,
            [
                LayerConfig::dense(64, Activation::LeakyRelu(0.2)),
                LayerConfig::Dropout { probability: 0.5 },
                LayerConfig::Residual {
                    layers: vec![
                        LayerConfig::dense(64, Activation::Gelu),
                        LayerConfig::dense(64, Activation::Identity)
                    ]
                },
                LayerConfig::BatchNorm { epsilon: 1e-5, momentum: 0.1, affine: true },
                LayerConfig::Activation { function: Activation::Relu },
            ]
        );
        assert_eq!("".parse::<Layers>().unwrap().0, []);
    }

    #[test]
    fn what_is_no_layer_is_told() {
        for (text, told) in [
            ("dens:64", "did you mean `dense`"),
            ("dense", "`dense` is no layer, expected dense:UNITS"),
            ("dense:0", "size"),
            ("dense:8:rlu", "did you mean `relu`"),
            ("dropout:x", "probability"),
            ("residual(dense:8", "`)`"),
            ("dense:8)", "`)` is no layer"),
        ] {
            let error = text.parse::<Layers>().unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
