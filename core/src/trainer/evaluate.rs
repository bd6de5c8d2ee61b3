//! How good a network is on a data set.

use ndarray::{Array2, Axis, Slice};

use super::batch::{Batch, Part};
use super::report::Evaluation;
use crate::metric::Metric;
use crate::{
    Activation, Backend, Dataset, Error, Link, Loss, Network, Result, Scalar, Score, Targets, Weighted,
    Workspace, check,
};

/// A sum of scores, each weighted by its rows or by their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
pub struct Total {
    /// The rows.
    pub rows: usize,
    /// The sum of their weights; their number, where they have none.
    pub weight: f64,
    /// The sum of their losses times these.
    #[cfg_attr(feature = "serde", serde(with = "crate::serialize::number"))]
    pub loss: f64,
    /// How many are right, where that is counted.
    pub correct: Option<usize>,
}

impl Total {
    /// Adds the score of some rows.
    pub(super) fn add(&mut self, score: Score, rows: usize, weight: f64) {
        let before = if self.rows == 0 { Some(0) } else { self.correct };
        self.correct = before.zip(score.correct).map(|(a, b)| a + b);
        self.loss += score.loss * weight;
        self.weight += weight;
        self.rows += rows;
    }

    /// The means.
    #[must_use]
    pub fn mean(&self) -> Evaluation {
        let n = self.rows.max(1) as f64;
        let accuracy = self.correct.map(|correct| correct as f64 / n);
        let loss = if self.weight > 0.0 { self.loss / self.weight } else { 0.0 };
        Evaluation { loss, accuracy, metrics: Vec::new() }
    }
}

