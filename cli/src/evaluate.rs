//! `chainrule evaluate`.

use std::io::Write as _;

use chainrule::{
    ConfusionMatrix, Dataset, Evaluation, Linked, Metric, Targets, evaluate, loss_by_name, metric_by_name,
};
use chainrule_model::{ElementType, Model};
use ndarray::{Array2, Axis, concatenate};
use serde_json::{Map, json};

use crate::args::EvaluateArgs;
use crate::failure::Failure;
use crate::known::{Known, Rows, Truth};
use crate::recipe::{OF_NUMBERS, check_metrics};
use crate::report::{percent, right_aligned, table};
use crate::run;

/// A confusion matrix of more classes is not printed for people.
const MOST_CLASSES: usize = 12;

/// `chainrule evaluate`.
pub(crate) fn command(args: &EvaluateArgs) -> Result<(), Failure> {
    let model = run::open(&args.model)?;
    args.machine.install(|| match model.element_type() {
        ElementType::F64 => measure::<f64>(args, &model),
        _ => measure::<f32>(args, &model),
    })
}

fn measure<T: Linked>(args: &EvaluateArgs, model: &Model) -> Result<(), Failure> {
    let backend = args.machine.backend::<T>()?;
    let known = Known::<T>::new(model)?;
    let Gathered { inputs, labels, values } = gather(&known, args)?;
    let classes = known.classes.len();
    let data = match &values {
        Some(values) => Dataset::values(&inputs, values)?,
        None => Dataset::classes(&inputs, &labels)?,
    };
    let metrics = metrics::<T>(args, classes)?;
    let usual = if classes > 0 { "cross-entropy" } else { "mse" };
    let loss = known.loss.as_deref().unwrap_or(usual);
    check_metrics(&args.metrics, loss, classes == 0)?;
    let loss = loss_by_name::<T>(loss)?;
    let evaluation = evaluate(&known.network, &*backend, &*loss, &data, &metrics)?;
    let confusion = if classes > 0 {
        let outputs = known.network.predict(&*backend, &inputs)?;
        Some(ConfusionMatrix::new(&outputs, Targets::Classes(&labels))?)
    } else {
        None
    };
    let told = Told {
        rows: inputs.nrows(),
        loss: loss.name(),
        evaluation: &evaluation,
        confusion,
        names: &known.classes,
    };
    if args.told.json { told.json() } else { told.human() }
}

/// Everything that was read.
struct Gathered<T> {
    inputs: Array2<T>,
    labels: Vec<usize>,
    values: Option<Array2<T>>,
}

fn gather<T: Linked>(known: &Known<T>, args: &EvaluateArgs) -> Result<Gathered<T>, Failure> {
    let (mut inputs, mut values, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    let place = &args.read.input;
    known.read(&args.read, |Rows { inputs: rows, truth }| {
        let before: usize = inputs.iter().map(|part: &Array2<T>| part.nrows()).sum();
        inputs.push(rows.clone());
        let lacks = |row: usize| {
            let found = format!("row {} without one", before + row + 1);
            Failure::unfit(place, found, "a known target in each row")
        };
        match truth {
            Truth::None => {
                return Err(Failure::unfit(place, "no targets", "a column of targets to evaluate with"));
            }
            Truth::Classes(classes) => {
                for (row, class) in classes.iter().enumerate() {
                    labels.push(class.ok_or_else(|| lacks(row))?);
                }
            }
            Truth::Values(part) => {
                if let Some(row) = part.rows().into_iter().position(|row| row.iter().any(|y| y.is_nan())) {
                    return Err(lacks(row));
                }
                values.push(part.clone());
            }
        }
        Ok(())
    })?;
    let join = |parts: &[Array2<T>]| {
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        concatenate(Axis(0), &views).map_err(|_| Failure::unfit(place, "no rows", "at least one"))
    };
    let values = if values.is_empty() { None } else { Some(join(&values)?) };
    Ok(Gathered { inputs: join(&inputs)?, labels, values })
}

/// The metrics asked for, else those that suit the task.
fn metrics<T: Linked>(args: &EvaluateArgs, classes: usize) -> Result<Vec<Box<dyn Metric<T>>>, Failure> {
    let usual: &[&str] = match classes {
        0 => &OF_NUMBERS,
        2 => &["precision", "recall", "f1", "roc-auc", "log-loss"],
        _ => &["precision-macro", "recall-macro", "f1-macro", "log-loss"],
    };
    let names: Vec<&str> = if args.metrics.is_empty() {
        usual.to_vec()
    } else {
        args.metrics.iter().map(String::as_str).collect()
    };
    Ok(names.into_iter().map(metric_by_name::<T>).collect::<chainrule::Result<_>>()?)
}

/// What is told of a network on data.
struct Told<'a> {
    rows: usize,
    loss: &'a str,
    evaluation: &'a Evaluation,
    confusion: Option<ConfusionMatrix>,
    names: &'a [String],
}

impl Told<'_> {
    fn json(&self) -> Result<(), Failure> {
        let mut object = Map::new();
        object.insert("rows".to_owned(), json!(self.rows));
        object.insert("loss".to_owned(), json!(self.evaluation.loss));
        object.extend(self.evaluation.accuracy.map(|accuracy| ("accuracy".to_owned(), json!(accuracy))));
        let named = self.evaluation.metrics.iter();
        object.extend(named.map(|(name, value)| (name.replace('-', "_"), json!(value))));
        if let Some(confusion) = &self.confusion {
            object.insert("classes".to_owned(), json!(self.names));
            object.insert("confusion_matrix".to_owned(), json!(counts(confusion)));
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::Value::Object(object))?;
        Ok(out.flush()?)
    }

    fn human(&self) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        let mut numbers = table(&["metric", "value"]);
        numbers.add_row(["rows".to_owned(), self.rows.to_string()]);
        numbers.add_row([self.loss.to_owned(), format!("{:.6}", self.evaluation.loss)]);
        numbers.add_rows(self.evaluation.accuracy.map(|accuracy| ["accuracy".to_owned(), percent(accuracy)]));
        let named = self.evaluation.metrics.iter();
        numbers.add_rows(named.map(|(name, value)| [name.clone(), format!("{value:.6}")]));
        right_aligned(&mut numbers, 1);
        writeln!(out, "{numbers}")?;
        if let Some(confusion) = self.confusion.as_ref().filter(|_| self.names.len() <= MOST_CLASSES) {
            let mut header = vec!["true \\ told"];
            header.extend(self.names.iter().map(String::as_str));
            let mut matrix = table(&header);
            for (name, counts) in self.names.iter().zip(counts(confusion)) {
                matrix.add_row(std::iter::once(name.clone()).chain(counts.iter().map(ToString::to_string)));
            }
            right_aligned(&mut matrix, 1);
            writeln!(out, "{matrix}")?;
        }
        Ok(out.flush()?)
    }
}

/// One row for each true class, one column for each that was told.
fn counts(confusion: &ConfusionMatrix) -> Vec<Vec<usize>> {
    confusion.counts().rows().into_iter().map(|row| row.to_vec()).collect()
}
