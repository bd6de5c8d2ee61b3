//! Networks learn: real digits on every linked backend, to the same accuracy within rounding.

use chainrule::{Activation, CrossEntropy, Dataset, Linked, Network, Sgd, Trainer};

fn accuracy_of_each_backend<T: Linked>() -> Vec<(String, f64)> {
    let digits = chainrule_data::digits_split::<T>(1);
    let train = Dataset::classes(digits.train.inputs(), digits.train.labels()).unwrap();
    let test = Dataset::classes(digits.test.inputs(), digits.test.labels()).unwrap();
    let learn = |backend: std::sync::Arc<dyn chainrule::Backend<T>>| {
        let builder = Network::<T>::builder(64).dense(64, Activation::Relu).dense(10, Activation::Identity);
        let mut network = builder.softmax().build(1).unwrap();
        let mut trainer =
            Trainer::new(CrossEntropy, Sgd::new(0.1)).epochs(40).batch_size(16).validation(test);
        let history = trainer.fit(&mut network, &*backend, &train).unwrap();
        let last = history.last().unwrap();
        assert!(last.train.loss < history[0].train.loss / 5.0, "the loss falls");
        (backend.name().to_owned(), last.validation.as_ref().unwrap().accuracy.unwrap())
    };
    chainrule::backends::<T>().into_iter().map(learn).collect()
}

#[test]
fn digits() {
    for found in [accuracy_of_each_backend::<f32>(), accuracy_of_each_backend::<f64>()] {
        for (name, accuracy) in &found {
            assert!(*accuracy >= 0.97, "{name}: {accuracy}");
            // Rounding may tip a digit or two of the 359.
            assert!((accuracy - found[0].1).abs() < 0.01, "{found:?}");
        }
    }
}

/// Nielsen's first network: sigmoid, quadratic loss, a learning rate of 3 and N(0, 1).
#[test]
fn digits_as_in_nielsens_first_chapter() {
    let digits = chainrule_data::digits_split::<f64>(1);
    let train = Dataset::classes(digits.train.inputs(), digits.train.labels()).unwrap();
    let test = Dataset::classes(digits.test.inputs(), digits.test.labels()).unwrap();
    let normal = chainrule::Initializer::Normal(1.0);
    let sigmoid = Activation::Sigmoid;
    let builder = Network::<f64>::builder(64).dense_from(30, sigmoid, normal).dense_from(10, sigmoid, normal);
    let mut network = builder.build(2).unwrap();
    let backend = chainrule::default_backend::<f64>().unwrap();
    let mut trainer =
        Trainer::new(chainrule::Quadratic, Sgd::new(3.0)).epochs(30).batch_size(10).validation(test);
    let history = trainer.fit(&mut network, &*backend, &train).unwrap();
    let accuracy = history.last().unwrap().validation.as_ref().unwrap().accuracy.unwrap();
    assert!(accuracy > 0.93, "{accuracy}");
}
