//! Schedules as text.

use std::fmt::{self, Display};
use std::str::FromStr;

use super::{OneCycle, Schedule};
use crate::Error;

const FORMS: &str = "constant, step:n,γ, multi-step:γ,t,…, exponential:γ, polynomial:n,p, cosine:n[,m], \
                     cosine-restarts:n,k[,m], warm-up:n[,s], one-cycle:n[,rise], inverse-scaling:p; \
                     or several with \" * \" or \" then \" between";

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown =
            || Error::Unknown { what: "schedule", name: text.to_owned(), expected: FORMS.to_owned() };
        if text.contains(" then ") {
            let schedules: Vec<Self> = text.split(" then ").map(str::parse).collect::<Result<_, _>>()?;
            let last = schedules.len() - 1;
            let steps = |(i, schedule): (usize, Self)| match schedule.steps() {
                Some(steps) => Ok((steps, schedule)),
                None if i == last => Ok((u64::MAX, schedule)),
                None => Err(unknown()),
            };
            return Ok(Self::Sequence(
                schedules.into_iter().enumerate().map(steps).collect::<Result<_, _>>()?,
            ));
        }
        if text.contains(" * ") {
            return Ok(Self::Chained(text.split(" * ").map(str::parse).collect::<Result<_, _>>()?));
        }
        let (name, numbers) = text.trim().split_once(':').unwrap_or((text.trim(), ""));
        let numbers: Vec<&str> = numbers.split(',').map(str::trim).filter(|x| !x.is_empty()).collect();
        let count = |i: usize| numbers[i].parse::<u64>().map_err(|_| unknown());
        let number = |i: usize| numbers[i].parse::<f64>().map_err(|_| unknown());
        let or = |i: usize, usual: f64| if i < numbers.len() { number(i) } else { Ok(usual) };
        let schedule = match (name, numbers.len()) {
            ("constant", 0) => Self::Constant,
            ("step", 2) => Self::Step { every: count(0)?, factor: number(1)? },
            ("multi-step", 1..) => {
                let milestones = (1..numbers.len()).map(count).collect::<Result<_, _>>()?;
                Self::MultiStep { milestones, factor: number(0)? }
            }
            ("exponential", 1) => Self::Exponential { factor: number(0)? },
            ("polynomial", 2) => Self::Polynomial { steps: count(0)?, power: number(1)? },
            ("cosine", 1..=2) => Self::Cosine { steps: count(0)?, minimum: or(1, 0.0)? },
            ("cosine-restarts", 2..=3) => {
                Self::CosineRestarts { first: count(0)?, multiple: count(1)?, minimum: or(2, 0.0)? }
            }
            ("warm-up", 1..=2) => Self::WarmUp { steps: count(0)?, start: or(1, 0.0)? },
            ("one-cycle", 1..=2) => {
                Self::OneCycle(OneCycle { rise: or(1, 0.3)?, ..OneCycle::new(count(0)?) })
            }
            ("inverse-scaling", 1) => Self::InverseScaling { power: number(0)? },
            _ => return Err(unknown()),
        };
        schedule.check()?;
        Ok(schedule)
    }
}

/// As [`Schedule::from_str`] reads it. Of a one-cycle schedule only steps and rise are written, of a sequence not the steps that
/// its schedules tell themselves.
impl Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A last number, where it is not the usual one.
        fn last(f: &mut fmt::Formatter<'_>, number: f64, usual: f64) -> fmt::Result {
            if number.total_cmp(&usual).is_eq() { Ok(()) } else { write!(f, ",{number}") }
        }
        match self {
            Self::Constant => write!(f, "constant"),
            Self::Step { every, factor } => write!(f, "step:{every},{factor}"),
            Self::MultiStep { milestones, factor } => {
                write!(f, "multi-step:{factor}")?;
                milestones.iter().try_for_each(|m| write!(f, ",{m}"))
            }
            Self::Exponential { factor } => write!(f, "exponential:{factor}"),
            Self::Polynomial { steps, power } => write!(f, "polynomial:{steps},{power}"),
            Self::Cosine { steps, minimum } => {
                write!(f, "cosine:{steps}")?;
                last(f, *minimum, 0.0)
            }
            Self::CosineRestarts { first, multiple, minimum } => {
                write!(f, "cosine-restarts:{first},{multiple}")?;
                last(f, *minimum, 0.0)
            }
            Self::WarmUp { steps, start } => {
                write!(f, "warm-up:{steps}")?;
                last(f, *start, 0.0)
            }
            Self::OneCycle(cycle) => {
                write!(f, "one-cycle:{}", cycle.steps)?;
                last(f, cycle.rise, 0.3)
            }
            Self::InverseScaling { power } => write!(f, "inverse-scaling:{power}"),
            Self::Chained(schedules) => join(f, " * ", schedules.iter()),
            Self::Sequence(schedules) => join(f, " then ", schedules.iter().map(|(_, schedule)| schedule)),
        }
    }
}

fn join<'a>(
    f: &mut fmt::Formatter<'_>,
    between: &str,
    schedules: impl Iterator<Item = &'a Schedule>,
) -> fmt::Result {
    for (i, schedule) in schedules.enumerate() {
        write!(f, "{}{schedule}", if i > 0 { between } else { "" })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "constant",
            "step:30,0.1",
            "multi-step:0.5,2,5,11",
            "exponential:0.99",
            "polynomial:100,2",
            "cosine:100",
            "cosine:100,0.001",
            "cosine-restarts:10,2",
            "warm-up:5",
            "warm-up:5,0.1",
            "one-cycle:1000",
            "one-cycle:1000,0.25",
            "inverse-scaling:0.5",
            "warm-up:4,0.25 * exponential:0.9",
            "warm-up:4,0.25 then exponential:0.9",
            "warm-up:4 then cosine:10 * exponential:0.9",
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(schedule.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for text in [
            "",
            "linear:3",
            "step:30",
            "step:-1,0.1",
            "step:0,0.1",
            "step:3,x",
            "exponential:inf",
            "exponential:-1",
            "cosine:0",
            "multi-step:0.1,5,3",
            "one-cycle:10,1.5",
            "exponential:0.9 then cosine:10",
            "constant:1",
            "warm-up:3 then ",
        ] {
            assert!(text.parse::<Schedule>().is_err(), "{text}");
        }
    }
}
