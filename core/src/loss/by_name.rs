//! Losses by their names.

use super::{
    BinaryCrossEntropy, BinaryCrossEntropyOnProbabilities, CrossEntropy, GaussianNll, Hinge, Huber,
    KlDivergence, LogCosh, Loss, MeanSquaredError, MultiMargin, OverOutputs, Pinball, PoissonNll, Quadratic,
    SquaredHinge,
};
use crate::{Error, MeanAbsoluteError, Result, Scalar};

/// The name of every loss that [`loss_by_name`] knows.
pub const LOSS_NAMES: [&str; 17] = [
    "quadratic",
    "mse",
    "mae",
    "huber",
    "log-cosh",
    "pinball",
    "cross-entropy",
    "binary-cross-entropy",
    "binary-cross-entropy-sum",
    "binary-cross-entropy-on-probabilities",
    "kl-divergence",
    "hinge",
    "squared-hinge",
    "multi-margin",
    "poisson",
    "poisson-on-rates",
    "gaussian",
];

/// A loss by its name, for the command line and for configuration files.
///
/// Some take a parameter, the usual one where none is given: `huber:1` (δ), `pinball:0.5` (τ), `cross-entropy:0.1` (the smoothing of labels, else none),
/// `binary-cross-entropy:2` (the weight of positive targets), `multi-margin:1` (the margin). `binary-cross-entropy-sum` is the sum over the outputs,
/// `poisson-on-rates` takes rates where `poisson` takes their logarithms.
///
/// ```
/// let loss = chainrule_core::loss_by_name::<f32>("huber:2.5")?;
/// assert_eq!(loss.name(), "huber");
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unknown`] with the names there are, [`Error::Setting`] for a parameter out of range.
pub fn loss_by_name<T: Scalar>(name: &str) -> Result<Box<dyn Loss<T>>> {
    let unknown = || Error::Unknown { what: "loss", name: name.to_owned(), expected: LOSS_NAMES.join(", ") };
    let (kind, parameter) = match name.split_once(':') {
        Some((kind, parameter)) => (kind, Some(parameter.parse::<f64>().map_err(|_| unknown())?)),
        None => (name, None),
    };
    Ok(match (kind, parameter) {
        ("quadratic", None) => Box::new(Quadratic),
        ("mse", None) => Box::new(MeanSquaredError),
        ("mae", None) => Box::new(MeanAbsoluteError),
        ("huber", delta) => Box::new(Huber::new(delta.unwrap_or(1.0))?),
        ("log-cosh", None) => Box::new(LogCosh),
        ("pinball", quantile) => Box::new(Pinball::new(quantile.unwrap_or(0.5))?),
        ("cross-entropy", None) => Box::new(CrossEntropy),
        ("cross-entropy", Some(smoothing)) => Box::new(CrossEntropy.label_smoothing(smoothing)?),
        ("binary-cross-entropy", None) => Box::new(BinaryCrossEntropy::default()),
        ("binary-cross-entropy", Some(weight)) => {
            Box::new(BinaryCrossEntropy::default().pos_weight([weight])?)
        }
        ("binary-cross-entropy-sum", None) => Box::new(BinaryCrossEntropy { over_outputs: OverOutputs::Sum }),
        ("binary-cross-entropy-on-probabilities", None) => Box::new(BinaryCrossEntropyOnProbabilities),
        ("kl-divergence", None) => Box::new(KlDivergence),
        ("hinge", None) => Box::new(Hinge),
        ("squared-hinge", None) => Box::new(SquaredHinge),
        ("multi-margin", margin) => Box::new(MultiMargin::new(margin.unwrap_or(1.0))?),
        ("poisson", None) => Box::new(PoissonNll::default()),
        ("poisson-on-rates", None) => Box::new(PoissonNll::default().on_rates()),
        ("gaussian", None) => Box::new(GaussianNll::default()),
        _ => return Err(unknown()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that [`loss_by_name`] takes, as its own lines have them.
    fn taken() -> Vec<&'static str> {
        let source = include_str!("by_name.rs");
        let arms = source.lines().filter_map(|line| line.trim_start().strip_prefix("(\""));
        let mut names: Vec<_> = arms.filter_map(|arm| arm.split('"').next()).collect();
        names.dedup();
        names
    }

    #[test]
    fn every_name_is_in_the_list_and_the_list_has_no_other() {
        assert_eq!(taken(), LOSS_NAMES);
        for name in LOSS_NAMES {
            assert!(loss_by_name::<f64>(name).is_ok(), "{name}");
        }
    }
}
