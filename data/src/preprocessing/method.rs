//! What preprocessing is asked for.

use crate::{Error, error::quoted};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A way to preprocess numbers, before it is fitted; also as text, for commands.
///
/// ```
/// use chainrule_data::Method;
///
/// assert_eq!("min-max:-1,1".parse::<Method>()?, Method::MinMax { low: -1.0, high: 1.0 });
/// assert_eq!(Method::Pca { components: Some(20), whiten: true }.to_string(), "pca-whiten:20");
/// assert!("pca:many".parse::<Method>().is_err());
/// # Ok::<(), chainrule_data::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Method {
    /// `divide:255`: x / by.
    Divide {
        /// What it is divided by.
        by: f64,
    },
    /// `standardise`: (x − mean) / deviation, for each column; the deviation is that of the training rows as a whole population (by n), and
    /// 1 where these are all alike (to rounding, by scikit-learn's rule: variance at most nε variance + (nε mean)²).
    Standardise,
    /// `min-max`, `min-max:-1,1`: each column's least number becomes `low` and its greatest `high`; where they are the same, it becomes
    /// `low`.
    MinMax {
        /// What the least number becomes, 0 if nothing else is said.
        low: f64,
        /// What the greatest number becomes, 1 if nothing else is said.
        high: f64,
    },
    /// `pca`, `pca:20`, `pca-whiten`, `pca-whiten:20`: principal components, V (x − mean) with the rows of V the covariance's (by n − 1)
    /// eigenvectors of greatest eigenvalues λ, each with its element of greatest size positive; whitened, each is divided by √λ, so that its
    /// variance is 1.
    Pca {
        /// How many; all with a variance that is not lost in rounding if nothing is said.
        components: Option<usize>,
        /// Whether they are divided by their standard deviations.
        whiten: bool,
    },
    /// `zca`, `zca:0.1`: whitening that changes the data least, Vᵀ diag(1/√(λ + ε)) V (x − mean) (Bell and Sejnowski 1997). Directions without
    /// variance become 0.
    Zca {
        /// ε, 0 if nothing else is said: what keeps directions of little variance from being blown up.
        epsilon: f64,
    },
}

impl Method {
    /// Refuses settings out of range.
    pub(super) fn check(self) -> Result<(), Error> {
        let refused = |expected: &str| {
            Err(Error::Argument { name: "method", found: self.to_string(), expected: expected.to_owned() })
        };
        match self {
            Self::Divide { by } if !(by.is_finite() && by != 0.0) => {
                refused("a finite number to divide by, not 0")
            }
            Self::MinMax { low, high } if !(low < high && (high - low).is_finite()) => {
                refused("two finite numbers, the lower one first")
            }
            Self::Pca { components: Some(0), .. } => refused("at least 1 component"),
            Self::Zca { epsilon } if !(epsilon.is_finite() && epsilon >= 0.0) => {
                refused("a finite number of at least 0")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Divide { by } => write!(f, "divide:{by}"),
            Self::Standardise => f.write_str("standardise"),
            Self::MinMax { low, high } => write!(f, "min-max:{low},{high}"),
            Self::Pca { components, whiten } => {
                f.write_str(if whiten { "pca-whiten" } else { "pca" })?;
                components.map_or(Ok(()), |components| write!(f, ":{components}"))
            }
            Self::Zca { epsilon } => write!(f, "zca:{epsilon}"),
        }
    }
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, setting) = match text.split_once(':') {
            Some((name, setting)) => (name, Some(setting)),
            None => (text, None),
        };
        let number = |text: &str| text.trim().parse::<f64>().ok();
        let whitened = |whiten| match setting {
            None => Some(Self::Pca { components: None, whiten }),
            Some(count) => count.parse().ok().map(|count| Self::Pca { components: Some(count), whiten }),
        };
        let method = match (name, setting) {
            ("divide", Some(by)) => number(by).map(|by| Self::Divide { by }),
            ("standardise" | "standardize", None) => Some(Self::Standardise),
            ("min-max", None) => Some(Self::MinMax { low: 0.0, high: 1.0 }),
            ("min-max", Some(range)) => range
                .split_once(',')
                .and_then(|(low, high)| Some(Self::MinMax { low: number(low)?, high: number(high)? })),
            ("pca", _) => whitened(false),
            ("pca-whiten", _) => whitened(true),
            ("zca", None) => Some(Self::Zca { epsilon: 0.0 }),
            ("zca", Some(epsilon)) => number(epsilon).map(|epsilon| Self::Zca { epsilon }),
            _ => None,
        };
        let method = method.ok_or_else(|| Error::Argument {
            name: "method",
            found: quoted(text),
            expected: "standardise, min-max, min-max:LOW,HIGH, divide:NUMBER, pca, pca:COUNT, pca-whiten, pca-whiten:COUNT, zca \
                       or zca:EPSILON"
                .to_owned(),
        })?;
        method.check()?;
        Ok(method)
    }
}

impl TryFrom<String> for Method {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.to_string()
    }
}
