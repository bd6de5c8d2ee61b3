//! One step of training, or one batch of inference, of every workload, from rows in memory.
//!
//! Names are `step/W1/simd`; after the name of the workload `-f64` stands for that element type.

use std::time::Duration;

use chainrule::Linked;
use chainrule_bench::{Task, WORKLOADS, Workload};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// The naive backend gets no step with more multiplications and additions than this.
const MOST_NAIVE_FLOPS: u64 = 20_000_000;

fn workloads<T: Linked>(criterion: &mut Criterion, training: bool, group: &str, which: &[&str]) {
    let mut group = criterion.benchmark_group(group);
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for workload in WORKLOADS.map(Workload::whole_batches) {
        if matches!(workload.task, Task::Train(..)) != training
            || !(which.is_empty() || which.contains(&workload.name))
        {
            continue;
        }
        let name = match T::NAME {
            "f32" => workload.name.to_owned(),
            dtype => format!("{}-{dtype}", workload.name),
        };
        group.throughput(Throughput::Elements(workload.batch as u64));
        for backend in chainrule::backends::<T>() {
            let flops = workload.flops_per_sample() * workload.batch as u64;
            if backend.name() == "naive" && flops > MOST_NAIVE_FLOPS {
                continue;
            }
            group.bench_function(BenchmarkId::new(&name, backend.name()), |bencher| {
                let mut ready = workload.prepare::<T>().expect("a workload of ours");
                bencher.iter(|| ready.step(&*backend));
            });
        }
    }
    group.finish();
}

fn training(criterion: &mut Criterion) {
    workloads::<f32>(criterion, true, "step", &[]);
    workloads::<f64>(criterion, true, "step", &["W2", "W5"]);
    workloads::<f32>(criterion, false, "inference", &[]);
}

criterion_group!(benches, training);
criterion_main!(benches);
