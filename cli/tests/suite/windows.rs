//! Arrays that are larger than the memory they are trained in.

use std::fs::File;
use std::path::Path;

use crate::common::{file, flowers, json, refused, stdout};
use ndarray::{Array1, Array2};
use ndarray_npy::WriteNpyExt as _;
use serde_json::Value;

const ROWS: usize = 60_000;
const COLUMNS: usize = 32;

/// 7.3 MiB of inputs far from 0, whose first two tell the class, and a number.
fn arrays(folder: &Path) -> [String; 3] {
    let number = |i: usize, j: usize| ((i * (2 * j + 31)) % 1009) as f32 / 1009.0;
    let x = Array2::from_shape_fn((ROWS, COLUMNS), |(i, j)| 50.0 + number(i, j));
    let sum = |i: usize| number(i, 0) + number(i, 1);
    let classes = Array1::from_shape_fn(ROWS, |i| i64::from(sum(i) > 1.0));
    let values = Array1::from_shape_fn(ROWS, |i| 1000.0 * sum(i));
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let paths = [at("x.npy"), at("classes.npy"), at("values.npy")];
    x.write_npy(File::create(&paths[0]).unwrap()).unwrap();
    classes.write_npy(File::create(&paths[1]).unwrap()).unwrap();
    values.write_npy(File::create(&paths[2]).unwrap()).unwrap();
    paths
}

#[test]
fn a_file_is_trained_on_window_by_window() {
    let folder = tempfile::tempdir().unwrap();
    let [x, classes, values] = arrays(folder.path());
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let window = ["--window", "1", "--hidden", "16"];
    let args =
        |y: &str| [&["train", &x, y, "--epochs", "16", "--out", &model][..], &window].concat().join(" ");
    let run = |y: &str| {
        let args = args(y);
        json(&args.split(' ').collect::<Vec<_>>())
    };
    let (epochs, summary) = run(&classes);
    assert_eq!(epochs.len(), 16);
    assert!(summary["test_accuracy"].as_f64().unwrap() > 0.97, "{summary}");
    // The window, a quarter of one to test with, the network: not the file.
    let stated = summary["stated_memory"].as_u64().unwrap();
    assert!(stated < 3 << 19, "{stated}");
    if let (Some(before), Some(most)) = (summary["memory_before"].as_u64(), summary["peak_memory"].as_u64()) {
        assert!(most < before + (4 << 20), "{summary}");
    }
    // What was fitted on the first window goes with the model, and does for the file as a whole.
    let measured = stdout(&["evaluate", &model, &x, "--targets", &classes, "--json"]);
    let measured: Value = serde_json::from_str(&measured).unwrap();
    assert!(measured["rows"] == ROWS && measured["accuracy"].as_f64().unwrap() > 0.97, "{measured}");

    let (_, summary) = run(&values);
    assert!(summary["test_r2"].as_f64().unwrap() > 0.97, "{summary}");
    let told = stdout(&["predict", &model, &x, "-q"]);
    let first: f64 = told.lines().nth(2).unwrap().parse().unwrap();
    // Row 1: (31 + 33) / 1009.
    assert!((first - 63.4).abs() < 80.0, "{first}");

    let told = stdout(&["train", &x, &classes, "--window", "1", "--hidden", "8", "--test-share", "0.5"]);
    assert!(told.contains("30000 samples to train in 5 windows of "), "{told}");
    assert!(told.contains(", one an epoch, 30000 to test"), "{told}");
}

#[test]
fn what_goes_on_has_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let [x, classes, _] = arrays(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let train = |name: &str, epochs: &str| {
        let args = [
            "train",
            &x,
            &classes,
            "--window",
            "1",
            "--hidden",
            "8",
            "-q",
            "--early-stopping",
            "50",
            "--schedule",
            "constant",
        ];
        stdout(&[&args[..], &["--epochs", epochs, "--run", &path(name)]].concat());
    };
    train("whole", "20");
    // Within the first pass, and after it.
    train("parts", "3");
    for epochs in ["11", "20"] {
        stdout(&["train", "--resume", &path("parts"), "--epochs", epochs, "-q"]);
    }
    let read = |name: &str, file: &str| std::fs::read(folder.path().join(name).join(file)).unwrap();
    assert!(read("whole", "model.safetensors") == read("parts", "model.safetensors"));
    let settled = String::from_utf8(read("whole", "config.toml")).unwrap();
    assert!(settled.contains("window = 1\n"), "{settled}");
}

#[test]
fn windows_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let [x, classes, _] = arrays(folder.path());
    let table = file(folder.path(), "flowers.csv", flowers());
    refused(&["train", &table, "--window", "1"], 2, &["--window", "two NPY files", "flowers.csv"]);
    refused(&["train", "digits", "--window", "1"], 2, &["--window", "two NPY files", "digits"]);
    refused(&["train", &x, "--window", "1"], 2, &["--window needs two NPY files"]);
    refused(&["train", &x, &classes, "--window", "0"], 2, &["0", "--window"]);
    let args = ["train", &x, &classes, "--window", "1"];
    for (more, code, told) in [
        (&["--class-weights", "balanced"][..], 2, "--window knows no weights"),
        (&["--sample-weights", &x], 2, "--window knows no weights"),
        (&["--l2", "0.1"], 2, "--set weight-decay"),
        (&["--test-share", "0"], 1, "some to test with"),
    ] {
        refused(&[&args[..], more].concat(), code, &[told]);
    }
    let short = folder.path().join("short.npy").to_str().unwrap().to_owned();
    Array1::<i64>::zeros(10).write_npy(File::create(&short).unwrap()).unwrap();
    refused(&["train", &x, &short, "--window", "1"], 2, &["10 × 1 targets", "as many targets as inputs"]);
}
