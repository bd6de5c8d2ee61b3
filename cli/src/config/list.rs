//! Lists that a configuration file may write as the flags do.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer};

/// A list of which `new` makes the value, or its text.
pub(super) fn list_or_text<'de, D, E, L>(
    deserializer: D,
    new: fn(Vec<E>) -> L,
    expected: &'static str,
) -> Result<L, D::Error>
where
    D: Deserializer<'de>,
    E: Deserialize<'de>,
    L: FromStr<Err = String>,
{
    deserializer.deserialize_any(ListOrText { new, expected })
}

struct ListOrText<E, L> {
    new: fn(Vec<E>) -> L,
    expected: &'static str,
}

impl<'de, E: Deserialize<'de>, L: FromStr<Err = String>> Visitor<'de> for ListOrText<E, L> {
    type Value = L;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<F: Error>(self, text: &str) -> Result<L, F> {
        text.parse().map_err(F::custom)
    }

    /// `hidden = 30` is `--hidden 30`.
    fn visit_i64<F: Error>(self, number: i64) -> Result<L, F> {
        self.visit_str(&number.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<L, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(self.new)
    }
}
