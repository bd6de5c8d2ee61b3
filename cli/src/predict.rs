//! `chainrule predict`.

use std::io::{self, Write};
use std::path::Path;

use chainrule::Linked;
use chainrule_model::{ElementType, Model, write_atomically};
use csv::Writer;
use ndarray::{Array2, ArrayRef2, Axis};
use ndarray_npy::{WritableElement, WriteNpyExt as _};
use serde_json::{Map, Value, json};

use crate::args::{PredictArgs, Rendering};
use crate::failure::Failure;
use crate::known::{Known, Truth};
use crate::{outputs, run};

/// `chainrule predict`.
pub(crate) fn command(args: &PredictArgs) -> Result<(), Failure> {
    let model = run::open(&args.model)?;
    args.machine.install(|| match model.element_type() {
        ElementType::F64 => to_somewhere::<f64>(args, &model),
        _ => to_somewhere::<f32>(args, &model),
    })
}

fn to_somewhere<T: Linked + WritableElement>(args: &PredictArgs, model: &Model) -> Result<(), Failure> {
    match args.out.as_deref().filter(|out| *out != Path::new("-")) {
        None => predict::<T>(args, model, &mut io::stdout().lock()),
        Some(path) => {
            let model_file = run::network(&args.model);
            let (input, targets) = (Path::new(&args.read.input), args.read.targets.as_deref());
            outputs::check(path, [&*model_file, input].into_iter().chain(targets))?;
            let mut bytes = Vec::new();
            predict::<T>(args, model, &mut bytes)?;
            Ok(write_atomically(path, &bytes)?)
        }
    }
}

fn predict<T: Linked + WritableElement>(
    args: &PredictArgs,
    model: &Model,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let backend = args.machine.backend::<T>()?;
    let known = Known::<T>::new(model)?;
    let mut printer = Printer::new(args.rendering(), &known, out);
    known.read(&args.read, |rows| {
        let outputs = known.outputs(&*backend, rows)?;
        printer.rows(&outputs, &rows.truth)
    })?;
    let Tally { rows, labelled, right } = printer.finish()?;
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

/// Outputs in, text or an array out.
struct Printer<'a, T, W: Write> {
    known: &'a Known<T>,
    header: Vec<String>,
    form: Form<'a, T, W>,
    begun: bool,
    tally: Tally,
}

/// The form in which predictions leave.
enum Form<'a, T, W: Write> {
    Csv(Box<Writer<&'a mut W>>),
    JsonLines(&'a mut W),
    /// An array is written when its length is known.
    Npy(&'a mut W, Vec<T>),
}

impl<'a, T: Linked + WritableElement, W: Write> Printer<'a, T, W> {
    fn new(rendering: Rendering, known: &'a Known<T>, out: &'a mut W) -> Self {
        let form = match rendering {
            Rendering::Csv => Form::Csv(Box::new(Writer::from_writer(out))),
            Rendering::Jsonl => Form::JsonLines(out),
            Rendering::Npy => Form::Npy(out, Vec::new()),
        };
        Self { known, header: known.header(), form, begun: false, tally: Tally::default() }
    }

    fn header(&mut self) -> Result<(), Failure> {
        if let (Form::Csv(out), false) = (&mut self.form, self.begun) {
            written(out.write_record(&self.header))?;
        }
        self.begun = true;
        Ok(())
    }

    fn rows(&mut self, outputs: &ArrayRef2<T>, truth: &Truth<T>) -> Result<(), Failure> {
        self.header()?;
        for (row, values) in outputs.axis_iter(Axis(0)).enumerate() {
            let class = self.known.class(&values);
            let name = class.map(|class| self.known.classes[class].as_str());
            match &mut self.form {
                Form::Csv(out) => {
                    let cells = values.iter().map(|value| format!("{value:?}"));
                    written(out.write_record(name.map(str::to_owned).into_iter().chain(cells)))?;
                }
                Form::JsonLines(out) => {
                    let mut object = Map::new();
                    object.extend(name.map(|name| ("class".to_owned(), Value::from(name))));
                    let names = self.header.iter().skip(usize::from(name.is_some()));
                    object.extend(names.cloned().zip(values.iter().map(|value| json!(value.as_f64()))));
                    writeln!(out, "{}", Value::Object(object))?;
                }
                Form::Npy(_, all) => all.extend(values.iter().copied()),
            }
            if let (Some(class), Truth::Classes(labels)) = (class, truth)
                && let Some(label) = labels.get(row).copied().flatten()
            {
                self.tally.labelled += 1;
                self.tally.right += usize::from(label == class);
            }
        }
        self.tally.rows += outputs.nrows();
        Ok(())
    }

    fn finish(mut self) -> Result<Tally, Failure> {
        self.header()?;
        match self.form {
            Form::Csv(mut out) => out.flush()?,
            Form::JsonLines(out) => out.flush()?,
            Form::Npy(out, all) => {
                let shape = (self.tally.rows, self.known.network.output_size());
                let array =
                    Array2::from_shape_vec(shape, all).map_err(|error| Failure::Other(error.to_string()))?;
                array.write_npy(&mut *out).map_err(|error| match error {
                    ndarray_npy::WriteNpyError::Io(cause) => Failure::Output(cause),
                    error => Failure::Other(error.to_string()),
                })?;
                out.flush()?;
            }
        }
        Ok(self.tally)
    }
}

fn written(result: csv::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(cause) => Failure::Output(cause),
        kind => Failure::Other(format!("{kind:?}")),
    })
}
