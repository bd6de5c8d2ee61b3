//! A model file as it is used: the network, what goes before it, and what its outputs mean.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use chainrule::{Activation, Backend, LayerConfig, Linked, Network};
use chainrule_data::csv::{self, Reader};
use chainrule_data::{Encoder, Table};
use chainrule_model::{Model, Task};
use ndarray::{Array2, ArrayRef1};

use crate::args::ReadArgs;
use crate::config::Delimiter;
use crate::failure::Failure;
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
        if let Some(data) = labelled::<T>(&source, args.data_dir.as_deref())? {
            // What is read here is divided already: the network has to expect just that.
            if data.features() != self.network.input_size()
                || data.class_names() != self.classes
                || source.scaling().as_ref() != Some(&self.preparation.scaling)
            {
                let found = format!(
                    "a network of {} inputs that was trained on other data",
                    self.network.input_size()
                );
                let expected = format!("one that was trained on {}", source.name());
                return Err(Failure::unfit(&self.place, found, expected));
            }
            let (inputs, labels) = data.into_parts();
            let truth = Truth::Classes(labels.into_iter().map(Some).collect());
            return each(&Rows { inputs, truth });
        }
        let Some(encoder) = &self.preparation.encoder else {
            let found = "a network that was not trained on a table";
            return Err(Failure::unfit(&self.place, found, "digits or mnist as its data"));
        };
        self.read_table(args, encoder, each)
    }

    /// Reads a table.
    fn read_table(
        &self,
        args: &ReadArgs,
        encoder: &Encoder,
        mut each: impl FnMut(&Rows<T>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let delimiter = args.delimiter.or(self.preparation.delimiter).unwrap_or(Delimiter(b','));
        let options = csv::Options::new()
            .delimiter(delimiter.0)
            .skip(args.skip)
            .header(args.header.into())
            .expect(encoder);
        let (name, raw): (&str, Box<dyn Read>) = if args.input == "-" {
            ("standard input", Box::new(io::stdin()))
        } else {
            let path = Path::new(&args.input);
            (&args.input, Box::new(File::open(path).map_err(|cause| Failure::reading(path, cause))?))
        };
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
        let mut inputs = encoder.encode_inputs(table)?;
        self.preparation.scaling.apply(&mut inputs);
        Ok(Rows { inputs, truth })
    }
}
