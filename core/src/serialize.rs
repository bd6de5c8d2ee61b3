//! What serde needs besides its derived implementations: what is text is written as text, and so are NaN and infinities.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::{Serialize, Serializer};

use crate::{Activation, Initializer, Monitor, Schedule};

/// Written by [`Display`], read by [`FromStr`].
macro_rules! text {
    ($($t:ty),*) => {
        $(
            impl Serialize for $t {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $t {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    parse(deserializer)
                }
            }
        )*
    };
}

text!(Activation, Initializer, Monitor, Schedule);

fn parse<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// A number as itself, or in words where it is none that JSON has.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(String),
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        if x.is_finite() { Self::Finite(x) } else { Self::Other(x.to_string()) }
    }
}

impl Number {
    fn value<E: Error>(self) -> Result<f64, E> {
        match self {
            Self::Finite(x) => Ok(x),
            Self::Other(text) => text.parse().map_err(E::custom),
        }
    }
}

/// A number that may be NaN or infinite.
pub(crate) mod number {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(x: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        Number::from(*x).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Number::deserialize(deserializer)?.value()
    }
}

/// Such a number, or none.
pub(crate) mod optional_number {
    use super::{Deserialize, Deserializer, Number, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(x: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        x.map(Number::from).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Option::<Number>::deserialize(deserializer)?.map(Number::value).transpose()
    }
}

/// The samples of a mini-batch: a number, or `full` for all of them, which are [`usize::MAX`] (a number that TOML cannot hold).
pub(crate) mod batch_size {
    use super::{Deserializer, Error, Formatter, Serialize, Serializer, Unexpected, Visitor, fmt};

    const FULL: &str = "full";

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(crate) fn serialize<S: Serializer>(samples: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        if *samples == usize::MAX { FULL.serialize(serializer) } else { samples.serialize(serializer) }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_any(Samples)
    }

    struct Samples;

    impl Visitor<'_> for Samples {
        type Value = usize;

        fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
            write!(f, "a number of samples, or `{FULL}`")
        }

        fn visit_u64<E: Error>(self, samples: u64) -> Result<usize, E> {
            usize::try_from(samples).map_err(|_| E::invalid_value(Unexpected::Unsigned(samples), &self))
        }

        fn visit_i64<E: Error>(self, samples: i64) -> Result<usize, E> {
            usize::try_from(samples).map_err(|_| E::invalid_value(Unexpected::Signed(samples), &self))
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<usize, E> {
            if text == FULL { Ok(usize::MAX) } else { Err(E::invalid_value(Unexpected::Str(text), &self)) }
        }
    }
}

/// Such numbers, each with a name.
pub(crate) mod named_numbers {
    use super::{Deserialize, Deserializer, Number, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        named: &[(String, f64)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(named.iter().map(|(name, x)| (name, Number::from(*x))))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(String, f64)>, D::Error> {
        let named = Vec::<(String, Number)>::deserialize(deserializer)?;
        named.into_iter().map(|(name, x)| Ok((name, x.value()?))).collect()
    }
}
