//! What the first row of a file settles for all of them.

use super::{
    Column, Expected, ExpectedField, Header, Options,
    column::{Absent, Gather, Kind},
    rows::Rows,
};
use crate::{
    Error, Position, Task,
    error::{counted, quoted, shortened_list},
};

/// Where a column's cells go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// To this place among the features.
    Feature(usize),
    /// To this place among the targets.
    Target(usize),
    /// They are the rows' weights.
    Weight,
}

/// A column of the file that is read, and what has come of it.
#[derive(Debug)]
pub(super) struct Taken {
    /// Its index in the file.
    pub(super) column: usize,
    pub(super) gather: Gather,
}

#[derive(Debug)]
pub(super) struct Layout {
    /// The line of the first row.
    pub(super) line: u64,
    /// For each column of the file where its cells go; nowhere for those that are ignored.
    pub(super) slots: Vec<Option<Slot>>,
    /// The columns' names; none without a header.
    pub(super) names: Vec<String>,
    pub(super) features: Vec<Taken>,
    pub(super) targets: Vec<Taken>,
    pub(super) weights: Option<Taken>,
    /// Whether nobody said what the first row is.
    guessed: bool,
}

impl Layout {
    fn new(
        line: u64,
        width: usize,
        features: Vec<Taken>,
        targets: Vec<Taken>,
        weights: Option<Taken>,
    ) -> Self {
        let mut slots = vec![None; width];
        for (place, taken) in features.iter().enumerate() {
            slots[taken.column] = Some(Slot::Feature(place));
        }
        for (place, taken) in targets.iter().enumerate() {
            slots[taken.column] = Some(Slot::Target(place));
        }
        if let Some(taken) = &weights {
            slots[taken.column] = Some(Slot::Weight);
        }
        Self { line, slots, names: Vec::new(), features, targets, weights, guessed: false }
    }

    /// A header was taken for data, perhaps.
    pub(super) fn doubtful(&self) -> bool {
        self.guessed && self.names.is_empty()
    }

    /// Data was taken for a header, perhaps: all features are text in all rows, and the targets are as well, or a number stands
    /// where their names should.
    pub(super) fn perhaps_no_header(&self) -> bool {
        let text = |taken: &Taken| matches!(taken.gather.kind, Kind::Categories { .. } | Kind::Classes);
        self.guessed
            && !self.names.is_empty()
            && self.features.iter().all(text)
            && self.targets.iter().all(|target| text(target) || is_number(&self.names[target.column]))
    }
}

