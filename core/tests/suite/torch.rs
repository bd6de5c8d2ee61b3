//! Activations, losses and layers against PyTorch's values and gradients, in double precision, on the naive backend.
//!
//! `fixtures/make.py` wrote what PyTorch says.

use std::sync::Arc;

use chainrule_core::{
    Accumulate, Activation, BatchNorm, BinaryCrossEntropy, CrossEntropy, Dense, Elementwise, Error,
    GaussianNll, Layer, LayerNorm, LogSoftmax, Loss, Mode, MultiMargin, NamedParameter, Network, PoissonNll,
    Prelu, Quadratic, Residual, RmsNorm, Softmax, Targets, Workspace, loss_by_name,
};
use chainrule_naive::Naive;
use ndarray::{Array2, array};
use serde_json::Value;

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str::<Value>(text).unwrap().as_array().unwrap().clone()
}

/// All numbers of nested lists, in their order.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn matrix(value: &Value) -> Array2<f64> {
    let rows = value.as_array().unwrap().len();
    let flat = numbers(value);
    Array2::from_shape_vec((rows, flat.len() / rows), flat).unwrap()
}

fn name(case: &Value) -> &str {
    case["name"].as_str().unwrap()
}

/// Agreement relative to the larger of 1 and the size.
#[track_caller]
fn agree(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&a, &b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}[{i}]: {a}, PyTorch has {b}");
    }
}

#[test]
fn activations() {
    let cases = cases(include_str!("../fixtures/activations.json"));
    for g in Activation::ALL {
        assert!(cases.iter().any(|case| name(case) == g.name()), "{g} has no case");
    }
    for case in &cases {
        let g: Activation = name(case).parse().unwrap();
        let z = numbers(&case["z"]);
        let a: Vec<f64> = z.iter().map(|&z| g.apply(z)).collect();
        let slope: Vec<f64> = z.iter().map(|&z| g.derivative(z)).collect();
        // PyTorch takes softplus to be z above 20, and a sixth to be that of f32.
        let (of_a, of_slope) = match g {
            Activation::Softplus => (3e-9, 3e-9),
            Activation::HardSigmoid => (1e-15, 5e-9),
            _ => (1e-15, 2e-15),
        };
        agree(name(case), &a, &numbers(&case["a"]), of_a);
        agree(&format!("the slope of {g}"), &slope, &numbers(&case["slope"]), of_slope);
    }
}

/// The loss that a case is for.
fn loss(case: &Value) -> Box<dyn Loss<f64>> {
    let flag = |name: &str| case.get(name).is_some_and(|value| value.as_bool().unwrap());
    match name(case) {
        "cross-entropy" => {
            let mut loss = CrossEntropy.label_smoothing(case["smoothing"].as_f64().unwrap()).unwrap();
            if let Some(weights) = case.get("class_weights") {
                loss = loss.class_weights(numbers(weights)).unwrap();
            }
            Box::new(loss)
        }
        "binary-cross-entropy" if case.get("pos_weight").is_some() => {
            Box::new(BinaryCrossEntropy::default().pos_weight(numbers(&case["pos_weight"])).unwrap())
        }
        "multi-margin" if flag("squared") => Box::new(MultiMargin::default().squared()),
        "poisson" if flag("full") => Box::new(PoissonNll::default().full()),
        "poisson-on-rates" if flag("full") => Box::new(PoissonNll::default().on_rates().full()),
        "gaussian" => {
            let loss = GaussianNll::default();
            Box::new(if flag("full") { loss.full() } else { loss })
        }
        name => loss_by_name(name).unwrap(),
    }
}

