//! CSV as it is met in the wild, and as it should not be met anywhere.

use chainrule_data::{
    Error, LabelledData, Position,
    csv::{self, Column, Header, Options},
};
use flate2::{Compression, write::GzEncoder};
use ndarray::array;
use proptest::prelude::*;
use std::{
    fmt::Write as _,
    fs,
    io::{self, Read, Write},
    path::Path,
};

fn read(text: impl AsRef<[u8]>) -> Result<LabelledData<f64>, Error> {
    with(text, &Options::new())
}

fn with(text: impl AsRef<[u8]>, options: &Options) -> Result<LabelledData<f64>, Error> {
    csv::from_reader(text.as_ref(), "t.csv", options)
}

/// The message of the error that `text` causes.
fn refused(text: impl AsRef<[u8]>) -> String {
    refused_with(text, &Options::new())
}

fn refused_with(text: impl AsRef<[u8]>, options: &Options) -> String {
    with(text, options).expect_err("it should be refused").to_string()
}

/// A reader that fails.
struct Fails;
impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "not today"))
    }
}

/// A reader that comes with a byte at a time.
struct Slow<'a>(&'a [u8]);
impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(1);
        self.0.read(&mut buffer[..length])
    }
}

fn cell(line: u64, column: usize) -> Position {
    Position::Cell { line, column, name: None }
}

fn position(text: impl AsRef<[u8]>) -> Position {
    match read(text) {
        Err(Error::Malformed { position, .. }) => position,
        other => panic!("{other:?}"),
    }
}

#[test]
fn line_ends_quotes_spaces_marks_and_blank_lines_do_not_matter() {
    let plain = read("1,2,0\n3,4,1\n").unwrap();
    for text in [
        "1,2,0\r\n3,4,1\r\n",
        "1,2,0\r3,4,1",
        "\u{feff}1,2,0\n3,4,1",
        "\n\n1,2,0\n\r\n\n3,4,1\n\n",
        "\"1\",\"2\",\"0\"\r\n\"3\",\"4\",\"1\"\r\n",
        " 1 ,\t2, 0\n3 , 4e0,1.0 \n",
        "+1.0,.2e1,0\n3.,0.4E+1,1\n",
    ] {
        assert_eq!(read(text).unwrap(), plain, "{text:?}");
    }
    // A mark before a header is no part of its first name.
    let text = "\u{feff}a,b,c\r\n1,2,0\r\n3,4,1";
    let named = csv::from_reader::<f64>(Slow(text.as_bytes()), "slow", &Options::new()).unwrap();
    assert_eq!(named.feature_names(), ["a", "b"]);
    assert_eq!(named.inputs(), plain.inputs());
}

#[test]
fn delimiters_and_columns() {
    let expected = array![[0.5, 1.5], [2.5, 3.5]];
    for (text, delimiter, label) in [
        ("x;0.5;1.5\ny;2.5;3.5\n", b';', Column::Number(1)),
        ("0.5\tx\t1.5\n2.5\ty\t3.5\n", b'\t', Column::Number(2)),
        ("a|kind|b\n0.5|x|1.5\n2.5|y|3.5\n", b'|', Column::Name("kind".to_owned())),
        ("0.5 1.5 x\n2.5 3.5 y\n", b' ', Column::Last),
    ] {
        let data = with(text, &Options::new().delimiter(delimiter).label(label)).unwrap();
        assert_eq!(data.inputs(), expected, "{text}");
        assert_eq!((data.labels(), data.class_names().concat().as_str()), (&[0, 1][..], "xy"), "{text}");
    }
    assert!(refused("1;2;3\n").contains("is the delimiter `;`?"));
    assert!(refused_with("1,2\n", &Options::new().label(Column::Number(3))).contains("at least 3"));
    assert!(refused_with("1,2\n", &Options::new().label(Column::Number(0))).contains("the first is 1"));
    let absent = refused_with("a,b\n1,2\n", &Options::new().label(Column::Name("c".to_owned())));
    assert_eq!(absent, "t.csv, line 1: found the columns `a`, `b`, expected one named `c`");
    let contradiction = Options::new().label(Column::Name("c".to_owned())).header(Header::No);
    assert!(matches!(with("1,2\n", &contradiction), Err(Error::Argument { name: "label", .. })));
    for delimiter in [b'"', b'\n', b'7', b'e', b'.', b'-', 0xe9] {
        let error = with("1,2\n", &Options::new().delimiter(delimiter)).unwrap_err();
        assert!(matches!(error, Error::Argument { name: "delimiter", .. }), "{error}");
    }
    assert!(with("1,2\n", &Options::new().comment(Some(b','))).is_err());
}

