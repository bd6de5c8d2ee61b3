//! Tables of all kinds, and what an encoder makes of them.

use chainrule_data::{
    Answers, Coding, Encoder, EncoderOptions, Error, FillCategories, FillNumbers, Position, Table, Target,
    Task,
    csv::{self, Column, Header, MISSING, Options, Reader},
};
use flate2::{Compression, write::GzEncoder};
use ndarray::{Axis, array};
use proptest::prelude::*;
use std::{fmt::Write as _, io::Write as _};

fn table(text: impl AsRef<[u8]>, options: &Options) -> Result<Table<f64>, Error> {
    csv::table_from_reader(text.as_ref(), "t.csv", options)
}

fn refused(text: impl AsRef<[u8]>, options: &Options) -> String {
    table(text, options).expect_err("it should be refused").to_string()
}

fn name(name: &str) -> Column {
    Column::Name(name.to_owned())
}

fn numbers(fill: FillNumbers) -> EncoderOptions {
    EncoderOptions::new().fill_numbers(fill)
}

#[test]
fn columns_are_told_by_their_first_value() {
    let text = "\u{feff}size,\"the colour\",on,price\r\n1,red,x,2.5\r\n2,\"blue, dark\",y,3\r\n";
    let read = table(text, &Options::new()).unwrap();
    assert_eq!(read.values(), array![[1.0, 0.0, 0.0], [2.0, 1.0, 1.0]]);
    assert_eq!(read.answers(), array![[2.5], [3.0]]);
    assert_eq!((read.len(), read.lines(), read.file()), (2, &[2, 3][..], "t.csv"));
    let names: Vec<_> = read.features().iter().map(|field| field.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["size", "the colour", "on"]);
    assert_eq!(read.features()[1].categories.as_deref().unwrap(), ["red", "blue, dark"]);

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    assert_eq!(table(packed.finish().unwrap(), &Options::new()).unwrap(), read);

    // A value of the other kind is told, with its place and what may be meant.
    assert_eq!(
        refused("a,b\n1,2\nx,3\n", &Options::new()),
        "t.csv, line 3, column 1 (a): found `x`, expected a number, as above (columns of categories that are no plain texts are named by the option `categorical`)"
    );
    assert_eq!(
        refused("a,b,c\nx,2,1\ny,4,1\n7,3,1\n", &Options::new()),
        "t.csv, line 4, column 1 (a): found `7`, expected a category, as above, and no number \
         (columns of categories that are no plain texts are named by the option `categorical`)"
    );
    // Or that the first line is no row.
    assert_eq!(
        refused("150,4,setosa\n5.1,3.5,0\n", &Options::new().task(Task::Values)),
        "t.csv, line 1, column 3: found `setosa`, expected a number"
    );
    let unlike = refused("150,setosa,7\n5.1,3.5,0\n", &Options::new());
    assert!(
        unlike.starts_with(
            "t.csv, line 2, column 2: found `3.5`, expected a category, as above, and no number"
        ) && unlike.ends_with("(unless line 1 is no part of the table: the option `skip`)"),
        "{unlike}"
    );
    assert!(!refused("1,x,7\n5.1,y,0\n5,3,1", &Options::new()).contains("skip"));
    let mixed = table("a,b\n1,2\nx,3\n", &Options::new().categorical([name("a")])).unwrap();
    assert_eq!(mixed.features()[0].categories.as_deref().unwrap(), ["1", "x"]);
}

