//! The speed of the matrix product, in GFLOP/s and as a share of what multiply-adds alone reach in the same run.
//!
//! `cargo run --release -p chainrule-simd --example gemm_speed -- [threads] [isa] [f64] [m,k,n …]`

use std::hint::black_box;
use std::time::{Duration, Instant};

use chainrule_core::{Accumulate, Backend, Scalar};
use chainrule_simd::{Isa, Simd};
use ndarray::Array2;

/// Shapes m, k, n: layers of networks, their gradients, squares, and sizes next to these.
const SHAPES: [[usize; 3]; 33] = [
    [1, 784, 128],
    [8, 4, 16],
    [10, 784, 30],
    [784, 10, 30],
    [32, 784, 128],
    [784, 32, 128],
    [32, 128, 10],
    [128, 784, 512],
    [784, 128, 512],
    [128, 512, 512],
    [128, 512, 10],
    [512, 1024, 2048],
    [512, 2048, 2048],
    [8, 8, 8],
    [16, 16, 16],
    [17, 17, 17],
    [24, 24, 24],
    [32, 32, 32],
    [33, 33, 33],
    [48, 48, 48],
    [64, 64, 64],
    [65, 65, 65],
    [100, 100, 100],
    [127, 127, 127],
    [128, 128, 128],
    [129, 129, 129],
    [192, 192, 192],
    [256, 256, 256],
    [257, 257, 257],
    [509, 509, 509],
    [512, 512, 512],
    [1024, 1024, 1024],
    [2048, 2048, 2048],
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let threads = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or(1);
    let isa = arguments.iter().find_map(|a| a.parse().ok()).unwrap_or_else(Isa::detect);
    let backend = Simd::builder().isa(isa).threads(threads).build()?;
    let chosen: Vec<[usize; 3]> = arguments
        .iter()
        .filter_map(|a| a.split(',').map(|n| n.parse().ok()).collect::<Option<Vec<_>>>()?.try_into().ok())
        .collect();
    let shapes = if chosen.is_empty() { &SHAPES[..] } else { &chosen };
    if arguments.iter().any(|a| a == "f64") {
        table::<f64>(&backend, shapes)?;
    } else {
        table::<f32>(&backend, shapes)?;
    }
    Ok(())
}

fn table<T: Scalar>(backend: &Simd, shapes: &[[usize; 3]]) -> Result<(), Box<dyn std::error::Error>>
where
    Simd: Backend<T>,
{
    let peak = peak(size_of::<T>());
    println!(
        "{}, {} threads; multiply-adds alone, one thread: {peak:.1} GFLOP/s",
        backend.isa(),
        backend.threads()
    );
    println!("{:>16}  {:>14} {:>14} {:>14}", "m,k,n", "NN", "NT", "TN");
    for &[m, k, n] in shapes {
        print!("{:>16} ", format!("{m},{k},{n}"));
        for form in ["NN", "NT", "TN"] {
            let a = if form == "TN" { numbers::<T>(k, m).reversed_axes() } else { numbers(m, k) };
            let b = if form == "NT" { numbers::<T>(n, k).reversed_axes() } else { numbers(k, n) };
            let mut c = Array2::zeros((m, n));
            backend.matmul(&a, &b, Accumulate::Replace, &mut c)?;
            let seconds = best(|| {
                let _ = black_box(backend.matmul(black_box(&a), &b, Accumulate::Replace, &mut c));
            });
            let speed = 2e-9 * (m * k * n) as f64 / seconds;
            print!(" {speed:>8.1} {:>4.0}%", 100.0 * speed / peak);
        }
        println!();
    }
    Ok(())
}

fn numbers<T: Scalar>(rows: usize, cols: usize) -> Array2<T> {
    Array2::from_shape_fn((rows, cols), |(i, j)| T::of(((7 * i + 3 * j) % 11) as f64 - 5.0))
}

/// The shortest time of a call, in seconds.
fn best(mut call: impl FnMut()) -> f64 {
    let (mut calls, mut best) = (1_u32, f64::INFINITY);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(150) {
        let lap = Instant::now();
        (0..calls).for_each(|_| call());
        let time = lap.elapsed();
        if time < Duration::from_micros(100) {
            calls *= 2;
        } else {
            best = best.min(time.as_secs_f64() / f64::from(calls));
        }
    }
    best
}

/// Multiply-adds in registers of scalars of so many bytes, in GFLOP/s; not a number where it is not known.
fn peak(size: usize) -> f64 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the features were found.
        let seconds = best(|| unsafe { multiply_adds() });
        return 2e-9 * (MULTIPLY_ADDS * 32 / size) as f64 / seconds;
    }
    let _ = size;
    f64::NAN
}

/// Registers of multiply-adds that [`multiply_adds`] computes.
#[cfg(target_arch = "x86_64")]
const MULTIPLY_ADDS: usize = 12 * 1000;

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn multiply_adds() {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps};
    let x = black_box(_mm256_set1_ps(0.5));
    let mut sums = [x; 12];
    for _ in 0..MULTIPLY_ADDS / sums.len() {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, x, x);
        }
    }
    black_box(sums);
}
