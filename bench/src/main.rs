//! Measures one workload or one matrix product on one backend, and prints the result as a line of JSON.
//!
//! ```text
//! cargo run --release -p chainrule-bench -- --workload W1 --threads 1 --backend simd --seconds 2
//! cargo run --release -p chainrule-bench -- --net 784-100-50-10 --activation relu --batch 64 --rows 10000
//! cargo run --release -p chainrule-bench -- --workload W5 --losses 20 --rate 0.1 --seconds 0
//! cargo run --release -p chainrule-bench -- --gemm 128,784,512 --form NT --dtype f32
//! yes | head -3 | cargo run --release -p chainrule-bench -- --workload W1 --seconds 0.1 --turns
//! ```
#![forbid(unsafe_code)]

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chainrule::{Activation, Backend, Linked};
use chainrule_bench::{
    Form, Method, Objective, Operands, Ready, Shape, Task, Workload, handover_ns, peak_gflops,
    peak_rss_megabytes, rounded,
};
use clap::{ArgGroup, Parser, ValueEnum};
use serde::Serialize;

/// Measures chainrule on one workload or one matrix product.
#[derive(Debug, Parser)]
#[command(version, group = ArgGroup::new("what").required(true))]
struct Arguments {
    /// Train or run a network: W1 to W5, W6a, W6b, W7, W8
    #[arg(long, group = "what", value_parser = Workload::by_name)]
    workload: Option<Workload>,
    /// Train or run another network, whose sizes these are, such as 784-100-50-10
    #[arg(long, group = "what", value_name = "SIZES")]
    net: Option<String>,
    /// The activation of that network's hidden layers
    #[arg(long, default_value = "relu", conflicts_with_all = ["workload", "gemm"])]
    activation: Activation,
    /// The rows of that network's batches
    #[arg(long, default_value_t = 32, conflicts_with_all = ["workload", "gemm"])]
    batch: usize,
    /// The rows in memory that it learns from
    #[arg(long, default_value_t = 10_000, conflicts_with_all = ["workload", "gemm"])]
    rows: usize,
    /// Run that network instead of training it
    #[arg(long, conflicts_with_all = ["workload", "gemm"])]
    infer: bool,
    /// The loss of its training: cross-entropy or mse
    #[arg(long, default_value_t = Objective::CrossEntropy, conflicts_with_all = ["workload", "gemm", "infer"])]
    loss: Objective,
    /// How it learns: sgd or adam
    #[arg(long, default_value_t = Method::Sgd, conflicts_with_all = ["workload", "gemm", "infer"])]
    optimizer: Method,
    /// The learning rate
    #[arg(long, default_value_t = 0.01, conflicts_with = "gemm")]
    rate: f64,
    /// Print also the losses of the first steps (without training, the means of the logits); with --seconds 0 nothing else
    #[arg(long, value_name = "STEPS", conflicts_with = "gemm")]
    losses: Option<usize>,
    /// Multiply an M × K by a K × N matrix
    #[arg(long, group = "what", value_name = "M,K,N")]
    gemm: Option<Shape>,
    /// Which operand of the product lies transposed in memory
    #[arg(long, value_enum, default_value = "NN", conflicts_with_all = ["workload", "net"])]
    form: Form,
    /// The element type
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// The backend; the fastest that is linked unless given
    #[arg(long)]
    backend: Option<String>,
    /// The instruction set of the backend simd: portable, avx2, avx512 or neon; the best one unless given
    #[cfg(feature = "simd")]
    #[arg(long)]
    isa: Option<chainrule::simd::Isa>,
    /// The number of threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// For how long to measure
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
    /// Measure whenever a line is read from standard input, and print a line each time: several programs can take turns
    #[arg(long)]
    turns: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dtype {
    F32,
    F64,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number from 0 to 3600".to_owned()),
    }
}

/// One line of the output. A rate is the median over repetitions: epochs of a workload, or some milliseconds of products.
#[derive(Clone, Debug, Serialize)]
struct Report {
    peer: &'static str,
    backend: String,
    isa: String,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gemm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<String>,
    dtype: &'static str,
    threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gflops: Option<f64>,
    /// Of the multiply-adds that as many threads of this machine can do, measured in this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    fraction_of_peak: Option<f64>,
    /// A word's way to another core and back, of runs on several threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    handover_ns: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_rss_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    us_per_step: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    losses: Option<Vec<f64>>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let print = |report: &Report| -> Result<(), Box<dyn Error>> {
        println!("{}", serde_json::to_string(report)?);
        Ok(())
    };
    match arguments.dtype {
        Dtype::F32 => measure::<f32>(arguments, turns(arguments.turns), print),
        Dtype::F64 => measure::<f64>(arguments, turns(arguments.turns), print),
    }
}

