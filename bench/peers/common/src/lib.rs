//! What the peers' programs share: flags, workloads, data, how time is taken, and the line of JSON that they print.
//!
//! The flags and the line are those of `chainrule-bench`; the data and the first weights are the same numbers in every
//! program, whatever its language, so that the losses of the first steps tell whether all do the same work.

mod data;
mod workload;

use std::error::Error;
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;

pub use data::{Dense, inputs, labels, layers, numbers, values};
pub use workload::{Activation, Method, Objective, Task, Workload};

/// A network of a peer, with the rows that it learns from.
pub trait Model {
    /// One step of gradient descent on a batch. It computes the loss, too, which [`Model::loss`] reads.
    fn train(&mut self, rows: Range<usize>);
    /// The loss of the last step, before it changed the network.
    fn loss(&mut self) -> f64;
    /// The logits of a batch, kept for [`Model::mean_logit`].
    fn infer(&mut self, rows: Range<usize>);
    /// The mean of the last logits.
    fn mean_logit(&mut self) -> f64;
}

impl Model for Box<dyn Model> {
    fn train(&mut self, rows: Range<usize>) {
        (**self).train(rows);
    }
    fn loss(&mut self) -> f64 {
        (**self).loss()
    }
    fn infer(&mut self, rows: Range<usize>) {
        (**self).infer(rows);
    }
    fn mean_logit(&mut self) -> f64 {
        (**self).mean_logit()
    }
}

#[derive(Debug, Parser)]
struct Arguments {
    /// W1 to W5, W6a, W6b, W7, W8
    #[arg(long, required_unless_present = "net", conflicts_with = "net")]
    workload: Option<String>,
    /// Another network: its sizes, such as 784-100-50-10
    #[arg(long)]
    net: Option<String>,
    #[arg(long, value_enum, default_value = "relu")]
    activation: Activation,
    #[arg(long, default_value_t = 32)]
    batch: usize,
    #[arg(long, default_value_t = 10_000)]
    rows: usize,
    /// Forward propagation alone
    #[arg(long)]
    infer: bool,
    #[arg(long, value_enum, default_value = "cross-entropy")]
    loss: Objective,
    #[arg(long, value_enum, default_value = "sgd")]
    optimizer: Method,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// For how long to measure
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The learning rate
    #[arg(long, default_value_t = 0.01)]
    rate: f64,
    /// Print also the losses of the first steps (of inference the means of the logits); with --seconds 0 nothing else
    #[arg(long)]
    losses: Option<usize>,
    #[arg(long, default_value = "f32")]
    dtype: String,
    /// One of the peer's ways to do it
    #[arg(long)]
    setting: Option<String>,
    /// Measure whenever a line is read from standard input, and print a line each time
    #[arg(long)]
    turns: bool,
}

/// What a program of a peer is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The network and the data.
    pub workload: Workload,
    /// The learning rate.
    pub rate: f64,
    /// The peer's way to do it.
    pub setting: String,
    /// Which of its threads the peer may use.
    pub threads: usize,
    /// f32 or f64.
    pub dtype: String,
}

#[derive(Serialize)]
struct Line<'a> {
    peer: &'a str,
    setting: &'a str,
    build: &'static str,
    version: &'a str,
    workload: &'a str,
    dtype: &'a str,
    threads: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    losses: Option<Vec<f64>>,
    #[serde(flatten)]
    rates: Option<Rates>,
}

#[derive(Serialize)]
struct Rates {
    samples_per_s: f64,
    gflops: f64,
    peak_rss_mb: f64,
    us_per_step: f64,
}

/// How the program was built: as `cargo build --release` does, or for this machine alone.
#[must_use]
pub fn build() -> &'static str {
    // The features that a plain build for x86-64 lacks.
    if cfg!(all(target_arch = "x86_64", target_feature = "avx2")) { "native" } else { "plain" }
}

