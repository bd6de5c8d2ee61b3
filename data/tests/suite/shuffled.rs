//! Files that are gone through in shuffled windows.

use chainrule_data::{
    Answers, Error, Position, Task,
    npy::{self, Shuffled},
};
use flate2::{Compression, write::GzEncoder};
use ndarray::{Array, Array1, Array2, ShapeBuilder, array};
use proptest::prelude::*;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

fn write<T: npy::WritableElement + Clone, D: ndarray::Dimension>(
    folder: &Path,
    name: &str,
    array: &Array<T, D>,
) -> PathBuf {
    let path = folder.join(name);
    npy::write(array, File::create(&path).unwrap()).unwrap();
    path
}

/// Rows of three numbers that tell which row they are, and its number modulo 7 as its class.
fn files(rows: usize) -> (TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let x = write(folder.path(), "x.npy", &Array2::from_shape_fn((rows, 3), |(i, j)| (3 * i + j) as f32));
    let y =
        write(folder.path(), "y.npy", &Array1::from_iter((0..rows).map(|i| u8::try_from(i % 7).unwrap())));
    (folder, x, y)
}

/// The rows in the order in which a pass comes upon them, and the windows' sizes.
fn order(data: &mut Shuffled, pass: u64) -> (Vec<usize>, Vec<usize>) {
    let (mut order, mut windows) = (Vec::new(), Vec::new());
    for window in data.pass::<f32>(pass).unwrap() {
        let window = window.unwrap();
        let Answers::Classes(labels) = window.answers else { panic!("classes") };
        assert_eq!(labels.len(), window.inputs.nrows());
        for (row, label) in window.inputs.rows().into_iter().zip(labels) {
            let number = num_traits::ToPrimitive::to_usize(&(row[0] / 3.0)).unwrap();
            assert_eq!(
                (row[1] - row[0], row[2] - row[0], label),
                (1.0, 2.0, number % 7),
                "a row was torn apart"
            );
            order.push(number);
        }
        windows.push(window.inputs.nrows());
    }
    (order, windows)
}

#[test]
fn one_window_is_had_without_those_before() {
    let (folder, x, y) = files(5000);
    let mut data = Shuffled::open(&x, &y, Task::Auto, 40_000).unwrap().seed(3).rows(100..4900).unwrap();
    assert_eq!(data.classes().unwrap(), Some(7));
    let count = data.windows::<f32>().unwrap();
    assert!(count > 2);
    for pass in [0, 2] {
        let windows: Vec<_> = data.pass::<f32>(pass).unwrap().map(Result::unwrap).collect();
        assert_eq!(windows.len(), count);
        for (number, window) in windows.iter().enumerate() {
            assert_eq!(data.nth(pass, number).unwrap().as_ref(), Some(window));
        }
        for none in [count, usize::MAX] {
            assert_eq!(data.nth::<f32>(pass, none).unwrap(), None);
        }
    }
    let values = write(folder.path(), "values.npy", &Array1::<f64>::zeros(5000));
    assert_eq!(Shuffled::open(&x, &values, Task::Auto, 40_000).unwrap().classes().unwrap(), None);
    let mut labels = Array1::<i16>::zeros(5000);
    labels[4999] = -1;
    let labels = write(folder.path(), "labels.npy", &labels);
    let error = Shuffled::open(&x, &labels, Task::Auto, 40_000).unwrap().classes().unwrap_err().to_string();
    assert!(error.contains("labels.npy, element [4999, 0]: found -1"), "{error}");
}

#[test]
fn every_row_comes_once_in_an_order_of_the_seed() {
    let (_folder, x, y) = files(5000);
    let open = |seed| Shuffled::open(&x, &y, Task::Auto, 40_000).unwrap().seed(seed);
    let (first, windows) = order(&mut open(1), 0);
    let window = open(1).window::<f32>().unwrap();
    assert!(
        windows.len() > 4 && windows[..windows.len() - 1].iter().all(|&rows| rows >= window - 100),
        "{windows:?}"
    );
    let mut sorted = first.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..5000).collect::<Vec<_>>());
    assert_eq!(order(&mut open(1), 0).0, first);
    let (second, third) = (order(&mut open(1), 1).0, order(&mut open(2), 0).0);
    assert!(first != second && first != third && second != third);
    // Windows are samples of the whole: each has rows of every fifth of the file.
    let (mut start, whole) = (0, windows.len() - 1);
    for rows in &windows[..whole] {
        let window = &first[start..start + rows];
        assert!((0..5).all(|fifth| window.iter().any(|row| row / 1000 == fifth)));
        // Neighbours in the file are none in the window.
        let neighbours = window.windows(2).filter(|pair| pair[1] == pair[0] + 1).count();
        assert!(neighbours < rows / 10, "{neighbours} of {rows}");
        start += rows;
    }
    // Only some rows, and those that are left, as they are.
    let mut some = open(1).rows(1000..1100).unwrap();
    let (mut rows, _) = order(&mut some, 0);
    rows.sort_unstable();
    assert_eq!((some.len(), rows), (100, (1000..1100).collect()));
    let rest = some.read::<f64>(4998..5000).unwrap();
    assert_eq!(rest.inputs, array![[14994.0, 14995.0, 14996.0], [14997.0, 14998.0, 14999.0]]);
    assert_eq!(rest.answers, Answers::Classes(vec![0, 1]));
}

