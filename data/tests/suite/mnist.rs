//! MNIST itself where it is there, and folders that look like it and are not.

use chainrule_data::{Error, Position, Split, mnist};
use flate2::{Compression, write::GzEncoder};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// The bytes of an IDX file.
fn idx(shape: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, u8::try_from(shape.len()).unwrap()];
    bytes.extend(shape.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

/// A sound folder: 3 + 2 images of 1 × 2 pixels.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
    write("train-images-idx3-ubyte", idx(&[3, 1, 2], &[0, 255, 51, 102, 1, 2]));
    write("train-labels.idx1-ubyte", idx(&[3], &[9, 0, 4]));
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(&idx(&[2, 1, 2], &[5, 6, 7, 8])).unwrap();
    write("t10k-images.idx3-ubyte.gz", packed.finish().unwrap());
    write("t10k-labels-idx1-ubyte", idx(&[2], &[1, 1]));
    folder
}

fn error_with(name: &str, bytes: &[u8]) -> (Error, PathBuf) {
    let folder = folder();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (mnist::load::<f32>(folder.path()).unwrap_err(), path)
}

#[test]
fn names_of_every_kind_are_found_and_bytes_scaled() {
    let folder = folder();
    let Split { train, test } = mnist::load::<f64>(folder.path()).unwrap();
    assert_eq!(train.inputs(), ndarray::array![[0.0, 1.0], [0.2, 0.4], [1.0 / 255.0, 2.0 / 255.0]]);
    assert_eq!((train.labels(), test.labels()), (&[9, 0, 4][..], &[1, 1][..]));
    assert_eq!((test.inputs().dim(), test.classes()), ((2, 2), 10));
}

#[test]
fn files_that_do_not_fit_each_other() {
    for (name, bytes, position) in [
        ("train-labels-idx1-ubyte", idx(&[2], &[1, 2]), Position::Byte(4)),
        ("t10k-labels-idx1-ubyte", idx(&[3], &[1, 2, 3]), Position::Byte(4)),
        ("t10k-labels-idx1-ubyte", idx(&[2], &[1, 10]), Position::Byte(9)),
        ("t10k-labels-idx1-ubyte", idx(&[2, 1], &[1, 2]), Position::Byte(3)),
        ("train-images-idx3-ubyte", idx(&[3, 2], &[1; 6]), Position::Byte(3)),
        ("train-images-idx3-ubyte", idx(&[0, 1, 2], &[]), Position::Byte(4)),
        ("train-images-idx3-ubyte", idx(&[3, 0, 2], &[]), Position::Byte(4)),
        ("t10k-images-idx3-ubyte", idx(&[2, 2, 1], &[1; 4]), Position::Byte(8)),
        ("t10k-images-idx3-ubyte", idx(&[2, 1, 2], &[1; 3]), Position::Byte(19)),
    ] {
        let (error, path) = error_with(name, &bytes);
        let Error::Malformed { file, position: at, .. } = &error else { panic!("{name}: {error}") };
        assert_eq!((file, at), (&path.display().to_string(), &position), "{error}");
    }
}

#[test]
fn a_count_that_differs_names_both_files() {
    let (error, _) = error_with("train-labels-idx1-ubyte", &idx(&[2], &[1, 2]));
    let message = error.to_string();
    assert!(message.contains("found 2 labels, expected 3, one for each image in "), "{message}");
    assert!(message.ends_with("train-images-idx3-ubyte"), "{message}");
}

#[test]
fn the_real_thing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/mnist");
    let Ok(folder) = mnist::find_dir(Some(&folder)) else {
        eprintln!("skipped: MNIST is not beside the workspace, in ../shared/data/mnist");
        return;
    };
    let Split { train, test } = mnist::load::<f32>(folder).unwrap();
    assert_eq!((train.inputs().dim(), test.inputs().dim()), ((60_000, 784), (10_000, 784)));
    assert_eq!((&train.labels()[..5], &test.labels()[..5]), (&[5, 0, 4, 1, 9][..], &[7, 2, 1, 0, 4][..]));
    assert_eq!(train.class_counts(), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(test.class_counts(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    // The mean and the standard deviation that everybody normalises MNIST with.
    let count = train.inputs().len() as f64;
    let mean = train.inputs().iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = train.inputs().iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    assert!((mean - 0.1307).abs() < 5e-5, "{mean}");
    assert!((variance.sqrt() - 0.3081).abs() < 5e-5, "{variance}");
}
