//! CSV files: numbers in every column but one, and a class in that one.
//!
//! - Fields are separated by commas, or by another character that [`Options::delimiter`] names; they may be
//!   quoted; spaces around them do not count. Lines may end in LF, CR LF or CR; blank lines are skipped. A
//!   byte-order mark is ignored, UTF-16 is refused. Gzipped files are unpacked.
//! - Every feature is a finite number, with a point for the decimals. Missing values, NaN and infinities are
//!   refused: what should stand for them is not for a reader to decide.
//! - A class is a number or a text. If every class of the file is a non-negative whole number (`7`, also
//!   written `7.0`), the labels are these numbers as they are, and there are as many classes as the greatest
//!   of them plus one. Otherwise the distinct classes are sorted (by value if all are whole numbers, such as
//!   −1 and 1, else by their characters' code points) and a label is its class's place in that order. So the
//!   numbering depends on which classes there are, and not on the order of the rows. [`Options::like`] reads
//!   a second file with the numbering of a first.
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

use crate::{
    Error, LabelledData, Position, Split,
    error::{counted, quoted},
    labelled::{matrix, numbers},
    source::{Source, read_up_to, unreadable},
};
use csv::{ByteRecord, ReaderBuilder};
use num_traits::{Float, ToPrimitive};
use std::{
    collections::HashMap,
    io::{self, BufRead, Cursor, Read},
    path::Path,
    str::FromStr,
};

/// More classes than this are taken for a mistake: a column of identifiers, say, where the classes should be.
pub const MAX_CLASSES: usize = 65_536;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// Whether the first row holds the columns' names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Header {
    /// It does if none of its features is a number (and any is not empty), or if [`Column::Name`] asks for a
    /// name.
    ///
    /// Nothing is guessed beyond that. A row in which only some features are numbers is an error, and so is
    /// one with three features or more that are 0, 1, 2, … or 1, 2, 3, … beside a class that is no number:
    /// the names of numbered columns, most likely, but sound data as well. [`Yes`](Header::Yes) and
    /// [`No`](Header::No) decide such cases.
    #[default]
    Auto,
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// Which column holds the classes.
///
/// ```
/// use chainrule_data::csv::Column;
///
/// assert_eq!("last".parse(), Ok(Column::Last));
/// assert_eq!("1".parse(), Ok(Column::Number(1)));
/// assert_eq!("species".parse(), Ok(Column::Name("species".to_owned())));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Column {
    /// The last.
    #[default]
    Last,
    /// The one with this number, counted from 1 as in messages.
    Number(usize),
    /// The one with this name in the header.
    Name(String),
}

/// `last`, a number, or else a name.
impl FromStr for Column {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match (text, text.parse()) {
            ("last", _) => Column::Last,
            (_, Ok(number)) => Column::Number(number),
            (name, Err(_)) => Column::Name(name.to_owned()),
        })
    }
}

/// How a CSV file is to be understood.
///
/// ```
/// use chainrule_data::csv::{self, Column, Options};
///
/// let text = "# measured in May\n7;0.5;0.25\n3;1.0;0.75\n";
/// let options = Options::new().delimiter(b';').label(Column::Number(1)).comment(Some(b'#'));
/// let data = csv::from_reader::<f64>(text.as_bytes(), "may.csv", &options)?;
/// assert_eq!((data.labels(), data.features(), data.classes()), (&[7, 3][..], 2, 8));
/// # Ok::<(), chainrule_data::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Options {
    header: Header,
    delimiter: u8,
    label: Column,
    skip: usize,
    comment: Option<u8>,
    like: Option<Like>,
}

/// What a file has to have in common with one read earlier.
#[derive(Debug, Clone)]
struct Like {
    features: usize,
    feature_names: Vec<String>,
    class_names: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            header: Header::Auto,
            delimiter: b',',
            label: Column::Last,
            skip: 0,
            comment: None,
            like: None,
        }
    }
}

impl Options {
    /// Commas, the classes in the last column, a header if it looks like one, no comments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the first row is a header.
    #[must_use]
    pub fn header(mut self, header: Header) -> Self {
        self.header = header;
        self
    }

