//! What a report says is what the network does.

use crate::common::{network, points};
use chainrule_core::{
    Activation, BinaryCrossEntropy, CrossEntropy, Dataset, Error as NetworkError, MeanSquaredError, Network,
    Sgd, Trainer, evaluate_rows,
};
use chainrule_naive::Naive;
use chainrule_report::{Error, Run, RunReport};
use ndarray::{Array2, array};

/// A network of one dense layer that hands its inputs on.
fn identity(size: usize) -> Network<f64> {
    let mut network = Network::builder(size).dense(size, Activation::Identity).build(1).unwrap();
    network.weights_mut(0).unwrap().assign(&Array2::eye(size));
    network
}

#[test]
fn logits_become_probabilities() {
    let x = array![[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 9.0], [1.0, 0.5, 0.0]];
    let data = Dataset::classes(&x, &[0, 0, 1, 1]).unwrap();
    let network = identity(3);
    let names = ["a".to_owned(), "b".to_owned()];
    let run = Run::new("", &network, &Naive, &CrossEntropy, &data).class_names(&names);
    let report = RunReport::from_run(&run).unwrap();
    let told: Vec<_> = report.mistakes.iter().map(|m| (m.row, &*m.expected, &*m.predicted)).collect();
    // By the probability of the true class: e⁻⁹, e⁻³, e⁻½ and so on. The third class has its number for a name.
    assert_eq!(told, [(2, "b", "2"), (1, "a", "b"), (3, "b", "a")]);
    let softmax = 9.0_f64.exp() / (9.0_f64.exp() + 2.0);
    assert!((report.mistakes[0].confidence.unwrap() - softmax).abs() < 1e-12);
    assert_eq!(report.confusion.unwrap().matrix.counts(), &array![[1, 1, 0], [1, 0, 1], [0, 0, 0]]);

    let x = array![[0.2], [-0.2], [5.0]];
    let data = Dataset::classes(&x, &[1, 0, 0]).unwrap();
    let report =
        RunReport::from_run(&Run::new("", &identity(1), &Naive, &BinaryCrossEntropy::default(), &data))
            .unwrap();
    assert_eq!(
        report.confusion.unwrap().matrix.counts(),
        &array![[1, 1], [0, 1]],
        "a logit above 0 tells class 1"
    );
    assert!((report.mistakes[0].confidence.unwrap() - 1.0 / (1.0 + (-5.0_f64).exp())).abs() < 1e-12);
}

#[test]
fn scores_of_any_size_are_no_probabilities() {
    let x = array![[2.0, 0.0], [0.0, 3.0]];
    let y = array![[0.0, 1.0], [0.0, 1.0]];
    let data = Dataset::classes(&x, &[1, 1]).unwrap();
    let report = RunReport::from_run(&Run::new("", &identity(2), &Naive, &MeanSquaredError, &data)).unwrap();
    assert_eq!((report.mistakes.len(), report.mistakes[0].confidence), (1, None));
    let data = Dataset::values(&x, &y).unwrap();
    let report = RunReport::from_run(&Run::new("", &identity(2), &Naive, &MeanSquaredError, &data)).unwrap();
    assert!(report.confusion.is_none(), "values under that loss are no classes");
    let errors: Vec<_> = report.mistakes.iter().map(|m| (m.row, m.error.unwrap())).collect();
    assert_eq!(errors, [(0, 2.5_f64.sqrt()), (1, 2.0_f64.sqrt())]);
    assert_eq!(report.fits[1].points, [(1.0, 0.0), (1.0, 3.0)]);
}

