//! `chainrule predict`: what `train --out` writes is read and used, and what is malformed is refused.

use std::path::Path;

use crate::common::{chainrule, file, flowers, refused, stdout};

/// Trains on a file and returns the command that the program says uses the network.
fn train(args: &[&str], model: &Path) -> String {
    let out = stdout(&[&["train"], args, &["--out", model.to_str().unwrap()]].concat());
    out.lines().find_map(|line| line.strip_prefix("use the network: ")).unwrap().to_owned()
}

#[cfg(unix)]
fn shell(command: &str, input: &str) -> assert_cmd::assert::Assert {
    assert_cmd::Command::new("sh").args(["-c", command]).write_stdin(input).assert()
}

#[test]
fn columns_of_one_name_are_not_taken_for_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    // The class is told by the second column of that name.
    let row =
        |row: usize| format!("{},{},{}\n", row * 7 % 10, row % 10, if row % 10 < 5 { "low" } else { "high" });
    let rows: String = (0..200).map(row).collect();
    let data = file(folder.path(), "twice.csv", format!("size,size,class\n{rows}"));
    train(&[&data, "--target", "class", "--epochs", "40"], &model);
    let args = ["evaluate", model.to_str().unwrap(), &data, "--json"];
    let told: serde_json::Value = serde_json::from_str(&stdout(&args)).unwrap();
    assert!(told["accuracy"].as_f64().unwrap() > 0.9, "{told}");
    refused(&["train", &data, "--target", "size"], 1, &["twice.csv, line 1", "a single one named `size`"]);
}

#[test]
fn a_category_that_training_rows_have_not_is_told_with_what_may_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let row = |row: usize| format!("{},flat {row},{}\n", row % 10, 2 * row);
    let rows: String = (0..100).map(row).collect();
    let data = file(folder.path(), "flats.csv", format!("size,name,rent\n{rows}"));
    let args = ["train", &data, "--target", "rent", "--epochs", "1"];
    refused(
        &args,
        1,
        &["flats.csv, line ", "(name): found the unknown category `flat ", "--unknown-categories zeros"],
    );
    stdout(&[&args[..], &["--unknown-categories", "zeros"]].concat());
}

#[cfg(unix)]
#[test]
fn the_command_that_is_printed_works() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("it's a model");
    let command = train(&["digits", "--epochs", "10"], &model);
    let assert = shell(&command, "").success();
    let out = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert_eq!(out.lines().count(), 1798);
    assert_eq!(out.lines().next().unwrap(), "class,p_0,p_1,p_2,p_3,p_4,p_5,p_6,p_7,p_8,p_9");
    let err = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    let right: f64 = err.split(' ').next().unwrap().parse().unwrap();
    assert!(right / 1797.0 > 0.97, "{err}");

    let data = file(folder.path(), "some flowers.csv", format!("junk\n{}", flowers().replace(',', ";")));
    let args = [data.as_str(), "--skip", "1", "--delimiter", ";", "--header", "yes", "--label", "species"];
    let command = train(&args, &model);
    let assert = shell(&command, "").success();
    let out = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(out.starts_with("class,p_aster,p_bell,p_clover\naster,"), "{out}");
    assert_eq!(
        String::from_utf8_lossy(&assert.get_output().stderr),
        "60 of 60 rows with a class have the class that they say\n"
    );
}

