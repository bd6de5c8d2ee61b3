//! How long chainrule takes to an accuracy on MNIST's test images, by one or several recipes. The clock stands while the network is
//! tested, and until the images' bytes are in memory; so it does in the programs of the peers. Making inputs of them counts.
//!
//! ```text
//! cargo run --release -p chainrule-bench --bin time_to_accuracy -- --data-dir data/mnist --goal 98 --threads 2 --seeds 5
//! ```

#![forbid(unsafe_code)]

use std::error::Error;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use chainrule::layer::Mode;
use chainrule::random::{Generator, Stream};
use chainrule::{
    Activation, Backend, CrossEntropy, Descent, Initializer, Loss, Network, Scalar, Targets, Workspace,
};
use chainrule_bench::{peak_rss_megabytes, rounded};
use chainrule_data::idx;
use clap::Parser;
use ndarray::{Array2, Axis, Slice};

type Failure = Box<dyn Error + Send + Sync>;

const CLASSES: usize = 10;
const SIDE: usize = 28;
/// How many images the mean image is taken from.
const FOR_THE_MEAN: usize = 3000;
/// How many batches another thread makes while the network learns from as many.
const AT_ONCE: usize = 8;

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    data_dir: std::path::PathBuf,
    /// The accuracy to reach, in percent
    #[arg(long, default_value_t = 97.0)]
    goal: f64,
    /// How many times to train, with the seeds from 0
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Recipes other than the goal's: the side of the images (28, or 10 or 12 for the means of 2 × 2 pixels in the middle),
    /// rectified hidden units, batch, rate, epochs in which it falls to 0, smoothing of the labels
    #[arg(long, value_name = "SIDE,HIDDEN,BATCH,RATE,EPOCHS,SMOOTHING")]
    recipe: Vec<Recipe>,
    /// Samples between two tests
    #[arg(long, default_value_t = 3000)]
    every: usize,
}

#[derive(Clone, Copy, Debug)]
struct Recipe {
    side: usize,
    hidden: usize,
    batch: usize,
    rate: f64,
    epochs: f64,
    smoothing: f64,
}

/// What reaches the goals soonest of all that `scripts/compare --search` tries.
const TO_97: Recipe = Recipe { side: 10, hidden: 96, batch: 32, rate: 3.0, epochs: 0.6, smoothing: 0.05 };
const TO_98: Recipe = Recipe { side: 10, hidden: 160, batch: 32, rate: 3.0, epochs: 1.6, smoothing: 0.05 };

impl FromStr for Recipe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Result<Vec<f64>, _> = text.split(',').map(str::parse).collect();
        let Ok([side, hidden, batch, rate, epochs, smoothing]) =
            numbers.map_err(|_| ()).and_then(|numbers| <[f64; 6]>::try_from(numbers).map_err(|_| ()))
        else {
            return Err("expected six numbers with commas between them".to_owned());
        };
        let fits = [10.0, 12.0, 28.0].contains(&side) && (1.0..=60_000.0).contains(&batch);
        if !fits || !(1.0..1e6).contains(&hidden) {
            return Err(
                "expected a side of 10, 12 or 28, batches of 1 to 60,000 and 1 to 1,000,000 units".to_owned()
            );
        }
        #[allow(
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            reason = "they were looked at above"
        )]
        let [side, hidden, batch] = [side, hidden, batch].map(|number| number as usize);
        Ok(Self { side, hidden, batch, rate, epochs, smoothing })
    }
}

/// Images as their files hold them, a byte for each pixel, with their classes.
struct Images {
    pixels: Vec<u8>,
    labels: Vec<usize>,
}

impl Images {
    fn read(folder: &Path, part: &str) -> Result<Self, Failure> {
        let read = |what: &str| -> Result<Vec<u8>, Failure> {
            let name = format!("{part}-{what}-ubyte");
            let plain = folder.join(&name);
            let path = if plain.exists() { plain } else { folder.join(name + ".gz") };
            Ok(idx::read(path)?.into_raw_vec_and_offset().0)
        };
        Ok(Self {
            pixels: read("images-idx3")?,
            labels: read("labels-idx1")?.into_iter().map(usize::from).collect(),
        })
    }

    fn image(&self, index: usize) -> &[u8] {
        &self.pixels[index * SIDE * SIDE..][..SIDE * SIDE]
    }
}

/// Makes inputs of images: less the mean image, and the means of 2 × 2 pixels in the middle if asked.
struct Inputs {
    side: usize,
    mean: Vec<f32>,
}

