//! Backpropagation: the page to read first.
//!
//! For layer k feeding layer j, with the activations a, the weights W and b, and the loss L:
//!
//! ```text
//! z_j = W a_k + b      a_j = g(z_j)            forward propagation
//! Δa_y = ∂L/∂a_y                               change in loss, y being the last layer
//! δ_j = Δa_j ⊙ g′(z_j)                         Hadamard product
//! ΔW = δ_j ⊗ a_k = δ_j a_kᵀ    Δb = δ_j        change in weights
//! Δa_k = Wᵀ δ_j                                change in activation
//! W′ = W − α ΔW                                gradient descent, ΔW being the average over a mini-batch
//! ```
//!
//! A batch has one row per sample, so that W a_k becomes X Wᵀ, Wᵀ δ_j becomes δ W, and δ_j a_kᵀ summed over the samples becomes
//! δᵀ X. What a layer does in each line is its own affair (see [`Dense`](crate::Dense)); this file only hands the changes from
//! layer to layer.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayRef2, ArrayView2, Axis, Slice};

use crate::aligned::Aligned;
use crate::layer::{Layer, Mode, Pass, matrix_mut, rows_of};
use crate::targets::check_finite;
use crate::workspace::LayerBuffers;
use crate::{Accumulate, Backend, Descent, Loss, Network, Result, Scalar, Score, Targets, Workspace};

/// What becomes of a layer's δ.
enum Change<'a, T> {
    /// ΔW = δᵀ X over the batch, kept in the gradient.
    Batch { parameters: &'a [T], how: Accumulate, gradient: &'a mut [T] },
    /// ΔW = δ ⊗ a of a single example, kept in the gradient.
    Example { parameters: &'a [T], how: Accumulate, gradient: &'a mut [T] },
    /// W′ = β W − α ΔW at once.
    Descend { step: Descent<T>, parameters: &'a mut [T], gradient: &'a mut [T] },
}

/// A network's layers without their parameters, and what a pass through them shares.
struct Chain<'a, T> {
    layers: &'a [Arc<dyn Layer<T>>],
    ranges: &'a [Range<usize>],
    backend: &'a dyn Backend<T>,
    inputs: ArrayView2<'a, T>,
    mode: Mode,
    /// Whether the loss takes in the link of the last layer.
    without_link: bool,
}

impl<T: Scalar> Chain<'_, T> {
    fn rows(&self) -> usize {
        self.inputs.nrows()
    }

    /// The pass of layer j; `before` are the buffers of the layers below it.
    fn pass<'p>(&'p self, j: usize, before: &'p [LayerBuffers<T>], parameters: &'p [T]) -> Pass<'p, T> {
        Pass {
            backend: self.backend,
            parameters,
            input: before.last().map_or(self.inputs.view(), |k| k.output(self.rows())),
            mode: self.mode,
            index: j,
            without_link: self.without_link && j + 1 == self.layers.len(),
        }
    }

    /// z_j = W a_k + b, a_j = g(z_j), for every layer j from the first to the last.
    fn forward(&self, parameters: &[T], buffers: &mut [LayerBuffers<T>]) -> Result<()> {
        for (j, layer) in self.layers.iter().enumerate() {
            let (before, rest) = buffers.split_at_mut(j);
            let pass = self.pass(j, before, &parameters[self.ranges[j].clone()]);
            let (mut a_j, scratch) = rest[0].parts_mut(self.rows());
            layer.forward(&pass, scratch, &mut a_j)?;
        }
        Ok(())
    }

    /// The change in every layer's weights, from Δa_y in `delta`; `below` is a place to work in.
    fn backward(
        &self,
        buffers: &[LayerBuffers<T>],
        delta: &mut Aligned<T>,
        below: &mut Aligned<T>,
        mut change: Change<'_, T>,
    ) -> Result<()> {
        let rows = self.rows();
        let y = self.layers.len() - 1;
        // δ_y = Δa_y ⊙ g′(z_y)
        if let Some(slope) = self.layers[y].slope(self.without_link, buffers[y].kept(rows)) {
            let mut delta = matrix_mut(delta, rows, self.layers[y].output_size());
            self.backend.apply_slope(slope, &mut delta)?;
        }
        for j in (0..=y).rev() {
            let layer = &self.layers[j];
            let range = self.ranges[j].clone();
            let kept = buffers[j].kept(rows);
            let delta_j = matrix_mut(delta, rows, layer.output_size());
            // Nothing lies below the first layer: nobody needs the change in the inputs.
            if j > 0 {
                let pass = self.pass(j, &buffers[..j], &change.parameters()[range.clone()]);
                let mut delta_k = matrix_mut(below, rows, layer.input_size());
                match self.layers[j - 1].slope(false, buffers[j - 1].kept(rows)) {
                    // δ_k = Δa_k ⊙ g′(z_k), with Δa_k = Wᵀ δ_j
                    Some(slope) => layer.backward_through(&pass, kept, &delta_j, slope, &mut delta_k)?,
                    // Δa_k = Wᵀ δ_j
                    None => layer.backward(&pass, kept, &delta_j, &mut delta_k)?,
                }
            }
            match &mut change {
                // ΔW = δ_j a_kᵀ, Δb = δ_j
                Change::Batch { parameters, how, gradient } => {
                    let pass = self.pass(j, &buffers[..j], &parameters[range.clone()]);
                    layer.gradient(&pass, kept, &delta_j, *how, &mut gradient[range])?;
                }
                // ΔW = δ_j ⊗ a_k, Δb = δ_j
                Change::Example { parameters, how, gradient } => {
                    let pass = self.pass(j, &buffers[..j], &parameters[range.clone()]);
                    layer.gradient_of_example(&pass, kept, &delta_j, *how, &mut gradient[range])?;
                }
                // W′ = W − α ΔW
                Change::Descend { step, parameters, gradient } => {
                    let pass = self.pass(j, &buffers[..j], &[]);
                    let gradient = &mut gradient[range.clone()];
                    layer.descend(&pass, kept, &delta_j, *step, gradient, &mut parameters[range])?;
                }
            }
            mem::swap(delta, below);
        }
        Ok(())
    }
}

