//! What is done to data before a network sees them, kept with the network; and what is done to the numbers it shall predict.

use std::error::Error;

use chainrule::{Activation, LayerConfig, Network, Scalar};
use chainrule_data::{Encoder, Method, Preprocessing, Step};
use ndarray::{Array2, ArrayRef2, Axis};
use serde::{Deserialize, Serialize};

use crate::config::{Delimiter, Methods};
use crate::failure::Failure;

/// What is done to a source before a network sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Preparation {
    /// The columns of a table as inputs, where the network was trained on tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoder: Option<Encoder>,
    /// What is done to the inputs.
    pub(crate) preprocessing: Preprocessing,
    /// The character between a table's fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delimiter: Option<Delimiter>,
}

impl Preparation {
    /// How many numbers a row has before anything is done to it, for a network of so many inputs.
    pub(crate) fn columns(&self, inputs: usize) -> usize {
        self.preprocessing.inputs().unwrap_or(inputs)
    }

    /// Refuses what cannot be for a network of so many inputs.
    pub(crate) fn check(&self, inputs: usize, place: &str) -> Result<(), Failure> {
        let columns = self.encoder.as_ref().map_or_else(|| self.columns(inputs), Encoder::inputs);
        if self.columns(columns) != columns {
            let found = format!("preprocessing of {} columns", self.columns(columns));
            return Err(Failure::unfit(place, found, format!("{columns}, as the columns of the table make")));
        }
        if self.preprocessing.outputs(columns) != inputs {
            let found = format!("columns that make {} inputs", self.preprocessing.outputs(columns));
            return Err(Failure::unfit(place, found, format!("{inputs}, as the network has")));
        }
        Ok(())
    }
}

/// Fits what is to be done to inputs on the rows that are trained on, and does it to all of them.
pub(crate) fn fit<T: Scalar>(
    methods: &Methods,
    inputs: Array2<T>,
    rows: Option<&[usize]>,
) -> Result<(Preprocessing, Array2<T>), Failure> {
    let fitted = Preprocessing::fit_with(&methods.0, &inputs, rows, &eigen)?;
    let inputs = fitted.transform(inputs)?;
    Ok((fitted, inputs))
}

/// The eigenvalues and eigenvectors of a symmetric matrix, by LAPACK where it is linked.
fn eigen(matrix: &Array2<f64>) -> Result<(Vec<f64>, Array2<f64>), Box<dyn Error + Send + Sync>> {
    #[cfg(any(feature = "openblas-system", feature = "openblas-static"))]
    return Ok(chainrule::blas::linalg::symmetric_eigen(matrix)?);
    #[cfg(not(any(feature = "openblas-system", feature = "openblas-static")))]
    Ok(chainrule_data::symmetric_eigen(matrix)?)
}

/// The means and standard deviations of numbers to predict: networks are trained on (y − mean) / deviation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TargetScale {
    pub(crate) mean: Vec<f64>,
    pub(crate) deviation: Vec<f64>,
}

impl TargetScale {
    /// Fitted on the numbers of training data.
    pub(crate) fn fit<T: Scalar>(values: &ArrayRef2<T>) -> Result<Self, Failure> {
        let fitted = Preprocessing::fit(&[Method::Standardise], values, None)?;
        match fitted.steps() {
            [Step::Scale { offset, divisor }] => {
                Ok(Self { mean: offset.clone(), deviation: divisor.clone() })
            }
            _ => Err(Failure::Other("numbers to predict have no mean and deviation".to_owned())),
        }
    }

    /// y ← (y − mean) / deviation
    pub(crate) fn apply<T: Scalar>(&self, values: &mut ArrayRef2<T>) {
        let numbers = self.mean.iter().zip(&self.deviation);
        for (mut column, (mean, deviation)) in values.axis_iter_mut(Axis(1)).zip(numbers) {
            column.mapv_inplace(|y| T::of((y.as_f64() - mean) / deviation));
        }
    }

