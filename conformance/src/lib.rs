//! The suite that every backend of chainrule passes, for whoever writes one.
//!
//! One line per backend and element type in an integration test, `tests/conformance.rs`:
//!
//! ```
//! # use chainrule_naive as mine;
//! chainrule_conformance::conformance!(mine_f32, mine::Naive, f32);
//! chainrule_conformance::conformance!(mine_f64, mine::Naive, f64);
//! # fn main() {}
//! ```
//!
//! Each line is a module with one `#[test]` for every check, so that `cargo test` names the operation that fails, and
//! the failure names the smallest case found:
//!
//! ```text
//! backend mine, f32, check matmul_values: C[0, 1] is 3, expected 4: off by 1.000e0, allowed 5.960e-6
//!     in the case m = 1, k = 2, n = 3, A contiguous, B stepped, C contiguous, Replace, values Integers from seed 0
//! ```
//!
//! Without macros, [`check_all`] runs everything and returns the first failure, [`check`] runs one check by name.
//!
//! # What is checked
//!
//! - **Values** (`…_values`) of every method, required or provided, against loops in f64 with compensated sums and,
//!   for the provided methods, the default bodies of the trait over these. No element may be further off than theory
//!   allows: 2(k+2)·ε·Σ|a||b| for a sum of k products, 4 units in the last place (8 for f64, whose reference rounds
//!   itself) of the result and of the argument for transcendental functions, exactness for ReLU and the identity.
//!   Results below the smallest normal number may be flushed to zero. The updates of optimisers and the dot product have the
//!   bits of their definitions.
//! - **Layouts**: contiguous, transposed, sliced, stepped, reversed, broadcast, for every operand; each length from 0 to
//!   67 and around 128 and 256; the memory around an output stays as it was.
//! - **Replace** never reads the old output, which holds NaN; **Add** adds. A sum over nothing is 0.
//! - **NaN and infinities** (`…_special`) come out where the loops let them; 0 · NaN is NaN. Where a formula gives NaN for
//!   an infinite z only as ∞ · 0 or ∞ − ∞, its limit is accepted as well.
//! - **Shapes** (`…_shapes`), labels and numbers of rows that do not fit are refused with the right error and nothing is written.
//! - **Determinism**: the same bits from a second call and from twelve threads at once.
//!
//! # How many cases
//!
//! Systematic cases come first, from small to large, then 128 random ones per check, shrunk if they fail. The environment
//! variables of proptest apply: `PROPTEST_CASES=10000` for more, `PROPTEST_RNG_SEED` for others than the usual ones.
#![forbid(unsafe_code)]

mod case;
mod compare;
mod dense;
mod elementwise;
mod layout;
mod optimizers;
mod products;
mod reference;
mod repeat;
mod select;
mod shapes;
mod softmax;

use std::any::Any;
use std::error::Error;
use std::fmt;

pub use case::{Case, Random, Values, case, length, lengths};
#[doc(no_inline)]
pub use chainrule_core::{Backend, Scalar};
pub use layout::{Layout, Matrix, Vector};
pub use reference::Reference;

use case::Outcome;

/// A check that a backend does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the check, which names the operation.
    pub check: &'static str,
    /// The name of the backend.
    pub backend: String,
    /// The element type.
    pub element: &'static str,
    /// The smallest case found.
    pub case: String,
    /// What was wrong with it.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, backend, element, case, message } = self;
        write!(f, "backend {backend}, {element}, check {check}: {message}\n    in the case {case}")
    }
}

impl Error for Failure {}

/// One check of the suite.
#[derive(Clone, Copy, Debug)]
pub struct Check<T: Scalar> {
    name: &'static str,
    run: fn(&dyn Backend<T>) -> Outcome,
}

impl<T: Scalar> Check<T> {
    /// The name, which names the operation.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs it.
    ///
    /// # Errors
    /// The smallest case found that the backend gets wrong.
    pub fn run(&self, backend: &dyn Backend<T>) -> Result<(), Failure> {
        (self.run)(backend).map_err(|flaw| Failure {
            check: self.name,
            backend: backend.name().to_owned(),
            element: T::NAME,
            case: flaw.case,
            message: flaw.message,
        })
    }
}

