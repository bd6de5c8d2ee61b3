//! Layers and losses of all kinds on every linked backend: their gradients by differences, what they promise, what they refuse.

use crate::common::{close, labels, loss, normal, probabilities};
use chainrule::{
    Accumulate, Activation, BatchNorm, CrossEntropy, Dataset, Descent, Dropout, Error, GaussianNll,
    LayerNorm, Loss, MeanAbsoluteError, Mode, Network, NetworkBuilder, Prelu, Quadratic, RmsNorm, Scalar,
    Sgd, Targets, Trainer, Weighted, Workspace, evaluate, gradient_check,
};
use ndarray::{Array2, Axis, array};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Part {
    Dense(usize, Activation),
    Activation(Activation),
    Dropout(f64),
    BatchNorm(bool),
    LayerNorm(bool),
    RmsNorm(bool),
    Prelu(bool),
    Softmax,
    LogSoftmax,
    Residual(Vec<Part>),
}

impl Part {
    fn whole_batch(&self) -> bool {
        match self {
            Self::BatchNorm(_) | Self::Dropout(_) => true,
            Self::Residual(parts) => parts.iter().any(Self::whole_batch),
            _ => false,
        }
    }

    fn add<T: Scalar>(&self, builder: NetworkBuilder<T>, size: &mut usize) -> NetworkBuilder<T> {
        let n = *size;
        match self {
            Self::Dense(outputs, g) => {
                *size = *outputs;
                builder.dense(*outputs, *g)
            }
            Self::Activation(g) => builder.activation(*g),
            Self::Dropout(p) => builder.dropout(*p),
            Self::BatchNorm(true) => builder.batch_norm(),
            Self::BatchNorm(false) => builder.layer(BatchNorm::new(n).epsilon(0.1).without_affine()),
            Self::LayerNorm(true) => builder.layer_norm(),
            Self::LayerNorm(false) => builder.layer(LayerNorm::new(n).epsilon(0.1).without_bias()),
            Self::RmsNorm(true) => builder.rms_norm(),
            Self::RmsNorm(false) => builder.layer(RmsNorm::new(n).epsilon(0.1).without_affine()),
            Self::Prelu(true) => builder.prelu(),
            Self::Prelu(false) => builder.layer(Prelu::new(n).per_input()),
            Self::Softmax => builder.softmax(),
            Self::LogSoftmax => builder.log_softmax(),
            Self::Residual(parts) => builder.residual(|mut block| {
                let mut inner = n;
                for part in parts {
                    block = part.add(block, &mut inner);
                }
                block.dense(n, Activation::Tanh)
            }),
        }
    }
}

fn smooth() -> impl Strategy<Value = Activation> {
    let smooth: Vec<_> = Activation::ALL.into_iter().filter(|g| !g.has_kink()).collect();
    prop::sample::select(smooth)
}

/// Any layer; with a kink in it only if differences are not to be taken.
fn part(kinks: bool) -> impl Strategy<Value = Part> {
    let leaf = prop_oneof![
        (1..9_usize, smooth()).prop_map(|(n, g)| Part::Dense(n, g)),
        smooth().prop_map(Part::Activation),
        (0.0..0.9).prop_map(Part::Dropout),
        any::<bool>().prop_map(Part::BatchNorm),
        any::<bool>().prop_map(Part::LayerNorm),
        any::<bool>().prop_map(Part::RmsNorm),
        any::<bool>().prop_map(move |b| if kinks { Part::Prelu(b) } else { Part::LogSoftmax }),
        Just(Part::Softmax),
        Just(Part::LogSoftmax),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| prop::collection::vec(inner, 1..4).prop_map(Part::Residual))
}

