//! Layers without parameters: softmax and its logarithm, and an activation that stands alone.

use ndarray::ArrayRef2;

use crate::layer::{Kept, Layer, Pass, matrix, matrix_mut};
use crate::loss::{Link, link_of};
use crate::{Activation, LayerConfig, Result, Scalar, Slope};

/// Softmax over the row, p_i = e^(z_i) / Σ_j e^(z_j), with its full Jacobian diag(p) − p pᵀ.
///
/// Last in a network that is trained by [`CrossEntropy`](crate::CrossEntropy), it is taken in by the loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    size: usize,
}

impl Softmax {
    /// Softmax over n values.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size }
    }
}

impl<T: Scalar> Layer<T> for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn input_size(&self) -> usize {
        self.size
    }

    fn output_size(&self) -> usize {
        self.size
    }

    fn config(&self) -> Option<LayerConfig> {
        Some(LayerConfig::Softmax {})
    }

    fn link(&self) -> Option<Link> {
        Some(Link::Softmax)
    }

    fn forward(&self, pass: &Pass<'_, T>, _scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
        output.assign(&pass.input);
        if pass.without_link { Ok(()) } else { pass.backend.softmax(output) }
    }

    /// Δz = (diag(p) − p pᵀ) Δp.
    fn backward(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        below.assign(delta);
        if pass.without_link { Ok(()) } else { pass.backend.softmax_backward(&kept.output, below) }
    }
}

/// The logarithm of softmax over the row, ln p_i = z_i − m − ln Σ_j e^(z_j − m) with m the largest z; Δz = δ − p Σ_j δ_j. PyTorch's
/// `LogSoftmax`.
///
/// Last in a network that is trained by [`CrossEntropy`](crate::CrossEntropy), it is taken in by the loss, which is the same from z as
/// from ln p. [`KlDivergence`](crate::KlDivergence) is computed from its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSoftmax {
    size: usize,
}

impl LogSoftmax {
    /// The logarithm of softmax over n values.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size }
    }
}

impl<T: Scalar> Layer<T> for LogSoftmax {
    fn name(&self) -> &'static str {
        "log-softmax"
    }

    fn input_size(&self) -> usize {
        self.size
    }

    fn output_size(&self) -> usize {
        self.size
    }

    fn config(&self) -> Option<LayerConfig> {
        Some(LayerConfig::LogSoftmax {})
    }

    fn link(&self) -> Option<Link> {
        Some(Link::Softmax)
    }

    fn forward(&self, pass: &Pass<'_, T>, _scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
        output.assign(&pass.input);
        if pass.without_link { Ok(()) } else { pass.backend.log_softmax(output) }
    }

    fn backward(
        &self,
        pass: &Pass<'_, T>,
        kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        below.assign(delta);
        if pass.without_link { Ok(()) } else { pass.backend.log_softmax_backward(&kept.output, below) }
    }
}

/// An activation as a layer of its own, a = g(z). A dense layer's own activation is cheaper.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elementwise {
    size: usize,
    activation: Activation,
}

impl Elementwise {
    /// g over n values.
    #[must_use]
    pub fn new(size: usize, activation: Activation) -> Self {
        Self { size, activation }
    }
}

impl<T: Scalar> Layer<T> for Elementwise {
    fn name(&self) -> &'static str {
        self.activation.name()
    }

    fn input_size(&self) -> usize {
        self.size
    }

    fn output_size(&self) -> usize {
        self.size
    }

    fn config(&self) -> Option<LayerConfig> {
        Some(LayerConfig::Activation { function: self.activation })
    }

    fn check(&self) -> Result<()> {
        self.activation.check()
    }

    fn scratch_len(&self, batch: usize) -> usize {
        if self.activation.saves_output() { 0 } else { batch * self.size }
    }

    fn link(&self) -> Option<Link> {
        link_of(self.activation)
    }

    fn forward(&self, pass: &Pass<'_, T>, scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
        output.assign(&pass.input);
        if pass.without_link {
            return Ok(());
        }
        if !self.activation.saves_output() {
            matrix_mut(scratch, output.nrows(), self.size).assign(output);
        }
        pass.backend.activate(self.activation, output)
    }

    fn slope<'a>(&self, without_link: bool, kept: Kept<'a, T>) -> Option<Slope<'a, T>> {
        let saved = if self.activation.saves_output() {
            kept.output
        } else {
            matrix(kept.scratch, kept.output.nrows(), self.size)
        };
        (!without_link).then_some(Slope { activation: self.activation, saved })
    }

    fn backward(
        &self,
        _pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        below.assign(delta);
        Ok(())
    }
}
