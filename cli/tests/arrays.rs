//! Arrays: NPY and NPZ files to train with, to measure on and to predict from; preprocessing that turns them.

mod common;

use std::fs::File;
use std::path::Path;

use common::{chainrule, json, refused, stdout};
use ndarray::{Array1, Array2, array};
use ndarray_npy::{WriteNpyExt as _, read_npy};
use serde_json::Value;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Points whose class is the sign of a sum, beside inputs that tell nothing.
fn points(n: usize) -> (Array2<f32>, Array1<i64>) {
    let x = Array2::from_shape_fn((n, 5), |(i, j)| ((37 * i + 11 * j * (i + 1)) % 101) as f32 / 50.0 - 1.0);
    let y = x.rows().into_iter().map(|row| i64::from(row[0] + row[1] > 0.0)).collect();
    (x, y)
}

fn npz(path: &Path, names: [&str; 2], n: usize) -> String {
    let (x, y) = points(n);
    let mut file = ZipWriter::new(File::create(path).unwrap());
    for name in names {
        file.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        if name == names[0] { x.write_npy(&mut file) } else { y.write_npy(&mut file) }.unwrap();
    }
    file.finish().unwrap();
    path.to_str().unwrap().to_owned()
}

fn npy(path: &Path, array: &Array2<f32>) -> String {
    array.write_npy(File::create(path).unwrap()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn archives_are_trained_on_measured_and_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = npz(&at("points.npz"), ["x", "y"], 400);
    let model = at("model").to_str().unwrap().to_owned();
    let (_, summary) = json(&["train", &data, "--out", &model, "--epochs", "40"]);
    assert!(summary["test_accuracy"].as_f64().unwrap() > 0.9, "{summary}");
    let evaluated: Value = serde_json::from_str(&stdout(&["evaluate", &model, &data, "--json"])).unwrap();
    assert_eq!(evaluated["rows"], 400);
    assert!(evaluated["accuracy"].as_f64().unwrap() > 0.9, "{evaluated}");

    // The same inputs as an array, from a file and from standard input.
    let inputs = npy(&at("x.npy"), &points(400).0);
    let out = at("p.npy").to_str().unwrap().to_owned();
    stdout(&["predict", &model, &inputs, "--out", &out]);
    let probabilities: Array2<f32> = read_npy(at("p.npy")).unwrap();
    assert_eq!(probabilities.dim(), (400, 2));
    let piped =
        chainrule().args(["predict", &model, "-"]).write_stdin(std::fs::read(&inputs).unwrap()).unwrap();
    let piped = String::from_utf8(piped.stdout).unwrap();
    assert_eq!(piped, stdout(&["predict", &model, &data]));
    assert_eq!(piped.lines().count(), 401);

    let renamed = npz(&at("renamed.npz"), ["inputs", "labels"], 50);
    refused(&["evaluate", &model, &renamed], 1, &["one named `x`"]);
    stdout(&["evaluate", &model, &renamed, "--arrays", "inputs,labels"]);
    let narrow = npy(&at("narrow.npy"), &array![[1.0, 2.0]]);
    refused(&["predict", &model, &narrow], 1, &["2 columns", "expected 5"]);
}

#[test]
fn inputs_and_targets_may_lie_in_two_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (x, _) = points(300);
    let y = Array2::from_shape_fn((300, 2), |(i, j)| if j == 0 { 30.0 * x[[i, 0]] } else { x[[i, 3]] - 5.0 });
    let (inputs, targets) = (npy(&at("x.npy"), &x), npy(&at("y.npy"), &y));
    let model = at("model").to_str().unwrap().to_owned();
    let (_, summary) = json(&["train", &inputs, &targets, "--out", &model]);
    assert!(summary["test_r2"].as_f64().unwrap() > 0.95, "{summary}");
    let evaluated = stdout(&["evaluate", &model, &inputs, "--targets", &targets, "--json"]);
    let evaluated: Value = serde_json::from_str(&evaluated).unwrap();
    assert!(evaluated["r2"].as_f64().unwrap() > 0.95, "{evaluated}");
    let few = npy(&at("few.npy"), &array![[1.0, 2.0]]);
    refused(&["train", &inputs, &few], 1, &["1 targets", "300 rows"]);
    refused(&["train", &inputs, &few, &few], 2, &[]);
}

#[test]
fn preprocessing_goes_with_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let train = ["train", "digits", "--epochs", "3", "--out", &model, "--scaling"];
    let (_, summary) = json(&[&train[..], &["standardise then pca-whiten:20"]].concat());
    let test = summary["test_accuracy"].as_f64().unwrap();
    assert!(test > 0.8, "{summary}");
    let inspected = stdout(&["inspect", &model]);
    assert!(inspected.contains("20"), "{inspected}");
    let evaluated: Value = serde_json::from_str(&stdout(&["evaluate", &model, "digits", "--json"])).unwrap();
    assert!((evaluated["accuracy"].as_f64().unwrap() - test).abs() < 0.1, "{evaluated}");
    let onnx = folder.path().join("model.onnx");
    stdout(&["export", &model, "--onnx", onnx.to_str().unwrap()]);
    assert!(onnx.metadata().unwrap().len() > 1000);
    refused(&[&train[..], &["pca:many"]].concat(), 2, &["pca:many"]);
}
