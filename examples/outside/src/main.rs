//! Trains a small network on every backend that the features link, and prints what each of them reached.
//!
//! ```text
//! cargo run --manifest-path examples/outside/Cargo.toml --no-default-features --features simd
//! ```
#![forbid(unsafe_code)]

use chainrule::{Activation, CrossEntropy, Dataset, Network, Sgd, Trainer};
use ndarray::Array2;

fn main() -> chainrule::Result<()> {
    // Two rings, one around the other: no straight line parts them.
    let place = |i: usize| {
        let (angle, radius) = (i as f32 * 0.37, if i.is_multiple_of(2) { 0.5 } else { 1.5 });
        [radius * angle.cos(), radius * angle.sin()]
    };
    let x = Array2::from_shape_fn((200, 2), |(i, j)| place(i)[j]);
    let labels: Vec<usize> = (0..200).map(|i| i % 2).collect();
    let data = Dataset::classes(&x, &labels)?;

    let backends = chainrule::backends::<f32>();
    if backends.is_empty() {
        println!("no backend is linked: choose a feature");
    }
    for backend in backends {
        let mut network = Network::builder(2)
            .dense(16, Activation::Tanh)
            .dense(2, Activation::Identity)
            .softmax()
            .build(1)?;
        let history = Trainer::new(CrossEntropy, Sgd::new(0.3)).epochs(60).batch_size(10).seed(1).fit(
            &mut network,
            &*backend,
            &data,
        )?;
        let accuracy = history.last().and_then(|epoch| epoch.train.accuracy).unwrap_or(0.0);
        println!("{}: accuracy {accuracy:.3}", backend.name());
    }
    Ok(())
}
