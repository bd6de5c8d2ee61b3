//! The file that holds a trained network: safetensors, with what else is needed to use it in the metadata.
//!
//! Tensors are named as parameters are, `0.weight` (outputs × inputs, row by row) and `0.bias`. The metadata has one key,
//! `chainrule`, with a [`Description`] as JSON. A file comes from anywhere: nothing in it is believed before it is checked,
//! and nothing is allocated that the file has not got the bytes for.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use chainrule::{Activation, Initializer, Linked, Network, Scalar};
use chainrule_data::csv::Column;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::args::CsvArgs;
use crate::failure::Failure;
use crate::settings::{Output, Settings};
use crate::source::{Data, Scaling};

/// The key in the metadata.
const KEY: &str = "chainrule";

/// The version that is written, and the latest that is read.
const VERSION: u32 = 1;

/// An element type that files can hold.
pub(crate) trait Element: Linked + FromStr {
    /// Its name in safetensors.
    const DTYPE: Dtype;

    /// Appends its bytes, little endian.
    fn write(self, bytes: &mut Vec<u8>);

    /// The value of as many bytes as it has; none of any other number.
    fn read(bytes: &[u8]) -> Option<Self>;
}

macro_rules! element {
    ($t:ty, $dtype:ident) => {
        impl Element for $t {
            const DTYPE: Dtype = Dtype::$dtype;

            fn write(self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }

            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        }
    };
}

element!(f32, F32);
element!(f64, F64);

/// What is known of a network besides its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Description {
    version: u32,
    pub(crate) inputs: usize,
    layers: Vec<LayerKind>,
    pub(crate) scaling: Scaling,
    pub(crate) classes: Vec<String>,
    /// The features' names; empty where they have none.
    pub(crate) features: Vec<String>,
    /// Where the network was trained on CSV files.
    pub(crate) csv: Option<CsvFormat>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum LayerKind {
    Dense { outputs: usize, activation: String },
    Softmax,
}

/// What of a CSV file's format a later file is expected to share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CsvFormat {
    /// The column of the classes: `last`, a number from 1 or a name.
    label: String,
    pub(crate) delimiter: u8,
}

impl CsvFormat {
    pub(crate) fn new(args: &CsvArgs) -> Self {
        let label = match &args.label {
            Column::Number(number) => number.to_string(),
            Column::Name(name) => name.clone(),
            _ => "last".to_owned(),
        };
        Self { label, delimiter: args.delimiter }
    }

    pub(crate) fn label(&self) -> Column {
        self.label.parse().unwrap_or_else(|never| match never {})
    }
}

impl Description {
    /// Of the network that the settings make for that data.
    pub(crate) fn new<T: Scalar>(settings: &Settings, data: &Data<T>, csv: Option<CsvFormat>) -> Self {
        let dense = |outputs: usize, activation: Activation| LayerKind::Dense {
            outputs,
            activation: activation.to_string(),
        };
        let outputs = data.class_names.len();
        let mut layers: Vec<_> =
            settings.hidden.iter().map(|&units| dense(units, settings.activation)).collect();
        match settings.output() {
            Output::Softmax => layers.extend([dense(outputs, Activation::Identity), LayerKind::Softmax]),
            Output::Activation(activation) => layers.push(dense(outputs, activation)),
        }
        Self {
            version: VERSION,
            inputs: data.features(),
            layers,
            scaling: data.scaling.clone(),
            classes: data.class_names.clone(),
            features: data.feature_names.clone(),
            csv,
        }
    }

