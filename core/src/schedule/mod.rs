//! Schedules: how the learning rate changes over the steps or epochs of a run.

mod names;
mod plateau;

use std::f64::consts::PI;

use crate::{Error, Result};

pub use plateau::{Plateau, PlateauState};

/// The learning rate as a function of the step (or epoch) t, counted from 0, and of the rate α that the optimiser was given.
///
/// Nothing is remembered: t alone decides, so that a run can go on anywhere. What follows the losses is a [`Plateau`] instead. A
/// schedule is written as it is read back: its name, and its numbers behind a colon.
///
/// ```
/// use chainrule_core::Schedule;
/// let schedule: Schedule = "warm-up:5,0.1 then cosine:95".parse()?;
/// assert!((schedule.rate(0.5, 0) - 0.05).abs() < 1e-15);
/// assert_eq!(schedule.rate(0.5, 5), 0.5);
/// assert!(schedule.rate(0.5, 100) < 1e-15);
/// assert_eq!(schedule.to_string(), "warm-up:5,0.1 then cosine:95");
/// # Ok::<(), chainrule_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Schedule {
    /// α. `constant`
    #[default]
    Constant,
    /// α γ^⌊t/n⌋; PyTorch's `StepLR`. `step:n,γ`
    Step {
        /// n: after how many steps each time.
        every: u64,
        /// γ.
        factor: f64,
    },
    /// α γᵏ after the k-th milestone; PyTorch's `MultiStepLR`. `multi-step:γ,t₁,t₂,…`
    MultiStep {
        /// The steps at which the rate changes, in ascending order.
        milestones: Vec<u64>,
        /// γ.
        factor: f64,
    },
    /// α γᵗ; PyTorch's `ExponentialLR`. `exponential:γ`
    Exponential {
        /// γ.
        factor: f64,
    },
    /// α (1 − t/n)^p until n, then 0; PyTorch's `PolynomialLR`. `polynomial:n,p`
    Polynomial {
        /// n.
        steps: u64,
        /// p.
        power: f64,
    },
    /// m + (α − m) (1 + cos(π t/n)) / 2; Loshchilov and Hutter, arXiv 1608.03983; PyTorch's `CosineAnnealingLR`, but it stays at m
    /// from n on. `cosine:n` or `cosine:n,m`
    Cosine {
        /// n.
        steps: u64,
        /// m.
        minimum: f64,
    },
    /// The same, from the beginning again after n steps, then k n, then k² n; PyTorch's `CosineAnnealingWarmRestarts`.
    /// `cosine-restarts:n,k` or `cosine-restarts:n,k,m`
    CosineRestarts {
        /// n.
        first: u64,
        /// k.
        multiple: u64,
        /// m.
        minimum: f64,
    },
    /// From s α linearly to α in n steps; PyTorch's `LinearLR`. `warm-up:n` (s = 0) or `warm-up:n,s`
    WarmUp {
        /// n.
        steps: u64,
        /// s.
        start: f64,
    },
    /// Up from α/25 to α, then down to a millionth of that; Smith and Topin, arXiv 1708.07120; PyTorch's `OneCycleLR` with α as its
    /// `max_lr`. `one-cycle:n`, or `one-cycle:n,rise`
    OneCycle(OneCycle),
    /// α / (t + 1)^p; scikit-learn's `invscaling`. `inverse-scaling:p`
    InverseScaling {
        /// p.
        power: f64,
    },
    /// One after the other on what the one before made of α: factors multiply; PyTorch's `ChainedScheduler`. Written with `*`.
    Chained(Vec<Self>),
    /// Each for its own steps, counted from its own beginning, and the last for ever; PyTorch's `SequentialLR`. Written with `then`, for
    /// schedules that know their steps.
    Sequence(Vec<(u64, Self)>),
}

/// The numbers of [`Schedule::OneCycle`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct OneCycle {
    /// The steps of the run.
    pub steps: u64,
    /// The part of them in which the rate rises.
    pub rise: f64,
    /// The first rate is α divided by this.
    pub start: f64,
    /// The last rate is the first one divided by this.
    pub end: f64,
    /// Whether the rate changes linearly, and not along a cosine.
    pub linear: bool,
    /// Whether it falls to the first rate as fast as it rose, and to the last one after that.
    pub three_phases: bool,
}

impl OneCycle {
    /// With PyTorch's defaults: 0.3 of the steps rising, from α/25, to a ten-thousandth of that, along a cosine, in two phases.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        Self { steps, rise: 0.3, start: 25.0, end: 1e4, linear: false, three_phases: false }
    }

    fn rate(&self, peak: f64, t: u64) -> f64 {
        let (steps, first) = (self.steps as f64, peak / self.start);
        let last = first / self.end;
        let up = self.rise * steps - 1.0;
        let three = [(up, first, peak), (2.0 * up, peak, first), (steps - 1.0, first, last)];
        let two = [(up, first, peak), (steps - 1.0, peak, last), (steps - 1.0, last, last)];
        let t = t as f64;
        let mut begin = 0.0;
        for (end, from, to) in if self.three_phases { three } else { two } {
            if t <= end {
                let part = if end > begin { (t - begin) / (end - begin) } else { 1.0 };
                return if self.linear { from + (to - from) * part } else { cosine(from, to, part) };
            }
            begin = end;
        }
        last
    }
}

