//! Optimisers by name.

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
