//! Optimisers by name.

use std::collections::BTreeMap;

use super::{
    Adadelta, Adagrad, Adam, Adamax, Lbfgs, Lion, Muon, Nadam, Optimizer, Radam, RmsProp, Rprop, Sgd,
};
use crate::{Error, Result, Scalar};

/// The names of all optimisers.
pub const OPTIMIZER_NAMES: [&str; 14] = [
    "sgd", "adagrad", "adadelta", "rmsprop", "adam", "amsgrad", "adamw", "adamax", "nadam", "radam", "lion",
    "rprop", "lbfgs", "muon",
];

/// An optimiser by its name, with its defaults; [`Optimizer::set`] changes them by name.
///
/// ```
/// use chainrule_core::{Optimizer, optimizer_by_name};
/// let mut sgd = optimizer_by_name::<f32>("sgd")?;
/// sgd.set("learning-rate", 0.1)?;
/// sgd.set("momentum", 0.9)?;
/// assert_eq!(sgd.settings()[..3], [("learning-rate", 0.1), ("weight-decay", 0.0), ("momentum", 0.9)]);
/// assert!(sgd.set("beta1", 0.9).unwrap_err().to_string().contains("dampening"));
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unknown`] with the names there are.
pub fn optimizer_by_name<T: Scalar>(name: &str) -> Result<Box<dyn Optimizer<T>>> {
    Ok(match name {
        "sgd" => Box::new(Sgd::default()),
        "adagrad" => Box::new(Adagrad::default()),
        "adadelta" => Box::new(Adadelta::default()),
        "rmsprop" => Box::new(RmsProp::default()),
        "adam" => Box::new(Adam::default()),
        "amsgrad" => Box::new(Adam::default().amsgrad(true)),
        "adamw" => Box::new(Adam::adamw(1e-3)),
        "adamax" => Box::new(Adamax::default()),
        "nadam" => Box::new(Nadam::default()),
        "radam" => Box::new(Radam::default()),
        "lion" => Box::new(Lion::default()),
        "rprop" => Box::new(Rprop::default()),
        "lbfgs" => Box::new(Lbfgs::default()),
        "muon" => Box::new(Muon::default()),
        _ => {
            let expected = OPTIMIZER_NAMES.join(", ");
            return Err(Error::Unknown { what: "optimiser", name: name.to_owned(), expected });
        }
    })
}

/// An optimiser as a description: its name, and those of its settings that differ from the defaults.
///
/// ```
/// use chainrule_core::{Optimizer, OptimizerConfig};
/// let config = OptimizerConfig::new("adamw").set("weight-decay", 0.1);
/// assert_eq!(config.build::<f32>()?.name(), "adamw");
/// assert!(config.set("momentum", 0.9).build::<f32>().is_err());
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "kebab-case"))]
pub struct OptimizerConfig {
    /// One of [`OPTIMIZER_NAMES`].
    pub name: String,
    /// Settings by name, as [`Optimizer::set`] takes them.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub settings: BTreeMap<String, f64>,
}

impl OptimizerConfig {
    /// With its defaults.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), settings: BTreeMap::new() }
    }

    /// With another value of a setting.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: f64) -> Self {
        self.settings.insert(name.into(), value);
        self
    }

    /// The optimiser.
    ///
    /// # Errors
    /// [`Error::Unknown`] for the name of no optimiser or setting, [`Error::Setting`] for a value out of range.
    pub fn build<T: Scalar>(&self) -> Result<Box<dyn Optimizer<T>>> {
        let mut optimizer = optimizer_by_name(&self.name)?;
        for (name, &value) in &self.settings {
            optimizer.set(name, value)?;
        }
        Ok(optimizer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_names_an_optimiser_whose_settings_can_be_set() {
        for name in OPTIMIZER_NAMES {
            let mut optimizer = optimizer_by_name::<f64>(name).unwrap();
            assert_eq!(optimizer.name(), name);
            optimizer.check().unwrap();
            for (setting, value) in optimizer.settings() {
                optimizer.set(setting, value).unwrap();
                let error = optimizer.set(setting, f64::NAN).unwrap_err();
                assert!(matches!(error, Error::Setting { .. }), "{name} {setting}: {error}");
            }
            assert_eq!(optimizer.name(), name, "its own settings change nothing");
            assert!(matches!(optimizer.set("speed", 1.0), Err(Error::Unknown { .. })));
        }
        assert!(optimizer_by_name::<f32>("adma").is_err());
    }
}