impl Rows<'_> {
    /// Reads the first row and what it tells; then the first row of data is the current record.
    pub(super) fn layout(&mut self, options: &Options, strict: bool) -> Result<Layout, Error> {
        let rows = if strict { "rows of numbers and a class" } else { "rows of data" };
        if !self.next()? {
            return Err(self.file.malformed(Position::File, "no rows", rows));
        }
        let cells = self.cells();
        let (mut layout, header) = match &options.expected {
            Some(expected) => self.as_expected(&cells, expected, options)?,
            None => self.as_chosen(&cells, options, strict)?,
        };
        layout.names = if header { cells } else { Vec::new() };
        if header && !self.next()? {
            return Err(self.file.malformed(Position::File, "a header and no rows", rows));
        }
        Ok(layout)
    }

    /// The layout that the options ask for, and whether the first row is a header.
    fn as_chosen(&self, cells: &[String], options: &Options, strict: bool) -> Result<(Layout, bool), Error> {
        let (width, line) = (cells.len(), self.line(0));
        let least = options.targets.len() + usize::from(options.weights.is_some()) + 1;
        if width < least {
            let what = if strict { "features and a class" } else { "features and the targets" };
            let expected = format!("at least {least}, for {what}{}", other_delimiter(cells));
            return Err(self.file.malformed(Position::Line(line), counted(width, "column"), expected));
        }
        let all = |chosen: &[Column]| -> Result<Vec<usize>, Error> {
            chosen.iter().map(|column| self.find(column, cells, options)).collect()
        };
        let targets = all(&options.targets)?;
        let categorical = all(&options.categorical)?;
        let ignored = all(&options.ignored)?;
        let weights = all(options.weights.as_slice())?;
        if let Some(column) = weights.iter().find(|column| {
            [&targets, &categorical, &ignored].into_iter().any(|others| others.contains(column))
        }) {
            return Err(Error::Argument {
                name: "weights",
                found: format!("column {}, which is told to be something else as well", column + 1),
                expected: "a column of its own".to_owned(),
            });
        }
        if let Some(again) =
            targets.iter().enumerate().find(|(place, column)| targets[..*place].contains(column))
        {
            return Err(Error::Argument {
                name: "targets",
                found: format!("column {} twice", again.1 + 1),
                expected: "each column once".to_owned(),
            });
        }
        let is_feature =
            |column: &usize| ![&targets, &ignored, &weights].iter().any(|others| others.contains(column));
        let features: Vec<usize> = (0..width).filter(is_feature).collect();
        if features.is_empty() {
            return Err(self.file.malformed(
                Position::Line(line),
                "no feature",
                "columns that are no targets",
            ));
        }
        let named = [&options.targets, &options.categorical, &options.ignored]
            .into_iter()
            .flatten()
            .chain(&options.weights)
            .any(|column| matches!(column, Column::Name(_)));
        let header = match options.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto if named => true,
            Header::Auto => is_header(cells, &features, &targets).ok_or_else(|| {
                let found = format!("numbered columns or a row of class {}", quoted(&cells[targets[0]]));
                let expected = "to be told by the option `header` whether this line is one";
                self.file.malformed(Position::Line(line), found, expected)
            })?,
        };
        let feature = |&column: &usize| {
            let kind = match () {
                () if strict => Kind::Numbers { detected: false },
                () if categorical.contains(&column) => Kind::Categories { detected: false },
                () => Kind::Open,
            };
            let absent = if options.missing.is_some() { Absent::Taken } else { Absent::Refused };
            Taken { column, gather: Gather::new(kind, absent) }
        };
        let target = |&column: &usize| {
            let kind = match options.task {
                Task::Classes => Kind::Classes,
                Task::Values => Kind::Numbers { detected: false },
                Task::Auto => Kind::Open,
            };
            Taken { column, gather: Gather::new(kind, Absent::Never) }
        };
        let features = features.iter().map(feature).collect();
        let targets = targets.iter().map(target).collect();
        let weights = weights
            .first()
            .map(|&column| Taken { column, gather: Gather::new(Kind::Weights, Absent::Never) });
        let mut layout = Layout::new(line, width, features, targets, weights);
        layout.guessed = options.header == Header::Auto && !named;
        Ok((layout, header))
    }

    /// The column that is meant.
    fn find(&self, column: &Column, cells: &[String], options: &Options) -> Result<usize, Error> {
        let width = cells.len();
        let index = match column {
            Column::Last => width.checked_sub(1),
            Column::Number(number) => number.checked_sub(1).filter(|&index| index < width),
            Column::Name(_) if options.header == Header::No => {
                return Err(Error::Argument {
                    name: "label",
                    found: "the name of a column in a file without a header".to_owned(),
                    expected: "the column's number".to_owned(),
                });
            }
            Column::Name(name) => {
                let mut places = (0..width).filter(|&index| cells[index] == *name);
                let first = places.next();
                if places.next().is_some() {
                    let expected =
                        format!("a single one named {}, or the number of the one meant", quoted(name));
                    return Err(self.file.malformed(Position::Line(self.line(0)), columns(cells), expected));
                }
                first
            }
        };
        index.ok_or_else(|| {
            let (found, expected) = match column {
                Column::Name(name) => (columns(cells), format!("one named {}", quoted(name))),
                Column::Number(0) => (counted(width, "column"), "a column 0 (the first is 1)".to_owned()),
                Column::Number(number) => {
                    (counted(width, "column"), format!("at least {number}, for the one asked for"))
                }
                Column::Last => (counted(width, "column"), "at least 1".to_owned()),
            };
            self.file.malformed(Position::Line(self.line(0)), found, expected)
        })
    }

    /// The layout of a file for a model that exists: the features it knows, by name if both have names, else by their
    /// order; and its targets if they are there.
    fn as_expected(
        &self,
        cells: &[String],
        expected: &Expected,
        options: &Options,
    ) -> Result<(Layout, bool), Error> {
        let (width, line) = (cells.len(), self.line(0));
        let (features, targets) = (&expected.features, &expected.targets);
        let index_of =
            |name: &Option<String>| name.as_ref().and_then(|name| cells.iter().position(|cell| cell == name));
        // Names that are not alone tell nothing.
        let again = features.iter().chain(targets).filter_map(|field| field.name.as_ref()).find(|&name| {
            let alike = |field: &&ExpectedField| field.name.as_ref() == Some(name);
            cells.iter().filter(|&cell| cell == name).count() > 1
                || features.iter().chain(targets).filter(alike).count() > 1
        });
        let by_name: Vec<Option<usize>> = features.iter().map(|field| index_of(&field.name)).collect();
        let with_targets = width == expected.width;
        let by_order = |place: usize| if with_targets { features[place].number - 1 } else { place };
        let header = match options.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => {
                by_name.iter().all(Option::is_some)
                    || features.iter().enumerate().any(|(place, field)| {
                        let cell = cells.get(by_order(place)).map_or("", String::as_str);
                        let known =
                            cell.is_empty() || options.missing_texts().iter().any(|text| text == cell);
                        !field.categories && !known && cell.parse::<f64>().is_err()
                    })
            }
        };
        let (columns, answers): (Vec<usize>, Option<Vec<usize>>) = if header
            && again.is_none()
            && features.iter().all(|field| field.name.is_some())
        {
            let missing = features.iter().zip(&by_name).find(|(_, index)| index.is_none());
            if let Some((field, _)) = missing {
                let name = quoted(field.name.as_deref().unwrap_or_default());
                let expected = format!("one named {name}{}", other_delimiter(cells));
                return Err(self.file.malformed(Position::Line(line), columns(cells), expected));
            }
            let answers = targets.iter().map(|field| index_of(&field.name)).collect();
            (by_name.into_iter().flatten().collect(), answers)
        } else if let Some(name) = again.filter(|_| {
            let has = |place: usize, field: &ExpectedField| {
                field.name.as_deref().is_some_and(|name| cells.get(place).is_some_and(|cell| cell == name))
            };
            let named = features.iter().enumerate().all(|(place, field)| has(by_order(place), field));
            header && !named
        }) {
            let expected = format!(
                "the columns in the order of the training data, where not one alone is named {}",
                quoted(name)
            );
            return Err(self.file.malformed(Position::Line(line), columns(cells), expected));
        } else if with_targets {
            let answers = targets.iter().map(|field| Some(field.number - 1)).collect();
            ((0..features.len()).map(by_order).collect(), answers)
        } else if width == features.len() {
            ((0..width).collect(), None)
        } else {
            let expected = format!(
                "{} features, or {} with what else the training data had",
                features.len(),
                counted(expected.width, "column")
            );
            return Err(self.file.malformed(Position::Line(line), counted(width, "column"), expected));
        };
        let take = |(field, column): (&ExpectedField, usize), categories| {
            let kind = if field.categories { categories } else { Kind::Numbers { detected: false } };
            let absent = if field.optional { Absent::Taken } else { Absent::Unknown };
            Taken { column, gather: Gather::new(kind, absent) }
        };
        let features = features
            .iter()
            .zip(columns)
            .map(|field| take(field, Kind::Categories { detected: false }))
            .collect();
        let targets =
            targets.iter().zip(answers.unwrap_or_default()).map(|field| take(field, Kind::Classes)).collect();
        Ok((Layout::new(line, width, features, targets, None), header))
    }
}

