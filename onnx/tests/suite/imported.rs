//! Files of other programs: PyTorch's exports and the ONNX project's node tests, with the outputs they come with.
//!
//! `make.py` wrote both.

use chainrule_core::Scalar;
use chainrule_naive::Naive;
use chainrule_onnx::{Error, from_onnx};
use ndarray::Array2;
use serde_json::Value;

/// The node tests that no network of chainrule can be: other axes than that of all features, samples as columns, constants that differ from
/// sample to sample, masks of training, functions with other settings.
const REFUSED: &[&str] = &[
    "clip_default_max",
    "flatten_axis0",
    "flatten_axis2",
    "flatten_axis3",
    "flatten_negative_axis1",
    "flatten_negative_axis2",
    "flatten_negative_axis4",
    "gemm_all_attributes",
    "gemm_default_matrix_bias",
    "gemm_transposeA",
    "hardsigmoid",
    "hardsigmoid_default",
    "layer_normalization_2d_axis0",
    "layer_normalization_2d_axis_negative_2",
    "reshape_extended_dims",
    "reshape_negative_dim",
    "reshape_negative_extended_dims",
    "reshape_one_dim",
    "reshape_reordered_all_dims",
    "reshape_reordered_last_dims",
    "reshape_zero_and_negative_dim",
    "reshape_zero_dim",
    "rms_normalization_2d_axis0",
    "rms_normalization_2d_axis_negative_2",
    "selu",
    "training_dropout",
    "training_dropout_default",
    "training_dropout_default_mask",
    "training_dropout_mask",
    "training_dropout_zero_ratio",
    "training_dropout_zero_ratio_mask",
];

struct Case {
    name: String,
    model: Vec<u8>,
    inputs: Array2<f64>,
    outputs: Array2<f64>,
}

fn cases(text: &str) -> Vec<Case> {
    let matrix = |value: &Value| {
        let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    };
    let read = |case: &Value| {
        let hex = case["model"].as_str().unwrap();
        let byte = |place: usize| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
        Case {
            name: case["name"].as_str().unwrap().to_owned(),
            model: (0..hex.len()).step_by(2).map(byte).collect(),
            inputs: matrix(&case["inputs"]),
            outputs: matrix(&case["outputs"]),
        }
    };
    serde_json::from_str::<Value>(text).unwrap().as_array().unwrap().iter().map(read).collect()
}

/// Reads the file and holds its outputs against those it comes with.
fn run<T: Scalar>(case: &Case) -> Result<(), Error> {
    let model = from_onnx::<T>(&case.model)?;
    let found = model.predict(&Naive, &case.inputs.mapv(T::of))?;
    assert_eq!(found.dim(), case.outputs.dim(), "{}", case.name);
    for (a, &b) in found.iter().map(|a| a.as_f64()).zip(&case.outputs) {
        assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{}: {a}, expected {b}", case.name);
    }
    Ok(())
}

#[test]
fn what_pytorch_exports_is_read() {
    let cases = cases(include_str!("../fixtures/torch.json"));
    assert_eq!(cases.len(), 88);
    for case in &cases {
        run::<f32>(case).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        run::<f64>(case).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    }
}

#[test]
fn node_tests() {
    let cases = cases(include_str!("../fixtures/node.json"));
    let mut refused = Vec::new();
    for case in &cases {
        match run::<f32>(case) {
            Ok(()) => {}
            Err(Error::Unsupported { .. } | Error::Unfit { .. }) => refused.push(case.name.as_str()),
            Err(other) => panic!("{}: {other}", case.name),
        }
    }
    refused.sort_unstable();
    assert_eq!(refused, REFUSED);
    assert_eq!(cases.len(), 43 + REFUSED.len());
}
