//! `chainrule presets`: what they are, and their experiments repeated.

use std::io::Write as _;

use clap::ValueEnum as _;

use crate::args::PresetsArgs;
use crate::config::{DataSection, PreprocessingSection};
use crate::data::Wanted;
use crate::failure::Failure;
use crate::job::{Job, Keep};
use crate::presets::{Figure, Preset};
use crate::progress::Progress;
use crate::report::{Record, table};
use crate::source::Source;

/// `chainrule presets`.
pub(crate) fn command(args: &PresetsArgs) -> Result<(), Failure> {
    let presets = if args.presets.is_empty() { Preset::value_variants() } else { &args.presets };
    let rows = match args.seeds {
        Some(seeds) => Some(args.machine.install(|| repeat(args, presets, u64::from(seeds)))?),
        None => None,
    };
    let mut out = std::io::stdout().lock();
    let measured = args.seeds.map(|seeds| format!("measured over {seeds} seeds: mean (range)"));
    match (rows, args.markdown) {
        (Some(rows), false) => {
            let mut table = table(&["preset", "published", &measured.unwrap_or_default(), "last epoch"]);
            for (preset, cells) in presets.iter().zip(rows) {
                table.add_row(
                    [&preset.name(), preset.published()].into_iter().chain(cells.iter().map(|c| &**c)),
                );
            }
            writeln!(out, "{table}")?;
        }
        (None, false) => {
            for preset in presets {
                let (name, method) = (preset.name(), preset.method());
                writeln!(out, "{name:<20} {method}")?;
                writeln!(out, "{:<20} published: {}; {}", "", preset.published(), preset.source())?;
            }
        }
        (rows, true) => {
            let last = ["source".to_owned()];
            let measured = measured.map(|measured| [measured, "last epoch".to_owned()]);
            let header = measured.as_ref().map_or(&last[..], |measured| &measured[..]);
            writeln!(out, "| preset | network and method | published | {} |", header.join(" | "))?;
            writeln!(out, "|{}", " --- |".repeat(3 + header.len()))?;
            for (index, preset) in presets.iter().enumerate() {
                let cells = match &rows {
                    Some(rows) => rows[index].join(" | "),
                    None => preset.source().to_owned(),
                };
                let (name, method, published) = (preset.name(), preset.method(), preset.published());
                writeln!(out, "| `{name}` | {method} | {published} | {cells} |")?;
            }
        }
    }
    Ok(out.flush()?)
}

/// Of each preset, the figure that its source reports, and those of the last epoch.
fn repeat(args: &PresetsArgs, presets: &[Preset], seeds: u64) -> Result<Vec<[String; 2]>, Failure> {
    // Refused before any data are read.
    args.machine.backend::<f32>()?;
    let row = |&preset: &Preset| {
        let runs = (0..seeds).map(|seed| run(args, preset, seed)).collect::<Result<Vec<_>, _>>()?;
        Ok([reported(preset.figure(), &runs), last(preset.figure(), &runs)])
    };
    presets.iter().map(row).collect()
}

/// The records of one run.
fn run(args: &PresetsArgs, preset: Preset, seed: u64) -> Result<Vec<Record>, Failure> {
    let mut recipe = preset.recipe();
    recipe.trainer.seed = seed;
    let source = Source::Mnist(preset.split());
    let section = DataSection { data_dir: args.data_dir.clone(), ..DataSection::default() };
    let wanted = Wanted { validation: 0.0, seed };
    let mut data = source.load::<f32>(&section, &PreprocessingSection::default(), wanted)?;
    let job = Job { recipe, machine: &args.machine };
    let progress = Progress::new(job.recipe.trainer.epochs, args.quiet, false);
    let keep = Keep { folder: &mut None, improvise: None };
    let records = job.run(&mut data, &progress, keep, None, |_| Ok(()))?.records;
    if !args.quiet {
        let last = last(preset.figure(), std::slice::from_ref(&records));
        let _ = writeln!(std::io::stderr(), "{} seed {seed}: last epoch {last}", preset.name());
    }
    Ok(records)
}

/// The figure that the source reports.
fn reported(figure: Figure, runs: &[Vec<Record>]) -> String {
    let best = |of: fn(&Record) -> f64| {
        move |run: &Vec<Record>| run.iter().max_by(|a, b| of(a).total_cmp(&of(b))).cloned()
    };
    match figure {
        Figure::BestTest => over(runs, "test, best epoch", |run| {
            best(Record::test_accuracy)(run).as_ref().map(Record::test_accuracy)
        }),
        Figure::BestValidation => {
            over(runs, "validation, best epoch", |run| best(validation)(run).as_ref().map(validation))
        }
        Figure::TestAtBestValidation => over(runs, "test at the best validation", |run| {
            best(validation)(run).map(|record| record.test_accuracy())
        }),
        Figure::LastTest | Figure::LastTrainAndTest => last(figure, runs),
    }
}

/// The figures of the last epoch.
fn last(figure: Figure, runs: &[Vec<Record>]) -> String {
    let of = |name: &str, of: fn(&Record) -> f64| over(runs, name, |run| run.last().map(of));
    let test = Record::test_accuracy;
    match figure {
        Figure::BestTest | Figure::LastTest | Figure::TestAtBestValidation => of("test", test),
        Figure::BestValidation => format!("{}; {}", of("validation", validation), of("test", test)),
        Figure::LastTrainAndTest => {
            format!("{}; {}", of("train", Record::train_accuracy), of("dev", test))
        }
    }
}

fn validation(record: &Record) -> f64 {
    record.validation.as_ref().and_then(|validation| validation.accuracy).unwrap_or(f64::NAN)
}

/// `95.41 % (95.20–95.61) test`.
fn over(runs: &[Vec<Record>], name: &str, of: impl Fn(&Vec<Record>) -> Option<f64>) -> String {
    let values: Vec<f64> = runs.iter().filter_map(of).map(|fraction| 100.0 * fraction).collect();
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &x| (l.min(x), h.max(x)));
    if values.len() > 1 {
        format!("{mean:.2} % ({low:.2}–{high:.2}) {name}")
    } else {
        format!("{mean:.2} % {name}")
    }
}
