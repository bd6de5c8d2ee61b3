//! Tensors in files, read and written.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;

use chainrule_core::{Network, NetworkConfig, Scalar};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo, View};

use crate::layout::{Part, Slot, slots};
use crate::{Error, Result, files};

/// The type of the numbers of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementType {
    /// `f32`; half precision is read as this.
    F32,
    /// `f64`.
    F64,
}

impl ElementType {
    /// That of a network.
    #[must_use]
    pub fn of<T: Scalar>() -> Self {
        if T::NAME == f32::NAME { Self::F32 } else { Self::F64 }
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F64 => Dtype::F64,
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => f32::NAME,
            Self::F64 => f64::NAME,
        })
    }
}

/// A safetensors file in memory: PyTorch's state dicts, the files of this crate, or any other. Nothing in it is believed before it is
/// checked, and no bytes make it panic.
///
/// ```no_run
/// use chainrule_core::{Activation, LayerConfig, NetworkConfig};
/// use chainrule_model::StateDict;
/// // torch.nn.Sequential(Linear(4, 8), ReLU(), Linear(8, 3)), saved by safetensors.torch.save_file(model.state_dict(), …)
/// let config = NetworkConfig {
///     inputs: 4,
///     layers: vec![LayerConfig::dense(8, Activation::Relu), LayerConfig::dense(3, Activation::Identity)],
/// };
/// let network = StateDict::read("flowers.safetensors")?.network::<f32>(&config)?;
/// # Ok::<(), chainrule_model::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StateDict {
    place: String,
    bytes: Vec<u8>,
    /// Where the tensors begin.
    start: usize,
    header: Metadata,
}

impl StateDict {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Unfit`] if it is no safetensors file.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_bytes(files::read(path)?, path.display().to_string())
    }

    /// The bytes of a file, which messages call `place`.
    ///
    /// # Errors
    /// [`Error::Unfit`] if they are no safetensors file.
    pub fn from_bytes(bytes: Vec<u8>, place: impl Into<String>) -> Result<Self> {
        let place = place.into();
        let unfit = |found: &str| Error::unfit(&place, found, "a safetensors file");
        let (length, rest) = bytes.split_first_chunk().ok_or_else(|| unfit("fewer than 8 bytes"))?;
        let header = usize::try_from(u64::from_le_bytes(*length)).ok().and_then(|length| rest.get(..length));
        let json = header.ok_or_else(|| unfit("a header that is longer than the file"))?;
        // Only offsets that lie close together and shapes that they fit get through.
        let header: Metadata =
            serde_json::from_slice(json).map_err(|error| unfit(&format!("another header ({error})")))?;
        let start = length.len() + json.len();
        if header.data_len() != bytes.len() - start {
            let found = format!("{} bytes of tensors", bytes.len() - start);
            return Err(Error::unfit(place, found, format!("{} as the header tells", header.data_len())));
        }
        Ok(Self { place, bytes, start, header })
    }

    /// What messages call the file.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The text under a key of the metadata.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.header.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// The tensors' names, in the order of the file.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.header.offset_keys()
    }

    /// The shape of a tensor.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| info.shape.as_slice())
    }

    /// The widest type among the tensors.
    #[must_use]
    pub fn element_type(&self) -> ElementType {
        let wide = |name: &String| self.header.info(name).is_some_and(|info| info.dtype == Dtype::F64);
        if self.names().iter().any(wide) { ElementType::F64 } else { ElementType::F32 }
    }

    /// The network of this description with the file's tensors, which must be those that `torch.nn.Sequential` would have: as many, of
    /// those names and shapes, in numbers of any width (wider ones are rounded).
    ///
    /// A dense layer with an activation takes two positions there, and batch normalisation may have its `num_batches_tracked`.
    ///
    /// # Errors
    /// [`Error::Tensor`] for one that is missing, left over or unfit, [`Error::NotFinite`] for one with NaN or an infinity,
    /// [`Error::Library`] for a description that is wrong in itself.
    pub fn network<T: Scalar>(&self, config: &NetworkConfig) -> Result<Network<T>> {
        self.network_named(config, str::to_owned)
    }

    /// [`StateDict::network`] where tensors have other names: `name` makes the file's from `Sequential`'s.
    ///
    /// ```no_run
    /// # use chainrule_core::{Activation, LayerConfig, NetworkConfig};
    /// # use chainrule_model::StateDict;
    /// # let config = NetworkConfig { inputs: 4, layers: vec![LayerConfig::dense(3, Activation::Identity)] };
    /// let file = StateDict::read("mlp.safetensors")?;
    /// let network = file.network_named::<f32>(&config, |name| {
    ///     name.replace("0.", "hidden.").replace("2.", "out.")
    /// })?;
    /// # Ok::<(), chainrule_model::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`StateDict::network`].
    pub fn network_named<T: Scalar>(
        &self,
        config: &NetworkConfig,
        name: impl Fn(&str) -> String,
    ) -> Result<Network<T>> {
        self.network_beside(config, name, |_| false)
    }