/// The one list of checks, handed to the macro that is named first.
#[doc(hidden)]
#[macro_export]
macro_rules! __each_check {
    ($callback:ident $arguments:tt) => {
        $crate::$callback! { $arguments
            presents_itself
            matmul_values matmul_special matmul_shapes
            hadamard_values hadamard_special hadamard_shapes
            outer_values outer_special outer_shapes
            dense_forward_values dense_forward_special dense_forward_shapes
            bias_activate_values bias_activate_special bias_activate_shapes
            dense_backward_values dense_backward_special dense_backward_shapes
            dense_gradient_values dense_gradient_special dense_gradient_shapes
            dense_descend_values dense_descend_shapes
            activate_values activate_special activate_saturation
            apply_slope_values apply_slope_special apply_slope_shapes
            select_rows_values select_rows_special select_rows_shapes
            softmax_values softmax_special
            softmax_backward_values softmax_backward_special softmax_backward_shapes
            log_softmax_values log_softmax_special
            log_softmax_backward_values log_softmax_backward_special log_softmax_backward_shapes
            softmax_cross_entropy_values softmax_cross_entropy_special softmax_cross_entropy_slope
            softmax_cross_entropy_labels softmax_cross_entropy_shapes
            descend_values descend_shapes
            update_values update_special update_shapes
            dot_values dot_shapes
            same_bits_twice same_bits_from_threads
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __check_table {
    (($element:ident) $($name:ident)*) => {
        vec![$($crate::Check::<$element> { name: stringify!($name), run: every::$name::<$element> }),*]
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __check_tests {
    (($backend:expr, $element:ty) $($name:ident)*) => {
        $(#[test]
        fn $name() {
            $crate::assert_check::<$element>(stringify!($name), &$backend);
        })*
    };
}

/// A module of tests, one per check: `conformance!(name, backend, element type)`.
///
/// The backend is an expression that is evaluated for each test; names in it mean what they mean outside of the macro.
///
/// ```
/// chainrule_conformance::conformance!(naive_f32, chainrule_naive::Naive, f32);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance {
    ($(#[$attribute:meta])* $name:ident, $backend:expr, $element:ty $(,)?) => {
        $(#[$attribute])*
        mod $name {
            #[allow(unused_imports, reason = "the backend may be named by its full path")]
            use super::*;
            $crate::__each_check! { __check_tests ($backend, $element) }
        }
    };
}

mod every {
    pub(super) use crate::dense::*;
    pub(super) use crate::elementwise::*;
    pub(super) use crate::optimizers::*;
    pub(super) use crate::products::*;
    pub(super) use crate::repeat::*;
    pub(super) use crate::select::*;
    pub(super) use crate::shapes::*;
    pub(super) use crate::softmax::*;
}

/// Every check, to be run one by one.
#[must_use]
pub fn checks<T: Scalar>() -> Vec<Check<T>> {
    let tables: [Box<dyn Any>; 2] = [Box::new(checks_of_f32()), Box::new(checks_of_f64())];
    let of_this_type = |table: Box<dyn Any>| table.downcast::<Vec<Check<T>>>().ok();
    tables.into_iter().find_map(of_this_type).map_or_else(Vec::new, |table| *table)
}

// For each type there is: so the checks are compiled here once, and not anew in every program that runs them.
fn checks_of_f32() -> Vec<Check<f32>> {
    __each_check! { __check_table (f32) }
}

fn checks_of_f64() -> Vec<Check<f64>> {
    __each_check! { __check_table (f64) }
}

/// Runs the whole suite.
///
/// ```
/// let outcome = chainrule_conformance::check("hadamard_values", &chainrule_naive::Naive as &dyn chainrule_core::Backend<f32>);
/// assert_eq!(outcome, Ok(()));
/// ```
///
/// # Errors
/// The first check that fails.
pub fn check_all<T: Scalar>(backend: &dyn Backend<T>) -> Result<(), Failure> {
    checks().iter().try_for_each(|check| check.run(backend))
}

/// Runs the check of this name; see [`checks`].
///
/// # Errors
/// The smallest case found that the backend gets wrong.
///
/// # Panics
/// If there is no such check.
pub fn check<T: Scalar>(name: &str, backend: &dyn Backend<T>) -> Result<(), Failure> {
    match checks().into_iter().find(|check| check.name == name) {
        Some(check) => check.run(backend),
        None => panic!("there is no check {name}"),
    }
}

/// Runs the whole suite and panics with every check that fails.
///
/// # Panics
/// With the failures.
#[track_caller]
pub fn assert_all<T: Scalar>(backend: &dyn Backend<T>) {
    let failures: Vec<_> =
        checks().iter().filter_map(|check| check.run(backend).err()).map(|f| f.to_string()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs the check of this name and panics if it fails.
///
/// # Panics
/// With the failure.
#[track_caller]
pub fn assert_check<T: Scalar>(name: &str, backend: &dyn Backend<T>) {
    if let Err(failure) = check(name, backend) {
        panic!("{failure}");
    }
}
