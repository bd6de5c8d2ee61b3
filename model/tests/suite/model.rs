//! Model files: what is written is read, and nothing else is.

use chainrule_core::{Activation, Initializer, LayerConfig, Network, NetworkConfig, Scalar};
use chainrule_model::{Description, ElementType, Error, Model, StateDict, Task};
use proptest::prelude::*;

/// A network with every kind of layer, and numbers that the file has to keep.
fn every_kind<T: Scalar>() -> Network<T> {
    let dense = |outputs, activation| LayerConfig::Dense {
        outputs,
        activation,
        bias: true,
        weights: None,
        biases: Some(Initializer::Normal(0.5)),
    };
    let without_bias = LayerConfig::Dense {
        outputs: 4,
        activation: Activation::Relu,
        bias: false,
        weights: None,
        biases: None,
    };
    let config = NetworkConfig {
        inputs: 3,
        layers: vec![
            dense(5, Activation::LeakyRelu(0.2)),
            LayerConfig::BatchNorm { epsilon: 1e-4, momentum: 0.2, affine: true },
            LayerConfig::Residual {
                layers: vec![
                    dense(4, Activation::Tanh),
                    LayerConfig::BatchNorm { epsilon: 1e-5, momentum: 0.1, affine: false },
                    LayerConfig::Residual { layers: vec![dense(4, Activation::Mish), without_bias] },
                    dense(5, Activation::Identity),
                ],
            },
            LayerConfig::LayerNorm { epsilon: 1e-5, affine: true, bias: true },
            LayerConfig::LayerNorm { epsilon: 1e-5, affine: true, bias: false },
            LayerConfig::RmsNorm { epsilon: None, affine: true },
            LayerConfig::Activation { function: Activation::Celu(0.5) },
            LayerConfig::Prelu { per_input: true, initial: 0.1 },
            LayerConfig::Prelu { per_input: false, initial: 0.3 },
            LayerConfig::Dropout { probability: 0.25 },
            dense(2, Activation::Identity),
            LayerConfig::LogSoftmax {},
            LayerConfig::Softmax {},
        ],
    };
    let mut network = config.build(7).unwrap();
    for (i, buffer) in network.buffers_mut().iter_mut().enumerate() {
        *buffer = T::of(1.0 / (i + 1) as f64);
    }
    network
}

fn description() -> Description {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Description {
        task: Some(Task::Classification),
        classes: names(&["yes", "nö"]),
        features: names(&["a", "b", "c"]),
        targets: names(&["answer"]),
        loss: Some("cross-entropy".to_owned()),
        preprocessing: None,
    }
}

fn written() -> Vec<u8> {
    Model::to_bytes(&every_kind::<f32>(), &description()).unwrap()
}

fn round<T: Scalar>() {
    let network = every_kind::<T>();
    let description = description().with_preprocessing(&vec![0.1, -2.5e-300]).unwrap();
    let bytes = Model::to_bytes(&network, &description).unwrap();
    let model = Model::from_bytes(bytes.clone(), "file").unwrap();
    assert_eq!(model.element_type(), ElementType::of::<T>());
    assert_eq!(model.description(), &description);
    assert_eq!(model.description().preprocessing::<Vec<f64>>().unwrap(), Some(vec![0.1, -2.5e-300]));
    assert!(model.description().preprocessing::<String>().is_err());
    assert_eq!(model.config(), &network.config().unwrap());
    assert_eq!(model.written_by(), env!("CARGO_PKG_VERSION"));
    let read = model.network::<T>().unwrap();
    assert_eq!(read.parameters(), network.parameters());
    assert_eq!(read.buffers(), network.buffers());
    assert_eq!(read.config().unwrap(), network.config().unwrap());
    assert_eq!(Model::to_bytes(&network, &description).unwrap(), bytes, "the same bytes again");
}

#[test]
fn what_is_written_is_read() {
    round::<f32>();
    round::<f64>();
}

#[test]
fn another_element_type_can_be_asked_for() {
    let (narrow, wide) = (every_kind::<f32>(), every_kind::<f64>());
    let model = Model::from_bytes(Model::to_bytes(&wide, &description()).unwrap(), "file").unwrap();
    let rounded: Vec<f32> = wide.parameters().iter().map(|&w| f32::of(w)).collect();
    assert_eq!(model.network::<f32>().unwrap().parameters(), rounded);
    let model = Model::from_bytes(written(), "file").unwrap();
    let exact: Vec<f64> = narrow.parameters().iter().map(|w| w.as_f64()).collect();
    assert_eq!(model.network::<f64>().unwrap().parameters(), exact);
}

