//! `chainrule predict`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, StdoutLock, Write as _};
use std::path::Path;

use chainrule::{Backend, Network};
use chainrule_data::csv::Column;
use csv::{ByteRecord, ReaderBuilder, Writer};
use flate2::bufread::MultiGzDecoder;
use ndarray::{Array2, ArrayRef2};
use safetensors::tensor::Dtype;

use crate::args::{Header, PredictArgs};
use crate::failure::Failure;
use crate::model::{self, CsvFormat, Description, Element, Model};
use crate::source::{Source, labelled};

/// At most so many numbers of a layer are computed at once.
const CHUNK: usize = 1 << 22;

/// `chainrule predict`.
pub(crate) fn command(args: &PredictArgs) -> Result<(), Failure> {
    let place = args.model.display().to_string();
    let bytes = model::read(&args.model)?;
    let model = Model::parse(&bytes, &place)?;
    args.machine.install(|| match model.dtype()? {
        Dtype::F64 => predict::<f64>(args, &model),
        _ => predict::<f32>(args, &model),
    })
}

fn predict<T: Element>(args: &PredictArgs, model: &Model<'_>) -> Result<(), Failure> {
    let backend = args.machine.backend::<T>()?;
    let mut printer = Printer {
        network: model.network()?,
        backend: &*backend,
        description: &model.description,
        out: Writer::from_writer(io::stdout().lock()),
        tally: Tally::default(),
    };
    let source = Source::parse(std::slice::from_ref(&args.input))?;
    match labelled::<T>(&source, args.data_dir.as_deref())? {
        Some(data) => {
            // What is read here is divided already: the network has to expect just that.
            let description = &model.description;
            let scaling = source.scaling();
            if data.features() != description.inputs
                || data.class_names() != description.classes
                || scaling.as_ref() != Some(&description.scaling)
            {
                let found =
                    format!("a network of {} inputs that was trained on other data", description.inputs);
                let expected = format!("one that was trained on {}", source.name());
                return Err(Failure::unfit(args.model.display().to_string(), found, expected));
            }
            printer.header()?;
            let labels: Vec<_> =
                data.labels().iter().map(|&label| data.class_names()[label].clone()).collect();
            printer.rows(data.inputs(), &labels)?;
        }
        None => printer.csv(args)?,
    }
    printer.out.flush()?;
    let Tally { rows, labelled, right } = printer.tally;
    if !args.quiet && labelled > 0 {
        let of = if labelled == rows { String::new() } else { format!(" of {rows}") };
        // Not being able to say so is no failure.
        let _ = writeln!(
            io::stderr(),
            "{right} of {labelled} rows{of} with a class have the class that they say"
        );
    }
    Ok(())
}

/// What is known of rows that came with a class.
#[derive(Default)]
struct Tally {
    rows: usize,
    labelled: usize,
    right: usize,
}

/// Rows in, classes and outputs out.
struct Printer<'a, T> {
    network: Network<T>,
    backend: &'a dyn Backend<T>,
    description: &'a Description,
    out: Writer<StdoutLock<'static>>,
    tally: Tally,
}

