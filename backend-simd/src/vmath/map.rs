//! Functions of one or two registers, run over slices and over the rows of matrices.

use crate::gemm::view::{MatMut, MatRef};
use crate::isa::{Kernel, Ready};
use crate::lane::Lane;
use crate::vmath::Real;

/// A function y = f(x), lane by lane.
pub(crate) trait Unary<T: Real>: Copy {
    /// # Safety
    ///
    /// The caller enables the instruction set of `L`.
    unsafe fn eval<L: Lane<Elem = T>>(self, x: L) -> L;
}

/// A function z = f(x, y), lane by lane.
pub(crate) trait Binary<T: Real>: Copy {
    /// # Safety
    ///
    /// The caller enables the instruction set of `L`.
    unsafe fn eval<L: Lane<Elem = T>>(self, x: L, y: L) -> L;
}

/// `to[i] ← f(from[i])` for `i < len`.
///
/// # Safety
///
/// `from` and `to` are valid for `len` scalars; they are the same or do not overlap. The caller enables the set of `L`.
#[inline(always)]
pub(crate) unsafe fn map_span<T: Real, L: Lane<Elem = T>, F: Unary<T>>(
    f: F,
    from: *const T,
    to: *mut T,
    len: usize,
) {
    let mut i = 0;
    // SAFETY: no index reaches past `len`: full registers end at `i + LANES ≤ len`, the last one covers `len − i < LANES`.
    unsafe {
        while i + 2 * L::LANES <= len {
            let (x, y) = (L::load(from.add(i)), L::load(from.add(i + L::LANES)));
            let (x, y) = (f.eval(x), f.eval(y));
            x.store(to.add(i));
            y.store(to.add(i + L::LANES));
            i += 2 * L::LANES;
        }
        while i < len {
            let n = L::LANES.min(len - i);
            f.eval(L::load_first(from.add(i), n)).store_first(to.add(i), n);
            i += n;
        }
    }
}

/// `y[i] ← f(x[i], y[i])` for `i < len`.
///
/// # Safety
///
/// `x` and `y` are valid for `len` scalars and do not overlap. The caller enables the set of `L`.
#[inline(always)]
pub(crate) unsafe fn zip_span<T: Real, L: Lane<Elem = T>, F: Binary<T>>(
    f: F,
    x: *const T,
    y: *mut T,
    len: usize,
) {
    let mut i = 0;
    // SAFETY: as in `map_span`.
    unsafe {
        while i + 2 * L::LANES <= len {
            let j = i + L::LANES;
            let a = f.eval(L::load(x.add(i)), L::load(y.add(i)));
            let b = f.eval(L::load(x.add(j)), L::load(y.add(j)));
            a.store(y.add(i));
            b.store(y.add(j));
            i = j + L::LANES;
        }
        while i < len {
            let n = L::LANES.min(len - i);
            f.eval(L::load_first(x.add(i), n), L::load_first(y.add(i), n)).store_first(y.add(i), n);
            i += n;
        }
    }
}

/// Y ← f(X), of one shape, where the elements of a row lie side by side; X and Y are the same or do not overlap.
pub(crate) struct Each<T, F> {
    pub(crate) f: F,
    pub(crate) x: MatRef<T>,
    pub(crate) y: MatMut<T>,
}

impl<T: Real, F: Unary<T>> Kernel<T> for Each<T, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let Self { f, x, y } = self;
        for i in 0..y.rows {
            // SAFETY: the elements of X are valid for reads, those of Y for writes; the caller enables the set of `L`.
            unsafe { map_span::<T, L, F>(f, x.at(i, 0), y.at(i, 0), y.cols) };
        }
    }
}

/// `to[i] ← f(from[i])`.
///
/// # Panics
///
/// If the lengths differ.
#[inline]
pub(crate) fn map<T: Real, F: Unary<T>>(ready: Ready, f: F, from: &[T], to: &mut [T]) {
    assert_eq!(from.len(), to.len(), "a map needs slices of one length");
    let (rows, cols) = (1, to.len());
    let x = MatRef { ptr: from.as_ptr(), rows, cols, row: 0, col: 1 };
    ready.dispatch(Each { f, x, y: MatMut { ptr: to.as_mut_ptr(), rows, cols, row: 0, col: 1 } });
}

/// Types that stand for the functions of [`vmath`](crate::vmath).
macro_rules! named {
    ($($name:ident = $function:ident),* $(,)?) => {
        $(
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct $name;

            impl<T: Real> Unary<T> for $name {
                #[inline(always)]
                unsafe fn eval<L: Lane<Elem = T>>(self, x: L) -> L {
                    // SAFETY: the caller enables the set of `L`.
                    unsafe { crate::vmath::$function(x) }
                }
            }
        )*
    };
}
named! {
    Exp = exp,
    Ln = ln,
    Tanh = tanh,
    Sigmoid = sigmoid,
    Softplus = softplus,
    Silu = silu,
    SiluSlope = silu_slope,
    Gelu = gelu,
    GeluSlope = gelu_slope,
}
