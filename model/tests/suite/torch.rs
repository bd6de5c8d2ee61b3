//! Files against PyTorch: its state dicts are read, and ours are those that it would write. `fixtures/make.py` is its side.

use std::fs;
use std::path::Path;

use chainrule_core::{Activation, LayerConfig, Network, NetworkConfig, Scalar};
use chainrule_model::{Description, Model, StateDict};
use chainrule_naive::Naive;
use ndarray::Array2;
use safetensors::SafeTensors;

#[derive(serde::Deserialize)]
struct Case {
    name: String,
    config: NetworkConfig,
    inputs: Vec<Vec<f64>>,
    outputs: Vec<Vec<f64>>,
}

fn fixtures() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&fs::read(fixtures().join("torch.json")).unwrap()).unwrap()
}

fn array<T: Scalar>(rows: &[Vec<f64>]) -> Array2<T> {
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(row, column)| T::of(rows[row][column]))
}

/// The largest difference between what PyTorch computed and what the network computes that is read from its file.
fn difference<T: Scalar>(case: &Case) -> f64 {
    let file = StateDict::read(fixtures().join(format!("{}.safetensors", case.name))).unwrap();
    let network = file.network::<T>(&case.config).unwrap();
    let found = network.predict(&Naive, &array(&case.inputs)).unwrap();
    let expected = array::<T>(&case.outputs);
    assert_eq!(found.dim(), expected.dim());
    found.iter().zip(&expected).map(|(a, b)| (a.as_f64() - b.as_f64()).abs()).fold(0.0, f64::max)
}

#[test]
fn state_dicts_of_pytorch_compute_what_they_do_there() {
    let cases = cases();
    assert_eq!(cases.len(), 4);
    for case in cases {
        // The outputs in double precision were computed in it.
        let limits = if case.name == "every" { (1e-6, 1e-13) } else { (1e-6, 1e-6) };
        let found = (difference::<f32>(&case), difference::<f64>(&case));
        assert!(found.0 < limits.0 && found.1 < limits.1, "{}: {found:?}", case.name);
    }
}

#[test]
fn what_is_written_is_what_pytorch_writes() {
    for case in cases() {
        let theirs = fs::read(fixtures().join(format!("{}.safetensors", case.name))).unwrap();
        let file = StateDict::from_bytes(theirs.clone(), "theirs").unwrap();
        let network = file.network::<f64>(&case.config).unwrap();
        let ours = Model::to_bytes(&network, &Description::default()).unwrap();
        let (ours, theirs) =
            (SafeTensors::deserialize(&ours).unwrap(), SafeTensors::deserialize(&theirs).unwrap());
        assert_eq!(ours.len(), theirs.len(), "{}", case.name);
        for (name, tensor) in theirs.iter() {
            let our = ours.tensor(name).unwrap();
            assert_eq!(our.shape(), tensor.shape(), "{name}");
            // Those that were stored in double precision already.
            if case.name == "every" {
                assert_eq!(our.dtype(), tensor.dtype(), "{name}");
                assert_eq!(our.data(), tensor.data(), "{name}");
            }
        }
    }
}

/// A model file, and what the network makes of some inputs.
fn write<T: Scalar>(folder: &Path, name: &str, config: &NetworkConfig) {
    let mut network: Network<T> = config.build(5).unwrap();
    let scale = |i: usize| T::of(1.0 + 0.1 * (i % 5) as f64);
    for (i, w) in network.parameters_mut().iter_mut().enumerate() {
        *w += scale(i) - T::one();
    }
    for (i, buffer) in network.buffers_mut().iter_mut().enumerate() {
        *buffer = scale(i);
    }
    let inputs =
        Array2::from_shape_fn((4, config.inputs), |(i, j)| T::of((7 * i + 3 * j) as f64 / 10.0 - 1.2));
    let outputs = network.predict(&Naive, &inputs).unwrap();
    let rows = |array: &Array2<T>| {
        let of = |row: ndarray::ArrayView1<'_, T>| row.iter().map(|x| x.as_f64()).collect::<Vec<_>>();
        array.rows().into_iter().map(of).collect::<Vec<_>>()
    };
    let json = serde_json::json!({"inputs": rows(&inputs), "outputs": rows(&outputs)});
    Model::save(folder.join(name).with_extension("safetensors"), &network, &Description::default()).unwrap();
    fs::write(folder.join(name).with_extension("json"), json.to_string()).unwrap();
}

/// Writes files for `fixtures/make.py FOLDER`: every layer and activation, in both element types.
#[test]
fn files_for_pytorch() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("for-torch");
    fs::create_dir_all(&folder).unwrap();
    for case in cases() {
        write::<f32>(&folder, &format!("{}-f32", case.name), &case.config);
        write::<f64>(&folder, &format!("{}-f64", case.name), &case.config);
    }
    for activation in Activation::ALL {
        let layers = vec![
            LayerConfig::dense(5, activation),
            LayerConfig::Activation { function: activation },
            LayerConfig::dense(3, activation),
        ];
        write::<f64>(&folder, activation.name(), &NetworkConfig { inputs: 2, layers });
    }
    // What is there can be read.
    let model = Model::read(folder.join("every-f64.safetensors")).unwrap();
    assert_eq!(model.network::<f64>().unwrap().config().unwrap(), cases()[0].config);
    println!("{}", folder.display());
}
