//! Whatever is wrong with a command line or a file is told in one message, with the exit code that is documented.

use crate::common::{chainrule, file, flowers, refused};

#[test]
fn flags_that_cannot_be_meant() {
    for (args, told) in [
        (&["--backend", "abacus"][..], &["backend", "abacus"][..]),
        (&["--backend", "smd"], &["smd", "(did you mean `simd`?)"]),
        (&["--activation", "rlu"], &["rlu", "--activation", "(did you mean `relu`?)"]),
        (&["--layers", "dense:8:rlu"], &["--layers", "(did you mean `relu`?)"]),
        (&["--schedule", "cosin:100"], &["cosin:100", "(did you mean `cosine`?)"]),
        (&["--scaling", "standart"], &["standart", "(did you mean `standardise`?)"]),
        (&["--optimizer", "adamm"], &["adamm", "(did you mean `adam`?)"]),
        (&["--set", "learning-rate=-0.1"], &["the learning rate is -0.1", "above 0"]),
        (&["--activation", "leaky-relu:-1"], &["leaky-relu", "-1"]),
        (&["--loss", "crossentropy"], &["crossentropy", "cross-entropy"]),
        (&["--output", "softmx"], &["softmx", "(did you mean `softmax`?)"]),
        (&["--loss", "cross-entropy", "--output", "sigmoid"], &["cross-entropy", "sigmoid", "softmax"]),
        (&["--loss", "binary-cross-entropy", "--output", "softmax"], &["softmax", "sigmoid"]),
        (&["--init", "he-norm"], &["he", "--init", "(did you mean `he-normal`?)"]),
        (&["--bias-init", "uniform:nan"], &["uniform:nan", "--bias-init"]),
        (&["--hidden", "30,,10"], &["30,,10", "--hidden"]),
        (&["--hidden", "-3"], &["-3"]),
        (&["--hidden", "99999999999999999999"], &["99999999999999999999", "--hidden"]),
        (&["--hidden", "1000000,1000000"], &["parameters", "at most"]),
        (&["--lr", "0"], &["0", "--lr"]),
        (&["--lr", "nan"], &["nan", "--lr"]),
        (&["--lr", "inf"], &["inf", "--lr"]),
        (&["--batch-size", "0"], &["0", "--batch-size", "full"]),
        (&["--batch-size", "some"], &["some", "--batch-size"]),
        (&["--epochs", "0"], &["0", "--epochs"]),
        (&["--l2", "-1"], &["-1"]),
        (&["--seed", "-1"], &["-1"]),
        (&["--threads", "0"], &["0", "--threads"]),
        (&["--threads", "many"], &["many", "--threads"]),
        (&["--dtype", "f16"], &["f16", "f32", "f64"]),
        (&["--jsn"], &["--jsn", "--json"]),
        (&["--preset", "nielsen"], &["nielsen", "--preset"]),
        (&["--preset", "zhang"], &["zhang", "mnist", "digits"]),
        (&["--delimiter", "ab"], &["ab", "--delimiter"]),
        (&["--label", "0"], &["0", "--target"]),
        (&["--test-share", "1"], &["1", "--test-share"]),
        (&["--keep", "0"], &["0", "--keep"]),
        (&["--wheels", "4"], &["--wheels"]),
    ] {
        refused(&[&["train", "digits"], args].concat(), 2, told);
    }
    refused(&["train"], 2, &["digits|mnist|PATH"]);
    refused(&["train", "digits", "mnist"], 2, &["digits", "mnist"]);
    refused(&["train", "a", "b", "c"], 2, &["c"]);
    refused(&["tain"], 2, &["tain", "train"]);
    refused(&["check", "--layers", "4"], 2, &["4", "--layers"]);
    refused(&["check", "--layers", "4,0,3"], 2, &["0", "--layers"]);
    refused(&["check", "--layers", "1000,1000"], 2, &["1001000 parameters"]);
    refused(&["check", "--backend", "abacus"], 2, &["abacus"]);
    refused(&["check", "--batch", "0"], 2, &["0", "--batch"]);
    refused(&["presets", "nielsen"], 2, &["nielsen"]);
    refused(&["presets", "--seeds", "0"], 2, &["0", "--seeds"]);
}

