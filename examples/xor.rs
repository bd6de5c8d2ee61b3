//! The shortest complete program: learns "exclusive or" with whatever backend is the fastest of those linked.

use chainrule::{Activation, CrossEntropy, Dataset, Network, Sgd, Trainer};
use ndarray::array;

fn main() -> chainrule::Result<()> {
    let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let data = Dataset::classes(&x, &[0, 1, 1, 0])?;
    let backend = chainrule::default_backend::<f32>()?;
    let mut network =
        Network::builder(2).dense(8, Activation::Tanh).dense(2, Activation::Identity).softmax().build(1)?;
    Trainer::new(CrossEntropy, Sgd::new(0.5)).epochs(300).batch_size(4).fit(
        &mut network,
        &*backend,
        &data,
    )?;
    println!("probability of \"one, but not both\":\n{:.3}", network.predict(&*backend, &x)?.column(1));
    Ok(())
}
