//! How a CSV file is to be understood.

use crate::{Encoder, Error, Task, error::counted};
use std::str::FromStr;

/// What stands for a value that is missing, unless something else is said.
pub const MISSING: [&str; 9] = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "?"];

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

/// A column of the file.
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
    pub(super) header: Header,
    pub(super) delimiter: u8,
    pub(super) targets: Vec<Column>,
    pub(super) task: Task,
    pub(super) categorical: Vec<Column>,
    pub(super) ignored: Vec<Column>,
    pub(super) weights: Option<Column>,
    pub(super) missing: Option<Vec<String>>,
    pub(super) skip: usize,
    pub(super) comment: Option<u8>,
    pub(super) expected: Option<Expected>,
}

/// The columns that an encoder knows.
#[derive(Debug, Clone)]
pub(crate) struct Expected {
    /// How many columns the training data had, with those that were ignored.
    pub(crate) width: usize,
    pub(crate) features: Vec<ExpectedField>,
    pub(crate) targets: Vec<ExpectedField>,
}

#[derive(Debug, Clone)]
pub(crate) struct ExpectedField {
    pub(crate) name: Option<String>,
    /// Its column, counted from 1.
    pub(crate) number: usize,
    pub(crate) categories: bool,
    /// Whether it may be missing.
    pub(crate) optional: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            header: Header::Auto,
            delimiter: b',',
            targets: vec![Column::Last],
            task: Task::Auto,
            categorical: Vec::new(),
            ignored: Vec::new(),
            weights: None,
            missing: None,
            skip: 0,
            comment: None,
            expected: None,
        }
    }
}

impl Options {
    /// Commas, the target in the last column, a header if it looks like one, no comments, nothing missing.
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

    /// The column of the target.
    #[must_use]
    pub fn label(self, label: Column) -> Self {
        self.targets([label])
    }

    /// The columns of the targets: none for data without, several for a network with as many outputs (numbers, then).
    #[must_use]
    pub fn targets(mut self, targets: impl IntoIterator<Item = Column>) -> Self {
        self.targets = targets.into_iter().collect();
        self
    }

    /// Whether the targets are classes or values; else they are looked at, see [`Task::Auto`]. [`read`](super::read) reads
    /// classes, whatever this says.
    #[must_use]
    pub fn task(mut self, task: Task) -> Self {
        self.task = task;
        self
    }

    /// Columns of categories, whatever their values look like: numbers of districts, say.
    #[must_use]
    pub fn categorical(mut self, columns: impl IntoIterator<Item = Column>) -> Self {
        self.categorical = columns.into_iter().collect();
        self
    }

    /// Columns that are not read.
    #[must_use]
    pub fn ignore(mut self, columns: impl IntoIterator<Item = Column>) -> Self {
        self.ignored = columns.into_iter().collect();
        self
    }

    /// A column that tells how much each row counts in training: numbers of at least 0, which [`Table::weights`](crate::Table::weights)
    /// gives. It is no feature, and an encoder does not know it: a file for the model may be without.
    ///
    /// ```
    /// use chainrule_data::csv::{self, Column, Options};
    ///
    /// let text = "size,people,rent\n2.5,10,800\n3.5,-1,900\n";
    /// let options = Options::new().weights(Column::Name("people".to_owned()));
    /// let error = csv::table_from_reader::<f64>(text.as_bytes(), "flats.csv", &options).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "flats.csv, line 3, column 2 (people): found `-1`, expected a weight, a number of at least 0"
    /// );
    /// let text = text.replace("-1", "0.5");
    /// let table = csv::table_from_reader::<f64>(text.as_bytes(), "flats.csv", &options)?;
    /// assert_eq!((table.features().len(), table.weights()), (1, Some(&[10.0, 0.5][..])));
    /// # Ok::<(), chainrule_data::Error>(())
    /// ```
    #[must_use]
    pub fn weights(mut self, column: Column) -> Self {
        self.weights = Some(column);
        self
    }

    /// Features may be missing, and these texts say that one is: [`MISSING`], or others. A [`Table`](crate::Table) then holds NaN.
    /// Targets may not.
    #[must_use]
    pub fn missing(mut self, texts: &[impl AsRef<str>]) -> Self {
        self.missing = Some(texts.iter().map(|text| text.as_ref().to_owned()).collect());
        self
    }

    /// The file is for a model that exists: its features are found by their names where both have some, else by their order, and
    /// are of the kind they were; the targets may be there or not. Only the header, the delimiter, comments and skipped lines are
    /// the file's own.
    ///
    /// ```
    /// use chainrule_data::{Encoder, EncoderOptions, csv::{self, Options}};
    ///
    /// let train = "colour,size,price\nred,1,2.5\nblue,2,3.5\nred,3,4.5\n";
    /// let train = csv::table_from_reader::<f64>(train.as_bytes(), "train.csv", &Options::new())?;
    /// let encoder = Encoder::fit(&train, None, &EncoderOptions::new())?;
    /// let options = Options::new().expect(&encoder);
    /// let table = csv::table_from_reader::<f64>("size,colour\n5,red\n".as_bytes(), "new.csv", &options)?;
    /// assert_eq!(encoder.encode(table)?.inputs, ndarray::array![[0.0, 1.0, 5.0]]);
    ///
    /// let table = csv::table_from_reader::<f64>("size,colour\n5,green\n".as_bytes(), "new.csv", &options)?;
    /// let error = encoder.encode(table).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "new.csv, line 2, column 2 (colour): found the unknown category `green`, expected one of `blue`, `red`"
    /// );
    /// # Ok::<(), chainrule_data::Error>(())
    /// ```
    #[must_use]
    pub fn expect(mut self, encoder: &Encoder) -> Self {
        self.expected = Some(encoder.expected());
        let missing = encoder.missing_texts();
        self.missing = (!missing.is_empty()).then(|| missing.to_vec());
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

    pub(super) fn check(&self) -> Result<(), Error> {
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
        if self.task == Task::Classes && self.targets.len() > 1 {
            return Err(Error::Argument {
                name: "targets",
                found: format!("{} of classes", counted(self.targets.len(), "column")),
                expected: "one column of classes, or columns of values".to_owned(),
            });
        }
        match self.comment {
            Some(comment) if refused(comment) || comment == self.delimiter => {
                argument("comment", comment, &format!("{expected}, nor the delimiter"))
            }
            _ => Ok(()),
        }
    }

    /// The texts that stand for no value, taken or not.
    pub(super) fn missing_texts(&self) -> Vec<String> {
        self.missing.clone().unwrap_or_else(|| MISSING.map(String::from).to_vec())
    }
}
