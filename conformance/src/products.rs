//! The three required operations.

use chainrule_core::{Backend, Scalar};

use crate::case::{Case, Operands, Outcome, explore, lopsided};
use crate::compare::{accepted, close_matrix, epsilon, sum_bound, tiny};
use crate::reference::{Reference, magnitude};

const MATMUL: Operands =
    Operands { inputs: &["A", "B"], outputs: &["C"], options: &[], accumulates: true, activates: false };
const HADAMARD: Operands =
    Operands { inputs: &["A"], outputs: &["C"], options: &[], accumulates: false, activates: false };
const OUTER: Operands =
    Operands { inputs: &["x", "y"], outputs: &["C"], options: &[], accumulates: true, activates: false };

pub(crate) fn matmul_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&MATMUL, false, |case| matmul(backend, case))?;
    lopsided(&MATMUL, |case| matmul(backend, case))
}

pub(crate) fn matmul_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&MATMUL, true, |case| matmul(backend, case))
}

/// A m × k, B k × n, C m × n.
fn matmul<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let a = case.input::<T>(0, (case.m, case.k), random);
    let b = case.input::<T>(1, (case.k, case.n), random);
    let mut c = case.output::<T>(2, (case.m, case.n), random);
    let (a64, b64, old) = (a.exact(), b.exact(), c.exact());
    let mut expected = old.clone();
    accepted(Reference.matmul(&a64, &b64, case.how, &mut expected))?;
    accepted(backend.matmul(&a.view(), &b.view(), case.how, &mut c.view_mut()))?;
    c.intact("C")?;
    let sums = magnitude(&a64, &b64);
    close_matrix("C", &c.view(), &expected, |i, j| {
        sum_bound::<T>(case.k, sums[[i, j]] + added(case, old[[i, j]]))
    })
}

/// |c| where c is added to, else 0.
fn added(case: &Case, old: f64) -> f64 {
    match case.how {
        chainrule_core::Accumulate::Add => old.abs(),
        chainrule_core::Accumulate::Replace => 0.0,
    }
}

pub(crate) fn hadamard_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&HADAMARD, false, |case| hadamard(backend, case))
}

pub(crate) fn hadamard_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&HADAMARD, true, |case| hadamard(backend, case))
}

/// A and C m × n.
fn hadamard<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let a = case.input::<T>(0, (case.m, case.n), random);
    let mut c = crate::Matrix::<T>::output(case.layouts[1], (case.m, case.n), || random.number());
    let mut expected = c.exact();
    accepted(Reference.hadamard(&a.exact(), &mut expected))?;
    accepted(backend.hadamard(&a.view(), &mut c.view_mut()))?;
    c.intact("C")?;
    close_matrix("C", &c.view(), &expected, |i, j| epsilon::<T>() * expected[[i, j]].abs() + tiny::<T>())
}

pub(crate) fn outer_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&OUTER, false, |case| outer(backend, case))
}

pub(crate) fn outer_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&OUTER, true, |case| outer(backend, case))
}

/// x m, y n, C m × n.
fn outer<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let x = case.vector_input::<T>(0, case.m, random);
    let y = case.vector_input::<T>(1, case.n, random);
    let mut c = case.output::<T>(2, (case.m, case.n), random);
    let (x64, y64, old) = (x.exact(), y.exact(), c.exact());
    let mut expected = old.clone();
    accepted(Reference.outer(&x64, &y64, case.how, &mut expected))?;
    accepted(backend.outer(&x.view(), &y.view(), case.how, &mut c.view_mut()))?;
    c.intact("C")?;
    close_matrix("C", &c.view(), &expected, |i, j| {
        sum_bound::<T>(1, (x64[i] * y64[j]).abs() + added(case, old[[i, j]]))
    })
}
