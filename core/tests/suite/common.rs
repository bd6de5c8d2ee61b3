//! What tests of training share.

use chainrule_core::random::{Generator, Stream};
use chainrule_core::{Activation, Epoch, Network};
use ndarray::Array2;

/// Points in the plane, of class 1 outside of a circle.
pub(crate) fn circle(n: usize) -> (Array2<f64>, Vec<usize>) {
    let mut generator = Generator::new(5, Stream::Initial);
    let x = Array2::from_shape_simple_fn((n, 2), || generator.normal());
    let labels = x.rows().into_iter().map(|row| usize::from(row.dot(&row) > 1.4)).collect();
    (x, labels)
}

pub(crate) fn network() -> Network<f64> {
    Network::builder(2).dense(8, Activation::Tanh).dense(2, Activation::Identity).softmax().build(3).unwrap()
}

pub(crate) fn bits(network: &Network<f64>) -> Vec<u64> {
    network.parameters().iter().map(|w| w.to_bits()).collect()
}

/// What of an epoch does not depend on the clock.
pub(crate) fn measured(history: &[Epoch]) -> Vec<(usize, u64, Option<u64>, u64)> {
    let of = |epoch: &Epoch| {
        let validation = epoch.validation.as_ref().map(|validation| validation.loss.to_bits());
        (epoch.epoch, epoch.train.loss.to_bits(), validation, epoch.learning_rate.to_bits())
    };
    history.iter().map(of).collect()
}
