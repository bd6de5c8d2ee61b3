//! Exactly one level is parallel: where callers are many, OpenBLAS's threads do nothing, and where OpenBLAS's threads work, no others do.
//!
//! A file, and so a process, of its own: it looks at what each thread of the process has done.
#![cfg(target_os = "linux")]
#![cfg(any(feature = "openblas-system", feature = "openblas-static", feature = "openblas-source"))]

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use chainrule_blas::Blas;
use chainrule_core::{Accumulate, Activation, Backend};
use ndarray::Array2;
use rayon::ThreadPoolBuilder;

/// The time that each thread of the process has computed, in ticks of the system (commonly 10 ms).
fn ticks() -> BTreeMap<String, u64> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap());
    tasks
        .filter_map(|task| {
            // A thread may have ended meanwhile.
            let stat = fs::read_to_string(task.path().join("stat")).ok()?;
            // What follows the name in parentheses: the state, and as the 12th and 13th of the rest, user and system.
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let time = |i: usize| fields[i].parse::<u64>().unwrap();
            Some((task.file_name().into_string().unwrap(), time(11) + time(12)))
        })
        .collect()
}

/// What the threads of `before` have computed since.
fn computed_since(before: &BTreeMap<String, u64>) -> u64 {
    let now = ticks();
    before.iter().filter_map(|(task, then)| Some(now.get(task)? - then)).sum()
}

/// Products as a training step has them, and what is no product.
fn work(blas: &Blas, times: usize) {
    let a = Array2::<f32>::from_elem((256, 256), 0.5);
    let (mut c, mut z) = (Array2::zeros((256, 256)), Array2::zeros((256, 256)));
    for _ in 0..times {
        blas.matmul(&a, &a, Accumulate::Replace, &mut c).unwrap();
        assert!(c.iter().all(|&c: &f32| c.to_bits() == 64.0_f32.to_bits()));
        blas.bias_activate(None, Activation::Tanh, Some(&mut z), &mut c).unwrap();
        blas.softmax(&mut c).unwrap();
    }
}

#[test]
fn threads_do_not_multiply() {
    // Whatever OpenBLAS starts it has started after this; then it comes to rest.
    work(&Blas::with_threads(2), 1);
    work(&Blas::new(), 1);
    thread::sleep(Duration::from_millis(300));
    let others = ticks();

    // Many callers: all is done by them, and nobody else.
    let pool = ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let before = others.len() + 4;
    pool.broadcast(|_| work(&Blas::new(), 300));
    assert_eq!(ticks().len(), before, "threads are started by calls of a pool's threads");
    let by_callers = ticks().values().sum::<u64>() - others.values().sum::<u64>();
    let by_others = computed_since(&others);
    assert!(by_callers >= 20, "{by_callers} ticks are too few to tell");
    assert!(by_others <= by_callers / 20, "of {by_callers} ticks {by_others} are of OpenBLAS's threads");
    drop(pool);
    while ticks().len() > others.len() {
        thread::sleep(Duration::from_millis(1));
    }

    // One caller with threads of OpenBLAS's: what is no product starts none of rayon's.
    work(&Blas::with_threads(2), 50);
    let names: Vec<String> = ticks().into_keys().collect();
    assert_eq!(names, others.into_keys().collect::<Vec<_>>(), "threads are started beside OpenBLAS's");
}