#[test]
fn losses_are_listed_by_all_their_names() {
    let help = crate::common::stdout(&["train", "--help"]);
    let words: Vec<_> = help.split([' ', ',', '[', '\n']).collect();
    for name in chainrule::LOSS_NAMES {
        assert!(words.contains(&name), "{name} is not in the help");
        refused(&["train", "digits", "--loss", "none"], 2, &[name]);
    }
    refused(&["train", "digits", "--loss", "poisson-on-rate"], 2, &["(did you mean `poisson-on-rates`?)"]);
}

#[test]
fn what_is_not_measured_cannot_be_gone_by() {
    let folder = tempfile::tempdir().unwrap();
    let flowers = file(folder.path(), "flowers.csv", flowers());
    let rents = file(folder.path(), "rents.csv", crate::common::rents(50));
    let run = folder.path().join("run").to_str().unwrap().to_owned();
    let stopping = ["--early-stopping", "5", "--run", &run, "--monitor"];
    for (data, args, told) in [
        (&flowers, &["f1"][..], "expected loss, accuracy ("),
        (&flowers, &["f1", "--metrics", "f1-macro"], "expected loss, accuracy, f1-macro (did you mean"),
        (&flowers, &["r2"], "expected loss, accuracy"),
        (&rents, &["accuracy"], "expected loss, r2, rmse, mae ("),
        (&rents, &["rsme"], "(did you mean `rmse`?)"),
    ] {
        refused(&[&["train", data][..], &stopping, args].concat(), 2, &["does not measure `", args[0], told]);
    }
    assert!(!folder.path().join("run").exists());
}

#[test]
fn metrics_of_classes_tell_nothing_of_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let rents = file(folder.path(), "rents.csv", crate::common::rents(50));
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    crate::common::stdout(&["train", &rents, "--epochs", "1", "--out", &model, "--metrics", "mae"]);
    for metric in ["accuracy", "f1-macro", "log-loss", "roc-auc", "top-2"] {
        let told = [&format!("the metric {metric} is for classes")[..], "expected r2, rmse, mae"];
        refused(&["train", &rents, "--metrics", metric], 2, &told);
        refused(&["evaluate", &model, &rents, "--metrics", metric], 2, &told);
    }
    crate::common::stdout(&["evaluate", &model, &rents, "--metrics", "rmse,mae"]);
}

#[test]
fn losses_of_classes_are_not_for_any_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let rents = file(folder.path(), "rents.csv", crate::common::rents(50));
    let shares = file(folder.path(), "shares.csv", "x,share\n1,0.25\n2,0.5\n3,0.75\n4,1\n5,0.125\n6,0.375\n");
    for loss in ["cross-entropy", "binary-cross-entropy", "kl-divergence", "hinge", "squared-hinge"] {
        let told = [&format!("the loss {loss} is for classes, or for")[..], "among the numbers to predict"];
        refused(&["train", &rents, "--loss", loss], 2, &told);
    }
    refused(&["train", &rents, "--output", "softmax"], 2, &["softmax of a single number"]);
    let shares = ["train", &shares[..], "--task", "regression", "--epochs", "1", "-q", "--loss"];
    refused(&[&shares[..], &["cross-entropy"]].concat(), 2, &["one column of numbers"]);
    crate::common::stdout(&[&shares[..], &["binary-cross-entropy"]].concat());
}

#[test]
fn groups_that_no_parameter_is_in() {
    let folder = tempfile::tempdir().unwrap();
    let flowers = file(folder.path(), "flowers.csv", flowers());
    let groups = "[training]\ngradients = { groups = [{ pattern = 'last.*', rate = 0.1 }] }\n";
    let config = file(folder.path(), "run.toml", groups);
    refused(
        &["train", &flowers, "-q", "--config", &config],
        2,
        &["pattern of a group", "last.*", "0.weight"],
    );
}

