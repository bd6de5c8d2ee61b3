//! NPY and NPZ files as NumPy writes them, and as nobody should.

use chainrule_data::{
    Answers, Error, Position, Task,
    npy::{self, Npz},
};
use flate2::{Compression, write::GzEncoder};
use ndarray::{Array2, Array3, ArrayD, array};
use proptest::prelude::*;
use std::io::{Cursor, Write};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// The bytes of a file with this header's text.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len() + 1).unwrap().to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.push(b'\n');
    bytes.extend(data);
    bytes
}

fn typed(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    file(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"), data)
}

fn read(bytes: impl AsRef<[u8]>) -> Result<Array2<f64>, Error> {
    npy::from_reader(bytes.as_ref(), "t.npy")
}

fn refused(bytes: impl AsRef<[u8]>) -> String {
    read(bytes).expect_err("it should be refused").to_string()
}

fn answers(bytes: &[u8], task: Task) -> Result<Answers<f64>, Error> {
    npy::answers_from_reader(bytes, "t.npy", task)
}

#[test]
fn every_type_and_byte_order() {
    let expected = array![[1.0], [0.0], [100.0]];
    macro_rules! numbers {
        ($($descr:literal $type:ty),*) => {$(
            let values = [1, 0, 100].map(|x: i8| <$type>::from(x));
            let little: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            let big: Vec<u8> = values.iter().flat_map(|x| x.to_be_bytes()).collect();
            assert_eq!(read(typed(concat!("<", $descr), false, "(3,)", &little)).unwrap(), expected, $descr);
            assert_eq!(read(typed(concat!(">", $descr), false, "(3,)", &big)).unwrap(), expected, $descr);
        )*};
    }
    numbers!("i1" i8, "i2" i16, "i4" i32, "i8" i64, "f4" f32, "f8" f64, "f2" half::f16);
    for (descr, bytes) in [("u1", 1), ("u2", 2), ("u4", 4), ("u8", 8)] {
        let data: Vec<u8> = [1_u64, 0, 100].iter().flat_map(|x| x.to_le_bytes()[..bytes].to_vec()).collect();
        assert_eq!(read(typed(&format!("<{descr}"), false, "(3,)", &data)).unwrap(), expected, "{descr}");
    }
    assert_eq!(read(typed("|b1", false, "(3,)", &[1, 0, 1])).unwrap(), array![[1.0], [0.0], [1.0]]);
    // Beyond i64, and as near as the type can be.
    let greatest = typed("<u8", false, "(1,)", &u64::MAX.to_le_bytes());
    assert_eq!(read(&greatest).unwrap(), array![[18_446_744_073_709_551_615.0]]);
    let third = typed("<f8", false, "(1,)", &(1.0_f64 / 3.0).to_le_bytes());
    assert_eq!(npy::from_reader::<f32>(&third[..], "t").unwrap(), array![[1.0_f32 / 3.0]]);

    for descr in ["<c8", "|O", "<U4", "|S3", "<M8[ns]", "|V4", "<f16", "<i3", "f4", "", "é"] {
        let message = refused(typed(descr, false, "(1,)", &[0; 16]));
        assert!(
            message.contains("expected floating-point numbers") || message.contains("header that is none"),
            "{message}"
        );
    }
    let record = file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", &[0; 4]);
    assert!(refused(record).contains("found elements of type `[("));
}

#[test]
fn orders_and_shapes() {
    let matrix = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
    let bytes = |values: &[f64]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let rows = bytes(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let columns = bytes(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(read(typed("<f8", false, "(2, 3)", &rows)).unwrap(), matrix);
    let turned = read(typed("<f8", true, "(2, 3)", &columns)).unwrap();
    assert!(turned == matrix && turned.is_standard_layout());
    assert_eq!(read(typed("<f8", false, "(2, 1, 3)", &rows)).unwrap(), matrix);
    assert_eq!(read(typed("<f8", true, "(6,)", &rows)).unwrap().dim(), (6, 1));

    // Images in Fortran order: written by hand, first index fastest.
    let images = Array3::from_shape_fn((2, 3, 2), |(i, j, k)| (100 * i + 10 * j + k) as f64);
    let mut fastest_first = Vec::new();
    for k in 0..2 {
        for j in 0..3 {
            for i in 0..2 {
                fastest_first.push(images[[i, j, k]]);
            }
        }
    }
    let flat = images.to_shape((2, 6)).unwrap();
    assert_eq!(read(typed("<f8", true, "(2, 3, 2)", &bytes(&fastest_first))).unwrap(), flat);

    assert_eq!(read(typed("<f8", false, "(0, 3)", &[])).unwrap().dim(), (0, 3));
    assert_eq!(read(typed("<f8", true, "(3, 0)", &[])).unwrap().dim(), (3, 0));
    assert!(refused(typed("<f8", false, "()", &rows[..8])).contains("found a single number"));
}

#[test]
fn gzip_and_later_versions() {
    let plain = typed("<f4", false, "(1, 2)", &[0, 0, 128, 63, 0, 0, 0, 64]);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&plain).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(read(&packed).unwrap(), array![[1.0, 2.0]]);
    assert!(matches!(read(&packed[..packed.len() - 4]), Err(Error::Gzip { .. })));
    for version in [2, 3] {
        let mut later = plain.clone();
        later[6] = version;
        later.splice(10..10, [0, 0]);
        assert_eq!(read(later).unwrap(), array![[1.0, 2.0]], "{version}");
    }
}

#[test]
fn classes_and_values() {
    let labels = typed("<i8", false, "(3,)", &[2_i64, 0, 1].map(i64::to_le_bytes).concat());
    let values = Answers::Values(array![[2.0], [0.0], [1.0]]);
    assert_eq!(answers(&labels, Task::Auto).unwrap(), Answers::Classes(vec![2, 0, 1]));
    assert_eq!(answers(&labels, Task::Values).unwrap(), values);
    let floats = typed("<f8", false, "(3, 1)", &[2.0_f64, 0.0, 1.0].map(f64::to_le_bytes).concat());
    assert_eq!(answers(&floats, Task::Auto).unwrap(), values);
    assert_eq!(answers(&floats, Task::Classes).unwrap(), Answers::Classes(vec![2, 0, 1]));
    assert_eq!(
        answers(&typed("|b1", false, "(2,)", &[1, 0]), Task::Auto).unwrap(),
        Answers::Classes(vec![1, 0])
    );
    let two = typed("|u1", false, "(1, 2)", &[1, 0]);
    assert_eq!(answers(&two, Task::Auto).unwrap(), Answers::Values(array![[1.0, 0.0]]));
    assert!(answers(&two, Task::Classes).unwrap_err().to_string().contains("found 2 columns"));

    for (value, found) in [(-1.0, "-1"), (0.5, "0.5"), (65536.0, "65536"), (1e300, "1000")] {
        let bytes = typed("<f8", false, "(2,)", &[0.0, value].map(f64::to_le_bytes).concat());
        let message = answers(&bytes, Task::Classes).unwrap_err().to_string();
        assert!(message.starts_with(&format!("t.npy, element [1, 0]: found {found}")), "{message}");
    }
}

#[test]
fn broken_files() {
    let sound = typed("<f4", false, "(2, 2)", &[0; 16]);
    for (bytes, message) in [
        (Vec::new(), "t.npy, byte 0: found an empty file"),
        (b"not NumPy".to_vec(), "t.npy, byte 0: found other bytes"),
        (sound[..20].to_vec(), "t.npy, byte 20: found the file's end"),
        (
            sound[..sound.len() - 1].to_vec(),
            "found the file's end after 3 elements, expected 4 for the dimensions 2 × 2",
        ),
        ([&sound[..], &[0]].concat(), "found more bytes, expected the file's end"),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "t.npy, byte 6: found version 9"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "found a header of 4294967295 bytes"),
        (file(&"(".repeat(60_000), &[]), "found a header of many brackets"),
        (file(&"[{".repeat(4), &[]), "found a header that is none"),
        (file("{'descr': '<f4'}", &[]), "found a header that is none"),
        (typed("<f4", false, "(1152921504606846976, 8)", &[]), "found the dimensions"),
        (typed("<f4", false, "(0, 9999999999, 9999999999)", &[]), "found the dimensions"),
        (typed("<f4", false, "(99999999999999999999999,)", &[]), "found a header that is none"),
        (typed("<f4", false, "(-1,)", &[]), "found a header that is none"),
        // More than there is, and than can be reserved.
        (typed("|u1", false, "(1152921504606846976,)", &[1, 2, 3]), "found the file's end after 3 elements"),
    ] {
        let found = refused(&bytes);
        assert!(found.contains(message), "{found}, not {message}");
    }
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let bytes = typed("<f8", true, "(1, 2)", &[1.0, value].map(f64::to_le_bytes).concat());
        match read(&bytes) {
            Err(Error::Malformed { position, .. }) => {
                assert_eq!(position, Position::Element { row: 0, column: 1 });
            }
            other => panic!("{other:?}"),
        }
    }
    let large = typed("<f8", false, "(1,)", &1e300_f64.to_le_bytes());
    let error = npy::from_reader::<f32>(&large[..], "t.npy").unwrap_err();
    assert!(error.to_string().contains("expected a finite number below 3.403e38"), "{error}");
    assert!(matches!(npy::read::<f64>("/nowhere/x.npy"), Err(Error::Io { .. })));
}

