//! Runs that are kept: their folder, an interrupt, and going on.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{chainrule, file, flowers, json, refused, rents, stdout};
use serde_json::json;

/// Starts the command in a folder.
fn start(folder: &Path, args: &[&str]) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin("chainrule"))
        .args(args)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a file that a run writes.
fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_run_leaves_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "rents.csv", rents(100));
    let here = folder.path().to_str().unwrap();
    let args = ["train", &data, "--target", "rent", "--epochs", "3", "--early-stopping", "5", "-q"];
    let run = |name: &str| {
        let assert = chainrule().current_dir(here).args(args).args(["--run", name]).assert();
        String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
    };
    assert_eq!(run("rents"), "");
    let path = folder.path().join("runs/rents");
    let metrics = std::fs::read_to_string(path.join("metrics.csv")).unwrap();
    assert!(metrics.starts_with("epoch,train_loss,validation_loss,"), "{metrics}");
    assert_eq!(metrics.lines().count(), 4);
    for name in ["config.toml", "model.safetensors", "report.html", "checkpoints", "tensorboard"] {
        assert!(path.join(name).exists(), "{name}");
    }
    let events = std::fs::read_dir(path.join("tensorboard")).unwrap().next().unwrap().unwrap().path();
    let events = std::fs::read(events).unwrap();
    for tag in ["loss/train", "weights/0.weight", "gradients/0.bias"] {
        assert!(events.windows(tag.len()).any(|window| window == tag.as_bytes()), "{tag}");
    }
    assert!(run("rents").contains("there is a run already"));
    // The folder stands for its network.
    let of = |model: &Path| stdout(&["predict", model.to_str().unwrap(), &data]);
    assert_eq!(of(&path), of(&path.join("model.safetensors")));
    refused(&["inspect", here], 1, &["model.safetensors", "cannot be read"]);

    // Its configuration says all that was settled: another run by it is the same.
    let config = path.join("config.toml");
    let again = folder.path().join("again");
    stdout(&["train", "--config", config.to_str().unwrap(), "-q", "--run", again.to_str().unwrap()]);
    let model = |path: &Path| std::fs::read(path.join("model.safetensors")).unwrap();
    assert_eq!(model(&path), model(&again));
}

#[test]
fn a_report_is_in_the_units_and_rows_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "rents.csv", rents(100));
    let run = folder.path().join("run");
    let args = ["train", &data, "--epochs", "2", "--early-stopping", "5", "-q", "--run"];
    stdout(&[&args[..], &[run.to_str().unwrap()]].concat());
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    // As metrics.csv has it, which is in the units of the data.
    let metrics = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    let rows: Vec<Vec<&str>> = metrics.lines().map(|line| line.split(',').collect()).collect();
    for name in ["validation_rmse", "test_rmse"] {
        let column = rows[0].iter().position(|of| *of == name).unwrap();
        let rmse: f64 = rows[2][column].parse().unwrap();
        assert!(rmse > 10.0, "{rmse}");
        let shown = rmse.to_string();
        assert!(page.contains(&shown[..4]), "{name} {rmse} is not in the page");
    }
    for name in ["rent", "test r2", "test loss", "rooms"] {
        assert!(page.contains(name), "{name}");
    }
    // Rows are those of the table, inputs as they stand there.
    let table = std::fs::read_to_string(&data).unwrap();
    let header: Vec<_> = table.lines().next().unwrap().split(',').collect();
    let card = page.split("<p class=\"muted\">row ").nth(1).unwrap();
    let row: usize = card.split('<').next().unwrap().parse().unwrap();
    let cells: Vec<_> = table.lines().nth(row + 1).unwrap().split(',').collect();
    let before = page.split("<p class=\"muted\">row ").next().unwrap();
    let number: f64 = cells[0].parse().unwrap();
    let told = before.rsplit(&format!("<td>{}</td><td>", header[0])).next().unwrap();
    let told: f64 = told.split('<').next().unwrap().parse().unwrap();
    assert!((told - number).abs() < 1e-3 * number.abs(), "{told} {number}");
    let events = std::fs::read_dir(run.join("tensorboard")).unwrap().next().unwrap().unwrap().path();
    let events = std::fs::read(events).unwrap();
    assert!(events.windows(9).any(|window| window == b"rmse/test"));
}

#[test]
fn names_alone_do_in_a_file_as_they_do_as_flags() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = file(folder.path(), "flowers.csv", flowers());
    let config = format!(
        "[data]\nsource = ['{data}']\n[training]\noptimizer = 'adam'\nschedule = 'cosine'\nschedule-by-epoch = 'one-cycle'\nepochs = 4\n"
    );
    let config = file(folder.path(), "run.toml", config);
    let flags =
        ["--optimizer", "adam", "--schedule", "cosine", "--schedule-by-epoch", "one-cycle", "--epochs", "4"];
    stdout(&[&["train", &data, "-q", "--run", &at("flags")][..], &flags].concat());
    stdout(&["train", "-q", "--config", &config, "--run", &at("file")]);
    let kept = at("file/config.toml");
    stdout(&["train", "-q", "--config", &kept, "--run", &at("again")]);
    let read = |run: &str, name: &str| std::fs::read(folder.path().join(run).join(name)).unwrap();
    assert!(read("flags", "model.safetensors") == read("file", "model.safetensors"));
    assert!(read("again", "model.safetensors") == read("file", "model.safetensors"));
    let text = String::from_utf8(read("file", "config.toml")).unwrap();
    assert!(text.contains("schedule = \"cosine:8\"") && text.contains("name = \"adam\""), "{text}");
    assert!(text.contains("schedule-by-epoch = \"one-cycle:4"), "{text}");
}