#[test]
fn headers() {
    // Names; names of which the first is empty, as pandas writes its index; a number as the class's name;
    // none.
    for (text, names) in [
        ("a,b,c\n1,2,x\n", &["a", "b"][..]),
        (",b,c\n1,2,x\n", &["", "b"]),
        ("0,1,x\n1,0,x\n", &[]),
        ("label,0\n1,2\n", &["label"]),
        ("5,7,x\n1,2,x\n", &[]),
        ("0,1,2\n1,2,3\n", &[]),
    ] {
        let data = read(text).unwrap();
        let rows = if names.is_empty() { 2 } else { 1 };
        assert!(data.feature_names() == names && data.len() == rows, "{text}: {data:?}");
    }
    let numbers = with("5,7,9\n1,2,3\n", &Options::new().header(Header::Yes)).unwrap();
    assert_eq!((numbers.len(), numbers.feature_names().concat().as_str()), (1, "57"));
    assert_eq!(
        refused_with("a,b\n", &Options::new().header(Header::No)),
        "t.csv, line 1, column 1: found `a`, expected a number"
    );
    // Neither: it is not for a reader to guess whether a row of data is broken or a header odd.
    let doubt = refused("150,4,setosa,versicolor,virginica\n5.1,3.5,1.4,0.2,0\n");
    assert_eq!(
        doubt,
        "t.csv, line 1, column 3: found `setosa`, expected a number (unless this line is a header: the option `header`)"
    );
    for (text, names) in [("0,1,2,label\n4,5,6,x\n", "012"), ("1,2,3,label\n4,5,6,0\n", "123")] {
        let doubt = "t.csv, line 1: found numbered columns or a row of class `label`, \
                     expected to be told by the option `header` whether this line is one";
        assert_eq!(refused(text), doubt);
        let options = Options::new().header(Header::Yes);
        assert_eq!(with(text, &options).unwrap().feature_names().concat(), names);
        assert_eq!(with(text, &options.header(Header::No)).unwrap().len(), 2);
    }
    assert_eq!(position("?,,2,x\n1,2,3,x\n"), cell(1, 1));
    assert_eq!(position(",,x\n1,2,x\n"), cell(1, 1));
}

#[test]
fn classes() {
    // Non-negative whole numbers stay as they are; others are sorted, by value where they have one.
    for (column, labels, names) in [
        (["3", "0", "3"], [3, 0, 3], "0 1 2 3"),
        (["1.0", "0.0e0", "1"], [1, 0, 1], "0 1"),
        (["1", "-1", "-10"], [2, 1, 0], "-10 -1 1"),
        (["-0", "0", "-1.0"], [1, 1, 0], "-1 0"),
        (["b", "a", "B"], [2, 1, 0], "B a b"),
        (["10", "9", "x"], [0, 1, 2], "10 9 x"),
        (["ä", "日本", "z"], [1, 2, 0], "z ä 日本"),
    ] {
        let text: String = column.iter().flat_map(|class| ["0.5,", class, "\n"]).collect();
        let data = read(text).unwrap();
        assert_eq!(
            (data.labels(), data.class_names().join(" ").as_str()),
            (&labels[..], names),
            "{column:?}"
        );
    }
    assert_eq!(read("1,\"a, \"\"b\"\"\"\n").unwrap().class_names(), ["a, \"b\""]);
}

#[test]
fn classes_that_are_none() {
    for (class, message) in [
        ("", "found nothing, expected a class"),
        ("0.5", "found `0.5`, expected a whole number or a text, for a class"),
        ("NaN", "found `NaN`, expected a whole number or a text, for a class"),
        ("inf", "found `inf`, expected a whole number or a text, for a class"),
        ("65536", "found `65536`, expected a class's number below 65536"),
        ("1e300", "found `1e300`, expected a class's number below 65536"),
    ] {
        let text = format!("size,kind\n1,0\n\n2,{class}\n3,1\n");
        assert_eq!(refused(text), format!("t.csv, line 4, column 2 (kind): {message}"));
    }
    assert!(refused(b"1,caf\xe9\n").contains("expected a class in UTF-8"));
    let options = Options::new().label(Column::Number(1)).header(Header::No);
    assert!(
        refused_with("0,1\n99999,\"\n2\n\"\n", &options)
            .starts_with("t.csv, line 2, column 1: found `99999`")
    );
    let identifiers: String = (0..=csv::MAX_CLASSES)
        .flat_map(|row| ["1,id".to_owned(), row.to_string(), "\n".to_owned()])
        .collect();
    assert!(refused(identifiers).starts_with("t.csv, line 65537, column 2: found `id65536`"));
}

