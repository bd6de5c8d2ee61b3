//! Tables: what is guessed, what is reached, configuration files, and what reads the models afterwards.

use crate::common::{chainrule, file, flowers, json, refused, rents, stdout};
use serde_json::Value;

#[test]
fn the_task_is_guessed_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    let out = stdout(&["train", &data, "--target", "species", "--epochs", "60"]);
    assert!(out.contains("classification into 3 classes, since the target is text `species`"), "{out}");
    assert!(out.contains("2-128 silu-dropout 0.5-3-softmax") && out.contains("adamw"), "{out}");
    assert!(out.contains("48 samples to train, 12 to test"), "{out}");

    let data = file(folder.path(), "rents.csv", rents(200));
    let out = stdout(&["train", &data, "--target", "rent", "--epochs", "60"]);
    assert!(out.contains("regression, since the target is numbers `rent`"), "{out}");
    assert!(out.contains("test R²"), "{out}");

    let numbers = file(folder.path(), "numbers.csv", "a,b\n".to_owned() + &"1,0\n2,1\n3,0\n4,1\n".repeat(10));
    let guessed = stdout(&["train", &numbers, "--epochs", "1"]);
    assert!(guessed.contains("classification into 2 classes, since the target has few values"), "{guessed}");
    let told = stdout(&["train", &numbers, "--epochs", "1", "--task", "regression"]);
    assert!(told.contains("regression, as told"), "{told}");
}

#[test]
fn numbers_are_predicted_in_their_own_units() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "rents.csv", rents(300));
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let (_, summary) = json(&["train", &data, "--target", "rent", "--out", &model, "--dtype", "f64"]);
    assert!(summary["test_r2"].as_f64().unwrap() > 0.95, "{summary}");
    assert!(summary.get("test_accuracy").is_none());

    // What the whole model tells of the whole table is what its predictions come to.
    let evaluated: Value = serde_json::from_str(&stdout(&["evaluate", &model, &data, "--json"])).unwrap();
    let predicted = stdout(&["predict", &model, &data]);
    assert_eq!(predicted.lines().next().unwrap(), "rent");
    let truth: Vec<f64> =
        rents(300).lines().skip(1).map(|row| row.rsplit(',').next().unwrap().parse().unwrap()).collect();
    let told: Vec<f64> = predicted.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    let error = truth.iter().zip(&told).map(|(y, a)| (y - a).powi(2)).sum::<f64>() / 300.0;
    let rmse = evaluated["rmse"].as_f64().unwrap();
    assert!((error.sqrt() - rmse).abs() < 1e-9 * rmse, "{} {rmse}", error.sqrt());
    assert_eq!(evaluated["rows"], 300);

    // Columns in another order, no target, a category that was not there.
    let text = stdout_of(&["predict", &model, "-"], "district,rooms\nnorth,3\n");
    let again = stdout_of(&["predict", &model, "-"], "rooms,district,rent\n3,north,\n");
    assert_eq!(text, again);
    let assert =
        chainrule().args(["predict", &model]).write_stdin("rooms,district\n3,mars\n").assert().code(1);
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains("line 2, column 2") && message.contains("mars"), "{message}");
}

