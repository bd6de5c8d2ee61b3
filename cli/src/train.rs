//! `chainrule train`.

use std::io::Write as _;

use chainrule::{Epoch, Evaluation, Linked, Network, loss_by_name};
use chainrule_data::Answers;
use chainrule_model::{Description, Model, write_atomically};
use chainrule_report::{Run, named};

use crate::args::{Dtype, TrainArgs};
use crate::auto;
use crate::data::Data;
use crate::failure::Failure;
use crate::hints::use_command;
use crate::interrupt;
use crate::job::{Job, Keep, Outcome, Told};
use crate::part::{Part, Pixels};
use crate::plan::Plan;
use crate::plot::learning_curve;
use crate::progress::Progress;
use crate::recipe::{Recipe, Task, architecture};
use crate::report::{Summary, human, human_memory, json_memory, json_record, json_summary};
use crate::run::{self, RunFolder};
use crate::windows::Windows;

/// `chainrule train`.
pub(crate) fn command(args: &TrainArgs) -> Result<(), Failure> {
    let plan = Plan::new(args)?;
    interrupt::catch()?;
    plan.machine.install(|| match plan.dtype {
        Dtype::F32 => train::<f32>(args, &plan),
        Dtype::F64 => train::<f64>(args, &plan),
    })
}

fn train<T: Linked>(args: &TrainArgs, plan: &Plan) -> Result<(), Failure> {
    let backend = plan.machine.backend::<T>()?;
    plan.check_outputs(args.config.as_deref())?;
    let mut data = plan.load::<T>()?;
    let recipe = plan.recipe(&data)?;
    let config = recipe.config(data.features(), data.task())?;
    data.scale_targets(&config.layers, &recipe.trainer.loss);
    let (json, quiet) = (args.told.json, args.quiet);
    let mut out = std::io::stdout().lock();
    let mut settled = plan.settled(&recipe);
    // A network whose numbers are on a scale of their own is of no use without it.
    let kept =
        if data.target_scale.is_some() { Description::default() } else { description(&data, &recipe)? };
    let (mut folder, from) = match (&args.resume, &plan.config.output.run) {
        (Some(run), _) => {
            let (folder, from) = RunFolder::reopen::<T>(run, &plan.config.output, kept.clone())?;
            (Some(folder), from)
        }
        (None, Some(run)) => (Some(RunFolder::create(run, &settled, kept.clone())?), None),
        (None, None) => (None, None),
    };
    if !json && !quiet {
        if plan.chooses() {
            writeln!(out, "{}", auto::reasons(&data, plan.config.data.task.is_some()))?;
        }
        let part = |part: &Option<Part<T>>, what: &str| {
            part.as_ref().map(|part| format!(", {} {what}", part.len())).unwrap_or_default()
        };
        writeln!(
            out,
            "{}: {} samples to train{}{}{}\n{}, {} loss; {} at learning rate {}, {}; batch {}, λ {}, seed {}; {} on {} ({})",
            plan.source.name(),
            data.samples(),
            data.windows.as_ref().map(Windows::told).unwrap_or_default(),
            part(&data.test, "to test"),
            part(&data.validation, "for validation"),
            architecture(&config),
            recipe.trainer.loss,
            recipe.trainer.optimizer.name,
            recipe.learning_rate()?,
            schedules(&recipe),
            recipe.batch(),
            recipe.trainer.l2,
            recipe.trainer.seed,
            T::NAME,
            backend.name(),
            backend.isa(),
        )?;
    }
    settled.output.run = settled.output.run.or_else(|| Some(run::free_name()));
    let improvise = || {
        let name = settled.output.run.clone().unwrap_or_default();
        RunFolder::create(&name, &settled, kept.clone())
    };
    let progress = Progress::new(recipe.trainer.epochs, quiet, !json);
    let job = Job { recipe, machine: &plan.machine };
    let keep = Keep { folder: &mut folder, improvise: Some(&improvise) };
    let Outcome { mut network, records, history, summary } =
        job.run(&mut data, &progress, keep, from, |told| match told {
            Told::Memory(memory) if json => Ok(json_memory(&mut out, memory)?),
            Told::Memory(memory) if !quiet => Ok(human_memory(&mut out, memory)?),
            Told::Epoch(record) if json => Ok(json_record(&mut out, record)?),
            _ => Ok(()),
        })?;
    if let Some(scale) = &data.target_scale {
        scale.take_in(&mut network);
    }
    if let Some(file) = &plan.config.output.svg {
        let title = format!("{}: {}", plan.source.name(), architecture(&config));
        write_atomically(file, learning_curve(&title, &records)?.as_bytes())?;
    }
    let model = folder.as_ref().map(RunFolder::model);
    let models: Vec<_> = plan.config.output.out.iter().chain(&model).collect();
    for file in &models {
        Model::save(file, &network, &description(&data, &job.recipe)?)?;
    }
    if let Some(folder) = &folder {
        let measured = folder.history(history, &records);
        report(folder, plan, &job, &data, &network, &measured, &summary)?;
    }
    if json {
        return Ok(json_summary(&mut out, &summary)?);
    }
    human(&mut out, &records, &summary)?;
    if let Some(file) = &plan.config.output.svg {
        writeln!(out, "learning curves: {}", file.display())?;
    }
    if let Some(folder) = &folder {
        writeln!(out, "the run: {}", folder.path().display())?;
    }
    if let Some(file) = models.first() {
        writeln!(out, "use the network: {}", use_command(file, plan)?)?;
    }
    Ok(out.flush()?)
}