#[test]
fn rows_come_with_or_without_a_class_and_a_header() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(folder.path(), "flowers.csv", flowers());
    let model = folder.path().join("model");
    train(&[&data], &model);
    let model = model.to_str().unwrap();
    let classes = |input: &str| {
        let assert =
            chainrule().args(["predict", model, "-q"]).write_stdin(input).assert().success().stderr("");
        let out = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        out.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let expected = ["aster", "clover"];
    assert_eq!(classes("50,0\n650,0.06\n"), expected);
    assert_eq!(classes("50,0,clover\n650,0.06,\n"), expected);
    assert_eq!(classes("length,width\r\n50,0\r\n650,0.06\r\n"), expected);
    assert_eq!(classes("\u{feff}length,width,species\n50, 0 ,aster\n\n650,6e-2,clover"), expected);
    // More rows than are predicted at once.
    assert_eq!(classes(&"50,0\n".repeat(3000)), vec!["aster"; 3000]);

    for input in ["", "length,width\n"] {
        let assert = chainrule().args(["predict", model]).write_stdin(input).assert().code(1);
        assert!(String::from_utf8_lossy(&assert.get_output().stderr).contains("no rows"));
    }
    for (input, told) in [
        ("1,2\n3,x\n", "line 2, column 2: found `x`, expected a number"),
        ("1,2\n3,nan\n", "line 2, column 2: found `nan`"),
        ("1,2\n3,1e999\n", "line 2, column 2"),
        ("1,2\n3\n", "line 2: found 1 column, expected 2"),
        ("1\n", "line 1: found 1 column, expected 2 features"),
        ("1,2,3,4\n", "found 4 columns"),
        ("width,height\n1,2\n", "found the columns `width`, `height`, expected one named `length`"),
    ] {
        let assert = chainrule().args(["predict", model]).write_stdin(input).assert().code(1);
        let err = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(err.starts_with("error: standard input, ") && err.contains(told), "{input:?}: {err}");
    }
}

#[test]
fn predictions_are_those_of_training() {
    // The accuracy that training tells is the one that prediction finds, in both types and from a second file.
    let folder = tempfile::tempdir().unwrap();
    let text = flowers();
    let (header, rows) = text.split_once('\n').unwrap();
    let rows: Vec<_> = rows.lines().collect();
    let train_file = file(folder.path(), "train.csv", format!("{header}\n{}", rows[..30].join("\n")));
    let test_file = file(folder.path(), "test.csv", format!("{header}\n{}", rows[30..].join("\n")));
    for dtype in ["f32", "f64"] {
        let model = folder.path().join(dtype);
        let model = model.to_str().unwrap();
        let args = ["--dtype", dtype, "--out", model, "--epochs", "3", "--lr", "0.01"];
        let (_, summary) = crate::common::json(&[&["train", &train_file, &test_file], &args[..]].concat());
        let right = (30.0 * summary["test_accuracy"].as_f64().unwrap()).round();
        let assert = chainrule().args(["predict", model, &test_file]).assert().success();
        let err = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(err.starts_with(&format!("{right} of 30 rows")), "{err}, trained: {summary}");
    }
}

#[test]
fn what_is_no_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    refused(&["predict", &at("none")], 1, &["none: cannot be read"]);
    refused(&["predict", folder.path().to_str().unwrap()], 1, &["model.safetensors", "cannot be read"]);
    let text = file(folder.path(), "text", "a,b,c\n");
    refused(&["predict", &text], 1, &["text: found ", "safetensors"]);
    let empty = file(folder.path(), "empty", "");
    refused(&["predict", &empty], 1, &["empty: found "]);
    let huge = file(folder.path(), "huge", [0xff; 64]);
    refused(&["predict", &huge], 1, &["huge: found "]);

    let data = file(folder.path(), "flowers.csv", flowers());
    let model = folder.path().join("model");
    train(&[&data], &model);
    let bytes = std::fs::read(&model).unwrap();
    let cut = file(folder.path(), "cut", &bytes[..bytes.len() - 1]);
    refused(&["predict", &cut], 1, &["cut: found"]);
    refused(&["predict", model.to_str().unwrap(), "digits"], 1, &["trained on other data", "digits"]);
    refused(&["predict", model.to_str().unwrap(), &at("absent.csv")], 1, &["absent.csv: cannot be read"]);
    refused(&["predict", model.to_str().unwrap(), "--backend", "abacus"], 2, &["abacus"]);
}

#[test]
fn the_old_model_stays_until_the_new_one_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let model = file(folder.path(), "model", "old");
    // Diverges before it is written.
    chainrule().args(["train", "digits", "--lr", "1e30", "-q", "--out", &model]).assert().code(1);
    assert_eq!(std::fs::read(&model).unwrap(), b"old");
    chainrule().args(["train", "digits", "--epochs", "1", "-q", "--out", &model]).assert().success();
    assert_ne!(std::fs::read(&model).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left behind");
}
