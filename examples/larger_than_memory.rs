//! Trains on a file that is four times as large as the memory that may be used for data.

use std::error::Error;
use std::fs::File;

use chainrule::{
    Activation, Adam, CrossEntropy, Dataset, Network, Targets, Trainer, default_backend, evaluate,
};
use chainrule_data::npy::{self, Shuffled};
use chainrule_data::{Answers, Method, Preprocessing, Task};
use ndarray::Array2;

const ROWS: usize = 100_000;
const MEMORY: usize = 2 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    // What numpy.save would leave: 8 MB of points, those within the unit circle first.
    let folder = std::env::temp_dir().join(format!("chainrule-larger-than-memory-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (x, y) = (folder.join("x.npy"), folder.join("y.npy"));
    let points = points();
    let labels = points.rows().into_iter().map(|point| i64::from(point.dot(&point) > 1.0));
    npy::write(&labels.collect::<ndarray::Array1<_>>(), File::create(&y)?)?;
    let wide = Array2::from_shape_fn((ROWS, 20), |(i, j)| 5.0 + points[[i, j % 2]]);
    npy::write(&wide, File::create(&x)?)?;
    drop((wide, points));

    let mut data = Shuffled::open(&x, &y, Task::Classes, MEMORY)?.seed(1);
    println!("{} rows of {} numbers, {} at a time", data.len(), data.features(), data.window::<f32>()?);
    let backend = default_backend::<f32>()?;
    let mut network = Network::builder(data.features())
        .dense(32, Activation::Tanh)
        .dense(2, Activation::Identity)
        .softmax()
        .build(1)?;
    let mut trainer = Trainer::new(CrossEntropy, Adam::new(0.002)).batch_size(64);
    // A window is a fair sample: the first one tells how to scale them all.
    let mut scaling: Option<Preprocessing> = None;
    for pass in 0..4 {
        for window in data.pass(pass)? {
            let window = window?;
            let scaling = match &scaling {
                Some(scaling) => scaling,
                None => scaling.insert(Preprocessing::fit(&[Method::Standardise], &window.inputs, None)?),
            };
            let inputs = scaling.transform(window.inputs)?;
            let Answers::Classes(labels) = &window.answers else { unreachable!("classes were asked for") };
            trainer.partial_fit(
                &mut network,
                &*backend,
                &Dataset::new(inputs.view(), Targets::Classes(labels))?,
            )?;
        }
    }

    let window = data.pass(99)?.next().expect("a file has a window")?;
    let inputs = scaling.unwrap_or_default().transform(window.inputs)?;
    let Answers::Classes(labels) = &window.answers else { unreachable!("classes were asked for") };
    let found = evaluate(&network, &*backend, &CrossEntropy, &Dataset::classes(&inputs, labels)?, &[])?;
    let accuracy = found.accuracy.unwrap_or_default();
    println!("accuracy {:.1} %", 100.0 * accuracy);
    std::fs::remove_dir_all(&folder)?;
    assert!(accuracy > 0.95, "the circle was not learnt");
    Ok(())
}

/// Points on a grid in a square, those within the unit circle first.
fn points() -> Array2<f32> {
    let point = |i: usize| [(i % 317) as f32 / 158.0 - 1.0, (i / 317) as f32 / 158.0 - 1.0].map(|x| 1.25 * x);
    let mut points: Vec<[f32; 2]> = (0..ROWS).map(point).collect();
    points.sort_by_key(|[x, y]| x * x + y * y > 1.0);
    points.into()
}
