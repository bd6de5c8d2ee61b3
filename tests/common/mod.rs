//! What several of these tests need.
#![allow(dead_code, unreachable_pub, reason = "each test binary is a crate of its own and uses its own part")]

use chainrule::random::{Generator, Stream};
use chainrule::{Activation, Initializer, Loss, Network, Scalar};
use ndarray::Array2;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// A matrix of N(0, 1).
pub fn normal<T: Scalar>(rows: usize, columns: usize, seed: u64) -> Array2<T> {
    let mut generator = Generator::new(seed, Stream::Initial);
    Array2::from_shape_simple_fn((rows, columns), || T::of(generator.normal()))
}

/// Labels from 0 to classes − 1.
pub fn labels(rows: usize, classes: usize, seed: u64) -> Vec<usize> {
    let mut generator = Generator::new(seed, Stream::Order { epoch: 0 });
    (0..rows).map(|_| usize::try_from(generator.below(classes as u64)).unwrap()).collect()
}

/// Rows of probabilities.
pub fn probabilities<T: Scalar>(rows: usize, columns: usize, seed: u64) -> Array2<T> {
    let mut p = normal::<T>(rows, columns, seed).mapv(num_exp);
    for mut row in p.rows_mut() {
        let total = row.sum();
        row.mapv_inplace(|x| x / total);
    }
    p
}

fn num_exp<T: Scalar>(x: T) -> T {
    x.exp()
}

/// Every loss by name.
pub const LOSSES: [&str; 4] = ["quadratic", "mse", "cross-entropy", "binary-cross-entropy"];

/// A loss by name.
pub fn loss<T: Scalar>(name: &str) -> Box<dyn Loss<T>> {
    chainrule::loss_by_name(name).unwrap()
}

/// Whether an activation has no kink, so that central differences are exact up to h².
pub fn is_smooth(activation: Activation) -> bool {
    !activation.has_kink()
}

/// Whether two numbers agree to a relative tolerance of the larger of 1 and their size.
pub fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0)
}

/// A network to build in either element type.
#[derive(Clone, Debug)]
pub struct Architecture {
    pub inputs: usize,
    pub hidden: Vec<(usize, Activation)>,
    /// Softmax with its full Jacobian between the hidden layers and the last.
    pub softmax_inside: bool,
    pub outputs: usize,
    pub last: Activation,
    pub softmax_last: bool,
    pub batch: usize,
    pub loss: &'static str,
    pub seed: u64,
}

impl Architecture {
    pub fn build<T: Scalar>(&self) -> Network<T> {
        let mut builder = Network::builder(self.inputs);
        for &(size, activation) in &self.hidden {
            builder = builder
                .dense_with(size, activation, |dense| dense.bias_initializer(Initializer::Normal(0.5)));
        }
        if self.softmax_inside {
            builder = builder.softmax();
        }
        builder = builder.dense(self.outputs, self.last);
        if self.softmax_last {
            builder = builder.softmax();
        }
        builder.build(self.seed).unwrap()
    }

    /// Inputs, labels and values for it.
    pub fn data<T: Scalar>(&self, rows: usize) -> (Array2<T>, Vec<usize>, Array2<T>) {
        let classes = if self.outputs == 1 && self.loss != "cross-entropy" { 2 } else { self.outputs };
        (
            normal(rows, self.inputs, self.seed + 1),
            labels(rows, classes, self.seed + 2),
            probabilities(rows, self.outputs, self.seed + 3),
        )
    }
}

fn any_activation() -> impl Strategy<Value = Activation> {
    prop::sample::select(Activation::ALL.to_vec())
}

prop_compose! {
    /// Any small network, any loss.
    pub fn architecture()(
        inputs in 1..20_usize,
        hidden in prop::collection::vec((1..20_usize, any_activation()), 0..4),
        softmax_inside in prop::bool::weighted(0.2),
        outputs in 1..6_usize,
        last in any_activation(),
        softmax_last in any::<bool>(),
        batch in 1..9_usize,
        loss in prop::sample::select(LOSSES.to_vec()),
        seed in 0..1_u64 << 32,
    ) -> Architecture {
        let softmax_inside = softmax_inside && !hidden.is_empty();
        Architecture { inputs, hidden, softmax_inside, outputs, last, softmax_last, batch, loss, seed }
    }
}

/// The settings of property tests: the same cases in every run, unless `PROPTEST_RNG_SEED` or `PROPTEST_CASES` say
/// otherwise. A case that fails is printed whole, so nothing is written beside the source.
pub fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match config.rng_seed {
        RngSeed::Random => ProptestConfig { rng_seed: RngSeed::Fixed(0), ..config },
        RngSeed::Fixed(_) => config,
    }
}
