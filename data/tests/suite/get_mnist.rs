//! `scripts/get-mnist` takes a sound folder, gzipped or not, and leaves nothing behind otherwise.

use chainrule_data::mnist;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn get(from: &Path, dest: &Path) -> Output {
    Command::new("bash").arg(here("../scripts/get-mnist")).arg("--from").args([from, dest]).output().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn from_a_folder() {
    let source = here("../../shared/data/mnist");
    if !here("../scripts/get-mnist").exists() || mnist::find_dir(Some(&source)).is_err() {
        eprintln!("skipped: scripts/get-mnist or MNIST (../shared/data/mnist) is not there");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (dest, copy) = (root.path().join("a folder").join("mnist"), root.path().join("copy"));
    let output = get(&source, &dest);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(names(&root.path().join("a folder")), ["mnist"], "something else was left");
    assert_eq!(mnist::load::<f32>(&dest).unwrap().test.len(), 10_000);

    // Unpacked files serve as well, under their other names too; a changed one does not.
    assert!(get(&dest, &copy).status.success());
    fs::rename(copy.join("t10k-labels-idx1-ubyte"), copy.join("t10k-labels.idx1-ubyte")).unwrap();
    let again = root.path().join("again");
    assert!(get(&copy, &again).status.success());
    let mut labels = fs::read(copy.join("t10k-labels.idx1-ubyte")).unwrap();
    labels[100] ^= 1;
    fs::write(copy.join("t10k-labels.idx1-ubyte"), labels).unwrap();
    let output = get(&copy, &root.path().join("never"));
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("is not MNIST's t10k-labels-idx1-ubyte"), "{message}");
    assert_eq!(names(root.path()), ["a folder", "again", "copy"]);
}
