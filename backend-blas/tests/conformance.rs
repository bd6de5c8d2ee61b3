//! The backend conforms, in whatever way OpenBLAS is linked.
#![cfg(any(feature = "openblas-system", feature = "openblas-static", feature = "openblas-source"))]

use chainrule_blas::Blas;
use chainrule_conformance::conformance;

conformance!(blas_f32, Blas::new(), f32);
conformance!(blas_f64, Blas::new(), f64);