/// Reads the flags, sets the number of rayon's threads, measures, prints the line. `prepare` gives none for what the peer cannot do.
///
/// # Errors
/// Flags that make no sense; what `prepare` cannot do.
pub fn run<M: Model>(
    peer: &str,
    version: &str,
    default_setting: &str,
    prepare: impl FnOnce(&Request) -> Result<M, String>,
) -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let workload = match (&arguments.workload, &arguments.net) {
        (Some(name), _) => Workload::by_name(name)?,
        (None, Some(net)) => {
            let train = Task::Train(arguments.loss, arguments.optimizer);
            let task = if arguments.infer { Task::Infer } else { train };
            Workload::new(net, arguments.activation, arguments.batch, arguments.rows, task)?
        }
        (None, None) => unreachable!("one of the two is required"),
    };
    // SAFETY: no other thread runs yet.
    unsafe { std::env::set_var("RAYON_NUM_THREADS", arguments.threads.to_string()) };
    let request = Request {
        workload,
        rate: arguments.rate,
        setting: arguments.setting.unwrap_or_else(|| default_setting.to_owned()),
        threads: arguments.threads,
        dtype: arguments.dtype,
    };
    let mut model = prepare(&request)?;
    let workload = &request.workload;
    let time = Duration::try_from_secs_f64(arguments.seconds)?;
    let losses = arguments.losses.map(|steps| losses(&mut model, workload, steps));
    let mut line = Line {
        peer,
        setting: &request.setting,
        build: build(),
        version,
        workload: &workload.name,
        dtype: &request.dtype,
        threads: request.threads,
        losses,
        rates: None,
    };
    if line.losses.is_none() {
        workload.batches().for_each(|rows| step(&mut model, workload, rows));
    } else if time.is_zero() {
        println!("{}", serde_json::to_string(&line)?);
        return Ok(());
    }
    for turn in turns(arguments.turns) {
        turn?;
        line.rates = Some(rates(&mut model, workload, time));
        println!("{}", serde_json::to_string(&line)?);
    }
    Ok(())
}

/// When to measure: once, or whenever a line is read from standard input.
pub fn turns(many: bool) -> Box<dyn Iterator<Item = io::Result<()>>> {
    if many {
        Box::new(io::stdin().lines().map(|line| line.map(drop)))
    } else {
        Box::new(std::iter::once(Ok(())))
    }
}

fn step(model: &mut impl Model, workload: &Workload, rows: Range<usize>) {
    match workload.task {
        Task::Train(..) => model.train(rows),
        Task::Infer => model.infer(rows),
    }
}

fn losses(model: &mut impl Model, workload: &Workload, steps: usize) -> Vec<f64> {
    let batches: Vec<_> = workload.batches().collect();
    (0..steps)
        .map(|i| {
            step(model, workload, batches[i % batches.len()].clone());
            match workload.task {
                Task::Train(..) => model.loss(),
                Task::Infer => model.mean_logit(),
            }
        })
        .collect()
}

fn rates(model: &mut impl Model, workload: &Workload, time: Duration) -> Rates {
    let seconds = median_seconds(time, || workload.batches().for_each(|rows| step(model, workload, rows)));
    let rows = workload.rows as f64;
    Rates {
        samples_per_s: rounded(rows / seconds),
        gflops: rounded(rows * workload.flops_per_sample() as f64 / seconds / 1e9),
        peak_rss_mb: rounded(peak_rss_megabytes()),
        us_per_step: rounded(seconds / workload.batches().count() as f64 * 1e6),
    }
}

/// The median of how long `work` takes, repeated for `time`, at least once, as `chainrule-bench` does it.
pub fn median_seconds(time: Duration, mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut seconds = Vec::new();
    while seconds.is_empty() || begun.elapsed() < time {
        let begun = Instant::now();
        work();
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// The most memory that this process has had resident, in 10⁶ bytes; 0 where the system does not tell it.
#[must_use]
pub fn peak_rss_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: Option<f64> =
        line.and_then(|line| line.trim().strip_suffix("kB")).and_then(|number| number.trim().parse().ok());
    kibibytes.unwrap_or(0.0) * 1024.0 / 1e6
}

/// Four significant digits: more would be noise.
#[must_use]
pub fn rounded(x: f64) -> f64 {
    format!("{x:.3e}").parse().unwrap_or(x)
}
