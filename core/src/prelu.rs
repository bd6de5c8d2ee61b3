//! ReLU with a slope that is trained.

use ndarray::{ArrayRef2, Zip};

use crate::layer::{Kept, Layer, Parameter, Pass};
use crate::random::Generator;
use crate::{Accumulate, Error, LayerConfig, Result, Scalar};

/// The parametric ReLU a_j = a_k for a_k > 0 and w a_k elsewhere, w being trained.
///
/// Δa_k = δ_j or w δ_j; Δw = Σ δ_j a_k over the inputs that are not above 0. He et al., arXiv 1502.01852. As PyTorch's `PReLU`, it has one w
/// for all inputs or one for each, and begins with ¼. Decay would draw w towards ReLU, so w does not decay.
#[derive(Clone, Debug, PartialEq)]
pub struct Prelu {
    size: usize,
    initial: f64,
    parameters: [Parameter; 1],
}

impl Prelu {
    /// With one slope for all of n inputs.
    #[must_use]
    pub fn new(size: usize) -> Self {
        let weight = Parameter { name: "weight", rows: 1, columns: None, decays: false };
        Self { size, initial: 0.25, parameters: [weight] }
    }

    /// With a slope for each input.
    #[must_use]
    pub fn per_input(mut self) -> Self {
        self.parameters[0].rows = self.size;
        self
    }

    /// With another initial slope than ¼.
    #[must_use]
    pub fn initial(self, initial: f64) -> Self {
        Self { initial, ..self }
    }

    /// The slope of each column.
    fn slopes<'a, T: Scalar>(&self, parameters: &'a [T]) -> impl Fn(usize) -> T + 'a {
        let shared = self.parameters[0].rows == 1;
        move |column| parameters[if shared { 0 } else { column }]
    }
}

impl<T: Scalar> Layer<T> for Prelu {
    fn name(&self) -> &'static str {
        "prelu"
    }

    fn input_size(&self) -> usize {
        self.size
    }

    fn output_size(&self) -> usize {
        self.size
    }

    fn config(&self) -> Option<LayerConfig> {
        let per_input = self.parameters[0].rows != 1;
        Some(LayerConfig::Prelu { per_input, initial: self.initial })
    }

    fn check(&self) -> Result<()> {
        if self.initial.is_finite() {
            return Ok(());
        }
        Err(Error::setting("the initial slope of prelu", self.initial, "a finite number"))
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn initialize(&self, _generator: &mut Generator, parameters: &mut [T]) {
        parameters.fill(T::of(self.initial));
    }

    fn forward(&self, pass: &Pass<'_, T>, _scratch: &mut [T], output: &mut ArrayRef2<T>) -> Result<()> {
        output.assign(&pass.input);
        let slope = self.slopes(pass.parameters);
        for mut row in output.rows_mut() {
            for (column, a) in row.iter_mut().enumerate() {
                if *a <= T::zero() {
                    *a *= slope(column);
                }
            }
        }
        Ok(())
    }

    fn backward(
        &self,
        pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        below: &mut ArrayRef2<T>,
    ) -> Result<()> {
        let slope = self.slopes(pass.parameters);
        Zip::indexed(below).and(delta).and(&pass.input).for_each(|(_, column), below, &delta, &a| {
            *below = if a > T::zero() { delta } else { delta * slope(column) };
        });
        Ok(())
    }

    fn gradient(
        &self,
        pass: &Pass<'_, T>,
        _kept: Kept<'_, T>,
        delta: &ArrayRef2<T>,
        how: Accumulate,
        gradient: &mut [T],
    ) -> Result<()> {
        if how == Accumulate::Replace {
            gradient.fill(T::zero());
        }
        let shared = gradient.len() == 1;
        for (delta, input) in delta.rows().into_iter().zip(pass.input.rows()) {
            for (column, (&delta, &a)) in delta.iter().zip(&input).enumerate() {
                if a <= T::zero() {
                    gradient[if shared { 0 } else { column }] += delta * a;
                }
            }
        }
        Ok(())
    }
}
