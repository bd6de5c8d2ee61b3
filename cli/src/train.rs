//! `chainrule train`.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use chainrule::{Backend, Dataset, Network, Sgd, Trainer, evaluate};

use crate::args::{CsvArgs, Dtype, Format, Header, MachineArgs, TrainArgs};
use crate::failure::Failure;
use crate::files::{check_writable, write_atomically};
use crate::model::{CsvFormat, Description, Element};
use crate::plot::learning_curve;
use crate::progress::Progress;
use crate::report::{Record, Summary, Validation, human, json_record, json_summary};
use crate::settings::Settings;
use crate::source::{Data, MnistSplit, Source};

/// All that makes a run the run it is.
#[derive(Clone, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) source: Source,
    pub(crate) settings: Settings,
    pub(crate) seed: u64,
    pub(crate) machine: &'a MachineArgs,
}

/// What a run leaves.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    pub(crate) network: Network<T>,
    pub(crate) records: Vec<Record>,
    pub(crate) summary: Summary,
}

impl Job<'_> {
    /// Trains a network on `data`, telling each epoch to `on_epoch`.
    pub(crate) fn run<T: Element>(
        &self,
        data: &Data<T>,
        progress: &Progress,
        mut on_epoch: impl FnMut(&Record) -> Result<(), Failure>,
    ) -> Result<Outcome<T>, Failure> {
        let settings = &self.settings;
        let backend = self.machine.backend::<T>()?;
        let mut network = settings.network::<T>(data.features(), data.class_names.len(), self.seed)?;
        let sets = data.sets()?;
        let samples = sets.train.len();
        let mut records = Vec::new();
        let mut failure = None;
        let mut trainer = Trainer::new(settings.loss.build(), Sgd::new(settings.lr))
            .epochs(settings.epochs)
            .batch_size(settings.batch_size.of(samples))
            .l2(settings.l2)
            .seed(self.seed)
            .validation(sets.test)
            .on_epoch(|epoch, network| {
                let told =
                    validate(settings, network, &*backend, sets.validation.as_ref()).and_then(|validation| {
                        let record = Record::new(epoch, validation);
                        progress.epoch(&record);
                        on_epoch(&record)?;
                        records.push(record);
                        Ok(())
                    });
                match told {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failure = Some(error);
                        ControlFlow::Break(())
                    }
                }
            });
        if let Some(mut on_step) = progress.on_step() {
            trainer = trainer.on_step(move |step| {
                on_step(step.epoch, step.samples, step.samples_per_epoch);
                ControlFlow::Continue(())
            });
        }
        trainer.fit(&mut network, &*backend, &sets.train)?;
        drop(trainer);
        progress.finish();
        if let Some(failure) = failure {
            return Err(failure);
        }
        let last = records.last().ok_or_else(|| Failure::Other("no epoch was trained".to_owned()))?;
        let seconds: f64 = records.iter().map(|record| record.seconds).sum();
        let summary = Summary {
            train_loss: last.train_loss,
            test_loss: last.test_loss,
            test_accuracy: last.test_accuracy,
            epochs: records.len(),
            samples_per_s: (samples * records.len()) as f64 / seconds.max(1e-9),
            seconds,
            backend: backend.name().to_owned(),
            isa: backend.isa().to_owned(),
            threads: backend.threads(),
            seed: self.seed,
            parameters: network.parameters().len(),
        };
        Ok(Outcome { network, records, summary })
    }
}

/// Measures the network on the validation data, where there are any.
fn validate<T: Element>(
    settings: &Settings,
    network: &Network<T>,
    backend: &dyn Backend<T>,
    data: Option<&Dataset<'_, T>>,
) -> Result<Option<Validation>, Failure> {
    let Some(data) = data else { return Ok(None) };
    let measured = evaluate(network, backend, &*settings.loss.build(), data, &[])?;
    Ok(Some(Validation { loss: measured.loss, accuracy: measured.accuracy.unwrap_or(f64::NAN) }))
}

/// `chainrule train`.
pub(crate) fn command(args: &TrainArgs) -> Result<(), Failure> {
    let mut source = match args.source.as_slice() {
        [] => Source::Mnist(MnistSplit::Standard),
        names => Source::parse(names)?,
    };
    let mut settings = source.defaults();
    if let Some(preset) = args.preset {
        let Source::Mnist(split) = &mut source else {
            return Err(Failure::Usage(format!(
                "the preset {} is for mnist, found {}",
                preset.name(),
                source.name()
            )));
        };
        *split = preset.split();
        settings = preset.settings();
    }
    let settings = settings.overridden(&args.network, &args.descent);
    let job = Job { source, settings, seed: args.descent.seed, machine: &args.machine };
    args.machine.install(|| match args.dtype {
        Dtype::F32 => train::<f32>(args, &job),
        Dtype::F64 => train::<f64>(args, &job),
    })
}

