//! `chainrule train`: what it reaches, what it prints, and that seeds and threads mean what they say.

use crate::common::{chainrule, file, flowers, json, keys, mnist, stdout, timeless};

const SUMMARY: [&str; 14] = [
    "backend",
    "epochs",
    "isa",
    "memory_before",
    "parameters",
    "peak_memory",
    "samples_per_s",
    "seconds",
    "seed",
    "stated_memory",
    "test_accuracy",
    "test_loss",
    "threads",
    "train_loss",
];

const EPOCH: [&str; 8] = [
    "epoch",
    "learning_rate",
    "samples_per_s",
    "seconds",
    "test_accuracy",
    "test_loss",
    "train_accuracy",
    "train_loss",
];

#[test]
fn digits_reach_97_percent_and_the_json_has_these_keys() {
    let (epochs, summary) = json(&["train", "digits"]);
    assert_eq!(keys(&summary), SUMMARY);
    assert_eq!(summary["epochs"], epochs.len());
    for (index, epoch) in epochs.iter().enumerate() {
        assert_eq!(keys(epoch), EPOCH);
        assert_eq!(epoch["epoch"], index + 1);
    }
    assert!(summary["test_accuracy"].as_f64().unwrap() >= 0.97, "{summary}");
    assert_eq!(summary["parameters"], 64 * 256 + 256 + 256 * 10 + 10);
    assert_eq!(summary["test_accuracy"], epochs[epochs.len() - 1]["test_accuracy"]);
    let seconds: f64 = epochs.iter().map(|epoch| epoch["seconds"].as_f64().unwrap()).sum();
    assert!((seconds - summary["seconds"].as_f64().unwrap()).abs() < 1e-9 * seconds);
}

#[test]
fn a_seed_decides_all_but_the_time_on_any_number_of_threads() {
    let run = |seed: &str, extra: &[&str]| {
        let args = ["train", "digits", "--epochs", "3", "--seed", seed];
        let (epochs, summary) = json(&[&args, extra].concat());
        let mut summary = timeless(summary);
        summary.as_object_mut().unwrap().remove("threads");
        (epochs.into_iter().map(timeless).collect::<Vec<_>>(), summary)
    };
    let first = run("5", &["--threads", "1"]);
    assert_eq!(first, run("5", &["--threads", "1"]));
    assert_eq!(first, run("5", &["--threads", "2"]));
    assert_eq!(first, run("5", &[]));
    assert_ne!(first.0, run("6", &[]).0);
}

/// Large enough for the work to be shared between threads.
#[test]
fn threads_do_not_change_a_bit_of_a_wide_network() {
    let folder = tempfile::tempdir().unwrap();
    let model = |threads: &str| {
        let path = folder.path().join(threads);
        let args = ["train", "digits", "--hidden", "512,512", "--epochs", "1", "--batch-size", "512", "-q"];
        stdout(&[&args[..], &["--threads", threads, "--out", path.to_str().unwrap()]].concat());
        std::fs::read(path).unwrap()
    };
    let one = model("1");
    assert_eq!(one, model("2"));
    assert_eq!(one, model("3"));
}

#[test]
fn every_linked_backend_and_both_types_learn() {
    let text = stdout(&["backends", "--json"]);
    let backends: serde_json::Value = serde_json::from_str(&text).unwrap();
    for backend in backends["backends"].as_array().unwrap() {
        let name = backend["name"].as_str().unwrap();
        for dtype in ["f32", "f64"] {
            let args = ["train", "digits", "--epochs", "4", "--backend", name, "--dtype", dtype];
            let (_, summary) = json(&args);
            assert_eq!(summary["backend"], name);
            assert!(summary["test_accuracy"].as_f64().unwrap() > 0.9, "{name} {dtype}: {summary}");
        }
    }
}

#[test]
fn all_settings_can_be_given() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    for args in [
        "--hidden none --epochs 2",
        "--hidden 0 --loss quadratic --epochs 2",
        "--hidden 8,4 --activation leaky-relu:0.2 --loss mse --output identity --lr 0.01 --epochs 2",
        "--activation gelu --loss binary-cross-entropy --init orthogonal --epochs 2",
        "--activation silu --loss binary-cross-entropy-sum --init uniform:0.5 --bias-init normal:0.1 --epochs 2",
        "--activation tanh --loss quadratic --output softmax --batch-size full --l2 0.1 --epochs 2",
        "--activation identity --output identity --epochs 2",
        "--batch-size 1000 --epochs 1",
        "--scaling none --lr 0.0001 --epochs 2",
    ] {
        let args: Vec<_> = ["train", &data, "--quiet"].into_iter().chain(args.split(' ')).collect();
        stdout(&args);
    }
}

#[test]
fn people_get_a_table_and_progress_elsewhere() {
    let assert = chainrule().args(["train", "digits", "--epochs", "12"]).assert().success();
    let out = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let err = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(out.contains("1438 samples to train, 359 to test"), "{out}");
    assert!(out.contains("test accuracy") && out.contains("samples/s"), "{out}");
    assert_eq!(err.lines().count(), 12, "{err}");
    assert!(err.lines().all(|line| line.contains("left")), "{err}");
    assert!(!out.contains('\u{1b}') && !err.contains('\u{1b}'), "no colours, no cursor movements");

    let quiet = chainrule().args(["train", "digits", "--epochs", "2", "-q"]).assert().success().stderr("");
    assert!(String::from_utf8_lossy(&quiet.get_output().stdout).contains("test accuracy"));
    chainrule().args(["train", "digits", "--epochs", "2", "--json"]).assert().success().stderr("");
}

#[test]
fn the_picture_is_svg() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("curve.svg");
    let out = stdout(&["train", "digits", "--epochs", "2", "--svg", path.to_str().unwrap()]);
    assert!(out.contains("curve.svg"));
    let svg = std::fs::read_to_string(path).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("accuracy") && svg.contains("loss"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    use std::process::Stdio;
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("chainrule"));
    command.args(["train", "digits", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn divergence_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("never");
    let args = ["train", "digits", "--lr", "1e30", "-q", "--out", path.to_str().unwrap()];
    let assert = chainrule().args(args).assert().code(1);
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains("epoch 1, step "), "{message}");
    assert!(!path.exists());
}

#[test]
fn mnist_is_learnt_where_it_is() {
    let Some(folder) = mnist() else { return };
    let folder = folder.to_str().unwrap();
    let (_, summary) = json(&["train", "mnist", "--data-dir", folder, "--hidden", "16", "--epochs", "1"]);
    assert!(summary["test_accuracy"].as_f64().unwrap() > 0.88, "{summary}");

    // Nielsen's split has validation data.
    let args = ["train", "--preset", "nielsen-30", "--data-dir", folder, "--epochs", "1"];
    let (epochs, summary) = json(&args);
    assert_eq!(summary["parameters"], 23_860);
    assert!(epochs[0]["validation_accuracy"].as_f64().unwrap() > 0.7, "{}", epochs[0]);

    let (epochs, summary) =
        json(&["train", "mnist", "--preset", "zhang", "--data-dir", folder, "--epochs", "2"]);
    assert_eq!((keys(&epochs[1]), &summary["parameters"]), (EPOCH.to_vec(), &serde_json::json!(7960)));
}
