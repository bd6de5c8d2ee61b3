//! Gradients: the two forms against each other and against central differences, for any network on any linked backend.

use crate::common::{Architecture, architecture, close, is_smooth, loss, normal};
use chainrule::{
    Accumulate, Activation, Mode, Network, Quadratic, Scalar, Targets, Workspace, gradient_check,
};
use proptest::prelude::*;

/// The largest gradient of all, which errors are measured by.
fn scale<T: Scalar>(gradient: &[T]) -> f64 {
    gradient.iter().fold(0.0, |m, g| g.as_f64().abs().max(m))
}

fn both_forms_agree<T: chainrule::Linked>(architecture: &Architecture, by_label: bool) {
    let network = architecture.build::<T>();
    let (x, labels, values) = architecture.data::<T>(architecture.batch);
    let targets = if by_label { Targets::Classes(&labels) } else { Targets::Values(values.view()) };
    let loss = loss::<T>(architecture.loss);
    for backend in chainrule::backends::<T>() {
        let mut workspace = Workspace::new(&network, architecture.batch).unwrap();
        let (mode, how) = (Mode::Evaluate, Accumulate::Replace);
        let batch = network.gradient(&*backend, &*loss, &x, targets, mode, how, &mut workspace).unwrap();
        let by_batch = workspace.gradient().to_vec();
        let example =
            network.gradient_by_example(&*backend, &*loss, &x, targets, mode, &mut workspace).unwrap();
        // Rounding in each of a few layers, each a sum of a few dozen terms.
        let epsilon = T::epsilon().as_f64();
        let tolerance = 1000.0 * epsilon * scale(&by_batch).max(epsilon);
        for (i, (a, b)) in by_batch.iter().zip(workspace.gradient()).enumerate() {
            let error = (a.as_f64() - b.as_f64()).abs();
            assert!(error <= tolerance, "{} on {}: {a} and {b} at {i}", T::NAME, backend.name());
        }
        assert!(close(batch.loss, example.loss, 1000.0 * epsilon), "{} and {}", batch.loss, example.loss);
        assert_eq!(batch.correct, example.correct);
    }
}

proptest! {
    #![proptest_config(crate::common::config())]

    #[test]
    fn outer_product_and_matrix_product_agree(architecture in architecture(), by_label: bool) {
        both_forms_agree::<f64>(&architecture, by_label);
        both_forms_agree::<f32>(&architecture, by_label);
    }

    #[test]
    fn backpropagation_is_the_derivative(architecture in architecture(), by_label: bool) {
        let mut smooth = architecture;
        smooth.hidden.iter_mut().for_each(|(_, g)| if !is_smooth(*g) { *g = Activation::Silu });
        if !is_smooth(smooth.last) {
            smooth.last = Activation::Gelu;
        }
        let network = smooth.build::<f64>();
        let (x, labels, values) = smooth.data::<f64>(smooth.batch);
        let targets = if by_label { Targets::Classes(&labels) } else { Targets::Values(values.view()) };
        for backend in chainrule::backends::<f64>() {
            let check = gradient_check(&network, &*backend, &*loss(smooth.loss), &x, targets).unwrap();
            prop_assert!(check.relative_error < 1e-5, "{} on {}", check, backend.name());
        }
    }

    #[test]
    fn a_step_is_the_gradient_and_the_descent(architecture in architecture(), rate in 0.01..2.0, decay in 0.5..1.0) {
        let network = architecture.build::<f64>();
        let (x, labels, _) = architecture.data::<f64>(architecture.batch);
        let targets = Targets::Classes(&labels);
        let loss = loss::<f64>(architecture.loss);
        for backend in chainrule::backends::<f64>() {
            let mut workspace = Workspace::new(&network, architecture.batch).unwrap();
            let mode = Mode::Evaluate;
            network.gradient(&*backend, &*loss, &x, targets, mode, Accumulate::Replace, &mut workspace).unwrap();
            let gradient = workspace.gradient().to_vec();
            let mut stepped = network.clone();
            let step = chainrule::Descent { rate, decay };
            stepped.descend(&*backend, &*loss, &x, targets, mode, step, &mut workspace).unwrap();
            for named in network.named_parameters() {
                let decay = if named.parameter.decays { decay } else { 1.0 };
                for i in named.range.clone() {
                    let expected = decay * network.parameters()[i] - rate * gradient[i];
                    let found = stepped.parameters()[i];
                    let name = named.element(i - named.range.start);
                    prop_assert!(close(found, expected, 1e-13), "{name} on {}: {found}, expected {expected}", backend.name());
                }
            }
        }
    }
}

/// ReLU and its kin away from their kink.
#[test]
fn kinks_apart_relu_is_exact() {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.2)] {
        let network =
            Network::<f64>::builder(5).dense(7, activation).dense(3, Activation::Identity).build(3).unwrap();
        let x = normal::<f64>(4, 5, 1);
        for backend in chainrule::backends::<f64>() {
            let targets = Targets::Classes(&[0, 2, 1, 1]);
            let check = gradient_check(&network, &*backend, &Quadratic, &x, targets).unwrap();
            assert!(check.relative_error < 1e-7, "{check}");
        }
    }
}

/// A gradient that is wrong is found and named.
#[test]
fn a_wrong_gradient_is_found() {
    /// ½‖a − y‖² with a gradient that is off by 1 % in the last column.
    #[derive(Debug)]
    struct Wrong;
    impl chainrule::Loss<f64> for Wrong {
        fn name(&self) -> &'static str {
            "wrong"
        }
        fn evaluate(
            &self,
            backend: &dyn chainrule::Backend<f64>,
            outputs: &ndarray::ArrayRef2<f64>,
            targets: Targets<'_, f64>,
            mut delta: Option<&mut ndarray::ArrayRef2<f64>>,
        ) -> chainrule::Result<chainrule::Score> {
            let score = Quadratic.evaluate(backend, outputs, targets, delta.as_deref_mut())?;
            if let Some(delta) = delta {
                delta.column_mut(outputs.ncols() - 1).map_inplace(|d| *d *= 1.01);
            }
            Ok(score)
        }
    }
    let network = Network::<f64>::builder(3).dense(2, Activation::Tanh).build(1).unwrap();
    let backend = chainrule::default_backend::<f64>().unwrap();
    let x = normal::<f64>(3, 3, 1);
    let check = gradient_check(&network, &*backend, &Wrong, &x, Targets::Classes(&[0, 1, 0])).unwrap();
    assert!((check.relative_error - 0.01 / 1.01).abs() < 1e-6, "{check}");
    assert!(check.worst.starts_with("0.") && check.worst.contains("[1"), "{check}");
}

/// The gradient can be added to what is there, for accumulation over batches.
#[test]
fn gradients_accumulate() {
    let network = Network::<f64>::builder(3)
        .dense(4, Activation::Tanh)
        .dense(2, Activation::Identity)
        .build(1)
        .unwrap();
    let (x, targets) = (normal::<f64>(6, 3, 1), [0, 1, 0, 1, 1, 0]);
    for backend in chainrule::backends::<f64>() {
        let mut workspace = Workspace::new(&network, 6).unwrap();
        let mut gradient = |how| {
            let targets = Targets::Classes(&targets);
            network
                .gradient(&*backend, &Quadratic, &x, targets, Mode::Evaluate, how, &mut workspace)
                .unwrap();
            workspace.gradient().to_vec()
        };
        let once = gradient(Accumulate::Replace);
        let twice = gradient(Accumulate::Add);
        assert!(once.iter().zip(&twice).all(|(a, b)| close(2.0 * a, *b, 1e-14)), "{once:?} {twice:?}");
    }
}
