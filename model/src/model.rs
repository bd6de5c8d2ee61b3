//! The model file.

use std::collections::HashMap;
use std::path::Path;

use chainrule_core::{Network, NetworkConfig, Scalar};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tensors::{Named, serialize, tensors};
use crate::{ElementType, Error, Result, StateDict, files};

/// The key in the metadata.
const KEY: &str = "chainrule";

/// The version that is written, and the latest that is read.
const VERSION: u32 = 1;

/// How the names of tensors begin that a checkpoint has beside those of its network.
pub(crate) const RUN: &str = "run.";

/// What a network was trained to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Which class a row belongs to.
    Classification,
    /// Numbers.
    Regression,
}

/// What is known of a network besides its layers and their parameters. Any of it may be left out.
///
/// ```
/// use chainrule_model::{Description, Task};
/// let description = Description {
///     task: Some(Task::Classification),
///     classes: vec!["setosa".to_owned(), "versicolor".to_owned(), "virginica".to_owned()],
///     targets: vec!["species".to_owned()],
///     ..Description::default()
/// };
/// assert!(description.preprocessing::<Vec<f64>>()?.is_none());
/// # Ok::<(), chainrule_model::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Description {
    /// What it was trained to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The names of the classes, in the order of the outputs. (A single output may stand for two.)
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// The names of the features as the data have them, before any preprocessing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// The names of what is predicted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// The loss it was trained by, as [`loss_by_name`](chainrule_core::loss_by_name) reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<String>,
    /// What is done to data before the network sees them, in a form that this crate does not look into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preprocessing: Option<Value>,
}

impl Description {
    /// With what is done to data before the network sees them, as any value that serde can write.
    ///
    /// # Errors
    /// [`Error::Unfit`] for a value that has no JSON.
    pub fn with_preprocessing(self, preprocessing: &impl Serialize) -> Result<Self> {
        let value = serde_json::to_value(preprocessing)
            .map_err(|error| Error::unfit("the preprocessing", error.to_string(), "what JSON can express"))?;
        Ok(Self { preprocessing: Some(value), ..self })
    }

    /// What is done to data before the network sees them.
    ///
    /// # Errors
    /// [`Error::Unfit`] for another type than it was written with.
    pub fn preprocessing<P: DeserializeOwned>(&self) -> Result<Option<P>> {
        let read = |value: &Value| P::deserialize(value);
        self.preprocessing
            .as_ref()
            .map(read)
            .transpose()
            .map_err(|error| Error::unfit("the preprocessing", error.to_string(), "one that is known"))
    }

    /// Refuses names that the network cannot have.
    fn check(&self, network: &NetworkConfig, outputs: usize, place: &str) -> Result<()> {
        let refused = |what: &str, names: &[String], expected: usize, of: &str| {
            let found = format!("{} names of {what}", names.len());
            Err(Error::unfit(place, found, format!("one for each of {expected} {of}")))
        };
        let classes = self.classes.len();
        if classes != 0 && classes != outputs && (classes, outputs) != (2, 1) {
            return refused("classes", &self.classes, outputs, "outputs");
        }
        let features = self.features.len();
        if features != 0 && features != network.inputs && self.preprocessing.is_none() {
            return refused("features", &self.features, network.inputs, "inputs");
        }
        Ok(())
    }
}

/// The JSON in the metadata.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Header {
    version: u32,
    /// The release that wrote it.
    chainrule: String,
    network: NetworkConfig,
    description: Description,
}

/// A model file that was read. The network itself is made by [`Model::network`], in the element type that is wanted.
///
/// ```
/// use chainrule_core::{Activation, Network};
/// use chainrule_model::{Description, Model};
///
/// let network = Network::<f32>::builder(4).dense(8, Activation::Relu).dense(3, Activation::Identity).softmax().build(1)?;
/// let bytes = Model::to_bytes(&network, &Description::default())?;
/// let model = Model::from_bytes(bytes, "iris.safetensors")?;
/// assert_eq!(model.state_dict().shape("2.weight"), Some(&[3, 8][..])); // 1 is the ReLU, as in torch.nn.Sequential
/// assert_eq!(model.network::<f32>()?.parameters(), network.parameters());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Model {
    tensors: StateDict,
    header: Header,
}

