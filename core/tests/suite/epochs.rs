//! Epochs that each have data of their own.

use std::cell::Cell;
use std::ops::ControlFlow;

use chainrule_core::{
    Adam, CrossEntropy, Dataset, EarlyStopping, Epoch, EpochData, Error, Network, Sgd, Trainer, evaluate,
};
use chainrule_naive::Naive;
use ndarray::{Array2, Axis};

use crate::common::{bits, circle, measured, network};

/// Other rows in each epoch.
struct Turns {
    x: Vec<Array2<f64>>,
    labels: Vec<Vec<usize>>,
    asked: Vec<usize>,
}

impl Turns {
    fn new() -> Self {
        let (x, labels) = circle(90);
        let x = (0..3).map(|part| x.slice_axis(Axis(0), (30 * part..30 * part + 30).into()).to_owned());
        Self { x: x.collect(), labels: labels.chunks(30).map(<[_]>::to_vec).collect(), asked: Vec::new() }
    }
}

#[derive(Debug)]
enum Trouble {
    File,
    Library(#[expect(dead_code, reason = "to be seen where a test fails")] Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

impl EpochData<f64> for Turns {
    type Error = Trouble;

    fn epoch(&mut self, epoch: usize) -> Result<Dataset<'_, f64>, Trouble> {
        self.asked.push(epoch);
        if epoch > 7 {
            return Err(Trouble::File);
        }
        Ok(Dataset::classes(&self.x[epoch % 3], &self.labels[epoch % 3])?)
    }
}

fn trainer(validation: Dataset<'_, f64>, epochs: usize) -> Trainer<'_, f64> {
    Trainer::new(CrossEntropy, Adam::new(0.01))
        .epochs(epochs)
        .batch_size(7)
        .schedule("exponential:0.95".parse().unwrap())
        .validation(validation)
}

#[test]
fn each_epoch_may_have_data_of_its_own() {
    let left = Cell::new(0);
    let (x, labels) = circle(90);
    let validation = Dataset::classes(&x, &labels).unwrap();
    // As one after the other by hand.
    let (mut turns, mut whole, mut by_hand) = (Turns::new(), network(), network());
    let history = trainer(validation, 7).fit_each(&mut whole, &Naive, &mut turns).unwrap();
    assert_eq!(turns.asked, (1..=7).collect::<Vec<_>>());
    let mut one = trainer(validation, 7);
    for epoch in 1..=7 {
        let data = Dataset::classes(&turns.x[epoch % 3], &turns.labels[epoch % 3]).unwrap();
        one.partial_fit(&mut by_hand, &Naive, &data).unwrap().unwrap();
    }
    assert_eq!(bits(&by_hand), bits(&whole));
    assert_eq!(measured(&one.state().unwrap().history), measured(&history));

    // Broken off within an epoch or after one, and gone on with.
    for steps in [1, 4, 5, 10, 13] {
        let mut network = network();
        left.set(steps);
        let mut first = trainer(validation, 7).on_step(|_| {
            left.set(left.get() - 1);
            if left.get() == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        first.fit_each(&mut network, &Naive, &mut Turns::new()).unwrap();
        let state = first.state().unwrap().clone();
        drop(first);
        let mut rest = Turns::new();
        let resumed = trainer(validation, 7).resume(state).fit_each(&mut network, &Naive, &mut rest).unwrap();
        assert_eq!(rest.asked[0], 1 + (steps - 1) / 5);
        assert_eq!(bits(&network), bits(&whole), "{steps}");
        assert_eq!(measured(&resumed), measured(&history), "{steps}");
    }
    let after = |epoch: &Epoch, _: &Network<f64>| {
        if epoch.epoch == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut turns = Turns::new();
    assert_eq!(
        trainer(validation, 7).on_epoch(after).fit_each(&mut network(), &Naive, &mut turns).unwrap().len(),
        2
    );
    assert_eq!(turns.asked, [1, 2]);

    // Data that are not to be had end it, by their own error.
    let error = trainer(validation, 9).fit_each(&mut network(), &Naive, &mut Turns::new()).unwrap_err();
    assert!(matches!(error, Trouble::File), "{error:?}");
}

#[test]
fn early_stopping_gives_the_best_network_back_at_the_end_alone() {
    let (x, labels) = circle(90);
    let validation = Dataset::classes(&x, &labels).unwrap();
    // Steps so long that the loss goes up and down.
    let trainer = || {
        Trainer::new(CrossEntropy, Sgd::new(8.0))
            .epochs(7)
            .batch_size(7)
            .validation(validation)
            .early_stopping(EarlyStopping::new(3))
    };
    let loss =
        |network: &Network<f64>| evaluate(network, &Naive, &CrossEntropy, &validation, &[]).unwrap().loss;
    let mut turns = Turns::new();
    let mut network = network();
    let history = trainer().fit_each(&mut network, &Naive, &mut turns).unwrap();
    let losses: Vec<_> = history.iter().map(|epoch| epoch.validation.as_ref().unwrap().loss).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(*losses.last().unwrap() > best && loss(&network).to_bits() == best.to_bits(), "{losses:?}");

    // By hand, each epoch goes on from the one before, so that the same is measured.
    let (mut by_hand, mut trainer) = (self::network(), trainer());
    for epoch in 1..=history.len() {
        let data = Dataset::classes(&turns.x[epoch % 3], &turns.labels[epoch % 3]).unwrap();
        trainer.partial_fit(&mut by_hand, &Naive, &data).unwrap();
    }
    assert_eq!(measured(&trainer.state().unwrap().history), measured(&history));
}
