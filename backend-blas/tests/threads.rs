//! Many callers at once, and OpenBLAS's own threads.
#![cfg(any(feature = "openblas-system", feature = "openblas-static", feature = "openblas-source"))]

use std::sync::Barrier;
use std::thread;

use chainrule_blas::Blas;
use chainrule_core::{Accumulate, Backend};
use ndarray::{Array1, Array2};

/// As many as OpenBLAS is commonly built for, and more than its table of work buffers has places (its issue 5958).
#[test]
fn hundreds_of_callers_at_once() {
    for callers in [64, 300] {
        let blas = Blas::new();
        let a = Array2::from_shape_fn((23, 61), |(i, j)| (i * 7 % 11) as f64 - j as f64 / 8.0);
        let b = Array2::from_shape_fn((61, 19), |(i, j)| (j * 5 % 13) as f64 - i as f64 / 16.0);
        let once = |c: &mut Array2<f64>| {
            blas.matmul(&a, &b, Accumulate::Replace, c).unwrap();
            blas.outer(&a.column(1), &b.row(2), Accumulate::Add, c).unwrap();
            let mut column = Array2::zeros((23, 1));
            blas.matmul(&a, &b.column(3).insert_axis(ndarray::Axis(1)), Accumulate::Replace, &mut column)
                .unwrap();
            c.column_mut(0).assign(&column.column(0));
        };
        let mut expected = Array2::zeros((23, 19));
        once(&mut expected);
        let barrier = Barrier::new(callers);
        thread::scope(|scope| {
            for _ in 0..callers {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..50 {
                        let mut c = Array2::from_elem((23, 19), f64::NAN);
                        once(&mut c);
                        assert_eq!(c, expected);
                    }
                });
            }
        });
    }
}

/// A number of threads belongs to the process; values that differ in it still give right results when they meet.
#[test]
fn values_with_different_threads() {
    let a = Array2::<f32>::from_shape_fn((200, 150), |(i, j)| (i as f32 * 0.3 - j as f32 * 0.7).sin());
    let ones = Array2::ones((150, 170));
    let sums: Array1<f32> = a.sum_axis(ndarray::Axis(1));
    thread::scope(|scope| {
        for threads in [1, 2, 4, 1, 2] {
            let (a, ones, sums) = (&a, &ones, &sums);
            scope.spawn(move || {
                let blas = Blas::with_threads(threads);
                assert_eq!(Backend::<f32>::threads(&blas), threads);
                for _ in 0..40 {
                    let mut c = Array2::zeros((200, 170));
                    blas.matmul(a, ones, Accumulate::Replace, &mut c).unwrap();
                    for (row, sum) in c.rows().into_iter().zip(sums) {
                        // 2(k+2)·ε·Σ|a|, with Σ|a| ≤ k.
                        let bound = 2.0 * 152.0 * f32::EPSILON * 150.0;
                        assert!(row.iter().all(|c| (c - sum).abs() <= bound));
                    }
                }
            });
        }
    });
}

#[test]
fn it_says_what_it_is() {
    assert!(Blas::library().contains("OpenBLAS"), "{}", Blas::library());
    let blas = Blas::default();
    assert_eq!(Backend::<f32>::threads(&blas), Backend::<f32>::threads(&Blas::with_threads(0)));
    let backend: &dyn Backend<f64> = &blas;
    assert_eq!((backend.name(), backend.threads()), ("blas", 1));
    assert!(!backend.isa().is_empty());
    println!("{} on {}", Blas::library(), backend.isa());
}
