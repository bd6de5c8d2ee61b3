//! Checks that a [`Backend`](crate::Backend)'s methods start with: each returns [`Error::Shape`] unless the arguments of the method
//! of the same name fit together. Numbers of rows are checked as well.

use ndarray::{ArrayRef1, ArrayRef2};

use crate::error::Shape;
use crate::update::Update;
use crate::{Error, Result, Scalar, Slope};

#[inline]
fn expect<S: Into<Shape> + PartialEq>(
    operation: &'static str,
    operand: &'static str,
    found: S,
    expected: S,
) -> Result<()> {
    if found == expected {
        Ok(())
    } else {
        Err(Error::Shape { operation, operand, found: found.into(), expected: expected.into() })
    }
}

/// Two matrices of one shape.
///
/// # Errors
/// [`Error::Shape`] otherwise, with `operation` and `operand` in the message.
#[inline]
pub fn same_shape(
    operation: &'static str,
    operand: &'static str,
    found: (usize, usize),
    expected: (usize, usize),
) -> Result<()> {
    expect(operation, operand, found, expected)
}

/// Two slices of one length.
///
/// # Errors
/// [`Error::Shape`] otherwise, with `operation` and `operand` in the message.
#[inline]
pub fn same_length(
    operation: &'static str,
    operand: &'static str,
    found: usize,
    expected: usize,
) -> Result<()> {
    expect(operation, operand, found, expected)
}

/// A m × k, B k × n, C m × n.
///
/// # Errors
/// [`Error::Shape`] otherwise.
#[inline]
pub fn matmul<T>(a: &ArrayRef2<T>, b: &ArrayRef2<T>, c: &ArrayRef2<T>) -> Result<()> {
    expect("matmul", "B", b.dim(), (a.ncols(), b.ncols()))?;
    expect("matmul", "C", c.dim(), (a.nrows(), b.ncols()))
}

/// A and C of one shape.
///
/// # Errors
/// [`Error::Shape`] otherwise.
#[inline]
pub fn hadamard<T>(a: &ArrayRef2<T>, c: &ArrayRef2<T>) -> Result<()> {
    expect("hadamard", "C", c.dim(), a.dim())
}

/// x m, y n, C m × n.
///
/// # Errors
/// [`Error::Shape`] otherwise.
#[inline]
pub fn outer<T>(x: &ArrayRef1<T>, y: &ArrayRef1<T>, c: &ArrayRef2<T>) -> Result<()> {
    expect("outer", "C", c.dim(), (x.len(), y.len()))
}

/// X batch × n_k, W n_j × n_k, b n_j, Z and A batch × n_j.
///
/// # Errors
/// [`Error::Shape`] otherwise.
#[inline]
pub fn dense_forward<T>(
    x: &ArrayRef2<T>,
    w: &ArrayRef2<T>,
    b: Option<&ArrayRef1<T>>,
    z: Option<&ArrayRef2<T>>,
    a: &ArrayRef2<T>,
) -> Result<()> {
    expect("dense_forward", "W", w.dim(), (w.nrows(), x.ncols()))?;
    expect("dense_forward", "A", a.dim(), (x.nrows(), w.nrows()))?;
    bias_activate(b, z, a)
}

/// b n_j, Z and A batch × n_j.
///
/// # Errors
/// [`Error::Shape`] otherwise.
#[inline]
pub fn bias_activate<T>(b: Option<&ArrayRef1<T>>, z: Option<&ArrayRef2<T>>, a: &ArrayRef2<T>) -> Result<()> {
    if let Some(b) = b {
        expect("bias_activate", "b", b.len(), a.ncols())?;
    }
    match z {
        Some(z) => expect("bias_activate", "Z", z.dim(), a.dim()),
        None => Ok(()),
    }
}

/// δ batch × n_j, W n_j × n_k, the slope's saved values and the result batch × n_k.
///
/// # Errors
/// [`Error::Shape`] otherwise.
#[inline]
pub fn dense_backward<T>(
    delta: &ArrayRef2<T>,
    w: &ArrayRef2<T>,
    slope: Option<Slope<'_, T>>,
    below: &ArrayRef2<T>,
) -> Result<()> {
    let operation = "dense_backward";
    expect(operation, "W", w.dim(), (delta.ncols(), w.ncols()))?;
    if let Some(slope) = slope {
        expect(operation, "saved", slope.saved.dim(), (delta.nrows(), w.ncols()))?;
    }
    expect(operation, "Δ", below.dim(), (delta.nrows(), w.ncols()))
}

/// δ batch × n_j, X batch × n_k, ΔW (or W) n_j × n_k, Δb (or b) n_j.
///
/// # Errors
/// [`Error::Shape`] otherwise.
#[inline]
pub fn dense_gradient<T>(
    delta: &ArrayRef2<T>,
    x: &ArrayRef2<T>,
    dw: &ArrayRef2<T>,
    db: Option<&ArrayRef1<T>>,
) -> Result<()> {
    let operation = "dense_gradient";
    expect(operation, "X", x.dim(), (delta.nrows(), x.ncols()))?;
    expect(operation, "ΔW", dw.dim(), (delta.ncols(), x.ncols()))?;
    match db {
        Some(db) => expect(operation, "Δb", db.len(), delta.ncols()),
        None => Ok(()),
    }
}

/// X n × n_k, C batch × n_k, and each of the batch's numbers below n.
///
/// # Errors
/// [`Error::Shape`] or [`Error::Setting`] otherwise.
#[inline]
pub fn select_rows<T>(x: &ArrayRef2<T>, r: &[usize], c: &ArrayRef2<T>) -> Result<()> {
    expect("select_rows", "C", c.dim(), (r.len(), x.ncols()))?;
    row_numbers("a row to select", r, x.nrows())
}

/// Numbers of rows, each below n.
///
/// # Errors
/// [`Error::Setting`] otherwise, with `name` in the message.
#[inline]
pub fn row_numbers(name: &'static str, r: &[usize], n: usize) -> Result<()> {
    match r.iter().find(|&&row| row >= n) {
        Some(row) => Err(Error::setting(name, row, "a number below that of the rows")),
        None => Ok(()),
    }
}

/// The gradient, and each state that the update's rule has, as long as the parameters.
///
/// # Errors
/// [`Error::Shape`] otherwise.
#[inline]
pub fn update<T: Scalar>(
    update: &Update<T>,
    gradient: &[T],
    states: &[&mut [T]; 3],
    parameters: &[T],
) -> Result<()> {
    let n = parameters.len();
    expect("update", "the gradient", gradient.len(), n)?;
    for ((state, has), name) in states.iter().zip(update.rule.states()).zip(["s₀", "s₁", "s₂"]) {
        if has {
            expect("update", name, state.len(), n)?;
        }
    }
    Ok(())
}