    /// The character between fields, an ASCII character that is no quotation mark, letter, digit or line's
    /// end.
    #[must_use]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// The column of the classes.
    #[must_use]
    pub fn label(mut self, label: Column) -> Self {
        self.label = label;
        self
    }

    /// How many lines at the file's start are passed over unread, before a header if there is one.
    #[must_use]
    pub fn skip(mut self, lines: usize) -> Self {
        self.skip = lines;
        self
    }

    /// The character with which lines begin that are passed over.
    #[must_use]
    pub fn comment(mut self, comment: Option<u8>) -> Self {
        self.comment = comment;
        self
    }

    /// The file must have the features of `data`, and its labels are numbered as those of `data`: for a test
    /// file, after the training file. A class that `data` has no name for is an error.
    ///
    /// ```
    /// use chainrule_data::csv::{self, Options};
    ///
    /// let train = csv::from_reader::<f32>("1,a\n2,b\n3,c\n".as_bytes(), "train.csv", &Options::new())?;
    /// let options = Options::new().like(&train);
    /// let test = csv::from_reader::<f32>("1.5,c\n2.5,b\n".as_bytes(), "test.csv", &options)?;
    /// assert_eq!(test.labels(), [2, 1]);
    /// assert!(csv::from_reader::<f32>("1.5,d\n".as_bytes(), "test.csv", &options).is_err());
    /// # Ok::<(), chainrule_data::Error>(())
    /// ```
    #[must_use]
    pub fn like<T>(mut self, data: &LabelledData<T>) -> Self {
        self.like = Some(Like {
            features: data.features(),
            feature_names: data.feature_names().to_vec(),
            class_names: data.class_names().to_vec(),
        });
        self
    }

    fn check(&self) -> Result<(), Error> {
        let refused =
            |byte: u8| !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"\"\r\n".contains(&byte);
        let argument = |name, byte: u8, expected: &str| {
            let found = format!("`{}`", byte.escape_ascii());
            Err(Error::Argument { name, found, expected: expected.to_owned() })
        };
        let expected = "an ASCII character that is no quotation mark, letter, digit or line's end";
        if refused(self.delimiter) || b".+-".contains(&self.delimiter) {
            return argument("delimiter", self.delimiter, &format!("{expected}, nor part of a number"));
        }
        match self.comment {
            Some(comment) if refused(comment) || comment == self.delimiter => {
                argument("comment", comment, &format!("{expected}, nor the delimiter"))
            }
            _ => Ok(()),
        }
    }
}

/// Reads a CSV file, gzipped or not.
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
    parse(Source::open(path.as_ref())?, options)
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
    parse(Source::new(reader, name.to_owned())?, options)
}

/// Reads one or two CSV files as data to train and to test with.
///
/// One file is split by [`split_stratified`](LabelledData::split_stratified) with `fraction` and `seed`; of
/// two, the first is for training and the second, read as [`Options::like`] the first, for testing.
///
/// # Errors
///
/// As [`read`]; [`Error::Argument`] also for another number of files, and for a fraction that leaves either
/// part empty.
pub fn read_split<T: Float>(
    paths: &[impl AsRef<Path>],
    options: &Options,
    fraction: f64,
    seed: u64,
) -> Result<Split<T>, Error> {
    match paths {
        [both] => read(both, options)?.split_stratified(fraction, seed),
        [train, test] => {
            let train = read(train, options)?;
            let test = read(test, &options.clone().like(&train))?;
            Ok(Split { train, test })
        }
        _ => Err(Error::Argument {
            name: "paths",
            found: counted(paths.len(), "file"),
            expected: "one file to be split, or one for training and one for testing".to_owned(),
        }),
    }
}

