//! What a network answers, and where it is wrong.

use chainrule_core::{ConfusionMatrix, Link, Loss, Network, Scalar, Targets};
use ndarray::{Array2, ArrayView1, Axis, Slice};

use crate::{Picture, Result, Run};

/// The most inputs of a mistake that are told as numbers.
const FEATURES: usize = 12;
/// The most outputs whose answers are told, and the most points of each.
const OUTPUTS: usize = 4;
const POINTS: usize = 1000;

/// How often each class was taken for each, with the classes' names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// The counts: row = the true class, column = the predicted one.
    pub matrix: ConfusionMatrix,
    /// As many names as classes.
    pub class_names: Vec<String>,
}

/// A row whose answer is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// The row's number: in the data, counted from 0, or as [`Run::row_numbers`] tells.
    pub row: usize,
    /// What the answer should be: a class, or numbers.
    pub expected: String,
    /// What it is.
    pub predicted: String,
    /// The probability of the class that was predicted, where outputs are probabilities.
    pub confidence: Option<f64>,
    /// The root of the mean square of the differences, where the answer is a number.
    pub error: Option<f64>,
    /// The row as a picture, if it is one.
    pub picture: Option<Picture>,
    /// The row's first inputs by name, if it is no picture.
    pub features: Vec<(String, f64)>,
}

/// The answers of a regression, for one output.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The output's name.
    pub name: String,
    /// Pairs of what the answer should be and what it is: all, or some that are evenly spread over the data.
    pub points: Vec<(f64, f64)>,
}

/// What a report says of a network's answers.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    pub(crate) confusion: Option<Confusion>,
    pub(crate) mistakes: Vec<Mistake>,
    pub(crate) fits: Vec<Fit>,
}

/// The answers to a run's data.
pub(crate) fn answers<T: Scalar>(run: &Run<'_, '_, T>) -> Result<Answers> {
    let inputs = run.data.inputs();
    let chosen;
    let (inputs, outputs) = match run.rows {
        None => (inputs, run.network.predict(run.backend, &inputs)?),
        Some(rows) => {
            chosen = inputs.select(Axis(0), rows);
            (chosen.view(), run.network.predict(run.backend, &chosen)?)
        }
    };
    let outputs = probabilities(run.network, run.loss, outputs.mapv(T::as_f64));
    let all = run.data.targets();
    let labels;
    let values;
    let targets = match all {
        Targets::Classes(all) => {
            labels = run.rows.map(|rows| rows.iter().map(|&row| all[row]).collect::<Vec<_>>());
            Targets::Classes(labels.as_deref().unwrap_or(all))
        }
        Targets::Values(all) => {
            let all = all.mapv(T::as_f64);
            values = run.rows.map_or_else(|| all.clone(), |rows| all.select(Axis(0), rows));
            Targets::Values(values.view())
        }
    };
    let mut told = Told { run, inputs, outputs, targets };
    match targets {
        Targets::Values(values) if run.loss.link() != Some(Link::Softmax) => {
            // A loss may tell of one target by several outputs, its value first.
            told.outputs.slice_axis_inplace(Axis(1), Slice::from(..values.ncols().min(told.outputs.ncols())));
            targets.check("a report", told.outputs.nrows(), told.outputs.ncols())?;
            Ok(Answers { mistakes: told.largest_errors(values)?, fits: told.fits(values), confusion: None })
        }
        _ => {
            let matrix = ConfusionMatrix::new(&told.outputs, targets)?;
            let names = (0..matrix.counts().nrows()).map(|class| name(run.class_names, class, ""));
            let confusion = Confusion { class_names: names.collect(), matrix };
            let mistakes = told.worst_mistakes(&confusion.class_names)?;
            Ok(Answers { confusion: Some(confusion), mistakes, fits: Vec::new() })
        }
    }
}

/// Probabilities, where the outputs are logits: the loss takes in a link that the network does not end with. (Log-probabilities, which are
/// below 0, are what a softmax makes probabilities of as well.)
fn probabilities<T: Scalar>(
    network: &Network<T>,
    loss: &dyn Loss<T>,
    mut outputs: Array2<f64>,
) -> Array2<f64> {
    let last = network.layers().last().and_then(|layer| layer.link());
    match loss.link() {
        link if link == last && !outputs.iter().any(|&a| a < 0.0) => {}
        Some(Link::Softmax) => {
            for mut row in outputs.rows_mut() {
                let largest = row.fold(f64::NEG_INFINITY, |m, &a| m.max(a));
                row.mapv_inplace(|a| (a - largest).exp());
                let sum = row.sum();
                row.mapv_inplace(|e| e / sum);
            }
        }
        Some(Link::Sigmoid) => outputs.mapv_inplace(|a| 1.0 / (1.0 + (-a).exp())),
        _ => {}
    }
    outputs
}

/// The name of a class, an output or an input, or its number.
fn name(names: &[String], index: usize, prefix: &str) -> String {
    names.get(index).cloned().unwrap_or_else(|| format!("{prefix}{index}"))
}

