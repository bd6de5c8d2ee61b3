//! The only place that leaves Rust: calls of CBLAS, and of OpenBLAS's own functions.

use std::any::TypeId;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cblas_sys::{CBLAS_LAYOUT, CBLAS_TRANSPOSE};
use chainrule_core::Scalar;

/// Calls in flight at once. OpenBLAS keeps a table of work buffers, at least 50 of them, and ends the program when more
/// calls meet (its issue 5958 and many before); further callers wait here instead.
const MOST_CALLS: usize = 48;

static CALLS: AtomicUsize = AtomicUsize::new(0);

/// A call in flight.
struct Call;

impl Call {
    fn enter() -> Self {
        while CALLS
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |calls| {
                (calls < MOST_CALLS).then_some(calls + 1)
            })
            .is_err()
        {
            thread::yield_now();
        }
        Self
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        CALLS.fetch_sub(1, Ordering::Release);
    }
}

/// A matrix as CBLAS takes it: `rows` × `columns` in memory order `layout`, with `ld` elements from a row (row-major) or
/// column (column-major) to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    pub(crate) layout: CBLAS_LAYOUT,
    pub(crate) rows: i32,
    pub(crate) columns: i32,
    pub(crate) ld: i32,
}

impl Plane {
    /// How to read this matrix in a call whose layout is that of the output.
    fn transposed(self, output: Self) -> CBLAS_TRANSPOSE {
        if self.layout as i32 == output.layout as i32 {
            CBLAS_TRANSPOSE::CblasNoTrans
        } else {
            CBLAS_TRANSPOSE::CblasTrans
        }
    }
}

fn is<T: Scalar, U: Scalar>() -> bool {
    TypeId::of::<T>() == TypeId::of::<U>()
}