/// A network of these parts after a dense layer, with parameters away from their initial 0 and 1.
fn build<T: Scalar>(inputs: usize, parts: &[Part], outputs: usize, seed: u64) -> Network<T> {
    let mut size = 5;
    let mut builder = Network::builder(inputs).dense(size, Activation::Tanh);
    for part in parts {
        builder = part.add(builder, &mut size);
    }
    let mut network = builder.dense(outputs, Activation::Identity).build(seed).unwrap();
    let noise = normal::<f64>(1, network.parameters().len(), seed + 1);
    for (w, noise) in network.parameters_mut().iter_mut().zip(noise) {
        *w += T::of(0.2 * noise);
    }
    network
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn gradients_of_layers(parts in prop::collection::vec(part(false), 1..4), batch in 3..9_usize, seed in 0..1000_u64) {
        let network = build::<f64>(4, &parts, 3, seed);
        let (x, y) = (normal(batch, 4, seed), normal(batch, 3, seed + 9));
        for backend in chainrule::backends::<f64>() {
            let check = gradient_check(&network, &*backend, &Quadratic, &x, Targets::Values(y.view())).unwrap();
            // Normalisation of nearly equal numbers is steep: differences lose digits there.
            prop_assert!(check.relative_error < 3e-4, "{} on {}", check, backend.name());
        }
    }

    #[test]
    fn a_step_is_the_gradient_and_the_descent(parts in prop::collection::vec(part(true), 1..4), seed in 0..1000_u64) {
        let network = build::<f64>(4, &parts, 3, seed);
        let (x, y) = (normal(6, 4, seed), normal(6, 3, seed + 9));
        let targets = Targets::Values(y.view());
        let mode = Mode::Train { seed, step: 3 };
        for backend in chainrule::backends::<f64>() {
            let mut workspace = Workspace::new(&network, 8).unwrap();
            let mut by_gradient = network.clone();
            by_gradient.gradient(&*backend, &Quadratic, &x, targets, mode, Accumulate::Replace, &mut workspace).unwrap();
            by_gradient.update_buffers(&workspace);
            let gradient = workspace.gradient().to_vec();
            let mut stepped = network.clone();
            let step = Descent { rate: 0.1, decay: 1.0 };
            stepped.descend(&*backend, &Quadratic, &x, targets, mode, step, &mut workspace).unwrap();
            for (i, (&w, &dw)) in network.parameters().iter().zip(&gradient).enumerate() {
                let found = stepped.parameters()[i];
                prop_assert!(close(found, w - 0.1 * dw, 1e-12), "{i} on {}: {found}", backend.name());
            }
            prop_assert_eq!(stepped.buffers(), by_gradient.buffers());
            // Adding to a gradient.
            network.gradient(&*backend, &Quadratic, &x, targets, mode, Accumulate::Replace, &mut workspace).unwrap();
            network.gradient(&*backend, &Quadratic, &x, targets, mode, Accumulate::Add, &mut workspace).unwrap();
            for (twice, once) in workspace.gradient().iter().zip(&gradient) {
                prop_assert!(close(*twice, 2.0 * once, 1e-12), "{twice} and {once} on {}", backend.name());
            }
        }
    }

    #[test]
    fn both_forms_agree(parts in prop::collection::vec(part(true), 1..4), seed in 0..1000_u64) {
        prop_assume!(!parts.iter().any(Part::whole_batch));
        let network = build::<f64>(4, &parts, 3, seed);
        let (x, y) = (normal(6, 4, seed), normal(6, 3, seed + 9));
        let targets = Targets::Values(y.view());
        let mode = Mode::Train { seed, step: 3 };
        for backend in chainrule::backends::<f64>() {
            let mut workspace = Workspace::new(&network, 6).unwrap();
            network.gradient(&*backend, &Quadratic, &x, targets, mode, Accumulate::Replace, &mut workspace).unwrap();
            let batch = workspace.gradient().to_vec();
            network.gradient_by_example(&*backend, &Quadratic, &x, targets, mode, &mut workspace).unwrap();
            for (a, b) in batch.iter().zip(workspace.gradient()) {
                prop_assert!(close(*a, *b, 1e-11), "{a} and {b} on {}", backend.name());
            }
        }
    }
}