/// When to measure: once, or whenever a line is read.
fn turns(many: bool) -> Box<dyn Iterator<Item = io::Result<()>>> {
    if many {
        Box::new(io::stdin().lines().map(|line| line.map(drop)))
    } else {
        Box::new(std::iter::once(Ok(())))
    }
}

/// An element type of the backends that are linked.
trait Element: Linked {
    /// The backend simd on that instruction set.
    #[cfg(feature = "simd")]
    fn simd(isa: chainrule::simd::Isa) -> chainrule::Result<Arc<dyn Backend<Self>>>;

    /// The backend blas with so many threads of OpenBLAS's own.
    #[cfg(feature = "blas")]
    fn blas(threads: usize) -> Arc<dyn Backend<Self>>;
}

macro_rules! elements {
    ($($t:ty),*) => {$(
        impl Element for $t {
            #[cfg(feature = "simd")]
            fn simd(isa: chainrule::simd::Isa) -> chainrule::Result<Arc<dyn Backend<Self>>> {
                Ok(Arc::new(chainrule::simd::Simd::builder().isa(isa).build()?))
            }

            #[cfg(feature = "blas")]
            fn blas(threads: usize) -> Arc<dyn Backend<Self>> {
                Arc::new(chainrule::blas::Blas::with_threads(threads))
            }
        }
    )*};
}

elements!(f32, f64);

fn backend<T: Element>(arguments: &Arguments) -> Result<Arc<dyn Backend<T>>, Box<dyn Error>> {
    #[cfg(feature = "simd")]
    if let Some(isa) = arguments.isa {
        if arguments.backend.as_deref().is_some_and(|name| name != "simd") {
            return Err("--isa is for the backend simd".into());
        }
        return Ok(T::simd(isa)?);
    }
    Ok(match arguments.backend.as_deref() {
        #[cfg(feature = "blas")]
        Some("blas") => T::blas(usize::from(arguments.threads)),
        Some(name) => chainrule::backend::<T>(name)?,
        None => chainrule::default_backend::<T>()?,
    })
}

fn measure<T: Element>(
    arguments: &Arguments,
    turns: impl Iterator<Item = io::Result<()>>,
    mut print: impl FnMut(&Report) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let threads = usize::from(arguments.threads);
    let backend = backend::<T>(arguments)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let time = Duration::from_secs_f64(arguments.seconds);
    let workload = match &arguments.net {
        Some(net) => {
            let train = Task::Train(arguments.loss, arguments.optimizer);
            let task = if arguments.infer { Task::Infer } else { train };
            Some(Workload::of_sizes(net, arguments.activation, arguments.batch, arguments.rows, task)?)
        }
        None => arguments.workload,
    };
    let mut report = Report {
        peer: "chainrule",
        backend: backend.name().to_owned(),
        isa: backend.isa().to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        workload: workload.map(|workload| workload.name),
        gemm: arguments.gemm.map(|shape| shape.to_string()),
        form: arguments.gemm.map(|_| arguments.form.to_string()),
        dtype: T::NAME,
        threads,
        samples_per_s: None,
        gflops: None,
        fraction_of_peak: None,
        handover_ns: None,
        peak_rss_mb: None,
        us_per_step: None,
        losses: None,
    };
    let mut ready = workload.map(|workload| workload.prepare::<T>()).transpose()?;
    ready = ready.map(|ready| ready.rate(arguments.rate));
    if let (Some(ready), Some(steps)) = (&mut ready, arguments.losses) {
        report.losses = Some(pool.install(|| ready.losses(&*backend, steps))?);
        if time.is_zero() {
            return print(&report);
        }
    } else if let Some(ready) = &mut ready {
        pool.install(|| ready.epoch(&*backend))?;
    }
    let mut operands = arguments.gemm.map(|shape| (Operands::<T>::new(shape, arguments.form), shape));
    for turn in turns {
        turn?;
        let before = peak_gflops::<T>(threads);
        let rates = pool.install(|| match (&mut ready, &mut operands) {
            (Some(ready), _) => run_workload(ready, &*backend, time),
            (None, Some((operands, shape))) => run_product(operands, *shape, &*backend, time),
            (None, None) => unreachable!("one of them is required"),
        })?;
        report.peak_rss_mb = peak_rss_megabytes().map(rounded);
        report.handover_ns = (threads > 1).then(|| rounded(handover_ns()));
        let peak = before.max(peak_gflops::<T>(threads));
        let gflops = rates.flops / rates.seconds / 1e9;
        report.samples_per_s = workload.map(|_| rounded(rates.samples / rates.seconds));
        report.gflops = Some(rounded(gflops));
        report.fraction_of_peak = Some(rounded(gflops / peak));
        report.us_per_step = Some(rounded(rates.seconds * 1e6));
        print(&report)?;
    }
    Ok(())
}

