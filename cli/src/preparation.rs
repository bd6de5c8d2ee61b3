//! What is done to data before a network sees them, kept with the network; and what is done to the numbers it shall predict.

use chainrule::{Activation, LayerConfig, Network, Scalar};
use chainrule_data::Encoder;
use ndarray::{Array2, ArrayRef2, Axis};
use serde::{Deserialize, Serialize};

use crate::config::{Delimiter, ScalingKind};
use crate::failure::Failure;

/// What is done to a source before a network sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct Preparation {
    /// The columns of a table as inputs, where the network was trained on tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encoder: Option<Encoder>,
    /// What is done to the inputs.
    pub(crate) scaling: Scaling,
    /// The character between a table's fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delimiter: Option<Delimiter>,
}

/// What is done to inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Scaling {
    /// Nothing.
    #[default]
    None,
    /// x / by
    Divide {
        /// The divisor.
        by: f64,
    },
    /// (x − mean) / scale, for each input.
    Affine {
        /// What is subtracted: the means over the training data, or the least values.
        mean: Vec<f64>,
        /// What it is divided by: the standard deviations, or the ranges; 1 for an input that is constant.
        scale: Vec<f64>,
    },
}

impl Scaling {
    /// Fitted on rows of training data.
    pub(crate) fn fit<T: Scalar>(kind: ScalingKind, inputs: &ArrayRef2<T>, rows: &[usize]) -> Self {
        let columns = inputs.columns().into_iter().map(|column| {
            let values: Vec<f64> = rows.iter().map(|&row| column[row].as_f64()).collect();
            match kind {
                ScalingKind::MinMax => {
                    let (low, high) =
                        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| {
                            (low.min(x), high.max(x))
                        });
                    (low, divisor(high - low))
                }
                _ => moments(&values),
            }
        });
        let (mean, scale) = columns.unzip();
        if kind == ScalingKind::None { Self::None } else { Self::Affine { mean, scale } }
    }

    /// Scales rows of as many inputs as this knows.
    pub(crate) fn apply<T: Scalar>(&self, rows: &mut ArrayRef2<T>) {
        match self {
            Self::None => {}
            Self::Divide { by } => rows.mapv_inplace(|x| x / T::of(*by)),
            Self::Affine { mean, scale } => {
                for mut row in rows.rows_mut() {
                    for ((x, mean), scale) in row.iter_mut().zip(mean).zip(scale) {
                        *x = T::of((x.as_f64() - mean) / scale);
                    }
                }
            }
        }
    }

    /// Whether it is for rows of that many inputs, and its numbers are such that it makes sense.
    pub(crate) fn is_sound(&self, inputs: usize) -> bool {
        let divides = |x: &f64| x.is_finite() && *x != 0.0;
        match self {
            Self::None => true,
            Self::Divide { by } => divides(by),
            Self::Affine { mean, scale } => {
                mean.len() == inputs
                    && scale.len() == inputs
                    && mean.iter().all(|x| x.is_finite())
                    && scale.iter().all(divides)
            }
        }
    }
}

impl Preparation {
    /// Refuses what cannot be for a network of so many inputs.
    pub(crate) fn check(&self, inputs: usize, place: &str) -> Result<(), Failure> {
        if let Some(encoder) = self.encoder.as_ref().filter(|encoder| encoder.inputs() != inputs) {
            let found = format!("columns that make {} inputs", encoder.inputs());
            return Err(Failure::unfit(place, found, format!("{inputs}, as the network has")));
        }
        if !self.scaling.is_sound(inputs) {
            let expected = format!("finite numbers for {inputs} inputs, none to divide by 0");
            return Err(Failure::unfit(place, "another scaling", expected));
        }
        Ok(())
    }
}

/// The mean and the standard deviation; 1 where that is 0.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().map(|x| x / n).sum::<f64>();
    let deviation = values.iter().map(|x| (x - mean) * (x - mean) / n).sum::<f64>().sqrt();
    (mean, divisor(deviation))
}

fn divisor(x: f64) -> f64 {
    if x > 0.0 && x.is_finite() { x } else { 1.0 }
}

