//! The backend conforms with threads of OpenBLAS's own as well. A file, and so a process, of its own: the number of
//! threads belongs to the process.
#![cfg(any(feature = "openblas-system", feature = "openblas-static", feature = "openblas-source"))]

use chainrule_blas::Blas;
use chainrule_conformance::conformance;

conformance!(two_threads_f32, Blas::with_threads(2), f32);
conformance!(two_threads_f64, Blas::with_threads(2), f64);