impl<T: Element> Printer<'_, T> {
    /// `class,p_setosa,p_versicolor`
    fn header(&mut self) -> Result<(), Failure> {
        let prefix = if self.description.gives_probabilities() { "p_" } else { "output_" };
        let outputs = self.description.classes.iter().map(|class| format!("{prefix}{class}"));
        written(self.out.write_record(std::iter::once("class".to_owned()).chain(outputs)))
    }

    /// Predicts rows that are scaled already; `labels` are as many, or none.
    fn rows(&mut self, inputs: &ArrayRef2<T>, labels: &[String]) -> Result<(), Failure> {
        let outputs = self.network.predict(self.backend, inputs)?;
        for (row, values) in outputs.rows().into_iter().enumerate() {
            let mut best = 0;
            for (index, value) in values.iter().enumerate() {
                if *value > values[best] {
                    best = index;
                }
            }
            let class = &self.description.classes[best];
            let cells = values.iter().map(|value| format!("{value:?}"));
            written(self.out.write_record(std::iter::once(class.clone()).chain(cells)))?;
            if let Some(label) = labels.get(row).filter(|label| !label.is_empty()) {
                self.tally.labelled += 1;
                self.tally.right += usize::from(is_same_class(label, class));
            }
        }
        self.tally.rows += outputs.nrows();
        Ok(())
    }

    /// Predicts the rows of a CSV file, some at a time.
    fn csv(&mut self, args: &PredictArgs) -> Result<(), Failure> {
        let mut table = Table::open(args, self.description)?;
        let most = (CHUNK / self.description.widest().max(1)).clamp(1, 1024);
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        let mut begun = false;
        loop {
            values.clear();
            labels.clear();
            while labels.len() < most && table.next(&mut values, &mut labels)? {}
            if labels.is_empty() && begun {
                return Ok(());
            }
            if !begun {
                self.header()?;
                begun = true;
            }
            let shape = (labels.len(), self.description.inputs);
            let mut inputs = Array2::from_shape_vec(shape, std::mem::take(&mut values))
                .map_err(|error| Failure::Other(error.to_string()))?;
            self.description.scaling.apply(&mut inputs.view_mut());
            self.rows(&inputs, &labels)?;
            values = inputs.into_raw_vec_and_offset().0;
        }
    }
}

/// `7` and `7.0` are the same class.
fn is_same_class(a: &str, b: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    a == b || number(a).is_some_and(|a| Some(a) == number(b))
}

/// A CSV file of features, with or without a column of classes.
struct Table<'a> {
    name: String,
    reader: csv::Reader<Box<dyn BufRead>>,
    record: ByteRecord,
    description: &'a Description,
    /// The columns of a row, settled by the first, and which of them holds the classes.
    layout: Option<(usize, Option<usize>)>,
    header: Header,
    label: Column,
    skipped: u64,
}

impl<'a> Table<'a> {
    fn open(args: &PredictArgs, description: &'a Description) -> Result<Self, Failure> {
        let (name, raw): (String, Box<dyn Read>) = if args.input == "-" {
            ("standard input".to_owned(), Box::new(io::stdin()))
        } else {
            let path = Path::new(&args.input);
            (args.input.clone(), Box::new(File::open(path).map_err(|cause| Failure::reading(path, cause))?))
        };
        let reading = |cause| Failure::reading(Path::new(&name), cause);
        let mut raw = BufReader::new(raw);
        let gzip = raw.fill_buf().map_err(reading)?.starts_with(&[0x1f, 0x8b]);
        let mut reader: Box<dyn BufRead> =
            if gzip { Box::new(BufReader::new(MultiGzDecoder::new(raw))) } else { Box::new(raw) };
        for _ in 0..args.skip {
            if reader.skip_until(b'\n').map_err(reading)? == 0 {
                break;
            }
        }
        if reader.fill_buf().map_err(reading)?.starts_with(&[0xef, 0xbb, 0xbf]) {
            reader.consume(3);
        }
        let format = description.csv.as_ref();
        let delimiter = args.delimiter.or(format.map(|format| format.delimiter)).unwrap_or(b',');
        let reader =
            ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(reader);
        Ok(Self {
            name,
            reader,
            record: ByteRecord::new(),
            description,
            layout: None,
            header: args.header,
            label: format.map(CsvFormat::label).unwrap_or_default(),
            skipped: args.skip as u64,
        })
    }