impl<T> Change<'_, T> {
    fn parameters(&self) -> &[T] {
        match self {
            Self::Batch { parameters, .. } | Self::Example { parameters, .. } => parameters,
            Self::Descend { parameters, .. } => parameters,
        }
    }
}

impl<T: Scalar> Network<T> {
    /// Forward propagation of a batch (inputs batch × n_x); the outputs are batch × n_y.
    ///
    /// Nothing is allocated. The activations of all layers stay in the workspace.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the inputs do not fit the network or the workspace.
    pub fn forward<'w>(
        &self,
        backend: &dyn Backend<T>,
        inputs: &ArrayRef2<T>,
        workspace: &'w mut Workspace<T>,
    ) -> Result<ArrayView2<'w, T>> {
        workspace.check(self, inputs.dim(), false)?;
        workspace.rows = inputs.nrows();
        let chain = self.chain(backend, inputs, Mode::Evaluate, false);
        chain.forward(self.parameters(), &mut workspace.layers)?;
        Ok(workspace.output())
    }

    /// The outputs for any number of inputs (n × n_x), n × n_y.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the inputs do not fit the network,
    /// [`Error::NonFinite`](crate::Error::NonFinite) if one of them is not a finite number.
    pub fn predict(&self, backend: &dyn Backend<T>, inputs: &ArrayRef2<T>) -> Result<Array2<T>> {
        check_finite("inputs", inputs)?;
        let mut outputs = Array2::zeros((inputs.nrows(), self.output_size()));
        let batch = inputs.nrows().clamp(1, 1024);
        let mut workspace = Workspace::for_inference(self, batch)?;
        if inputs.nrows() == 0 {
            return workspace.check(self, inputs.dim(), false).map(|()| outputs);
        }
        for start in (0..inputs.nrows()).step_by(batch) {
            let end = inputs.nrows().min(start + batch);
            let output = self.forward(backend, &rows_of(inputs.view(), start, end), &mut workspace)?;
            outputs.slice_axis_mut(Axis(0), Slice::from(start..end)).assign(&output);
        }
        Ok(outputs)
    }

    /// Forward propagation as far as the loss needs it, and the loss.
    ///
    /// # Errors
    /// As [`Network::gradient`].
    pub fn score(
        &self,
        backend: &dyn Backend<T>,
        loss: &dyn Loss<T>,
        inputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        workspace: &mut Workspace<T>,
    ) -> Result<Score> {
        workspace.check(self, inputs.dim(), false)?;
        workspace.rows = inputs.nrows();
        let chain = self.chain(backend, inputs, Mode::Evaluate, self.ends_with_link_of(loss));
        chain.forward(self.parameters(), &mut workspace.layers)?;
        loss.evaluate(backend, &workspace.output(), targets, None)
    }

    /// The gradient of the mean loss of a batch by all parameters, by the matrix product.
    ///
    /// It replaces or is added to [`Workspace::gradient`]. Inputs are batch × n_x. Nothing is allocated.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the inputs or targets do not fit the network or the workspace,
    /// [`Error::Label`](crate::Error::Label) for a class without an output.
    #[expect(clippy::too_many_arguments, reason = "these are what a gradient depends on")]
    pub fn gradient(
        &self,
        backend: &dyn Backend<T>,
        loss: &dyn Loss<T>,
        inputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        mode: Mode,
        how: Accumulate,
        workspace: &mut Workspace<T>,
    ) -> Result<Score> {
        workspace.check(self, inputs.dim(), true)?;
        workspace.rows = inputs.nrows();
        let chain = self.chain(backend, inputs, mode, self.ends_with_link_of(loss));
        let Workspace { layers, delta, below, gradient, .. } = workspace;
        chain.forward(self.parameters(), layers)?;
        let score = change_in_loss(&chain, loss, targets, layers, delta)?;
        chain.backward(
            layers,
            delta,
            below,
            Change::Batch { parameters: self.parameters(), how, gradient },
        )?;
        Ok(score)
    }

    /// The gradient in its textbook form: example after example, each by the outer product, then averaged.
    ///
    /// It equals [`Network::gradient`] up to rounding, for layers that treat each example by itself.
    ///
    /// # Errors
    /// As [`Network::gradient`].
    pub fn gradient_by_example(
        &self,
        backend: &dyn Backend<T>,
        loss: &dyn Loss<T>,
        inputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        mode: Mode,
        workspace: &mut Workspace<T>,
    ) -> Result<Score> {
        workspace.check(self, (inputs.nrows().min(1), inputs.ncols()), true)?;
        targets.check("a gradient", inputs.nrows(), targets.columns().unwrap_or(usize::MAX))?;
        workspace.rows = 1;
        let Workspace { layers, delta, below, gradient, .. } = workspace;
        gradient.fill(T::zero());
        let (mut sum, mut correct) = (0.0, Some(0));
        for i in 0..inputs.nrows() {
            let example = rows_of(inputs.view(), i, i + 1);
            let chain = self.chain(backend, &example, mode, self.ends_with_link_of(loss));
            chain.forward(self.parameters(), layers)?;
            let score = change_in_loss(&chain, loss, targets.slice(i, i + 1), layers, delta)?;
            let (parameters, how) = (self.parameters(), Accumulate::Add);
            chain.backward(
                layers,
                delta,
                below,
                Change::Example { parameters, how, gradient: &mut *gradient },
            )?;
            sum += score.loss;
            correct = correct.zip(score.correct).map(|(a, b)| a + b);
        }
        let n = inputs.nrows().max(1) as f64;
        for dw in gradient.iter_mut() {
            *dw /= T::of(n);
        }
        Ok(Score { loss: sum / n, correct })
    }

    /// One step of gradient descent on a batch, W′ = β W − α ΔW, where nobody needs the gradient itself.
    ///
    /// The same as [`Network::gradient`] and [`Backend::descend`], but a backend may update each weight where its change is
    /// computed. Afterwards [`Workspace::gradient`] is not specified. Biases do not decay. Nothing is allocated. If the loss is not
    /// finite, it is returned and no parameter changes.
    ///
    /// # Errors
    /// As [`Network::gradient`].
    #[expect(clippy::too_many_arguments, reason = "these are what a step depends on")]
    pub fn descend(
        &mut self,
        backend: &dyn Backend<T>,
        loss: &dyn Loss<T>,
        inputs: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        mode: Mode,
        step: Descent<T>,
        workspace: &mut Workspace<T>,
    ) -> Result<Score> {
        workspace.check(self, inputs.dim(), true)?;
        workspace.rows = inputs.nrows();
        let without_link = self.ends_with_link_of(loss);
        let Workspace { layers: buffers, delta, below, gradient, .. } = workspace;
        let Self { layers, ranges, parameters } = self;
        let chain = Chain { layers, ranges, backend, inputs: inputs.view(), mode, without_link };
        chain.forward(parameters, buffers)?;
        let score = change_in_loss(&chain, loss, targets, buffers, delta)?;
        if !score.loss.is_finite() {
            return Ok(score);
        }
        chain.backward(buffers, delta, below, Change::Descend { step, parameters, gradient })?;
        Ok(score)
    }

    fn chain<'a>(
        &'a self,
        backend: &'a dyn Backend<T>,
        inputs: &'a ArrayRef2<T>,
        mode: Mode,
        without_link: bool,
    ) -> Chain<'a, T> {
        let (layers, ranges) = (&self.layers, &self.ranges);
        Chain { layers, ranges, backend, inputs: inputs.view(), mode, without_link }
    }

    /// Whether the network ends with the very function that the loss contains.
    fn ends_with_link_of(&self, loss: &dyn Loss<T>) -> bool {
        let last = self.layers().last().and_then(|layer| layer.link());
        last.is_some() && last == loss.link()
    }
}

/// Δa_y = ∂L/∂a_y, into `delta`.
fn change_in_loss<T: Scalar>(
    chain: &Chain<'_, T>,
    loss: &dyn Loss<T>,
    targets: Targets<'_, T>,
    buffers: &[LayerBuffers<T>],
    delta: &mut [T],
) -> Result<Score> {
    let a_y = buffers[buffers.len() - 1].output(chain.rows());
    let mut delta = matrix_mut(delta, a_y.nrows(), a_y.ncols());
    loss.evaluate(chain.backend, &a_y, targets, Some(&mut delta))
}