    /// y ← y · deviation + mean
    pub(crate) fn undo<T: Scalar>(&self, values: &ArrayRef2<T>) -> Array2<T> {
        let mut values = values.to_owned();
        for (mut column, (mean, deviation)) in
            values.axis_iter_mut(Axis(1)).zip(self.mean.iter().zip(&self.deviation))
        {
            column.mapv_inplace(|y| T::of(y.as_f64() * deviation + mean));
        }
        values
    }

    /// Whether a network ends such that its last layer can take this in: linearly, with an output for each number, or with its mean and its
    /// variance. (Logarithms of counts cannot be had of counts on another scale.)
    pub(crate) fn fits(&self, layers: &[LayerConfig], loss: &str) -> bool {
        let outputs = match loss {
            "poisson" => return false,
            "gaussian" => 2 * self.mean.len(),
            _ => self.mean.len(),
        };
        matches!(layers.last(), Some(LayerConfig::Dense { outputs: found, activation: Activation::Identity, bias: true, .. })
            if *found == outputs)
    }

    /// Lets the last layer of a network that [`TargetScale::fits`] tell the numbers themselves: W ← diag(deviation) W,
    /// b ← deviation ⊙ b + mean; of variances W ← diag(deviation)² W, b ← deviation² ⊙ b.
    pub(crate) fn take_in<T: Scalar>(&self, network: &mut Network<T>) {
        let last = network.layers().len().saturating_sub(1);
        let means = self.deviation.iter().copied().zip(self.mean.iter().copied());
        let variances = self.deviation.iter().map(|deviation| (deviation * deviation, 0.0));
        let outputs = || means.clone().chain(variances.clone());
        if let Some(mut weights) = network.weights_mut(last) {
            for (mut row, (factor, _)) in weights.rows_mut().into_iter().zip(outputs()) {
                row.mapv_inplace(|w| T::of(w.as_f64() * factor));
            }
        }
        if let Some(mut bias) = network.bias_mut(last) {
            for (b, (factor, shift)) in bias.iter_mut().zip(outputs()) {
                *b = T::of(b.as_f64() * factor + shift);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn what_contradicts_itself_is_refused() {
        let x = array![[1.0, 5.0, 2.0], [3.0, 4.0, 1.0], [9.0, 1.0, 1.0], [2.0, 2.0, 2.0]];
        let (preprocessing, inputs) = fit(&"standardise then pca:2".parse().unwrap(), x, None).unwrap();
        assert_eq!(inputs.dim(), (4, 2));
        let preparation = Preparation { preprocessing, ..Preparation::default() };
        preparation.check(2, "file").unwrap();
        assert_eq!(preparation.columns(2), 3);
        let error = preparation.check(3, "file").unwrap_err();
        assert!(error.to_string().contains("columns that make 2 inputs, expected 3"), "{error}");
    }

    #[test]
    fn the_last_layer_takes_the_scale_of_the_targets_in() {
        let y = array![[10.0, -1.0], [30.0, 5.0]];
        let scale = TargetScale::fit(&y).unwrap();
        let mut scaled = y.clone();
        scale.apply(&mut scaled);
        assert_eq!(scaled, array![[-1.0, -1.0], [1.0, 1.0]]);
        assert_eq!(scale.undo(&scaled), y);
        let mut network = Network::<f64>::builder(2)
            .dense(3, Activation::Tanh)
            .dense(2, Activation::Identity)
            .build(1)
            .unwrap();
        let layers = network.config().unwrap().layers;
        assert!(
            scale.fits(&layers, "mse") && !scale.fits(&layers, "poisson") && !scale.fits(&layers, "gaussian")
        );
        let backend = chainrule::default_backend::<f64>().unwrap();
        let x = array![[0.5, 0.25]];
        let before = scale.undo(&network.predict(&*backend, &x).unwrap());
        scale.take_in(&mut network);
        let after = network.predict(&*backend, &x).unwrap();
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-12 * a.abs()));
    }
}