#[test]
fn values_that_are_none() {
    for value in ["", "x", "1,5", "1 5", "0x10", "1_000", "$5", "?", "NA", "١", "1e", "--1"] {
        let text = format!("1,0\n\"{value}\",0\n");
        assert_eq!(position(text), cell(2, 1), "{value}");
    }
    for value in ["nan", "-NaN", "inf", "-Infinity", "1e400"] {
        let message = refused(format!("1,2,0\n1,{value},0\n"));
        assert_eq!(
            message,
            format!("t.csv, line 2, column 2: found `{value}`, expected a finite number below 1.798e308")
        );
    }
    let single = csv::from_reader::<f32>("1,0\n1e39,0\n".as_bytes(), "t.csv", &Options::new()).unwrap_err();
    assert_eq!(
        single.to_string(),
        "t.csv, line 2, column 1: found `1e39`, expected a finite number below 3.403e38"
    );
    assert!(refused(b"1,0\n\xff\xfe,0\n").starts_with("t.csv, line 2, column 1: found `\u{fffd}\u{fffd}`"));
    let long = refused(format!("1,0\n{},0\n", "é".repeat(1000)));
    assert!(long.chars().count() < 120, "{long}");
}

#[test]
fn a_single_is_the_number_nearest_to_the_text() {
    // A hair above the middle between 1 and the next f32: by way of f64 it would become 1.
    let text = "1.00000005960464477539062500000001,0\n";
    let data = csv::from_reader::<f32>(text.as_bytes(), "t.csv", &Options::new()).unwrap();
    assert_eq!(data.inputs()[[0, 0]].to_bits(), 1.0_f32.to_bits() + 1);
}