fn parse<T: Float>(source: Source<'_>, options: &Options) -> Result<LabelledData<T>, Error> {
    let (name, mut reader, gzip) = source.into_parts();
    let file = File { name: &name, gzip };
    let skipped = skip(&mut reader, options.skip).map_err(|cause| file.unreadable(cause))?;
    let (start, length): ([u8; BYTE_ORDER_MARK.len()], usize) =
        read_up_to(&mut reader).map_err(|cause| file.unreadable(cause))?;
    let start = &start[..if start == BYTE_ORDER_MARK { 0 } else { length }];
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Err(file.malformed(Position::File, "UTF-16", "text in UTF-8"));
    }
    let rows = Rows {
        file,
        reader: ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(options.delimiter)
            .comment(options.comment)
            .from_reader(Lines::new(Cursor::new(start).chain(reader), skipped)),
        record: ByteRecord::new(),
    };
    rows.table(options)
}

/// Passes over `lines` lines, or as many as there are, and says how many.
fn skip(reader: &mut impl BufRead, lines: usize) -> io::Result<u64> {
    for line in 0..lines {
        if reader.skip_until(b'\n')? == 0 {
            return Ok(line as u64);
        }
    }
    Ok(lines as u64)
}

/// The name of what is read, for errors.
#[derive(Clone, Copy)]
struct File<'a> {
    name: &'a str,
    gzip: bool,
}

impl File<'_> {
    fn unreadable(self, cause: io::Error) -> Error {
        unreadable(self.name, self.gzip, cause)
    }

    fn malformed(self, position: Position, found: impl Into<String>, expected: impl Into<String>) -> Error {
        Error::Malformed {
            file: self.name.to_owned(),
            position,
            found: found.into(),
            expected: expected.into(),
        }
    }
}

/// The rows of a file, one at a time.
struct Rows<'a, R> {
    file: File<'a>,
    reader: csv::Reader<Lines<R>>,
    record: ByteRecord,
}

/// What the first row settles for all.
struct Layout {
    /// The line of the row.
    line: u64,
    /// How many columns there are.
    width: usize,
    /// The index of the classes' column.
    label: usize,
    /// The columns' names; none without a header.
    names: Vec<String>,
    /// Whether the row was taken for data although nobody said that it is.
    doubtful: bool,
}

