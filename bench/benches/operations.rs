//! The three operations of a backend: matrix, Hadamard and outer product.
//!
//! Names are `matmul/NN/128x512x512/simd`; after the name of an operation `-f64` stands for that element type.

use std::time::Duration;

use chainrule::random::{Generator, Stream};
use chainrule::{Accumulate, Linked};
use chainrule_bench::{Form, Operands, SHAPES, random_matrix};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// The naive backend takes a second for what the others do in ten milliseconds: it gets no larger work than this.
const MOST_NAIVE_FLOPS: u64 = 5_000_000;

fn group<'a, T: Linked>(criterion: &'a mut Criterion, operation: &str) -> BenchmarkGroup<'a, WallTime> {
    let (operation, form) = operation.split_once('/').unwrap_or((operation, ""));
    let dtype = if T::NAME == "f32" { String::new() } else { format!("-{}", T::NAME) };
    let form = if form.is_empty() { String::new() } else { format!("/{form}") };
    let mut group = criterion.benchmark_group(format!("{operation}{dtype}{form}"));
    group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group
}

fn matmul<T: Linked>(criterion: &mut Criterion, forms: &[Form]) {
    for form in forms {
        let mut group = group::<T>(criterion, &format!("matmul/{form}"));
        for shape in SHAPES {
            group.throughput(Throughput::Elements(shape.flops()));
            let mut operands = Operands::<T>::new(shape, *form);
            for backend in chainrule::backends::<T>() {
                if backend.name() == "naive" && shape.flops() > MOST_NAIVE_FLOPS {
                    continue;
                }
                group.bench_function(BenchmarkId::new(shape.to_string(), backend.name()), |bencher| {
                    bencher.iter(|| operands.multiply(&*backend));
                });
            }
        }
        group.finish();
    }
}

/// The shapes of a batch of activations, and of the weights that an outer product fills.
const MATRICES: [(usize, usize); 4] = [(8, 16), (30, 784), (128, 512), (512, 2048)];

fn hadamard<T: Linked>(criterion: &mut Criterion) {
    let mut group = group::<T>(criterion, "hadamard");
    for (rows, columns) in MATRICES {
        group.throughput(Throughput::Elements((rows * columns) as u64));
        let mut generator = Generator::new(1, Stream::Initial);
        // Signs, so that C keeps its size however often it is multiplied.
        let a = random_matrix::<T>(&mut generator, rows, columns).mapv(T::signum);
        let mut c = random_matrix::<T>(&mut generator, rows, columns);
        for backend in chainrule::backends::<T>() {
            group.bench_function(BenchmarkId::new(format!("{rows}x{columns}"), backend.name()), |bencher| {
                bencher.iter(|| backend.hadamard(&a, &mut c));
            });
        }
    }
    group.finish();
}

fn outer<T: Linked>(criterion: &mut Criterion) {
    let mut group = group::<T>(criterion, "outer");
    for (rows, columns) in MATRICES {
        group.throughput(Throughput::Elements((rows * columns) as u64));
        let mut generator = Generator::new(1, Stream::Initial);
        let x = random_matrix::<T>(&mut generator, 1, rows);
        let y = random_matrix::<T>(&mut generator, 1, columns);
        let mut c = random_matrix::<T>(&mut generator, rows, columns);
        for backend in chainrule::backends::<T>() {
            group.bench_function(BenchmarkId::new(format!("{rows}x{columns}"), backend.name()), |bencher| {
                bencher.iter(|| backend.outer(&x.row(0), &y.row(0), Accumulate::Replace, &mut c));
            });
        }
    }
    group.finish();
}

fn operations(criterion: &mut Criterion) {
    matmul::<f32>(criterion, &Form::ALL);
    matmul::<f64>(criterion, &[Form::Nn]);
    hadamard::<f32>(criterion);
    hadamard::<f64>(criterion);
    outer::<f32>(criterion);
    outer::<f64>(criterion);
}

criterion_group!(benches, operations);
criterion_main!(benches);
