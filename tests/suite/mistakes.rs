//! Everything that a caller can get wrong is a typed error with the value, the place and what was expected.

use crate::common::{labels, normal};
use chainrule::{
    Activation, CrossEntropy, Dataset, Error, Initializer, Mode, Network, Quadratic, Sgd, Targets, Trainer,
    Workspace,
};
use ndarray::{Array2, array};

fn network() -> Network<f32> {
    Network::builder(4).dense(5, Activation::Tanh).dense(3, Activation::Identity).build(1).unwrap()
}

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[test]
fn networks_that_cannot_be() {
    let error = Network::<f32>::builder(4).build(1).unwrap_err();
    assert_eq!(message(error), "the network is empty, expected at least one layer");
    let error = Network::<f32>::builder(0).dense(3, Activation::Tanh).build(1).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }));
    let error = Network::<f32>::builder(4).dense(0, Activation::Tanh).build(1).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }));
    let wrong = chainrule::Dense::new(7, 3, Activation::Tanh);
    let error = Network::<f32>::builder(4).dense(5, Activation::Tanh).layer(wrong).build(1).unwrap_err();
    assert_eq!(message(error), "building a network: a layer's input has shape 7, expected 5");
    let error = Network::<f32>::builder(4).dense(5, Activation::LeakyRelu(f64::NAN)).build(1).unwrap_err();
    assert_eq!(message(error), "the slope of leaky-relu is NaN, expected a finite number of at least 0");
    let error = Network::<f32>::builder(4)
        .dense_from(5, Activation::Tanh, Initializer::Normal(-1.0))
        .build(1)
        .unwrap_err();
    assert!(message(error).contains("-1"));
}

#[test]
fn data_that_cannot_be() {
    let x = Array2::<f32>::zeros((0, 4));
    let error = Dataset::classes(&x, &[]).unwrap_err();
    assert_eq!(message(error), "the data set is empty, expected at least one row");
    let mut x = Array2::<f32>::zeros((3, 4));
    let error = Dataset::classes(&x, &[0, 1]).unwrap_err();
    assert_eq!(message(error), "a data set: targets has shape 2, expected 3");
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        x[[1, 2]] = bad;
        let error = Dataset::classes(&x, &[0, 1, 2]).unwrap_err();
        assert_eq!(
            message(error),
            format!("inputs holds {bad} at row 1, column 2, expected a finite number")
        );
        let error = Dataset::classes(&x.t(), &[0, 1, 2, 0]).unwrap_err();
        assert_eq!(
            message(error),
            format!("inputs holds {bad} at row 2, column 1, expected a finite number")
        );
        let error = Dataset::values(&Array2::zeros((3, 1)), &x).unwrap_err();
        assert_eq!(
            message(error),
            format!("targets holds {bad} at row 1, column 2, expected a finite number")
        );
        let backend = chainrule::default_backend().unwrap();
        let error = network().predict(&*backend, &x).unwrap_err();
        assert!(matches!(error, Error::NonFinite { what: "inputs", row: 1, column: 2, .. }));
    }
}

#[test]
fn training_that_cannot_be() {
    let backend = chainrule::default_backend::<f32>().unwrap();
    let (x, y) = (normal::<f32>(6, 4, 1), labels(6, 3, 1));
    let data = Dataset::classes(&x, &y).unwrap();
    let fit = |trainer: &mut Trainer<f32>, data: &Dataset<f32>| {
        let mut network = network();
        let before = network.parameters().to_vec();
        let error = trainer.fit(&mut network, &*backend, data).unwrap_err();
        assert_eq!(network.parameters(), before, "a refused call changes nothing");
        message(error)
    };
    let trainer = || Trainer::new(CrossEntropy, Sgd::new(0.1));
    assert_eq!(fit(&mut trainer().batch_size(0), &data), "the batch size is 0, expected at least 1");
    for rate in [f64::NAN, f64::INFINITY] {
        let found = fit(&mut Trainer::new(CrossEntropy, Sgd::new(rate)), &data);
        assert_eq!(found, format!("the learning rate is {rate}, expected a finite number"));
    }
    let found = fit(&mut trainer().l2(-1.0), &data);
    assert_eq!(found, "λ of the L2 term is -1, expected a finite number of at least 0");
    let found = fit(&mut trainer(), &Dataset::classes(&x, &[0, 1, 2, 3, 0, 0]).unwrap());
    assert_eq!(found, "label 3 of row 3 is out of range, expected a class from 0 to 2");
    let narrow = normal::<f32>(6, 3, 1);
    let found = fit(&mut trainer(), &Dataset::classes(&narrow, &y).unwrap());
    assert_eq!(found, "training: the data set's inputs has shape 6×3, expected 6×4");
    let found = fit(&mut trainer().validation(Dataset::classes(&narrow, &y).unwrap()), &data);
    assert_eq!(found, "training: the data set's inputs has shape 6×3, expected 6×4");
    let values = normal::<f32>(6, 2, 1);
    let found = fit(&mut trainer(), &Dataset::values(&x, &values).unwrap());
    assert_eq!(found, "training: targets has shape 6×2, expected 6×3");
}