impl<R: Read> Rows<'_, R> {
    fn table<T: Float>(mut self, options: &Options) -> Result<LabelledData<T>, Error> {
        let (layout, mut row) = self.layout(options)?;
        let mut values = Vec::new();
        let mut classes = match &options.like {
            Some(like) => Classes::known(&like.class_names),
            None => Classes::default(),
        };
        while row {
            if self.record.len() != layout.width {
                let expected = format!("{}, as on line {}", layout.width, layout.line);
                let found = counted(self.record.len(), "column");
                return Err(self.file.malformed(Position::Line(self.line(0)), found, expected));
            }
            for (column, cell) in self.record.iter().enumerate() {
                let cell = cell.trim_ascii();
                let read = if column == layout.label {
                    classes.add(cell, || self.line(column))
                } else {
                    number(cell).map(|value| values.push(value))
                };
                if let Err(expected) = read {
                    return Err(self.cell(&layout, column, &String::from_utf8_lossy(cell), expected));
                }
            }
            row = self.next()?;
        }
        if classes.labels.is_empty() {
            let found = if layout.names.is_empty() { "no rows" } else { "a header and no rows" };
            return Err(self.file.malformed(Position::File, found, "rows of numbers and a class"));
        }
        values.shrink_to_fit();
        let rows = classes.labels.len();
        let (labels, class_names) = classes.numbered().map_err(|(value, line, expected)| {
            let column = layout.label + 1;
            let position = Position::Cell { line, column, name: layout.names.get(layout.label).cloned() };
            self.file.malformed(position, quoted(&value), expected)
        })?;
        let mut names = layout.names;
        if !names.is_empty() {
            names.remove(layout.label);
        }
        LabelledData::new(matrix(rows, layout.width - 1, values)?, labels, class_names)?
            .with_feature_names(names)
    }

    /// Reads the first row and what it tells; whether it, or the row after a header, is there to be read.
    fn layout(&mut self, options: &Options) -> Result<(Layout, bool), Error> {
        if !self.next()? {
            return Err(self.file.malformed(Position::File, "no rows", "rows of numbers and a class"));
        }
        let (width, line) = (self.record.len(), self.line(0));
        let cells: Vec<String> =
            self.record.iter().map(|cell| String::from_utf8_lossy(cell.trim_ascii()).into_owned()).collect();
        if width < 2 {
            let other = [';', '\t', '|', ' ', ','].into_iter().find(|&other| cells[0].contains(other));
            let hint = other.map(|other| format!(" (is the delimiter `{}`?)", other.escape_debug()));
            let expected = format!("at least 2, for features and a class{}", hint.unwrap_or_default());
            return Err(self.file.malformed(Position::Line(line), counted(width, "column"), expected));
        }
        let label = match &options.label {
            Column::Last => Some(width - 1),
            Column::Number(number) => number.checked_sub(1).filter(|&index| index < width),
            Column::Name(_) if options.header == Header::No => {
                return Err(Error::Argument {
                    name: "label",
                    found: "the name of a column in a file without a header".to_owned(),
                    expected: "the column's number".to_owned(),
                });
            }
            Column::Name(name) => cells.iter().position(|cell| cell == name),
        };
        let Some(label) = label else {
            let (found, expected) = match &options.label {
                Column::Name(name) => {
                    let columns = cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(", ");
                    (
                        format!("the columns {}", shortened_list(&columns)),
                        format!("one named {}", quoted(name)),
                    )
                }
                Column::Number(0) => (counted(width, "column"), "a column 0 (the first is 1)".to_owned()),
                Column::Number(number) => {
                    (counted(width, "column"), format!("at least {number}, for the classes"))
                }
                Column::Last => (counted(width, "column"), "at least 2".to_owned()),
            };
            return Err(self.file.malformed(Position::Line(line), found, expected));
        };
        let header = match options.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto if matches!(options.label, Column::Name(_)) => true,
            Header::Auto => is_header(&cells, label).ok_or_else(|| {
                let found = format!("numbered columns or a row of class {}", quoted(&cells[label]));
                let expected = "to be told whether this line is a header";
                self.file.malformed(Position::Line(line), found, expected)
            })?,
        };
        let doubtful = !header && options.header == Header::Auto;
        let layout = Layout { line, width, label, names: if header { cells } else { Vec::new() }, doubtful };
        if let Some(like) = &options.like {
            self.compare(&layout, like)?;
        }
        let row = if header { self.next()? } else { true };
        Ok((layout, row))
    }

    /// Checks that the columns are those of the file read earlier.
    fn compare(&self, layout: &Layout, like: &Like) -> Result<(), Error> {
        if layout.width - 1 != like.features {
            let found = counted(layout.width - 1, "feature");
            let expected = format!("{}, as in the data read before", like.features);
            return Err(self.file.malformed(Position::Line(layout.line), found, expected));
        }
        if layout.names.is_empty() || like.feature_names.is_empty() {
            return Ok(());
        }
        let features = layout.names.iter().enumerate().filter(|&(column, _)| column != layout.label);
        for ((column, name), before) in features.zip(&like.feature_names) {
            if name != before {
                let position = Position::Cell { line: layout.line, column: column + 1, name: None };
                let expected = format!("{}, as in the data read before", quoted(before));
                return Err(self.file.malformed(position, quoted(name), expected));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<bool, Error> {
        self.reader.read_byte_record(&mut self.record).map_err(|error| {
            let cause = match error.into_kind() {
                csv::ErrorKind::Io(cause) => cause,
                // With flexible byte records nothing else occurs.
                other => io::Error::other(format!("{other:?}")),
            };
            self.file.unreadable(cause)
        })
    }

    /// The line on which the field `column` of the current record begins.
    ///
    /// The reader's own count is that of its last record's end, which blank lines and CR LF make unfit for
    /// this.
    fn line(&self, column: usize) -> u64 {
        let (lines, end) = (self.reader.get_ref(), self.reader.position().byte());
        let within: u64 = self.record.iter().skip(column).map(line_ends).sum();
        // A quotation mark that is never closed takes in the file's last line end, where the record ends as
        // well.
        let last = self.record.iter().next_back().and_then(<[u8]>::last);
        let unclosed =
            end == lines.offset && lines.last_visible != b'"' && matches!(last, Some(b'\n' | b'\r'));
        (lines.line(end) + u64::from(unclosed)).saturating_sub(within)
    }

    fn cell(&self, layout: &Layout, column: usize, value: &str, mut expected: String) -> Error {
        let line = self.line(column);
        if layout.doubtful && column != layout.label && line == layout.line {
            expected += " (unless this line is a header, which has to be said)";
        }
        let position = Position::Cell { line, column: column + 1, name: layout.names.get(column).cloned() };
        self.file.malformed(position, quoted(value), expected)
    }
}

/// See [`Header::Auto`]; nothing where it cannot be known.
fn is_header(cells: &[String], label: usize) -> Option<bool> {
    let is_number = |cell: &str| cell.parse::<f64>().is_ok();
    let features =
        || cells.iter().enumerate().filter(|&(column, _)| column != label).map(|(_, cell)| cell.as_str());
    let counts_from =
        |first: usize| features().enumerate().all(|(index, cell)| cell == (first + index).to_string());
    if !features().any(is_number) {
        return Some(features().any(|cell| !cell.is_empty()));
    }
    let doubtful = cells.len() > 3 && !is_number(&cells[label]) && (counts_from(0) || counts_from(1));
    if doubtful { None } else { Some(false) }
}

/// A feature's value, or what would have been one.
fn number<T: Float>(cell: &[u8]) -> Result<T, String> {
    let value = std::str::from_utf8(cell).ok().and_then(|text| T::from_str_radix(text, 10).ok());
    match value {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => Err(format!("a finite number below {:.3e}", T::max_value().to_f64().unwrap_or(f64::MAX))),
        None => Err("a number".to_owned()),
    }
}

/// The classes met so far, and the label of each row.
#[derive(Default)]
struct Classes {
    /// For each row the index of its class in `met`, or in the order that was given.
    labels: Vec<usize>,
    index: HashMap<String, usize>,
    met: Vec<Class>,
    /// The names that were given, in their order; then none other is met.
    known: Option<Vec<String>>,
}

struct Class {
    name: String,
    /// Its value, if it is a whole number.
    value: Option<f64>,
    /// The line on which it was first met.
    line: u64,
}

/// A class that cannot be numbered: its name, its line, what was expected.
type Misfit = (String, u64, String);

impl Classes {
    fn known(names: &[String]) -> Self {
        let index = names.iter().enumerate().map(|(label, name)| (name.clone(), label)).collect();
        Self { index, known: Some(names.to_vec()), ..Self::default() }
    }

    /// Takes the class of the next row; `line` tells where it is.
    fn add(&mut self, cell: &[u8], line: impl FnOnce() -> u64) -> Result<(), String> {
        let Ok(name) = std::str::from_utf8(cell) else { return Err("a class in UTF-8".to_owned()) };
        if name.is_empty() {
            return Err("a class".to_owned());
        }
        let label = match (self.index.get(name), &self.known) {
            (Some(&label), _) => label,
            (None, None) => self.meet(name, line())?,
            (None, Some(known)) => {
                // `7.0` in one file is `7` in another.
                let whole = whole_number(name)?.map(|value| value.to_string());
                match whole.and_then(|whole| self.index.get(&whole)) {
                    Some(&label) => label,
                    None => return Err(format!("one of the classes {}", shortened_list(&known.join(", ")))),
                }
            }
        };
        self.labels.push(label);
        Ok(())
    }

    fn meet(&mut self, name: &str, line: u64) -> Result<usize, String> {
        let label = self.met.len();
        if label == MAX_CLASSES {
            return Err(format!("one of the {MAX_CLASSES} classes before (the most that is possible)"));
        }
        self.met.push(Class { name: name.to_owned(), value: whole_number(name)?, line });
        self.index.insert(name.to_owned(), label);
        Ok(label)
    }

    /// The label of each row, and the classes' names.
    fn numbered(self) -> Result<(Vec<usize>, Vec<String>), Misfit> {
        if let Some(known) = self.known {
            return Ok((self.labels, known));
        }
        let values: Option<Vec<f64>> = self.met.iter().map(|class| class.value).collect();
        let (label_of, names) = match values {
            Some(values) if values.iter().all(|&value| value >= 0.0) => as_they_are(&self.met, &values)?,
            Some(values) => ranked(&values, f64::total_cmp),
            None => {
                let names: Vec<&str> = self.met.iter().map(|class| class.name.as_str()).collect();
                ranked(&names, Ord::cmp)
            }
        };
        Ok((self.labels.into_iter().map(|index| label_of[index]).collect(), names))
    }
}

/// Labels that are the classes' own numbers.
fn as_they_are(met: &[Class], values: &[f64]) -> Result<(Vec<usize>, Vec<String>), Misfit> {
    let label_of = met
        .iter()
        .zip(values)
        .map(|(class, value)| {
            value.to_usize().filter(|&label| label < MAX_CLASSES).ok_or_else(|| {
                let expected = format!("a class's number below {MAX_CLASSES}");
                (class.name.clone(), class.line, expected)
            })
        })
        .collect::<Result<Vec<usize>, Misfit>>()?;
    let classes = label_of.iter().max().map_or(0, |greatest| greatest + 1);
    Ok((label_of, numbers(classes)))
}

/// Labels that are the classes' places when they are sorted; equal ones share a place.
fn ranked<C: Copy + PartialEq + ToString>(
    classes: &[C],
    order: impl Fn(&C, &C) -> std::cmp::Ordering,
) -> (Vec<usize>, Vec<String>) {
    let mut sorted = classes.to_vec();
    sorted.sort_by(&order);
    sorted.dedup();
    let label_of =
        classes.iter().map(|class| sorted.partition_point(|other| order(other, class).is_lt())).collect();
    (label_of, sorted.iter().map(ToString::to_string).collect())
}

/// The value of a class that is written as a whole number; an error for other numbers, nothing for text.
fn whole_number(name: &str) -> Result<Option<f64>, String> {
    match name.parse::<f64>() {
        // Adding 0 makes −0 a plain 0.
        Ok(value) if value.fract() == 0.0 => Ok(Some(value + 0.0)),
        Ok(_) => Err("a whole number or a text, for a class".to_owned()),
        Err(_) => Ok(None),
    }
}

/// A list for a message, cut where it is long.
fn shortened_list(list: &str) -> String {
    const LONGEST: usize = 120;
    match list.char_indices().nth(LONGEST) {
        None => list.escape_debug().to_string(),
        Some((cut, _)) => format!("{}…", list[..cut].escape_debug()),
    }
}

/// Passes bytes through and remembers where lines end.
struct Lines<R> {
    inner: R,
    /// How many lines were passed over before the first byte.
    skipped: u64,
    offset: u64,
    /// The offset of the last byte of each line's end.
    ends: Vec<u64>,
    after_return: bool,
    /// The last byte that belongs to no line's end.
    last_visible: u8,
}

impl<R> Lines<R> {
    fn new(inner: R, skipped: u64) -> Self {
        Self { inner, skipped, offset: 0, ends: Vec::new(), after_return: false, last_visible: 0 }
    }

    /// The line, counted from 1, of the byte before `end` (a line's end belongs to that line).
    fn line(&self, end: u64) -> u64 {
        let byte = end.saturating_sub(1);
        self.skipped + 1 + self.ends.partition_point(|&line_end| line_end < byte) as u64
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        for &byte in &buffer[..count] {
            match byte {
                b'\n' if self.after_return => {
                    // CR LF is one line's end: move it by one.
                    if let Some(end) = self.ends.last_mut() {
                        *end = self.offset;
                    }
                }
                b'\n' | b'\r' => self.ends.push(self.offset),
                _ => self.last_visible = byte,
            }
            self.after_return = byte == b'\r';
            self.offset += 1;
        }
        Ok(count)
    }
}

/// How many lines end within `text`.
fn line_ends(text: &[u8]) -> u64 {
    let mut lines = Lines::new(text, 0);
    // Reading from a slice does not fail, and what is read is not wanted.
    let _ = io::copy(&mut lines, &mut io::sink());
    lines.ends.len() as u64
}