#[test]
fn names_that_are_not_alone_are_never_taken_for_one_another() {
    // Columns of one name are learnt from, and found again by their order.
    let text = "size,size,y\n1,10,0.5\n2,30,1.5\n";
    let read = table(text, &Options::new()).unwrap();
    let encoder = Encoder::fit(&read, None, &EncoderOptions::new()).unwrap();
    let again = |text: &str| table(text, &Options::new().expect(&encoder));
    assert_eq!(again(text).unwrap().values(), read.values());
    assert_eq!(again("size,size\n1,10\n").unwrap().values(), array![[1.0, 10.0]]);
    assert_eq!(again("1,10\n").unwrap().values(), array![[1.0, 10.0]]);
    let error = again("size,y,size\n1,0.5,10\n").unwrap_err().to_string();
    assert!(error.contains("in the order of the training data"), "{error}");

    // Nor where another column of the file has the name of a feature or of the target.
    let options = Options::new().ignore([Column::Number(1)]);
    let text = "y,a,a,y\n7,1,10,0.5\n7,2,30,1.5\n";
    let encoder = Encoder::fit(&table(text, &options).unwrap(), None, &EncoderOptions::new()).unwrap();
    let read = table(text, &Options::new().expect(&encoder)).unwrap();
    assert_eq!((read.values(), read.answers()), (&array![[1.0, 10.0], [2.0, 30.0]], &array![[0.5], [1.5]]));
    let options = Options::new();
    let encoder = Encoder::fit(&table("a,y\n1,2\n2,4\n", &options).unwrap(), None, &EncoderOptions::new());
    let options = options.expect(&encoder.unwrap());
    let error = refused("b,a,a\n1,2,3\n", &options);
    assert!(error.contains("in the order of the training data") && error.contains("`a`"), "{error}");

    // A name that is asked for has to mean one.
    for options in [
        Options::new().label(name("size")),
        Options::new().categorical([name("size")]),
        Options::new().ignore([name("size")]),
        Options::new().weights(name("size")),
    ] {
        let error = refused("size,size,y\n1,10,0.5\n2,30,1.5\n", &options);
        assert!(error.contains("a single one named `size`, or the number"), "{error}");
    }
}

#[test]
fn numbers_that_are_written_for_people_are_no_categories() {
    for cell in ["1,343", "1 343", "1'343", "0,5", "$9.27", "9.27 €", "40%", "-1,5", "1\u{a0}343"] {
        let error = refused(format!("a,y\n\"{cell}\",2\n\"{cell}\",3\n"), &Options::new());
        assert!(error.contains("line 2, column 1 (a)"), "{error}");
        assert!(error.contains("a number as digits with a point for the decimals"), "{error}");
        let options = Options::new().categorical([name("a")]);
        assert!(table(format!("a,y\n\"{cell}\",2\n\"{cell}\",3\n"), &options).is_ok(), "{cell}");
    }
    for cell in ["2020-01-05", "10-20", "a, b", "%", "1.2.3", "v1", "12:30", "1/2"] {
        let read = table(format!("a,y\n\"{cell}\",2\n\"{cell}\",3\n"), &Options::new()).unwrap();
        assert_eq!(read.features()[0].categories.as_deref().unwrap(), [cell]);
    }
    // A number beyond the range is one, and told as such.
    let error = csv::table_from_reader::<f32>("a,y\n1e300,2\n".as_bytes(), "t.csv", &Options::new());
    assert!(error.unwrap_err().to_string().contains("column 1 (a): found `1e300`, expected a finite number"));
}

#[test]
fn what_is_missing_is_told_by_what_may_be_done() {
    let text = "a,y\n1,2\n,3\n";
    assert!(
        refused(text, &Options::new())
            .ends_with("a number (values may be missing if the option `missing` says so)")
    );
    let target = refused("a,y\n1,2\n3,\n", &Options::new().missing(&MISSING));
    assert!(target.ends_with("column 2 (y): found nothing, expected a number"), "{target}");
    let encoder =
        Encoder::fit(&table("a,y\n1,2\n2,4\n", &Options::new()).unwrap(), None, &EncoderOptions::new());
    let expected = Options::new().expect(&encoder.unwrap());
    assert!(refused(text, &expected).ends_with("a number (none was missing in the training data)"));
    assert!(refused("a;b;y\n1;2;3\n", &expected).ends_with("expected one named `a` (is the delimiter `;`?)"));
    let error = refused("x\ny,z\n1,2\n", &expected);
    assert!(!error.contains("delimiter"), "{error}");
    let error = refused("\"x\ny\",z\n1,2\n", &expected);
    assert!(error.contains("the columns `x\\ny`, `z`"), "{error}");
}

