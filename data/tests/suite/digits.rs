//! The embedded digits are the ones that they claim to be, and their default split is the same for ever.

use chainrule_data::{Split, digits, digits_split};
use flate2::read::GzDecoder;
use ndarray::Axis;
use sha2::{Digest, Sha256};
use std::{fmt::Write, io::Read};

#[test]
fn the_file_is_the_one_that_scikit_learn_ships() {
    let mut text = Vec::new();
    GzDecoder::new(&include_bytes!("../../assets/digits.csv.gz")[..]).read_to_end(&mut text).unwrap();
    let sum = Sha256::digest(&text).iter().fold(String::new(), |mut sum, byte| {
        write!(sum, "{byte:02x}").unwrap();
        sum
    });
    assert_eq!(sum, "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8");
}

#[test]
fn shape_range_and_counts() {
    let digits = digits::<f64>();
    assert_eq!(digits.inputs().dim(), (1797, 64));
    assert_eq!(digits.class_counts(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(digits.class_names().join(""), "0123456789");
    // The first image's first row, as the file has it: 0,0,5,13,9,1,0,0.
    let first = [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0].map(|grey| grey / 16.0);
    assert_eq!(digits.inputs().row(0).as_slice().unwrap()[..8], first);
    let greatest = digits.inputs().fold(0.0, |greatest, &value| f64::max(greatest, value));
    assert_eq!(greatest.to_bits(), 1.0_f64.to_bits());
    assert_eq!(digits.inputs().iter().filter(|value| **value < 0.0).count(), 0);
}

#[test]
fn both_precisions_hold_the_same_values() {
    assert_eq!(digits::<f32>().inputs().mapv(f64::from), digits::<f64>().inputs());
}

/// The expected rows were computed apart from this crate, in another language.
#[test]
fn the_default_split_never_changes() {
    let all = digits::<f32>();
    let Split { train, test } = digits_split::<f32>(42);
    assert_eq!(train.class_counts(), [142, 146, 142, 146, 145, 146, 145, 143, 139, 144]);
    assert_eq!(test.len(), 359);
    for (part, rows) in [(&train, [1752, 1771, 1063, 96]), (&test, [146, 810, 931, 82])] {
        for (place, row) in rows.into_iter().enumerate() {
            assert_eq!(part.inputs().index_axis(Axis(0), place), all.inputs().index_axis(Axis(0), row));
            assert_eq!(part.labels()[place], all.labels()[row]);
        }
    }
    assert_ne!(digits_split::<f32>(43).test.labels(), test.labels());
}
