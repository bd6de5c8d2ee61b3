//! Exported files against those that onnxruntime ran, and chainrule's outputs against onnxruntime's.
//!
//! `make.py` ran the files in `fixtures/exported` and wrote the outputs of onnxruntime to `fixtures/exported.json`. Where a file
//! changes on purpose, it has to be made anew.

use std::collections::BTreeSet;
use std::path::Path;

use chainrule_core::{Activation, Network, Scalar};
use chainrule_naive::Naive;
use chainrule_onnx::{ElementType, Error, ExportOptions, Preprocess, to_onnx};
use ndarray::{Array2, array};
use serde_json::Value;

use crate::common::{Case, cases, inputs, outputs, single};

const TOLERANCE: f64 = 1e-5;

fn matrix(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn check<T: Scalar>(verified: &Value, cases: Vec<Case<T>>, names: &mut BTreeSet<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exported");
    for case in cases {
        let name = &case.name;
        let file = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
        assert!(
            to_onnx(&case.network, &case.options).unwrap() == file,
            "{name}: not the bytes that onnxruntime ran"
        );
        let (ours, theirs) = (outputs(&Naive, &case).unwrap(), matrix(&verified[name]));
        assert_eq!(ours.dim(), theirs.dim(), "{name}");
        for (a, &b) in ours.iter().map(|x| x.as_f64()).zip(&theirs) {
            assert!((a - b).abs() <= TOLERANCE * b.abs().max(1.0), "{name}: {a}, onnxruntime has {b}");
        }
        names.insert(name.clone());
    }
}

#[test]
fn files_are_those_that_onnxruntime_ran_with_our_outputs() {
    let verified: Value = serde_json::from_str(include_str!("../fixtures/exported.json")).unwrap();
    let mut names = BTreeSet::new();
    check(&verified, cases::<f32>(), &mut names);
    check(&verified, cases::<f64>(), &mut names);
    check(&verified, single(), &mut names);
    assert_eq!(names, verified.as_object().unwrap().keys().cloned().collect());
    for g in Activation::ALL {
        for element in ["f32", "f64"] {
            assert!(
                names.contains(&format!("{}-{element}", g.to_string().replace(':', "-"))),
                "{g} in {element}"
            );
        }
    }
}

#[test]
fn what_no_file_can_hold_is_refused() {
    let mut network = Network::<f64>::builder(3).dense(2, Activation::Relu).build(1).unwrap();
    let refusal =
        |network: &Network<f64>, options: ExportOptions| to_onnx(network, &options).unwrap_err().to_string();
    let usual = ExportOptions::default;
    let affine =
        |mean: &[f64], scale: &[f64]| Preprocess::Affine { mean: mean.to_vec(), scale: scale.to_vec() };

    assert!(refusal(&network, usual().input("x").output("x")).contains("\"x\" and \"x\""));
    assert!(refusal(&network, usual().output("")).contains("expected two names"));
    for (step, told) in [
        (affine(&[1.0; 4], &[1.0]), "4 features, expected 3, the network's inputs"),
        (
            affine(&[1.0; 3], &[1.0; 2]),
            "the scale of a preprocessing step: 2 numbers, expected one, or one for each of 3",
        ),
        (affine(&[], &[1.0]), "0 features"),
        (affine(&[0.0], &[0.0]), "the scale of a preprocessing step: 0,"),
        (affine(&[f64::NAN], &[1.0]), "the mean of a preprocessing step: NaN"),
        (Preprocess::Matrix(array![[1.0, 0.0]]), "1 features, expected 3"),
        (Preprocess::Matrix(Array2::zeros((0, 3))), "shape 0×3"),
    ] {
        let message = refusal(&network, usual().preprocess(step.clone()));
        assert!(message.contains(told), "{step:?}: {message}");
    }
    let message = refusal(&network, usual().preprocess(affine(&[0.0], &[1e-60])).element(ElementType::F32));
    assert!(message.contains("preprocess.0.scale: a number that f32 rounds to 0"), "{message}");

    network.parameters_mut()[1] = 1e39;
    assert!(to_onnx(&network, &usual()).is_ok());
    let message = refusal(&network, usual().element(ElementType::F32));
    assert!(message.contains("0.weight, to be exported as f32"), "{message}");
    network.parameters_mut()[1] = f64::INFINITY;
    assert!(refusal(&network, usual()).contains("0.weight"));
}

#[test]
fn foreign_layers_are_refused() {
    use chainrule_core::layer::{Kept, Layer, Pass};
    use ndarray::ArrayRef2;

    #[derive(Debug)]
    struct Foreign;

    impl Layer<f32> for Foreign {
        fn name(&self) -> &'static str {
            "foreign"
        }
        fn input_size(&self) -> usize {
            3
        }
        fn output_size(&self) -> usize {
            3
        }
        fn forward(
            &self,
            pass: &Pass<'_, f32>,
            _: &mut [f32],
            output: &mut ArrayRef2<f32>,
        ) -> chainrule_core::Result<()> {
            output.assign(&pass.input);
            Ok(())
        }
        fn backward(
            &self,
            _: &Pass<'_, f32>,
            _: Kept<'_, f32>,
            delta: &ArrayRef2<f32>,
            below: &mut ArrayRef2<f32>,
        ) -> chainrule_core::Result<()> {
            below.assign(delta);
            Ok(())
        }
    }

    let network = Network::builder(3).layer(Foreign).build(1).unwrap();
    assert_eq!(network.predict(&Naive, &inputs()).unwrap(), inputs::<f32>());
    let error = to_onnx(&network, &ExportOptions::default()).unwrap_err();
    assert!(matches!(&error, Error::Network(_)), "{error}");
    assert!(error.to_string().contains("foreign"), "{error}");
}