#[test]
fn a_column_may_tell_the_weights_of_rows() {
    let text = "size,people,colour,price\n1,3,red,2.5\n2,0,blue,3\n";
    let options = Options::new().weights(name("people"));
    let read = table(text, &options).unwrap();
    assert_eq!(read.weights(), Some(&[3.0, 0.0][..]));
    assert_eq!((read.values(), read.answers()), (&array![[1.0, 0.0], [2.0, 1.0]], &array![[2.5], [3.0]]));
    assert_eq!(table(text, &Options::new()).unwrap().weights(), None);

    // Without a header, by its number; with the target last, or before it.
    let plain = table("1,3,2.5\n2,0,3\n", &Options::new().weights(Column::Number(2))).unwrap();
    assert_eq!((plain.weights(), plain.values()), (Some(&[3.0, 0.0][..]), &array![[1.0], [2.0]]));
    let last = Options::new().weights(Column::Last).label(Column::Number(2));
    assert_eq!(table("1,2.5,3\n2,3,0\n", &last).unwrap().weights(), Some(&[3.0, 0.0][..]));

    // Part by part.
    let mut reader = Reader::from_reader(text.as_bytes(), "t.csv", &options).unwrap();
    assert_eq!(reader.next_table::<f32>(1).unwrap().unwrap().weights(), Some(&[3.0_f32][..]));
    assert_eq!(reader.next_table::<f32>(1).unwrap().unwrap().weights(), Some(&[0.0_f32][..]));

    // The encoder does not know it: a table for the model has it or not.
    let encoder = Encoder::fit(&read, None, &EncoderOptions::new()).unwrap();
    for text in ["size,colour\n2,blue\n", text] {
        let read = table(text, &options.clone().expect(&encoder)).unwrap();
        assert_eq!((read.weights(), read.features().len()), (None, 2));
        assert!(encoder.encode(read).is_ok());
    }

    for (cell, expected) in [
        ("-1", "a weight, a number of at least 0"),
        ("many", "a weight, a number of at least 0"),
        ("", "a weight, a number of at least 0"),
        ("NA", "a weight, a number of at least 0"),
        ("NaN", "a weight, a number of at least 0"),
        ("inf", "a finite number below"),
    ] {
        for options in [options.clone(), options.clone().missing(&MISSING)] {
            let error = refused(text.replace(",0,", &format!(",{cell},")), &options);
            assert!(error.starts_with("t.csv, line 3, column 2 (people): found "), "{error}");
            assert!(error.contains(expected), "{cell}: {error}");
        }
    }
    for other in [
        options.clone().label(name("people")),
        options.clone().ignore([name("people")]),
        options.clone().categorical([name("people")]),
    ] {
        let error = refused(text, &other);
        assert!(error.contains("weights") && error.contains("column 2"), "{error}");
    }
    assert!(refused(text, &Options::new().weights(name("person"))).contains("one named `person`"));
    assert!(refused("1,2\n3,4\n", &Options::new().weights(Column::Number(1))).contains("at least 3"));
}

#[test]
fn a_table_of_text_alone_has_perhaps_no_header() {
    let mushrooms = "x,s,n,e\nb,s,w,p\nx,y,w,e\n";
    assert_eq!(
        refused(mushrooms, &Options::new()),
        "t.csv, line 1: found a row like those below, \
         expected to be told by the option `header` whether this line is one"
    );
    assert_eq!(table(mushrooms, &Options::new().header(Header::No)).unwrap().len(), 3);
    assert_eq!(table(mushrooms, &Options::new().header(Header::Yes)).unwrap().len(), 2);
    assert_eq!(table(mushrooms, &Options::new().label(name("e"))).unwrap().len(), 2);
    assert!(refused("a,1\nb,2\n", &Options::new()).contains("whether this line is one"));
    // One column of numbers settles it.
    assert_eq!(table("x,s\nb,1\nx,2\n", &Options::new()).unwrap().len(), 2);
}

