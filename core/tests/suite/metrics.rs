//! Metrics against scikit-learn's. `fixtures/make_baselines.py` made the numbers.

use std::collections::HashMap;

use chainrule_core::{
    Accuracy, Average, ConfusionMatrix, F1, LogLoss, MeanAbsoluteError, Metric, Precision, R2, Recall,
    RocAuc, RootMeanSquaredError, Targets, TopK, balanced_weights, metric_by_name,
};
use ndarray::{Array2, array};

struct Fixture(HashMap<&'static str, Vec<f64>>);

impl Fixture {
    fn new() -> Self {
        let row = |line: &'static str| {
            let (name, numbers) = line.split_once(',').unwrap();
            (name, numbers.split(',').map(|x| x.parse().unwrap()).collect())
        };
        Self(include_str!("../fixtures/metrics.csv").lines().map(row).collect())
    }

    fn matrix(&self, name: &str, columns: usize) -> Array2<f64> {
        let values = self.0[name].clone();
        Array2::from_shape_vec((values.len() / columns, columns), values).unwrap()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "labels are small")]
    fn labels(&self, name: &str) -> Vec<usize> {
        self.0[name].iter().map(|&x| x as usize).collect()
    }

    fn agrees(&self, name: &str, found: f64) {
        let expected = self.0[name][0];
        assert!((found - expected).abs() < 1e-12 * expected.abs().max(1.0), "{name}: {found}, {expected}");
    }
}

#[test]
fn classification_is_measured_as_by_scikit_learn() {
    let fixture = Fixture::new();
    let (p, labels) = (fixture.matrix("probabilities", 5), fixture.labels("labels"));
    let targets = Targets::Classes(&labels);
    for name in [
        "accuracy",
        "top-2",
        "top-3",
        "log-loss",
        "precision-micro",
        "precision-macro",
        "precision-weighted",
        "recall-micro",
        "recall-macro",
        "recall-weighted",
        "f1-micro",
        "f1-macro",
        "f1-weighted",
    ] {
        fixture.agrees(name, metric_by_name::<f64>(name).unwrap().evaluate(&p, targets));
    }
    let confusion = ConfusionMatrix::new(&p, targets).unwrap();
    assert_eq!(confusion.counts().iter().copied().collect::<Vec<_>>(), fixture.labels("confusion"));
    fixture.agrees("accuracy", confusion.accuracy());
    fixture.agrees("auc of 4", RocAuc.evaluate(&fixture.matrix("probabilities of 4", 4), targets));
    // A class without rows has no area.
    assert!(RocAuc.evaluate(&p, targets).is_nan());
    // The same from one-hot rows.
    let one_hot = Array2::from_shape_fn(p.dim(), |(row, column)| f64::from(u8::from(labels[row] == column)));
    let targets = Targets::Values(one_hot.view());
    fixture.agrees("f1-macro", F1(Average::Macro).evaluate(&p, targets));
    fixture.agrees("log-loss", LogLoss.evaluate(&p, targets));
    fixture.agrees("top-2", TopK::new(2).evaluate(&p, targets));
}

#[test]
fn a_single_output_is_measured_as_by_scikit_learn() {
    let fixture = Fixture::new();
    let (p, labels) = (fixture.matrix("binary scores", 1), fixture.labels("binary labels"));
    let values = fixture.matrix("binary labels", 1);
    for targets in [Targets::Classes(&labels), Targets::Values(values.view())] {
        fixture.agrees("binary accuracy", Accuracy.evaluate(&p, targets));
        fixture.agrees("binary auc", RocAuc.evaluate(&p, targets));
        fixture.agrees("binary log-loss", LogLoss.evaluate(&p, targets));
        fixture.agrees("binary precision", Precision(Average::Class(1)).evaluate(&p, targets));
        fixture.agrees("binary recall", Recall(Average::Class(1)).evaluate(&p, targets));
        fixture.agrees("binary f1", F1(Average::Class(1)).evaluate(&p, targets));
    }
    // And from two outputs, one for each class.
    let both = Array2::from_shape_fn(
        (p.nrows(), 2),
        |(row, c)| if c == 1 { p[[row, 0]] } else { 1.0 - p[[row, 0]] },
    );
    fixture.agrees("binary auc", RocAuc.evaluate(&both, Targets::Classes(&labels)));
    fixture.agrees("binary log-loss", LogLoss.evaluate(&both, Targets::Classes(&labels)));
}

#[test]
fn values_are_measured_as_by_scikit_learn() {
    let fixture = Fixture::new();
    let (truth, guess) = (fixture.matrix("truth", 3), fixture.matrix("guess", 3));
    let targets = Targets::Values(truth.view());
    fixture.agrees("mae", MeanAbsoluteError.evaluate(&guess, targets));
    fixture.agrees("rmse", RootMeanSquaredError.evaluate(&guess, targets));
    fixture.agrees("r2", R2.evaluate(&guess, targets));
    let (first, of_first) = (guess.column(0).insert_axis(ndarray::Axis(1)), truth.column(0));
    let targets = Targets::Values(of_first.insert_axis(ndarray::Axis(1)));
    fixture.agrees("r2 of first", R2.evaluate(&first, targets));
}

#[test]
fn edges_have_the_values_they_say() {
    let (same, other) = (array![[2.0], [2.0]], array![[2.0], [3.0]]);
    let r2 = |a: &Array2<f64>, y: &Array2<f64>| R2.evaluate(a, Targets::Values(y.view()));
    assert!((r2(&same, &same) - 1.0).abs() < 1e-15);
    assert!(r2(&other, &same).abs() < 1e-15);
    assert!(r2(&array![[1.0]], &array![[1.0]]).is_nan());
    // Equal outputs: the first is the larger.
    let ties = array![[1.0, 1.0, 1.0]];
    let top = |k, class| TopK::new(k).evaluate(&ties, Targets::<f64>::Classes(&[class])) > 0.5;
    assert_eq!([top(1, 0), top(1, 1), top(2, 1), top(2, 2), top(3, 2)], [true, false, true, false, true]);
    assert!(ConfusionMatrix::new(&ties, Targets::Classes(&[3])).is_err());
    assert!(ConfusionMatrix::new(&ties, Targets::Classes(&[0, 1])).is_err());
    // Certain and wrong is bounded.
    let certain = LogLoss.evaluate(&array![[1.0, 0.0]], Targets::<f64>::Classes(&[1]));
    assert!((certain - 36.04).abs() < 0.01, "{certain}");
    assert!(RocAuc.evaluate(&array![[f64::NAN], [0.5]], Targets::Classes(&[0, 1])).is_nan());
}

#[test]
fn balanced_weights_are_those_of_scikit_learn() {
    let fixture = Fixture::new();
    let weights = balanced_weights(&fixture.labels("labels"), 5).unwrap();
    for (found, expected) in weights.iter().zip(&fixture.0["class weights"]) {
        assert!((found - expected).abs() < 1e-12, "{weights:?}");
    }
    // The fifth class has no rows.
    assert!(weights.len() == 5 && weights[4].abs() < 1e-15);
    assert!(balanced_weights(&[0, 3], 3).is_err() && balanced_weights(&[], 3).is_err());
}