    /// The same in a file that may have other tensors as well.
    pub(crate) fn network_beside<T: Scalar>(
        &self,
        config: &NetworkConfig,
        name: impl Fn(&str) -> String,
        other: impl Fn(&str) -> bool,
    ) -> Result<Network<T>> {
        let refused = |cause| Error::Library { place: self.place.clone(), cause };
        let mut slots = slots(config).map_err(refused)?;
        for slot in &mut slots {
            slot.name = name(&slot.name);
        }
        let known: HashSet<&str> = slots.iter().map(|slot| slot.name.as_str()).collect();
        let over = |name: &&String| !known.contains(name.as_str()) && !other(name);
        if let Some(name) = self.names().iter().find(over) {
            return Err(self.unfit(name, "no such tensor in this network"));
        }
        let (mut parameters, mut buffers) = (Vec::new(), Vec::new());
        for slot in &slots {
            match slot.part {
                Part::Parameters => self.values(slot, &mut parameters)?,
                Part::Buffers => self.values(slot, &mut buffers)?,
                Part::Count => match self.header.info(&slot.name) {
                    Some(info) if !info.shape.is_empty() => return Err(self.unfit(&slot.name, "one number")),
                    _ => {}
                },
            }
        }
        Network::from_parts(config.layers().map_err(refused)?, &parameters, &buffers).map_err(refused)
    }

    /// Appends the values of a tensor to the flat vector: column after column.
    fn values<T: Scalar>(&self, slot: &Slot, to: &mut Vec<T>) -> Result<()> {
        let (rows, columns) = (slot.rows, slot.columns.unwrap_or(1));
        let values: Vec<T> = self.vector(&slot.name, Some(&slot.shape()))?;
        to.reserve(values.len());
        // As many as the shape says: where there are any, these are no sizes to be afraid of.
        for column in 0..if values.is_empty() { 0 } else { columns } {
            to.extend((0..rows).map(|row| values[row * columns + column]));
        }
        Ok(())
    }

    /// The values of a tensor, of a shape that is asked for.
    pub(crate) fn vector<T: Scalar>(&self, name: &str, shape: Option<&[usize]>) -> Result<Vec<T>> {
        let expected = |shape: &[usize]| format!("floating-point numbers of shape {shape:?}");
        let Some(info) = self.header.info(name) else {
            return Err(self.unfit(name, expected(shape.unwrap_or_default())));
        };
        if shape.is_some_and(|shape| shape != info.shape) {
            return Err(self.unfit(name, expected(shape.unwrap_or_default())));
        }
        let (from, to) = info.data_offsets;
        let bytes = &self.bytes[self.start..][from..to];
        let values: Vec<T> = match info.dtype {
            Dtype::F64 => numbers(bytes, f64::from_le_bytes),
            Dtype::F32 => numbers(bytes, |bytes| f32::from_le_bytes(bytes).into()),
            Dtype::F16 => numbers(bytes, |bytes| f16::from_le_bytes(bytes).to_f64()),
            Dtype::BF16 => numbers(bytes, |bytes| bf16::from_le_bytes(bytes).to_f64()),
            _ => return Err(self.unfit(name, expected(&info.shape))),
        };
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(Error::NotFinite {
                place: self.place.clone(),
                element: element(name, at, &info.shape),
                value: values[at].as_f64(),
            }),
            None => Ok(values),
        }
    }

    fn unfit(&self, name: &str, expected: impl Into<String>) -> Error {
        let described = |info: &TensorInfo| format!("{:?} of shape {:?}", info.dtype, info.shape);
        Error::Tensor {
            place: self.place.clone(),
            tensor: name.to_owned(),
            found: self.header.info(name).map_or("none".to_owned(), described),
            expected: expected.into(),
        }
    }
}

