//! Runs to report on.
#![allow(dead_code, reason = "each test file uses some")]

use chainrule_core::{
    Accuracy, Activation, Average, CrossEntropy, Dataset, Epoch, F1, MeanSquaredError, Network, R2, Sgd,
    Trainer,
};
use chainrule_naive::Naive;
use chainrule_report::{Run, RunReport};
use ndarray::Array2;

/// Inputs of `features` columns and labels that a network can learn.
pub(crate) fn points(rows: usize, features: usize, classes: usize) -> (Array2<f64>, Vec<usize>) {
    let labels: Vec<_> = (0..rows).map(|i| i % classes).collect();
    let x = Array2::from_shape_fn((rows, features), |(i, j)| {
        ((i * 7 + j * 13) % 11) as f64 / 11.0 + labels[i] as f64
    });
    (x, labels)
}

/// An untrained network of `classes` outputs.
pub(crate) fn network(features: usize, classes: usize) -> Network<f64> {
    Network::builder(features)
        .dense(5, Activation::Tanh)
        .dense(classes, Activation::Identity)
        .softmax()
        .build(1)
        .unwrap()
}

/// A history of so many epochs with validation, a metric, and the accuracy asked for once more.
pub(crate) fn history(epochs: usize) -> Vec<Epoch> {
    let (x, labels) = points(20, 4, 3);
    let data = Dataset::classes(&x, &labels).unwrap();
    Trainer::new(CrossEntropy, Sgd::new(0.1))
        .epochs(epochs)
        .validation(data)
        .metric(Accuracy)
        .metric(F1(Average::Macro))
        .fit(&mut network(4, 3), &Naive, &data)
        .unwrap()
}

/// The report of a classification.
pub(crate) fn classification(classes: usize, history: &[Epoch]) -> RunReport {
    let (x, labels) = points(3 * classes, 4, classes);
    let data = Dataset::classes(&x, &labels).unwrap();
    let network = network(4, classes);
    RunReport::from_run(&Run::new("classes", &network, &Naive, &CrossEntropy, &data).history(history))
        .unwrap()
}

/// The report of a regression of two outputs.
pub(crate) fn regression() -> RunReport {
    let (x, _) = points(30, 4, 3);
    let y = Array2::from_shape_fn((30, 2), |(i, j)| x[[i, 0]] * (1.0 + j as f64) - x[[i, 3]]);
    let data = Dataset::values(&x, &y).unwrap();
    let mut network = Network::builder(4).dense(2, Activation::Identity).build(1).unwrap();
    let history = Trainer::new(MeanSquaredError, Sgd::new(0.05))
        .epochs(5)
        .validation(data)
        .metric(R2)
        .fit(&mut network, &Naive, &data)
        .unwrap();
    RunReport::from_run(&Run::new("values", &network, &Naive, &MeanSquaredError, &data).history(&history))
        .unwrap()
}