fn train<T: Element>(args: &TrainArgs, job: &Job<'_>) -> Result<(), Failure> {
    // What can be wrong without any data is told before they are read.
    let backend = args.machine.backend::<T>()?;
    job.settings.check_loss()?;
    args.out.iter().chain(&args.svg).try_for_each(|file| check_writable(file))?;
    let data = job.source.load::<T>(args.data_dir.as_deref(), &args.csv, job.seed)?;
    job.settings.check(data.features(), data.class_names.len())?;
    let json = args.format == Format::Json;
    let mut out = std::io::stdout().lock();
    if !json && !args.quiet {
        let sets = data.sets()?;
        let settings = &job.settings;
        let validation = match sets.validation {
            Some(validation) => format!(", {} for validation", validation.len()),
            None => String::new(),
        };
        writeln!(
            out,
            "{}: {} samples to train, {} to test{validation}\n\
             {}, {} and {}, {} loss; learning rate {}, batch {}, λ {}, seed {}; {} on {} ({})",
            job.source.name(),
            sets.train.len(),
            sets.test.len(),
            settings.architecture(data.features(), data.class_names.len()),
            settings.activation,
            settings.output(),
            settings.loss,
            settings.lr,
            settings.batch_size,
            settings.l2,
            job.seed,
            T::NAME,
            backend.name(),
            backend.isa(),
        )?;
        out.flush()?;
    }
    let progress = Progress::new(job.settings.epochs, args.quiet, !json);
    let Outcome { network, records, summary } =
        job.run(&data, &progress, |record| if json { Ok(json_record(&mut out, record)?) } else { Ok(()) })?;
    if let Some(file) = &args.svg {
        write_atomically(file, learning_curve(&title(job, &data), &records)?.as_bytes())?;
    }
    if let Some(file) = &args.out {
        let description = Description::new(&job.settings, &data, csv_format(&job.source, &args.csv));
        write_atomically(file, &description.with_parameters(&network)?)?;
    }
    if json {
        return Ok(json_summary(&mut out, &summary)?);
    }
    human(&mut out, &records, &summary)?;
    if let Some(file) = &args.svg {
        writeln!(out, "learning curves: {}", file.display())?;
    }
    if let Some(file) = &args.out {
        writeln!(out, "use the network: {}", use_command(file, &job.source, args)?)?;
    }
    Ok(out.flush()?)
}

fn title<T: Element>(job: &Job<'_>, data: &Data<T>) -> String {
    let architecture = job.settings.architecture(data.features(), data.class_names.len());
    format!(
        "{}: {architecture}, {} and {}",
        job.source.name(),
        job.settings.activation,
        job.settings.output()
    )
}

/// What of the training file's format a later file is expected to share.
fn csv_format(source: &Source, args: &CsvArgs) -> Option<CsvFormat> {
    matches!(source, Source::Csv(_)).then(|| CsvFormat::new(args))
}

/// The command that uses the network: to be pasted into a shell, wherever this program lies.
fn use_command(model: &Path, source: &Source, args: &TrainArgs) -> Result<String, Failure> {
    let program = std::env::args_os().next().unwrap_or_else(|| "chainrule".into());
    let path = |path: &Path| path.as_os_str().to_string_lossy().into_owned();
    let mut words = vec![program.to_string_lossy().into_owned(), "predict".to_owned(), path(model)];
    match source {
        Source::Digits => words.push("digits".to_owned()),
        Source::Mnist(_) => {
            words.push("mnist".to_owned());
            if let Some(folder) = &args.data_dir {
                words.extend(["--data-dir".to_owned(), path(folder)]);
            }
        }
        Source::Csv(paths) => {
            words.extend(paths.last().map(|last| path(last)));
            if args.csv.skip > 0 {
                words.extend(["--skip".to_owned(), args.csv.skip.to_string()]);
            }
            if args.csv.header != Header::Auto {
                words.extend(["--header".to_owned(), args.csv.header.to_string()]);
            }
        }
    }
    shlex::try_join(words.iter().map(String::as_str))
        .map_err(|_| Failure::Other("a file's name holds a NUL character".to_owned()))
}
