//! Arrays (NPY and NPZ files) as data to train with and to use a network on.

use std::path::{Path, PathBuf};

use chainrule::Scalar;
use chainrule_data::npy::{self, Npz};
use chainrule_data::{Answers, Task};
use ndarray::Array2;

use crate::config::{DataSection, PreprocessingSection};
use crate::data::{Data, Read, Wanted, held_out};
use crate::failure::Failure;
use crate::part::{Part, Pixels};
use crate::windows;

/// What the inputs and the targets are called in archives.
const NAMES: [&str; 2] = ["x", "y"];

/// Whether a file of that name holds arrays.
pub(crate) fn are_in(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    is_archive(Path::new(&name)) || [".npy", ".npy.gz"].iter().any(|end| name.ends_with(end))
}

pub(crate) fn is_archive(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"))
}

/// Reads one archive, of which a part is held out, or two, or the inputs and the targets from a file each.
pub(crate) fn load<T: Scalar>(
    paths: &[PathBuf],
    section: &DataSection,
    preprocessing: &PreprocessingSection,
    wanted: Wanted,
) -> Result<Data<T>, Failure> {
    if let Some(mebibytes) = section.window {
        return windows::load(paths, section, preprocessing, wanted, mebibytes);
    }
    let task = section.task.map_or(Task::Auto, Into::into);
    let names = names(&section.arrays)?;
    let (first, mut all, second) = match paths {
        [first] if is_archive(first) => (first, archive(first, names, task)?, None),
        [first, second] if is_archive(first) && is_archive(second) => {
            let all = archive::<T>(first, names, task)?;
            let told = match all.answers {
                Answers::Classes(_) => Task::Classes,
                Answers::Values(_) => Task::Values,
            };
            (first, all, Some((second, archive::<T>(second, names, told)?)))
        }
        [inputs, targets] if !is_archive(inputs) && !is_archive(targets) => {
            (inputs, fitting(npy::read(inputs)?, npy::read_answers(targets, task)?, targets)?, None)
        }
        _ => {
            let expected = "expected one or two NPZ files, or two NPY files: the inputs and the targets";
            return Err(Failure::Usage(expected.to_owned()));
        }
    };
    if let Some(name) = &section.sample_weights {
        all.weights = Some(weights(first, name, all.len())?);
    }
    let shape =
        if is_archive(first) { Npz::open(first)?.row_shape(names[0])? } else { npy::row_shape(first)? };
    let classes = match &all.answers {
        Answers::Classes(labels) => labels.iter().max().map_or(0, |most| most + 1),
        Answers::Values(_) => 0,
    };
    if section.task.is_none() && classes > all.len() {
        let found = format!("whole numbers up to {} as targets of {} rows", classes - 1, all.len());
        return Err(Failure::unfit(first.display().to_string(), found, "to be told by --task what they are"));
    }
    let test = match second {
        Some((path, part)) => Some(alike(path, part, classes, &all)?),
        None => None,
    };
    let read = Read {
        place: first.display().to_string(),
        rows: held_out(&all.answers, section, wanted, test.is_some())?,
        all,
        test,
        class_names: (0..classes).map(|class| class.to_string()).collect(),
        feature_names: Vec::new(),
        target_names: Vec::new(),
        pictures: Pixels::of(&shape),
        encoder: None,
        delimiter: None,
    };
    read.prepared(section, preprocessing)
}

/// The names that are asked for.
pub(crate) fn names(given: &[String]) -> Result<[&str; 2], Failure> {
    match given {
        [] => Ok(NAMES),
        [inputs, targets] => Ok([inputs, targets]),
        _ => Err(Failure::Usage(format!("expected the names of two arrays, found {}", given.len()))),
    }
}

fn archive<T: Scalar>(path: &Path, [x, y]: [&str; 2], task: Task) -> Result<Part<T>, Failure> {
    let mut file = Npz::open(path)?;
    fitting(file.read(x)?, file.read_answers(y, task)?, path)
}

/// Inputs and targets, if they have as many rows.
pub(crate) fn fitting<T: Scalar>(
    inputs: Array2<T>,
    answers: Answers<T>,
    place: &Path,
) -> Result<Part<T>, Failure> {
    let rows = match &answers {
        Answers::Classes(labels) => labels.len(),
        Answers::Values(values) => values.nrows(),
    };
    if rows != inputs.nrows() {
        let expected = format!("one for each of {} rows of inputs", inputs.nrows());
        return Err(Failure::unfit(place.display().to_string(), format!("{rows} targets"), expected));
    }
    Ok(Part::new(inputs, answers))
}

/// How much each of so many rows counts: an array of the archive, or a file.
fn weights<T: Scalar>(first: &Path, name: &str, rows: usize) -> Result<Vec<T>, Failure> {
    let (place, weights) = if is_archive(first) {
        (format!("{}, array {name}", first.display()), Npz::open(first)?.read::<T>(name)?)
    } else {
        (name.to_owned(), npy::read::<T>(name)?)
    };
    if weights.dim() != (rows, 1) {
        let (found, columns) = weights.dim();
        let expected = format!("{rows} × 1, a weight for each row of inputs");
        return Err(Failure::unfit(place, format!("{found} × {columns} numbers"), expected));
    }
    let weights = weights.into_raw_vec_and_offset().0;
    match weights.iter().position(|&weight| weight < T::of(0.0)) {
        Some(row) => {
            let found = weights[row].as_f64().to_string();
            Err(Failure::unfit(
                format!("{place}, element [{row}, 0]"),
                found,
                "a weight, a number of at least 0",
            ))
        }
        None => Ok(weights),
    }
}

/// Data to test with, unless they are of another kind than those to train with.
fn alike<T: Scalar>(path: &Path, part: Part<T>, classes: usize, train: &Part<T>) -> Result<Part<T>, Failure> {
    let unfit =
        |found: String, expected: String| Err(Failure::unfit(path.display().to_string(), found, expected));
    match (&part.answers, &train.answers) {
        (Answers::Classes(labels), _) => match labels.iter().max() {
            Some(most) if *most >= classes => {
                unfit(format!("class {most}"), format!("classes from 0 to {}", classes.saturating_sub(1)))
            }
            _ => Ok(part),
        },
        (Answers::Values(values), Answers::Values(known)) if values.ncols() != known.ncols() => {
            unfit(format!("{} targets a row", values.ncols()), known.ncols().to_string())
        }
        (Answers::Values(_), _) => Ok(part),
    }
}
