//! The largest errors of the vector functions in units in the last place: over every `f32` from 2⁻²⁷ to 2⁸ of both signs and one in `stride`
//! (1 if not given) of the others, and over a sample of `f64`; on every instruction set of this machine.
//!
//! `cargo run --release -p chainrule-simd --example ulp [stride] [Function]`

#[path = "../tests/reference/mod.rs"]
mod reference;

use chainrule_simd::{Function, Isa, VectorMath, VectorScalar};
use rayon::prelude::*;
use reference::{Double, error_f32, error_f64, of_f32};

/// The largest error and where it is.
#[derive(Clone, Copy)]
struct Worst(f64, f64);

impl Worst {
    fn or(self, other: Self) -> Self {
        if other.0 > self.0 { other } else { self }
    }
}

/// How many `f64` are looked at at a time.
const PIECE: usize = 4096;
const SAMPLES_F64: usize = 2_000_000;

/// The largest error on each set, where `error(i, y)` is that of the value at `x[i]`.
fn worst_of<T: VectorScalar + Copy + Into<f64>>(
    maths: &[VectorMath],
    f: Function,
    x: &[T],
    error: impl Fn(usize, T) -> f64,
) -> Vec<Worst> {
    let mut y = x.to_vec();
    let of_set = |math: &VectorMath| {
        math.map(f, x, &mut y);
        let errors = x.iter().zip(&y).enumerate().map(|(i, (&x, &y))| Worst(error(i, y), x.into()));
        errors.fold(Worst(0.0, 0.0), Worst::or)
    };
    maths.iter().map(of_set).collect()
}

fn largest(pieces: impl ParallelIterator<Item = Vec<Worst>>, sets: usize) -> Vec<Worst> {
    let none = || vec![Worst(0.0, 0.0); sets];
    pieces.reduce(none, |a, b| a.into_iter().zip(b).map(|(a, b)| a.or(b)).collect())
}

/// Every `f32` where the functions bend, and one in `stride` elsewhere, where they are straight or constant.
fn all_f32(maths: &[VectorMath], f: Function, stride: usize) -> Vec<Worst> {
    let bends = 2_f32.powi(-27)..2_f32.powi(8);
    let pieces = (0..(1_u32 << 20)).into_par_iter().map(|piece| {
        let first = piece << 12;
        let step = if bends.contains(&f32::from_bits(first).abs()) { 1 } else { stride };
        let x: Vec<f32> = (first..=first + 0xfff).step_by(step).map(f32::from_bits).collect();
        let expected: Vec<f64> = x.iter().map(|&x| of_f32(f, x)).collect();
        worst_of(maths, f, &x, |i, y| error_f32(f, expected[i], y))
    });
    largest(pieces, maths.len())
}

fn sample_f64(maths: &[VectorMath], f: Function) -> Vec<Worst> {
    let at = |i: usize| {
        let u = i as f64 / SAMPLES_F64 as f64;
        let sign = if i.is_multiple_of(2) || f == Function::Ln { 1.0 } else { -1.0 };
        match i % 4 {
            0 | 1 => sign * (u * 6.5).exp(),
            2 => (u - if f == Function::Ln { -0.01 } else { 0.5 }) * 12.0,
            _ => sign * (-u * 60.0).exp(),
        }
    };
    let pieces = (0..SAMPLES_F64 / PIECE + 1).into_par_iter().map(|piece| {
        let x: Vec<f64> = (piece * PIECE..SAMPLES_F64.min((piece + 1) * PIECE)).map(at).collect();
        let expected: Vec<Double> = x.iter().map(|&x| Double::of(f, x)).collect();
        worst_of(maths, f, &x, |i, y| error_f64(f, expected[i], y))
    });
    largest(pieces, maths.len())
}

fn main() {
    let stride = std::env::args().nth(1).map_or(1, |n| n.parse().expect("a stride"));
    let only = std::env::args().nth(2);
    let sets: Vec<Isa> = Isa::available().collect();
    let maths: Vec<_> = sets.iter().map(|&isa| VectorMath::with_isa(isa).expect("it is available")).collect();
    println!("function, set: ulp of f32 (at x), ulp of f64 (at x)");
    for f in Function::ALL.into_iter().filter(|f| only.as_ref().is_none_or(|only| format!("{f:?}") == *only))
    {
        let (narrow, wide) = (all_f32(&maths, f, stride), sample_f64(&maths, f));
        for ((isa, narrow), wide) in sets.iter().zip(narrow).zip(wide) {
            println!(
                "{:10} {:9} {:7.3} ({:e})   {:7.3} ({:e})",
                format!("{f:?}"),
                isa.to_string(),
                narrow.0,
                narrow.1,
                wide.0,
                wide.1
            );
        }
    }
}
