//! Learns handwritten digits (8 × 8 pixels, compiled in) and prints the accuracy on digits it has not seen.

use std::ops::ControlFlow;

use chainrule::{Activation, CrossEntropy, Dataset, Network, Sgd, Trainer};
use chainrule_data::digits_split;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let digits = digits_split::<f32>(1);
    let train = Dataset::classes(digits.train.inputs(), digits.train.labels())?;
    let test = Dataset::classes(digits.test.inputs(), digits.test.labels())?;
    let backend = chainrule::default_backend()?;

    let mut network = Network::builder(64)
        .dense(64, Activation::Relu)
        .dense(10, Activation::Identity)
        .softmax()
        .build(1)?;
    let history = Trainer::new(CrossEntropy, Sgd::new(0.1))
        .epochs(30)
        .batch_size(16)
        .validation(test)
        .on_epoch(|epoch, _| {
            if let Some(test) = &epoch.validation {
                let accuracy = 100.0 * test.accuracy.unwrap_or(0.0);
                println!(
                    "epoch {:2}: loss {:.4}, test accuracy {accuracy:.1} %",
                    epoch.epoch, epoch.train.loss
                );
            }
            ControlFlow::Continue(())
        })
        .fit(&mut network, &*backend, &train)?;

    let accuracy = history.last().and_then(|last| last.validation.as_ref()?.accuracy).unwrap_or(0.0);
    if accuracy < 0.95 {
        return Err(format!("only {:.1} % of the test digits were read right", 100.0 * accuracy).into());
    }
    Ok(())
}
