//! How samples are shaped on their way through the graph.

use super::graph::{described, unsupported};
use super::tensor::{MOST_DIMENSIONS, Tensor};
use crate::proto::{DimensionValue, NodeProto, ValueInfoProto};
use crate::{ElementType, Error, Result};

/// What is known of the shape of the values so far.
pub(super) struct Shape {
    /// The batch's size, if it is fixed.
    batch: Option<usize>,
    /// The dimensions of a sample, those known.
    pub(super) sample: Vec<Option<usize>>,
    /// The network's inputs, once they are known.
    pub(super) inputs: Option<usize>,
}

impl Shape {
    /// That of the input, and its element type.
    pub(super) fn new(input: &ValueInfoProto) -> Result<(Self, ElementType)> {
        let unfit = |found: String, expected: &str| {
            Error::unfit(format!("the input \"{}\"", input.name), found, expected)
        };
        let tensor = input.r#type.as_ref().and_then(|of| of.tensor_type.as_ref());
        let tensor = tensor.ok_or_else(|| unfit("no tensor".to_owned(), "a tensor"))?;
        let element = ElementType::from_code(tensor.elem_type)
            .ok_or_else(|| unfit(format!("data type {}", tensor.elem_type), "1 (FLOAT) or 11 (DOUBLE)"))?;
        let Some(shape) = &tensor.shape else {
            return Ok((Self { batch: None, sample: vec![None], inputs: None }, element));
        };
        let size = |dimension: &Option<DimensionValue>| match dimension {
            Some(DimensionValue::Value(size)) if *size < 1 => {
                Err(unfit(format!("a dimension of {size}"), "at least 1"))
            }
            Some(DimensionValue::Value(size)) => Ok(usize::try_from(*size).ok()),
            _ => Ok(None),
        };
        let dims: Vec<_> = shape.dim.iter().map(|dim| size(&dim.value)).collect::<Result<_>>()?;
        match *dims {
            [batch, ref sample @ ..] if (1..=MOST_DIMENSIONS).contains(&sample.len()) => {
                Ok((Self { batch, sample: sample.to_vec(), inputs: product(sample) }, element))
            }
            _ => Err(unfit(format!("{} dimensions", dims.len()), "2 to 17: the batch and its features")),
        }
    }

    /// How many features there are, if that is known.
    pub(super) fn features(&self) -> Option<usize> {
        product(&self.sample)
    }

    /// The number of features, which has to be n.
    pub(super) fn width(&mut self, node: &NodeProto, n: usize) -> Result<()> {
        match *self.sample {
            [Some(width)] if width == n => Ok(()),
            [None] => {
                self.sample = vec![Some(n)];
                self.inputs.get_or_insert(n);
                Ok(())
            }
            _ => {
                let found = format!("samples of shape {}", shown(&self.sample));
                Err(Error::unfit(described(node), found, format!("{n} features")))
            }
        }
    }

    /// A vector that has a number for each feature.
    pub(super) fn vector(&mut self, node: &NodeProto, tensor: Tensor) -> Result<Vec<f64>> {
        if tensor.dims.len() != 1 {
            let found = format!("a constant of shape {:?}", tensor.dims);
            return Err(Error::unfit(described(node), found, "a vector"));
        }
        self.width(node, tensor.values.len())?;
        Ok(tensor.values)
    }

    /// A constant that meets each sample: one number, or one for each feature.
    pub(super) fn columns(&mut self, node: &NodeProto, tensor: Tensor) -> Result<Vec<f64>> {
        let Tensor { dims, values } = tensor;
        let fits = if values.len() == 1 {
            dims.len() <= self.sample.len() + 1
        } else {
            let stripped =
                |dims: &[usize]| dims.iter().copied().skip_while(|&dim| dim == 1).collect::<Vec<_>>();
            match *self.sample {
                [None] if stripped(&dims).len() == 1 && !values.is_empty() => {
                    self.width(node, values.len())?;
                    true
                }
                _ => {
                    let sample: Option<Vec<usize>> = self.sample.iter().copied().collect();
                    sample.is_some_and(|sample| {
                        stripped(&sample) == stripped(&dims) && dims.len() <= sample.len() + 1
                    })
                }
            }
        };
        if fits {
            return Ok(values);
        }
        let expected = format!("one number, or one for each feature of {}", shown(&self.sample));
        Err(Error::unfit(described(node), format!("a constant of shape {dims:?}"), expected))
    }

    pub(super) fn last_axis(&self, node: &NodeProto, axis: i64) -> Result<()> {
        if self.sample.len() == 1 && (axis == 1 || axis == -1) {
            return Ok(());
        }
        Err(unsupported(
            node,
            format!("axis {axis} of samples of shape {} is not that of all features", shown(&self.sample)),
        ))
    }

    pub(super) fn flatten(&mut self, node: &NodeProto, axis: i64) -> Result<()> {
        let rank = i64::try_from(self.sample.len() + 1).unwrap_or(i64::MAX);
        if axis != 1 && axis != 1 - rank {
            return Err(unsupported(node, format!("axis {axis} does not leave a row for each sample")));
        }
        self.sample = vec![product(&self.sample)];
        Ok(())
    }

    /// To one row for each sample.
    pub(super) fn reshape(&mut self, node: &NodeProto, shape: &[i64]) -> Result<()> {
        let width = product(&self.sample);
        let is =
            |size: Option<usize>, given: i64| size.is_some_and(|size| usize::try_from(given) == Ok(size));
        let rows = |rows: i64| rows == 0 || is(self.batch, rows);
        let fits = match *shape {
            [batch, -1] => rows(batch),
            [batch, features] => (batch == -1 || rows(batch)) && is(width, features),
            _ => false,
        };
        if !fits {
            let why = format!(
                "to shape {shape:?}, samples of shape {} do not keep a row each",
                shown(&self.sample)
            );
            return Err(unsupported(node, why));
        }
        self.sample = vec![width];
        Ok(())
    }
}

/// How many features a sample has, if that is known and a number.
fn product(sample: &[Option<usize>]) -> Option<usize> {
    sample.iter().try_fold(1, |product: usize, &size| product.checked_mul(size?))
}

/// A sample's shape in messages.
pub(super) fn shown(sample: &[Option<usize>]) -> String {
    let sizes: Vec<_> =
        sample.iter().map(|size| size.map_or("?".to_owned(), |size| size.to_string())).collect();
    sizes.join("×")
}