/// The means and standard deviations of numbers to predict: networks are trained on (y − mean) / deviation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TargetScale {
    pub(crate) mean: Vec<f64>,
    pub(crate) deviation: Vec<f64>,
}

impl TargetScale {
    /// Fitted on the numbers of training data.
    pub(crate) fn fit<T: Scalar>(values: &ArrayRef2<T>) -> Self {
        let columns = values.columns().into_iter();
        let (mean, deviation) =
            columns.map(|column| moments(&column.iter().map(|y| y.as_f64()).collect::<Vec<_>>())).unzip();
        Self { mean, deviation }
    }

    /// y ← (y − mean) / deviation
    pub(crate) fn apply<T: Scalar>(&self, values: &mut ArrayRef2<T>) {
        Scaling::Affine { mean: self.mean.clone(), scale: self.deviation.clone() }.apply(values);
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

    /// Whether a network ends such that its last layer can take this in: linearly, with an output for each number.
    pub(crate) fn fits(&self, layers: &[LayerConfig]) -> bool {
        matches!(layers.last(), Some(LayerConfig::Dense { outputs, activation: Activation::Identity, bias: true, .. })
            if *outputs == self.mean.len())
    }

    /// Lets the last layer of a network that [`TargetScale::fits`] tell the numbers themselves: W ← diag(deviation) W,
    /// b ← deviation ⊙ b + mean.
    pub(crate) fn take_in<T: Scalar>(&self, network: &mut Network<T>) {
        let last = network.layers().len().saturating_sub(1);
        if let Some(mut weights) = network.weights_mut(last) {
            for (mut row, &deviation) in weights.rows_mut().into_iter().zip(&self.deviation) {
                row.mapv_inplace(|w| T::of(w.as_f64() * deviation));
            }
        }
        if let Some(mut bias) = network.bias_mut(last) {
            for (b, (mean, deviation)) in bias.iter_mut().zip(self.mean.iter().zip(&self.deviation)) {
                *b = T::of(b.as_f64() * deviation + mean);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn scalings_are_fitted_on_the_rows_given() {
        let x = array![[1.0, 5.0], [3.0, 5.0], [99.0, 99.0]];
        let scaling = Scaling::fit(ScalingKind::Standard, &x, &[0, 1]);
        assert_eq!(scaling, Scaling::Affine { mean: vec![2.0, 5.0], scale: vec![1.0, 1.0] });
        let mut scaled = x.clone();
        scaling.apply(&mut scaled);
        assert_eq!(scaled, array![[-1.0, 0.0], [1.0, 0.0], [97.0, 94.0]]);
        assert!(scaling.is_sound(2) && !scaling.is_sound(3));
        assert!(!Scaling::Divide { by: 0.0 }.is_sound(1));
        let scaling = Scaling::fit(ScalingKind::MinMax, &x, &[0, 1]);
        assert_eq!(scaling, Scaling::Affine { mean: vec![1.0, 5.0], scale: vec![2.0, 1.0] });
        assert_eq!(Scaling::fit(ScalingKind::None, &x, &[0]), Scaling::None);
    }

    #[test]
    fn the_last_layer_takes_the_scale_of_the_targets_in() {
        let y = array![[10.0, -1.0], [30.0, 5.0]];
        let scale = TargetScale::fit(&y);
        let mut scaled = y.clone();
        scale.apply(&mut scaled);
        assert_eq!(scaled, array![[-1.0, -1.0], [1.0, 1.0]]);
        assert_eq!(scale.undo(&scaled), y);
        let mut network = Network::<f64>::builder(2)
            .dense(3, Activation::Tanh)
            .dense(2, Activation::Identity)
            .build(1)
            .unwrap();
        assert!(scale.fits(&network.config().unwrap().layers));
        let backend = chainrule::default_backend::<f64>().unwrap();
        let x = array![[0.5, 0.25]];
        let before = scale.undo(&network.predict(&*backend, &x).unwrap());
        scale.take_in(&mut network);
        let after = network.predict(&*backend, &x).unwrap();
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-12 * a.abs()));
    }
}