fn columns(cells: &[String]) -> String {
    let list = cells.iter().map(|cell| format!("`{cell}`")).collect::<Vec<_>>().join(", ");
    format!("the columns {}", shortened_list(&list))
}

/// A guess at the delimiter of a file that seems to have one column.
fn other_delimiter(cells: &[String]) -> String {
    let [cell] = cells else { return String::new() };
    let other = [';', '\t', '|', ' ', ','].into_iter().find(|&other| cell.contains(other));
    other.map(|other| format!(" (is the delimiter `{}`?)", other.escape_debug())).unwrap_or_default()
}

fn is_number(cell: &str) -> bool {
    cell.parse::<f64>().is_ok()
}

/// See [`Header::Auto`]; nothing where it cannot be known.
fn is_header(cells: &[String], features: &[usize], targets: &[usize]) -> Option<bool> {
    let features = || features.iter().map(|&column| cells[column].as_str());
    let counts_from =
        |first: usize| features().enumerate().all(|(index, cell)| cell == (first + index).to_string());
    if !features().any(is_number) {
        return Some(features().any(|cell| !cell.is_empty()));
    }
    let texts = !targets.is_empty() && !targets.iter().any(|&column| is_number(&cells[column]));
    let doubtful = features().count() > 2 && texts && (counts_from(0) || counts_from(1));
    if doubtful { None } else { Some(false) }
}
