//! From rows to tables.

use super::{
    Options,
    column::AS_ABOVE,
    layout::{Layout, Slot, Taken},
    rows::Rows,
};
use crate::{
    Error, Field, Position, Table,
    error::{counted, quoted},
    labelled::matrix,
    source::Source,
};
use num_traits::Float;
use std::{io::Read, path::Path};

/// A CSV file that is read part by part, in the memory of a part.
///
/// ```
/// use chainrule_data::csv::{Options, Reader};
///
/// let text = "1,2,a\n3,4,b\n5,6,a\n";
/// let mut reader = Reader::from_reader(text.as_bytes(), "letters.csv", &Options::new())?;
/// let mut rows = Vec::new();
/// while let Some(table) = reader.next_table::<f32>(2)? {
///     rows.push(table.len());
/// }
/// assert_eq!(rows, [2, 1]);
/// # Ok::<(), chainrule_data::Error>(())
/// ```
pub struct Reader<'a> {
    rows: Rows<'a>,
    layout: Layout,
    options: Options,
    missing: Vec<String>,
    /// Whether the current record is a row that has not been taken.
    row: bool,
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("file", &self.rows.file)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

impl Reader<'static> {
    /// Opens a file, gzipped or not, and reads its first row.
    ///
    /// # Errors
    ///
    /// As [`table()`](super::table()), as far as the first row tells.
    pub fn open(path: impl AsRef<Path>, options: &Options) -> Result<Self, Error> {
        options.check()?;
        Self::new(Source::open(path.as_ref())?, options, false)
    }
}

impl<'a> Reader<'a> {
    /// Reads the first row of CSV data, gzipped or not; errors call it `name`.
    ///
    /// # Errors
    ///
    /// As [`table()`](super::table()), as far as the first row tells.
    pub fn from_reader(reader: impl Read + 'a, name: &str, options: &Options) -> Result<Self, Error> {
        options.check()?;
        Self::new(Source::new(reader, name.to_owned())?, options, false)
    }

    pub(super) fn new(source: Source<'a>, options: &Options, strict: bool) -> Result<Self, Error> {
        let mut rows = Rows::new(source, options.delimiter, options.comment, options.skip)?;
        let layout = rows.layout(options, strict)?;
        // Where only numbers and classes are taken, what stands for a missing number is no number, and that is all.
        let missing = if strict { Vec::new() } else { options.missing_texts() };
        Ok(Self { rows, layout, options: options.clone(), missing, row: true })
    }

    /// The next rows, `most` of them or as many as there are; nothing at the end.
    ///
    /// A later table may know more categories than an earlier one.
    ///
    /// # Errors
    ///
    /// As [`table()`](super::table()); [`Error::Argument`] for 0 rows.
    pub fn next_table<T: Float>(&mut self, most: usize) -> Result<Option<Table<T>>, Error> {
        if most == 0 {
            return Err(Error::Argument {
                name: "most",
                found: "0 rows".to_owned(),
                expected: "at least 1".to_owned(),
            });
        }
        let (features, targets) = (self.layout.features.len(), self.layout.targets.len());
        let (mut values, mut answers, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        let mut weights = Vec::new();
        while self.row && lines.len() < most {
            values.resize(values.len() + features, T::zero());
            answers.resize(answers.len() + targets, T::zero());
            let (row, row_targets) = (values.len() - features, answers.len() - targets);
            weights.extend(self.take(&mut values[row..], &mut answers[row_targets..])?);
            lines.push(self.rows.line(0));
            self.row = self.rows.next()?;
        }
        if lines.is_empty() {
            return Ok(None);
        }
        if self.layout.perhaps_no_header() {
            let found = "a row like those below";
            let expected = "to be told by the option `header` whether this line is one";
            return Err(self.rows.file.malformed(Position::Line(self.layout.line), found, expected));
        }
        values.shrink_to_fit();
        let fields = |taken: &[Taken]| taken.iter().map(|taken| self.field(taken)).collect();
        Ok(Some(Table {
            file: self.rows.file.name.clone(),
            width: self.layout.slots.len(),
            features: fields(&self.layout.features),
            targets: fields(&self.layout.targets),
            values: matrix(lines.len(), features, values)?,
            answers: matrix(lines.len(), targets, answers)?,
            weights: self.layout.weights.is_some().then_some(weights),
            lines,
            missing: self.options.missing.clone().unwrap_or_default(),
            task: self.options.task,
        }))
    }

    /// All rows that are left, of which there has to be one.
    pub(super) fn all<T: Float>(mut self) -> Result<Table<T>, Error> {
        let nothing = || self.rows.file.malformed(Position::File, "no rows", "rows of data");
        let nothing = nothing();
        self.next_table(usize::MAX)?.ok_or(nothing)
    }

    /// Takes the current record, whose weight it gives.
    fn take<T: Float>(&mut self, values: &mut [T], answers: &mut [T]) -> Result<Option<T>, Error> {
        let mut weight = None;
        let (rows, layout) = (&self.rows, &mut self.layout);
        // What is unlike the very first record alone is perhaps not at fault.
        let first = match rows.number {
            2 => format!(" (unless line {} is no part of the table: the option `skip`)", layout.line),
            _ => String::new(),
        };
        if rows.record.len() != layout.slots.len() {
            let expected = format!("{}, as on line {}{first}", layout.slots.len(), layout.line);
            let found = counted(rows.record.len(), "column");
            return Err(rows.file.malformed(Position::Line(rows.line(0)), found, expected));
        }
        for (column, (cell, slot)) in rows.record.iter().zip(&layout.slots).enumerate() {
            let Some(slot) = *slot else { continue };
            let cell = cell.trim_ascii();
            let (taken, value) = match slot {
                Slot::Feature(place) => (&mut layout.features[place], &mut values[place]),
                Slot::Target(place) => (&mut layout.targets[place], &mut answers[place]),
                Slot::Weight => match &mut layout.weights {
                    Some(taken) => (taken, weight.insert(T::one())),
                    None => continue,
                },
            };
            match taken.gather.value(cell, &self.missing) {
                Ok(read) => *value = read,
                Err(mut expected) => {
                    let line = rows.line(column);
                    let is_feature = matches!(slot, Slot::Feature(_));
                    if layout.names.is_empty() && expected.contains(AS_ABOVE) {
                        expected += &first;
                    }
                    if layout.doubtful() && is_feature && line == layout.line {
                        expected += " (unless this line is a header: the option `header`)";
                    }
                    let name = layout.names.get(column).cloned();
                    let position = Position::Cell { line, column: column + 1, name };
                    let found = quoted(&String::from_utf8_lossy(cell));
                    return Err(rows.file.malformed(position, found, expected));
                }
            }
        }
        Ok(weight)
    }

    fn field(&self, taken: &Taken) -> Field {
        Field {
            name: self.layout.names.get(taken.column).cloned(),
            number: taken.column + 1,
            categories: taken.gather.has_names().then(|| taken.gather.names.clone()),
        }
    }
}
