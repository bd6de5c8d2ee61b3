//! Values that flags and keys have in common.

use std::fmt;
use std::str::FromStr;

use chainrule::Activation;
use chainrule_data::Method;
use serde::{Deserialize, Deserializer, Serialize};

use super::list::list_or_text;
use super::nearest::{among, named};

/// No layer has more units: beyond, a slip of the keyboard is more likely.
pub(crate) const LARGEST_LAYER: usize = 1 << 20;

/// The units of the hidden layers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Hidden(pub(crate) Vec<usize>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        list_or_text(deserializer, Self, "a list of sizes, or a text as for --hidden")
    }
}

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
pub(crate) struct Sizes(pub(crate) Vec<usize>);

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match sizes(text)? {
            sizes if sizes.len() >= 2 => Ok(Self(sizes)),
            _ => Err("expected at least two sizes, of the inputs and of the outputs".to_owned()),
        }
    }
}

fn sizes(text: &str) -> Result<Vec<usize>, String> {
    text.split(',').map(size).collect()
}

/// The size of a layer.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    text.trim().parse().ok().filter(|size| (1..=LARGEST_LAYER).contains(size)).ok_or_else(|| {
        format!("`{text}` is no size of a layer, expected numbers from 1 to {LARGEST_LAYER} with commas")
    })
}

/// How many samples make a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchSize(pub(crate) usize);

impl BatchSize {
    /// All samples.
    pub(crate) const FULL: usize = usize::MAX;
}

impl FromStr for BatchSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "full" => Ok(Self(Self::FULL)),
            _ => text
                .parse()
                .ok()
                .filter(|&rows| rows > 0)
                .map(Self)
                .ok_or_else(|| "expected a number of at least 1, or `full`".to_owned()),
        }
    }
}

/// What a network ends with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Output {
    Softmax,
    LogSoftmax,
    Activation(Activation),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "softmax" => Ok(Self::Softmax),
            "log-softmax" => Ok(Self::LogSoftmax),
            _ => match text.parse() {
                Ok(activation) => Ok(Self::Activation(activation)),
                Err(chainrule::Error::Unknown { expected, .. }) => {
                    let expected = format!("softmax, log-softmax, {expected}");
                    Err(format!("expected {expected}{}", among(text, &expected)))
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
            Self::LogSoftmax => f.write_str("log-softmax"),
            Self::Activation(activation) => activation.fmt(f),
        }
    }
}

impl TryFrom<String> for Output {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|error| format!("`{text}`: {error}"))
    }
}

impl From<Output> for String {
    fn from(output: Output) -> Self {
        output.to_string()
    }
}

/// The character between the fields of a CSV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Delimiter(pub(crate) u8);

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.as_bytes()) {
            ("tab" | "\\t", _) => Ok(Self(b'\t')),
            (_, &[character]) if character.is_ascii() => Ok(Self(character)),
            _ => Err("expected a single ASCII character or `tab`".to_owned()),
        }
    }
}

impl TryFrom<String> for Delimiter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Delimiter> for String {
    fn from(Delimiter(character): Delimiter) -> Self {
        if character == b'\t' { "tab".to_owned() } else { char::from(character).to_string() }
    }
}

/// What is done to features, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Methods(pub(crate) Vec<Method>);

impl Default for Methods {
    /// Each less its mean, divided by its standard deviation.
    fn default() -> Self {
        Self(vec![Method::Standardise])
    }
}

impl FromStr for Methods {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let method = |text: &str| {
            text.trim().parse().map_err(|error| match &error {
                chainrule_data::Error::Argument { expected, .. } => {
                    format!("{error}{}", among(text, expected))
                }
                _ => error.to_string(),
            })
        };
        text.split(" then ").map(method).collect::<Result<_, _>>().map(Self)
    }
}

impl TryFrom<String> for Methods {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Methods> for String {
    fn from(Methods(methods): Methods) -> Self {
        let methods: Vec<_> = methods.iter().map(ToString::to_string).collect();
        if methods.is_empty() { "none".to_owned() } else { methods.join(" then ") }
    }
}

/// A schedule: as the library reads it, or one over the whole run whose steps are counted when the data are known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WholeRun {
    Cosine,
    OneCycle,
    Given(chainrule::Schedule),
}

impl WholeRun {
    /// One over the whole run, by its name alone.
    pub(crate) fn named(text: &str) -> Option<Self> {
        match text {
            "cosine" => Some(Self::Cosine),
            "one-cycle" => Some(Self::OneCycle),
            _ => None,
        }
    }

    /// Over so many steps.
    pub(crate) fn over(&self, steps: u64) -> chainrule::Schedule {
        match self {
            Self::Cosine => chainrule::Schedule::Cosine { steps: steps.max(1), minimum: 0.0 },
            Self::OneCycle => chainrule::Schedule::OneCycle(chainrule::OneCycle::new(steps.max(2))),
            Self::Given(schedule) => schedule.clone(),
        }
    }
}

impl FromStr for WholeRun {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::named(text).map_or_else(|| named(text).map(Self::Given), Ok)
    }
}

/// A number of which `is` holds.
fn number(text: &str, expected: &str, is: fn(f64) -> bool) -> Result<f64, String> {
    text.parse().ok().filter(|&x: &f64| x.is_finite() && is(x)).ok_or_else(|| format!("expected {expected}"))
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    number(text, "a finite number above 0", |x| x > 0.0)
}

pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    number(text, "a finite number of at least 0", |x| x >= 0.0)
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    number(text, "a number from 0 to below 1", |x| (0.0..1.0).contains(&x))
}