#[test]
fn targets_and_ignored_columns() {
    let text = "id,a,b,c\n7,1,2,3\n8,4,5,6\n";
    let read =
        table(text, &Options::new().targets([name("c"), Column::Number(2)]).ignore([name("id")])).unwrap();
    assert_eq!((read.values(), read.answers()), (&array![[2.0], [5.0]], &array![[3.0, 1.0], [6.0, 4.0]]));
    let none = table("1,2\n3,4\n", &Options::new().targets([])).unwrap();
    assert_eq!((none.values().dim(), none.answers().dim()), ((2, 2), (2, 0)));

    let twice = Options::new().targets([name("a"), Column::Number(2)]);
    assert!(refused(text, &twice).contains("targets: found column 2 twice"));
    let classes = Options::new().targets([name("a"), name("b")]).task(Task::Classes);
    assert!(refused(text, &classes).contains("one column of classes"));
    let all = Options::new().targets([Column::Number(1)]).ignore([Column::Number(2)]);
    assert!(refused("1,2\n", &all).contains("no feature"));
    assert!(refused("1\n", &Options::new()).contains("at least 2"));
    assert!(refused(text, &Options::new().ignore([name("x")])).contains("one named `x`"));
    assert!(
        refused(text, &Options::new().categorical([name("x")]).header(Header::No))
            .contains("the column's number")
    );
    let values = Options::new().task(Task::Values);
    assert!(
        refused("1,2\n2,x\n", &values).starts_with("t.csv, line 2, column 2: found `x`, expected a number")
    );
}

#[test]
fn classes_or_values() {
    let task = |text: &str, options: &Options| {
        let table = table(text, options).unwrap();
        Encoder::fit(&table, None, &EncoderOptions::new()).unwrap().target().clone()
    };
    let classes = |names: &[&str]| Target::Classes {
        name: None,
        column: 2,
        classes: names.iter().map(ToString::to_string).collect(),
    };
    let values = Target::Values { columns: vec![(None, 2)] };
    assert_eq!(task("0,b\n0,a\n", &Options::new()), classes(&["a", "b"]));
    assert_eq!(task("0,1\n0,0\n0,1.0\n0,-0\n", &Options::new()), classes(&["0", "1"]));
    assert_eq!(task("0,1\n0,-1\n0,1\n0,1\n", &Options::new()), classes(&["-1", "1"]));
    // Fractions; as many numbers as rows.
    assert_eq!(task("0,1\n0,0.5\n0,1\n0,1\n", &Options::new()), values);
    assert_eq!(task("0,1\n0,2\n0,3\n0,4\n", &Options::new()), values);
    assert_eq!(task("0,1\n0,0\n0,1\n0,0\n", &Options::new().task(Task::Values)), values);
    assert_eq!(task("0,1\n0,2\n0,3\n", &Options::new().task(Task::Classes)), classes(&["0", "1", "2", "3"]));
    assert_eq!(task("0,1\n0,x\n", &Options::new().task(Task::Classes)), classes(&["1", "x"]));
}