#[test]
fn some_rows_are_told_by_their_numbers_in_the_data() {
    let (x, labels) = points(40, 4, 3);
    let data = Dataset::classes(&x, &labels).unwrap();
    let mut network = network(4, 3);
    let rows: Vec<_> = (0..40).filter(|row| row % 3 != 1 || row % 2 == 0).collect();
    Trainer::new(CrossEntropy, Sgd::new(0.05))
        .epochs(2)
        .fit_rows(&mut network, &Naive, &data, &rows)
        .unwrap();
    let run = Run::new("", &network, &Naive, &CrossEntropy, &data).rows(&rows).worst(usize::MAX);
    let report = RunReport::from_run(&run).unwrap();
    let measured = evaluate_rows(&network, &Naive, &CrossEntropy, &data, &rows, &[]).unwrap();
    let matrix = report.confusion.unwrap().matrix;
    assert_eq!(Some(matrix.accuracy()), measured.accuracy);
    assert_eq!(matrix.counts().sum(), rows.len());
    assert_eq!(report.mistakes.len(), matrix.counts().sum() - matrix.counts().diag().sum());
    for mistake in &report.mistakes {
        assert!(rows.contains(&mistake.row));
        assert_eq!(mistake.expected, labels[mistake.row].to_string());
        assert_eq!(mistake.features[0], ("x0".to_owned(), x[[mistake.row, 0]]));
    }
    let refused = RunReport::from_run(&Run::new("", &network, &Naive, &CrossEntropy, &data).rows(&[3, 40]));
    assert!(matches!(refused, Err(Error::Network(NetworkError::Setting { .. }))));
    let none = RunReport::from_run(&Run::new("", &network, &Naive, &CrossEntropy, &data).rows(&[])).unwrap();
    assert_eq!((none.mistakes.len(), none.gradients[0].count), (0, 0));
}

#[test]
fn histograms_are_those_of_parameters_and_gradients() {
    let (x, labels) = points(12, 4, 3);
    let data = Dataset::classes(&x, &labels).unwrap();
    let network = network(4, 3);
    let report = RunReport::from_run(&Run::new("", &network, &Naive, &CrossEntropy, &data)).unwrap();
    let names: Vec<_> = report.parameters.iter().map(|p| &*p.name).collect();
    assert_eq!(names, ["0.weight", "0.bias", "1.weight", "1.bias"]);
    assert_eq!((report.parameters[0].count, report.parameters[1].zeros), (20, 5));
    let sum: f64 = network.weights(0).unwrap().sum();
    assert!((report.parameters[0].sum - sum).abs() < 1e-12);
    // ∂L/∂b of softmax and cross-entropy is p − y, whose sum over the classes is 0.
    assert!(report.gradients[3].sum.abs() < 1e-12 && report.gradients[3].deviation() > 1e-3);
}

#[test]
fn pictures_have_as_many_pixels_as_inputs() {
    let (x, labels) = points(12, 4, 3);
    let data = Dataset::classes(&x, &labels).unwrap();
    let network = network(4, 3);
    let run = Run::new("", &network, &Naive, &CrossEntropy, &data);
    let report = RunReport::from_run(&run.clone().pictures(2, 2).worst(3)).unwrap();
    assert_eq!(report.mistakes.len(), 3);
    assert!(
        report.mistakes.iter().all(|m| m.features.is_empty() && m.picture.as_ref().unwrap().size() == (2, 2))
    );
    assert!(matches!(RunReport::from_run(&run.pictures(3, 2)), Err(Error::Picture { inputs: 4, .. })));
}

#[test]
fn data_that_do_not_fit_are_refused() {
    let (x, labels) = points(12, 4, 3);
    let data = Dataset::classes(&x, &labels).unwrap();
    for network in [network(5, 3), network(4, 2)] {
        assert!(matches!(
            RunReport::from_run(&Run::new("", &network, &Naive, &CrossEntropy, &data)),
            Err(Error::Network(_))
        ));
    }
    let y = Array2::zeros((12, 3));
    let data = Dataset::values(&x, &y).unwrap();
    let narrow = network(4, 2);
    assert!(RunReport::from_run(&Run::new("", &narrow, &Naive, &MeanSquaredError, &data)).is_err());
}
