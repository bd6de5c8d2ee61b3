//! Elements a second of all activations, their slopes, and the steps of all optimisers, in cache and from memory.
//!
//! `cargo run --release -p chainrule-simd --example elementwise_speed [part of a name]`

use std::hint::black_box;
use std::time::Instant;

use chainrule_core::{
    Activation, Backend, Network, OPTIMIZER_NAMES, OptimizerState, Scalar, Slope, optimizer_by_name,
};
use chainrule_simd::Simd;
use ndarray::Array2;

/// The best of some runs, in 10⁹ elements a second.
fn rate(elements: usize, mut run: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    let repeat = (2_000_000 / elements).max(1);
    for _ in 0..10 {
        let start = Instant::now();
        for _ in 0..repeat {
            run();
        }
        best = best.min(start.elapsed().as_secs_f64() / repeat as f64);
    }
    elements as f64 / best * 1e-9
}

fn activations<T: Scalar>(backend: &dyn Backend<T>, wanted: &str) -> chainrule_core::Result<()> {
    println!(
        "{:>18}{:>12}{:>12}   10⁹ {} a second, 10,000 in cache, of A ← g(A) and Δ ← Δ ⊙ g′",
        "",
        "g",
        "slope",
        T::NAME
    );
    for g in Activation::ALL.into_iter().filter(|g| g.name().contains(wanted)) {
        let z = Array2::from_shape_fn((1, 10_000), |(_, i)| T::of(i as f64 / 10_000.0 * 8.0 - 4.0));
        let mut a = z.clone();
        let mut result = Ok(());
        let forward = rate(z.len(), || {
            a.assign(&z);
            result = backend.activate(g, black_box(&mut a));
        });
        result?;
        let saved = if g.saves_output() { a.clone() } else { z.clone() };
        let mut delta = Array2::from_elem(z.dim(), T::one());
        let mut result = Ok(());
        let backward = rate(z.len(), || {
            delta.fill(T::one());
            result = backend.apply_slope(Slope { activation: g, saved: saved.view() }, black_box(&mut delta));
        });
        result?;
        println!("{:>18}{forward:>12.2}{backward:>12.2}", g.name());
    }
    Ok(())
}

fn optimizers<T: Scalar>(backend: &dyn Backend<T>, wanted: &str) -> chainrule_core::Result<()> {
    println!(
        "{:>18}{:>12}{:>12}{:>12}   10⁹ {} a second, 10,000 and 10⁷ of them; GB/s of the latter",
        "",
        "10⁴",
        "10⁷",
        "GB/s",
        T::NAME
    );
    // Others compute products.
    let names =
        OPTIMIZER_NAMES.iter().filter(|&&name| name != "lbfgs" && name != "muon" && name.contains(wanted));
    for name in names {
        print!("{name:>18}");
        let mut last = 0.0;
        let mut states = 0;
        for size in [100, 3162] {
            let mut network = Network::<T>::builder(size).dense(size, Activation::Identity).build(1)?;
            let n = network.parameters().len();
            let gradient: Vec<T> = (0..n).map(|i| T::of((i % 1000) as f64 / 1000.0 - 0.5)).collect();
            let mut optimizer = optimizer_by_name::<T>(name)?;
            let mut state = OptimizerState::new(&network);
            let mut result = Ok(());
            last =
                rate(n, || result = optimizer.step(backend, &mut state, &gradient, network.parameters_mut()));
            result?;
            states = state.vectors().count();
            print!("{last:>12.3}");
        }
        // The gradient is read; parameters and states are read and written.
        let bytes = (3 + 2 * states) * size_of::<T>();
        println!("{:>12.1}", last * bytes as f64);
    }
    let x: Vec<T> = (0..10_000_000).map(|i| T::of(f64::from(i % 7))).collect();
    for n in [10_000, x.len()] {
        let dot = rate(n, || drop(black_box(backend.dot(&x[..n], &x[..n]))));
        println!("{:>18}{dot:>12.3}", format!("dot of {n}"));
    }
    Ok(())
}

fn main() -> chainrule_core::Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let backend = Simd::builder().threads(1).build()?;
    println!("{}, one thread", backend.isa());
    activations::<f32>(&backend, &wanted)?;
    activations::<f64>(&backend, &wanted)?;
    optimizers::<f32>(&backend, &wanted)?;
    optimizers::<f64>(&backend, &wanted)
}