    /// The bytes of a file with this description and the network's parameters. The same network gives the same bytes.
    pub(crate) fn with_parameters<T: Element>(&self, network: &Network<T>) -> Result<Vec<u8>, Failure> {
        let impossible =
            |error: &dyn std::fmt::Display| Failure::Other(format!("the network cannot be written: {error}"));
        let mut tensors = Vec::new();
        for named in network.named_parameters() {
            let rows = named.parameter.rows;
            let (columns, shape) = match named.parameter.columns {
                Some(columns) => (columns, vec![rows, columns]),
                None => (1, vec![rows]),
            };
            // In the network a matrix lies column after column, in the file row after row.
            let values = &network.parameters()[named.range];
            let mut bytes = Vec::with_capacity(size_of_val(values));
            for row in 0..rows {
                (0..columns).for_each(|column| values[column * rows + row].write(&mut bytes));
            }
            tensors.push((named.name, shape, bytes));
        }
        let views = tensors.iter().map(|(name, shape, bytes)| {
            TensorView::new(T::DTYPE, shape.clone(), bytes).map(|view| (name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(|error| impossible(&error))?;
        let json = serde_json::to_string(self).map_err(|error| impossible(&error))?;
        safetensors::serialize(views, Some(HashMap::from([(KEY.to_owned(), json)])))
            .map_err(|error| impossible(&error))
    }

    /// Whether the outputs are probabilities.
    pub(crate) fn gives_probabilities(&self) -> bool {
        match self.layers.last() {
            Some(LayerKind::Softmax) => true,
            Some(LayerKind::Dense { activation, .. }) => activation == Activation::Sigmoid.name(),
            None => false,
        }
    }

    /// The widest layer's outputs.
    pub(crate) fn widest(&self) -> usize {
        let width = |layer: &LayerKind| match layer {
            LayerKind::Dense { outputs, .. } => *outputs,
            LayerKind::Softmax => 0,
        };
        self.layers.iter().map(width).max().unwrap_or(0).max(self.inputs)
    }
}

/// A file that was read: its description and its tensors, which fit each other.
#[derive(Debug)]
pub(crate) struct Model<'a> {
    place: &'a str,
    pub(crate) description: Description,
    tensors: SafeTensors<'a>,
}

/// The bytes of a file that is said to hold a network.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failure = |cause| Failure::reading(path, cause);
    if !fs::metadata(path).map_err(failure)?.is_file() {
        return Err(Failure::unfit(path.display().to_string(), "no regular file", "a network"));
    }
    fs::read(path).map_err(failure)
}

impl<'a> Model<'a> {
    /// Reads `bytes`; messages call them `place`.
    pub(crate) fn parse(bytes: &'a [u8], place: &'a str) -> Result<Self, Failure> {
        let unfit = |found: String, expected: &str| Failure::unfit(place, found, expected);
        let network = "a network that `chainrule train --out` wrote (safetensors)";
        check_offsets(bytes).ok_or_else(|| unfit("other bytes".to_owned(), network))?;
        let (_, header) =
            SafeTensors::read_metadata(bytes).map_err(|error| unfit(error.to_string(), network))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| unfit(error.to_string(), network))?;
        let json = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let json =
            json.ok_or_else(|| unfit("safetensors without chainrule's metadata".to_owned(), network))?;
        let description: Description = serde_json::from_str(json)
            .map_err(|error| unfit(format!("metadata that cannot be understood ({error})"), network))?;
        if description.version > VERSION {
            return Err(unfit(
                format!("version {}", description.version),
                &format!("at most {VERSION}, the latest that this program knows"),
            ));
        }
        let model = Self { place, description, tensors };
        model.check()?;
        Ok(model)
    }

    /// The element type of the parameters.
    pub(crate) fn dtype(&self) -> Result<Dtype, Failure> {
        self.tensors
            .iter()
            .next()
            .map(|(_, tensor)| tensor.dtype())
            .ok_or_else(|| self.unfit("no tensors", "a network's"))
    }

    fn unfit(&self, found: impl Into<String>, expected: impl Into<String>) -> Failure {
        Failure::unfit(self.place, found, expected)
    }

    /// The sizes and activations of the dense layers, and whether softmax follows.
    fn chain(&self) -> Result<(Vec<(usize, Activation)>, bool), Failure> {
        let (layers, softmax) = match self.description.layers.as_slice() {
            [layers @ .., LayerKind::Softmax] => (layers, true),
            layers => (layers, false),
        };
        let dense = layers.iter().map(|layer| match layer {
            LayerKind::Dense { outputs, activation } => Ok((*outputs, activation.parse()?)),
            LayerKind::Softmax => Err(self.unfit("softmax within the network", "it to be last")),
        });
        Ok((dense.collect::<Result<_, _>>()?, softmax))
    }

    /// Refuses descriptions that contradict themselves, and tensors that contradict the description.
    fn check(&self) -> Result<(), Failure> {
        let description = &self.description;
        let (layers, _) = self.chain()?;
        let outputs = layers.last().map_or(0, |&(outputs, _)| outputs);
        if outputs != description.classes.len() || outputs == 0 {
            let found = format!("{} names of classes", description.classes.len());
            return Err(self.unfit(found, format!("one for each of {outputs} outputs")));
        }
        if !description.features.is_empty() && description.features.len() != description.inputs {
            let found = format!("{} names of features", description.features.len());
            return Err(self.unfit(found, format!("one for each of {} inputs", description.inputs)));
        }
        if !description.scaling.is_sound(description.inputs) {
            let expected = format!("finite numbers for {} inputs, none to divide by 0", description.inputs);
            return Err(self.unfit("another scaling", expected));
        }
        if self.tensors.len() != 2 * layers.len() {
            let found = format!("{} tensors", self.tensors.len());
            return Err(self.unfit(found, format!("weight and bias of {} dense layers", layers.len())));
        }
        let dtype = self.dtype()?;
        if ![Dtype::F32, Dtype::F64].contains(&dtype) {
            return Err(self.unfit(format!("tensors of {dtype:?}"), "F32 or F64"));
        }
        let mut below = description.inputs;
        for (index, (outputs, _)) in layers.into_iter().enumerate() {
            for (name, shape) in [("weight", &[outputs, below][..]), ("bias", &[outputs])] {
                let name = format!("{index}.{name}");
                let tensor = self.tensor(&name)?;
                if tensor.shape() != shape || tensor.dtype() != dtype {
                    let found = format!("{name} of {:?} {:?}", tensor.dtype(), tensor.shape());
                    return Err(self.unfit(found, format!("{dtype:?} {shape:?}")));
                }
            }
            below = outputs;
        }
        Ok(())
    }

    fn tensor(&self, name: &str) -> Result<TensorView<'a>, Failure> {
        self.tensors.tensor(name).map_err(|_| self.unfit(format!("no {name}"), "a tensor of that name"))
    }

