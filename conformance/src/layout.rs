//! Matrices and vectors in every memory layout that a view can have, with guard cells around them.

use std::fmt;

use chainrule_core::Scalar;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Slice};

/// How a matrix or a vector lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// Row after row, nothing between.
    Contiguous,
    /// Column after column, nothing between; a vector with a step of 3.
    Transposed,
    /// The inner part of a larger matrix: rows are contiguous, but not after each other.
    Sliced,
    /// The transpose of [`Layout::Sliced`]; a vector with a step of 4 in a longer one.
    TransposedSliced,
    /// Every second row and every third column of a larger matrix.
    Stepped,
    /// From the last row to the first; a vector backwards.
    ReversedRows,
    /// From the last column to the first; a vector backwards with a step of 3.
    ReversedColumns,
    /// Both axes backwards, within a larger matrix.
    Reversed,
    /// One row for all rows (stride 0). Inputs only.
    BroadcastRow,
    /// One column for all columns (stride 0). Inputs only.
    BroadcastColumn,
    /// One element for all (both strides 0). Inputs only.
    BroadcastElement,
}

impl Layout {
    /// The layouts an output can have.
    pub const OUTPUTS: &'static [Self] = &[
        Self::Contiguous,
        Self::Transposed,
        Self::Sliced,
        Self::TransposedSliced,
        Self::Stepped,
        Self::ReversedRows,
        Self::ReversedColumns,
        Self::Reversed,
    ];

    /// The layouts an input can have: all of them.
    pub const INPUTS: &'static [Self] = &[
        Self::Contiguous,
        Self::Transposed,
        Self::Sliced,
        Self::TransposedSliced,
        Self::Stepped,
        Self::ReversedRows,
        Self::ReversedColumns,
        Self::Reversed,
        Self::BroadcastRow,
        Self::BroadcastColumn,
        Self::BroadcastElement,
    ];

    fn matrix(self) -> (bool, Span, Span) {
        let (dense, inner) = (Span::new(0, 1, 0), Span::new(2, 1, 1));
        match self {
            Self::Transposed => (true, dense, dense),
            Self::Sliced => (false, inner, Span::new(3, 1, 2)),
            Self::TransposedSliced => (true, inner, Span::new(3, 1, 2)),
            Self::Stepped => (false, Span::new(1, 2, 1), Span::new(2, 3, 1)),
            Self::ReversedRows => (false, Span::new(0, -1, 0), dense),
            Self::ReversedColumns => (false, dense, Span::new(0, -1, 0)),
            Self::Reversed => (false, Span::new(1, -1, 2), Span::new(2, -1, 3)),
            _ => (false, dense, dense),
        }
    }

    fn vector(self) -> Span {
        match self {
            Self::Transposed => Span::new(0, 3, 0),
            Self::Sliced => Span::new(3, 1, 2),
            Self::TransposedSliced => Span::new(2, 4, 3),
            Self::Stepped => Span::new(1, 2, 1),
            Self::ReversedRows => Span::new(0, -1, 0),
            Self::ReversedColumns => Span::new(0, -3, 0),
            Self::Reversed => Span::new(2, -1, 3),
            _ => Span::new(0, 1, 0),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contiguous => "contiguous",
            Self::Transposed => "transposed",
            Self::Sliced => "sliced",
            Self::TransposedSliced => "transposed and sliced",
            Self::Stepped => "stepped",
            Self::ReversedRows => "with rows reversed",
            Self::ReversedColumns => "with columns reversed",
            Self::Reversed => "reversed",
            Self::BroadcastRow => "broadcast from a row",
            Self::BroadcastColumn => "broadcast from a column",
            Self::BroadcastElement => "broadcast from an element",
        })
    }
}

/// The place of an axis within a longer one.
#[derive(Clone, Copy, Debug)]
struct Span {
    before: usize,
    step: isize,
    after: usize,
}

impl Span {
    fn new(before: usize, step: isize, after: usize) -> Self {
        Self { before, step, after }
    }

    /// The length from the first element to the last.
    fn inner(self, length: usize) -> usize {
        if length == 0 { 0 } else { (length - 1) * self.step.unsigned_abs() + 1 }
    }

    fn outer(self, length: usize) -> usize {
        self.before + self.inner(length) + self.after
    }