/// The model of a run that nothing came between, and of one that was ended by a signal and gone on with.
fn with_and_without(name: &str, interrupt: &str) -> (Vec<u8>, Vec<u8>, i32) {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "train",
        "digits",
        "--hidden",
        "64",
        "--epochs",
        "60",
        "--optimizer",
        "adam",
        "--dropout",
        "0.1",
        "-q",
    ];
    let run = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    stdout(&[&args[..], &["--run", &run("whole")]].concat());
    let child = start(folder.path(), &[&args[..], &["--run", &run(name)]].concat());
    wait_for(&folder.path().join(name).join("metrics.csv"));
    signal(&child, interrupt);
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code().unwrap_or(-1);
    if code == 130 {
        assert!(message.contains("interrupted in epoch") && message.contains("train --resume"), "{message}");
        assert!(!folder.path().join(name).join("model.safetensors").exists());
        let told = ["a run that has not ended", "checkpoints", "train --resume"];
        refused(&["predict", &run(name), "digits"], 1, &told);
    }
    stdout(&["train", "--resume", &run(name), "-q"]);
    let model = |name: &str| std::fs::read(folder.path().join(name).join("model.safetensors")).unwrap();
    let metrics = std::fs::read_to_string(folder.path().join(name).join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 61, "{metrics}");
    (model("whole"), model(name), code)
}

#[test]
fn an_interrupted_run_goes_on_with_the_same_bits() {
    let (whole, parts, code) = with_and_without("interrupted", "-INT");
    assert!(whole == parts);
    // 0 where the signal came too late.
    assert!([130, 0].contains(&code), "{code}");
}

#[test]
fn a_killed_run_goes_on_with_the_same_bits() {
    let (whole, parts, _) = with_and_without("killed", "-KILL");
    assert!(whole == parts);
}

#[test]
fn an_interrupt_makes_a_folder_where_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    let svg = folder.path().join("curve.svg");
    let args = ["train", &data, "--epochs", "1000000", "--svg", svg.to_str().unwrap()];
    let mut child = start(folder.path(), &args);
    // The header is out when training begins.
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    signal(&child, "-TERM");
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("train --resume runs/interrupted-1"), "{message}");
    assert!(folder.path().join("runs/interrupted-1/config.toml").exists());
}

#[test]
fn as_many_checkpoints_are_kept_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run").to_str().unwrap().to_owned();
    let kept = |args: &[&str]| {
        stdout(&[&["train", "-q"][..], args].concat());
        std::fs::read_dir(folder.path().join("run/checkpoints")).unwrap().count()
    };
    // Each part of the run ends with a checkpoint.
    assert_eq!(kept(&["digits", "--hidden", "8", "--epochs", "1", "--keep", "1", "--run", &run]), 1);
    assert_eq!(kept(&["--resume", &run, "--epochs", "2"]), 1);
    assert_eq!(kept(&["--resume", &run, "--epochs", "3", "--keep", "2"]), 2);
    assert_eq!(kept(&["--resume", &run, "--epochs", "4", "--keep", "2"]), 2);
}

#[test]
fn a_run_that_has_ended_has_nothing_left_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run").to_str().unwrap().to_owned();
    let model = || std::fs::read(folder.path().join("run/model.safetensors")).unwrap();
    let out = stdout(&["train", "digits", "--hidden", "8", "--epochs", "1", "--run", &run]);
    assert!(out.contains(" after 1 epoch, "), "{out}");
    let before = model();
    let out = stdout(&["train", "--resume", &run]);
    assert!(out.contains("the run had come to its end already, after 1 epoch\n"), "{out}");
    assert!(!out.contains("samples/s") && before == model(), "{out}");
    let (epochs, summary) = json(&["train", "--resume", &run]);
    assert_eq!((epochs.len(), &summary["epochs"], &summary["seconds"]), (0, &json!(1), &json!(0.0)));
    assert!(summary["seconds"].as_f64().unwrap().is_sign_positive());
    // All epochs count, those of the first part as well.
    let (epochs, summary) = json(&["train", "--resume", &run, "--epochs", "3"]);
    assert_eq!((epochs.len(), &summary["epochs"]), (2, &json!(3)));
}

#[test]
fn what_is_no_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("none").to_str().unwrap().to_owned();
    refused(&["train", "--resume", &at], 1, &["none", "config.toml", "cannot be read"]);
    refused(&["train", "digits", "--resume", &at], 2, &["--resume"]);

    let run = folder.path().join("run").to_str().unwrap().to_owned();
    stdout(&["train", "digits", "--hidden", "8", "--epochs", "1", "-q", "--run", &run]);
    for entry in std::fs::read_dir(folder.path().join("run/checkpoints")).unwrap() {
        std::fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    refused(&["train", "--resume", &run, "--epochs", "2"], 1, &["checkpoint", "found"]);
}
