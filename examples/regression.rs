//! Fits a curve: y = sin x from noiseless samples, and the root of the mean squared error beside it.

use chainrule::{
    Activation, Dataset, MeanSquaredError, Network, RootMeanSquaredError, Sgd, Trainer, default_backend,
    evaluate,
};
use ndarray::Array;

fn main() -> chainrule::Result<()> {
    // 200 samples from −π to π, one a row; what a network sees should be of the order of 1.
    let x = Array::linspace(-std::f64::consts::PI, std::f64::consts::PI, 200).into_shape_with_order((200, 1));
    let x = x.expect("200 rows of one column");
    let y = x.mapv(f64::sin);
    let data = Dataset::values(&x, &y)?;

    let backend = default_backend()?;
    let mut network = Network::builder(1)
        .dense(16, Activation::Tanh)
        .dense(16, Activation::Tanh)
        .dense(1, Activation::Identity)
        .build(3)?;
    Trainer::new(MeanSquaredError, Sgd::new(0.1)).epochs(500).batch_size(4).fit(
        &mut network,
        &*backend,
        &data,
    )?;

    let found = evaluate(&network, &*backend, &MeanSquaredError, &data, &[Box::new(RootMeanSquaredError)])?;
    let (name, error) = &found.metrics[0];
    println!("{name} {error:.4}");
    for i in [0, 50, 100, 150, 199] {
        let a = network.predict(&*backend, &x.row(i).insert_axis(ndarray::Axis(0)))?;
        println!("sin({:+.3}) = {:+.4}, the network says {:+.4}", x[[i, 0]], y[[i, 0]], a[[0, 0]]);
    }
    assert!(*error < 0.03, "the curve was not learnt");
    Ok(())
}