fn stdout_of(args: &[&str], input: &str) -> String {
    let assert = chainrule().args(args).write_stdin(input.to_owned()).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

#[test]
fn a_file_says_what_flags_say() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    let config = format!(
        "[data]\nsource = [{data:?}]\ntarget = \"species\"\nclass-weights = \"balanced\"\n\
         [network]\nlayers = [{{ kind = \"dense\", outputs = 9, activation = \"gelu\" }}, {{ kind = \"layer-norm\" }}]\n\
         [training]\nepochs = 3\noptimizer = {{ name = \"nadam\", learning-rate = 0.01 }}\nmetrics = [\"f1-macro\"]\n\
         schedule = \"exponential:0.99\"\nearly-stopping = {{ patience = 2 }}\n[machine]\nthreads = 1\n"
    );
    let config = file(folder.path(), "run.toml", config);
    let out = stdout(&["train", "--config", &config]);
    assert!(
        out.contains("2-9 gelu-layer norm-3-softmax") && out.contains("nadam at learning rate 0.01"),
        "{out}"
    );
    assert!(out.contains("43 samples to train, 12 to test, 5 for validation"), "{out}");
    let flags = [
        "train",
        &data,
        "--target",
        "species",
        "--class-weights",
        "balanced",
        "--layers",
        "dense:9:gelu layer-norm",
        "--epochs",
        "3",
        "--optimizer",
        "nadam",
        "--lr",
        "0.01",
        "--metrics",
        "f1-macro",
        "--schedule",
        "exponential:0.99",
        "--early-stopping",
        "2",
        "--threads",
        "1",
    ];
    let of = |args: &[&str]| {
        let (epochs, _) = json(args);
        epochs.into_iter().map(crate::common::timeless).collect::<Vec<_>>()
    };
    let by_file = of(&["train", "--config", &config]);
    assert_eq!(by_file, of(&flags));
    assert!(by_file[0]["validation_f1_macro"].is_number(), "{}", by_file[0]);
    assert_eq!(of(&["train", "--config", &config, "--epochs", "1"]).len(), 1);

    let wrong = file(folder.path(), "wrong.toml", "[training]\nepochs = 3\nlerning-rate = 2\n");
    refused(&["train", "--config", &wrong], 2, &["wrong.toml, line 3: unknown field `lerning-rate`"]);
    let wrong = file(folder.path(), "wrong.toml", "[training]\nepoch = 3\n");
    refused(&["train", "--config", &wrong, &data], 2, &["did you mean `epochs`?"]);
    let empty = file(folder.path(), "empty.toml", "");
    refused(&["train", "--config", &empty], 2, &["nothing to train on"]);
    refused(&["train", "--config", "no such.toml"], 1, &["no such.toml", "cannot be read"]);
}

#[test]
fn anything_of_the_library_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    let rents = file(folder.path(), "rents.csv", rents(60));
    for optimizer in [
        "sgd", "adagrad", "adadelta", "rmsprop", "adam", "amsgrad", "adamw", "adamax", "nadam", "radam",
        "lion", "rprop", "lbfgs", "muon",
    ] {
        stdout(&["train", &data, "-q", "--epochs", "1", "--optimizer", optimizer]);
    }
    for loss in ["mse", "mae", "huber:2", "log-cosh", "pinball:0.9", "poisson", "gaussian", "quadratic"] {
        stdout(&["train", &rents, "--target", "rent", "-q", "--epochs", "1", "--loss", loss]);
    }
    for loss in ["cross-entropy:0.1", "binary-cross-entropy:2", "hinge", "squared-hinge", "multi-margin"] {
        stdout(&["train", &data, "-q", "--epochs", "1", "--loss", loss]);
    }
    for args in [
        &["--layers", "dense:8 batch-norm relu residual(dense:8:silu dense:8) rms-norm prelu"][..],
        &["--layers", "", "--output", "softmax"],
        &["--schedule", "one-cycle", "--set", "beta2=0.99", "--set", "weight-decay=0"],
        &["--schedule", "warm-up:5 then cosine:10", "--schedule-by-epoch", "step:1,0.5"],
        &["--plateau", "1,0.5", "--monitor", "accuracy", "--validation-share", "0.3"],
        &["--clip-norm", "1", "--clip-value", "0.1", "--l1", "0.001", "--accumulate", "2", "--no-shuffle"],
        &["--scaling", "min-max", "--dropout", "0.5", "--test-share", "0"],
    ] {
        stdout(&[&["train", &data, "-q", "--epochs", "2"], args].concat());
    }
    for (args, told) in [
        (&["--optimizer", "adma"][..], "did you mean `adam`"),
        (&["--set", "weigth-decay=1"], "did you mean `weight-decay`"),
        (&["--loss", "huger"], "did you mean `huber`"),
        (&["--metrics", "accurcy"], "did you mean `accuracy`"),
        (&["--layers", "dens:3"], "did you mean `dense`"),
        (&["--schedule", "cosin"], "cosine"),
        (&["--hidden", "3", "--layers", "relu"], "--layers"),
        (&["--monitor", "f1-macro", "--early-stopping", "3"], "f1-macro"),
    ] {
        refused(&[&["train", &data, "-q"], args].concat(), 2, &[told]);
    }
}