#[test]
fn shapes_that_do_not_fit() {
    let backend = chainrule::default_backend::<f32>().unwrap();
    let mut network = network();
    assert!(matches!(Workspace::new(&network, 0), Err(Error::Setting { .. })));
    assert!(matches!(Workspace::new(&network, usize::MAX / 2), Err(Error::Setting { .. })));
    let mut workspace = Workspace::new(&network, 2).unwrap();
    let x = normal::<f32>(3, 4, 1);
    let error = network.forward(&*backend, &x, &mut workspace).unwrap_err();
    assert_eq!(message(error), "a pass through the network: inputs has shape 3×4, expected 2×4");
    let error = network.forward(&*backend, &normal(2, 5, 1), &mut workspace).unwrap_err();
    assert_eq!(message(error), "a pass through the network: inputs has shape 2×5, expected 2×4");
    let other = Network::<f32>::builder(4).dense(6, Activation::Tanh).build(1).unwrap();
    assert!(other.forward(&*backend, &normal(1, 4, 1), &mut workspace).is_err());
    let mut inference = Workspace::for_inference(&network, 2).unwrap();
    let step = chainrule::Descent { rate: 0.1, decay: 1.0 };
    let x = normal::<f32>(2, 4, 1);
    let mut descend = |targets, workspace: &mut Workspace<f32>| {
        network.descend(&*backend, &CrossEntropy, &x, targets, Mode::Evaluate, step, workspace)
    };
    assert!(descend(Targets::Classes(&[0, 1]), &mut inference).is_err());
    assert!(descend(Targets::Classes(&[0, 1]), &mut workspace).is_ok());
    let error = descend(Targets::Classes(&[0, 3]), &mut workspace).unwrap_err();
    assert_eq!(error, Error::Label { row: 1, label: 3, classes: 3 });
    assert!(descend(Targets::Classes(&[0]), &mut workspace).is_err());
    let values = array![[0.5_f32, 0.5], [1.0, 0.0]];
    assert!(descend(Targets::Values(values.view()), &mut workspace).is_err());
}

/// A learning rate far too large: the error names the epoch, the step and the layer.
#[test]
fn divergence_is_told() {
    let (x, y) = (normal::<f32>(64, 4, 1) * 1e18, labels(64, 3, 1));
    let data = Dataset::classes(&x, &y).unwrap();
    for backend in chainrule::backends::<f32>() {
        let mut network = Network::<f32>::builder(4)
            .dense(5, Activation::Relu)
            .dense(3, Activation::Identity)
            .build(1)
            .unwrap();
        let mut trainer = Trainer::new(Quadratic, Sgd::new(10.0)).batch_size(8);
        let error = trainer.fit(&mut network, &*backend, &data).unwrap_err();
        let Error::Diverged { epoch, step, layer, quantity } = &error else { panic!("{error}") };
        assert_eq!(*epoch, 1);
        assert!((1..=8).contains(step), "{error}");
        assert!(layer.starts_with("layer ") && !quantity.is_empty(), "{error}");
        assert!(message(&error).contains("epoch 1, step "), "{error}");
    }
}

/// NaN that is put into one layer is found in that layer.
#[test]
fn the_first_layer_with_nan_is_named() {
    let (x, y) = (normal::<f64>(8, 4, 1), labels(8, 3, 1));
    let data = Dataset::classes(&x, &y).unwrap();
    let backend = chainrule::default_backend::<f64>().unwrap();
    for (layer, expected) in [(0, "layer 0 (dense)"), (1, "layer 1 (dense)"), (2, "layer 2 (dense)")] {
        let g = Activation::Sigmoid;
        let mut network = Network::<f64>::builder(4).dense(5, g).dense(4, g).dense(3, g).build(1).unwrap();
        network.weights_mut(layer).unwrap()[[2, 1]] = f64::NAN;
        let error = Trainer::new(Quadratic, Sgd::new(0.1)).fit(&mut network, &*backend, &data).unwrap_err();
        assert!(message(&error).contains(&format!("the weight of {expected}")), "{error}");
    }
}

#[test]
fn unknown_names() {
    let error = chainrule::backend::<f32>("abacus").map(|_| ()).unwrap_err();
    assert!(message(error).starts_with("unknown backend \"abacus\", expected "));
    let error = "softmaxx".parse::<Activation>().unwrap_err();
    let known = Activation::ALL.map(Activation::name).join(", ");
    assert_eq!(message(error), format!("unknown activation \"softmaxx\", expected {known}"));
    assert!(known.starts_with("identity, sigmoid") && known.ends_with("hard-swish"), "{known}");
    for (name, expected) in [("huber:0", "above 0"), ("huber:x", "unknown loss"), ("mse:1", "unknown loss")] {
        let error = chainrule::loss_by_name::<f32>(name).unwrap_err();
        assert!(message(error).contains(expected), "{name}");
    }
}
