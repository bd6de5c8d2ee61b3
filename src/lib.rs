//! chainrule trains feed-forward neural networks on CPUs by backpropagation, and runs them, inside a Rust program.
//!
//! ```
//! use chainrule::{Activation, CrossEntropy, Dataset, Network, Sgd, Trainer};
//! use ndarray::array;
//!
//! let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
//! let data = Dataset::classes(&x, &[0, 1, 1, 0])?;
//! let mut network = Network::<f32>::builder(2).dense(8, Activation::Tanh).dense(2, Activation::Identity).softmax().build(1)?;
//! let backend = chainrule::default_backend()?;
//! Trainer::new(CrossEntropy, Sgd::new(0.5)).epochs(300).batch_size(4).fit(&mut network, &*backend, &data)?;
//! let p = network.predict(&*backend, &x)?;
//! assert!(p[[0, 0]] > 0.9 && p[[1, 1]] > 0.9);
//! # Ok::<(), chainrule::Error>(())
//! ```
//!
//! What computes is a [`Backend`], a value that is passed. Features decide which backends are linked, a value decides which
//! one runs: [`backends`] lists those that are linked, [`backend`] finds one by its name, and a caller may always
//! pass one of their own. Enabling a feature never changes what other code computes.
//!
//! | feature | backend | needs |
//! | --- | --- | --- |
//! | `naive` (default) | [`naive`]: plain loops, the specification | nothing |
//! | `simd` (default) | [`simd`]: portable SIMD with run-time dispatch, threads | nothing |
//! | `openblas-system` | [`blas`]: CBLAS | an installed OpenBLAS |
//! | `openblas-static` | [`blas`]: CBLAS | an OpenBLAS to link statically; the feature's documentation in `chainrule-blas` tells which |
//! | `blas` | [`blas`] | that something else in the build links a CBLAS |
//!
//! The equations, and how they read as code, are in [`backprop`].
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

use std::sync::Arc;

pub use chainrule_core::*;

#[cfg(feature = "blas")]
pub use chainrule_blas as blas;
#[cfg(feature = "naive")]
pub use chainrule_naive as naive;
#[cfg(feature = "simd")]
pub use chainrule_simd as simd;

mod linked;

pub use linked::Linked;

/// The backends that are linked, the fastest first.
///
/// ```
/// let names: Vec<_> = chainrule::backends::<f32>().iter().map(|backend| backend.name().to_owned()).collect();
/// # if cfg!(all(feature = "simd", feature = "naive", not(feature = "blas"))) {
/// assert_eq!(names, ["simd", "naive"]);
/// # }
/// ```
#[must_use]
pub fn backends<T: Linked>() -> Vec<Arc<dyn Backend<T>>> {
    T::linked()
}

/// The linked backend of that name: `"simd"`, `"blas"` or `"naive"`.
///
/// ```
/// # if cfg!(feature = "naive") {
/// assert_eq!(chainrule::backend::<f64>("naive")?.name(), "naive");
/// # }
/// assert!(chainrule::backend::<f64>("abacus").is_err());
/// # Ok::<(), chainrule::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unknown`], with the names of those that are linked and the feature that would link a missing one.
pub fn backend<T: Linked>(name: &str) -> Result<Arc<dyn Backend<T>>> {
    let linked = backends::<T>();
    let names: Vec<_> = linked.iter().map(|backend| backend.name().to_owned()).collect();
    linked.into_iter().find(|backend| backend.name() == name).ok_or_else(|| {
        let feature = match name {
            "naive" | "simd" => format!("; feature \"{name}\" of chainrule would link it"),
            "blas" => {
                "; feature \"openblas-system\" or \"openblas-static\" of chainrule would link it".to_owned()
            }
            _ => String::new(),
        };
        let list = if names.is_empty() { "none is linked".to_owned() } else { names.join(" or ") };
        Error::Unknown { what: "backend", name: name.to_owned(), expected: list + &feature }
    })
}

/// The fastest of the linked backends.
///
/// # Errors
/// [`Error::Unknown`] if none is linked.
pub fn default_backend<T: Linked>() -> Result<Arc<dyn Backend<T>>> {
    backends::<T>().into_iter().next().map_or_else(|| backend("simd"), Ok)
}