#[test]
fn models_are_told_about_measured_and_exported() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    stdout(&["train", &data, "-q", "--hidden", "8", "--dropout", "0", "--out", &model]);
    let told: Value = serde_json::from_str(&stdout(&["inspect", &model, "--json"])).unwrap();
    assert_eq!((&told["parameters"], &told["bytes"]), (&51.into(), &204.into()));
    assert_eq!(told["flops"], 2 * 16 + 8 + 2 * 24 + 3 + 3);
    assert_eq!(told["classes"], serde_json::json!(["aster", "bell", "clover"]));
    assert_eq!(told["inputs"], serde_json::json!(["length", "width"]));
    let text = stdout(&["inspect", &model]);
    assert!(text.contains("2-8 silu-3-softmax") && text.contains("51 parameters in f32"), "{text}");

    let told: Value = serde_json::from_str(&stdout(&["evaluate", &model, &data, "--json"])).unwrap();
    assert!(told["accuracy"].as_f64().unwrap() > 0.95 && told["f1_macro"].as_f64().unwrap() > 0.95, "{told}");
    assert_eq!(told["confusion_matrix"].as_array().unwrap().len(), 3);
    assert!(stdout(&["evaluate", &model, &data]).contains("true \\ told"));
    let unlabelled = file(folder.path(), "unlabelled.csv", "length,width\n1,2\n");
    refused(&["evaluate", &model, &unlabelled], 1, &["unlabelled.csv", "no targets"]);
    refused(&["evaluate", &model, &data, "--metrics", "accurcy"], 2, &["did you mean `accuracy`"]);

    let lines = stdout(&["predict", &model, &data, "--format", "jsonl", "-q"]);
    let first: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!((&first["class"], lines.lines().count()), (&"aster".into(), 60));
    assert!(first["p_aster"].as_f64().unwrap() > 0.5);
    let array = folder.path().join("outputs.npy");
    stdout(&["predict", &model, &data, "-q", "--out", array.to_str().unwrap()]);
    let array: ndarray::Array2<f32> = ndarray_npy::read_npy(array).unwrap();
    assert_eq!(array.dim(), (60, 3));
    let table = folder.path().join("outputs.csv");
    stdout(&["predict", &model, &data, "-q", "--out", table.to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(table).unwrap(), stdout(&["predict", &model, &data, "-q"]));

    let onnx = folder.path().join("model.onnx");
    assert!(stdout(&["export", &model, "--onnx", onnx.to_str().unwrap()]).contains("bytes of ONNX"));
    assert!(std::fs::read(onnx).unwrap().windows(4).any(|bytes| bytes == b"Gemm"));
}

