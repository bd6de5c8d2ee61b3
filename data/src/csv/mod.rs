//! CSV files: a table of numbers and categories, with a target to learn.
//!
//! - Fields are separated by commas, or by another character that [`Options::delimiter`] names; they may be
//!   quoted; spaces around them do not count. Lines may end in LF, CR LF or CR; blank lines are skipped. A
//!   byte-order mark is ignored, UTF-16 is refused. Gzipped files are unpacked.
//! - [`table()`] reads any file as a [`Table`], for which an [`Encoder`](crate::Encoder) is then fitted. [`read`] is
//!   the short way for numbers and a class.
//! - A column whose first value is a number is one of numbers: finite, with a point for the decimals. Else it is one of
//!   categories; a number as people write it (`1,250`, `$ 3`, `40 %`) is an error. Where a later value is of the other
//!   kind, that is an error with its line and column, for it is more often a mistake than meant; [`Options::categorical`]
//!   says that it is meant. At most [`MAX_DETECTED`] categories are found so, and [`MAX_CLASSES`] in a column that is named.
//! - Missing values (nothing, `NA` and the like: [`MISSING`]) are refused, unless [`Options::missing`] asks for them; then
//!   the encoder fills them in.
//! - A class is a number or a text. If every class of the file is a non-negative whole number (`7`, also
//!   written `7.0`), the labels are these numbers as they are, and there are as many classes as the greatest
//!   of them plus one. Otherwise the distinct classes are sorted (by value if all are whole numbers, such as
//!   −1 and 1, else by their characters' code points) and a label is its class's place in that order. So the
//!   numbering depends on which classes there are, and not on the order of the rows. [`Options::expect`] reads
//!   a second file as a first, with its numbering, and finds columns by their names where these are alone, else by their
//!   order.
//! - Rows are read one at a time. What is kept is a number for each cell, and the rows' lines; [`Reader`] hands over a file
//!   part by part.
//!
//! ```
//! use chainrule_data::csv::{self, Options};
//!
//! let text = "height,width,species\n1.5,2,tern\n2.5,3,gull\n0.5,1,tern\n";
//! let birds = csv::from_reader::<f32>(text.as_bytes(), "birds.csv", &Options::new())?;
//! assert_eq!(birds.inputs(), ndarray::array![[1.5, 2.0], [2.5, 3.0], [0.5, 1.0]]);
//! assert_eq!(birds.labels(), [1, 0, 1]);
//! assert_eq!(birds.class_names(), ["gull", "tern"]);
//! assert_eq!(birds.feature_names(), ["height", "width"]);
//! # Ok::<(), chainrule_data::Error>(())
//! ```

mod column;
mod layout;
mod lines;
mod options;
mod reader;
mod rows;

pub use crate::classes::MAX_CLASSES;
pub use column::MAX_DETECTED;
pub use options::{Column, Header, MISSING, Options};
pub(crate) use options::{Expected, ExpectedField};
pub use reader::Reader;

use crate::{Error, LabelledData, Table, error::counted, source::Source};
use num_traits::Float;
use std::{io::Read, path::Path};

/// Reads a CSV file, gzipped or not, whose features are numbers and whose target is a class.
///
/// The inputs are rows × features, in the file's order.
///
/// # Errors
///
/// - [`Error::Io`] when the file cannot be read, [`Error::Gzip`] when it is a broken gzip file;
/// - [`Error::Malformed`], with line and column, for a file without rows, a row with another number of
///   columns than the first, a feature that is not a finite number in the range of `T`, a class that is empty
///   or a fraction, more than [`MAX_CLASSES`] classes, or a label at or above that, a column for the classes
///   that is not there;
/// - [`Error::Argument`] for a delimiter or comment character that cannot be one.
pub fn read<T: Float>(path: impl AsRef<Path>, options: &Options) -> Result<LabelledData<T>, Error> {
    options.check()?;
    labelled(Source::open(path.as_ref())?, options)
}

/// Reads CSV data, gzipped or not, from a reader to its end; errors call it `name`.
///
/// # Errors
///
/// As [`read`].
pub fn from_reader<T: Float>(
    reader: impl Read,
    name: &str,
    options: &Options,
) -> Result<LabelledData<T>, Error> {
    options.check()?;
    labelled(Source::new(reader, name.to_owned())?, options)
}

/// Reads a CSV file, gzipped or not, as a table.
///
/// ```
/// use chainrule_data::{Task, csv::{self, Column, Options}};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("flats.csv");
/// # std::fs::write(&path, "rooms,district,rent\n2,north,800.5\n3,south,\n").unwrap();
/// // rooms,district,rent
/// // 2,north,800.5
/// // 3,south,
/// let options = Options::new().label(Column::Name("rent".to_owned()));
/// let error = csv::table::<f64>(&path, &options).unwrap_err();
/// assert!(error.to_string().contains("flats.csv, line 3, column 3 (rent): found nothing, expected a number"));
///
/// let options = options.label(Column::Name("rooms".to_owned())).missing(&csv::MISSING);
/// let table = csv::table::<f64>(&path, &options)?;
/// assert_eq!((table.len(), table.features().len(), table.task()), (2, 2, Task::Auto));
/// assert_eq!(table.features()[0].categories.as_deref().unwrap(), ["north", "south"]);
/// # Ok::<(), chainrule_data::Error>(())
/// ```
///
/// # Errors
///
/// - [`Error::Io`] when the file cannot be read, [`Error::Gzip`] when it is a broken gzip file;
/// - [`Error::Malformed`], with line and column, for a file without rows, a row with another number of
///   columns than the first, a value that is not of its column's kind, a missing one where that was not asked for, a
///   column that is not there, too many categories or classes;
/// - [`Error::Argument`] for options that cannot be or contradict each other.
pub fn table<T: Float>(path: impl AsRef<Path>, options: &Options) -> Result<Table<T>, Error> {
    options.check()?;
    Reader::new(Source::open(path.as_ref())?, options, false)?.all()
}

/// Reads CSV data, gzipped or not, from a reader to its end as a table; errors call it `name`.
///
/// # Errors
///
/// As [`table()`].
pub fn table_from_reader<T: Float>(
    reader: impl Read,
    name: &str,
    options: &Options,
) -> Result<Table<T>, Error> {
    options.check()?;
    Reader::new(Source::new(reader, name.to_owned())?, options, false)?.all()
}

fn labelled<T: Float>(source: Source<'_>, options: &Options) -> Result<LabelledData<T>, Error> {
    if options.targets.len() != 1 {
        return Err(Error::Argument {
            name: "targets",
            found: counted(options.targets.len(), "target"),
            expected: "1, a column of classes".to_owned(),
        });
    }
    let options = Options { task: crate::Task::Classes, missing: None, ..options.clone() };
    Reader::new(source, &options, true)?.all()?.into_labelled()
}
