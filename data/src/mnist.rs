//! MNIST, and data sets in its form (such as Fashion-MNIST): four IDX files in a folder.
//!
//! | part | images | labels |
//! | --- | --- | --- |
//! | training | `train-images-idx3-ubyte` | `train-labels-idx1-ubyte` |
//! | test | `t10k-images-idx3-ubyte` | `t10k-labels-idx1-ubyte` |
//!
//! Each may be gzipped, may have `.gz` at its name's end, and may have a dot for its last hyphen but one
//! (`train-images.idx3-ubyte`). `scripts/get-mnist` in chainrule's repository fetches MNIST into
//! `data/mnist`, where [`find_dir`] looks last.

use crate::{
    Error, LabelledData, Position, Split,
    error::counted,
    idx,
    labelled::{matrix, numbers},
};
use ndarray::Ix3;
use num_traits::Float;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The environment variable that names the folder when nothing more explicit does.
pub const VARIABLE: &str = "CHAINRULE_DATA";

/// The folder where MNIST is looked for when nothing names one, relative to the current folder.
pub const DEFAULT_DIR: &str = "data/mnist";

const HELP: &str = "`scripts/get-mnist` in chainrule's repository gets MNIST into data/mnist; \
                    `--data-dir` or CHAINRULE_DATA names another folder";

const CLASSES: usize = 10;

/// The four files, by the parts of their names that do not vary.
const FILES: [[&str; 2]; 4] = [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS];
const TRAIN_IMAGES: [&str; 2] = ["train-images", "idx3-ubyte"];
const TRAIN_LABELS: [&str; 2] = ["train-labels", "idx1-ubyte"];
const TEST_IMAGES: [&str; 2] = ["t10k-images", "idx3-ubyte"];
const TEST_LABELS: [&str; 2] = ["t10k-labels", "idx1-ubyte"];

/// The folder that holds MNIST: `explicit` if there is one, else the value of the environment variable
/// `CHAINRULE_DATA`, else `data/mnist` in the current folder.
///
/// The first of these that is given counts, the others are not tried. It may also be the folder above a
/// folder `mnist`.
///
/// # Errors
///
/// [`Error::Missing`] when the folder lacks any of the four files; the message tells how to get them.
pub fn find_dir(explicit: Option<&Path>) -> Result<PathBuf, Error> {
    find(explicit, env::var_os(VARIABLE))
}

fn find(explicit: Option<&Path>, variable: Option<OsString>) -> Result<PathBuf, Error> {
    let (folder, chosen_by) = if let Some(folder) = explicit {
        (folder.to_path_buf(), "the folder asked for")
    } else if let Some(folder) = variable.filter(|value| !value.is_empty()) {
        (PathBuf::from(folder), "the value of CHAINRULE_DATA")
    } else {
        (PathBuf::from(DEFAULT_DIR), "the default folder")
    };
    let below = folder.join("mnist");
    if missing(&folder).is_empty() {
        Ok(folder)
    } else if missing(&below).is_empty() {
        Ok(below)
    } else {
        Err(lacking(folder, chosen_by))
    }
}

/// Reads the training and the test images of the folder `dir`, with the digit that each shows.
///
/// The inputs are images × pixels (60000 × 784 and 10000 × 784 for MNIST), an image a row, its pixels row by
/// row, divided by 255: from 0 (background) to 1 (ink). The labels are 0 to 9. The files are read one after
/// the other and the bytes turned into `T` once; beside the result, the bytes of one file are in memory.
///
/// # Errors
///
/// - [`Error::Missing`] when a file is not there;
/// - what [`idx::read`] returns for a file that is not sound;
/// - [`Error::Malformed`] when images have no pixels or labels are not a list, when there is not one label
///   for each image, when a label is above 9, or when the test images have another size than the training
///   images.
///
/// ```no_run
/// use chainrule_data::{Split, mnist};
///
/// let Split { train, test } = mnist::load::<f32>(mnist::find_dir(None)?)?;
/// assert_eq!(train.inputs().dim(), (60_000, 784));
/// assert_eq!(test.inputs().dim(), (10_000, 784));
/// # Ok::<(), chainrule_data::Error>(())
/// ```
pub fn load<T: Float>(dir: impl AsRef<Path>) -> Result<Split<T>, Error> {
    let dir = dir.as_ref();
    if !missing(dir).is_empty() {
        return Err(lacking(dir.to_path_buf(), "the folder asked for"));
    }
    let (train, size) = part(dir, TRAIN_IMAGES, TRAIN_LABELS, None)?;
    let (test, _) = part(dir, TEST_IMAGES, TEST_LABELS, Some(size))?;
    Ok(Split { train, test })
}