/// A run's data with what the network makes of them.
struct Told<'r, 'd, T> {
    run: &'r Run<'r, 'd, T>,
    inputs: ndarray::ArrayView2<'r, T>,
    outputs: Array2<f64>,
    targets: Targets<'r, f64>,
}

impl<T: Scalar> Told<'_, '_, T> {
    /// The rows that are told wrong, those first whose true class is held least probable.
    fn worst_mistakes(&self, names: &[String]) -> Result<Vec<Mistake>> {
        let mut wrong = Vec::new();
        for (i, outputs) in self.outputs.rows().into_iter().enumerate() {
            let (predicted, confidence) = largest(outputs);
            let expected = match self.targets {
                Targets::Classes(labels) => labels[i],
                Targets::Values(ref values) => largest(values.row(i)).0,
            };
            if predicted != expected {
                let held = outputs.get(expected).copied().unwrap_or(1.0 - confidence);
                wrong.push((held, i, expected, predicted, confidence));
            }
        }
        // NaN, which no order has a place for, comes first.
        let order = |held: f64| if held.is_nan() { f64::NEG_INFINITY } else { held };
        wrong.sort_by(|a, b| order(a.0).total_cmp(&order(b.0)));
        wrong.truncate(self.run.worst);
        let class = |class: usize| name(names, class, "");
        let of = |(_, i, expected, predicted, confidence): (f64, usize, usize, usize, f64)| {
            // Some losses have scores of any size.
            let confidence = Some(confidence).filter(|p| (0.0..=1.0).contains(p));
            self.mistake(i, class(expected), class(predicted), confidence, None)
        };
        wrong.into_iter().map(of).collect()
    }

    /// The rows whose answers are farthest from what they should be.
    fn largest_errors(&self, values: ndarray::ArrayView2<'_, f64>) -> Result<Vec<Mistake>> {
        let error = |i: usize| {
            let squares =
                self.outputs.row(i).iter().zip(values.row(i)).map(|(a, y)| (a - y).powi(2)).sum::<f64>();
            (squares / values.ncols().max(1) as f64).sqrt()
        };
        let mut errors: Vec<_> = (0..values.nrows()).map(|i| (error(i), i)).collect();
        errors.sort_by(|a, b| b.0.total_cmp(&a.0));
        errors.truncate(self.run.worst);
        errors.retain(|&(error, _)| error != 0.0);
        let numbers = |row: ArrayView1<'_, f64>| {
            let mut texts: Vec<_> =
                row.iter().take(OUTPUTS).map(|&value| crate::text::number(value)).collect();
            texts.extend((row.len() > OUTPUTS).then(|| "…".to_owned()));
            texts.join(", ")
        };
        let of = |(error, i): (f64, usize)| {
            self.mistake(i, numbers(values.row(i)), numbers(self.outputs.row(i)), None, Some(error))
        };
        errors.into_iter().map(of).collect()
    }

    fn mistake(
        &self,
        i: usize,
        expected: String,
        predicted: String,
        confidence: Option<f64>,
        error: Option<f64>,
    ) -> Result<Mistake> {
        let row = self.run.rows.map_or(i, |rows| rows[i]);
        let shown = self.run.shown.filter(|shown| row < shown.nrows()).map(|shown| shown.row(row));
        let inputs: Vec<_> = shown.unwrap_or(self.inputs.row(i)).iter().map(|x| x.as_f64()).collect();
        let picture = match self.run.picture {
            Some((channels, width, height)) => {
                let pixels = &inputs;
                let low = pixels.iter().copied().fold(f64::INFINITY, f64::min);
                let high = pixels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                Some(Picture::with(channels, width, height, pixels, low, high)?)
            }
            None => None,
        };
        let mut features = Vec::new();
        if picture.is_none() {
            let named = |(index, &x): (usize, &f64)| (name(self.run.feature_names, index, "x"), x);
            features = inputs.iter().enumerate().take(FEATURES).map(named).collect();
        }
        let row = self.run.row_numbers.and_then(|numbers| numbers.get(row)).copied().unwrap_or(row);
        Ok(Mistake { row, expected, predicted, confidence, error, picture, features })
    }

    fn fits(&self, values: ndarray::ArrayView2<'_, f64>) -> Vec<Fit> {
        let (rows, columns) = values.dim();
        let points = rows.min(POINTS);
        let fit = |column: usize| {
            let pair = |point: usize| {
                let row = point * rows / points;
                (values[[row, column]], self.outputs[[row, column]])
            };
            let name = name(self.run.class_names, column, if columns == 1 { "target " } else { "y" });
            Fit { name, points: (0..points).map(pair).collect() }
        };
        (0..columns.min(OUTPUTS)).map(fit).collect()
    }
}

/// The class that outputs tell, and its output: the largest; with a single output, whether it is above ½.
fn largest(outputs: ArrayView1<'_, f64>) -> (usize, f64) {
    if outputs.len() == 1 {
        let a = outputs[0];
        return if a > 0.5 { (1, a) } else { (0, 1.0 - a) };
    }
    let mut best = (0, f64::NEG_INFINITY);
    for (class, &a) in outputs.iter().enumerate() {
        if a > best.1 {
            best = (class, a);
        }
    }
    best
}
