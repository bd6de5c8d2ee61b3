//! Layer normalisation and RMS normalisation: each row by itself.

use ndarray::ArrayRef2;

use super::{check_epsilon, gradient_of_affine, reduce, scale, scale_and_shift, weight_and_bias};
use crate::layer::{Kept, Layer, Parameter, Pass, elements, elements_mut};
use crate::random::Generator;
use crate::{Accumulate, LayerConfig, Result, Scalar};

/// Layer normalisation: a_j = γ ⊙ â + β with â = (a_k − μ) / √(v + ε), μ and v being the row's mean and variance Σ (a − μ)²/n.
///
/// With d = γ ⊙ δ_j and means over the row,
///
/// ```text
/// Δγ = Σ δ_j ⊙ â    Δβ = Σ δ_j    Δa_k = (d − mean d − â mean(d ⊙ â)) / √(v + ε)
/// ```
///
/// Ba et al., arXiv 1607.06450. As PyTorch's `LayerNorm`: ε = 10⁻⁵, the parameters are `weight` and `bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    size: usize,
    epsilon: f64,
    /// How many of the two parameters it has.
    affine: usize,
    parameters: [Parameter; 2],
}

/// Root-mean-square normalisation: a_j = γ ⊙ â with â = a_k / r and r = √(mean a_k² + ε).
///
/// With d = γ ⊙ δ_j and means over the row: Δγ = Σ δ_j ⊙ â, Δa_k = (d − â mean(d ⊙ â)) / r. Zhang and Sennrich, arXiv 1910.07467. As
/// PyTorch's `RMSNorm`: ε is the machine epsilon of the element type unless it is given, the parameter is `weight`.
#[derive(Clone, Debug, PartialEq)]
pub struct RmsNorm {
    size: usize,
    epsilon: Option<f64>,
    affine: usize,
    parameters: [Parameter; 2],
}

impl LayerNorm {
    /// Over n inputs; γ begins as 1 and β as 0.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, epsilon: 1e-5, affine: 2, parameters: weight_and_bias(size) }
    }

    /// With another ε.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Without γ and β.
    #[must_use]
    pub fn without_affine(self) -> Self {
        Self { affine: 0, ..self }
    }

    /// Without β.
    #[must_use]
    pub fn without_bias(self) -> Self {
        Self { affine: self.affine.min(1), ..self }
    }
}

impl RmsNorm {
    /// Over n inputs; γ begins as 1.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, epsilon: None, affine: 1, parameters: weight_and_bias(size) }
    }

    /// With ε.
    #[must_use]
    pub fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon: Some(epsilon), ..self }
    }

    /// Without γ.
    #[must_use]
    pub fn without_affine(self) -> Self {
        Self { affine: 0, ..self }
    }
}

/// The two layers are one but for the mean, which RMS normalisation takes to be 0.
trait Rowwise {
    const CENTRED: bool;
    fn parts(&self) -> (usize, usize, &[Parameter; 2]);
    fn added<T: Scalar>(&self) -> T;
}

impl Rowwise for LayerNorm {
    const CENTRED: bool = true;

    fn parts(&self) -> (usize, usize, &[Parameter; 2]) {
        (self.size, self.affine, &self.parameters)
    }

    fn added<T: Scalar>(&self) -> T {
        T::of(self.epsilon)
    }
}

impl Rowwise for RmsNorm {
    const CENTRED: bool = false;

    fn parts(&self) -> (usize, usize, &[Parameter; 2]) {
        (self.size, self.affine, &self.parameters)
    }

    fn added<T: Scalar>(&self) -> T {
        self.epsilon.map_or(T::epsilon(), T::of)
    }
}