fn numbers<T: Scalar, const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&bytes| T::of(number(bytes))).collect()
}

/// The name of an element: `0.weight[3, 17]`.
fn element(name: &str, at: usize, shape: &[usize]) -> String {
    match *shape {
        [_, columns] if columns > 0 => format!("{name}[{}, {}]", at / columns, at % columns),
        _ => format!("{name}[{at}]"),
    }
}

/// A tensor to write.
#[derive(Clone, Debug)]
pub(crate) struct Tensor<'a, T> {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Column after column where there are two dimensions.
    values: &'a [T],
}

impl<'a, T: Scalar> Tensor<'a, T> {
    /// A vector.
    pub(crate) fn vector(values: &'a [T]) -> Self {
        Self { dtype: ElementType::of::<T>().dtype(), shape: vec![values.len()], values }
    }
}

/// Tensors with their names.
pub(crate) type Named<'a, T> = Vec<(String, Tensor<'a, T>)>;

impl<T: Scalar> View for Tensor<'_, T> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = Vec::with_capacity(self.data_len());
        let mut write = |value: T| match self.dtype {
            Dtype::F64 => bytes.extend(value.as_f64().to_le_bytes()),
            // It is an f32: nothing is rounded.
            Dtype::F32 => bytes.extend(value.to_f32().unwrap_or(f32::NAN).to_le_bytes()),
            _ => bytes.extend(0_i64.to_le_bytes()),
        };
        match *self.shape {
            [rows, columns] => {
                for row in 0..rows {
                    (0..columns).for_each(|column| write(self.values[column * rows + row]));
                }
            }
            [] => write(T::zero()),
            _ => self.values.iter().copied().for_each(write),
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// The tensors of a network with its description.
///
/// # Errors
/// [`Error::Library`] for a layer of a foreign kind, [`Error::NotFinite`].
pub(crate) fn tensors<'a, T: Scalar>(
    network: &'a Network<T>,
    place: &str,
) -> Result<(NetworkConfig, Named<'a, T>)> {
    let refused = |cause| Error::Library { place: place.to_owned(), cause };
    let config = network.config().map_err(refused)?;
    let (mut parameters, mut buffers) = (network.parameters(), network.buffers());
    let mut tensors = Vec::new();
    for slot in slots(&config).map_err(refused)? {
        let shape = slot.shape();
        let len = shape.iter().product();
        let (dtype, values);
        match slot.part {
            Part::Parameters => {
                dtype = ElementType::of::<T>().dtype();
                (values, parameters) = parameters.split_at(len);
            }
            Part::Buffers => {
                dtype = ElementType::of::<T>().dtype();
                (values, buffers) = buffers.split_at(len);
            }
            Part::Count => (dtype, values) = (Dtype::I64, &[][..]),
        }
        tensors.push((slot.name, Tensor { dtype, shape, values }));
    }
    Ok((config, tensors))
}

/// The bytes of a file with these tensors and metadata; the same for the same.
///
/// # Errors
/// [`Error::NotFinite`]: what could not be read is not written.
pub(crate) fn serialize<T: Scalar>(
    tensors: Named<'_, T>,
    metadata: HashMap<String, String>,
    place: &str,
) -> Result<Vec<u8>> {
    for (name, tensor) in &tensors {
        if let Some(at) = tensor.values.iter().position(|value| !value.is_finite()) {
            let value = tensor.values[at].as_f64();
            let element = match *tensor.shape {
                [rows, _] => format!("{name}[{}, {}]", at % rows, at / rows),
                _ => format!("{name}[{at}]"),
            };
            return Err(Error::NotFinite { place: place.to_owned(), element, value });
        }
    }
    let impossible = |error: &dyn fmt::Display| Error::unfit(place, error.to_string(), "a network to write");
    let mut bytes = safetensors::serialize(tensors, Some(metadata)).map_err(|error| impossible(&error))?;
    // The metadata come in the order of a hash table, which is another one each time.
    let (length, rest) = bytes.split_first_chunk_mut().ok_or_else(|| impossible(&"no header"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|error| impossible(&error))?;
    let header = &mut rest[..length];
    let sorted: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_slice(header).map_err(|error| impossible(&error))?;
    let sorted = serde_json::to_vec(&sorted).map_err(|error| impossible(&error))?;
    header.fill(b' ');
    header[..sorted.len()].copy_from_slice(&sorted);
    Ok(bytes)
}