/// From one rate to another along half a wave.
fn cosine(from: f64, to: f64, part: f64) -> f64 {
    to + (from - to) / 2.0 * (1.0 + libm::cos(PI * part))
}

impl Schedule {
    /// The learning rate of step t, counted from 0, where the optimiser was given `base`.
    #[must_use]
    pub fn rate(&self, base: f64, t: u64) -> f64 {
        let power = |factor: f64, t: u64| libm::pow(factor, t as f64);
        match self {
            Self::Constant => base,
            Self::Step { every, factor } => base * power(*factor, t / every.max(&1)),
            Self::MultiStep { milestones, factor } => {
                base * power(*factor, milestones.iter().filter(|&&m| m <= t).count() as u64)
            }
            Self::Exponential { factor } => base * power(*factor, t),
            Self::Polynomial { steps, power } => {
                if t >= *steps {
                    0.0
                } else {
                    base * libm::pow(1.0 - t as f64 / *steps as f64, *power)
                }
            }
            Self::Cosine { steps, minimum } => {
                if t >= *steps {
                    *minimum
                } else {
                    cosine(base, *minimum, t as f64 / *steps as f64)
                }
            }
            Self::CosineRestarts { first, multiple, minimum } => {
                let (mut t, mut length) = (t, (*first).max(1));
                if *multiple <= 1 {
                    t %= length;
                }
                while t >= length {
                    t -= length;
                    length = length.saturating_mul(*multiple);
                }
                cosine(base, *minimum, t as f64 / length as f64)
            }
            Self::WarmUp { steps, start } => {
                if t >= *steps {
                    base
                } else {
                    base * (start + (1.0 - start) * t as f64 / *steps as f64)
                }
            }
            Self::OneCycle(cycle) => cycle.rate(base, t),
            Self::InverseScaling { power } => base / libm::pow(t as f64 + 1.0, *power),
            Self::Chained(schedules) => schedules.iter().fold(base, |rate, schedule| schedule.rate(rate, t)),
            Self::Sequence(schedules) => {
                let mut t = t;
                for (i, (steps, schedule)) in schedules.iter().enumerate() {
                    if t < *steps || i + 1 == schedules.len() {
                        return schedule.rate(base, t);
                    }
                    t -= steps;
                }
                base
            }
        }
    }

    /// Refuses numbers out of range.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        let count = |name: &'static str, n: u64| match n {
            0 => Err(Error::setting(name, n, "at least 1")),
            _ => Ok(()),
        };
        let number = |name: &'static str, x: f64| {
            if x.is_finite() && x >= 0.0 {
                Ok(())
            } else {
                Err(Error::setting(name, x, "a finite number of at least 0"))
            }
        };
        match self {
            Self::Constant => Ok(()),
            Self::Step { every, factor } => {
                count("the steps of a schedule", *every)?;
                number("the factor of a schedule", *factor)
            }
            Self::MultiStep { factor, milestones } => {
                if !milestones.is_sorted() {
                    let found = milestones.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                    return Err(Error::setting("the milestones of a schedule", found, "ascending steps"));
                }
                number("the factor of a schedule", *factor)
            }
            Self::Exponential { factor } => number("the factor of a schedule", *factor),
            Self::Polynomial { steps, power } => {
                count("the steps of a schedule", *steps)?;
                number("the power of a schedule", *power)
            }
            Self::Cosine { steps, minimum } => {
                count("the steps of a schedule", *steps)?;
                number("the least rate of a schedule", *minimum)
            }
            Self::CosineRestarts { first, multiple, minimum } => {
                count("the steps of a schedule", *first)?;
                count("the multiple of a schedule", *multiple)?;
                number("the least rate of a schedule", *minimum)
            }
            Self::WarmUp { start, .. } => number("the first factor of a schedule", *start),
            Self::OneCycle(OneCycle { steps, rise, start, end, .. }) => {
                count("the steps of a schedule", *steps)?;
                if !(0.0..=1.0).contains(rise) {
                    return Err(Error::setting("the rising part of a schedule", rise, "from 0 to 1"));
                }
                for by in [*start, *end] {
                    if !(by.is_finite() && by > 0.0) {
                        let name = "what a schedule divides the rate by";
                        return Err(Error::setting(name, by, "a finite number above 0"));
                    }
                }
                Ok(())
            }
            Self::InverseScaling { power } => number("the power of a schedule", *power),
            Self::Chained(schedules) => schedules.iter().try_for_each(Self::check),
            Self::Sequence(schedules) => schedules.iter().try_for_each(|(_, schedule)| schedule.check()),
        }
    }

    /// After how many steps nothing changes any more, where a schedule knows.
    #[must_use]
    pub fn steps(&self) -> Option<u64> {
        match self {
            Self::MultiStep { milestones, .. } => milestones.last().copied(),
            Self::Polynomial { steps, .. } | Self::Cosine { steps, .. } | Self::WarmUp { steps, .. } => {
                Some(*steps)
            }
            Self::OneCycle(cycle) => Some(cycle.steps),
            _ => None,
        }
    }
}