#[test]
fn losses() {
    let cases = cases(include_str!("../fixtures/losses.json"));
    for known in chainrule_core::LOSS_NAMES {
        assert!(cases.iter().any(|case| name(case).split(':').next() == Some(known)), "{known} has no case");
    }
    for case in &cases {
        let outputs = matrix(&case["outputs"]);
        let labels: Vec<usize>;
        let values;
        let targets = if let Some(of_rows) = case.get("labels") {
            labels =
                of_rows.as_array().unwrap().iter().map(|y| y.as_u64().unwrap().try_into().unwrap()).collect();
            Targets::Classes(&labels)
        } else {
            values = matrix(&case["values"]);
            Targets::Values(values.view())
        };
        let loss = loss(case);
        let mut delta = Array2::from_elem(outputs.dim(), f64::NAN);
        let score = loss.evaluate(&Naive, &outputs, targets, Some(&mut delta)).unwrap();
        agree(name(case), &[score.loss], &numbers(&case["loss"]), 2e-15);
        let expected = numbers(&case["delta"]);
        let largest = expected.iter().fold(1.0, |m: f64, d| m.max(d.abs()));
        agree(&format!("Δ of {}", name(case)), delta.as_slice().unwrap(), &expected, 1e-15 * largest);
        let without = loss.evaluate(&Naive, &outputs, targets, None).unwrap();
        assert_eq!(score, without, "{}", name(case));
    }
}

/// Smoothed classes have a way of their own, through the backend.
#[test]
fn smoothed_classes_are_as_with_weights_of_one() {
    let outputs = array![[1.0, -2.0, 0.5, 30.0], [0.0, 0.0, -700.0, 700.0], [3.0, 1.0, 2.0, -1.0]];
    for smoothing in [0.0, 0.05, 1.0] {
        let smoothed = CrossEntropy.label_smoothing(smoothing).unwrap();
        let by_the_definition = smoothed.clone().class_weights([1.0; 4]).unwrap();
        let evaluate = |loss: &dyn Loss<f64>| {
            let mut delta = Array2::from_elem(outputs.dim(), f64::NAN);
            let score =
                loss.evaluate(&Naive, &outputs, Targets::Classes(&[3, 1, 2]), Some(&mut delta)).unwrap();
            (score, delta)
        };
        let ((score, delta), (known, expected)) = (evaluate(&smoothed), evaluate(&by_the_definition));
        agree("the loss", &[score.loss], &[known.loss], 1e-15);
        assert_eq!(score.correct, known.correct);
        agree("Δ", delta.as_slice().unwrap(), expected.as_slice().unwrap(), 1e-15);
        let wrong = smoothed.evaluate(&Naive, &outputs, Targets::Classes(&[3, 1, 4]), None).unwrap_err();
        assert!(matches!(wrong, Error::Label { .. }), "{wrong}");
    }
}

fn block(layers: Vec<Arc<dyn Layer<f64>>>) -> Arc<dyn Layer<f64>> {
    Arc::new(Residual::new(layers).unwrap())
}

/// The network that a case is for.
fn network(name: &str) -> Network<f64> {
    use Activation::{Gelu, Identity, Mish, Silu, Tanh};
    let linear = |inputs, outputs| Arc::new(Dense::new(inputs, outputs, Identity));
    let act = |size, g| Arc::new(Elementwise::new(size, g));
    let middle: Vec<Arc<dyn Layer<f64>>> = match name {
        "dense" => {
            vec![act(4, Tanh), Arc::new(Dense::new(4, 4, Identity).without_bias()), act(4, Silu)]
        }
        "batch-norm" => vec![Arc::new(BatchNorm::new(4)), act(4, Tanh)],
        "batch-norm with options" => {
            vec![Arc::new(BatchNorm::new(4).epsilon(0.01).momentum(0.3).without_affine())]
        }
        "layer-norm" => vec![Arc::new(LayerNorm::new(4))],
        "layer-norm without bias" => vec![Arc::new(LayerNorm::new(4).epsilon(0.01).without_bias())],
        "layer-norm without affine" => vec![Arc::new(LayerNorm::new(4).without_affine())],
        "rms-norm" => vec![Arc::new(RmsNorm::new(4))],
        "rms-norm with epsilon" => vec![Arc::new(RmsNorm::new(4).epsilon(0.1).without_affine())],
        "prelu" => vec![Arc::new(Prelu::new(4))],
        "prelu per input" => vec![Arc::new(Prelu::new(4).per_input())],
        "softmax" => vec![Arc::new(Softmax::new(4))],
        "log-softmax" => vec![Arc::new(LogSoftmax::new(4))],
        "residual" => {
            let norm = Arc::new(BatchNorm::new(5));
            vec![block(vec![linear(4, 5), norm, act(5, Gelu), linear(5, 4), act(4, Tanh)])]
        }
        "residual in residual" => {
            let inner = block(vec![linear(4, 4), act(4, Silu)]);
            vec![act(4, Tanh), block(vec![Arc::new(LayerNorm::new(4)), inner, linear(4, 4)])]
        }
        "residual first" => {
            let first = block(vec![linear(3, 6), act(6, Mish), linear(6, 3)]);
            return Network::new(vec![first, linear(3, 2)], 1).unwrap();
        }
        other => panic!("no network {other}"),
    };
    let mut layers: Vec<Arc<dyn Layer<f64>>> = vec![linear(3, 4)];
    layers.extend(middle);
    layers.push(linear(4, 2));
    Network::new(layers, 1).unwrap()
}

