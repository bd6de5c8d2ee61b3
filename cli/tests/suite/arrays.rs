//! Arrays: NPY and NPZ files to train with, to measure on and to predict from; preprocessing that turns them.

use std::fs::File;
use std::path::Path;

use crate::common::{chainrule, json, refused, stdout};
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
fn whole_numbers_that_are_hardly_classes_have_to_be_explained() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let x = npy(&at("x.npy"), &points(100).0);
    let prices: Array1<i64> = (0..100).map(|row| 1000 + 150 * (row % 37)).collect();
    prices.write_npy(File::create(at("y.npy")).unwrap()).unwrap();
    let y = at("y.npy").to_str().unwrap().to_owned();
    refused(&["train", &x, &y], 1, &["x.npy", "whole numbers up to 6400 as targets of 100 rows", "--task"]);
    let (_, summary) = json(&["train", &x, &y, "--task", "regression", "--epochs", "1"]);
    assert!(summary["test_r2"].is_f64(), "{summary}");
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

/// The pictures of a page, as (width, height, colour type): 0 is grey, 2 has colours.
fn pictures(page: &Path) -> Vec<(u32, u32, u8)> {
    let page = std::fs::read_to_string(page).unwrap();
    let encoded = page.split("data:image/png;base64,").skip(1).map(|rest| rest.split('"').next().unwrap());
    // The first 26 bytes of a PNG file hold its header; 36 characters are 27 bytes.
    let header = |text: &str| {
        let bits = text.bytes().take(36).flat_map(|character| {
            let value =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".find(character as char);
            let value = value.unwrap();
            (0..6).rev().map(move |bit| value >> bit & 1 == 1)
        });
        let bits: Vec<bool> = bits.collect();
        let bytes: Vec<u8> =
            bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit))).collect();
        let size = |at: usize| bytes[at..at + 4].iter().fold(0, |size, &byte| size << 8 | u32::from(byte));
        (size(16), size(20), bytes[25])
    };
    encoded.map(header).collect()
}

#[test]
fn mistakes_are_pictures_where_the_data_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let targets = at("y.npy");
    Array1::from_shape_fn(60, |row| i64::from(row % 7 > 2))
        .write_npy(File::create(&targets).unwrap())
        .unwrap();
    for (index, (shape, expected)) in [
        (vec![60, 4, 5, 3], Some((5, 4, 2))),
        (vec![60, 3, 4, 5], Some((5, 4, 2))),
        (vec![60, 4, 15], Some((15, 4, 0))),
        (vec![60, 60], None),
    ]
    .into_iter()
    .enumerate()
    {
        let numbers = (0..3600).map(|place| (place * 37 % 101) as f32).collect();
        let inputs = ndarray::ArrayD::from_shape_vec(shape, numbers).unwrap();
        let (x, run) = (at("x.npy"), at(&format!("run{index}")));
        inputs.write_npy(File::create(&x).unwrap()).unwrap();
        stdout(&["train", &x, &targets, "--epochs", "2", "-q", "--run", &run]);
        let pictures = pictures(&Path::new(&run).join("report.html"));
        match expected {
            None => assert!(pictures.is_empty()),
            Some(expected) => {
                assert!(!pictures.is_empty() && pictures.iter().all(|&found| found == expected));
            }
        }
    }
    // What is trained on has no pixels any more, but had some.
    let run = at("components");
    stdout(&["train", "digits", "--scaling", "pca:20", "--epochs", "1", "-q", "--run", &run]);
    let pictures = pictures(&Path::new(&run).join("report.html"));
    assert!(!pictures.is_empty() && pictures.iter().all(|&found| found == (8, 8, 0)), "{pictures:?}");
}

/// What a run takes beyond what the program had before is what was stated, with room for the backend's buffers and for the
/// allocator. (Measuring on the data to test with is no part of it: they are few here.)
#[cfg(target_os = "linux")]
#[test]
fn a_run_takes_the_memory_that_was_stated() {
    const ALLOWANCE: u64 = 12 << 20;
    let folder = tempfile::tempdir().unwrap();
    let data = npz(&folder.path().join("points.npz"), ["x", "y"], 900);
    for optimizer in ["sgd", "adam"] {
        let args = [
            "--hidden",
            "2000,1500",
            "--optimizer",
            optimizer,
            "--batch-size",
            "600",
            "--epochs",
            "2",
            "--test-share",
            "0.01",
        ];
        let args =
            [&["train", &data, "--json", "--threads", "1", "--schedule", "step:1,1"][..], &args].concat();
        let text = stdout(&args);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let (stated, summary) = (&lines[0]["memory"], &lines[lines.len() - 1]["summary"]);
        let parts = stated.as_object().unwrap().iter().filter(|(name, _)| *name != "total");
        assert_eq!(
            parts.map(|(_, bytes)| bytes.as_u64().unwrap()).sum::<u64>(),
            stated["total"].as_u64().unwrap()
        );
        assert_eq!(summary["stated_memory"], stated["total"]);
        let of = |name: &str| summary[name].as_u64().unwrap();
        // The data and the network are there when training begins.
        let there = stated["data"].as_u64().unwrap() + 4 * of("parameters");
        let (new, taken) = (of("stated_memory") - there, of("peak_memory") - of("memory_before"));
        assert!(new > 2 * ALLOWANCE, "{stated}");
        assert!(
            taken <= new + ALLOWANCE && taken + ALLOWANCE >= new,
            "{taken} taken of {new} stated: {lines:?}"
        );
    }
    let told = stdout(&["train", &data, "--epochs", "1"]);
    assert!(told.contains("training takes") && told.contains("when training began"), "{told}");
}

