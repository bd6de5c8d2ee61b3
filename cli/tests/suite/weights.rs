//! Weights of samples: of tables and of arrays, beside those of classes.

use std::fs::File;
use std::path::Path;

use crate::common::{file, json, refused, stdout};
use ndarray::{Array1, Array2};
use ndarray_npy::WriteNpyExt as _;
use serde_json::Value;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Half of the rows say y = 2x and count, the others say y = −2x and have this weight.
fn contradicting(weight: &str) -> String {
    let row = |row: u32| {
        let x = f64::from(row % 10) / 10.0;
        let (weight, y) = if (row / 10).is_multiple_of(2) { ("1.5", 2.0 * x) } else { (weight, -2.0 * x) };
        format!("{x},{weight},{y}\n")
    };
    "x,trust,y\n".to_owned() + &(0..100).map(row).collect::<String>()
}

#[test]
fn rows_of_a_table_count_by_their_weights_in_training() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "data.csv", contradicting("0"));
    let new = file(folder.path(), "new.csv", "x\n0.9\n");
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let told = |more: &[&str]| -> f64 {
        let args = ["train", &data, "--target", "y", "--out", &model, "--epochs", "60", "--dropout", "0"];
        json(&[&args[..], more].concat());
        stdout(&["predict", &model, &new]).lines().nth(1).unwrap().parse().unwrap()
    };
    assert!(told(&["--ignore", "trust"]).abs() < 0.6);
    // Most steps of one row have none that counts.
    let single = told(&["--sample-weights", "trust", "--batch-size", "1"]);
    assert!((single - 1.8).abs() < 0.2, "{single}");
    let weighted = told(&["--sample-weights", "trust"]);
    assert!((weighted - 1.8).abs() < 0.2, "{weighted}");

    // The model knows nothing of weights: what is measured counts all rows alike, with the column or without.
    let measured = |path: &str| -> Value {
        serde_json::from_str(&stdout(&["evaluate", &model, path, "--json"])).unwrap()
    };
    let bare = |line: &str| line.split(',').step_by(2).collect::<Vec<_>>().join(",") + "\n";
    let bare: String = contradicting("0").lines().map(bare).collect();
    let with = measured(&data);
    assert_eq!(with, measured(&file(folder.path(), "bare.csv", bare)));
    assert!(with["mae"].as_f64().unwrap() > 0.5, "{with}");
    assert!(!stdout(&["inspect", &model]).contains("trust"));
}

#[test]
fn weights_by_a_configuration_and_what_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "data.csv", contradicting("0"));
    let text = format!("[data]\nsource = ['{data}']\ntarget = 'y'\nsample-weights = 'trust'\n");
    let config = file(folder.path(), "run.toml", &text);
    let loss = |args: &[&str]| json(&[&["train", "--epochs", "1"], args].concat()).1["train_loss"].clone();
    let args = ["train", &data, "--target", "y", "--sample-weights"];
    let by_flag = loss(&[&args[1..], &["trust"]].concat());
    assert_eq!(loss(&["--config", &config]), by_flag);
    assert_ne!(loss(&[&data, "--target", "y", "--ignore", "trust"]), by_flag);

    let bad = file(folder.path(), "bad.csv", contradicting("-1"));
    let told = "bad.csv, line 12, column 2 (trust): found `-1`, expected a weight, a number of at least 0";
    refused(&["train", &bad, "--target", "y", "--sample-weights", "trust"], 1, &[told]);
    refused(&[&args[..], &["y"]].concat(), 2, &["weights", "column 3"]);
    refused(&[&args[..], &["trsut"]].concat(), 1, &["data.csv", "one named `trsut`"]);
    refused(&["train", "digits", "--sample-weights", "trust"], 2, &["digits", "--sample-weights"]);
    let none = file(folder.path(), "none.csv", contradicting("0").replace("1.5", "0"));
    refused(&["train", &none, "--target", "y", "--sample-weights", "trust"], 1, &["none.csv", "all 0"]);
}

/// An archive of these arrays.
fn npz(path: &Path, x: &Array2<f32>, y: &Array1<i64>, weights: &Array1<f64>) -> String {
    let mut file = ZipWriter::new(File::create(path).unwrap());
    file.start_file("x.npy", SimpleFileOptions::default()).unwrap();
    x.write_npy(&mut file).unwrap();
    file.start_file("y.npy", SimpleFileOptions::default()).unwrap();
    y.write_npy(&mut file).unwrap();
    file.start_file("w.npy", SimpleFileOptions::default()).unwrap();
    weights.write_npy(&mut file).unwrap();
    file.finish().unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn rows_of_arrays_count_by_a_third_array() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let x = Array2::from_shape_fn((200, 3), |(i, j)| ((31 * i + 17 * j) % 23) as f32);
    let y: Array1<i64> = (0..200).map(|row| row % 3 / 2).collect();
    let weights: Array1<f64> = (0..200).map(|row| f64::from(row % 5)).collect();
    let archive = npz(&path("data.npz"), &x, &y, &weights);
    let array = |name: &str| path(name).to_str().unwrap().to_owned();
    x.write_npy(File::create(path("x.npy")).unwrap()).unwrap();
    y.write_npy(File::create(path("y.npy")).unwrap()).unwrap();
    weights.write_npy(File::create(path("w.npy")).unwrap()).unwrap();
    let (x, y, w) = (array("x.npy"), array("y.npy"), array("w.npy"));

    let losses = |args: &[&str]| {
        let (epochs, _) = json(&[&["train", "--epochs", "2"], args].concat());
        epochs.iter().map(|epoch| epoch["train_loss"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    let plain = losses(&[&archive]);
    let weighted = losses(&[&archive, "--sample-weights", "w"]);
    assert_ne!(plain, weighted);
    assert_eq!(losses(&[&x, &y, "--sample-weights", &w]), weighted);
    // Weights of classes are multiplied with them.
    let balanced = losses(&[&archive, "--class-weights", "balanced"]);
    let both = losses(&[&archive, "--class-weights", "balanced", "--sample-weights", "w"]);
    assert!(![&plain, &weighted, &balanced].contains(&&both));

    refused(&["train", &archive, "--sample-weights", "v"], 1, &["data.npz", "one named `v`"]);
    refused(&["train", &archive, "--sample-weights", "x"], 1, &["array x", "200 × 3", "200 × 1"]);
    refused(&["train", &x, &y, "--sample-weights", &array("none.npy")], 1, &["none.npy", "cannot be read"]);
    let mut negative = weights;
    negative[3] = -0.5;
    negative.write_npy(File::create(path("negative.npy")).unwrap()).unwrap();
    let told = "negative.npy, element [3, 0]: found -0.5, expected a weight, a number of at least 0";
    refused(&["train", &x, &y, "--sample-weights", &array("negative.npy")], 1, &[told]);
}