/// A flat vector's part in PyTorch's order: row after row.
fn in_rows(named: &NamedParameter, flat: &[f64]) -> Vec<f64> {
    let part = &flat[named.range.clone()];
    let (rows, columns) = (named.parameter.rows, named.parameter.columns.unwrap_or(1));
    (0..part.len()).map(|i| part[i / columns + i % columns * rows]).collect()
}

/// Compares each part of a flat vector with PyTorch's of the same name.
fn same_parts(what: &str, named: &[NamedParameter], flat: &[f64], expected: &Value) {
    let names: Vec<_> = named.iter().map(|named| named.name.as_str()).collect();
    let expected = expected.as_object().unwrap();
    assert_eq!(names.len(), expected.len(), "{what}: {names:?}, PyTorch has {:?}", expected.keys());
    for named in named {
        let theirs =
            expected.get(&named.name).unwrap_or_else(|| panic!("{what}: PyTorch has no {}", named.name));
        agree(&format!("{what}, {}", named.name), &in_rows(named, flat), &numbers(theirs), 2e-14);
    }
}

#[test]
fn layers() {
    for case in cases(include_str!("../fixtures/layers.json")) {
        let mut network = network(name(&case));
        let (parameters, buffers) = (network.named_parameters(), network.named_buffers());
        for named in &parameters {
            let values = numbers(&case["parameters"][&named.name]);
            let (rows, columns) = (named.parameter.rows, named.parameter.columns.unwrap_or(1));
            for (i, value) in values.into_iter().enumerate() {
                network.parameters_mut()[named.range.start + i / columns + i % columns * rows] = value;
            }
        }
        let mut workspace = Workspace::new(&network, 7).unwrap();
        for (i, pass) in case["passes"].as_array().unwrap().iter().enumerate() {
            let (x, y) = (matrix(&pass["x"]), matrix(&pass["y"]));
            let targets = Targets::Values(y.view());
            let training = pass["training"].as_bool().unwrap();
            let mode = if training { Mode::Train { seed: 1, step: 0 } } else { Mode::Evaluate };
            let how = Accumulate::Replace;
            network.gradient(&Naive, &Quadratic, &x, targets, mode, how, &mut workspace).unwrap();
            let what = format!("{}, pass {i}", name(&case));
            let outputs: Vec<f64> = workspace.output().iter().copied().collect();
            agree(&what, &outputs, &numbers(&pass["outputs"]), 1e-14);
            let gradient = workspace.gradient().to_vec();
            same_parts(&format!("{what}, gradient"), &parameters, &gradient, &pass["gradient"]);
            if training {
                network.update_buffers(&workspace);
            } else {
                let again = network.predict(&Naive, &x).unwrap();
                agree(&what, again.as_slice().unwrap(), &outputs, 0.0);
            }
            same_parts(&format!("{what}, buffers"), &buffers, network.buffers(), &pass["buffers"]);
        }
    }
}