#[test]
fn a_file_is_written_whole_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    Model::save(&path, &Network::<f32>::builder(3).softmax().build(1).unwrap(), &Description::default())
        .unwrap();
    let network = every_kind::<f32>();
    Model::save(&path, &network, &description()).unwrap();
    assert_eq!(Model::read(&path).unwrap().network::<f32>().unwrap().parameters(), network.parameters());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let error = Model::read(folder.path()).unwrap_err();
    assert!(matches!(error, Error::Unfit { .. }), "{error}");
    let nowhere = folder.path().join("no").join("model");
    let error = Model::save(&nowhere, &network, &description()).unwrap_err();
    assert!(matches!(&error, Error::File { file, done: "written", .. } if *file == nowhere), "{error}");
    assert!(matches!(Model::read(&nowhere), Err(Error::File { done: "read", .. })));
}

#[test]
fn tensors_are_row_by_row_and_named_as_in_sequential() {
    let network = Network::<f64>::builder(3)
        .dense(2, Activation::Relu)
        .batch_norm()
        .dense(1, Activation::Identity)
        .build(1)
        .unwrap();
    let bytes = Model::to_bytes(&network, &Description::default()).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let values = |name| {
        let data = file.tensor(name).unwrap().data();
        data.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect::<Vec<_>>()
    };
    assert_eq!(values("0.weight"), network.weights(0).unwrap().iter().copied().collect::<Vec<_>>());
    assert_eq!(values("2.running_var"), [1.0, 1.0]);
    assert_eq!(values("3.bias"), [0.0]);
    assert_eq!(file.tensor("2.num_batches_tracked").unwrap().dtype(), safetensors::Dtype::I64);
    assert_eq!(file.len(), 2 + 5 + 2);
}

/// A file with other metadata, or another header at all.
fn changed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let length = 8 + usize::try_from(u64::from_le_bytes(*bytes.first_chunk().unwrap())).unwrap();
    let header = std::str::from_utf8(&bytes[8..length]).unwrap();
    let new = header.replace(from, to);
    assert_ne!(new, header, "{from}");
    [&(new.len() as u64).to_le_bytes(), new.as_bytes(), &bytes[length..]].concat()
}