/// Layers with a kink, whose inputs lie away from it.
#[test]
fn gradients_of_kinks() {
    let kinked = Activation::ALL.into_iter().filter(|g| g.has_kink());
    let x = normal::<f64>(6, 4, 3);
    let y = normal::<f64>(6, 3, 4);
    for g in kinked {
        let network = Network::builder(4)
            .dense(7, g)
            .layer(Prelu::new(7).per_input())
            .prelu()
            .dense(3, g)
            .build(8)
            .unwrap();
        for backend in chainrule::backends::<f64>() {
            let check =
                gradient_check(&network, &*backend, &Quadratic, &x, Targets::Values(y.view())).unwrap();
            assert!(check.relative_error < 1e-7, "{g}: {check} on {}", backend.name());
        }
    }
}

/// Every loss by name, without and with weights of the rows.
#[test]
fn gradients_of_losses() {
    let (rows, n) = (6, 4);
    let x = normal::<f64>(rows, 3, 1);
    let chances = probabilities::<f64>(rows, n, 2);
    let classes = labels(rows, n, 3);
    let sides = normal::<f64>(rows, n, 4).mapv(f64::signum);
    let weights = [1.0, 0.0, 2.5, 0.1, 3.0, 1.0];
    for name in chainrule::LOSS_NAMES {
        let last = match name {
            "binary-cross-entropy-on-probabilities" => Activation::Sigmoid,
            "gaussian" | "poisson-on-rates" => Activation::Softplus,
            _ => Activation::Identity,
        };
        let outputs = if name == "gaussian" { 2 * n } else { n };
        let builder = Network::<f64>::builder(3).dense(5, Activation::Tanh).dense(outputs, last);
        let network = if name == "kl-divergence" { builder.log_softmax() } else { builder }.build(4).unwrap();
        let mut targets = vec![Targets::Values(chances.view())];
        match name {
            "hinge" | "squared-hinge" => {
                targets = vec![Targets::Values(sides.view()), Targets::Classes(&classes)];
            }
            "multi-margin" => targets = vec![Targets::Classes(&classes)],
            "gaussian" => {}
            _ => targets.push(Targets::Classes(&classes)),
        }
        let mut losses: Vec<Box<dyn Loss<f64>>> = vec![loss(name)];
        match name {
            "huber" => losses.push(loss("huber:0.2")),
            "pinball" => losses.push(loss("pinball:0.9")),
            "binary-cross-entropy" => losses.push(loss("binary-cross-entropy:3")),
            "cross-entropy" => {
                losses.push(Box::new(
                    CrossEntropy.class_weights([1.0, 0.5, 2.0, 0.1]).unwrap().label_smoothing(0.2).unwrap(),
                ));
            }
            _ => {}
        }
        for backend in chainrule::backends::<f64>() {
            for (loss, &targets) in losses.iter().flat_map(|loss| targets.iter().map(move |t| (loss, t))) {
                let plain = gradient_check(&network, &*backend, loss, &x, targets).unwrap();
                assert!(plain.relative_error < 1e-6, "{name}: {plain} on {}", backend.name());
                let weighted = Weighted::new(&**loss, &weights);
                let check = gradient_check(&network, &*backend, &weighted, &x, targets).unwrap();
                assert!(check.relative_error < 1e-6, "{name} with weights: {check} on {}", backend.name());
                assert!((check.analytic - plain.analytic).abs() > 1e-6, "{name}: weights change nothing");
            }
        }
    }
}

