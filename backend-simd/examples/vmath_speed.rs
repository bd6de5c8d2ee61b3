//! Elements a second of the vector functions, beside the scalar functions of the standard library.
//!
//! `cargo run --release -p chainrule-simd --example vmath_speed [elements] [Function]`

use std::hint::black_box;
use std::time::Instant;

use chainrule_core::{Activation, Scalar};
use chainrule_simd::{Function, Isa, VectorMath, VectorScalar};

/// The best of many runs, in 10⁹ elements a second.
fn rate(elements: usize, mut run: impl FnMut()) -> f64 {
    let mut repeat = 1_u32;
    let mut best = f64::INFINITY;
    for _ in 0..40 {
        let start = Instant::now();
        for _ in 0..repeat {
            run();
        }
        let seconds = start.elapsed().as_secs_f64();
        if seconds < 2e-3 {
            repeat *= 2;
            continue;
        }
        best = best.min(seconds / f64::from(repeat));
    }
    elements as f64 / best * 1e-9
}

fn scalar<T: Scalar>(f: Function, x: T) -> T {
    match f {
        Function::Exp => x.exp(),
        Function::Ln => x.abs().ln(),
        Function::Tanh => x.tanh(),
        Function::Sigmoid => T::one() / (T::one() + (-x).exp()),
        Function::Softplus => x.exp().ln_1p(),
        Function::Silu => Activation::Silu.apply(x),
        Function::SiluSlope => Activation::Silu.derivative(x),
        Function::Gelu => Activation::Gelu.apply(x),
        Function::GeluSlope => Activation::Gelu.derivative(x),
        _ => x,
    }
}

fn table<T: Scalar + VectorScalar>(elements: usize, only: Option<&str>) {
    // From −4 to 4.
    let x: Vec<T> = (0..elements).map(|i| T::of(i as f64 / elements as f64 * 8.0 - 4.0)).collect();
    let mut y = vec![T::zero(); elements];
    print!("{:12}{:>10}", T::NAME, "std");
    Isa::available().for_each(|isa| print!("{:>10}", isa.name()));
    println!();
    for f in Function::ALL.into_iter().filter(|f| only.is_none_or(|only| format!("{f:?}") == only)) {
        let std = rate(elements, || {
            for (y, &x) in y.iter_mut().zip(black_box(&x)) {
                *y = scalar(f, x);
            }
            black_box(&mut y);
        });
        print!("{:12}{std:>10.2}", format!("{f:?}"));
        for isa in Isa::available() {
            let math = VectorMath::with_isa(isa).expect("it is available");
            let fast = rate(elements, || {
                math.map(f, black_box(&x), &mut y);
                black_box(&mut y);
            });
            print!("{fast:>10.2}");
        }
        println!();
    }
}

fn main() {
    let elements = std::env::args().nth(1).map_or(10_000, |n| n.parse().expect("a number of elements"));
    println!("10⁹ elements a second, {elements} elements, one thread");
    let only = std::env::args().nth(2);
    table::<f32>(elements, only.as_deref());
    table::<f64>(elements, only.as_deref());
}