    /// The network. `T` is the element type that [`Model::dtype`] tells.
    pub(crate) fn network<T: Element>(&self) -> Result<Network<T>, Failure> {
        let (layers, softmax) = self.chain()?;
        let mut builder = Network::builder(self.description.inputs);
        for &(outputs, activation) in &layers {
            builder = builder.dense_from(outputs, activation, Initializer::Zeros);
        }
        let mut network = if softmax { builder.softmax() } else { builder }.build(0)?;
        for named in network.named_parameters() {
            let tensor = self.tensor(&named.name)?;
            let (rows, columns) = (named.parameter.rows, named.parameter.columns.unwrap_or(1));
            let values = &mut network.parameters_mut()[named.range.clone()];
            for (place, bytes) in tensor.data().chunks_exact(size_of::<T>()).enumerate().take(values.len()) {
                let (row, column) = (place / columns, place % columns);
                let offset = column * rows + row;
                values[offset] = T::read(bytes).filter(|value| value.is_finite()).ok_or_else(|| {
                    self.unfit(format!("{} that is not finite", named.element(offset)), "numbers")
                })?;
            }
        }
        Ok(network)
    }
}

/// Whether the header is JSON in which no tensor ends beyond the file. (The reader would add to such an end.)
fn check_offsets(bytes: &[u8]) -> Option<()> {
    #[derive(Deserialize)]
    struct Entry {
        data_offsets: Option<(u64, u64)>,
    }
    let (length, rest) = bytes.split_first_chunk()?;
    let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let entries: HashMap<String, Entry> = serde_json::from_slice(header).ok()?;
    let fits = |entry: &Entry| entry.data_offsets.is_none_or(|(_, end)| end <= bytes.len() as u64);
    entries.values().all(fits).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::LossKind;
    use chainrule_data::digits_split;

    fn file(settings: &Settings) -> (Vec<u8>, Network<f64>) {
        let data = Data::<f64>::new("digits", digits_split(0), Scaling::Divide { by: 16.0 }).unwrap();
        let network = settings.network(64, 10, 3).unwrap();
        let description = Description::new(settings, &data, None);
        (description.with_parameters(&network).unwrap(), network)
    }

    fn small() -> Settings {
        Settings { hidden: vec![3], bias_init: Initializer::Normal(1.0), ..Settings::default() }
    }

    #[test]
    fn what_is_written_is_read() {
        for output in [Output::Softmax, Output::Activation(Activation::LeakyRelu(0.3))] {
            let loss = if output == Output::Softmax { LossKind::CrossEntropy } else { LossKind::Mse };
            let settings = Settings { output: Some(output), loss, ..small() };
            let (bytes, network) = file(&settings);
            let model = Model::parse(&bytes, "file").unwrap();
            assert_eq!(model.dtype().unwrap(), Dtype::F64);
            let read = model.network::<f64>().unwrap();
            assert_eq!(read.parameters(), network.parameters());
            assert_eq!(read.layers().len(), network.layers().len());
            assert_eq!(model.description.gives_probabilities(), output == Output::Softmax);
            assert_eq!(bytes, file(&settings).0, "the same bytes again");
        }
    }

    #[test]
    fn tensors_are_row_by_row() {
        let (bytes, network) = file(&small());
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let tensor = tensors.tensor("0.weight").unwrap();
        assert_eq!(tensor.shape(), [3, 64]);
        let values: Vec<_> = tensor.data().chunks_exact(8).map(|bytes| f64::read(bytes).unwrap()).collect();
        assert_eq!(values, network.weights(0).unwrap().iter().copied().collect::<Vec<_>>());
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let (bytes, _) = file(&small());
        let all = |bytes: &[u8]| {
            if let Ok(model) = Model::parse(bytes, "file") {
                drop(model.network::<f64>());
            }
        };
        (0..bytes.len()).step_by(7).for_each(|end| all(&bytes[..end]));
        // Every byte of the header, and some of the tensors, changed in a few ways.
        for place in (0..1500).chain((1500..bytes.len()).step_by(97)) {
            for change in [1, 4, 0x20, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[place] ^= change;
                all(&bytes);
            }
        }
    }

    #[test]
    fn lies_are_refused() {
        let (bytes, _) = file(&small());
        let length = 8 + usize::try_from(u64::from_le_bytes(*bytes.first_chunk().unwrap())).unwrap();
        let header = std::str::from_utf8(&bytes[8..length]).unwrap();
        let lie = |from: &str, to: &str| {
            let changed = header.replace(from, to);
            assert_ne!(changed, header, "{from}");
            let bytes =
                [&(changed.len() as u64).to_le_bytes(), changed.as_bytes(), &bytes[length..]].concat();
            Model::parse(&bytes, "file").err().map(|error| error.to_string()).unwrap_or_default()
        };
        for (from, to, told) in [
            (r#"\"version\":1"#, r#"\"version\":2"#, "version 2"),
            (r#"\"inputs\":64"#, r#"\"inputs\":640000000000"#, "[3, 64]"),
            (r#"\"outputs\":3"#, r#"\"outputs\":18446744073709551615"#, "18446744073709551615"),
            (r#"\"outputs\":10"#, r#"\"outputs\":11"#, "10 names of classes"),
            (r#"\"by\":16.0"#, r#"\"by\":0.0"#, "scaling"),
            (r#"\"relu\""#, r#"\"rule\""#, "unknown activation \"rule\""),
            ("0.weight", "9.weight", "no 0.weight"),
            ("\"chainrule\"", "\"chain\"", "without chainrule's metadata"),
            ("[1640,1880]", "[1640,18446744073709551615]", "other bytes"),
        ] {
            let message = lie(from, to);
            assert!(message.contains(told), "{from}: {message:?}");
        }
    }

    #[test]
    fn parameters_that_are_not_finite_are_named() {
        let (mut bytes, _) = file(&small());
        let end = bytes.len();
        bytes[end - 8..].copy_from_slice(&f64::NAN.to_le_bytes());
        let message = Model::parse(&bytes, "file").unwrap().network::<f64>().unwrap_err().to_string();
        assert!(message.contains("1.weight[9, 2]"), "{message}");
    }
}