/// â into the scratch, and behind it 1/√(v + ε) of each row; then the outputs.
fn forward<T: Scalar, L: Rowwise>(
    layer: &L,
    pass: &Pass<'_, T>,
    scratch: &mut [T],
    output: &mut ArrayRef2<T>,
) {
    let (n, affine, _) = layer.parts();
    let per_input = T::one() / T::of(n as f64);
    output.assign(&pass.input);
    let output = elements_mut(output);
    let (normal, inverses) = scratch.split_at_mut(output.len());
    let rows = output.chunks_exact(n).zip(normal.chunks_exact_mut(n)).zip(inverses);
    for ((row, normal), inverse) in rows {
        let mean = if L::CENTRED { reduce(row, row, |a, _| a) * per_input } else { T::zero() };
        normal.iter_mut().zip(row).for_each(|(a, &x)| *a = x - mean);
        let variance = reduce(normal, normal, |a, b| a * b) * per_input;
        *inverse = T::one() / (variance + layer.added()).sqrt();
        let inverse = *inverse;
        scale(normal, inverse);
    }
    let (weight, bias) = pass.parameters.split_at(if affine == 0 { 0 } else { n });
    scale_and_shift(normal, weight, bias, output, n);
}

fn backward<T: Scalar, L: Rowwise>(
    layer: &L,
    pass: &Pass<'_, T>,
    kept: Kept<'_, T>,
    delta: &ArrayRef2<T>,
    below: &mut ArrayRef2<T>,
) {
    let (n, affine, _) = layer.parts();
    let per_input = T::one() / T::of(n as f64);
    below.assign(delta);
    let weight = &pass.parameters[..if affine == 0 { 0 } else { n }];
    let (normal, inverses) = kept.scratch.split_at(delta.len());
    let rows = elements_mut(below).chunks_exact_mut(n).zip(normal.chunks_exact(n)).zip(inverses);
    for ((d, normal), &inverse) in rows {
        d.iter_mut().zip(weight).for_each(|(d, &w)| *d *= w);
        let mean = if L::CENTRED { reduce(d, d, |d, _| d) * per_input } else { T::zero() };
        let along = reduce(d, normal, |d, a| d * a) * per_input;
        for (d, &a) in d.iter_mut().zip(normal) {
            *d = (*d - mean - a * along) * inverse;
        }
    }
}

macro_rules! layer {
    ($layer:ty, $name:literal, |$self:ident| $config:expr, $check:expr) => {
        impl<T: Scalar> Layer<T> for $layer {
            fn name(&self) -> &'static str {
                $name
            }

            fn input_size(&self) -> usize {
                self.size
            }

            fn output_size(&self) -> usize {
                self.size
            }

            fn config(&$self) -> Option<LayerConfig> {
                Some($config)
            }

            fn check(&$self) -> Result<()> {
                $check
            }

            fn parameters(&self) -> &[Parameter] {
                &self.parameters[..self.affine]
            }

            fn initialize(&self, _generator: &mut Generator, parameters: &mut [T]) {
                let (weight, bias) = parameters.split_at_mut(self.size.min(parameters.len()));
                weight.fill(T::one());
                bias.fill(T::zero());
            }

            /// â, and of each row 1/√(v + ε).
            fn scratch_len(&self, batch: usize) -> usize {
                self.size.saturating_add(1).saturating_mul(batch)
            }

            fn forward(
                &self,
                pass: &Pass<'_, T>,
                scratch: &mut [T],
                output: &mut ArrayRef2<T>,
            ) -> Result<()> {
                forward(self, pass, scratch, output);
                Ok(())
            }

            fn backward(
                &self,
                pass: &Pass<'_, T>,
                kept: Kept<'_, T>,
                delta: &ArrayRef2<T>,
                below: &mut ArrayRef2<T>,
            ) -> Result<()> {
                backward(self, pass, kept, delta, below);
                Ok(())
            }

            fn gradient(
                &self,
                _pass: &Pass<'_, T>,
                kept: Kept<'_, T>,
                delta: &ArrayRef2<T>,
                how: Accumulate,
                gradient: &mut [T],
            ) -> Result<()> {
                gradient_of_affine(elements(delta), kept, self.size, how, gradient);
                Ok(())
            }
        }
    };
}

layer!(
    LayerNorm,
    "layer-norm",
    |self| LayerConfig::LayerNorm { epsilon: self.epsilon, affine: self.affine > 0, bias: self.affine > 1 },
    check_epsilon(self.epsilon)
);
layer!(
    RmsNorm,
    "rms-norm",
    |self| LayerConfig::RmsNorm { epsilon: self.epsilon, affine: self.affine > 0 },
    self.epsilon.map_or(Ok(()), check_epsilon)
);
