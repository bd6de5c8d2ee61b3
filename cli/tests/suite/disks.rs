//! Disks that fill up while the command runs, and folders that nobody can write to: an error that names the file, the files of before as they
//! were, and nothing half-written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::{file, flowers, stdout};

/// Runs the command after some lines of shell, in which `$1` is the folder.
fn after(shell: &str, folder: &Path, args: &[&str]) -> Output {
    Command::new("sh")
        .args(["-c", &format!("{shell}\nshift; exec \"$@\""), "sh"])
        .arg(folder)
        .arg(assert_cmd::cargo::cargo_bin("chainrule"))
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The same where what the shell mounts is seen by nobody else; nothing where that cannot be had.
fn apart(shell: &str, folder: &Path, args: &[&str]) -> Option<Output> {
    let command = assert_cmd::cargo::cargo_bin("chainrule");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .args([&format!("({shell}) || exit 99\ncd \"$1\"; shift; exec \"$@\""), "sh"])
        .arg(folder)
        .arg(command)
        .args(args)
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.code() == Some(99) || output.stderr.starts_with(b"unshare") => {
            eprintln!("skipped: nothing can be mounted here: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("skipped: there is no unshare: {error}");
            None
        }
    }
}

/// Files are at most so many times 512 bytes long. (Who writes more is sent a signal, which is to be passed over: what is left is an error.)
fn short_files(blocks: usize) -> String {
    format!("trap '' XFSZ; ulimit -f {blocks}")
}

fn failed(output: &Output, told: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(!message.contains("panicked"), "{message}");
    let error = message.lines().last().unwrap_or_default();
    assert!(error.starts_with("error: "), "{message}");
    for told in told {
        assert!(error.contains(told), "{told:?} is not in {error:?}");
    }
}

/// All files below a folder, by their paths, with what they hold.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), fs::read(path).unwrap());
        }
    }
    found
}

/// Nothing that is not whole lies below a folder.
fn whole(folder: &Path) {
    let unfinished: Vec<_> = files(folder).into_keys().filter(|path| path.contains("/.chainrule-")).collect();
    assert!(unfinished.is_empty(), "{unfinished:?}");
}

#[test]
fn a_disk_that_fills_up_spoils_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = file(folder.path(), "flowers.csv", flowers());
    let few = ["train", &data, "-q", "--epochs", "3", "--optimizer", "adam"];
    let wide = [&few[..], &["--hidden", "500"]].concat();
    let narrow = [&few[..], &["--hidden", "8"]].concat();
    for name in ["model", "curve.svg", "classes.npy", "model.onnx", "small"] {
        file(folder.path(), name, "what was there before");
    }
    stdout(&[&narrow[..], &["--out", &at("small")]].concat());
    stdout(&[&wide[..], &["--out", &at("large")]].concat());
    let before = files(folder.path());
    let full = |blocks: usize, args: &[&str], name: &str| {
        let output = after(&short_files(blocks), folder.path(), args);
        failed(&output, &[name, "cannot be written", "File too large"]);
        assert_eq!(output.stdout, b"");
    };
    full(8, &[&wide[..], &["--out", &at("model")]].concat(), "model");
    full(8, &[&narrow[..], &["--svg", &at("curve.svg")]].concat(), "curve.svg");
    full(1, &["predict", &at("small"), &data, "-q", "--out", &at("classes.npy")], "classes.npy");
    full(8, &["export", &at("large"), "--onnx", &at("model.onnx")], "model.onnx");
    assert!(files(folder.path()) == before);

    // Of a run's folder, one file after the other finds no room.
    for (blocks, args, name) in
        [(1, &narrow, "config.toml"), (8, &wide, "checkpoints/"), (24, &narrow, "report.html")]
    {
        let run = at(name.trim_end_matches('/'));
        full(blocks, &[&args[..], &["--run", &run]].concat(), name);
        assert!(!Path::new(&run).join("report.html").exists());
        whole(Path::new(&run));
    }
    // What was reached is there, and is gone on with when there is room again.
    let run = at("report.html");
    stdout(&["train", "--resume", &run, "-q"]);
    assert!(Path::new(&run).join("report.html").exists());
}