#[test]
fn missing_values_are_refused_unless_asked_for() {
    for missing in MISSING {
        let text = format!("a,b,c\n1,x,0\n{missing},y,1\n");
        assert!(refused(&text, &Options::new()).contains("line 3, column 1 (a): found"), "{missing}");
        let read = table(&text, &Options::new().missing(&MISSING)).unwrap();
        assert!(read.values()[[1, 0]].is_nan(), "{missing}");
        let text = format!("a,b,c\n1,x,0\n2,{missing},1\n");
        assert!(
            refused(&text, &Options::new()).contains("values may be missing if the option `missing` says so"),
            "{missing}"
        );
        assert!(
            table(&text, &Options::new().missing(&MISSING)).unwrap().values()[[1, 1]].is_nan(),
            "{missing}"
        );
    }
    // Other texts than those, and those as categories; a first value that is missing tells nothing of its column.
    let read = table("a,b,c\n-999,none,0\n2,NA,1\n", &Options::new().missing(&["-999", "none"])).unwrap();
    assert!(read.values()[[0, 0]].is_nan() && read.values()[[0, 1]].is_nan());
    assert_eq!(read.features()[1].categories.as_deref().unwrap(), ["NA"]);
    // Targets are there or it is an error.
    let message = refused("a,b\n1,2\n2,NA\n", &Options::new().missing(&MISSING));
    assert!(message.starts_with("t.csv, line 3, column 2 (b): found `NA`, expected a number"), "{message}");

    // What was taken has to be filled in, even so.
    let read = table("a,b,c\n\n1,x,0\n?,?,1\n", &Options::new().missing(&MISSING)).unwrap();
    let error = Encoder::fit(&read, None, &EncoderOptions::new()).unwrap_err();
    let message = "t.csv, line 4, column 1 (a): found nothing, expected a number (how to fill in missing ones has to be said)";
    assert_eq!(error.to_string(), message);
    let error = Encoder::fit(&read, None, &numbers(FillNumbers::Mean)).unwrap_err();
    assert!(
        matches!(error, Error::Malformed { position: Position::Cell { line: 4, column: 2, .. }, .. }),
        "{error}"
    );
    let error = Encoder::fit(&read, Some(&[0]), &EncoderOptions::new()).unwrap().encode(read).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn an_encoder_is_fitted_on_the_training_rows_alone() {
    let text = "n,c,y\n1,b,0.5\n2,a,1.5\n?,?,2.5\n4,b,3.5\n1000,z,4.5\n";
    let read = table(text, &Options::new().missing(&MISSING)).unwrap();
    for (fill, value) in [
        (FillNumbers::Mean, 7.0 / 3.0),
        (FillNumbers::Median, 2.0),
        (FillNumbers::MostFrequent, 1.0),
        (FillNumbers::Constant(-3.0), -3.0),
    ] {
        let options = numbers(fill).fill_categories(FillCategories::MostFrequent);
        let encoder = Encoder::fit(&read, Some(&[0, 1, 2, 3]), &options).unwrap();
        assert_eq!(encoder.input_names(), ["n", "c=a", "c=b"]);
        assert_eq!(encoder.features()[0].coding, Coding::Number { fill: Some(value) });
        let error = encoder.encode(read.clone()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "t.csv, line 6, column 2 (c): found the unknown category `z`, expected one of `a`, `b`"
        );
        let lenient = Encoder::fit(&read, Some(&[0, 1, 2, 3]), &options.unknown_as_zeros(true)).unwrap();
        let data = lenient.encode(read.clone()).unwrap();
        let expected =
            array![[1.0, 0.0, 1.0], [2.0, 1.0, 0.0], [value, 0.0, 1.0], [4.0, 0.0, 1.0], [1000.0, 0.0, 0.0]];
        assert_eq!(data.inputs, expected);
        assert_eq!(data.answers, Some(Answers::Values(array![[0.5], [1.5], [2.5], [3.5], [4.5]])));
    }
    let unknown = numbers(FillNumbers::Mean).fill_categories(FillCategories::Constant("none".to_owned()));
    let encoder = Encoder::fit(&read, None, &unknown).unwrap();
    assert_eq!(encoder.input_names(), ["n", "c=a", "c=b", "c=none", "c=z"]);
    assert_eq!(encoder.encode(read.clone()).unwrap().inputs.row(2), array![251.75, 0.0, 0.0, 1.0, 0.0]);

    // Nothing to know the mean, or the most frequent one, of.
    let error = Encoder::fit(&read, Some(&[2]), &numbers(FillNumbers::Median)).unwrap_err();
    assert!(error.to_string().contains("column 1 (`n`), without a value in the training rows"), "{error}");
    let options = numbers(FillNumbers::Constant(0.0)).fill_categories(FillCategories::MostFrequent);
    assert!(Encoder::fit(&read, Some(&[2]), &options).unwrap_err().to_string().contains("one category"));
    for rows in [&[][..], &[5]] {
        assert!(matches!(
            Encoder::fit(&read, Some(rows), &options),
            Err(Error::Argument { name: "rows", .. })
        ));
    }
    assert!(Encoder::fit(&read, None, &numbers(FillNumbers::Constant(f64::NAN))).is_err());
}

#[test]
fn categories_have_an_order() {
    let read = |text: &str| {
        let read = table(text, &Options::new().categorical([Column::Number(1)]).header(Header::No)).unwrap();
        Encoder::fit(&read, None, &EncoderOptions::new()).unwrap().input_names().join(" ")
    };
    assert_eq!(read("10,1\n9,1\n-1.5,0\n"), "1=-1.5 1=9 1=10");
    assert_eq!(read("10,1\n9,1\nx,0\n"), "1=10 1=9 1=x");
    assert_eq!(read("ä,1\nz,1\nZ,0\n"), "1=Z 1=z 1=ä");
}

#[test]
fn a_file_for_a_model_that_exists() {
    let train = "id,a,c,y\n1,1.5,red,no\n2,2.5,blue,yes\n";
    let train = table(train, &Options::new().ignore([name("id")])).unwrap();
    let encoder = Encoder::fit(&train, None, &EncoderOptions::new()).unwrap();
    let options = Options::new().expect(&encoder);
    let inputs = array![[3.5, 1.0, 0.0]];
    let labelled = Some(Answers::Classes(vec![1]));
    for (text, answers) in [
        ("a,c\n3.5,blue\n", None),
        ("c,a\nblue,3.5\n", None),
        ("y,c,more,a\nyes,blue,0,3.5\n", labelled.clone()),
        ("3.5,blue\n", None),
        ("9,3.5,blue,yes\n", labelled.clone()),
        ("id,a,c,y\n9,3.5,blue,yes\n", labelled),
    ] {
        let data = encoder.encode(table(text, &options).unwrap()).unwrap();
        assert_eq!((data.inputs, data.answers), (inputs.clone(), answers), "{text}");
    }
    // Without a header only their number tells which columns they are.
    assert!(refused("1,3.5,blue\n", &options).contains("expected 2 features, or 4 columns with"));
    assert_eq!(
        refused("a,d\n1,blue\n", &options),
        "t.csv, line 1: found the columns `a`, `d`, expected one named `c`"
    );
    assert!(refused("a,c\n1,blue\nx,red\n", &options).starts_with("t.csv, line 3, column 1 (a): found `x`"));
    assert!(refused("a,c\nNA,blue\n", &options).starts_with("t.csv, line 2, column 1 (a): found `NA`"));

    // Rows that have no class, or none that is known, can be predicted all the same.
    let rows = table("a,c,y\n1,red,\n2,red,yes\n3,red,maybe\n", &options).unwrap();
    assert_eq!(encoder.known_classes(&rows).unwrap(), [None, Some(1), None]);
    assert_eq!(encoder.encode_inputs(rows.clone()).unwrap().len_of(Axis(0)), 3);
    let message = encoder.encode(rows).unwrap_err().to_string();
    assert_eq!(message, "t.csv, line 2, column 3 (y): found nothing, expected a class");
    let rows = table("a,c,y\n3,red,maybe\n", &options).unwrap();
    let message = encoder.encode(rows).unwrap_err().to_string();
    assert_eq!(message, "t.csv, line 2, column 3 (y): found `maybe`, expected one of the classes no, yes");

    // A table that was read by itself has to be like the first, too.
    for text in ["a,b,y\n1,2,no\n", "a,d,y\n1,red,no\n", "a,y\n1,no\n"] {
        let other = table(text, &Options::new()).unwrap();
        assert!(matches!(encoder.encode(other), Err(Error::Argument { .. })), "{text}");
    }
}

#[test]
fn classes_of_another_file() {
    let train = table("1,0\n1,1\n2,2\n2,0\n3,1\n1,1\n1,1\n1,1\n1,1\n", &Options::new()).unwrap();
    let encoder = Encoder::fit(&train, None, &EncoderOptions::new()).unwrap();
    let options = Options::new().expect(&encoder);
    let test = table("1,2.0\n1,1\n", &options).unwrap();
    assert_eq!(encoder.encode(test).unwrap().answers, Some(Answers::Classes(vec![2, 1])));
    assert!(encoder.encode(table("1,3\n", &options).unwrap()).is_err());
}

#[test]
fn a_file_is_read_in_parts() {
    let mut text = "n,c,y\n".to_owned();
    for row in 0..50_000 {
        write!(text, "{row},c{},{}\r\n", row / 10_000, row % 3).unwrap();
    }
    let whole = table(&text, &Options::new()).unwrap();
    let mut reader = Reader::from_reader(text.as_bytes(), "t.csv", &Options::new()).unwrap();
    assert!(reader.next_table::<f64>(0).is_err());
    let mut rows = 0;
    while let Some(part) = reader.next_table::<f64>(777).unwrap() {
        assert!(part.lines().iter().enumerate().all(|(row, &line)| line == (rows + row + 2) as u64));
        let same = part
            .values()
            .rows()
            .into_iter()
            .enumerate()
            .all(|(row, part)| part == whole.values().row(rows + row));
        assert!(same, "from row {rows}");
        rows += part.len();
    }
    assert_eq!((rows, whole.len()), (50_000, 50_000));
    drop(reader);
    // Lines are right although those before were forgotten.
    text += "x,c1,0\n";
    assert!(refused(&text, &Options::new()).starts_with("t.csv, line 50002, column 1 (n): found `x`"));
}

#[test]
fn too_many_categories() {
    let rows = |count: usize| {
        (0..count).flat_map(|row| ["1,id".to_owned(), row.to_string(), ",0\n".to_owned()]).collect::<String>()
    };
    assert!(table(rows(csv::MAX_DETECTED), &Options::new()).is_ok());
    let message = refused(rows(csv::MAX_DETECTED + 1), &Options::new());
    assert!(
        message.starts_with("t.csv, line 257, column 2: found `id256`, expected one of the 256 values above")
    );
    let named = Options::new().categorical([Column::Number(2)]);
    assert!(table(rows(csv::MAX_DETECTED + 1), &named).is_ok());
    assert!(refused(rows(csv::MAX_CLASSES + 1), &named).starts_with("t.csv, line 65537, column 2"));
}

#[test]
fn an_encoder_travels() {
    let text = "a,c,y\n1,red,0.5\nNA,blue,1\n";
    let read = table(text, &Options::new().missing(&["NA"])).unwrap();
    let options = numbers(FillNumbers::Mean);
    let encoder = Encoder::fit(&read, None, &options).unwrap();
    let json = serde_json::to_string(&encoder).unwrap();
    let back: Encoder = serde_json::from_str(&json).unwrap();
    assert_eq!(back, encoder);
    let new =
        csv::table_from_reader::<f64>("NA,red\n".as_bytes(), "n", &Options::new().expect(&back)).unwrap();
    assert_eq!(back.encode(new).unwrap().inputs, array![[1.0, 0.0, 1.0]]);
    assert_eq!(
        serde_json::from_str::<EncoderOptions>(&serde_json::to_string(&options).unwrap()).unwrap(),
        options
    );

    // What no fit would have made is refused.
    for (sound, broken) in [
        (r#""width":3"#, r#""width":2"#),
        (r#""width":3"#, r#""width":3,"more":1"#),
        (r#""fill":1.0"#, r#""fill":1e999"#),
        (r#""column":2"#, r#""column":0"#),
        (r#""column":2"#, r#""column":1"#),
        (r#"["blue","red"]"#, r#"["red","red"]"#),
        (r#"["blue","red"]"#, "[]"),
        (r#""fill":null"#, r#""fill":"green""#),
        (r#"[["y",3]]"#, "[]"),
        (r#"[["y",3]]"#, r#"[["y",1]]"#),
    ] {
        let other = json.replacen(sound, broken, 1);
        assert_ne!(other, json, "{sound} is not in {json}");
        assert!(serde_json::from_str::<Encoder>(&other).is_err(), "{other}");
    }
}

fn text() -> impl Strategy<Value = String> {
    "[01.,\"\r\nax NA?-]{0,100}"
}

proptest! {
    #[test]
    fn arbitrary_tables(text in text(), other in text(), which in 0_usize..6) {
        let options = match which {
            0 => Options::new(),
            1 => Options::new().missing(&MISSING),
            2 => Options::new().categorical([Column::Number(1)]).header(Header::No),
            3 => Options::new().targets([]).missing(&MISSING),
            4 => Options::new().targets([Column::Number(1), Column::Last]),
            _ => Options::new().ignore([Column::Number(1)]).header(Header::Yes),
        };
        let Ok(read) = table(&text, &options) else { return Ok(()) };
        let fill = numbers(FillNumbers::Median).fill_categories(FillCategories::MostFrequent);
        if let Ok(encoder) = Encoder::fit(&read, None, &fill) {
            let inputs = encoder.encode(read).unwrap().inputs;
            prop_assert_eq!(inputs.ncols(), encoder.inputs());
            prop_assert!(inputs.iter().all(|value| value.is_finite()));
            if let Ok(other) = table(&other, &Options::new().expect(&encoder)) {
                let _ = encoder.encode(other);
            }
        }
    }

    #[test]
    fn arbitrary_encoders(text in r#"[{}\[\]":,0-9a-z-]{0,60}"#) {
        let _ = serde_json::from_str::<Encoder>(&text);
    }
}
