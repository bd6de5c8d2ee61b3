//! A model file as it is used: the network, what goes before it, and what its outputs mean.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use chainrule::{Activation, Backend, LayerConfig, Linked, Network};
use chainrule_data::csv::{self, Reader};
use chainrule_data::npy::{self, Npz};
use chainrule_data::{Answers, Encoder, Preprocessing, Step, Table, Task as DataTask};
use chainrule_model::{Model, Task};
use ndarray::{Array2, ArrayRef1};

use crate::applies;
use crate::args::ReadArgs;
use crate::arrays;
use crate::config::Delimiter;
use crate::failure::Failure;
use crate::part::Part;
use crate::preparation::Preparation;
use crate::source::{Source, labelled};

/// At most so many numbers of a layer are computed at once.
const CHUNK: usize = 1 << 22;

/// A network that was trained, with all that is known of it.
#[derive(Debug)]
pub(crate) struct Known<T> {
    place: String,
    pub(crate) network: Network<T>,
    pub(crate) preparation: Preparation,
    pub(crate) classes: Vec<String>,
    targets: Vec<String>,
    pub(crate) loss: Option<String>,
    /// How many rows go through it at once.
    rows: usize,
    probabilities: bool,
}

/// Rows that are ready for the network.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    pub(crate) inputs: Array2<T>,
    /// What they should be, where that is known.
    pub(crate) truth: Truth<T>,
}

/// The targets of rows.
#[derive(Debug)]
pub(crate) enum Truth<T> {
    None,
    /// The class, of rows that have a known one.
    Classes(Vec<Option<usize>>),
    Values(Array2<T>),
}

impl<T: Linked> Known<T> {
    /// Of a file.
    pub(crate) fn new(model: &Model) -> Result<Self, Failure> {
        let place = model.state_dict().place().to_owned();
        let description = model.description();
        let network = model.network::<T>()?;
        let preparation: Preparation = description.preprocessing()?.unwrap_or_default();
        preparation.check(network.input_size(), &place)?;
        let outputs = network.output_size();
        let mut classes = description.classes.clone();
        if description.task == Some(Task::Classification) && classes.is_empty() {
            classes = (0..outputs.max(2)).map(|class| class.to_string()).collect();
        }
        let sizes = network.layers().iter().map(|layer| layer.output_size());
        let widest = sizes.max().unwrap_or(1).max(network.input_size());
        let probabilities = matches!(
            model.config().layers.last(),
            Some(
                LayerConfig::Softmax {}
                    | LayerConfig::Dense { activation: Activation::Sigmoid, .. }
                    | LayerConfig::Activation { function: Activation::Sigmoid }
            )
        );
        Ok(Self {
            place,
            network,
            preparation,
            classes,
            targets: description.targets.clone(),
            loss: description.loss.clone(),
            rows: (CHUNK / widest.max(1)).clamp(1, 1024),
            probabilities,
        })
    }

    /// The names of the columns of a prediction: `class` and one for each output, or the numbers' names.
    pub(crate) fn header(&self) -> Vec<String> {
        let outputs = self.network.output_size();
        if self.classes.is_empty() {
            let named = self.targets.len() == outputs;
            return (0..outputs)
                .map(|i| if named { self.targets[i].clone() } else { format!("output_{}", i + 1) })
                .collect();
        }
        let prefix = if self.probabilities { "p_" } else { "output_" };
        let one = outputs == 1;
        let names = self.classes.iter().skip(usize::from(one)).map(|class| format!("{prefix}{class}"));
        std::iter::once("class".to_owned()).chain(names).collect()
    }

    /// The class that a row of outputs tells, where there are classes.
    pub(crate) fn class(&self, outputs: &ArrayRef1<T>) -> Option<usize> {
        if self.classes.is_empty() {
            return None;
        }
        if outputs.len() == 1 {
            return Some(usize::from(outputs[0] > T::of(0.5)));
        }
        let mut best = 0;
        for (index, value) in outputs.iter().enumerate() {
            if *value > outputs[best] {
                best = index;
            }
        }
        Some(best)
    }

    /// The outputs for inputs that are ready.
    pub(crate) fn outputs(&self, backend: &dyn Backend<T>, rows: &Rows<T>) -> Result<Array2<T>, Failure> {
        Ok(self.network.predict(backend, &rows.inputs)?)
    }

