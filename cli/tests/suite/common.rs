//! What the tests of the command share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// The command, with an environment that says nothing.
pub(crate) fn chainrule() -> Command {
    let mut command = Command::cargo_bin("chainrule").expect("the binary is built with its tests");
    command.env_remove("CHAINRULE_DATA").env_remove("CHAINRULE_ISA").env_remove("RAYON_NUM_THREADS");
    command
}

/// Runs it with success; what it wrote to standard output.
pub(crate) fn stdout(args: &[&str]) -> String {
    let output = chainrule().args(args).assert().success().get_output().stdout.clone();
    String::from_utf8(output).expect("text")
}

/// Runs it, expecting that exit code and each of the texts in the one message on standard error; standard output stays empty.
pub(crate) fn refused(args: &[&str], code: i32, told: &[&str]) {
    let assert = chainrule().args(args).assert().code(code).stdout("");
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.starts_with("error: "), "{args:?}: {message}");
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    for told in told {
        assert!(message.contains(told), "{args:?}: {told:?} is not in {message:?}");
    }
}

/// The lines of JSON on standard output, after that of the memory: the epochs', and the summary.
pub(crate) fn json(args: &[&str]) -> (Vec<Value>, Value) {
    let text = stdout(&[args, &["--json"]].concat());
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let last = lines.pop().expect("a summary");
    assert!(lines.remove(0)["memory"]["total"].is_u64());
    (lines, last["summary"].clone())
}

/// The keys of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The value without what depends on the clock.
pub(crate) fn timeless(mut value: Value) -> Value {
    let object = value.as_object_mut().expect("an object");
    object.retain(|key, _| {
        !["seconds", "samples_per_s", "memory_before", "peak_memory"].contains(&key.as_str())
    });
    value
}

/// A file in a folder of the test's own.
pub(crate) fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("the folder of the test can be written to");
    path.to_str().expect("text").to_owned()
}

/// MNIST's folder, where this tree has it; else the test says that it is skipped.
pub(crate) fn mnist() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/mnist");
    let found = folder.join("train-images-idx3-ubyte.gz").is_file();
    if !found {
        eprintln!("skipped: there is no MNIST in ../shared/data/mnist");
    }
    found.then_some(folder)
}

/// A table of three classes that is easily learnt.
pub(crate) fn flowers() -> String {
    let mut text = "length,width,species\n".to_owned();
    for row in 0..60 {
        let (class, shift) = [("aster", 0.0), ("bell", 3.0), ("clover", 6.0)][row % 3];
        let wobble = f64::from(u32::try_from(row).unwrap() * 7 % 13) / 13.0;
        let row = format!("{},{},{class}\n", 100.0 * (shift + wobble), 0.01 * (shift - wobble));
        text.push_str(&row);
    }
    text
}

/// A table with a category and a number to predict.
pub(crate) fn rents(rows: usize) -> String {
    let mut text = "rooms,district,rent\n".to_owned();
    for row in 0..rows {
        let rooms = 1 + row * 7 % 5;
        let (district, extra) = [("north", 0), ("south", 150), ("harbour", 400)][row * 5 % 3];
        let row = format!("{rooms},{district},{}.5\n", 300 + 200 * rooms + extra);
        text.push_str(&row);
    }
    text
}
