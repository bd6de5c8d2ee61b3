//! Matrices as raw pointers, shapes and strides: what the kernels work on.

use ndarray::ArrayRef2;

/// A matrix that is read: `rows × cols` scalars, element (i, j) at `ptr + i·row + j·col`.
///
/// Strides may have any sign and may be 0. It comes from an array ([`MatRef::new`]), so that every element is valid
/// for reads while the array is borrowed; the kernels rely on that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MatRef<T> {
    pub(crate) ptr: *const T,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row: isize,
    pub(crate) col: isize,
}

/// A matrix that is written: as [`MatRef`], and no two elements share memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MatMut<T> {
    pub(crate) ptr: *mut T,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row: isize,
    pub(crate) col: isize,
}

// SAFETY: a view is no more than an address; whoever dereferences it vouches that the borrow behind it is alive and
// that threads write disjoint parts.
unsafe impl<T: Sync> Send for MatRef<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for MatRef<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for MatMut<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for MatMut<T> {}

impl<T: Copy> MatRef<T> {
    /// The view of an array. The caller keeps the array borrowed while the view is read.
    #[inline]
    pub(crate) fn new(array: &ArrayRef2<T>) -> Self {
        let (rows, cols) = array.dim();
        let [row, col] = *array.strides() else { unreachable!("two axes") };
        Self { ptr: array.as_ptr(), rows, cols, row, col }
    }

    /// The transpose.
    #[inline]
    pub(crate) fn t(self) -> Self {
        Self { ptr: self.ptr, rows: self.cols, cols: self.rows, row: self.col, col: self.row }
    }

    /// The address of element (i, j).
    #[inline]
    pub(crate) fn at(self, i: usize, j: usize) -> *const T {
        debug_assert!(i <= self.rows && j <= self.cols);
        self.ptr.wrapping_offset(i.cast_signed() * self.row + j.cast_signed() * self.col)
    }

    /// The block of `rows × cols` from (i, j) on.
    #[inline]
    pub(crate) fn block(self, i: usize, j: usize, rows: usize, cols: usize) -> Self {
        debug_assert!(i + rows <= self.rows && j + cols <= self.cols);
        Self { ptr: self.at(i, j), rows, cols, ..self }
    }
}

impl<T: Copy> MatMut<T> {
    /// The view of an array. The caller keeps the array mutably borrowed while the view is used.
    #[inline]
    pub(crate) fn new(array: &mut ArrayRef2<T>) -> Self {
        let (rows, cols) = array.dim();
        let [row, col] = *array.strides() else { unreachable!("two axes") };
        Self { ptr: array.as_mut_ptr(), rows, cols, row, col }
    }

    /// The same matrix, to be read.
    #[inline]
    pub(crate) fn as_ref(self) -> MatRef<T> {
        let Self { ptr, rows, cols, row, col } = self;
        MatRef { ptr: ptr.cast_const(), rows, cols, row, col }
    }

    /// The transpose.
    #[inline]
    pub(crate) fn t(self) -> Self {
        Self { ptr: self.ptr, rows: self.cols, cols: self.rows, row: self.col, col: self.row }
    }

    /// The address of element (i, j).
    #[inline]
    pub(crate) fn at(self, i: usize, j: usize) -> *mut T {
        debug_assert!(i <= self.rows && j <= self.cols);
        self.ptr.wrapping_offset(i.cast_signed() * self.row + j.cast_signed() * self.col)
    }

    /// The block of `rows × cols` from (i, j) on.
    #[inline]
    pub(crate) fn block(self, i: usize, j: usize, rows: usize, cols: usize) -> Self {
        debug_assert!(i + rows <= self.rows && j + cols <= self.cols);
        Self { ptr: self.at(i, j), rows, cols, ..self }
    }
}
