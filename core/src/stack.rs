//! Layers in a chain, and where each has its place: what a network and a block of layers have in common.

use std::ops::Range;
use std::sync::Arc;

use crate::layer::{Kept, Layer, Parameter, matrix};
use crate::random::Generator;
use crate::{Error, Result, Scalar};

/// Layers that fit together, and the range of each in flat vectors of parameters and of buffers.
#[derive(Clone, Debug)]
pub(crate) struct Stack<T> {
    pub(crate) layers: Vec<Arc<dyn Layer<T>>>,
    pub(crate) ranges: Vec<Range<usize>>,
    pub(crate) buffer_ranges: Vec<Range<usize>>,
}

impl<T: Scalar> Stack<T> {
    /// # Errors
    /// [`Error::Empty`] without layers or with a layer of size 0, [`Error::Shape`] if a layer's inputs are not the outputs of the
    /// one before, and what [`Layer::check`] finds.
    pub(crate) fn new(what: &'static str, layers: Vec<Arc<dyn Layer<T>>>) -> Result<Self> {
        let Some(first) = layers.first() else {
            return Err(Error::Empty { what, expected: "layer" });
        };
        let mut size = first.input_size();
        for layer in &layers {
            if layer.input_size() != size {
                return Err(Error::Shape {
                    operation: "building a network",
                    operand: "a layer's input",
                    found: layer.input_size().into(),
                    expected: size.into(),
                });
            }
            if size == 0 || layer.output_size() == 0 {
                return Err(Error::Empty { what: "a layer", expected: "input and output" });
            }
            layer.check()?;
            size = layer.output_size();
        }
        check_len(layers.iter().flat_map(|layer| layer.parameters()))?;
        check_len(layers.iter().flat_map(|layer| layer.buffers()))?;
        let ranges = in_turn(layers.iter().map(|layer| layer.parameters()));
        let buffer_ranges = in_turn(layers.iter().map(|layer| layer.buffers()));
        Ok(Self { layers, ranges, buffer_ranges })
    }

    pub(crate) fn input_size(&self) -> usize {
        self.layers[0].input_size()
    }

    pub(crate) fn last(&self) -> &dyn Layer<T> {
        &*self.layers[self.layers.len() - 1]
    }

    /// How many parameters all layers have together.
    pub(crate) fn parameters_len(&self) -> usize {
        self.ranges.last().map_or(0, |range| range.end)
    }

    /// How many scalars all layers keep in their buffers.
    pub(crate) fn buffers_len(&self) -> usize {
        self.buffer_ranges.last().map_or(0, |range| range.end)
    }

    /// Sets the parameters to their initial values.
    pub(crate) fn initialize(&self, generator: &mut Generator, parameters: &mut [T]) {
        for (layer, range) in self.layers.iter().zip(&self.ranges) {
            layer.initialize(generator, &mut parameters[range.clone()]);
        }
    }

    /// Sets the buffers to their initial values.
    pub(crate) fn initialize_buffers(&self, buffers: &mut [T]) {
        for (layer, range) in self.layers.iter().zip(&self.buffer_ranges) {
            layer.initialize_buffers(&mut buffers[range.clone()]);
        }
    }

    /// Carries the statistics of the pass that left `memory` over into the buffers.
    pub(crate) fn update_buffers(&self, rows: usize, memory: &[T], buffers: &mut [T]) {
        let mut rest = memory;
        for (layer, range) in self.layers.iter().zip(&self.buffer_ranges) {
            let place = Place::of(&**layer, rows);
            let (mine, after) = rest.split_at(place.len());
            rest = after;
            if !range.is_empty() {
                layer.update_buffers(place.kept(mine), &mut buffers[range.clone()]);
            }
        }
    }

    /// The scalars that all outputs and scratches of a pass with so many rows take.
    pub(crate) fn memory_len(&self, rows: usize) -> usize {
        self.layers.iter().fold(0, |sum, layer| sum.saturating_add(Place::of(&**layer, rows).len()))
    }

    /// The scalars that the layer in most need of them needs to work in.
    pub(crate) fn work_len(&self, rows: usize) -> usize {
        self.layers.iter().map(|layer| layer.work_len(rows)).max().unwrap_or(0)
    }

    /// The largest number of outputs of a layer.
    pub(crate) fn widest(&self) -> usize {
        self.layers.iter().map(|layer| layer.output_size()).max().unwrap_or(0)
    }

    /// How many layers there are, those inside of others counted as well.
    pub(crate) fn count(&self) -> usize {
        self.layers.iter().map(|layer| layer.count()).sum()
    }
}

/// Refuses more scalars than memory could have addresses for.
fn check_len<'a>(mut parameters: impl Iterator<Item = &'a Parameter>) -> Result<()> {
    let largest = isize::MAX.unsigned_abs() / 64;
    let mut sum = 0_usize;
    let too_large = parameters.find(|parameter| {
        let len = parameter.rows.saturating_mul(parameter.columns.unwrap_or(1));
        sum = sum.saturating_add(len);
        sum > largest
    });
    match too_large {
        Some(Parameter { rows, columns, .. }) => {
            let shape = columns.map_or(rows.to_string(), |columns| format!("{rows}×{columns}"));
            Err(Error::setting(
                "the shape of a parameter",
                shape,
                "one that fits into memory with the others",
            ))
        }
        None => Ok(()),
    }
}

/// Consecutive ranges, as long as each layer's parameters together.
fn in_turn<'a>(parameters: impl Iterator<Item = &'a [Parameter]>) -> Vec<Range<usize>> {
    let mut end = 0;
    let next = |parameters: &[Parameter]| {
        let start = end;
        end += parameters.iter().map(Parameter::len).sum::<usize>();
        start..end
    };
    parameters.map(next).collect()
}

/// Pieces of memory begin at multiples of this many scalars, so that vector loads do not straddle lines.
fn padded(len: usize) -> usize {
    len.checked_next_multiple_of(16).unwrap_or(usize::MAX)
}

/// The lengths of what a layer has in the memory of a pass with so many rows: its output, then its scratch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    scratch: usize,
    /// The output's, padded.
    output: usize,
}

impl Place {
    #[inline]
    pub(crate) fn of<T: Scalar>(layer: &dyn Layer<T>, rows: usize) -> Self {
        let columns = layer.output_size();
        let output = padded(rows.saturating_mul(columns));
        Self { rows, columns, scratch: layer.scratch_len(rows), output }
    }

    /// The scalars that both take.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.output.saturating_add(padded(self.scratch))
    }

    /// The output (with more scalars than it needs) and the scratch.
    #[inline]
    pub(crate) fn split_mut<T>(self, place: &mut [T]) -> (&mut [T], &mut [T]) {
        let (output, scratch) = place.split_at_mut(self.output);
        (output, &mut scratch[..self.scratch])
    }

    /// What the forward pass left there.
    #[inline]
    pub(crate) fn kept<T>(self, place: &[T]) -> Kept<'_, T> {
        let (output, scratch) = place.split_at(self.output);
        Kept { output: matrix(output, self.rows, self.columns), scratch: &scratch[..self.scratch] }
    }
}
