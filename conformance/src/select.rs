//! Rows of a matrix by their numbers.

use chainrule_core::{Backend, Error, Scalar};

use crate::case::{Case, Operands, Outcome, attempt, explore, lopsided};
use crate::compare::{accepted, refused};
use crate::layout::{Layout, Matrix, bits};

const SELECT: Operands =
    Operands { inputs: &["X"], outputs: &["C"], options: &[], accumulates: false, activates: false };

pub(crate) fn select_rows_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&SELECT, false, |case| select_rows(backend, case))?;
    lopsided(&SELECT, |case| select_rows(backend, case))
}

pub(crate) fn select_rows_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    explore(&SELECT, true, |case| select_rows(backend, case))
}

/// X m × n, k rows of which go to C, some of them more than once.
fn select_rows<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let batch = if case.m == 0 { 0 } else { case.k };
    let x = case.input::<T>(0, (case.m, case.n), random);
    let mut c = case.output::<T>(1, (batch, case.n), random);
    let r: Vec<usize> = (0..batch).map(|_| random.below(case.m)).collect();
    accepted(backend.select_rows(&x.view(), &r, &mut c.view_mut()))?;
    c.intact("C")?;
    let (x, c) = (x.view(), c.view());
    for ((i, j), &found) in c.indexed_iter() {
        let expected = x[[r[i], j]];
        if bits(found) != bits(expected) {
            return Err(format!("C[{i}, {j}] is {found}, expected {expected} of row {}", r[i]));
        }
    }
    Ok(())
}

pub(crate) fn select_rows_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let run = |n: usize, r: &[usize], dim: (usize, usize)| {
        let x = Matrix::<T>::input(Layout::Contiguous, (9, n), || T::of(0.5));
        let mut c = Matrix::<T>::output(Layout::Sliced, dim, || T::of(0.25));
        let result = backend.select_rows(&x.view(), r, &mut c.view_mut());
        c.untouched("C")?;
        Ok(result)
    };
    for (n, r, dim) in [
        (5, &[0, 8, 3][..], (3, 4)),
        (5, &[0, 8, 3], (2, 5)),
        (5, &[0, 8], (3, 5)),
        (5, &[], (1, 5)),
        (0, &[1], (1, 2)),
    ] {
        attempt(|| format!("C is {dim:?} for {} rows of {n}", r.len()), || run(n, r, dim).and_then(refused))?;
    }
    for (r, wrong) in [(&[9][..], 9), (&[0, 8, usize::MAX], usize::MAX), (&[10, 0], 10)] {
        attempt(
            || format!("row {wrong} of 9"),
            || match run(5, r, (r.len(), 5))? {
                Err(Error::Setting { value, .. }) if value == wrong.to_string() => Ok(()),
                other => Err(format!("expected Error::Setting, got {other:?}")),
            },
        )?;
    }
    Ok(())
}