impl Inputs {
    fn new(side: usize, images: &Images) -> Self {
        let mut inputs = Self { side, mean: vec![0.0; side * side] };
        let mut sum = inputs.mean.clone();
        let mut input = inputs.mean.clone();
        for index in 0..FOR_THE_MEAN {
            inputs.write(images.image(index), &mut input);
            sum.iter_mut().zip(&input).for_each(|(sum, &pixel)| *sum += pixel);
        }
        inputs.mean = sum.into_iter().map(|sum| sum / FOR_THE_MEAN as f32).collect();
        inputs
    }

    fn write(&self, image: &[u8], input: &mut [f32]) {
        match self.side {
            10 => means::<10>(image, &self.mean, input),
            12 => means::<12>(image, &self.mean, input),
            _ => {
                for ((input, &pixel), &mean) in input.iter_mut().zip(image).zip(&self.mean) {
                    *input = f32::from(pixel) * (1.0 / 255.0) - mean;
                }
            }
        }
    }
}

/// The means of 2 × 2 of the 2N × 2N pixels in the middle, less `mean`. N is known when this is compiled, so that it becomes
/// vector code.
fn means<const N: usize>(image: &[u8], mean: &[f32], input: &mut [f32]) {
    let margin = SIDE / 2 - N;
    let pairs = image.as_chunks::<SIDE>().0[margin..SIDE - margin].chunks_exact(2);
    for ((pair, input), mean) in pairs.zip(input.as_chunks_mut::<N>().0).zip(mean.as_chunks::<N>().0) {
        let sum = |row: &[u8; SIDE], at: usize| u16::from(row[at]) + u16::from(row[at + 1]);
        for i in 0..N {
            let at = margin + 2 * i;
            input[i] = f32::from(sum(&pair[0], at) + sum(&pair[1], at)) * (0.25 / 255.0) - mean[i];
        }
    }
}

/// A step's inputs, and the classes of its rows.
#[derive(Clone)]
struct Batch {
    rows: Array2<f32>,
    labels: Vec<usize>,
}

/// Makes batches of images, epoch after epoch, each in a new order.
struct Loader<'a> {
    inputs: &'a Inputs,
    images: &'a Images,
    seed: u64,
    /// How many there are in all.
    steps: usize,
    order: Vec<usize>,
    /// The pixels in use of one batch's images, which lie in memory one by one.
    pixels: Vec<u8>,
}