/// Measures a network on a data set: the loss, the accuracy and the metrics given.
///
/// # Errors
/// [`Error::Shape`] and [`Error::Label`] for data that does not fit the network.
pub fn evaluate<T: Scalar>(
    network: &Network<T>,
    backend: &dyn Backend<T>,
    loss: &dyn Loss<T>,
    data: &Dataset<'_, T>,
    metrics: &[Box<dyn Metric<T> + '_>],
) -> Result<Evaluation> {
    measure(network, backend, loss, data, None, metrics)
}

/// [`evaluate`] on some rows of a data set, such as those of a [`Split`](crate::Split).
///
/// # Errors
/// As [`evaluate`]; [`Error::Setting`] for a row that the data set does not have, [`Error::Empty`] for none.
pub fn evaluate_rows<T: Scalar>(
    network: &Network<T>,
    backend: &dyn Backend<T>,
    loss: &dyn Loss<T>,
    data: &Dataset<'_, T>,
    rows: &[usize],
    metrics: &[Box<dyn Metric<T> + '_>],
) -> Result<Evaluation> {
    measure(network, backend, loss, data, Some(rows), metrics)
}

/// Most rows that are measured at once.
pub(super) const BATCH: usize = 1024;

pub(super) fn measure<T: Scalar>(
    network: &Network<T>,
    backend: &dyn Backend<T>,
    loss: &dyn Loss<T>,
    data: &Dataset<'_, T>,
    rows: Option<&[usize]>,
    metrics: &[Box<dyn Metric<T> + '_>],
) -> Result<Evaluation> {
    fits(network, loss, data)?;
    check_rows(data, rows)?;
    let n = rows.map_or(data.len(), <[usize]>::len);
    let batch = n.min(BATCH);
    let mut workspace = Workspace::for_inference(network, batch)?;
    let mut gathered = Batch::new(data, if rows.is_some() { batch } else { 0 });
    let kept = if metrics.is_empty() { 0 } else { n };
    let mut outputs = Array2::zeros((kept, network.output_size()));
    let mut sum = Total::default();
    for start in (0..n).step_by(batch) {
        let end = n.min(start + batch);
        let Part { inputs, targets, weights } = match rows {
            Some(rows) => gathered.gather(backend, data, &rows[start..end])?,
            None => Part::of(data, start, end),
        };
        let weighted = weights.map(|weights| Weighted::new(loss, weights));
        let of_part: &dyn Loss<T> = weighted.as_ref().map_or(loss, |weighted| weighted);
        let score = network.score(backend, of_part, &inputs, targets, &mut workspace)?;
        sum.add(score, end - start, loss.total_weight(targets, weights));
        if !metrics.is_empty() {
            // Once more, since a loss may have left out what the network ends with.
            let output = network.forward(backend, &inputs, &mut workspace)?;
            let mut kept = outputs.slice_axis_mut(Axis(0), Slice::from(start..end));
            kept.assign(&output);
            // Metrics are told probabilities, also where the network ends with logits.
            match loss.link().filter(|_| !network.ends_with_link_of(loss)) {
                Some(Link::Softmax) => backend.softmax(&mut kept)?,
                Some(Link::Sigmoid) => backend.activate(Activation::Sigmoid, &mut kept)?,
                None => (),
            }
        }
    }
    let mut evaluation = sum.mean();
    if !metrics.is_empty() {
        // A loss may tell of one target by several outputs, its value first.
        let columns = data.targets().columns().unwrap_or(outputs.ncols());
        let outputs = outputs.slice_axis(Axis(1), Slice::from(..columns));
        let targets = Chosen::new(data, rows);
        let of = |metric: &(dyn Metric<T> + '_)| {
            (metric.name().to_owned(), metric.evaluate(&outputs, targets.of(data)))
        };
        evaluation.metrics = metrics.iter().map(|metric| of(&**metric)).collect();
    }
    Ok(evaluation)
}

/// The targets of some rows, or of all.
enum Chosen<T> {
    All,
    Classes(Vec<usize>),
    Values(Array2<T>),
}

impl<T: Scalar> Chosen<T> {
    fn new(data: &Dataset<'_, T>, rows: Option<&[usize]>) -> Self {
        match (rows, data.targets()) {
            (None, _) => Self::All,
            (Some(rows), Targets::Classes(labels)) => {
                Self::Classes(rows.iter().map(|&i| labels[i]).collect())
            }
            (Some(rows), Targets::Values(values)) => Self::Values(values.select(Axis(0), rows)),
        }
    }

    fn of<'t>(&'t self, data: &'t Dataset<'_, T>) -> Targets<'t, T> {
        match self {
            Self::All => data.targets(),
            Self::Classes(labels) => Targets::Classes(labels),
            Self::Values(values) => Targets::Values(values.view()),
        }
    }
}

/// Refuses rows that a data set does not have.
pub(super) fn check_rows<T: Scalar>(data: &Dataset<'_, T>, rows: Option<&[usize]>) -> Result<()> {
    let Some(rows) = rows else { return Ok(()) };
    if rows.is_empty() {
        return Err(Error::Empty { what: "the part of the data set", expected: "row" });
    }
    check::row_numbers("a row of the data set", rows, data.len())
}

/// Refuses data that the network has no inputs or outputs for.
pub(super) fn fits<T: Scalar>(network: &Network<T>, loss: &dyn Loss<T>, data: &Dataset<'_, T>) -> Result<()> {
    if data.inputs().ncols() != network.input_size() {
        return Err(Error::Shape {
            operation: "training",
            operand: "the data set's inputs",
            found: data.inputs().dim().into(),
            expected: (data.len(), network.input_size()).into(),
        });
    }
    // A network of one output has its classes 0 and 1 in it.
    let columns = match data.targets().columns() {
        None => network.output_size().max(2),
        Some(_) => loss.target_columns(network.output_size()),
    };
    data.targets().check("training", data.len(), columns)
}

/// Finds the first layer in which something is not finite: a parameter, or the output of the pass last made.
pub(super) fn diverged<T: Scalar>(
    epoch: usize,
    step: usize,
    network: &Network<T>,
    workspace: Option<&Workspace<T>>,
) -> Error {
    let named = network.named_parameters();
    for (index, layer) in network.layers().iter().enumerate() {
        let of_layer = network.range(index);
        let parameter = named.iter().find(|named| {
            let range = named.range.clone();
            of_layer.contains(&range.start) && network.parameters()[range].iter().any(|w| !w.is_finite())
        });
        let output = workspace.is_some_and(|w| w.activations(index).iter().any(|a| !a.is_finite()));
        let quantity = parameter.map(|named| named.parameter.name).or(output.then_some("output"));
        if let Some(quantity) = quantity {
            let layer = format!("layer {index} ({})", layer.name());
            return Error::Diverged { epoch, step, layer, quantity: format!("the {quantity}") };
        }
    }
    Error::Diverged { epoch, step, layer: "the network".to_owned(), quantity: "the loss".to_owned() }
}
