//! The residual block: layers, and a way around them.

use std::sync::Arc;

use ndarray::ArrayRef2;

use crate::backprop::Chain;
use crate::config::configs;
use crate::layer::{Below, Change, Kept, Layer, Parameter, Pass, elements, matrix};
use crate::random::Generator;
use crate::stack::Stack;
use crate::{Accumulate, Error, LayerConfig, Result, Scalar};

/// A residual (skip) block: a_j = F(a_k) + a_k, with F a chain of layers that has as many outputs as inputs.
///
/// Δa_k = Jᵀ δ_j + δ_j, where Jᵀ δ_j is what backpropagation through F gives. He et al., arXiv 1512.03385.
///
/// Its parameters are those of the layers inside, which are named by their position: `"0.weight"`. In PyTorch this is
///
/// ```text
/// class Residual(torch.nn.Sequential):
///     def forward(self, x):
///         return x + super().forward(x)
/// ```
#[derive(Clone, Debug)]
pub struct Residual<T> {
    stack: Stack<T>,
    parameters: Vec<Parameter>,
    buffers: Vec<Parameter>,
}

impl<T: Scalar> Residual<T> {
    /// A way around a chain of layers.
    ///
    /// # Errors
    /// As [`Network::new`](crate::Network::new); [`Error::Shape`] if there are not as many outputs as inputs.
    pub fn new(layers: Vec<Arc<dyn Layer<T>>>) -> Result<Self> {
        let stack = Stack::new("a residual block", layers)?;
        let (inputs, outputs) = (stack.input_size(), stack.last().output_size());
        if inputs != outputs {
            return Err(Error::Shape {
                operation: "building a residual block",
                operand: "the outputs of its last layer",
                found: outputs.into(),
                expected: inputs.into(),
            });
        }
        let parameters = stack.layers.iter().flat_map(|layer| layer.parameters().to_vec()).collect();
        let buffers = stack.layers.iter().flat_map(|layer| layer.buffers().to_vec()).collect();
        Ok(Self { stack, parameters, buffers })
    }

    /// The layers inside.
    #[must_use]
    pub fn layers(&self) -> &[Arc<dyn Layer<T>>] {
        &self.stack.layers
    }

    fn size(&self) -> usize {
        self.stack.input_size()
    }

    fn chain<'a>(&'a self, pass: &'a Pass<'_, T>) -> Chain<'a, T> {
        Chain {
            stack: &self.stack,
            buffers: pass.buffers,
            backend: pass.backend,
            inputs: pass.input.view(),
            mode: pass.mode,
            first: pass.index + 1,
            without_link: false,
        }
    }

    /// The names of something of the layers inside, each after its layer's position.
    fn names(&self, of: impl Fn(&dyn Layer<T>) -> Vec<String>) -> Vec<String> {
        let layers = self.stack.layers.iter().enumerate();
        layers
            .flat_map(|(i, layer)| of(&**layer).into_iter().map(move |name| format!("{i}.{name}")))
            .collect()
    }
}

impl<T: Scalar> Layer<T> for Residual<T> {
    fn name(&self) -> &'static str {
        "residual"
    }

    fn input_size(&self) -> usize {
        self.size()
    }

    fn output_size(&self) -> usize {
        self.size()
    }

    fn config(&self) -> Option<LayerConfig> {
        Some(LayerConfig::Residual { layers: configs(self.layers())? })
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn parameter_names(&self) -> Vec<String> {
        self.names(|layer| layer.parameter_names())
    }

    fn initialize(&self, generator: &mut Generator, parameters: &mut [T]) {
        self.stack.initialize(generator, parameters);
    }

    fn buffers(&self) -> &[Parameter] {
        &self.buffers
    }

    fn buffer_names(&self) -> Vec<String> {
        self.names(|layer| layer.buffer_names())
    }

    fn initialize_buffers(&self, buffers: &mut [T]) {
        self.stack.initialize_buffers(buffers);
    }

    fn update_buffers(&self, kept: Kept<'_, T>, buffers: &mut [T]) {
        self.stack.update_buffers(kept.output.nrows(), kept.scratch, buffers);
    }

    fn count(&self) -> usize {
        1 + self.stack.count()
    }

    /// The outputs and scratches of the layers inside.
    fn scratch_len(&self, batch: usize) -> usize {
        self.stack.memory_len(batch)
    }

    /// δ_j and δ_k of the layers inside, and what these need themselves.
    fn work_len(&self, batch: usize) -> usize {
        let widest = self.stack.widest().max(self.size());
        batch.saturating_mul(widest).saturating_mul(2).saturating_add(self.stack.work_len(batch))
    }

    fn forward(&self, pass: &Pass<'_, T>, scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
        let inner = self.chain(pass).forward(pass.parameters, scratch)?;
        output.assign(&pass.input);
        output.zip_mut_with(&inner, |a, &f| *a += f);
        Ok(())
    }

    /// By [`Layer::backpropagate`], with memory allocated for it.
    fn backward(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        let mut work = vec![T::zero(); self.work_len(delta.nrows())];
        let mut gradient = vec![T::zero(); pass.parameters.len()];
        let below = Below { delta: below.view_mut(), slope: None };
        let (parameters, how) = (pass.parameters, Accumulate::Replace);
        let change = Change::Batch { parameters, how, gradient: &mut gradient };
        self.backpropagate(pass, kept, delta, Some(below), change, &mut work)
    }

    /// By [`Layer::backpropagate`], with memory allocated for it.
    fn gradient(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        how: Accumulate,
        gradient: &mut [T],
    ) -> Result<()> {
        let mut work = vec![T::zero(); self.work_len(delta.nrows())];
        let change = Change::Batch { parameters: pass.parameters, how, gradient };
        self.backpropagate(pass, kept, delta, None, change, &mut work)
    }

    fn backpropagate(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: Option<Below<'_, '_, T>>,
        change: Change<'_, T>,
        work: &mut [T],
    ) -> Result<()> {
        let rows = delta.nrows();
        let widest = self.stack.widest().max(self.size());
        let (inner_delta, work) = work.split_at_mut(rows * widest);
        let (inner_below, work) = work.split_at_mut(rows * widest);
        inner_delta[..delta.len()].copy_from_slice(elements(delta));
        let chain = self.chain(pass);
        let to_inputs = below.is_some();
        let through = chain.backward(kept.scratch, inner_delta, inner_below, work, change, to_inputs)?;
        if let Some(Below { delta: mut below, slope }) = below {
            below.assign(delta);
            below.zip_mut_with(&matrix(through, rows, self.size()), |d, &f| *d += f);
            if let Some(slope) = slope {
                pass.backend.apply_slope(slope, &mut below)?;
            }
        }
        Ok(())
    }
}