impl Loader<'_> {
    /// The batches of the steps from `first` on.
    fn make(&mut self, first: usize, batches: &mut [Batch]) -> Result<(), Failure> {
        for (step, batch) in (first..self.steps).zip(batches) {
            let Batch { rows, labels } = batch;
            let steps_per_epoch = self.order.len() / labels.len();
            let start = step % steps_per_epoch * labels.len();
            if start == 0 {
                let epoch = (step / steps_per_epoch) as u64;
                Generator::new(self.seed, Stream::Order { epoch }).shuffle(&mut self.order);
            }
            let side = self.inputs.side;
            let margin = SIDE * SIDE.saturating_sub(2 * side) / 2;
            let used = margin..SIDE * SIDE - margin;
            // First the bytes, since the processor waits for several images at a time; then what is in its cache.
            let pixels = self.pixels.chunks_exact_mut(SIDE * SIDE).zip(labels);
            for ((pixels, label), &sample) in pixels.zip(&self.order[start..]) {
                pixels[used.clone()].copy_from_slice(&self.images.image(sample)[used.clone()]);
                *label = self.images.labels[sample];
            }
            let rows = rows.as_slice_mut().ok_or("the rows lie apart")?.chunks_exact_mut(side * side);
            for (row, pixels) in rows.zip(self.pixels.chunks_exact(SIDE * SIDE)) {
                self.inputs.write(pixels, row);
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build()?;
    let train = Images::read(&arguments.data_dir, "train")?;
    let test = Images::read(&arguments.data_dir, "t10k")?;
    let best = [if arguments.goal > 97.5 { TO_98 } else { TO_97 }];
    for recipe in if arguments.recipe.is_empty() { &best } else { &arguments.recipe[..] } {
        for seed in 0..arguments.seeds {
            println!("{}", pool.install(|| run(&arguments, recipe, seed, &train, &test))?);
        }
    }
    Ok(())
}

/// Trains once, and tells how it went.
fn run(
    arguments: &Arguments,
    recipe: &Recipe,
    seed: u64,
    train: &Images,
    test: &Images,
) -> Result<String, Failure> {
    let &Recipe { side, hidden, batch, rate, epochs, smoothing } = recipe;
    let started = Instant::now();
    let backend = chainrule::default_backend::<f32>()?;
    let inputs = Inputs::new(side, train);
    let mut network = Network::builder(side * side)
        .dense_with(hidden, Activation::Relu, |dense| dense.initializer(Initializer::GlorotNormal))
        .dense_with(CLASSES, Activation::Identity, |dense| dense.initializer(Initializer::Zeros))
        .build(seed)?;
    let smoothed = CrossEntropy.label_smoothing(smoothing)?;
    let loss: &dyn Loss<f32> = if smoothing > 0.0 { &smoothed } else { &CrossEntropy };
    let mut workspace = Workspace::new(&network, batch)?;
    let steps_per_epoch = train.labels.len() / batch;
    #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "what is negative becomes 0")]
    let steps = (epochs * steps_per_epoch as f64) as usize;
    let order = (0..train.labels.len()).collect();
    let pixels = vec![0; batch * SIDE * SIDE];
    let mut loader = Loader { inputs: &inputs, images: train, seed, steps, order, pixels };
    let mut for_test = Test::new(&inputs, test, &network, &*backend)?;
    let (mut testing, mut best, mut reached) = (for_test.taken, 0.0, None);
    // While the network learns from some batches, another thread makes as many, if there is one.
    let at_once = if arguments.threads > 1 { AT_ONCE } else { 1 };
    let mut batches =
        vec![Batch { rows: Array2::zeros((batch, side * side)), labels: vec![0; batch] }; at_once];
    let mut next = batches.clone();
    loader.make(0, &mut batches)?;
    let mut step = 0;
    while step < steps {
        let learn = || -> chainrule::Result<()> {
            for (step, Batch { rows, labels }) in (step..steps).zip(&batches) {
                let rate = rate * (1.0 - step as f64 / steps as f64);
                let descent = Descent { rate: f32::of(rate), decay: 1.0 };
                let mode = Mode::Train { seed, step: step as u64 };
                let targets = Targets::Classes(labels);
                network.descend(&*backend, loss, rows, targets, mode, descent, &mut workspace)?;
            }
            Ok(())
        };
        let (learnt, made) = rayon::join(learn, || loader.make(step + at_once, &mut next));
        learnt?;
        made?;
        let before = step * batch;
        step = steps.min(step + at_once);
        let seen = step * batch;
        if seen / arguments.every > before / arguments.every || step == steps {
            let stopped = Instant::now();
            best = f64::max(best, for_test.accuracy(&network)?);
            testing += stopped.elapsed();
            if best >= arguments.goal {
                reached = Some((seen, started.elapsed().saturating_sub(testing).as_secs_f64()));
                break;
            }
        }
        std::mem::swap(&mut batches, &mut next);
    }
    let smoothing = if smoothing > 0.0 { format!(", labels smoothed by {smoothing}") } else { String::new() };
    let line = serde_json::json!({
        "peer": "chainrule",
        "threads": arguments.threads,
        "goal": arguments.goal,
        "recipe": format!("{side}², {hidden} units, batch {batch}, rate {rate} to 0 in {epochs} epochs{smoothing}"),
        "seed": seed,
        "seconds": reached.map(|(_, seconds)| rounded(seconds)),
        "epochs": reached.map(|(seen, _)| rounded(seen as f64 / train.labels.len() as f64)),
        "accuracy": best,
        "compile_seconds": 0.0,
        "peak_rss_mb": peak_rss_megabytes().map(rounded),
    });
    Ok(line.to_string())
}

/// The test images, as inputs of a network, and how long it took to make them so.
struct Test<'a> {
    inputs: Array2<f32>,
    labels: &'a [usize],
    backend: &'a dyn Backend<f32>,
    workspace: Workspace<f32>,
    taken: Duration,
}

impl<'a> Test<'a> {
    const ROWS: usize = 1000;

    fn new(
        inputs: &Inputs,
        test: &'a Images,
        network: &Network<f32>,
        backend: &'a dyn Backend<f32>,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let mut images = Array2::zeros((test.labels.len(), inputs.side * inputs.side));
        let rows =
            images.as_slice_mut().ok_or("the rows lie apart")?.chunks_exact_mut(inputs.side * inputs.side);
        rows.enumerate().for_each(|(index, row)| inputs.write(test.image(index), row));
        let workspace = Workspace::for_inference(network, Self::ROWS)?;
        Ok(Self { inputs: images, labels: &test.labels, backend, workspace, taken: started.elapsed() })
    }

    /// In percent.
    fn accuracy(&mut self, network: &Network<f32>) -> Result<f64, Failure> {
        let mut correct = 0;
        for (labels, start) in self.labels.chunks(Self::ROWS).zip((0..).step_by(Self::ROWS)) {
            let images = self.inputs.slice_axis(Axis(0), Slice::from(start..start + labels.len()));
            let logits = network.forward(self.backend, &images, &mut self.workspace)?;
            for (logits, &label) in logits.rows().into_iter().zip(labels) {
                let most = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
                correct += usize::from(most.map(|(class, _)| class) == Some(label));
            }
        }
        Ok(100.0 * f64::from(u32::try_from(correct)?) / self.labels.len() as f64)
    }
}
