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
//! δᵀ X. What a layer does in each line is its own affair (see [`Dense`](crate::Dense), and
//! [`Layer::backpropagate`] for their order); this file only hands the changes from layer to layer.

use std::mem;

use ndarray::{Array2, ArrayRef2, ArrayView2, Axis, Slice};

use crate::layer::{Below, Change, Layer, Mode, Pass, matrix, matrix_mut, rows_of};
use crate::stack::{Place, Stack};
use crate::targets::check_finite;
use crate::{Accumulate, Backend, Descent, Loss, Network, Result, Scalar, Score, Targets, Workspace};

/// A chain of layers without their parameters, and what a pass through them shares: a network, or a block inside of one.
pub(crate) struct Chain<'a, T> {
    pub(crate) stack: &'a Stack<T>,
    pub(crate) buffers: &'a [T],
    pub(crate) backend: &'a dyn Backend<T>,
    pub(crate) inputs: ArrayView2<'a, T>,
    pub(crate) mode: Mode,
    /// The position of the first layer in the network.
    pub(crate) first: usize,
    /// Whether the loss takes in the link of the last layer.
    pub(crate) without_link: bool,
}

impl<T: Scalar> Chain<'_, T> {
    /// The pass of layer j, whose position in the network is `index`.
    fn pass<'p>(
        &'p self,
        j: usize,
        index: usize,
        input: ArrayView2<'p, T>,
        parameters: &'p [T],
    ) -> Pass<'p, T> {
        Pass {
            backend: self.backend,
            parameters,
            buffers: &self.buffers[self.stack.buffer_ranges[j].clone()],
            input,
            mode: self.mode,
            index,
            without_link: self.without_link && j + 1 == self.stack.layers.len(),
        }
    }

    /// z_j = W a_k + b, a_j = g(z_j), for every layer j from the first to the last. Returns a_y.
    pub(crate) fn forward<'m>(&self, parameters: &[T], memory: &'m mut [T]) -> Result<ArrayView2<'m, T>> {
        let rows = self.inputs.nrows();
        let (mut rest, mut index) = (memory, self.first);
        let mut below: Option<ArrayView2<'m, T>> = None;
        for (j, layer) in self.stack.layers.iter().enumerate() {
            let place = Place::of(&**layer, rows);
            let (mine, after) = rest.split_at_mut(place.len());
            let (output, scratch) = place.split_mut(mine);
            let a_k = below.as_ref().map_or(self.inputs.view(), |a| a.view());
            let pass = self.pass(j, index, a_k, &parameters[self.stack.ranges[j].clone()]);
            layer.forward(&pass, scratch, &mut matrix_mut(output, rows, place.columns))?;
            below = Some(matrix(output, rows, place.columns));
            rest = after;
            index += layer.count();
        }
        Ok(below.expect("a chain has a layer"))
    }

    /// The change in every layer's weights, from Δa_y in `delta`; `below` and `work` are places to work in. Returns the
    /// change in the inputs if it is asked for.
    pub(crate) fn backward<'m>(
        &self,
        memory: &[T],
        mut delta: &'m mut [T],
        mut below: &'m mut [T],
        work: &mut [T],
        mut change: Change<'_, T>,
        to_inputs: bool,
    ) -> Result<&'m [T]> {
        let rows = self.inputs.nrows();
        let layers = &self.stack.layers;
        let y = layers.len() - 1;
        let mut start = self.stack.memory_len(rows);
        let mut index = self.first + self.stack.count();
        // Called for each layer in turn, from the last to the first.
        let mut kept_of = |layer: &dyn Layer<T>| {
            let (place, end) = (Place::of(layer, rows), start);
            start -= place.len();
            place.kept(&memory[start..end])
        };
        let mut kept_j = kept_of(&*layers[y]);
        // δ_y = Δa_y ⊙ g′(z_y)
        if let Some(slope) = layers[y].slope(self.without_link, kept_j) {
            self.backend.apply_slope(slope, &mut matrix_mut(delta, rows, layers[y].output_size()))?;
        }
        for j in (0..=y).rev() {
            let layer = &layers[j];
            index -= layer.count();
            let kept_k = (j > 0).then(|| kept_of(&*layers[j - 1]));
            let a_k = kept_k.as_ref().map_or(self.inputs.view(), |kept| kept.output);
            // Nothing lies below the first layer: nobody needs the change in a network's inputs.
            let below_j = (j > 0 || to_inputs).then(|| Below {
                delta: matrix_mut(below, rows, layer.input_size()),
                slope: kept_k.and_then(|kept| layers[j - 1].slope(false, kept)),
            });
            let delta_j = matrix(delta, rows, layer.output_size());
            let change_j = change.part(self.stack.ranges[j].clone());
            // Δa_k = Wᵀ δ_j, δ_k = Δa_k ⊙ g′(z_k); ΔW = δ_j a_kᵀ, Δb = δ_j; W′ = W − α ΔW: see `Layer::backpropagate`.
            let pass = self.pass(j, index, a_k, &[]);
            layer.backpropagate(&pass, kept_j, &delta_j, below_j, change_j, work)?;
            mem::swap(&mut delta, &mut below);
            if let Some(kept_k) = kept_k {
                kept_j = kept_k;
            }
        }
        Ok(delta)
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
        chain.forward(self.parameters(), &mut workspace.memory)
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
        let a_y = chain.forward(self.parameters(), &mut workspace.memory)?;
        loss.evaluate(backend, &a_y, targets, None)
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
        let Workspace { memory, delta, below, work, gradient, .. } = workspace;
        let a_y = chain.forward(self.parameters(), memory)?;
        let score = change_in_loss(backend, loss, a_y, targets, delta)?;
        let change = Change::Batch { parameters: self.parameters(), how, gradient };
        chain.backward(memory, delta, below, work, change, false)?;
        Ok(score)
    }

    /// The gradient in its textbook form: example after example, each by the outer product, then averaged.
    ///
    /// It equals [`Network::gradient`] up to rounding, for layers that treat each example by itself and losses that are plain means
    /// over the rows.
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
        let Workspace { memory, delta, below, work, gradient, .. } = workspace;
        gradient.fill(T::zero());
        let (mut sum, mut correct) = (0.0, Some(0));
        for i in 0..inputs.nrows() {
            let example = rows_of(inputs.view(), i, i + 1);
            let chain = self.chain(backend, &example, mode, self.ends_with_link_of(loss));
            let a_y = chain.forward(self.parameters(), memory)?;
            let score = change_in_loss(backend, loss, a_y, targets.slice(i, i + 1), delta)?;
            let (parameters, how) = (self.parameters(), Accumulate::Add);
            let change = Change::Example { parameters, how, gradient: &mut *gradient };
            chain.backward(memory, delta, below, work, change, false)?;
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
        let Workspace { memory, delta, below, work, gradient, .. } = &mut *workspace;
        let Self { stack, parameters, buffers } = self;
        let chain = Chain { stack, buffers, backend, inputs: inputs.view(), mode, first: 0, without_link };
        let a_y = chain.forward(parameters, memory)?;
        let score = change_in_loss(backend, loss, a_y, targets, delta)?;
        if !score.loss.is_finite() {
            return Ok(score);
        }
        chain.backward(memory, delta, below, work, Change::Descend { step, parameters, gradient }, false)?;
        if mode != Mode::Evaluate {
            self.update_buffers(workspace);
        }
        Ok(score)
    }

    /// Changes the buffers, such as running statistics, by what the pass last made in [`Mode::Train`] left in the workspace.
    ///
    /// [`Network::descend`] does so itself; whoever calls [`Network::gradient`] and an optimiser does it once for each batch.
    pub fn update_buffers(&mut self, workspace: &Workspace<T>) {
        if !self.buffers.is_empty() {
            self.stack.update_buffers(workspace.rows, &workspace.memory, &mut self.buffers);
        }
    }

    fn chain<'a>(
        &'a self,
        backend: &'a dyn Backend<T>,
        inputs: &'a ArrayRef2<T>,
        mode: Mode,
        without_link: bool,
    ) -> Chain<'a, T> {
        let (stack, buffers) = (&self.stack, &*self.buffers);
        Chain { stack, buffers, backend, inputs: inputs.view(), mode, first: 0, without_link }
    }

    /// Whether the network ends with the very function that the loss contains.
    pub(crate) fn ends_with_link_of(&self, loss: &dyn Loss<T>) -> bool {
        let last = self.layers().last().and_then(|layer| layer.link());
        last.is_some() && last == loss.link()
    }
}

/// Δa_y = ∂L/∂a_y, into `delta`.
fn change_in_loss<T: Scalar>(
    backend: &dyn Backend<T>,
    loss: &dyn Loss<T>,
    a_y: ArrayView2<'_, T>,
    targets: Targets<'_, T>,
    delta: &mut [T],
) -> Result<Score> {
    let mut delta = matrix_mut(delta, a_y.nrows(), a_y.ncols());
    loss.evaluate(backend, &a_y, targets, Some(&mut delta))
}