/// A row of weight 3 counts as three rows, and one of weight 0 as none.
#[test]
fn weights_are_repetitions() {
    let (x, classes) = (normal::<f64>(4, 3, 1), [0, 2, 1, 1]);
    let places = [0, 0, 0, 2, 3, 3];
    let repeated = x.select(Axis(0), &places);
    let of_repeated: Vec<usize> = places.iter().map(|&i| classes[i]).collect();
    let network = Network::<f64>::builder(3)
        .dense(5, Activation::Tanh)
        .dense(3, Activation::Identity)
        .build(1)
        .unwrap();
    let smoothed = CrossEntropy.label_smoothing(0.1).unwrap();
    let balanced = CrossEntropy.class_weights([1.0, 3.0, 0.5]).unwrap();
    let losses: [&dyn Loss<f64>; 4] = [&Quadratic, &CrossEntropy, &smoothed, &balanced];
    for backend in chainrule::backends::<f64>() {
        for loss in losses {
            let mut workspace = Workspace::new(&network, 6).unwrap();
            let (mode, how) = (Mode::Evaluate, Accumulate::Replace);
            let targets = Targets::Classes(&of_repeated);
            let score =
                network.gradient(&*backend, loss, &repeated, targets, mode, how, &mut workspace).unwrap();
            let gradient = workspace.gradient().to_vec();
            let weighted = Weighted::new(loss, &[3.0, 0.0, 1.0, 2.0]);
            let targets = Targets::Classes(&classes);
            let other =
                network.gradient(&*backend, &weighted, &x, targets, mode, how, &mut workspace).unwrap();
            assert!(close(score.loss, other.loss, 1e-14), "{loss:?}: {} and {}", score.loss, other.loss);
            for (a, b) in gradient.iter().zip(workspace.gradient()) {
                assert!(close(*a, *b, 1e-13), "{loss:?}: {a} and {b} on {}", backend.name());
            }
            // Means over batches make the mean over the data set, in the trainer and in `evaluate`.
            let of_weights = Dataset::classes(&x, &classes).unwrap().weighted(&[3.0, 0.0, 1.0, 2.0]).unwrap();
            let measured = evaluate(&network, &*backend, loss, &of_weights, &[]).unwrap();
            assert!(
                close(measured.loss, score.loss, 1e-14),
                "{loss:?}: {} and {}",
                measured.loss,
                score.loss
            );
        }
        let data = Dataset::classes(&x, &classes).unwrap().weighted(&[3.0, 0.0, 1.0, 2.0]).unwrap();
        let mut trained = network.clone();
        let still = Sgd::new(0.0);
        let history = Trainer::new(balanced.clone(), still)
            .epochs(1)
            .batch_size(3)
            .fit(&mut trained, &*backend, &data)
            .unwrap();
        let measured = evaluate(&network, &*backend, &balanced, &data, &[]).unwrap();
        assert!(
            close(history[0].train.loss, measured.loss, 1e-14),
            "{} and {}",
            history[0].train.loss,
            measured.loss
        );
    }
}