impl Model {
    /// Writes a model file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::File`]; and as [`Model::to_bytes`].
    pub fn save<T: Scalar>(
        path: impl AsRef<Path>,
        network: &Network<T>,
        description: &Description,
    ) -> Result<()> {
        let path = path.as_ref();
        let bytes = to_bytes(network, description, &path.display().to_string(), Vec::new(), [])?;
        files::write_atomically(path, &bytes)
    }

    /// The bytes of a model file. The same network gives the same bytes.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for a network with NaN or infinities, [`Error::Library`] for one with a layer of a foreign kind,
    /// [`Error::Unfit`] for names that the network cannot have.
    pub fn to_bytes<T: Scalar>(network: &Network<T>, description: &Description) -> Result<Vec<u8>> {
        to_bytes(network, description, "the network", Vec::new(), [])
    }

    /// Reads a model file, or the network of a checkpoint.
    ///
    /// # Errors
    /// [`Error::File`], and as [`Model::from_bytes`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        Self::new(StateDict::read(path)?)
    }

    /// The bytes of a model file, which messages call `place`. Any bytes can be given.
    ///
    /// # Errors
    /// [`Error::Unfit`] if they are no model file, or one of a later version.
    pub fn from_bytes(bytes: Vec<u8>, place: impl Into<String>) -> Result<Self> {
        Self::new(StateDict::from_bytes(bytes, place)?)
    }

    fn new(tensors: StateDict) -> Result<Self> {
        let unfit = |found: String, expected: &str| Error::unfit(tensors.place(), found, expected);
        let json = tensors
            .metadata(KEY)
            .ok_or_else(|| unfit("safetensors without chainrule's metadata".to_owned(), "a model file"))?;
        check_version(json, VERSION, tensors.place())?;
        let header: Header = serde_json::from_str(json).map_err(|error| {
            unfit(format!("metadata that cannot be understood ({error})"), "a model file")
        })?;
        let refused = |cause| Error::Library { place: tensors.place().to_owned(), cause };
        let layers = header.network.layers::<f32>().map_err(refused)?;
        let outputs = layers.last().map_or(0, |layer| layer.output_size());
        header.description.check(&header.network, outputs, tensors.place())?;
        Ok(Self { tensors, header })
    }

    /// The network, in any element type; to a narrower one numbers are rounded.
    ///
    /// # Errors
    /// As [`StateDict::network`].
    pub fn network<T: Scalar>(&self) -> Result<Network<T>> {
        self.tensors.network_beside(self.config(), str::to_owned, |name| name.starts_with(RUN))
    }

    /// The network's layers.
    #[must_use]
    pub fn config(&self) -> &NetworkConfig {
        &self.header.network
    }

    /// What else is known of it.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.header.description
    }

    /// The release of chainrule that wrote the file.
    #[must_use]
    pub fn written_by(&self) -> &str {
        &self.header.chainrule
    }

    /// The element type of the network that was written.
    #[must_use]
    pub fn element_type(&self) -> ElementType {
        self.tensors.element_type()
    }

    /// The tensors.
    #[must_use]
    pub fn state_dict(&self) -> &StateDict {
        &self.tensors
    }
}

/// Refuses metadata of a later version than is known.
pub(crate) fn check_version(json: &str, latest: u32, place: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    match serde_json::from_str(json) {
        Ok(Version { version }) if version > latest => {
            let expected = format!("at most {latest}, the latest that this release knows");
            Err(Error::unfit(place, format!("version {version}"), expected))
        }
        // What else is wrong shows when the rest is read.
        _ => Ok(()),
    }
}

/// The bytes of a file with a network, its description, and what else there is.
pub(crate) fn to_bytes<'a, T: Scalar>(
    network: &'a Network<T>,
    description: &Description,
    place: &str,
    others: Named<'a, T>,
    metadata: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<u8>> {
    let (config, mut tensors) = tensors(network, place)?;
    description.check(&config, network.output_size(), place)?;
    tensors.extend(others);
    let header = Header {
        version: VERSION,
        chainrule: env!("CARGO_PKG_VERSION").to_owned(),
        network: config,
        description: description.clone(),
    };
    let json = serde_json::to_string(&header)
        .map_err(|error| Error::unfit(place, error.to_string(), "a description that JSON can express"))?;
    let mut all = HashMap::from([("format".to_owned(), "pt".to_owned()), (KEY.to_owned(), json)]);
    all.extend(metadata);
    serialize(tensors, all, place)
}