#[test]
fn metrics_that_find_no_room_end_a_run_in_its_middle() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    let run = folder.path().join("run");
    // About a hundred bytes an epoch, written once a second.
    let args = ["train", &data, "-q", "--hidden", "2", "--epochs", "1000000", "--run", run.to_str().unwrap()];
    let output = after(&short_files(64), folder.path(), &args);
    failed(&output, &["metrics.csv", "cannot be written", "File too large"]);
    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    assert!(metrics.lines().count() >= 2 && metrics.ends_with('\n'), "{metrics}");
    assert!(!run.join("model.safetensors").exists());
    whole(&run);
}

#[test]
fn a_small_file_system_fills_up() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let out = folder.path().join("out");
    for path in [&disk, &out] {
        fs::create_dir(path).unwrap();
    }
    let data = file(folder.path(), "flowers.csv", flowers());
    let model = file(folder.path(), "model", "what was there before");
    // What lies on it goes with it: a shell that stays looks at it afterwards.
    let look = format!(
        "mount -t tmpfs -o size=64k none {disk} && cp {model} {disk}/model && \
         (cd {disk}; \"$2\" train {data} -q --hidden 6000 --epochs 2 --out {disk}/model; echo $? > {out}/code) 2> {out}/message; \
         ls -A {disk} > {out}/names; cp {disk}/model {out}/model",
        disk = disk.display(),
        out = out.display(),
    );
    let Some(_) = apart(&look, folder.path(), &["backends"]) else { return };
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert_eq!(read("code"), "1\n");
    let message = read("message");
    assert!(message.contains("disk/model: cannot be written: No space left on device"), "{message}");
    assert_eq!((read("names").as_str(), read("model").as_str()), ("model\n", "what was there before"));
}

#[test]
fn folders_that_can_only_be_read_are_told_before_any_training() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = file(folder.path(), "flowers.csv", flowers());
    let (model, run) = (at("model"), at("run"));
    stdout(&["train", &data, "-q", "--epochs", "2", "--out", &model]);
    stdout(&["train", &data, "-q", "--epochs", "2", "--run", &run]);
    let before = files(folder.path());
    let closed = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"";
    let long = ["train", &data, "--epochs", "1000000", "-q"];
    for (args, name) in [
        ([&long[..], &["--out", &model]].concat(), "model"),
        ([&long[..], &["--out", &at("new")]].concat(), "new"),
        ([&long[..], &["--svg", &at("curve.svg")]].concat(), "curve.svg"),
        ([&long[..], &["--run", &at("another")]].concat(), "another"),
        (vec!["train", "--resume", &run, "--epochs", "1000000", "-q"], "run"),
        (vec!["predict", &model, &data, "-q", "--out", &at("classes.csv")], "classes.csv"),
        (vec!["export", &model, "--onnx", &at("model.onnx")], "model.onnx"),
    ] {
        let Some(output) = apart(closed, folder.path(), &args) else { return };
        failed(&output, &[name, "cannot be written", "Read-only file system"]);
    }
    assert!(files(folder.path()) == before);
}

#[test]
fn readers_that_have_seen_enough_are_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    stdout(&["train", &data, "-q", "--epochs", "2", "--out", &model]);
    let many = file(folder.path(), "many.csv", "length,width\n1,2\n");
    for args in [
        &["train", &data, "--epochs", "3"][..],
        &["train", &data, "--epochs", "100000", "--json"],
        &["predict", &model, &data],
        &["predict", &model, &many, "--format", "jsonl"],
        &["evaluate", &model, &data],
        &["inspect", &model],
        &["backends"],
        &["completions", "bash"],
        &["check"],
        &["find-lr", &data],
        &["presets"],
    ] {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("chainrule"))
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!message.contains("panicked") && !message.contains("error"), "{args:?}: {message}");
        assert_eq!(output.status.code(), Some(0), "{args:?}: {message}");
    }
}