/// What a step takes and does; a step is a batch or a product.
struct Rates {
    seconds: f64,
    samples: f64,
    flops: f64,
}

/// Of a workload that has run already, if only some steps.
fn run_workload<T: Linked>(
    ready: &mut Ready<T>,
    backend: &dyn Backend<T>,
    time: Duration,
) -> chainrule::Result<Rates> {
    let mut steps = 0;
    let seconds_per_epoch = median_seconds(time, || {
        steps = ready.epoch(backend)?;
        Ok(())
    })?;
    // The last batch may be a short one: means over the epoch.
    let workload = ready.workload();
    let samples = workload.rows as f64 / steps as f64;
    Ok(Rates {
        seconds: seconds_per_epoch / steps as f64,
        samples,
        flops: samples * workload.flops_per_sample() as f64,
    })
}

fn run_product<T: Linked>(
    operands: &mut Operands<T>,
    shape: Shape,
    backend: &dyn Backend<T>,
    time: Duration,
) -> chainrule::Result<Rates> {
    operands.multiply(backend)?;
    // As many products as take some five milliseconds, so that the clock's own time does not count.
    let mut times = 1;
    loop {
        let begun = Instant::now();
        for _ in 0..times {
            operands.multiply(backend)?;
        }
        if begun.elapsed() >= Duration::from_millis(5) {
            break;
        }
        times *= 2;
    }
    let seconds = median_seconds(time, || {
        for _ in 0..times {
            operands.multiply(backend)?;
        }
        Ok(())
    })?;
    Ok(Rates { seconds: seconds / f64::from(times), samples: 1.0, flops: shape.flops() as f64 })
}

/// The median of how long `work` takes, repeated for `time`, at least once.
fn median_seconds(time: Duration, mut work: impl FnMut() -> chainrule::Result<()>) -> chainrule::Result<f64> {
    let begun = Instant::now();
    let mut seconds = Vec::new();
    while seconds.is_empty() || begun.elapsed() < time {
        let begun = Instant::now();
        work()?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is printed in so many turns.
    fn reports<'a, T: Element>(arguments: impl IntoIterator<Item = &'a str>, turns: usize) -> Vec<Report> {
        let mut reports = Vec::new();
        measure::<T>(&Arguments::parse_from(arguments), (0..turns).map(|_| Ok(())), |report| {
            reports.push(report.clone());
            Ok(())
        })
        .unwrap();
        reports
    }

    #[test]
    fn every_backend_is_measured() {
        for backend in chainrule::backends::<f32>() {
            let name = backend.name();
            for what in [["--workload", "w5"], ["--gemm", "3,4,5"]] {
                let arguments = ["chainrule-bench", "--backend", name, "--seconds", "0", what[0], what[1]];
                let reports = reports::<f32>(arguments, 2);
                assert_eq!(reports.len(), 2);
                for report in reports {
                    assert_eq!(report.samples_per_s.is_some(), what[0] == "--workload");
                    assert!(report.gflops > Some(0.0) && report.us_per_step > Some(0.0), "{report:?}");
                    let json: serde_json::Value = serde_json::to_value(&report).unwrap();
                    assert_eq!(json["backend"], name);
                }
            }
        }
    }

    #[test]
    fn losses_are_those_of_the_same_start() {
        let run = |more: &str| {
            let arguments = "chainrule-bench --net 5-4-3 --activation tanh --batch 2 --rows 6 --losses 7 --rate 0.5 --seconds 0";
            let arguments = arguments.split_whitespace().chain(more.split_whitespace());
            reports::<f64>(arguments, 1).remove(0).losses.unwrap()
        };
        let losses = run("");
        assert_eq!(losses.len(), 7);
        assert_eq!(losses, run(""));
        assert!((losses[0] - run("--infer")[0]).abs() > 1e-3);
        #[cfg(feature = "simd")]
        assert_eq!(run("--isa portable").len(), 7);
    }

    #[test]
    fn mistakes_are_refused() {
        for bad in [
            "",
            "--workload W9",
            "--gemm 1,2",
            "--workload W1 --gemm 1,2,3",
            "--workload W1 --form NT",
            "--workload W1 --threads 0",
            "--workload W1 --seconds nan",
            "--workload W1 --net 3-2",
            "--workload W1 --batch 3",
            "--gemm 1,2,3 --losses 4",
        ] {
            let arguments = std::iter::once("chainrule-bench").chain(bad.split_whitespace());
            assert!(Arguments::try_parse_from(arguments).is_err(), "{bad}");
        }
    }
}
