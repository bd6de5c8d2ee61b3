//! IDX files, sound and broken in every way that a few bytes allow.

use chainrule_data::{Error, Position, idx};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use std::{fs, io::Write};

/// The bytes of an IDX file.
fn file(kind: u8, shape: &[u32], elements: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, u8::try_from(shape.len()).unwrap()];
    bytes.extend(shape.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend(elements);
    bytes
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(bytes: &[u8]) -> Result<ndarray::ArrayD<u8>, Error> {
    idx::from_reader(bytes, "x.idx")
}

/// The byte at which a file is malformed, and the message.
fn refused(bytes: &[u8]) -> (u64, String) {
    let error = read(bytes).expect_err("it is malformed");
    let message = error.to_string();
    match error {
        Error::Malformed { position: Position::Byte(byte), file, .. } if file == "x.idx" => (byte, message),
        other => panic!("another error: {other:?}"),
    }
}

#[test]
fn shapes_and_order() {
    let array = read(&file(8, &[2, 1, 3], &[1, 2, 3, 4, 5, 6])).unwrap();
    assert_eq!(array.shape(), [2, 1, 3]);
    assert_eq!(array[[1, 0, 0]], 4);
    assert_eq!(read(&file(8, &[0], &[])).unwrap().shape(), [0]);
    assert_eq!(read(&file(8, &[0, 28, 28], &[])).unwrap().shape(), [0, 28, 28]);
    assert_eq!(read(&file(8, &[1; 255], &[7])).unwrap().ndim(), 255);
}

#[test]
fn gzip_is_told_from_the_bytes_and_not_from_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let plain = file(8, &[3], &[1, 2, 3]);
    // Several members one after the other are one gzip file.
    let members = [gzipped(&plain[..5]), gzipped(&plain[5..])].concat();
    for (name, bytes) in [("a.gz", plain.clone()), ("b", gzipped(&plain)), ("c", members)] {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert_eq!(idx::read(&path).unwrap().into_raw_vec_and_offset().0, [1, 2, 3], "{name}");
    }
}

#[test]
fn more_than_a_first_reserve_arrives_whole() {
    let elements: Vec<u8> =
        (0..3_000_001_u32).map(|index| index.to_le_bytes()[0] ^ index.to_le_bytes()[1]).collect();
    let bytes = file(8, &[3_000_001], &elements);
    assert_eq!(read(&bytes).unwrap().as_slice().unwrap(), elements);
    assert_eq!(read(&gzipped(&bytes)).unwrap().as_slice().unwrap(), elements);
    assert_eq!(refused(&bytes[..bytes.len() - 1]).0, bytes.len() as u64 - 1);
}

#[test]
fn cut_off_anywhere() {
    let whole = file(8, &[2, 3], &[1, 2, 3, 4, 5, 6]);
    for length in 0..whole.len() {
        let (byte, message) = refused(&whole[..length]);
        assert_eq!(byte, if length < 4 { 0 } else { length as u64 }, "{length}: {message}");
    }
    let packed = gzipped(&whole);
    assert_eq!(read(&packed).unwrap().shape(), [2, 3]);
    for length in 2..packed.len() {
        let error = read(&packed[..length]).unwrap_err();
        assert!(matches!(&error, Error::Gzip { .. }), "{length}: {error}");
    }
}

#[test]
fn a_flipped_bit_in_a_gzip_file_never_changes_what_is_read() {
    let whole = file(8, &[64], &(0..64).map(|x: u8| x.wrapping_mul(x) % 61).collect::<Vec<u8>>());
    let (sound, packed) = (read(&whole).unwrap(), gzipped(&whole));
    // The header's flags and time stamp are not protected; the data and its checksum are.
    let mut noticed = 0;
    for position in 10..packed.len() {
        let mut broken = packed.clone();
        broken[position] ^= 0x10;
        // Some bits are padding.
        match read(&broken) {
            Ok(array) => assert_eq!(array, sound, "byte {position}"),
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed + 8 > packed.len() - 10, "{noticed} of {}", packed.len() - 10);
}

#[test]
fn headers_that_are_not_those_of_unsigned_bytes() {
    assert_eq!(
        refused(&[]).1,
        "x.idx, byte 0: found an empty file, expected an IDX file, which begins with 00 00 08 and its number of dimensions"
    );
    assert!(refused(b"\x89PNG\r\n").1.contains("the first bytes 89 50 4e 47"));
    assert_eq!(refused(&[0, 1, 8, 1, 0, 0, 0, 0]).0, 0);
    for (kind, name) in [(0x0d, "32-bit floats"), (0x09, "signed bytes"), (0x0a, "unknown")] {
        let (byte, message) = refused(&file(kind, &[1], &[0; 8]));
        assert!(byte == 2 && message.contains(name), "{message}");
    }
    assert_eq!(refused(&file(8, &[], &[5])).0, 3);
}

#[test]
fn too_few_and_too_many_elements() {
    let (byte, message) = refused(&file(8, &[2, 2], &[1, 2, 3]));
    assert_eq!(
        (byte, message.as_str()),
        (15, "x.idx, byte 15: found the file's end after 3 elements, expected 4 for the dimensions 2 × 2")
    );
    assert_eq!(refused(&file(8, &[2, 2], &[1, 2, 3, 4, 5])).0, 16);
    assert_eq!(refused(&file(8, &[0], &[1])).0, 8);
    assert_eq!(refused(&gzipped(&file(8, &[1], &[1, 2]))).0, 9);
}

/// A few bytes that claim gigabytes must neither be believed nor overflow: this test would take minutes or
/// abort.
#[test]
fn claims_are_not_believed() {
    assert_eq!(refused(&file(8, &[u32::MAX], &[1])).0, 9);
    assert_eq!(refused(&file(8, &[1 << 20, 1 << 20], &[1])).0, 13);
    assert_eq!(refused(&file(8, &[u32::MAX, u32::MAX], &[1])).0, 4);
    assert_eq!(refused(&file(8, &[u32::MAX; 255], &[])).0, 4);
    assert_eq!(refused(&file(8, &[u32::MAX, u32::MAX, 0], &[])).0, 4);
}

#[test]
fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("absent"), folder.path().to_path_buf()] {
        let error = idx::read(&path).unwrap_err();
        assert!(matches!(&error, Error::Io { file, .. } if *file == path.display().to_string()), "{error}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64), start in 0_usize..8) {
        // With nothing, with a right beginning, and as what a gzip file holds.
        let beginning: &[u8] = &[0, 0, 8, 2, 0, 0, 0, 3][..start];
        let bytes = [beginning, &bytes].concat();
        if let Ok(array) = read(&bytes) {
            prop_assert_eq!(bytes.len(), 4 + 4 * array.ndim() + array.len());
        }
        prop_assert_eq!(read(&gzipped(&bytes)).ok(), read(&bytes).ok());
    }

    #[test]
    fn what_was_written_is_read(
        shape in prop::collection::vec(0_u32..5, 1..5),
        seed: u8,
    ) {
        let count = shape.iter().product::<u32>();
        let elements: Vec<u8> = (0..count).map(|index| seed.wrapping_add(index.to_le_bytes()[0])).collect();
        let array = read(&file(8, &shape, &elements)).unwrap();
        prop_assert!(array.shape().iter().zip(&shape).all(|(&a, &b)| a as u64 == u64::from(b)));
        prop_assert_eq!(array.into_raw_vec_and_offset().0, elements);
    }
}
