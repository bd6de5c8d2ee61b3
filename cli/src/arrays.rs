//! Arrays (NPY and NPZ files) as data to train with and to use a network on.

use std::path::{Path, PathBuf};

use chainrule::Scalar;
use chainrule_data::npy::{self, Npz};
use chainrule_data::{Answers, Task};
use ndarray::Array2;

use crate::config::{DataSection, PreprocessingSection};
use crate::failure::Failure;
use crate::preparation::{Preparation, fit};
use crate::source::{Data, Part, Wanted, split};
use crate::table::TEST_SHARE;

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
    let task = section.task.map_or(Task::Auto, Into::into);
    let names = names(&section.arrays)?;
    let (first, all, second) = match paths {
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
    let test_share = if second.is_some() { 0.0 } else { section.test_share.unwrap_or(TEST_SHARE) };
    let rows = split(&all.answers, wanted.validation * (1.0 - test_share), test_share, wanted.seed)?;
    let classes = match &all.answers {
        Answers::Classes(labels) => labels.iter().max().map_or(0, |most| most + 1),
        Answers::Values(_) => 0,
    };
    let place = first.display().to_string();
    if classes == 1 {
        return Err(Failure::unfit(place, "1 class", "at least 2"));
    }
    let methods = preprocessing.scaling.clone().unwrap_or_default();
    let (steps, inputs) = fit(&methods, all.inputs, Some(&rows.train))?;
    let [train, validation, test] = Part::new(inputs, all.answers).held_out(&rows);
    let train = train.ok_or_else(|| Failure::unfit(place, "no rows", "some to train on"))?;
    let test = match second {
        None => test,
        Some((path, part)) => {
            check_alike(path, &part, classes, &train)?;
            Some(Part::new(steps.transform(part.inputs)?, part.answers))
        }
    };
    let mut data = Data {
        train,
        validation,
        test,
        class_names: (0..classes).map(|class| class.to_string()).collect(),
        feature_names: Vec::new(),
        target_names: Vec::new(),
        preparation: Preparation { preprocessing: steps, ..Preparation::default() },
        target_scale: None,
    };
    data.weigh_and_scale(section, preprocessing)?;
    Ok(data)
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

/// Refuses data to test with that are of another kind than those to train with.
fn check_alike<T: Scalar>(
    path: &Path,
    part: &Part<T>,
    classes: usize,
    train: &Part<T>,
) -> Result<(), Failure> {
    let unfit = |found: String, expected: String| Failure::unfit(path.display().to_string(), found, expected);
    match (&part.answers, &train.answers) {
        (Answers::Classes(labels), _) => match labels.iter().max() {
            Some(most) if *most >= classes => {
                Err(unfit(format!("class {most}"), format!("classes from 0 to {}", classes - 1)))
            }
            _ => Ok(()),
        },
        (Answers::Values(values), Answers::Values(known)) if values.ncols() != known.ncols() => {
            Err(unfit(format!("{} targets a row", values.ncols()), known.ncols().to_string()))
        }
        (Answers::Values(_), _) => Ok(()),
    }
}