    fn slice(self, length: usize) -> Slice {
        let start = self.before.cast_signed();
        Slice::new(start, Some(start + self.inner(length).cast_signed()), self.step)
    }
}

/// What the cells of an output hold that do not belong to it: finite, and different from cell to cell.
fn guard<T: Scalar>(index: usize) -> T {
    T::of(-1000.0 - (index % 1024) as f64 / 2.0)
}

/// A bit pattern to compare by: equal for equal values and for NaN and NaN.
pub(crate) fn bits<T: Scalar>(x: T) -> u64 {
    if x.is_nan() { u64::MAX } else { x.as_f64().to_bits() }
}

/// A matrix in a [`Layout`].
#[derive(Clone, Debug)]
pub struct Matrix<T> {
    buffer: Array2<T>,
    original: Array2<T>,
    layout: Layout,
    dim: (usize, usize),
}

impl<T: Scalar> Matrix<T> {
    /// A matrix to read; the cells around it hold NaN. `value` is asked for each element, row by row.
    pub fn input(layout: Layout, dim: (usize, usize), value: impl FnMut() -> T) -> Self {
        Self::build(layout, dim, |_| T::nan(), value)
    }

    /// A matrix to write; the cells around it are remembered for [`Matrix::intact`].
    ///
    /// # Panics
    /// If the layout is one of those for inputs only.
    pub fn output(layout: Layout, dim: (usize, usize), value: impl FnMut() -> T) -> Self {
        assert!(Layout::OUTPUTS.contains(&layout), "an output cannot be {layout}");
        Self::build(layout, dim, guard, value)
    }

    fn build(
        layout: Layout,
        dim: (usize, usize),
        around: impl Fn(usize) -> T,
        mut value: impl FnMut() -> T,
    ) -> Self {
        let (transposed, row, column) = layout.matrix();
        let shape = match layout {
            Layout::BroadcastRow => (1, dim.1),
            Layout::BroadcastColumn => (dim.0, 1),
            Layout::BroadcastElement => (1, 1),
            _ if transposed => (row.outer(dim.1), column.outer(dim.0)),
            _ => (row.outer(dim.0), column.outer(dim.1)),
        };
        let buffer = if layout as usize >= Layout::BroadcastRow as usize {
            Array2::from_shape_simple_fn(shape, value)
        } else {
            let cells = (0..shape.0 * shape.1).map(around).collect();
            let buffer = Array2::from_shape_vec(shape, cells).expect("as many cells as the shape has");
            let mut matrix = Self { original: Array2::default((0, 0)), buffer, layout, dim };
            matrix.view_mut().map_inplace(|x| *x = value());
            matrix.buffer
        };
        Self { original: buffer.clone(), buffer, layout, dim }
    }

    /// The matrix itself.
    ///
    /// # Panics
    /// Never, but for a bug here.
    #[must_use]
    pub fn view(&self) -> ArrayView2<'_, T> {
        if self.layout as usize >= Layout::BroadcastRow as usize {
            return self.buffer.broadcast(self.dim).expect("one row or column repeats");
        }
        let (transposed, row, column) = self.layout.matrix();
        let (rows, columns) = if transposed { (self.dim.1, self.dim.0) } else { self.dim };
        let slices = [row.slice(rows), column.slice(columns)];
        let view = self.buffer.slice_each_axis(|axis| slices[axis.axis.index()]);
        if transposed { view.reversed_axes() } else { view }
    }

    /// The matrix itself, to write to.
    pub fn view_mut(&mut self) -> ArrayViewMut2<'_, T> {
        let (transposed, row, column) = self.layout.matrix();
        let (rows, columns) = if transposed { (self.dim.1, self.dim.0) } else { self.dim };
        let slices = [row.slice(rows), column.slice(columns)];
        let view = self.buffer.slice_each_axis_mut(|axis| slices[axis.axis.index()]);
        if transposed { view.reversed_axes() } else { view }
    }

    /// The matrix as f64, contiguous.
    #[must_use]
    pub fn exact(&self) -> Array2<f64> {
        self.view().mapv(Scalar::as_f64)
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Refuses a change of the cells around the matrix.
    ///
    /// # Errors
    /// Says which cell of the surrounding memory changed.
    pub fn intact(&self, name: &str) -> Result<(), String> {
        let mut expected = self.clone();
        expected.buffer.assign(&self.original);
        expected.view_mut().assign(&self.view());
        same_cells(&format!("the memory around {name}"), &self.buffer, &expected.buffer)
    }

    /// Refuses any change since the matrix was made.
    ///
    /// # Errors
    /// Says which cell changed.
    pub fn untouched(&self, name: &str) -> Result<(), String> {
        same_cells(name, &self.buffer, &self.original)
    }
}

