//! How long chainrule takes to an accuracy on MNIST's test images. The clock stands while the network is tested, and until
//! the images are in memory; so it does in the programs of the peers.
//!
//! ```text
//! cargo run --release -p chainrule-bench --bin time_to_accuracy -- --data-dir data/mnist --goal 98 --threads 2 --seed 1
//! ```

#![forbid(unsafe_code)]

use std::error::Error;
use std::time::Instant;

use chainrule::layer::Mode;
use chainrule::random::{Generator, Stream};
use chainrule::{Activation, CrossEntropy, Descent, Network, Targets, Workspace};
use chainrule_bench::{peak_rss_megabytes, rounded};
use chainrule_data::{Split, mnist};
use clap::Parser;
use ndarray::{Array2, Axis, Slice};

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    data_dir: std::path::PathBuf,
    /// The accuracy to reach, in percent
    #[arg(long, default_value_t = 97.0)]
    goal: f64,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The rectified units of the hidden layer
    #[arg(long)]
    hidden: Option<usize>,
    #[arg(long)]
    batch: Option<usize>,
    /// The learning rate of the first step; it falls in a straight line
    #[arg(long)]
    rate: Option<f64>,
    /// The epochs after which it would be 0, and training ends
    #[arg(long)]
    epochs: Option<f64>,
    /// Samples between two tests
    #[arg(long, default_value_t = 3000)]
    every: usize,
}

/// What reaches the goal soonest, as far as was tried.
struct Recipe {
    hidden: usize,
    batch: usize,
    rate: f64,
    epochs: f64,
}

impl Recipe {
    fn of(arguments: &Arguments) -> Self {
        let best = if arguments.goal > 97.5 {
            Self { hidden: 128, batch: 16, rate: 0.3, epochs: 4.0 }
        } else {
            Self { hidden: 64, batch: 16, rate: 0.3, epochs: 1.5 }
        };
        Self {
            hidden: arguments.hidden.unwrap_or(best.hidden),
            batch: arguments.batch.unwrap_or(best.batch),
            rate: arguments.rate.unwrap_or(best.rate),
            epochs: arguments.epochs.unwrap_or(best.epochs),
        }
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments = Arguments::parse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
    let line = pool.install(|| train(&arguments))?;
    println!("{line}");
    Ok(())
}

fn train(arguments: &Arguments) -> Result<String, Box<dyn Error + Send + Sync>> {
    let Split { train, test } = mnist::load::<f32>(&arguments.data_dir)?;
    let recipe = Recipe::of(arguments);
    let &Recipe { hidden, batch, rate, epochs } = &recipe;
    let started = Instant::now();
    let backend = chainrule::default_backend::<f32>()?;
    let mut network = Network::builder(train.features())
        .dense(hidden, Activation::Relu)
        .dense(train.classes(), Activation::Identity)
        .build(arguments.seed)?;
    let mut workspace = Workspace::new(&network, batch)?;
    let mut for_test = Workspace::for_inference(&network, 1000)?;
    let (mut inputs, mut labels) = (Array2::zeros((batch, train.features())), vec![0; batch]);
    let mut order: Vec<_> = (0..train.len()).collect();
    let steps_per_epoch = train.len() / batch;
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "what is negative becomes 0")]
    let steps = (epochs * steps_per_epoch as f64) as usize;
    let (mut testing, mut best, mut reached) = (0.0, 0.0, None);
    for step in 0..steps {
        let start = step % steps_per_epoch * batch;
        if start == 0 {
            let epoch = (step / steps_per_epoch) as u64;
            Generator::new(arguments.seed, Stream::Order { epoch }).shuffle(&mut order);
        }
        for (row, &sample) in order[start..start + batch].iter().enumerate() {
            inputs.row_mut(row).assign(&train.inputs().row(sample));
            labels[row] = train.labels()[sample];
        }
        let rate = rate * (1.0 - step as f64 / steps as f64);
        let descent = Descent { rate: chainrule::Scalar::of(rate), decay: 1.0 };
        let mode = Mode::Train { seed: arguments.seed, step: step as u64 };
        let targets = Targets::Classes(&labels);
        network.descend(&*backend, &CrossEntropy, &inputs, targets, mode, descent, &mut workspace)?;
        let seen = (step + 1) * batch;
        if seen / arguments.every > (seen - batch) / arguments.every || step + 1 == steps {
            let stopped = Instant::now();
            let mut correct = 0;
            for start in (0..test.len()).step_by(1000) {
                let rows = Slice::from(start..(start + 1000).min(test.len()));
                let labels = &test.labels()[start..(start + 1000).min(test.len())];
                let images = test.inputs().slice_axis(Axis(0), rows);
                let logits = network.forward(&*backend, &images, &mut for_test)?;
                for (logits, &label) in logits.rows().into_iter().zip(labels) {
                    let most = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                    correct += usize::from(most.map(|(class, _)| class) == Some(label));
                }
            }
            testing += stopped.elapsed().as_secs_f64();
            best = f64::max(best, 100.0 * correct as f64 / test.len() as f64);
            if best >= arguments.goal {
                reached = Some((seen, started.elapsed().as_secs_f64() - testing));
                break;
            }
        }
    }
    let line = serde_json::json!({
        "peer": "chainrule",
        "threads": arguments.threads,
        "goal": arguments.goal,
        "recipe": format!("784-{hidden}-10 ReLU, batch {batch}, SGD, rate {rate} to 0 in {epochs} epochs"),
        "seed": arguments.seed,
        "seconds": reached.map(|(_, seconds)| rounded(seconds)),
        "epochs": reached.map(|(seen, _)| rounded(seen as f64 / train.len() as f64)),
        "accuracy": best,
        "compile_seconds": 0.0,
        "peak_rss_mb": peak_rss_megabytes().map(rounded),
    });
    Ok(line.to_string())
}
