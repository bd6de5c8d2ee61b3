//! A file that is larger than the memory for it trains a network as well as one that is read whole.
//! (That the memory is kept to, `data/tests/bounded_memory.rs` tests.)

use std::fs::File;

use chainrule::{
    Activation, Backend, CrossEntropy, Dataset, Network, Sgd, Targets, Trainer, default_backend, evaluate,
};
use chainrule_data::npy::{self, Shuffled};
use chainrule_data::{Answers, Split, Task, digits_split};
use ndarray::{Array1, Array2};

const MEMORY: usize = 1 << 20;
const COPIES: usize = 20;
const PASSES: usize = 3;
const SEEDS: u64 = 4;

/// The training digits many times over, each time a little lighter, sorted by class; as files.
fn files(train: &chainrule_data::LabelledData<f32>) -> (std::path::PathBuf, Array2<f32>, Vec<usize>) {
    let folder =
        std::env::temp_dir().join(format!("chainrule-larger-than-memory-test-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut order: Vec<usize> = (0..train.len() * COPIES).collect();
    order.sort_by_key(|row| train.labels()[row % train.len()]);
    let x = Array2::from_shape_fn((order.len(), train.features()), |(row, column)| {
        let fade = 1.0 - (order[row] / train.len()) as f32 / (2 * COPIES) as f32;
        train.inputs()[[order[row] % train.len(), column]] * fade
    });
    let labels: Vec<usize> = order.iter().map(|row| train.labels()[row % train.len()]).collect();
    npy::write(&x, File::create(folder.join("x.npy")).unwrap()).unwrap();
    let y = labels.iter().map(|&label| u8::try_from(label).unwrap()).collect::<Array1<_>>();
    npy::write(&y, File::create(folder.join("y.npy")).unwrap()).unwrap();
    (folder, x, labels)
}

fn network() -> Network<f32> {
    Network::builder(64)
        .dense(64, Activation::Relu)
        .dense(10, Activation::Identity)
        .softmax()
        .build(1)
        .unwrap()
}

fn trainer(seed: u64) -> Trainer<'static, f32> {
    Trainer::new(CrossEntropy, Sgd::new(0.03).momentum(0.9)).batch_size(32).seed(seed)
}

fn accuracy(
    network: &Network<f32>,
    backend: &dyn Backend<f32>,
    test: &chainrule_data::LabelledData<f32>,
) -> f64 {
    let data = Dataset::classes(test.inputs(), test.labels()).unwrap();
    evaluate(network, backend, &CrossEntropy, &data, &[]).unwrap().accuracy.unwrap()
}

#[test]
fn a_file_that_is_larger_than_memory() {
    let Split { train, test } = digits_split::<f32>(3);
    let (folder, x, labels) = files(&train);
    let bytes = std::fs::metadata(folder.join("x.npy")).unwrap().len();
    assert!(bytes > 6 * MEMORY as u64);
    let backend = default_backend::<f32>().unwrap();

    let open = || Shuffled::open(folder.join("x.npy"), folder.join("y.npy"), Task::Auto, MEMORY).unwrap();

    // Accuracies of single runs differ by a few of the 359 test images: the means over seeds are compared.
    let (mut from_whole, mut from_windows) = (0.0, 0.0);
    for seed in 0..SEEDS {
        let mut whole = network();
        let data = Dataset::classes(&x, &labels).unwrap();
        trainer(seed).epochs(PASSES).fit(&mut whole, &*backend, &data).unwrap();
        from_whole += accuracy(&whole, &*backend, &test) / SEEDS as f64;

        let (mut network, mut trainer, mut data) = (network(), trainer(seed), open().seed(seed));
        let mut windows = 0;
        for pass in 0..PASSES as u64 {
            for window in data.pass(pass).unwrap() {
                let window = window.unwrap();
                let Answers::Classes(labels) = &window.answers else { panic!("classes") };
                let data = Dataset::new(window.inputs.view(), Targets::Classes(labels)).unwrap();
                trainer.partial_fit(&mut network, &*backend, &data).unwrap();
                windows += 1;
            }
        }
        assert!(windows > 7 * PASSES, "{windows}");
        from_windows += accuracy(&network, &*backend, &test) / SEEDS as f64;
    }
    assert!(
        from_whole > 0.96 && from_windows > 0.96,
        "{from_windows} from windows, {from_whole} from the whole"
    );
    assert!(
        (from_windows - from_whole).abs() < 0.005,
        "{from_windows} from windows, {from_whole} from the whole"
    );
    std::fs::remove_dir_all(folder).unwrap();
}