#[test]
fn dropout_keeps_the_expectation() {
    let (rows, n, p) = (200, 50, 0.3);
    let network = Network::<f64>::builder(n).dropout(p).build(1).unwrap();
    let double = Network::<f64>::builder(n).dropout(p).dropout(p).build(1).unwrap();
    let x = Array2::<f64>::ones((rows, n));
    for backend in chainrule::backends::<f64>() {
        let mut workspace = Workspace::new(&double, rows).unwrap();
        let mut outputs = |network: &Network<f64>, mode, layer| {
            let mut workspace_of_one = Workspace::new(network, rows).unwrap();
            let workspace = if network.layers().len() == 2 { &mut workspace } else { &mut workspace_of_one };
            let targets = Targets::Values(x.view());
            network
                .gradient(&*backend, &Quadratic, &x, targets, mode, Accumulate::Replace, workspace)
                .unwrap();
            workspace.activations(layer).to_owned()
        };
        let mode = Mode::Train { seed: 1, step: 0 };
        let a = outputs(&network, mode, 0);
        let kept = a.iter().filter(|&&a| a > 0.0).count();
        assert!(a.iter().all(|&a| a == 0.0 || close(a, 1.0 / (1.0 - p), 1e-15)));
        // Five standard errors.
        let expected = (1.0 - p) * (rows * n) as f64;
        assert!(
            (kept as f64 - expected).abs() < 5.0 * (expected * p).sqrt(),
            "{kept} kept, {expected} expected"
        );
        assert_eq!(a, outputs(&network, mode, 0));
        assert_ne!(a, outputs(&network, Mode::Train { seed: 1, step: 1 }, 0));
        assert_ne!(a, outputs(&network, Mode::Train { seed: 2, step: 0 }, 0));
        let zeros = |a: &Array2<f64>| a.mapv(|a| a == 0.0);
        assert_ne!(
            zeros(&outputs(&double, mode, 1)),
            zeros(&outputs(&double, mode, 0)),
            "two layers, one noise"
        );
        assert_eq!(outputs(&network, Mode::Evaluate, 0), x);
        assert_eq!(network.predict(&*backend, &x).unwrap(), x);
    }
    // The same zeros in either element type, and in a block as anywhere.
    let single = Network::<f32>::builder(n).dropout(p).build(1).unwrap();
    let backend = chainrule::default_backend::<f32>().unwrap();
    let mut workspace = Workspace::new(&single, rows).unwrap();
    let ones = Array2::<f32>::ones((rows, n));
    let (mode, how) = (Mode::Train { seed: 1, step: 0 }, Accumulate::Replace);
    single
        .gradient(&*backend, &Quadratic, &ones, Targets::Values(ones.view()), mode, how, &mut workspace)
        .unwrap();
    let backend = chainrule::default_backend::<f64>().unwrap();
    let mut of_double = Workspace::new(&network, rows).unwrap();
    network
        .gradient(&*backend, &Quadratic, &x, Targets::Values(x.view()), mode, how, &mut of_double)
        .unwrap();
    assert_eq!(workspace.output().mapv(|a| a == 0.0), of_double.output().mapv(|a| a == 0.0));
    // All or nothing.
    let nothing = Network::<f64>::builder(n).dropout(1.0).build(1).unwrap();
    nothing
        .gradient(&*backend, &Quadratic, &x, Targets::Values(x.view()), mode, how, &mut of_double)
        .unwrap();
    assert!(of_double.output().iter().all(|&a| a == 0.0));
}

