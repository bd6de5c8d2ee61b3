//! A learning rate that falls when nothing gets better.

use crate::{Error, Result};

/// Multiplies the learning rate by a factor after `patience` epochs without improvement; PyTorch's `ReduceLROnPlateau`.
///
/// It is configuration; what it remembers is a [`PlateauState`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields, default)
)]
pub struct Plateau {
    /// The factor, below 1.
    pub factor: f64,
    /// How many epochs without improvement are borne; the next one changes the rate.
    pub patience: u64,
    /// What counts as improvement: a value better by this part of the best one, or by this much.
    pub threshold: f64,
    /// Whether the threshold is a part of the best value, and not an amount.
    pub relative: bool,
    /// Whether larger values are better.
    pub maximize: bool,
    /// For how many epochs after a change none counts as bad.
    pub cooldown: u64,
    /// The least rate.
    pub minimum: f64,
}

impl Default for Plateau {
    /// PyTorch's: a tenth after 10 epochs without a loss lower by a ten-thousandth.
    fn default() -> Self {
        Self {
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            relative: true,
            maximize: false,
            cooldown: 0,
            minimum: 0.0,
        }
    }
}

/// What a [`Plateau`] remembers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
pub struct PlateauState {
    /// The best value so far.
    #[cfg_attr(feature = "serde", serde(with = "crate::serialize::optional_number"))]
    pub best: Option<f64>,
    /// The bad epochs since.
    pub bad: u64,
    /// The epochs in which none counts as bad.
    pub cooldown: u64,
    /// What the learning rate is multiplied by.
    pub scale: f64,
}

impl Default for PlateauState {
    fn default() -> Self {
        Self { best: None, bad: 0, cooldown: 0, scale: 1.0 }
    }
}

impl Plateau {
    /// Refuses numbers out of range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.factor) {
            return Err(Error::setting("the factor at a plateau", self.factor, "a number from 0 to below 1"));
        }
        for (name, x) in
            [("the threshold of a plateau", self.threshold), ("the least rate at a plateau", self.minimum)]
        {
            if !(x.is_finite() && x >= 0.0) {
                return Err(Error::setting(name, x, "a finite number of at least 0"));
            }
        }
        Ok(())
    }

    /// Takes the value of an epoch, where the learning rate is `base` times the state's scale.
    pub fn observe(&self, state: &mut PlateauState, value: f64, base: f64) {
        let better = match state.best {
            None => !value.is_nan(),
            Some(best) => match (self.maximize, self.relative) {
                (false, true) => value < best * (1.0 - self.threshold),
                (false, false) => value < best - self.threshold,
                (true, true) => value > best * (1.0 + self.threshold),
                (true, false) => value > best + self.threshold,
            },
        };
        if better {
            (state.best, state.bad) = (Some(value), 0);
        } else {
            state.bad += 1;
        }
        if state.cooldown > 0 {
            (state.cooldown, state.bad) = (state.cooldown - 1, 0);
        }
        if state.bad > self.patience {
            let rate = base * state.scale;
            let lower = (rate * self.factor).max(self.minimum);
            // As PyTorch's eps: a smaller change is none.
            if rate - lower > 1e-8 {
                state.scale = lower / base;
            }
            (state.cooldown, state.bad) = (self.cooldown, 0);
        }
    }
}
