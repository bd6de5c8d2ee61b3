//! What is exported is read back as the same network.

use chainrule_core::{Activation, LayerConfig, Scalar};
use chainrule_naive::Naive;
use chainrule_onnx::{ElementType, ImportedModel, from_onnx, to_onnx};

use crate::common::{Case, cases, inputs, outputs, single};

/// The layers as a file has them: without dropout and initial values, activations drawn into the dense layers before them, and scales
/// where the operators ask for them.
fn as_in_files(layers: Vec<LayerConfig>) -> Vec<LayerConfig> {
    let dense = |outputs, activation, bias| LayerConfig::Dense {
        outputs,
        activation,
        bias,
        weights: None,
        biases: None,
    };
    let mut read: Vec<LayerConfig> = Vec::new();
    for layer in layers {
        let layer = match (layer, read.last()) {
            (LayerConfig::Dropout { .. } | LayerConfig::Activation { function: Activation::Identity }, _) => {
                continue;
            }
            (
                LayerConfig::Activation { function },
                Some(&LayerConfig::Dense { outputs, activation: Activation::Identity, bias, .. }),
            ) => {
                read.pop();
                dense(outputs, function, bias)
            }
            (LayerConfig::Dense { outputs, activation, bias, .. }, _) => dense(outputs, activation, bias),
            (LayerConfig::BatchNorm { epsilon, momentum, .. }, _) => {
                LayerConfig::BatchNorm { epsilon, momentum: 1.0 - (1.0 - momentum), affine: true }
            }
            (LayerConfig::LayerNorm { epsilon, affine, bias }, _) => {
                LayerConfig::LayerNorm { epsilon, affine: true, bias: affine && bias }
            }
            (LayerConfig::Prelu { per_input, .. }, _) => LayerConfig::Prelu { per_input, initial: 0.25 },
            (LayerConfig::Residual { layers }, _) => LayerConfig::Residual { layers: as_in_files(layers) },
            (other, _) => other,
        };
        read.push(layer);
    }
    if read.is_empty() {
        read.push(LayerConfig::Activation { function: Activation::Identity });
    }
    read
}

fn check<T: Scalar>(cases: Vec<Case<T>>, element: ElementType) {
    for case in cases {
        let name = &case.name;
        let bytes = to_onnx(&case.network, &case.options).unwrap();
        let model: ImportedModel<T> = from_onnx(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(model.element, element, "{name}");
        // RMS normalisation has ε as a constant: rounded, and that of the element type where none is given.
        let mut expected = as_in_files(case.network.config().unwrap().layers);
        let mut found = model.network.config().unwrap().layers;
        for layer in expected.iter_mut().chain(&mut found) {
            if let LayerConfig::RmsNorm { epsilon, .. } = layer {
                let given = epsilon.filter(|&e| e > 1e-6);
                *epsilon = given.map(|e| <f32 as Scalar>::of(e).into());
            }
        }
        // A matrix is read as one more dense layer.
        if case.preprocess.is_empty() {
            assert_eq!(found, expected, "{name}");
        }
        let (ours, read) = (outputs(&Naive, &case).unwrap(), model.predict(&Naive, &inputs()).unwrap());
        assert_eq!(ours.dim(), read.dim(), "{name}");
        let tolerance = if element == ElementType::F32 { 2e-6 } else { 1e-12 };
        for (a, b) in ours.iter().zip(&read) {
            let (a, b) = (a.as_f64(), b.as_f64());
            assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{name}: {a} and {b}");
        }
    }
}

#[test]
fn all_layers_and_activations() {
    check(cases::<f32>(), ElementType::F32);
    check(cases::<f64>(), ElementType::F64);
    check(single(), ElementType::F32);
}

#[test]
fn what_surrounds_a_network() {
    let case = cases::<f32>().into_iter().find(|case| case.name == "names-f32").unwrap();
    let model = from_onnx::<f64>(&to_onnx(&case.network, &case.options).unwrap()).unwrap();
    assert_eq!((model.input.as_str(), model.output.as_str()), ("0.weight", "y"));
    assert_eq!(model.producer, ("chainrule".to_owned(), "test".to_owned()));
    assert_eq!(model.metadata, [("classes".to_owned(), r#"["a","b"]"#.to_owned())]);
    let widened: Vec<f64> = case.network.parameters().iter().map(|&x| x.into()).collect();
    assert_eq!(model.network.parameters(), widened);

    let case = cases::<f64>().into_iter().find(|case| case.name == "preprocess-f64").unwrap();
    let model = from_onnx::<f64>(&to_onnx(&case.network, &case.options).unwrap()).unwrap();
    // The matrix is read as a dense layer, with the division after it.
    assert_eq!(model.preprocess, case.preprocess[..2]);
    assert_eq!(model.network.layers().len(), 2);
}