#[test]
fn running_statistics_are_those_of_the_data() {
    let x = normal::<f64>(64, 3, 1).mapv(|x| 2.0 * x + 5.0);
    let y = normal::<f64>(64, 1, 2);
    let data = Dataset::values(&x, &y).unwrap();
    for backend in chainrule::backends::<f64>() {
        let mut network = Network::builder(3).batch_norm().dense(1, Activation::Identity).build(1).unwrap();
        assert_eq!(network.buffers(), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        assert_eq!(network.named_buffers()[1].name, "0.running_var");
        Trainer::new(Quadratic, Sgd::new(0.01))
            .epochs(200)
            .batch_size(64)
            .fit(&mut network, &*backend, &data)
            .unwrap();
        let mean = x.mean_axis(Axis(0)).unwrap();
        let variance = x.var_axis(Axis(0), 1.0);
        for i in 0..3 {
            assert!(close(network.buffers()[i], mean[i], 1e-8), "{:?} {mean}", network.buffers());
            assert!(close(network.buffers()[3 + i], variance[i], 1e-8), "{:?} {variance}", network.buffers());
        }
        // Measuring moves nothing.
        let before = network.buffers().to_vec();
        evaluate(&network, &*backend, &Quadratic, &data, &[]).unwrap();
        assert_eq!(network.buffers(), before);
        network.initialize(1);
        assert_eq!(network.buffers(), [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
    }
}

/// A mean and a variance for each target, learnt from noise that grows with the input.
#[test]
fn variances_are_learnt() {
    let x = Array2::from_shape_fn((400, 1), |(i, _)| f64::from(u32::try_from(i % 2).unwrap()));
    let noise = normal::<f64>(400, 1, 5);
    let y =
        Array2::from_shape_fn((400, 1), |(i, _)| 3.0 * x[[i, 0]] + noise[[i, 0]] * (0.5 + 1.5 * x[[i, 0]]));
    let data = Dataset::values(&x, &y).unwrap();
    let backend = chainrule::default_backend::<f64>().unwrap();
    let mut network = Network::builder(1).dense(2, Activation::Softplus).build(1).unwrap();
    let history = Trainer::new(GaussianNll::default(), Sgd::new(0.1))
        .epochs(200)
        .batch_size(50)
        .validation(data)
        .metric(MeanAbsoluteError)
        .fit(&mut network, &*backend, &data)
        .unwrap();
    let out = network.predict(&*backend, &array![[0.0], [1.0]]).unwrap();
    assert!((out[[1, 0]] - 3.0).abs() < 0.4 && (out[[1, 1]] - 4.0).abs() < 1.2, "{out}");
    assert!((out[[0, 1]] - 0.25).abs() < 0.2, "{out}");
    let error = history.last().unwrap().validation.as_ref().unwrap().metrics[0].1;
    assert!(error > 0.5 && error < 1.5, "the mean error of the means is {error}");
}

#[test]
fn what_is_refused() {
    let told = |error: Error, expected: &str| assert!(error.to_string().contains(expected), "{error}");
    let start = || Network::<f64>::builder(4);
    told(start().dropout(1.5).build(1).unwrap_err(), "the probability of dropout is 1.5");
    told(start().dropout(f64::NAN).build(1).unwrap_err(), "the probability of dropout is NaN");
    told(
        start().layer(BatchNorm::new(4).momentum(2.0)).build(1).unwrap_err(),
        "the momentum of batch normalisation",
    );
    told(start().layer(LayerNorm::new(4).epsilon(0.0)).build(1).unwrap_err(), "ε of a normalisation is 0");
    told(start().layer(RmsNorm::new(4).epsilon(-1.0)).build(1).unwrap_err(), "ε of a normalisation is -1");
    told(start().layer(Prelu::new(4).initial(f64::INFINITY)).build(1).unwrap_err(), "initial slope");
    told(
        start().layer(Dropout::new(3, 0.5)).build(1).unwrap_err(),
        "the first layer's input has shape 3, expected 4",
    );
    told(start().residual(|block| block.dense(3, Activation::Relu)).build(1).unwrap_err(), "expected 4");
    told(start().residual(|block| block).build(1).unwrap_err(), "a residual block is empty");
    told(start().residual(|block| block.dropout(-1.0)).build(1).unwrap_err(), "dropout is -1");
    told(CrossEntropy.label_smoothing(1.1).unwrap_err(), "smoothing");
    told(CrossEntropy.class_weights([1.0, -1.0]).unwrap_err(), "weights of classes is -1");

    let x = normal::<f64>(5, 4, 1);
    let (y, values) = ([0, 1, 0, 1, 1], normal::<f64>(5, 2, 2));
    let data = Dataset::classes(&x, &y).unwrap();
    told(data.weighted(&[1.0]).unwrap_err(), "weights has shape 1, expected 5");
    told(data.weighted(&[0.0; 5]).unwrap_err(), "the sum of the weights");
    told(data.weighted(&[1.0, 1.0, f64::NAN, 1.0, 1.0]).unwrap_err(), "weights of rows is NaN");
    for backend in chainrule::backends::<f64>() {
        // 5 = 2 + 2 + 1
        let mut network = start().batch_norm().dense(2, Activation::Identity).build(1).unwrap();
        let mut trainer = Trainer::new(CrossEntropy, Sgd::new(0.1)).batch_size(2).epochs(1);
        told(
            trainer.fit(&mut network, &*backend, &data).unwrap_err(),
            "at least 2 rows for batch normalisation",
        );
        let mut fit = |loss: Box<dyn Loss<f64>>, data: &Dataset<'_, f64>| {
            Trainer::new(loss, Sgd::new(0.1)).epochs(1).fit(&mut network, &*backend, data).unwrap_err()
        };
        let regression = Dataset::values(&x, &values).unwrap();
        told(fit(loss("multi-margin"), &regression), "multi-margin cannot use values");
        told(fit(loss("gaussian"), &data), "gaussian cannot use classes");
        told(fit(loss("gaussian"), &regression), "expected 5×1");
        let three = CrossEntropy.class_weights([1.0; 3]).unwrap();
        told(fit(Box::new(three), &data), "weights of classes has shape 3, expected 2");
    }
}