/// C ← A B + β C.
///
/// # Safety
/// Each pointer points to the first element of a matrix as its plane says, A m × k, B k × n and C m × n, none of them
/// 0 × anything; A and B can be read, C can be written and overlaps neither.
pub(crate) unsafe fn gemm<T: Scalar>(
    (a, a_plane): (*const T, Plane),
    (b, b_plane): (*const T, Plane),
    beta: bool,
    (c, c_plane): (*mut T, Plane),
) {
    let _call = Call::enter();
    let (layout, beta) = (c_plane.layout, f32::from(u8::from(beta)));
    let (ta, tb) = (a_plane.transposed(c_plane), b_plane.transposed(c_plane));
    let (m, n, k) = (c_plane.rows, c_plane.columns, a_plane.columns);
    let (lda, ldb, ldc) = (a_plane.ld, b_plane.ld, c_plane.ld);
    if is::<T, f32>() {
        // SAFETY: the caller's promise; T is f32, so the casts change nothing.
        unsafe {
            let (a, b, c) = (a.cast(), b.cast(), c.cast());
            cblas_sys::cblas_sgemm(layout, ta, tb, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
        }
    } else {
        let beta = f64::from(beta);
        // SAFETY: the caller's promise; the sealed Scalar has only f64 beside f32, so the casts change nothing.
        unsafe {
            let (a, b, c) = (a.cast(), b.cast(), c.cast());
            cblas_sys::cblas_dgemm(layout, ta, tb, m, n, k, 1.0, a, lda, b, ldb, beta, c, ldc);
        }
    }
}

/// y ← y + A x.
///
/// # Safety
/// The pointers point to the first elements of A as its plane says, m × n, not empty, of x with n and of y with m
/// elements, which are `step` ≥ 1 elements apart; A and x can be read, y can be written and overlaps neither.
pub(crate) unsafe fn gemv<T: Scalar>(
    (a, plane): (*const T, Plane),
    (x, x_step): (*const T, i32),
    (y, y_step): (*mut T, i32),
) {
    let _call = Call::enter();
    let (layout, no) = (plane.layout, CBLAS_TRANSPOSE::CblasNoTrans);
    let (m, n, lda) = (plane.rows, plane.columns, plane.ld);
    if is::<T, f32>() {
        // SAFETY: the caller's promise; T is f32, so the casts change nothing.
        unsafe {
            let (a, x, y) = (a.cast(), x.cast(), y.cast());
            cblas_sys::cblas_sgemv(layout, no, m, n, 1.0, a, lda, x, x_step, 1.0, y, y_step);
        }
    } else {
        // SAFETY: the caller's promise; the sealed Scalar has only f64 beside f32, so the casts change nothing.
        unsafe {
            let (a, x, y) = (a.cast(), x.cast(), y.cast());
            cblas_sys::cblas_dgemv(layout, no, m, n, 1.0, a, lda, x, x_step, 1.0, y, y_step);
        }
    }
}

/// C ← C + x yᵀ.
///
/// # Safety
/// The pointers point to the first elements of x with m and y with n elements, `step` ≥ 1 elements apart, and of C
/// m × n as its plane says, not empty; x and y can be read, C can be written and overlaps neither.
pub(crate) unsafe fn ger<T: Scalar>(
    (x, x_step): (*const T, i32),
    (y, y_step): (*const T, i32),
    (c, plane): (*mut T, Plane),
) {
    let _call = Call::enter();
    let (layout, m, n, ldc) = (plane.layout, plane.rows, plane.columns, plane.ld);
    if is::<T, f32>() {
        // SAFETY: the caller's promise; T is f32, so the casts change nothing.
        unsafe {
            cblas_sys::cblas_sger(layout, m, n, 1.0, x.cast(), x_step, y.cast(), y_step, c.cast(), ldc);
        }
    } else {
        // SAFETY: the caller's promise; the sealed Scalar has only f64 beside f32, so the casts change nothing.
        unsafe {
            cblas_sys::cblas_dger(layout, m, n, 1.0, x.cast(), x_step, y.cast(), y_step, c.cast(), ldc);
        }
    }
}

/// What only OpenBLAS has.
#[cfg(openblas)]
mod openblas {
    use std::ffi::{CStr, c_char, c_int};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, OnceLock, PoisonError};

    unsafe extern "C" {
        fn openblas_set_num_threads(threads: c_int);
        fn openblas_get_config() -> *mut c_char;
        fn openblas_get_corename() -> *mut c_char;
    }

    static THREADS: AtomicUsize = AtomicUsize::new(0);
    static SETTING: Mutex<()> = Mutex::new(());

    /// Sets the number of threads of the process, unless it is what was set last.
    pub(crate) fn set_threads(threads: usize) {
        if THREADS.load(Ordering::Acquire) == threads {
            return;
        }
        let _alone = SETTING.lock().unwrap_or_else(PoisonError::into_inner);
        if THREADS.load(Ordering::Acquire) != threads {
            // SAFETY: takes any number, and locks what it changes; the mutex keeps our own calls apart.
            unsafe { openblas_set_num_threads(c_int::try_from(threads).unwrap_or(c_int::MAX)) };
            THREADS.store(threads, Ordering::Release);
        }
    }

    pub(crate) fn config() -> &'static str {
        static CONFIG: OnceLock<String> = OnceLock::new();
        // SAFETY: takes nothing and returns a string that ends in 0 and lives as long as the library.
        CONFIG.get_or_init(|| unsafe { copy(openblas_get_config()) })
    }

    pub(crate) fn core_name() -> &'static str {
        static NAME: OnceLock<String> = OnceLock::new();
        // SAFETY: as for the configuration.
        NAME.get_or_init(|| unsafe { copy(openblas_get_corename()) })
    }

    /// # Safety
    /// `text` is null or a string that ends in 0.
    unsafe fn copy(text: *const c_char) -> String {
        if text.is_null() {
            return "-".to_owned();
        }
        // SAFETY: not null, and the caller's promise.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned()
    }
}

/// What there is to say of a CBLAS that is not known to be OpenBLAS.
#[cfg(not(openblas))]
mod openblas {
    pub(crate) fn set_threads(_threads: usize) {}

    pub(crate) fn config() -> &'static str {
        "a CBLAS that the application links"
    }

    pub(crate) fn core_name() -> &'static str {
        "-"
    }
}

pub(crate) use openblas::{config, core_name, set_threads};

/// The functions of LAPACK that [`crate::linalg`] comes to through other crates. A linker that goes through its inputs
/// once, as GNU ld does, meets the archive before it meets those crates: named here, it takes them along.
#[cfg(feature = "openblas-static")]
mod archive {
    unsafe extern "C" {
        fn dgelqf_();
        fn dgelsd_();
        fn dgeqrf_();
        fn dorglq_();
        fn dorgqr_();
    }

    /// Never called: these are not their signatures.
    #[used]
    static WANTED: [unsafe extern "C" fn(); 5] = [dgelqf_, dgelsd_, dgeqrf_, dorglq_, dorgqr_];
}