#[test]
fn files_without_rows_and_ragged_ones() {
    for text in ["", "\n\n", "\u{feff}", "\r\n"] {
        assert_eq!(refused(text), "t.csv: found no rows, expected rows of numbers and a class", "{text:?}");
    }
    assert_eq!(refused("a,b\n"), "t.csv: found a header and no rows, expected rows of numbers and a class");
    assert_eq!(
        refused("7\n"),
        "t.csv, line 1: found 1 column, expected at least 2, for features and a class"
    );
    assert_eq!(
        refused("\na,b\r\n1,0\r\n\r\n1,2,0\r\n"),
        "t.csv, line 5: found 3 columns, expected 2, as on line 2"
    );
    assert_eq!(
        refused("1,2,0\n1\n"),
        "t.csv, line 2: found 1 column, expected 3, as on line 1 (unless line 1 is no part of the table: the option `skip`)"
    );
    assert_eq!(refused("1,2,0\n1,2,0\n1\n"), "t.csv, line 3: found 1 column, expected 3, as on line 1");
    // An open quotation mark swallows what follows.
    assert_eq!(position("1,2,0\n1,\"2,0\n1,2,0\n"), Position::Line(2));
    assert_eq!(
        refused("\u{fffe}".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        "t.csv: found UTF-16, expected text in UTF-8"
    );
}

#[test]
fn a_cell_after_a_line_end_within_quotes_is_on_its_own_line() {
    assert_eq!(position("1,\"a\nb\"\n2,\"c\r\nd\"\nx,\"e\"\n"), cell(5, 1));
    let options = Options::new().label(Column::Number(1));
    match with("\"a\nb\",x\n", &options.clone().header(Header::No)) {
        Err(Error::Malformed { position, .. }) => assert_eq!(position, cell(2, 2)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn skipped_lines_and_comments_are_counted() {
    let options = Options::new().skip(2).comment(Some(b'#'));
    let text = "\"made by hand\nin May\n# a,b\n1,0\n# more\n2,0\n";
    assert_eq!(with(text, &options).unwrap().inputs(), array![[1.0], [2.0]]);
    assert!(refused_with(format!("{text}x,0\n"), &options).starts_with("t.csv, line 7, column 1"));
    assert!(refused_with("1,0\n", &options).contains("no rows"));
}

#[test]
fn files_may_be_packed_and_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("classes.csv");
    let mut packed = GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast());
    packed.write_all("0,b\n1,b\n2,b\n3,b\n4,a\n5,a\n6,a\n7,a\n".as_bytes()).unwrap();
    packed.finish().unwrap();

    let data = csv::read::<f32>(&path, &Options::new()).unwrap();
    assert_eq!((data.class_counts(), data.class_names()[1].as_str()), (vec![4, 4], "b"));

    let absent = folder.path().join("absent.csv");
    let error = csv::read::<f32>(&absent, &Options::new()).unwrap_err();
    assert!(matches!(&error, Error::Io { .. }) && error.to_string().contains("absent.csv"), "{error}");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    assert!(matches!(csv::read::<f32>(&path, &Options::new()), Err(Error::Gzip { .. })));
}

#[test]
fn an_error_of_the_reader_is_passed_on() {
    let reader = "1,2,0\n".as_bytes().chain(Fails);
    let error = csv::from_reader::<f32>(reader, "pipe", &Options::new()).unwrap_err();
    assert_eq!(error.to_string(), "pipe: cannot be read: not today");
}

/// Files of other projects, beside the workspace.
#[test]
fn files_from_elsewhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    for (name, options, rows, features, counts) in [
        ("iris.csv", Options::new().skip(1), 150, 4, &[50, 50, 50][..]),
        ("iris.csv", Options::new().header(Header::Yes), 150, 4, &[50, 50, 50]),
        ("wine_data.csv", Options::new().skip(1), 178, 13, &[59, 71, 48]),
        ("breast_cancer.csv", Options::new().skip(1), 569, 30, &[212, 357]),
    ] {
        let path = folder.join(name);
        if !path.exists() {
            eprintln!("skipped: {name} is not beside the workspace, in ../shared/data");
            continue;
        }
        let data = csv::read::<f32>(&path, &options).unwrap();
        assert_eq!(
            (data.inputs().dim(), data.class_counts().as_slice()),
            ((rows, features), counts),
            "{name}"
        );
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn arbitrary_text_of_what_matters(text in "[01.e,;\"\r\n #a\u{feff}-]{0,120}", skip in 0_usize..3) {
        for header in [Header::Auto, Header::Yes, Header::No] {
            let options = Options::new().header(header).skip(skip).comment(Some(b'#'));
            let lines = text.split(['\r', '\n']).count() as u64;
            match with(&text, &options) {
                Ok(data) => {
                    prop_assert!(!data.is_empty() && data.features() > 0);
                    prop_assert!(data.inputs().iter().all(|value| value.is_finite()));
                }
                Err(Error::Malformed { position: Position::Line(line) | Position::Cell { line, .. }, .. }) => {
                    prop_assert!((1..=lines).contains(&line), "{line} of {lines}");
                }
                Err(Error::Malformed { position: Position::File, .. }) => {}
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }

    /// Whatever lies between rows, the line that is told is the line that an editor shows.
    #[test]
    fn the_line_is_right(
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\n\n", "\r\n\r\n", "\r", "\n#c\n"]), 1..20),
        column in 1_usize..3,
    ) {
        let mut text = String::new();
        for end in &ends {
            text += "1,2,\"a\nb\"";
            text += end;
        }
        let line = text.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count() as u64 + 1;
        text += if column == 1 { "x,2,a\n1,2,b\n" } else { "1,x,a\n1,2,b\n" };
        match with(&text, &Options::new().comment(Some(b'#'))) {
            Err(Error::Malformed { position, .. }) => prop_assert_eq!(position, cell(line, column)),
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn what_was_written_is_read(
        rows in prop::collection::vec((prop::array::uniform3(-1e300..1e300_f64), 0_usize..5), 1..30),
    ) {
        let mut text = String::new();
        for ([a, b, c], label) in &rows {
            writeln!(text, "{a},{b:e},{c},{label}").unwrap();
        }
        let data = with(text, &Options::new().header(Header::No)).unwrap();
        for ((values, label), (row, read)) in rows.iter().zip(data.inputs().rows().into_iter().zip(data.labels())) {
            prop_assert_eq!((row.as_slice().unwrap(), read), (&values[..], label));
        }
    }
}
