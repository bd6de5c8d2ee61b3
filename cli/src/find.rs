//! `chainrule find-lr`.

use std::io::Write as _;

use chainrule::{Linked, RateCurve, RateFinder};
use serde_json::json;

use crate::args::{Dtype, FindArgs};
use crate::failure::Failure;
use crate::plan::Plan;
use crate::report::{right_aligned, table};

/// The most rows of the table.
const ROWS: usize = 20;

/// `chainrule find-lr`.
pub(crate) fn command(args: &FindArgs) -> Result<(), Failure> {
    let plan = Plan::new(&args.train)?;
    let finder =
        RateFinder { start: args.from, end: args.to, steps: args.steps as usize, ..RateFinder::default() };
    let curve = plan.machine.install(|| match plan.dtype {
        Dtype::F32 => find::<f32>(&plan, finder),
        Dtype::F64 => find::<f64>(&plan, finder),
    })?;
    let mut out = std::io::stdout().lock();
    if args.train.told.json {
        let points: Vec<_> =
            curve.points.iter().map(|(rate, loss)| json!({ "rate": rate, "loss": loss })).collect();
        writeln!(out, "{}", json!({ "suggestion": curve.suggestion, "points": points }))?;
        return Ok(out.flush()?);
    }
    if !args.train.quiet {
        let mut table = table(&["learning rate", "mean loss"]);
        let n = curve.points.len();
        for row in 0..n.min(ROWS) {
            let (rate, loss) = curve.points[row * (n - 1) / (n.min(ROWS) - 1).max(1)];
            table.add_row([format!("{rate:.2e}"), format!("{loss:.4}")]);
        }
        right_aligned(&mut table, 0);
        writeln!(out, "{table}")?;
    }
    match curve.suggestion {
        Some(rate) => writeln!(out, "suggestion: --lr {rate:.2e}")?,
        None => writeln!(out, "no suggestion: the loss is lowest at the beginning")?,
    }
    Ok(out.flush()?)
}

fn find<T: Linked>(plan: &Plan, finder: RateFinder) -> Result<RateCurve, Failure> {
    let backend = plan.machine.backend::<T>()?;
    let mut data = plan.load::<T>()?;
    let recipe = plan.recipe(&data)?;
    let config = recipe.config(data.features(), data.task())?;
    data.scale_targets(&config.layers, &recipe.trainer.loss);
    let network = config.build::<T>(recipe.trainer.seed)?;
    let data = data.train.dataset()?;
    Ok(recipe.trainer.trainer::<T>()?.find_learning_rate(&network, &*backend, &data, finder)?)
}