#[test]
fn lies_are_refused() {
    let bytes = written();
    for (from, to, told) in [
        (r#"\"version\":1"#, r#"\"version\":2"#, "version 2, expected at most 1"),
        (r#"\"inputs\":3"#, r#"\"inputs\":4"#, "3 names of features, expected one for each of 4 inputs"),
        (r#"\"outputs\":5"#, r#"\"outputs\":18446744073709551615"#, "18446744073709551615"),
        (
            r#"\"outputs\":4"#,
            r#"\"outputs\":6"#,
            "tensor 3.0.weight: found F32 of shape [4, 5], expected floating-point numbers of shape [6, 5]",
        ),
        (r#"\"yes\","#, r#"\"yes\",\"perhaps\","#, "3 names of classes, expected one for each of 2 outputs"),
        (r#"\"a\","#, "", "2 names of features, expected one for each of 3 inputs"),
        (r#"\"task\""#, r#"\"tusk\""#, "unknown field `tusk`"),
        (r#"\"tanh\""#, r#"\"tank\""#, "tank"),
        (r#"\"probability\":0.25"#, r#"\"probability\":25"#, "the probability"),
        (
            "\"0.weight\"",
            "\"x.weight\"",
            "tensor x.weight: found F32 of shape [5, 3], expected no such tensor",
        ),
        (
            "3.2.num_batches_tracked",
            "3.2.num_batches_counted",
            "tensor 3.2.num_batches_counted: found I64 of shape []",
        ),
        ("\"chainrule\"", "\"chain\"", "without chainrule's metadata"),
        ("\"data_offsets\":[0,", "\"data_offsets\":[8,", "another header"),
        ("F32", "I32", "I32"),
        ("{", "[", "another header"),
    ] {
        let read = Model::from_bytes(changed(&bytes, from, to), "file");
        let error = read.and_then(|model| model.network::<f32>()).err();
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.starts_with("file: ") && message.contains(told), "{from}: {message:?}");
    }
    // PyTorch's counter may be missing, as in files of old.
    let network = Network::<f32>::builder(3).batch_norm().build(1).unwrap();
    let config = network.config().unwrap();
    let bytes = Model::to_bytes(&network, &Description::default()).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let rest = file.iter().filter(|(name, _)| !name.ends_with("tracked"));
    let bytes = safetensors::serialize(rest, None).unwrap();
    StateDict::from_bytes(bytes, "file").unwrap().network::<f32>(&config).unwrap();
}

#[test]
fn sizes_are_believed_only_with_the_bytes_for_them() {
    for (inputs, outputs) in [(1_u64 << 62, 1_u64 << 62), (1 << 40, 1 << 40), (1 << 60, 0), (0, 1 << 60)] {
        let json = format!(
            r#"{{"version":1,"chainrule":"0","network":{{"inputs":{inputs},"layers":[{{"kind":"dense","outputs":{outputs}}}]}},"description":{{}}}}"#
        );
        let header = serde_json::json!({
            "__metadata__": {"chainrule": json},
            "0.weight": {"dtype": "F32", "shape": [outputs, inputs], "data_offsets": [0, 0]},
            "0.bias": {"dtype": "F32", "shape": [outputs], "data_offsets": [0, 0]},
        })
        .to_string();
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
        let error = Model::from_bytes(bytes, "file").and_then(|model| model.network::<f32>()).unwrap_err();
        assert!(error.to_string().starts_with("file: "), "{error}");
    }
}

#[test]
fn numbers_that_are_not_finite_are_named() {
    let mut network = every_kind::<f64>();
    let named = network.named_parameters().remove(0);
    let at = named.range.start + 7;
    network.parameters_mut()[at] = f64::NAN;
    let error = Model::to_bytes(&network, &Description::default()).unwrap_err();
    assert!(error.to_string().contains(&named.element(7)), "{error}");
    // Finite in f64, infinite in f32.
    network.parameters_mut()[at] = 1e300;
    let model =
        Model::from_bytes(Model::to_bytes(&network, &Description::default()).unwrap(), "file").unwrap();
    model.network::<f64>().unwrap();
    let error = model.network::<f32>().unwrap_err();
    let element = named.element(7);
    assert!(matches!(&error, Error::NotFinite { element: found, .. } if *found == element), "{error}");
}

#[test]
fn half_precision_and_other_names_are_read() {
    let config = NetworkConfig { inputs: 2, layers: vec![LayerConfig::dense(1, Activation::Relu)] };
    let weight: Vec<u8> = [1.5, -2.0].iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect();
    let bias = half::bf16::from_f32(3.0).to_le_bytes();
    let view = |dtype, shape, bytes| safetensors::tensor::TensorView::new(dtype, shape, bytes).unwrap();
    let tensors = [
        ("out.weight", view(safetensors::Dtype::F16, vec![1, 2], &weight)),
        ("out.bias", view(safetensors::Dtype::BF16, vec![1], &bias)),
    ];
    let file = StateDict::from_bytes(safetensors::serialize(tensors, None).unwrap(), "file").unwrap();
    let network = file.network_named::<f32>(&config, |name| name.replace("0.", "out.")).unwrap();
    assert_eq!(network.parameters(), [1.5, -2.0, 3.0]);
    let error = file.network::<f32>(&config).unwrap_err();
    assert!(matches!(error, Error::Tensor { .. }), "{error}");
    assert_eq!(file.element_type(), ElementType::F32);
}

fn finite_or_refused(bytes: Vec<u8>) {
    if let Ok(network) = Model::from_bytes(bytes, "file").and_then(|model| model.network::<f32>()) {
        assert!(network.parameters().iter().chain(network.buffers()).all(|x| x.is_finite()));
    }
}

proptest! {
    #![proptest_config(crate::common::config())]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Model::from_bytes(bytes, "file").is_err());
    }

    #[test]
    fn no_header_makes_it_panic(header in "\\PC{0,80}", tail in prop::collection::vec(any::<u8>(), 0..40)) {
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &tail].concat();
        prop_assert!(Model::from_bytes(bytes, "file").is_err());
    }

    #[test]
    fn no_damage_makes_it_panic(damage in crate::common::damage()) {
        finite_or_refused(crate::common::damaged(written(), damage));
    }

    #[test]
    fn no_numbers_make_it_panic(numbers in crate::common::numbers()) {
        finite_or_refused(crate::common::with_numbers(&written(), numbers));
    }
}
