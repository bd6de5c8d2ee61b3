//! The same bits: for a seed, for any number of threads, and for every instruction set with fused multiply-add.

use crate::common::{labels, normal};
use chainrule::simd::{Isa, Simd};
use chainrule::{
    Activation, Backend, BinaryCrossEntropy, CrossEntropy, Dataset, Linked, Network, Sgd, Trainer,
};

/// The instruction sets of this machine that have fused multiply-add.
fn fused() -> Vec<Isa> {
    [Isa::Avx2, Isa::Avx512, Isa::Neon].into_iter().filter(|isa| isa.is_available()).collect()
}

fn simd(isa: Isa, threads: usize) -> Simd {
    Simd::builder().isa(isa).threads(threads).build().unwrap()
}

/// The bits of all parameters and outputs after a training run with every activation and both kinds of loss.
fn train<T: Linked>(backend: &dyn Backend<T>, sizes: &[usize], batch: usize) -> Vec<u64> {
    let mut bits = Vec::new();
    let (inputs, outputs) = (sizes[0], sizes[sizes.len() - 1]);
    let (x, y) = (normal::<T>(3 * batch + 5, inputs, 1), labels(3 * batch + 5, outputs, 2));
    let data = Dataset::classes(&x, &y).unwrap();
    for binary in [false, true] {
        let mut builder = Network::<T>::builder(inputs);
        for (i, &size) in sizes[1..sizes.len() - 1].iter().enumerate() {
            builder = builder.dense(size, Activation::ALL[1 + i % (Activation::ALL.len() - 1)]);
        }
        let builder = builder.dense(outputs, if binary { Activation::Sigmoid } else { Activation::Identity });
        let mut network = if binary { builder.build(3) } else { builder.softmax().build(3) }.unwrap();
        let sgd = Sgd::new(0.02).weight_decay(0.001);
        let trainer = |loss: Box<dyn chainrule::Loss<T>>| Trainer::new(loss, sgd).batch_size(batch).epochs(3);
        let loss: Box<dyn chainrule::Loss<T>> =
            if binary { Box::new(BinaryCrossEntropy::default()) } else { Box::new(CrossEntropy) };
        let history = trainer(loss).fit(&mut network, backend, &data).unwrap();
        bits.extend(history.iter().map(|epoch| epoch.train.loss.to_bits()));
        bits.extend(network.parameters().iter().map(|w| w.as_f64().to_bits()));
        let outputs = network.predict(backend, &x).unwrap();
        bits.extend(outputs.iter().map(|a| a.as_f64().to_bits()));
    }
    bits
}

fn same_bits<T: Linked>(sizes: &[usize], batch: usize)
where
    Simd: Backend<T>,
{
    let mut expected: Option<Vec<u64>> = None;
    for isa in fused() {
        for threads in [1, 2, 3, 8] {
            let backend = simd(isa, threads);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| train::<T>(&backend, sizes, batch));
            match &expected {
                None => expected = Some(found),
                Some(expected) => {
                    assert!(*expected == found, "{isa} {threads} {} {sizes:?} {batch}", T::NAME);
                }
            }
        }
    }
}

#[test]
fn small_networks() {
    same_bits::<f32>(&[4, 16, 16, 3], 8);
    same_bits::<f64>(&[4, 16, 16, 3], 8);
    same_bits::<f32>(&[5, 17, 33, 9, 7, 31, 63, 2], 9);
    same_bits::<f64>(&[5, 17, 33, 9, 7, 31, 63, 2], 9);
}

#[test]
fn networks_worth_threads() {
    same_bits::<f32>(&[784, 128, 10], 32);
    same_bits::<f32>(&[301, 513, 257, 10], 129);
    same_bits::<f64>(&[301, 513, 257, 10], 129);
}

#[test]
fn one_sample_at_a_time() {
    same_bits::<f32>(&[784, 128, 10], 1);
    same_bits::<f64>(&[100, 65, 10], 1);
}

/// The portable set may lack fused multiply-add; it is still the same for any number of threads.
#[test]
fn portable_is_the_same_for_any_number_of_threads() {
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| train::<f32>(&simd(Isa::Portable, threads), &[301, 130, 10], 65))
    };
    let expected = run(1);
    assert!([2, 3, 8].into_iter().all(|threads| run(threads) == expected));
}

/// Another seed is another run; the same seed is the same run.
#[test]
fn seeds_decide() {
    let (x, y) = (normal::<f32>(50, 4, 1), labels(50, 3, 2));
    let data = Dataset::classes(&x, &y).unwrap();
    let backend = Simd::new();
    let run = |initial, order| {
        let builder = Network::<f32>::builder(4).dense(8, Activation::Tanh).dense(3, Activation::Identity);
        let mut network = builder.build(initial).unwrap();
        Trainer::new(CrossEntropy, Sgd::new(0.1)).seed(order).fit(&mut network, &backend, &data).unwrap();
        network.parameters().to_vec()
    };
    assert_eq!(run(1, 1), run(1, 1));
    assert_ne!(run(1, 1), run(1, 2));
    assert_ne!(run(1, 1), run(2, 1));
}