fn same_cells<T: Scalar>(name: &str, found: &Array2<T>, expected: &Array2<T>) -> Result<(), String> {
    for (((i, j), &found), &expected) in found.indexed_iter().zip(expected) {
        if bits(found) != bits(expected) {
            return Err(format!("{name} was written to: cell [{i}, {j}] went from {expected} to {found}"));
        }
    }
    Ok(())
}

/// A vector in a [`Layout`].
#[derive(Clone, Debug)]
pub struct Vector<T> {
    buffer: Array1<T>,
    original: Array1<T>,
    layout: Layout,
    length: usize,
}

impl<T: Scalar> Vector<T> {
    /// A vector to read; the cells around it hold NaN.
    pub fn input(layout: Layout, length: usize, value: impl FnMut() -> T) -> Self {
        Self::build(layout, length, |_| T::nan(), value)
    }

    /// A vector to write; the cells around it are remembered for [`Vector::intact`].
    ///
    /// # Panics
    /// If the layout is one of those for inputs only.
    pub fn output(layout: Layout, length: usize, value: impl FnMut() -> T) -> Self {
        assert!(Layout::OUTPUTS.contains(&layout), "an output cannot be {layout}");
        Self::build(layout, length, guard, value)
    }

    fn build(
        layout: Layout,
        length: usize,
        around: impl Fn(usize) -> T,
        mut value: impl FnMut() -> T,
    ) -> Self {
        let buffer = if layout as usize >= Layout::BroadcastRow as usize {
            Array1::from_elem(1, value())
        } else {
            let buffer = (0..layout.vector().outer(length)).map(around).collect();
            let mut vector = Self { original: Array1::default(0), buffer, layout, length };
            vector.view_mut().map_inplace(|x| *x = value());
            vector.buffer
        };
        Self { original: buffer.clone(), buffer, layout, length }
    }

    /// The vector itself.
    ///
    /// # Panics
    /// Never, but for a bug here.
    #[must_use]
    pub fn view(&self) -> ArrayView1<'_, T> {
        if self.layout as usize >= Layout::BroadcastRow as usize {
            return self.buffer.broadcast(self.length).expect("one element repeats");
        }
        self.buffer.slice_each_axis(|_| self.layout.vector().slice(self.length))
    }

    /// The vector itself, to write to.
    pub fn view_mut(&mut self) -> ArrayViewMut1<'_, T> {
        let slice = self.layout.vector().slice(self.length);
        self.buffer.slice_each_axis_mut(|_| slice)
    }

    /// The vector as f64, contiguous.
    #[must_use]
    pub fn exact(&self) -> Array1<f64> {
        self.view().mapv(Scalar::as_f64)
    }

    /// Refuses a change of the cells around the vector.
    ///
    /// # Errors
    /// Says which cell of the surrounding memory changed.
    pub fn intact(&self, name: &str) -> Result<(), String> {
        let mut expected = self.clone();
        expected.buffer.assign(&self.original);
        expected.view_mut().assign(&self.view());
        self.same(&format!("the memory around {name}"), &expected.buffer)
    }

    /// Refuses any change since the vector was made.
    ///
    /// # Errors
    /// Says which cell changed.
    pub fn untouched(&self, name: &str) -> Result<(), String> {
        self.same(name, &self.original)
    }

    fn same(&self, name: &str, expected: &Array1<T>) -> Result<(), String> {
        match (0..expected.len()).find(|&i| bits(self.buffer[i]) != bits(expected[i])) {
            Some(i) => Err(format!(
                "{name} was written to: cell {i} went from {} to {}",
                expected[i], self.buffer[i]
            )),
            None => Ok(()),
        }
    }
}