#[test]
fn values_and_types() {
    let folder = tempfile::tempdir().unwrap();
    let x = write(folder.path(), "x.npy", &Array1::from_iter(0_i64..50));
    let y = write(folder.path(), "y.npy", &Array2::from_shape_fn((50, 2), |(i, j)| (10 * i + j) as f64));
    for memory in [5_000, usize::MAX] {
        let mut data = Shuffled::open(&x, &y, Task::Auto, memory).unwrap();
        let mut rows = 0;
        for window in data.pass::<f64>(3).unwrap() {
            let window = window.unwrap();
            let Answers::Values(values) = window.answers else { panic!("values") };
            let inputs = window.inputs.column(0);
            assert!(
                values.rows().into_iter().zip(inputs).all(|(y, x)| y == array![10.0 * x, 10.0 * x + 1.0])
            );
            rows += values.nrows();
        }
        assert_eq!(rows, 50);
    }
}

#[test]
fn what_cannot_be_gone_through() {
    let (folder, x, y) = files(100);
    let open = |x: &Path, y: &Path| Shuffled::open(x, y, Task::Auto, 10_000);
    let refused = |x: &Path, y: &Path| open(x, y).unwrap_err().to_string();
    let other = write(folder.path(), "other.npy", &Array1::<u8>::zeros(99));
    assert!(refused(&x, &other).contains("found 100 × 3 inputs and 99 × 1 targets"));
    let none = write(folder.path(), "none.npy", &Array1::<u8>::zeros(0));
    assert!(open(&none, &none).is_err());
    let two = write(folder.path(), "two.npy", &Array2::<u8>::zeros((100, 2)));
    assert!(
        Shuffled::open(&x, &two, Task::Classes, 10_000).unwrap_err().to_string().contains("found 2 columns")
    );

    let fortran = folder.path().join("fortran.npy");
    let array = Array2::<f64>::zeros((2, 100).f());
    let mut bytes = Vec::new();
    npy::write(&array, &mut bytes).unwrap();
    let place = bytes.windows(5).position(|text| text == b"False").unwrap();
    bytes[place..place + 5].copy_from_slice(b"True ");
    fs::write(&fortran, &bytes).unwrap();
    assert!(refused(&fortran, &y).contains("found an array in Fortran order"));

    let packed = folder.path().join("x.npy.gz");
    let mut gzip = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
    gzip.write_all(&fs::read(&x).unwrap()).unwrap();
    gzip.finish().unwrap();
    assert!(refused(&packed, &y).contains("found gzip data"));
    let whole = fs::read(&x).unwrap();
    let cut = folder.path().join("cut.npy");
    for bytes in [&whole[..whole.len() - 1], &[&whole[..], &[0]].concat(), &whole[..50], &[]] {
        fs::write(&cut, bytes).unwrap();
        assert!(matches!(open(&cut, &y), Err(Error::Malformed { .. })));
    }
    assert!(matches!(open(Path::new("/nowhere/x.npy"), &y), Err(Error::Io { .. })));

    let mut small = Shuffled::open(&x, &y, Task::Auto, 50).unwrap();
    let message = small.pass::<f32>(0).unwrap_err().to_string();
    assert!(message.contains("memory: found 50 bytes, expected at least"), "{message}");
    let least: usize =
        message.split_whitespace().find_map(|word| word.parse().ok().filter(|&x| x != 50)).unwrap();
    let mut enough = Shuffled::open(&x, &y, Task::Auto, least).unwrap();
    assert_eq!(order(&mut enough, 0).0.len(), 100);
    for rows in [5..5, 99..101, 200..300] {
        assert!(open(&x, &y).unwrap().rows(rows.clone()).is_err());
        assert!(small.read::<f32>(rows).is_err());
    }
}

#[test]
fn a_bad_number_is_told_with_its_row() {
    let (folder, x, y) = files(100);
    let mut bad = Array2::from_shape_fn((100, 3), |(i, _)| i as f32);
    bad[[77, 2]] = f32::NAN;
    let bad = write(folder.path(), "bad.npy", &bad);
    let mut labels = Array1::<i32>::zeros(100);
    labels[31] = -4;
    let negative = write(folder.path(), "negative.npy", &labels);
    for (x, y, expected) in [(&bad, &y, (77, 2)), (&x, &negative, (31, 0))] {
        let mut data = Shuffled::open(x, y, Task::Auto, 3_000).unwrap();
        let errors: Vec<_> = data.pass::<f32>(0).unwrap().filter_map(Result::err).collect();
        assert_eq!(errors.len(), 1);
        let Error::Malformed { position: Position::Element { row, column }, .. } = errors[0] else {
            panic!("{}", errors[0])
        };
        assert_eq!((row, column), expected);
    }
}

proptest! {
    #[test]
    fn any_memory(rows in 1_usize..300, memory in 0_usize..20_000, pass: u64, seed: u64) {
        let (_folder, x, y) = files(rows);
        let mut data = Shuffled::open(&x, &y, Task::Auto, memory).unwrap().seed(seed);
        if let Ok(window) = data.window::<f32>() {
            prop_assert!(window * (3 * 4 + 8) <= memory);
            let (mut rows_seen, windows) = order(&mut data, pass);
            prop_assert!(windows.iter().all(|&rows| rows <= window));
            rows_seen.sort_unstable();
            prop_assert_eq!(rows_seen, (0..rows).collect::<Vec<_>>());
        } else {
            prop_assert!(memory < 3000);
        }
    }

    #[test]
    fn arbitrary_files(bytes in prop::collection::vec(any::<u8>(), 0..100), headed: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npy");
        let start: &[u8] = if headed { b"\x93NUMPY\x01\x00\x20\x00" } else { b"" };
        fs::write(&path, [start, &bytes].concat()).unwrap();
        let _ = Shuffled::open(&path, &path, Task::Auto, 1000);
    }
}