    /// Appends the features of the next row and its class (empty where it has none); false at the end.
    fn next<T: Element>(&mut self, values: &mut Vec<T>, labels: &mut Vec<String>) -> Result<bool, Failure> {
        if !self.read()? {
            return Ok(false);
        }
        let (width, label) = if let Some(layout) = self.layout {
            layout
        } else {
            let (layout, is_header) = self.layout()?;
            self.layout = Some(layout);
            if is_header && !self.read()? {
                return Ok(false);
            }
            layout
        };
        if self.record.len() != width {
            let found = format!("{} columns", self.record.len());
            return Err(Failure::unfit(self.place(None), found, format!("{width}, as in the first row")));
        }
        for (column, cell) in self.record.iter().enumerate().filter(|&(column, _)| Some(column) != label) {
            let value = std::str::from_utf8(cell.trim_ascii()).ok().and_then(|cell| cell.parse::<T>().ok());
            let Some(value) = value.filter(|value| value.is_finite()) else {
                let found = format!("`{}`", shortened(&String::from_utf8_lossy(cell)));
                return Err(Failure::unfit(self.place(Some(column)), found, "a finite number"));
            };
            values.push(value);
        }
        let class = label.and_then(|label| self.record.get(label)).unwrap_or_default();
        labels.push(String::from_utf8_lossy(class.trim_ascii()).into_owned());
        Ok(true)
    }

    fn read(&mut self) -> Result<bool, Failure> {
        self.reader.read_byte_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(cause) => Failure::reading(Path::new(&self.name), cause),
            kind => Failure::unfit(&self.name, format!("{kind:?}"), "CSV"),
        })
    }

    /// What the first row tells: how many columns there are, which holds classes, and whether the row is a header.
    fn layout(&self) -> Result<((usize, Option<usize>), bool), Failure> {
        let (width, inputs) = (self.record.len(), self.description.inputs);
        let cells: Vec<_> =
            self.record.iter().map(|cell| String::from_utf8_lossy(cell.trim_ascii()).into_owned()).collect();
        let label = if width == inputs {
            None
        } else if width.checked_sub(1) == Some(inputs) {
            let index = match &self.label {
                Column::Number(number) => number.checked_sub(1).filter(|index| *index < width),
                Column::Name(name) => cells.iter().position(|cell| cell == name),
                _ => Some(inputs),
            };
            Some(index.ok_or_else(|| {
                let expected = "the column of the classes where the training data had it";
                Failure::unfit(self.place(None), "no such column", expected)
            })?)
        } else {
            let expected = format!("{inputs} features, or these and a class");
            return Err(Failure::unfit(self.place(None), format!("{width} columns"), expected));
        };
        let mut features = cells.iter().enumerate().filter(|&(column, _)| Some(column) != label);
        let is_header = match self.header {
            Header::Yes => true,
            Header::No => false,
            Header::Auto => {
                features.clone().all(|(_, cell)| cell.parse::<f64>().is_err())
                    && features.clone().any(|(_, cell)| !cell.is_empty())
            }
        };
        if is_header && !self.description.features.is_empty() {
            let wrong =
                features.by_ref().zip(&self.description.features).find(|((_, cell), name)| cell != name);
            if let Some(((column, cell), name)) = wrong {
                let found = format!("`{}`", shortened(cell));
                let expected = format!("`{}`, as in the training data", shortened(name));
                return Err(Failure::unfit(self.place(Some(column)), found, expected));
            }
        }
        Ok(((width, label), is_header))
    }

    /// `file, line 3, column 2`.
    fn place(&self, column: Option<usize>) -> String {
        let line = self.record.position().map_or(0, csv::Position::line) + self.skipped;
        let column = column.map(|column| format!(", column {}", column + 1)).unwrap_or_default();
        format!("{}, line {line}{column}", self.name)
    }
}

/// A cell as a message quotes it.
fn shortened(cell: &str) -> String {
    let short: String = cell.chars().take(40).flat_map(char::escape_debug).collect();
    if cell.chars().nth(40).is_some() { short + "…" } else { short }
}

fn written(result: csv::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(cause) => Failure::Output(cause),
        kind => Failure::Other(format!("{kind:?}")),
    })
}
