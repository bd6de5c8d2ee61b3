//! Flags that say nothing about the data at hand. They are refused, lest somebody believe that they were obeyed.

use std::path::Path;

use crate::args::ReadArgs;
use crate::arrays::is_archive;
use crate::config::{DataSection, Missing, PreprocessingSection, TaskKind, UnknownCategories};
use crate::failure::Failure;
use crate::source::{MnistSplit, Source};

/// Refuses what was told to train with, if the source has no use for it.
pub(crate) fn check(
    source: &Source,
    data: &DataSection,
    preprocessing: &PreprocessingSection,
) -> Result<(), Failure> {
    let has_own_labels = matches!(source, Source::Digits | Source::Mnist(_));
    let refuses_gaps = preprocessing.missing.is_none_or(|missing| missing == Missing::Refuse);
    let refuses_unknown =
        preprocessing.unknown_categories.is_none_or(|unknown| unknown == UnknownCategories::Refuse);
    for_tables(
        source,
        &[
            ("--target", data.target.is_some(), "the targets are an array of their own"),
            ("--categorical", !data.categorical.is_empty(), NUMBERS),
            ("--ignore", !data.ignore.is_empty(), "every column of the inputs is used"),
            ("--delimiter", data.delimiter.is_some(), NO_TEXT),
            ("--header", data.header.is_some(), NO_TEXT),
            ("--skip", data.skip.is_some(), NO_TEXT),
            ("--missing", !refuses_gaps, "they have no gaps, and NaN is refused"),
            ("--unknown-categories", !refuses_unknown, NUMBERS),
        ],
    )?;
    for_archives(source, &data.arrays)?;
    for_mnist(source, data.data_dir.as_deref())?;
    if data.window.is_some() && !matches!(source, Source::Arrays(_)) {
        return refuse(&format!("--window is for arrays, two NPY files: {} is read at once", source.name()));
    }
    if has_own_labels {
        let name = source.name();
        if let Some(weights) = &data.sample_weights {
            return refuse(&format!("{name} has no weights of samples, found --sample-weights {weights}"));
        }
        if data.task == Some(TaskKind::Regression) {
            return refuse(&format!("{name} has classes to predict, found --task regression"));
        }
        if preprocessing.raw_targets == Some(true) {
            return refuse(&raw_targets(&name));
        }
        if data.test_share.is_some() {
            return refuse(&format!("{name} says itself what is to test with, found --test-share"));
        }
    }
    if data.validation_share.is_some() && matches!(source, Source::Mnist(MnistSplit::Validation)) {
        return refuse("the preset says what is for validation, found --validation-share");
    }
    match source {
        Source::Table(paths) | Source::Arrays(paths) if data.test_share.is_some() => match paths.as_slice() {
            [first, second] if matches!(source, Source::Table(_)) || is_archive(first) => refuse(&format!(
                "--test-share is for a single file: {} is what is tested with",
                second.display()
            )),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Refuses what was told to use a network on, likewise.
pub(crate) fn check_read(source: &Source, args: &ReadArgs) -> Result<(), Failure> {
    for_tables(
        source,
        &[
            ("--delimiter", args.delimiter.is_some(), NO_TEXT),
            ("--header", args.header.is_some(), NO_TEXT),
            ("--skip", args.skip.is_some(), NO_TEXT),
        ],
    )?;
    for_archives(source, &args.arrays)?;
    for_mnist(source, args.data_dir.as_deref())?;
    let is_array = matches!(source, Source::Arrays(_)) && !is_archive(Path::new(&args.input));
    if args.targets.is_some() && !is_array {
        return refuse(&format!("--targets is for an array (NPY) in a file, found {}", source.name()));
    }
    Ok(())
}

/// Why classes are not trained on as they are.
pub(crate) fn raw_targets(place: &str) -> String {
    format!("--raw-targets is for numbers to predict, found classes in {place}")
}

const NUMBERS: &str = "all that they hold are numbers";
const NO_TEXT: &str = "they are no text";

/// Flags of tables, each with whether it was given and why arrays have no use for it.
fn for_tables(source: &Source, flags: &[(&str, bool, &str)]) -> Result<(), Failure> {
    let Some((flag, _, why)) = flags.iter().find(|(_, is_given, _)| *is_given) else { return Ok(()) };
    let name = source.name();
    match source {
        Source::Table(_) => Ok(()),
        Source::Arrays(_) => refuse(&format!("{flag} is for tables (CSV), found arrays, {name}: {why}")),
        Source::Digits | Source::Mnist(_) => {
            refuse(&format!("{flag} is for tables (CSV), found {name}, images with their classes"))
        }
    }
}

fn for_archives(source: &Source, names: &[String]) -> Result<(), Failure> {
    match source {
        _ if names.is_empty() => Ok(()),
        Source::Arrays(paths) if paths.iter().any(|path| is_archive(path)) => Ok(()),
        _ => refuse(&format!("--arrays is for archives (NPZ), found {}", source.name())),
    }
}

fn for_mnist(source: &Source, folder: Option<&Path>) -> Result<(), Failure> {
    match source {
        Source::Mnist(_) => Ok(()),
        _ if folder.is_none() => Ok(()),
        _ => refuse(&format!("--data-dir is for mnist, found {}", source.name())),
    }
}

fn refuse(message: &str) -> Result<(), Failure> {
    Err(Failure::Usage(message.to_owned()))
}
