//! Runs that use all that a run can consist of, and damage to files.
#![allow(dead_code, reason = "each test needs a part of it")]

use chainrule_core::random::{Generator, Stream};
use chainrule_core::{
    Activation, Dataset, EarlyStopping, Epoch, LayerConfig, Network, NetworkConfig, OptimizerConfig, Plateau,
    Scalar, TrainerConfig,
};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

/// Points in the plane, of class 1 outside of a circle, a few wrong.
pub(crate) fn circle(n: usize) -> (Array2<f32>, Vec<usize>) {
    let mut generator = Generator::new(5, Stream::Initial);
    let x = Array2::from_shape_simple_fn((n, 2), || f32::of(generator.normal()));
    let label =
        |(i, row): (usize, ndarray::ArrayView1<'_, f32>)| usize::from((row.dot(&row) > 1.4) != (i % 9 == 0));
    let labels = x.rows().into_iter().enumerate().map(label).collect();
    (x, labels)
}

/// The names of [`run`].
pub(crate) const RUNS: [&str; 9] =
    ["sgd", "momentum", "adam", "noise", "stopping", "plateau", "schedule", "accumulate", "lbfgs"];

/// A run: its network and its settings. All have validation data.
pub(crate) fn run(name: &str) -> (NetworkConfig, TrainerConfig) {
    let dense = |outputs, activation| LayerConfig::dense(outputs, activation);
    let mut layers =
        vec![dense(8, Activation::Tanh), dense(2, Activation::Identity), LayerConfig::Softmax {}];
    let optimizer = |name: &str, rate: f64| OptimizerConfig::new(name).set("learning-rate", rate);
    let mut settings = TrainerConfig { epochs: 6, batch_size: 8, seed: 3, ..TrainerConfig::default() };
    settings.optimizer = match name {
        "sgd" | "accumulate" => optimizer("sgd", 0.5),
        "momentum" | "plateau" => optimizer("sgd", 0.5).set("momentum", 0.9),
        "lbfgs" => optimizer("lbfgs", 1.0).set("iterations", 3.0),
        _ => optimizer("adam", 0.03),
    };
    match name {
        "noise" => {
            layers.insert(1, LayerConfig::Dropout { probability: 0.3 });
            layers.insert(0, LayerConfig::BatchNorm { epsilon: 1e-5, momentum: 0.1, affine: true });
        }
        "stopping" => {
            settings.optimizer = optimizer("adam", 0.3);
            layers.insert(1, LayerConfig::BatchNorm { epsilon: 1e-5, momentum: 0.1, affine: true });
            settings.early_stopping = Some(EarlyStopping::new(3));
            settings.epochs = 100;
        }
        "plateau" => settings.plateau = Some(Plateau { patience: 0, factor: 0.5, ..Plateau::default() }),
        "schedule" => {
            settings.schedule = "warm-up:5,0.1 then exponential:0.99".parse().unwrap();
            settings.schedule_by_epoch = "step:2,0.5".parse().unwrap();
            settings.gradients = chainrule_core::Gradients::default().clip_norm(0.5).l1(1e-4);
        }
        "accumulate" => settings.accumulate = 2,
        "lbfgs" => settings.epochs = 30,
        _ => {}
    }
    (NetworkConfig { inputs: 2, layers }, settings)
}

/// The samples to train on, and those to validate on.
pub(crate) fn data<'a>(
    x: &'a Array2<f32>,
    labels: &'a [usize],
) -> (Dataset<'a, f32>, Vec<usize>, Vec<usize>) {
    let data = Dataset::classes(x, labels).unwrap();
    let (train, validation) = (0..x.nrows()).partition(|i| i % 4 != 0);
    (data, train, validation)
}

/// All of a run's result that does not depend on the clock.
pub(crate) fn result(network: &Network<f32>, history: &[Epoch]) -> String {
    let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let of = |epoch: &Epoch| {
        let validation = epoch.validation.as_ref().map(|measured| measured.loss.to_bits());
        (
            epoch.epoch,
            epoch.train.loss.to_bits(),
            epoch.train.accuracy,
            validation,
            epoch.learning_rate.to_bits(),
        )
    };
    let history: Vec<_> = history.iter().map(of).collect();
    format!("{:?}\n{:?}\n{history:?}", bits(network.parameters()), bits(network.buffers()))
}

/// The settings of property tests: the same cases in every run, unless `PROPTEST_RNG_SEED` or `PROPTEST_CASES` say
/// otherwise. A case that fails is printed whole, so nothing is written beside the source.
pub(crate) fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match config.rng_seed {
        RngSeed::Random => ProptestConfig { rng_seed: RngSeed::Fixed(0), ..config },
        RngSeed::Fixed(_) => config,
    }
}

/// Changes to some of the numbers of a header: sizes, offsets, counts.
pub(crate) fn numbers() -> impl Strategy<Value = Vec<(Index, u64)>> {
    let number = (any::<u64>(), 0_u32..64).prop_map(|(number, shift)| number >> shift);
    prop::collection::vec((any::<Index>(), number), 1..4)
}

/// A file with such changes.
pub(crate) fn with_numbers(bytes: &[u8], changes: Vec<(Index, u64)>) -> Vec<u8> {
    let length = 8 + usize::try_from(u64::from_le_bytes(*bytes.first_chunk().unwrap())).unwrap();
    let mut header = String::from_utf8(bytes[8..length].to_vec()).unwrap();
    for (at, number) in changes {
        let digits: Vec<_> = header.match_indices(|c: char| c.is_ascii_digit()).map(|(at, _)| at).collect();
        let at = *at.get(&digits);
        header.replace_range(at..=at, &number.to_string());
    }
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[length..]].concat()
}

/// Changes to some bytes, and perhaps a new end.
pub(crate) fn damage() -> impl Strategy<Value = (Vec<(Index, u8)>, Option<Index>)> {
    (prop::collection::vec(any::<(Index, u8)>(), 1..4), any::<Option<Index>>())
}

/// A file with such damage.
pub(crate) fn damaged(mut bytes: Vec<u8>, (changes, end): (Vec<(Index, u8)>, Option<Index>)) -> Vec<u8> {
    for (at, to) in changes {
        let at = at.index(bytes.len());
        bytes[at] = to;
    }
    if let Some(end) = end {
        bytes.truncate(end.index(bytes.len()));
    }
    bytes
}