/// A disk without room.
struct Full;
impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_was_written_is_read() {
    let x = Array2::from_shape_fn((7, 5), |(i, j)| (i * 5 + j) as f32 / 3.0);
    for array in [x.view(), x.t(), x.slice_axis(ndarray::Axis(1), (1..4).into())] {
        let mut bytes = Vec::new();
        npy::write(&array, &mut bytes).unwrap();
        assert_eq!(npy::from_reader::<f32>(&bytes[..], "t").unwrap(), array);
        assert_eq!(bytes.len() % 4, 0);
    }
    let cube = ArrayD::from_shape_fn(vec![2, 2, 2], |index| (index[0] * 4 + index[1] * 2 + index[2]) as f64);
    let mut bytes = Vec::new();
    npy::write(&cube, &mut bytes).unwrap();
    assert_eq!(read(bytes).unwrap(), array![[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]);
    assert!(matches!(npy::write(&x, Full), Err(Error::Io { .. })));
}

fn archive(members: &[(&str, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn arrays_by_name() {
    let x = typed("<f4", true, "(1, 2)", &[0, 0, 128, 63, 0, 0, 0, 64]);
    let y = typed("|i1", false, "(1,)", &[3]);
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let members = [("x_train.npy", x.clone()), ("y", y.clone()), ("broken.npy", x[..70].to_vec())];
        let bytes = archive(&members, method);
        let mut npz = Npz::new(Cursor::new(bytes), "t.npz").unwrap();
        let mut names = npz.names();
        names.sort_unstable();
        assert_eq!(names, ["broken", "x_train", "y"]);
        assert_eq!(npz.read::<f64>("x_train").unwrap(), array![[1.0, 2.0]]);
        assert_eq!(npz.read_answers::<f64>("y", Task::Auto).unwrap(), Answers::Classes(vec![3]));
        let error = npz.read::<f64>("x").unwrap_err().to_string();
        assert!(
            error.starts_with("t.npz: found the arrays") && error.ends_with("expected one named `x`"),
            "{error}"
        );
        let error = npz.read::<f64>("broken").unwrap_err().to_string();
        assert!(error.starts_with("t.npz, array broken, byte"), "{error}");
    }
    assert!(matches!(Npz::new(Cursor::new(b"PK"), "t.npz"), Err(Error::Malformed { .. })));
    assert!(matches!(Npz::open("/nowhere/x.npz"), Err(Error::Io { .. })));
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let _ = read([b"\x93NUMPY\x01\x00", &bytes[..]].concat());
        let _ = Npz::new(Cursor::new(bytes), "t.npz").map(|mut npz| npz.read::<f32>("x"));
    }

    #[test]
    fn arbitrary_headers(text in r"[{}\[\](),':0-9<>f4u1 a-zT-]{0,80}", data in prop::collection::vec(any::<u8>(), 0..20)) {
        let _ = read(file(&text, &data));
        let _ = answers(&typed("<i2", true, &text, &data), Task::Auto);
    }

    /// A sound file with a few bytes changed, or cut off.
    #[test]
    fn damaged_files(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut in any::<prop::sample::Index>()) {
        let member = typed("<f4", true, "(1, 2)", &[0, 0, 128, 63, 0, 0, 0, 64]);
        for sound in [member.clone(), archive(&[("x.npy", member)], CompressionMethod::Deflated)] {
            let mut bytes = sound;
            for (place, byte) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            let _ = read(&bytes);
            let _ = read(&bytes[..cut.index(bytes.len())]);
            let open = |bytes: &[u8]| Npz::new(Cursor::new(bytes.to_vec()), "t.npz").map(|mut npz| npz.read::<f32>("x"));
            let _ = open(&bytes);
            let _ = open(&bytes[..cut.index(bytes.len())]);
        }
    }

    #[test]
    fn arrays_of_any_shape(shape in prop::collection::vec(0_usize..5, 1..4), fortran: bool) {
        let count: usize = shape.iter().product();
        let data: Vec<u8> = (0..count).flat_map(|x| (x as f64).to_le_bytes()).collect();
        let text = format!("({},)", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
        let found = read(typed("<f8", fortran, &text, &data)).unwrap();
        prop_assert_eq!(found.dim(), (shape[0], shape[1..].iter().product()));
        prop_assert_eq!(found.len(), count);
    }
}
