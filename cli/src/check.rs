//! `chainrule check`.

use std::io::Write as _;
use std::sync::Arc;

use chainrule::random::{Generator, Stream};
use chainrule::{Backend, Targets, TrainerConfig, gradient_check, loss_by_name};
use ndarray::Array2;
use serde_json::json;

use crate::args::CheckArgs;
use crate::backends::check_isa;
use crate::config::NetworkSection;
use crate::failure::Failure;
use crate::recipe::{Recipe, Task, architecture, check_size};
use crate::report::{right_aligned, table};

/// Every parameter costs two passes over all of them.
const MOST_PARAMETERS: usize = 50_000;

/// `chainrule check`.
pub(crate) fn command(args: &CheckArgs) -> Result<(), Failure> {
    check_isa()?;
    let backends = match &args.backend {
        Some(name) => vec![chainrule::backend::<f64>(name)?],
        None => chainrule::backends::<f64>(),
    };
    if backends.is_empty() {
        chainrule::default_backend::<f64>()?;
    }
    check(args, &backends)
}

fn check(args: &CheckArgs, backends: &[Arc<dyn Backend<f64>>]) -> Result<(), Failure> {
    let [inputs, hidden @ .., outputs] = args.layers.0.as_slice() else {
        return Err(Failure::Usage("expected at least two layers".to_owned()));
    };
    let plain = Recipe::plain(hidden, 0.1, 1);
    let recipe = Recipe {
        network: NetworkSection {
            activation: Some(args.activation),
            output: args.output,
            init: args.init,
            bias_init: Some(args.bias_init),
            ..plain.network
        },
        trainer: TrainerConfig { loss: args.loss.clone(), ..plain.trainer },
        ..plain
    };
    let task = Task::Classes(*outputs);
    let config = recipe.config(*inputs, task)?;
    check_size(&config, MOST_PARAMETERS)?;
    let network = config.build::<f64>(args.seed)?;
    let batch = usize::from(args.batch);
    let mut generator = Generator::new(args.seed, Stream::Noise { step: 0, layer: 0 });
    let mut x = Array2::zeros((batch, *inputs));
    x.map_inplace(|x| *x = generator.normal());
    let labels: Vec<_> =
        (0..batch).map(|_| usize::try_from(generator.below(*outputs as u64)).unwrap_or(0)).collect();
    let loss = loss_by_name::<f64>(&args.loss)?;

    let mut out = std::io::stdout().lock();
    let human = !args.told.json;
    let mut table = table(&[
        "backend",
        "instruction set",
        "worst",
        "backpropagation",
        "differences",
        "relative error",
        "",
    ]);
    let mut all_pass = true;
    for backend in backends {
        let found = gradient_check(&network, &**backend, &*loss, &x, Targets::Classes(&labels))?;
        let pass = found.relative_error <= args.tolerance;
        all_pass &= pass;
        if human {
            table.add_row([
                backend.name().to_owned(),
                backend.isa().to_owned(),
                found.worst,
                format!("{:.9e}", found.analytic),
                format!("{:.9e}", found.numeric),
                format!("{:.1e}", found.relative_error),
                if pass { "passes" } else { "FAILS" }.to_owned(),
            ]);
        } else {
            let object = json!({
                "backend": backend.name(),
                "isa": backend.isa(),
                "parameters": found.parameters,
                "worst": found.worst,
                "analytic": found.analytic,
                "numeric": found.numeric,
                "relative_error": found.relative_error,
                "tolerance": args.tolerance,
                "pass": pass,
            });
            writeln!(out, "{object}")?;
        }
    }
    if human {
        right_aligned(&mut table, 3);
        writeln!(
            out,
            "{}, {} loss, batch {batch}, seed {}: {} parameters\n{table}",
            architecture(&config),
            args.loss,
            args.seed,
            network.parameters().len(),
        )?;
    }
    out.flush()?;
    if all_pass { Ok(()) } else { Err(Failure::Tolerance(args.tolerance)) }
}
