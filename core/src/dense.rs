//! The dense layer: where the equations of backpropagation live.

use ndarray::{ArrayRef2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use crate::layer::{Kept, Layer, Parameter, Pass, matrix, matrix_mut};
use crate::loss::{Link, link_of};
use crate::random::Generator;
use crate::{Accumulate, Activation, Descent, Initializer, LayerConfig, Result, Scalar, Slope};

/// A dense (fully connected) layer with its activation: a_j = g(W a_k + b).
///
/// W is n_j × n_k, its row the destination. In the flat vector of parameters W comes first, column after column, so that
/// the weights of one input are neighbours: the product X Wᵀ and the gradient δᵀX then both run along contiguous rows. b follows.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    parameters: [Parameter; 2],
    inputs: usize,
    outputs: usize,
    activation: Activation,
    bias: bool,
    weights: Initializer,
    biases: Initializer,
}

impl Dense {
    /// A layer with n_k inputs, n_j outputs and a bias of 0.
    ///
    /// The weights begin as He's N(0, 2/n_k) under ReLU and its kin, as LeCun's N(0, 1/n_k) under SELU, else as Glorot's uniform.
    #[must_use]
    pub fn new(inputs: usize, outputs: usize, activation: Activation) -> Self {
        let weights = match activation {
            Activation::Selu => Initializer::LecunNormal,
            g if g.is_like_relu() => Initializer::HeNormal,
            _ => Initializer::GlorotUniform,
        };
        let parameters = [
            Parameter { name: "weight", rows: outputs, columns: Some(inputs), decays: true },
            Parameter { name: "bias", rows: outputs, columns: None, decays: false },
        ];
        Self { parameters, inputs, outputs, activation, bias: true, weights, biases: Initializer::Zeros }
    }

    /// With other initial weights.
    #[must_use]
    pub fn initializer(self, weights: Initializer) -> Self {
        Self { weights, ..self }
    }

    /// With other initial biases.
    #[must_use]
    pub fn bias_initializer(self, biases: Initializer) -> Self {
        Self { biases, ..self }
    }

    /// Without a bias.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// The activation g.
    #[must_use]
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// W and b as they lie in the parameters.
    fn split<'a, T>(&self, parameters: &'a [T]) -> (ArrayView2<'a, T>, Option<ArrayView1<'a, T>>) {
        let (w, b) = parameters.split_at(self.inputs * self.outputs);
        (matrix(w, self.inputs, self.outputs).reversed_axes(), self.bias.then(|| ArrayView1::from(b)))
    }

    fn split_mut<'a, T>(
        &self,
        parameters: &'a mut [T],
    ) -> (ArrayViewMut2<'a, T>, Option<ArrayViewMut1<'a, T>>) {
        let (w, b) = parameters.split_at_mut(self.inputs * self.outputs);
        (matrix_mut(w, self.inputs, self.outputs).reversed_axes(), self.bias.then(|| ArrayViewMut1::from(b)))
    }
}

impl<T: Scalar> Layer<T> for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn input_size(&self) -> usize {
        self.inputs
    }

    fn output_size(&self) -> usize {
        self.outputs
    }

    fn config(&self) -> Option<LayerConfig> {
        let Self { outputs, activation, bias, .. } = *self;
        let usual = Self::new(self.inputs, outputs, activation);
        let weights = (self.weights != usual.weights).then_some(self.weights);
        let biases = (self.biases != usual.biases).then_some(self.biases);
        Some(LayerConfig::Dense { outputs, activation, bias, weights, biases })
    }

    fn check(&self) -> Result<()> {
        self.activation.check()?;
        self.weights.check()?;
        self.biases.check()
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters[..=usize::from(self.bias)]
    }

    fn initialize(&self, generator: &mut Generator, parameters: &mut [T]) {
        let (mut w, b) = self.split_mut(parameters);
        self.weights.fill_weights(generator, &mut w);
        if let Some(mut b) = b {
            self.biases.fill_bias(generator, self.inputs, b.as_slice_mut().expect("contiguous"));
        }
    }

    /// z, where g′ cannot be had from a.
    fn scratch_len(&self, batch: usize) -> usize {
        if self.activation.saves_output() { 0 } else { batch * self.outputs }
    }

    fn link(&self) -> Option<Link> {
        link_of(self.activation)
    }

    /// z_j = W a_k + b, a_j = g(z_j).
    fn forward(&self, pass: &Pass<'_, T>, scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
        let (w, b) = self.split(pass.parameters);
        let g = if pass.without_link { Activation::Identity } else { self.activation };
        let mut z = (!g.saves_output()).then(|| matrix_mut(scratch, pass.input.nrows(), self.outputs));
        pass.backend.dense_forward(&pass.input, &w, b.as_deref(), g, z.as_deref_mut(), output)
    }

    /// g′(z_j).
    fn slope<'a>(&self, without_link: bool, kept: Kept<'a, T>) -> Option<Slope<'a, T>> {
        if without_link || self.activation == Activation::Identity {
            return None;
        }
        let saved = if self.activation.saves_output() {
            kept.output
        } else {
            matrix(kept.scratch, kept.output.nrows(), self.outputs)
        };
        Some(Slope { activation: self.activation, saved })
    }

    /// Δa_k = Wᵀ δ_j.
    fn backward(
        &self,
        pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        pass.backend.dense_backward(delta, &self.split(pass.parameters).0, None, below)
    }

    /// δ_k = Wᵀ δ_j ⊙ g′(z_k).
    fn backward_through(
        &self,
        pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        slope: Slope<'_, T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        pass.backend.dense_backward(delta, &self.split(pass.parameters).0, Some(slope), below)
    }

    /// ΔW = δ_j a_kᵀ, Δb = δ_j: as a matrix product, which sums over the batch.
    fn gradient(
        &self,
        pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        how: Accumulate,
        gradient: &mut [T],
    ) -> Result<()> {
        let (mut dw, mut db) = self.split_mut(gradient);
        pass.backend.dense_gradient(delta, &pass.input, how, &mut dw, db.as_deref_mut())
    }

    /// ΔW = δ_j ⊗ a_k, Δb = δ_j: as an outer product.
    fn gradient_of_example(
        &self,
        pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        how: Accumulate,
        gradient: &mut [T],
    ) -> Result<()> {
        let (mut dw, db) = self.split_mut(gradient);
        pass.backend.outer(&delta.row(0), &pass.input.row(0), how, &mut dw)?;
        match (db, how) {
            (None, _) => {}
            (Some(mut db), Accumulate::Replace) => db.assign(&delta.row(0)),
            (Some(mut db), Accumulate::Add) => db.zip_mut_with(&delta.row(0), |db, &d| *db += d),
        }
        Ok(())
    }

    /// W′ = β W − α δ_j a_kᵀ, b′ = b − α δ_j.
    fn descend(
        &self,
        pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        step: Descent<T>,
        gradient: &mut [T],
        parameters: &mut [T],
    ) -> Result<()> {
        let (mut w, mut b) = self.split_mut(parameters);
        pass.backend.dense_descend(delta, &pass.input, step, gradient, &mut w, b.as_deref_mut())
    }
}