    /// Reads data for the network part by part, and hands each over.
    pub(crate) fn read(
        &self,
        args: &ReadArgs,
        mut each: impl FnMut(&Rows<T>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let source = Source::parse(std::slice::from_ref(&args.input))?;
        applies::check_read(&source, args)?;
        if let Some(data) = labelled::<T>(&source, args.data_dir.as_deref())? {
            // What is read here is divided already: the network has to expect just that.
            let steps = self.preparation.preprocessing.steps();
            let divided = source.divided_by();
            let as_trained = matches!(steps.first(), Some(Step::Divide { by }) if Some(*by) == divided);
            if data.features() != self.preparation.columns(self.network.input_size())
                || data.class_names() != self.classes
                || !as_trained
            {
                let found = format!(
                    "a network of {} inputs that was trained on other data",
                    self.network.input_size()
                );
                let expected = format!("one that was trained on {}", source.name());
                return Err(Failure::unfit(&self.place, found, expected));
            }
            let (inputs, labels) = data.into_parts();
            let inputs = Preprocessing::new(steps[1..].to_vec())?.transform(inputs)?;
            let truth = Truth::Classes(labels.into_iter().map(Some).collect());
            return each(&Rows { inputs, truth });
        }
        let path = Path::new(&args.input);
        if matches!(source, Source::Arrays(_)) {
            return each(&self.read_arrays(args, path)?);
        }
        let (name, raw): (&str, Box<dyn Read>) = if args.input == "-" {
            ("standard input", Box::new(io::stdin()))
        } else {
            (&args.input, Box::new(File::open(path).map_err(|cause| Failure::reading(path, cause))?))
        };
        let mut raw = BufReader::new(raw);
        if raw.fill_buf().map_err(|cause| Failure::reading(path, cause))?.starts_with(b"\x93NUMPY") {
            applies::check_read(&Source::Arrays(vec![name.into()]), args)?;
            let inputs = npy::from_reader(raw, name)?;
            return each(&self.prepare_arrays(name, inputs, Truth::None)?);
        }
        let Some(encoder) = &self.preparation.encoder else {
            let found = "a network that was not trained on a table";
            return Err(Failure::unfit(&self.place, found, "digits, mnist or arrays (NPY, NPZ) as its data"));
        };
        self.read_table(args, encoder, name, raw, each)
    }

    /// Reads an array, or an archive of the inputs and perhaps the targets.
    fn read_arrays(&self, args: &ReadArgs, path: &Path) -> Result<Rows<T>, Failure> {
        let mut archive = if arrays::is_archive(path) { Some(Npz::open(path)?) } else { None };
        let [x, y] = arrays::names(&args.arrays)?;
        let inputs = match &mut archive {
            Some(archive) => archive.read(x)?,
            None => npy::read(path)?,
        };
        let task = if self.classes.is_empty() { DataTask::Values } else { DataTask::Classes };
        let answers = match &mut archive {
            Some(archive) if archive.names().iter().any(|name| name == y) => {
                Some(archive.read_answers(y, task)?)
            }
            Some(_) => None,
            None => args.targets.as_ref().map(|targets| npy::read_answers(targets, task)).transpose()?,
        };
        let Some(answers) = answers else { return self.prepare_arrays(&args.input, inputs, Truth::None) };
        let Part { inputs, answers, .. } = arrays::fitting(inputs, answers, path)?;
        let truth = match answers {
            Answers::Classes(labels) => {
                let known = |label| (label < self.classes.len()).then_some(label);
                Truth::Classes(labels.into_iter().map(known).collect())
            }
            Answers::Values(values) => Truth::Values(values),
        };
        self.prepare_arrays(&args.input, inputs, truth)
    }

    /// Makes rows for the network of an array.
    fn prepare_arrays(&self, place: &str, inputs: Array2<T>, truth: Truth<T>) -> Result<Rows<T>, Failure> {
        let columns = self.preparation.columns(self.network.input_size());
        if inputs.ncols() != columns {
            return Err(Failure::unfit(place, format!("{} columns", inputs.ncols()), columns.to_string()));
        }
        Ok(Rows { inputs: self.preparation.preprocessing.transform(inputs)?, truth })
    }

    /// Reads a table.
    fn read_table(
        &self,
        args: &ReadArgs,
        encoder: &Encoder,
        name: &str,
        raw: impl Read,
        mut each: impl FnMut(&Rows<T>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let delimiter = args.delimiter.or(self.preparation.delimiter).unwrap_or(Delimiter(b','));
        let options = csv::Options::new()
            .delimiter(delimiter.0)
            .skip(args.skip.unwrap_or(0))
            .header(args.header.unwrap_or_default().into())
            .expect(encoder);
        let mut reader = Reader::from_reader(raw, name, &options)?;
        while let Some(table) = reader.next_table::<T>(self.rows)? {
            each(&self.prepare(encoder, table)?)?;
        }
        Ok(())
    }

    /// Makes rows for the network of a part of a table.
    fn prepare(&self, encoder: &Encoder, table: Table<T>) -> Result<Rows<T>, Failure> {
        let has_targets = !table.targets().is_empty();
        let truth = if !has_targets {
            Truth::None
        } else if self.classes.is_empty() {
            // A number that is missing is none to hold a prediction against.
            Truth::Values(table.answers().clone())
        } else {
            Truth::Classes(encoder.known_classes(&table)?)
        };
        let inputs = self.preparation.preprocessing.transform(encoder.encode_inputs(table)?)?;
        Ok(Rows { inputs, truth })
    }
}