#[test]
fn files_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, content: &[u8]| file(folder.path(), name, content);
    for (name, content, told) in [
        ("empty.csv", &b""[..], &["no rows"][..]),
        ("header.csv", b"a,b,class\n", &["a header and no rows"]),
        ("cell.csv", b"1,2,a\n3,x,b\n", &["line 2, column 2", "`x`"]),
        ("ragged.csv", b"1,2,a\n3,b\n", &["line 2", "2 columns"]),
        ("nan.csv", b"1,2,a\nnan,2,b\n", &["line 2, column 1", "`nan`"]),
        ("missing.csv", b"1,2,a\n,2,b\n", &["line 2, column 1", "nothing"]),
        ("one.csv", b"1,2,a\n3,4,a\n5,6,a\n7,8,a\n9,1,a\n", &["1 class"]),
        ("binary.csv", b"\x00\xff\xfe,\x01\n\x00\xff\xfe,\x01\n", &["line 2, column 1"]),
        ("utf16.csv", b"\xff\xfe1\x00", &["UTF-16"]),
        ("broken.csv.gz", b"\x1f\x8b\x08\x00 and no more", &["gzip"]),
        ("semicolons.csv", b"1;2;a\n", &["delimiter", "`;`"]),
    ] {
        let path = put(name, content);
        refused(&["train", &path], 1, &[&[name], told].concat());
    }
    let absent = folder.path().join("absent.csv");
    refused(&["train", absent.to_str().unwrap()], 1, &["absent.csv", "cannot be read"]);
    refused(&["train", folder.path().to_str().unwrap()], 1, &["cannot be read"]);

    let good = put("good.csv", flowers().as_bytes());
    let other = put("other.csv", b"length,width,species\n1,2,dahlia\n");
    refused(&["train", &good, &other], 1, &["other.csv", "dahlia"]);
    refused(&["train", &good, "--label", "kind"], 1, &["good.csv", "kind"]);
    refused(&["train", &good, "--label", "9"], 1, &["good.csv", "9"]);
}

#[test]
fn files_that_cannot_be_written_are_told_before_training() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("no such folder").join("model");
    for flag in ["--out", "--svg"] {
        let args = ["train", "digits", "--epochs", "1000000", flag];
        refused(
            &[&args[..], &[below.to_str().unwrap()]].concat(),
            1,
            &["no such folder", "cannot be written"],
        );
        refused(&[&args[..], &[folder.path().to_str().unwrap()]].concat(), 1, &["a folder"]);
    }
}

#[test]
fn what_is_read_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let table = file(folder.path(), "flowers.csv", flowers());
    let same = folder.path().join("sub/../flowers.csv").display().to_string();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    for flag in ["--out", "--svg"] {
        for to in [&table, &same] {
            refused(&["train", &table, "--epochs", "1", flag, to], 2, &[to, &table, "which is read"]);
        }
    }
    let model = folder.path().join("model").display().to_string();
    let train = ["train", &table, "--epochs", "1", "--quiet", "--out", &model];
    // The model of an earlier run is replaced, as ever.
    for _ in 0..2 {
        chainrule().args(train).assert().success();
    }
    refused(&["export", &model, "--onnx", &model], 2, &[&model, "which is read"]);
    for to in [&model, &table] {
        refused(&["predict", &model, &table, "--out", to], 2, &[to, "which is read"]);
    }
    assert_eq!(std::fs::read_to_string(&table).unwrap(), flowers());
}

#[test]
fn mnist_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = chainrule();
    let assert = command.current_dir(folder.path()).args(["train", "mnist"]).assert().code(1).stdout("");
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    for told in ["data/mnist", "train-images-idx3-ubyte", "scripts/get-mnist", "--data-dir", "CHAINRULE_DATA"]
    {
        assert!(message.contains(told), "{told}: {message}");
    }
    let assert =
        chainrule().env("CHAINRULE_DATA", folder.path()).args(["train", "--preset", "3b1b"]).assert().code(1);
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains(folder.path().to_str().unwrap()), "{message}");

    for name in [
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
    ] {
        file(folder.path(), name, "no IDX");
    }
    refused(&["train", "mnist", "--data-dir", folder.path().to_str().unwrap()], 1, &["idx1-ubyte", "found"]);
}

#[cfg(all(feature = "simd", feature = "naive"))]
#[test]
fn an_instruction_set_that_there_is_not() {
    for args in [&["backends"][..], &["check"], &["train", "digits", "--epochs", "1"]] {
        let assert = chainrule().env("CHAINRULE_ISA", "mmx").args(args).assert().code(2).stdout("");
        let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(message.contains("CHAINRULE_ISA") && message.contains("mmx"), "{message}");
    }
    let assert = chainrule().env("CHAINRULE_ISA", "portable").arg("backends").assert().success();
    assert!(String::from_utf8_lossy(&assert.get_output().stdout).contains("portable"));
}