/// One half of the data, and its images' height and width.
fn part<T: Float>(
    dir: &Path,
    images: [&str; 2],
    labels: [&str; 2],
    size: Option<(usize, usize)>,
) -> Result<(LabelledData<T>, (usize, usize)), Error> {
    // That it exists was seen just now; if it has gone since, opening the first name tells so.
    let path_of = |file| existing(dir, file).unwrap_or_else(|| dir.join(names(file)[0].as_str()));
    let (images_path, labels_path) = (path_of(images), path_of(labels));

    // Labels first: they are small, so that what is wrong with them is told before megabytes are read.
    let labels = idx::read(&labels_path)?;
    if labels.ndim() != 1 {
        let found = counted(labels.ndim(), "dimension");
        return Err(malformed(&labels_path, Position::Byte(3), found, "1, for a list of labels"));
    }
    if let Some((index, label)) = labels.iter().enumerate().find(|&(_, &label)| usize::from(label) >= CLASSES)
    {
        let position = Position::Byte(8 + index as u64);
        return Err(malformed(&labels_path, position, format!("label {label}"), "a digit from 0 to 9"));
    }

    let pixels = idx::read(&images_path)?;
    let dimensions = pixels.ndim();
    let Ok(pixels) = pixels.into_dimensionality::<Ix3>() else {
        let found = counted(dimensions, "dimension");
        return Err(malformed(&images_path, Position::Byte(3), found, "3: images, rows, columns"));
    };
    let (count, height, width) = pixels.dim();
    if count == 0 || height == 0 || width == 0 {
        let found = format!("{count} images of {height} × {width} pixels");
        return Err(malformed(
            &images_path,
            Position::Byte(4),
            found,
            "at least one image of at least one pixel",
        ));
    }
    if let Some((rows, columns)) = size.filter(|&size| size != (height, width)) {
        let found = format!("images of {height} × {width} pixels");
        let expected = format!("{rows} × {columns}, as the training images have");
        return Err(malformed(&images_path, Position::Byte(8), found, &expected));
    }
    if labels.len() != count {
        let expected = format!("{count}, one for each image in {}", images_path.display());
        return Err(malformed(&labels_path, Position::Byte(4), counted(labels.len(), "label"), &expected));
    }

    let full = scaled(u8::MAX)?;
    let grey =
        (0..=u8::MAX).map(|value| Ok(scaled::<T>(value)? / full)).collect::<Result<Vec<T>, Error>>()?;
    let inputs =
        matrix(count, height * width, pixels.iter().map(|&value| grey[usize::from(value)]).collect())?;
    drop(pixels);
    let labels = labels.into_iter().map(usize::from).collect();
    Ok((LabelledData::new(inputs, labels, numbers(CLASSES))?, (height, width)))
}

/// A byte as `T`, which every floating-point type that is wide enough for 0 to 255 holds.
fn scaled<T: Float>(value: u8) -> Result<T, Error> {
    T::from(value).ok_or_else(|| Error::Argument {
        name: "T",
        found: std::any::type_name::<T>().to_owned(),
        expected: "a floating-point type that holds 0 to 255".to_owned(),
    })
}

/// The names that a file may have, the usual one first.
fn names([stem, kind]: [&str; 2]) -> [String; 4] {
    let (hyphen, dot) = (format!("{stem}-{kind}"), format!("{stem}.{kind}"));
    [hyphen.clone(), dot.clone(), hyphen + ".gz", dot + ".gz"]
}

fn existing(dir: &Path, file: [&str; 2]) -> Option<PathBuf> {
    names(file).iter().map(|name| dir.join(name)).find(|path| path.is_file())
}

/// The usual names of the files that `dir` lacks.
fn missing(dir: &Path) -> Vec<String> {
    FILES
        .into_iter()
        .filter(|&file| existing(dir, file).is_none())
        .map(|[stem, kind]| format!("{stem}-{kind}"))
        .collect()
}

fn lacking(folder: PathBuf, chosen_by: &'static str) -> Error {
    Error::Missing { data: "MNIST", missing: missing(&folder), folder, chosen_by, help: HELP }
}

fn malformed(path: &Path, position: Position, found: String, expected: &str) -> Error {
    Error::Malformed { file: path.display().to_string(), position, found, expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn fill(dir: &Path) {
        fs::create_dir_all(dir).unwrap();
        for [stem, kind] in FILES {
            fs::write(dir.join(format!("{stem}.{kind}.gz")), b"").unwrap();
        }
    }

    #[test]
    fn what_is_named_first_is_taken_and_the_rest_not_tried() {
        let root = tempfile::tempdir().unwrap();
        let (good, empty) = (root.path().join("good"), root.path().join("empty"));
        fill(&good.join("mnist"));
        fs::create_dir(&empty).unwrap();

        assert_eq!(find(Some(&good.join("mnist")), None).unwrap(), good.join("mnist"));
        assert_eq!(find(None, Some(good.clone().into())).unwrap(), good.join("mnist"));
        let error = find(Some(&empty), Some(good.clone().into())).unwrap_err();
        assert!(
            matches!(&error, Error::Missing { folder, missing, .. } if *folder == empty && missing.len() == 4),
            "{error}"
        );
        assert!(error.to_string().contains("scripts/get-mnist"), "{error}");
        let error = find(None, Some(empty.clone().into())).unwrap_err();
        assert!(error.to_string().contains("the value of CHAINRULE_DATA"), "{error}");
    }

    #[test]
    fn an_empty_variable_is_no_folder() {
        // Tests run in this crate's folder, which has no data/mnist of its own.
        let error = find(None, Some(OsString::new())).unwrap_err();
        assert!(
            matches!(&error, Error::Missing { folder, .. } if folder == Path::new(DEFAULT_DIR)),
            "{error}"
        );
    }

    #[test]
    fn only_the_missing_files_are_named() {
        let root = tempfile::tempdir().unwrap();
        fill(root.path());
        fs::remove_file(root.path().join("t10k-labels.idx1-ubyte.gz")).unwrap();
        let Err(Error::Missing { missing, .. }) = load::<f32>(root.path()) else { panic!("no such error") };
        assert_eq!(missing, ["t10k-labels-idx1-ubyte"]);
    }
}