#[test]
fn learning_rates_are_found_and_shells_complete() {
    let text = stdout(&["find-lr", "digits", "--hidden", "16", "--json"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert!(found["suggestion"].as_f64().unwrap() > 1e-4, "{text}");
    assert!(found["points"].as_array().unwrap().len() > 20);
    assert!(stdout(&["find-lr", "digits", "--hidden", "16"]).contains("suggestion: --lr"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(stdout(&["completions", shell]).contains("find-lr"), "{shell}");
    }
    assert!(!stdout(&["--help"]).contains('\u{1b}'));
}

/// Counts are no numbers to be standardised, and means are told beside their variances in the units of the target.
#[test]
fn likelihoods_of_numbers_are_in_their_units() {
    let folder = tempfile::tempdir().unwrap();
    let rents = file(folder.path(), "rents.csv", rents(200));
    let count = |row: u32| {
        let (a, b) = (row % 5, row * 7 % 3);
        format!("{a},{b},{}\n", 1 + 2 * a + 5 * b)
    };
    let counts = "a,b,count\n".to_owned() + &(0..200).map(count).collect::<String>();
    let counts = file(folder.path(), "counts.csv", counts);
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let args =
        ["train", &rents, "--task", "regression", "--loss", "gaussian", "--epochs", "300", "--out", &model];
    let (_, summary) = json(&args);
    assert!(summary["test_r2"].as_f64().unwrap() > 0.5, "{summary}");
    let measured: Value = serde_json::from_str(&stdout(&["evaluate", &model, &rents, "--json"])).unwrap();
    assert!(measured["r2"].as_f64().unwrap() > 0.5, "{measured}");
    let args = ["train", &counts, "--task", "regression", "--loss", "poisson-on-rates", "--epochs", "300"];
    let (_, summary) = json(&args);
    assert!(summary["test_r2"].as_f64().unwrap() > 0.5, "{summary}");
    // The outputs are logarithms of rates, which of standardised counts there are not.
    let args = ["train", &counts, "--task", "regression", "--loss", "poisson", "--epochs", "300"];
    let (_, summary) = json(&args);
    let loss = summary["train_loss"].as_f64().unwrap();
    assert!((-40.0..0.0).contains(&loss), "{summary}");
}

#[test]
fn tables_from_the_wild() {
    let folder = tempfile::tempdir().unwrap();
    let plain = file(folder.path(), "plain.csv", flowers());
    let accuracy = |path: &str, extra: &[&str]| {
        let args = [&["train", path, "--target", "species", "--epochs", "20"], extra].concat();
        json(&args).1["test_accuracy"].as_f64().unwrap()
    };
    let expected = accuracy(&plain, &[]);
    let quoted: String = flowers()
        .lines()
        .map(|line| line.split(',').map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",") + "\r\n")
        .collect();
    let wild = file(folder.path(), "wild.csv", format!("\u{feff}{quoted}\r\n"));
    assert_eq!(accuracy(&wild, &[]).to_bits(), expected.to_bits());

    let missing = file(folder.path(), "missing.csv", flowers() + "NA,0.01,bell\n,,aster\n");
    refused(&["train", &missing], 1, &["missing.csv, line 62, column 1 (length)", "NA"]);
    assert!(accuracy(&missing, &["--missing", "median"]) > 0.8);
    assert!(accuracy(&missing, &["--missing", "mean", "--ignore", "width"]) > 0.8);
}

#[cfg(unix)]
#[test]
fn disks_that_are_full_and_folders_that_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    // Standard output to a full disk.
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("chainrule"));
    let output = command.args(["train", &data, "-q", "--epochs", "1"]).stdout(full).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("standard output cannot be written to: "), "{message}");

    let model = folder.path().join("model").to_str().unwrap().to_owned();
    stdout(&["train", &data, "-q", "--epochs", "1", "--out", &model]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("chainrule"));
    let output = command.args(["predict", &model, &data]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));

    // Below a file, and in /proc, nobody can write; not even root.
    for place in [format!("{data}/below"), "/proc/model".to_owned()] {
        refused(&["train", &data, "--epochs", "100000", "--out", &place], 1, &[&place, "cannot be written"]);
        refused(&["train", &data, "--epochs", "100000", "--run", &place], 1, &[&place, "cannot be written"]);
        refused(&["export", &model, "--onnx", &place], 1, &[&place, "cannot be written"]);
    }
}

/// A million rows pass in a memory that is a small multiple of theirs; slow, hence asked for.
#[ignore = "takes a minute"]
#[test]
fn a_million_rows() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "rents.csv", rents(1_000_000));
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let args = ["train", &data, "--target", "rent", "--epochs", "1", "--out", &model];
    let (_, summary) = json(&args);
    assert!(summary["test_r2"].as_f64().unwrap() > 0.95, "{summary}");
    assert_eq!(stdout(&["predict", &model, &data]).lines().count(), 1_000_001);
}
