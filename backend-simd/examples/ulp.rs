//! The largest errors of the vector functions in units in the last place: over all `f32` (or one in so many), and
//! over a sample of `f64`.
//!
//! `cargo run --release -p chainrule-simd --example ulp [stride] [Function]`

#[path = "../tests/reference/mod.rs"]
mod reference;

use chainrule_simd::{Function, Isa, VectorMath};
use reference::{error_f32, error_f64};

/// The largest error and where it is.
#[derive(Clone, Copy)]
struct Worst(f64, f64);

impl Worst {
    fn or(self, error: f64, x: f64) -> Self {
        if error > self.0 { Self(error, x) } else { self }
    }
}

const PIECE: usize = 4096;

fn all_f32(math: VectorMath, f: Function, stride: usize) -> Worst {
    let mut worst = Worst(0.0, 0.0);
    let (mut x, mut y) = (vec![0.0_f32; PIECE], vec![0.0_f32; PIECE]);
    let mut bits = (0..=u32::MAX).step_by(stride);
    loop {
        let mut n = 0;
        for (x, bits) in x.iter_mut().zip(&mut bits) {
            *x = f32::from_bits(bits);
            n += 1;
        }
        if n == 0 {
            return worst;
        }
        math.map(f, &x[..n], &mut y[..n]);
        for (&x, &y) in x[..n].iter().zip(&y) {
            worst = worst.or(error_f32(f, x, y), f64::from(x));
        }
    }
}

fn sample_f64(math: VectorMath, f: Function, count: usize) -> Worst {
    let mut worst = Worst(0.0, 0.0);
    let mut x = Vec::with_capacity(count);
    for i in 0..count {
        let u = i as f64 / count as f64;
        let sign = if i % 2 == 0 || f == Function::Ln { 1.0 } else { -1.0 };
        x.push(match i % 4 {
            0 | 1 => sign * (u * 6.5).exp(),
            2 => (u - if f == Function::Ln { -0.01 } else { 0.5 }) * 12.0,
            _ => sign * (-u * 60.0).exp(),
        });
    }
    let mut y = vec![0.0; count];
    math.map(f, &x, &mut y);
    for (&x, &y) in x.iter().zip(&y) {
        worst = worst.or(error_f64(f, x, y), x);
    }
    worst
}

fn main() {
    let stride = std::env::args().nth(1).map_or(1, |n| n.parse().expect("a stride"));
    let only = std::env::args().nth(2);
    for isa in Isa::available() {
        let math = VectorMath::with_isa(isa).expect("it is available");
        println!("{isa}: ulp of f32 (at x), ulp of f64 (at x)");
        for f in
            Function::ALL.into_iter().filter(|f| only.as_ref().is_none_or(|only| format!("{f:?}") == *only))
        {
            let narrow = all_f32(math, f, stride);
            let wide = sample_f64(math, f, 200_000);
            println!(
                "{:10} {:7.3} ({:e})   {:7.3} ({:e})",
                format!("{f:?}"),
                narrow.0,
                narrow.1,
                wide.0,
                wide.1
            );
        }
    }
}