#[test]
fn flags_that_say_nothing_about_the_data_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = npz(&at("points.npz"), ["x", "y"], 100);
    let inputs = npy(&at("x.npy"), &points(100).0);
    points(100).1.write_npy(File::create(at("y.npy")).unwrap()).unwrap();
    let targets = at("y.npy").to_str().unwrap().to_owned();
    let table = crate::common::file(folder.path(), "flowers.csv", crate::common::flowers());
    let of_tables = [
        ("--target", "y"),
        ("--categorical", "1"),
        ("--ignore", "1"),
        ("--delimiter", ";"),
        ("--header", "no"),
        ("--skip", "1"),
        ("--missing", "mean"),
        ("--unknown-categories", "zeros"),
    ];
    for (flag, value) in of_tables {
        for args in [&["train", &data][..], &["train", &inputs, &targets], &["train", "digits"]] {
            let told = [flag, "is for tables (CSV), found", args[1]];
            refused(&[args, &["--epochs", "1", flag, value]].concat(), 2, &told);
        }
        refused(&["find-lr", &data, flag, value], 2, &[flag, "points.npz"]);
    }
    let config = format!("[data]\nsource = ['{data}']\n[preprocessing]\nmissing = 'mean'\n");
    let config = crate::common::file(folder.path(), "run.toml", config);
    refused(&["train", "--config", &config], 2, &["--missing is for tables (CSV)"]);
    for (args, told) in [
        (&[&inputs[..], &targets, "--arrays", "x,y"][..], "--arrays is for archives (NPZ)"),
        (&[&table, "--arrays", "x,y"], "--arrays is for archives (NPZ)"),
        (&["digits", "--arrays", "x,y"], "--arrays is for archives (NPZ)"),
        (&["digits", "--data-dir", "."], "--data-dir is for mnist, found digits"),
        (&[&table, "--data-dir", "."], "--data-dir is for mnist"),
        (&["digits", "--task", "regression"], "digits has classes to predict"),
        (&["digits", "--test-share", "0.5"], "digits says itself what is to test with"),
        (&["digits", "--raw-targets"], "--raw-targets is for numbers to predict"),
        (&[&data, "--raw-targets"], "--raw-targets is for numbers to predict"),
        (&[&table, "--raw-targets"], "--raw-targets is for numbers to predict"),
        (&[&table, &table, "--test-share", "0.5"], "--test-share is for a single file"),
        (&[&data, &data, "--test-share", "0.5"], "--test-share is for a single file"),
        (&["--preset", "nielsen-30", "--validation-share", "0.5"], "the preset says what is for validation"),
    ] {
        refused(&[&["train"], args].concat(), 2, &[told]);
    }
    // What holds anyway may be said.
    stdout(&["train", &data, "--epochs", "1", "--missing", "refuse", "--raw-targets=false"]);
    stdout(&["train", "digits", "--epochs", "1", "--task", "classification"]);
    let model = at("model").to_str().unwrap().to_owned();
    stdout(&["train", &inputs, &targets, "--epochs", "1", "--test-share", "0.5", "--out", &model]);

    for (flag, value) in [("--delimiter", ";"), ("--header", "no"), ("--skip", "1")] {
        for command in ["evaluate", "predict"] {
            refused(&[command, &model, &data, flag, value], 2, &[flag, "is for tables (CSV)", "points.npz"]);
            refused(&[command, &model, "digits", flag, value], 2, &[flag, "is for tables (CSV)", "digits"]);
        }
        let piped = std::fs::read(&inputs).unwrap();
        let command = ["predict", &model, "-", flag, value];
        let assert = chainrule().args(command).write_stdin(piped).assert().code(2).stdout("");
        let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(message.contains("found arrays, standard input"), "{message}");
    }
    refused(&["evaluate", &model, &data, "--targets", &targets], 2, &["--targets is for an array (NPY)"]);
    refused(&["evaluate", &model, &inputs, "--arrays", "x,y"], 2, &["--arrays is for archives (NPZ)"]);
    refused(&["predict", &model, &inputs, "--data-dir", "."], 2, &["--data-dir is for mnist"]);
}