/// Writes what is to be looked at into the run's folder.
fn report<T: Linked>(
    folder: &RunFolder,
    plan: &Plan,
    job: &Job<'_>,
    data: &Data<T>,
    network: &Network<T>,
    (history, tests): &(Vec<Epoch>, Vec<Option<Evaluation>>),
    summary: &Summary,
) -> Result<(), Failure> {
    let backend = job.machine.backend::<T>()?;
    let loss = loss_by_name::<T>(&job.recipe.trainer.loss)?;
    let (name, part) = match (&data.test, &data.validation) {
        (Some(test), _) => ("test", test),
        (None, Some(validation)) => ("validation", validation),
        (None, None) => ("training", &data.train),
    };
    // The network tells numbers in their own units by now.
    let mut part = Part::new(part.inputs.clone(), part.answers.clone());
    if let (Some(scale), Answers::Values(values)) = (&data.target_scale, &mut part.answers) {
        *values = scale.undo(values);
    }
    let (dataset, title) = (part.dataset()?, plan.source.name());
    let answers = if data.class_names.is_empty() { &data.target_names } else { &data.class_names };
    let mut raw = data.preparation.preprocessing.inverse(part.inputs.clone())?;
    // What was 0 comes back as nearly 0.
    for mut column in raw.columns_mut() {
        let least = T::of(1e-6) * column.fold(T::of(0.0), |most, x| most.max(x.abs()));
        column.mapv_inplace(|x| if x.abs() < least { T::of(0.0) } else { x });
    }
    let mut run = Run::new(&title, network, &*backend, &*loss, &dataset)
        .data_name(name)
        .history(history)
        .tests(tests)
        .class_names(answers)
        .feature_names(&data.feature_names)
        .shown(&raw);
    let numbers = data.rows.as_ref().map(|rows| match name {
        "test" => &rows.test,
        "validation" => &rows.validation,
        _ => &rows.train,
    });
    if let Some(numbers) = numbers.filter(|numbers| numbers.len() == part.len()) {
        run = run.row_numbers(numbers);
    }
    if let Some(Pixels { channels, width, height }) = data.pictures {
        run = run.colour_pictures(channels, width, height);
    }
    // The accuracy is told beside the confusion matrix.
    if let Some((_, evaluation)) = summary.last.parts().find(|(part, _)| *part == name) {
        let numbers = named(name, evaluation).into_iter().filter(|(name, _)| !name.ends_with("_accuracy"));
        run = numbers.fold(run, |run, (name, value)| run.number(name.replace('_', " "), value));
    }
    let trainer = &job.recipe.trainer;
    let run = run
        .setting("network", architecture(&network.config()?))
        .setting("loss", &trainer.loss)
        .setting("optimiser", &trainer.optimizer.name)
        .setting("learning rate", format!("{}, {}", job.recipe.learning_rate()?, schedules(&job.recipe)))
        .setting("batch", job.recipe.batch())
        .setting("epochs", trainer.epochs);
    let run = match &trainer.early_stopping {
        Some(early) => {
            run.setting("early stopping", format!("patience {}, by {}", early.patience, trainer.monitor))
        }
        None => run,
    };
    let run = match &plan.config.preprocessing.scaling {
        Some(scaling) => run.setting("scaling of the inputs", String::from(scaling.clone())),
        None => run,
    };
    folder.report(&run.setting("seed", trainer.seed))
}

/// `cosine:2000`, or what else the learning rate does.
fn schedules(recipe: &Recipe) -> String {
    let (by_step, by_epoch) = (&recipe.trainer.schedule, &recipe.trainer.schedule_by_epoch);
    match by_epoch {
        chainrule::Schedule::Constant => by_step.to_string(),
        _ => format!("{by_step} and {by_epoch} by epoch"),
    }
}

/// What is kept with a network.
pub(crate) fn description<T>(data: &Data<T>, recipe: &Recipe) -> Result<Description, Failure>
where
    T: Linked,
{
    let description = Description {
        task: Some(match data.task() {
            Task::Classes(_) => chainrule_model::Task::Classification,
            Task::Values(_) => chainrule_model::Task::Regression,
        }),
        classes: data.class_names.clone(),
        features: data.feature_names.clone(),
        targets: data.target_names.clone(),
        loss: Some(recipe.trainer.loss.clone()),
        ..Description::default()
    };
    Ok(description.with_preprocessing(&data.preparation)?)
}
