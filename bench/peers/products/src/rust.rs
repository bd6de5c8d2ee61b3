//! The libraries that are written in Rust.

use crate::{Element, Operands, Product};

/// What is a function for each type in these libraries.
pub(crate) trait Multiply: Sized + 'static {
    /// By the crate matrixmultiply, on MATMUL_NUM_THREADS threads.
    fn matrixmultiply(operands: &mut Operands<Self>);
    /// By the crate gemm.
    fn gemm(operands: &mut Operands<Self>, parallelism: ::gemm::Parallelism);
    /// By the crate faer.
    fn faer(operands: &mut Operands<Self>, parallelism: ::faer::Par);
    /// By a function of CBLAS.
    ///
    /// # Safety
    /// The function is of the type that `cblas` says, for this element type.
    unsafe fn cblas(function: *const (), long: bool, operands: &mut Operands<Self>);
}

macro_rules! multiply {
    ($type:ty, $matrixmultiply:path) => {
        impl Multiply for $type {
            fn matrixmultiply(operands: &mut Operands<Self>) {
                let (a, b) = (operands.a_strides(), operands.b_strides());
                let (m, k, n) = (operands.m, operands.k, operands.n);
                // SAFETY: the strides are those of the slices, whose lengths are m k, k n and m n.
                unsafe {
                    $matrixmultiply(
                        m,
                        k,
                        n,
                        1.0,
                        operands.a.as_ptr(),
                        a.row,
                        a.column,
                        operands.b.as_ptr(),
                        b.row,
                        b.column,
                        0.0,
                        operands.c.as_mut_ptr(),
                        n.cast_signed(),
                        1,
                    );
                }
            }

            fn gemm(operands: &mut Operands<Self>, parallelism: ::gemm::Parallelism) {
                let (a, b) = (operands.a_strides(), operands.b_strides());
                let (m, k, n) = (operands.m, operands.k, operands.n);
                // SAFETY: the strides are those of the slices, whose lengths are m k, k n and m n.
                unsafe {
                    ::gemm::gemm(
                        m,
                        n,
                        k,
                        operands.c.as_mut_ptr(),
                        1,
                        n.cast_signed(),
                        false,
                        operands.a.as_ptr(),
                        a.column,
                        a.row,
                        operands.b.as_ptr(),
                        b.column,
                        b.row,
                        0.0,
                        1.0,
                        false,
                        false,
                        false,
                        parallelism,
                    );
                }
            }

            fn faer(operands: &mut Operands<Self>, parallelism: ::faer::Par) {
                let (a, b) = (operands.a_strides(), operands.b_strides());
                let (m, k, n) = (operands.m, operands.k, operands.n);
                // SAFETY: the strides are those of the slices, whose lengths are m k and k n.
                let (a, b) = unsafe {
                    (
                        ::faer::MatRef::from_raw_parts(operands.a.as_ptr(), m, k, a.row, a.column),
                        ::faer::MatRef::from_raw_parts(operands.b.as_ptr(), k, n, b.row, b.column),
                    )
                };
                let c = ::faer::MatMut::from_row_major_slice_mut(&mut operands.c, m, n);
                ::faer::linalg::matmul::matmul(c, ::faer::Accum::Replace, a, b, 1.0, parallelism);
            }

            unsafe fn cblas(function: *const (), long: bool, operands: &mut Operands<Self>) {
                // SAFETY: as this function asks.
                unsafe { crate::foreign::cblas::<$type>(function, long, operands) }
            }
        }
    };
}
multiply!(f32, ::matrixmultiply::sgemm);
multiply!(f64, ::matrixmultiply::dgemm);

pub(crate) fn matrixmultiply<T: Element>() -> Product<T> {
    Box::new(T::matrixmultiply)
}

pub(crate) fn gemm<T: Element>(threads: usize) -> Product<T> {
    let parallelism =
        if threads == 1 { ::gemm::Parallelism::None } else { ::gemm::Parallelism::Rayon(threads) };
    Box::new(move |operands| T::gemm(operands, parallelism))
}

pub(crate) fn faer<T: Element>(threads: usize) -> Product<T> {
    let parallelism = if threads == 1 { ::faer::Par::Seq } else { ::faer::Par::rayon(threads) };
    Box::new(move |operands| T::faer(operands, parallelism))
}
