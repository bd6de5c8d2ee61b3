//! `chainrule check`, `backends` and `presets`, and the help.

use crate::common::{chainrule, keys, stdout};
use serde_json::Value;

#[test]
fn gradients_pass_on_every_linked_backend() {
    let names =
        |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    let linked: Value = serde_json::from_str(&stdout(&["backends", "--json"])).unwrap();
    let linked = linked["backends"].as_array().unwrap().clone();
    assert!(!linked.is_empty());
    for args in [
        "--layers 4,8,3",
        "--layers 5,3 --activation identity --output identity",
        "--layers 3,7,5,2 --activation tanh --loss quadratic --batch 1",
        "--layers 3,7,2 --activation silu --loss mse --output softmax --batch 17 --seed 3",
        "--layers 3,7,4 --activation sigmoid --loss binary-cross-entropy",
        "--layers 3,7,1 --activation leaky-relu:0.3 --loss binary-cross-entropy-sum --seed 2",
        "--layers 6,9,4 --activation relu --init orthogonal --bias-init uniform:0.5",
    ] {
        let args: Vec<_> = ["check", "--json"].into_iter().chain(args.split(' ')).collect();
        let found = names(&stdout(&args));
        assert_eq!(found.len(), linked.len());
        for (found, linked) in found.iter().zip(&linked) {
            assert_eq!(found["backend"], linked["name"]);
            assert!(found["relative_error"].as_f64().unwrap() < 1e-6, "{args:?}: {found}");
            assert!(found["worst"].as_str().unwrap().contains('['), "{found}");
        }
    }
}

#[test]
fn exceeding_the_tolerance_is_a_failure_that_names_the_parameter() {
    let assert = chainrule().args(["check", "--tolerance", "0"]).assert().code(1);
    let out = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(out.contains("FAILS") && (out.contains(".weight[") || out.contains(".bias[")), "{out}");
    let err = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(err.starts_with("error: ") && err.contains("tolerance"), "{err}");
}

#[test]
fn backends_are_listed() {
    let table = stdout(&["backends"]);
    let json: Value = serde_json::from_str(&stdout(&["backends", "--json"])).unwrap();
    for (place, backend) in json["backends"].as_array().unwrap().iter().enumerate() {
        assert_eq!(keys(backend), ["default", "isa", "name", "threads"]);
        assert_eq!(backend["default"], place == 0);
        assert!(table.contains(backend["name"].as_str().unwrap()), "{table}");
        assert!(table.contains(backend["isa"].as_str().unwrap()), "{table}");
    }
}

#[test]
fn presets_are_listed_with_their_sources() {
    for args in [&["presets"][..], &["presets", "--markdown"]] {
        let list = stdout(args);
        for told in [
            "nielsen-30",
            "nielsen-100",
            "nielsen-ce-100",
            "nielsen-softmax-100",
            "3b1b",
            "zhang",
            "98.04 %",
            "w8yWXqWQYmU",
        ] {
            assert!(list.contains(told), "{told}: {list}");
        }
    }
    let one = stdout(&["presets", "zhang", "--markdown"]);
    assert_eq!(one.lines().count(), 3);
    assert!(one.lines().all(|line| line.matches('|').count() == 5), "{one}");
}

#[test]
fn help_has_examples_and_no_colours_where_none_are_wanted() {
    for command in [&[][..], &["train"], &["predict"], &["check"], &["backends"], &["presets"]] {
        let help = chainrule().env("NO_COLOR", "1").args(command).arg("--help").assert().success().stderr("");
        let help = String::from_utf8_lossy(&help.get_output().stdout).into_owned();
        assert!(help.contains("Examples:\n") && help.contains("chainrule "), "{help}");
        assert!(!help.contains('\u{1b}'), "{help}");
    }
    assert!(stdout(&["--version"]).starts_with("chainrule "));
}
