//! All linked backends against each other: single operations, steps and whole training runs.
//!
//! The operations one by one are checked by `chainrule-conformance`; here they are checked together.

use crate::common::{Architecture, architecture, close, labels, loss, normal};
use chainrule::{
    Activation, CrossEntropy, Dataset, Linked, Loss, Network, Quadratic, Scalar, Sgd, Trainer, evaluate,
};
use proptest::prelude::*;

/// The parameters after a few epochs, on each backend; the first is the oracle's. None if the training diverges on the oracle.
fn train<T: Linked>(architecture: &Architecture) -> Option<Vec<(String, Vec<T>)>> {
    let (x, labels, _) = architecture.data::<T>(30);
    let data = Dataset::classes(&x, &labels).unwrap();
    let mut backends = chainrule::backends::<T>();
    backends.sort_by_key(|backend| backend.name() != "naive");
    let run = |backend: std::sync::Arc<dyn chainrule::Backend<T>>| {
        let mut network = architecture.build::<T>();
        let loss = loss::<T>(architecture.loss);
        let mut trainer = Trainer::new(loss, Sgd::new(0.02)).epochs(3).batch_size(7).seed(5).l2(0.1);
        trainer
            .fit(&mut network, &*backend, &data)
            .map(|_| (backend.name().to_owned(), network.parameters().to_vec()))
    };
    let mut backends = backends.into_iter();
    let oracle = backends.next().map(run)?;
    // A few of all networks overflow at this rate: there is nothing to compare.
    let grown = |(_, w): &(String, Vec<T>)| w.iter().any(|w| w.as_f64().abs() > 100.0);
    let oracle = oracle.ok().filter(|run| !grown(run))?;
    Some(std::iter::once(oracle).chain(backends.map(|backend| run(backend).unwrap())).collect())
}

fn all_agree<T: Linked>(architecture: &Architecture, tolerance: f64) {
    let Some(runs) = train::<T>(architecture) else { return };
    let (oracle, expected) = &runs[0];
    let largest = expected.iter().fold(1.0, |m: f64, w| m.max(w.as_f64().abs()));
    for (name, found) in &runs[1..] {
        for (i, (a, b)) in expected.iter().zip(found).enumerate() {
            let error = (a.as_f64() - b.as_f64()).abs();
            assert!(error <= tolerance * largest, "{} at {i}: {oracle} {a}, {name} {b}", T::NAME);
        }
    }
}

proptest! {
    #![proptest_config(crate::common::config())]

    /// Fifteen steps in f64, where rounding has no time to grow: the kinks of ReLU are what is left.
    #[test]
    fn training_runs_agree_in_f64(architecture in architecture()) {
        all_agree::<f64>(&architecture, 1e-9);
    }

    /// The same in f32.
    #[test]
    fn training_runs_agree_in_f32(architecture in architecture()) {
        all_agree::<f32>(&architecture, 2e-3);
    }
}

/// A network with wide layers, odd sizes and every activation, over some hundred steps.
#[test]
fn a_long_run_agrees() {
    let (x, y) = (normal::<f64>(300, 37, 1), labels(300, 5, 2));
    let data = Dataset::classes(&x, &y).unwrap();
    let mut losses = Vec::new();
    for backend in chainrule::backends::<f64>() {
        let mut builder = Network::<f64>::builder(37);
        for (activation, size) in Activation::ALL.into_iter().zip([129, 65, 33, 70, 17, 40, 31]) {
            builder = builder.dense(size, activation);
        }
        let mut network = builder.dense(5, Activation::Identity).softmax().build(4).unwrap();
        let mut trainer = Trainer::new(CrossEntropy, Sgd::new(0.02)).epochs(10).batch_size(13);
        let history = trainer.fit(&mut network, &*backend, &data).unwrap();
        let trained = evaluate(&network, &*backend, &CrossEntropy, &data, &[]).unwrap();
        losses.push((backend.name().to_owned(), history.last().unwrap().train.loss, trained.loss));
    }
    for (name, during, after) in &losses[1..] {
        assert!(close(*during, losses[0].1, 1e-6), "{name}: {losses:?}");
        assert!(close(*after, losses[0].2, 1e-6), "{name}: {losses:?}");
    }
}

/// f32 and f64 networks of one seed are the same network up to rounding.
#[test]
fn element_types_agree() {
    let build = |inputs| (inputs, Activation::Gelu);
    let (inputs, g) = build(11);
    let single = Network::<f32>::builder(inputs).dense(20, g).dense(3, g).build(9).unwrap();
    let double = Network::<f64>::builder(inputs).dense(20, g).dense(3, g).build(9).unwrap();
    let x = normal::<f64>(50, inputs, 3);
    for name in chainrule::backends::<f32>().iter().map(|backend| backend.name().to_owned()) {
        let (single_backend, double_backend) =
            (chainrule::backend::<f32>(&name).unwrap(), chainrule::backend::<f64>(&name).unwrap());
        let a = single.predict(&*single_backend, &x.mapv(f32::of)).unwrap();
        let b = double.predict(&*double_backend, &x).unwrap();
        assert!(a.iter().zip(&b).all(|(a, b)| close(a.as_f64(), *b, 1e-5)), "{name}");
    }
}

/// Losses on extreme outputs: finite wherever the true value is.
#[test]
fn losses_are_stable() {
    fn check<T: Linked>() {
        let huge = T::of(if T::NAME == "f32" { 1e30 } else { 1e300 });
        let rows = vec![
            [huge, -huge, T::zero()],
            [-huge, -huge, -huge],
            [T::of(1000.0), T::of(-1000.0), T::of(5.0)],
        ];
        let z = ndarray::arr2(&rows);
        let labels = [0, 1, 0];
        for backend in chainrule::backends::<T>() {
            let mut delta = ndarray::Array2::from_elem((3, 3), T::nan());
            let targets = chainrule::Targets::Classes(&labels);
            let score = CrossEntropy.evaluate(&*backend, &z, targets, Some(&mut delta)).unwrap();
            let expected = (0.0 + 3_f64.ln() + 0.0) / 3.0;
            assert!(close(score.loss, expected, 1e-6), "{}: {}", backend.name(), score.loss);
            assert!(delta.iter().all(|d| d.is_finite()), "{delta}");
            let binary = chainrule::BinaryCrossEntropy::default();
            let z = ndarray::arr2(&[[huge], [-huge], [T::of(800.0)]]);
            let mut delta = ndarray::Array2::from_elem((3, 1), T::nan());
            let targets = chainrule::Targets::Classes(&[1, 0, 1]);
            let score = binary.evaluate(&*backend, &z, targets, Some(&mut delta)).unwrap();
            assert!(close(score.loss, 0.0, 1e-300), "{}: {}", backend.name(), score.loss);
            assert!(delta.iter().all(|d| *d == T::zero()), "{delta}");
            let score = Quadratic.evaluate(&*backend, &z.mapv(|_| T::one()), targets, None).unwrap();
            assert!(close(score.loss, 0.5 / 3.0, 1e-6));
        }
    }
    check::<f32>();
    check::<f64>();
}
