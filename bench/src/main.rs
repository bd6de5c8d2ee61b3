//! Measures one workload or one matrix product on one backend, and prints the result as a line of JSON.
//!
//! ```text
//! cargo run --release -p chainrule-bench -- --workload W1 --threads 1 --backend simd --seconds 2
//! cargo run --release -p chainrule-bench -- --gemm 128,784,512 --form NT --dtype f32
//! ```
#![forbid(unsafe_code)]

use std::error::Error;
#[cfg(feature = "blas")]
use std::sync::Arc;
use std::time::{Duration, Instant};

use chainrule::{Backend, Linked};
use chainrule_bench::{Form, Operands, Shape, Workload, peak_gflops, peak_rss_megabytes};
use clap::{ArgGroup, Parser, ValueEnum};
use serde::Serialize;

/// Measures chainrule on one workload or one matrix product.
#[derive(Debug, Parser)]
#[command(version, group = ArgGroup::new("what").required(true))]
struct Arguments {
    /// Train or run a network: W1 to W5, W6a, W6b
    #[arg(long, group = "what", value_parser = Workload::by_name)]
    workload: Option<Workload>,
    /// Multiply an M × K by a K × N matrix
    #[arg(long, group = "what", value_name = "M,K,N")]
    gemm: Option<Shape>,
    /// Which operand of the product lies transposed in memory
    #[arg(long, value_enum, default_value = "NN", conflicts_with = "workload")]
    form: Form,
    /// The element type
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Dtype,
    /// The backend; the fastest that is linked unless given
    #[arg(long)]
    backend: Option<String>,
    /// The number of threads
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
    /// For how long to measure
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    seconds: f64,
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
#[derive(Debug, Serialize)]
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
    gflops: f64,
    /// Of the multiply-adds that as many threads of this machine can do, measured in this run.
    fraction_of_peak: f64,
    peak_rss_mb: Option<f64>,
    us_per_step: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let report = match arguments.dtype {
        Dtype::F32 => measure::<f32>(&arguments),
        Dtype::F64 => measure::<f64>(&arguments),
    }?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn measure<T: Linked>(arguments: &Arguments) -> Result<Report, Box<dyn Error>> {
    let threads = usize::from(arguments.threads);
    let backend = match arguments.backend.as_deref() {
        // OpenBLAS has threads of its own.
        #[cfg(feature = "blas")]
        Some("blas") => Arc::new(chainrule::blas::Blas::with_threads(threads)),
        Some(name) => chainrule::backend::<T>(name)?,
        None => chainrule::default_backend::<T>()?,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let time = Duration::from_secs_f64(arguments.seconds);
    let before = peak_gflops::<T>(threads);
    let rates = pool.install(|| match (arguments.workload, arguments.gemm) {
        (Some(workload), _) => run_workload::<T>(&workload, &*backend, time),
        (None, Some(shape)) => run_product::<T>(shape, arguments.form, &*backend, time),
        (None, None) => unreachable!("one of the two is required"),
    })?;
    let peak_rss_mb = peak_rss_megabytes();
    let peak = before.max(peak_gflops::<T>(threads));
    let gflops = rates.flops / rates.seconds / 1e9;
    Ok(Report {
        peer: "chainrule",
        backend: backend.name().to_owned(),
        isa: backend.isa().to_owned(),
        version: env!("CARGO_PKG_VERSION"),
        workload: arguments.workload.map(|workload| workload.name),
        gemm: arguments.gemm.map(|shape| shape.to_string()),
        form: arguments.gemm.map(|_| arguments.form.to_string()),
        dtype: T::NAME,
        threads,
        samples_per_s: arguments.workload.map(|_| rounded(rates.samples / rates.seconds)),
        gflops: rounded(gflops),
        fraction_of_peak: rounded(gflops / peak),
        peak_rss_mb: peak_rss_mb.map(rounded),
        us_per_step: rounded(rates.seconds * 1e6),
    })
}

/// What a step takes and does; a step is a batch or a product.
struct Rates {
    seconds: f64,
    samples: f64,
    flops: f64,
}

fn run_workload<T: Linked>(
    workload: &Workload,
    backend: &dyn Backend<T>,
    time: Duration,
) -> chainrule::Result<Rates> {
    let mut ready = workload.prepare::<T>()?;
    let steps = ready.epoch(backend)?;
    let seconds_per_epoch = median_seconds(time, || ready.epoch(backend).map(drop))?;
    // The last batch may be a short one: means over the epoch.
    let samples = workload.rows as f64 / steps as f64;
    Ok(Rates {
        seconds: seconds_per_epoch / steps as f64,
        samples,
        flops: samples * workload.flops_per_sample() as f64,
    })
}

fn run_product<T: Linked>(
    shape: Shape,
    form: Form,
    backend: &dyn Backend<T>,
    time: Duration,
) -> chainrule::Result<Rates> {
    let mut operands = Operands::<T>::new(shape, form);
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

/// The median of how long `work` takes, repeated for `time` and at least three times.
fn median_seconds(time: Duration, mut work: impl FnMut() -> chainrule::Result<()>) -> chainrule::Result<f64> {
    let begun = Instant::now();
    let mut seconds = Vec::new();
    while seconds.len() < 3 || begun.elapsed() < time {
        let begun = Instant::now();
        work()?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

/// Four significant digits: more would be noise.
fn rounded(x: f64) -> f64 {
    format!("{x:.3e}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_backend_is_measured() {
        for backend in chainrule::backends::<f32>() {
            let name = backend.name();
            for what in [["--workload", "w5"], ["--gemm", "3,4,5"]] {
                let arguments = ["chainrule-bench", "--backend", name, "--seconds", "0", what[0], what[1]];
                let report = measure::<f32>(&Arguments::parse_from(arguments)).unwrap();
                assert_eq!(report.samples_per_s.is_some(), what[0] == "--workload");
                assert!(report.gflops > 0.0 && report.us_per_step > 0.0, "{report:?}");
                let json: serde_json::Value = serde_json::to_value(&report).unwrap();
                assert_eq!(json["backend"], name);
            }
        }
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
        ] {
            let arguments = std::iter::once("chainrule-bench").chain(bad.split_whitespace());
            assert!(Arguments::try_parse_from(arguments).is_err(), "{bad}");
        }
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!([123_456.0, 0.098_765, 0.0].map(|x| rounded(x).to_string()), ["123500", "0.09877", "0"]);
    }
}
