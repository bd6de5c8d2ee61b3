//! What is chosen for a table or arrays where nothing is said: a network and how it is trained.
//!
//! The choice depends on what is learnt and on the number of rows, never on how well anything went. It was settled by cross-validation on
//! the tables that `bench/sklearn/compare.py` measures, with other folds than those that are reported.

use chainrule::{Activation, OptimizerConfig, Scalar, TrainerConfig};
use chainrule_data::{Answers, Target};

use crate::config::{Hidden, NetworkSection};
use crate::data::Data;
use crate::recipe::{Recipe, Task};

/// Fewer rows are few.
const FEW: usize = 1000;

/// From here on they are many.
const MANY: usize = 20_000;

/// About so many steps, if these are not too many or too few epochs.
const STEPS: usize = 2000;

/// A recipe for so many rows to train on.
pub(crate) fn recipe(rows: usize, task: Task) -> Recipe {
    let (activation, dropout) = match (rows, task) {
        (..FEW, Task::Classes(_)) => (Activation::Silu, 0.5),
        (..FEW, Task::Values(_)) => (Activation::Tanh, 0.2),
        _ => (Activation::Silu, 0.2),
    };
    let hidden = if rows < MANY { vec![128] } else { vec![256, 128] };
    let (batch_size, fewest) = match rows {
        ..MANY => (32, 20),
        MANY..200_000 => (128, 10),
        _ => (512, 3),
    };
    // Smoothed labels keep a network from learning few rows by heart; many rows do so themselves.
    let loss = match task {
        Task::Classes(_) if rows < MANY => "cross-entropy:0.1",
        Task::Classes(_) => "cross-entropy",
        Task::Values(_) => "mse",
    };
    Recipe {
        network: NetworkSection {
            hidden: Some(Hidden(hidden)),
            activation: Some(activation),
            dropout: Some(dropout),
            ..NetworkSection::default()
        },
        last_init: None,
        trainer: TrainerConfig {
            loss: loss.to_owned(),
            optimizer: OptimizerConfig::new("adamw").set("learning-rate", 0.003),
            epochs: (STEPS / rows.div_ceil(batch_size).max(1)).clamp(fewest, 500),
            batch_size,
            ..TrainerConfig::default()
        },
    }
}

/// What was guessed, and why: a line or two for people.
pub(crate) fn reasons<T: Scalar>(data: &Data<T>, told: bool) -> String {
    let target = data.target_names.first().map(|name| format!(" `{name}`")).unwrap_or_default();
    let encoder = data.preparation.encoder.as_ref();
    let texts = encoder.is_some_and(|encoder| match encoder.target() {
        Target::Classes { classes, .. } => classes.iter().any(|class| class.parse::<f64>().is_err()),
        _ => false,
    });
    let rows = data.samples();
    let what = match &data.train.answers {
        Answers::Classes(_) => {
            let classes = data.class_names.len();
            let why = if told {
                "as told"
            } else if encoder.is_none() {
                "since the targets are whole numbers"
            } else if texts {
                "since the target is text"
            } else {
                "since the target has few values, all whole numbers"
            };
            format!("classification into {classes} classes, {why}{target}")
        }
        Answers::Values(_) => {
            let why = if told { "as told" } else { "since the target is numbers" };
            format!("regression, {why}{target}")
        }
    };
    let size = if rows < FEW { "few" } else { "enough" };
    format!("chosen: {what}; for {rows} rows, which are {size}, and {} inputs", data.train.inputs.ncols())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_tables_are_gone_through_less_often() {
        let epochs = |rows| recipe(rows, Task::Values(1)).trainer.epochs;
        assert_eq!((epochs(120), epochs(1437), epochs(1_000_000)), (500, 44, 3));
        for rows in [1, 10, 999, 1000, 50_000, 10_000_000] {
            assert!((3..=500).contains(&epochs(rows)));
        }
    }

    #[test]
    fn fewer_rows_are_held_back_more() {
        let of = |rows, task| {
            let Recipe { network, trainer, .. } = recipe(rows, task);
            (trainer.loss, network.dropout.unwrap())
        };
        assert_eq!(of(100, Task::Classes(2)), ("cross-entropy:0.1".to_owned(), 0.5));
        assert_eq!(of(1000, Task::Classes(2)), ("cross-entropy:0.1".to_owned(), 0.2));
        assert_eq!(of(100_000, Task::Classes(2)), ("cross-entropy".to_owned(), 0.2));
        assert_eq!(of(100, Task::Values(1)), ("mse".to_owned(), 0.2));
    }
}
