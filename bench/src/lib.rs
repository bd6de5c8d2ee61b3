//! What the benchmarks of chainrule measure: matrix products on the shapes of dense layers, and whole workloads.
//!
//! The criterion benches and the program `chainrule-bench` share it, so that a figure of the one can be held against one
//! of the other. Backends come from [`chainrule::backends`], the entry that tests and users take.

mod data;
mod handover;
mod peak;
mod product;
mod workload;

pub use handover::handover_ns;
pub use peak::{peak_gflops, peak_rss_megabytes};
pub use product::{Form, Operands, SHAPES, Shape};
pub use workload::{Method, Objective, Ready, Task, WORKLOADS, Workload};

use chainrule::Scalar;
use chainrule::random::Generator;
use ndarray::Array2;

/// A matrix of uniform numbers in [−1, 1).
pub fn random_matrix<T: Scalar>(generator: &mut Generator, rows: usize, columns: usize) -> Array2<T> {
    Array2::from_shape_simple_fn((rows, columns), || T::of(2.0 * generator.uniform() - 1.0))
}

/// Four significant digits: more would be noise.
#[must_use]
pub fn rounded(x: f64) -> f64 {
    format!("{x:.3e}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_are_kept() {
        assert_eq!([123_456.0, 0.098_765, 0.0].map(|x| rounded(x).to_string()), ["123500", "0.09877", "0"]);
    }
}
