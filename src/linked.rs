//! The one list of what is linked. A new backend adds a line here.

use std::sync::Arc;

use chainrule_core::{Backend, Scalar};

/// An element type with its list of linked backends: `f32` and `f64`.
pub trait Linked: Scalar {
    /// The linked backends, the fastest first.
    fn linked() -> Vec<Arc<dyn Backend<Self>>>;
}

macro_rules! linked {
    ($($t:ty),*) => {$(
        impl Linked for $t {
            fn linked() -> Vec<Arc<dyn Backend<Self>>> {
                vec![
                    #[cfg(feature = "simd")]
                    Arc::new(chainrule_simd::Simd::new()),
                    #[cfg(feature = "blas")]
                    Arc::new(chainrule_blas::Blas::new()),
                    #[cfg(feature = "naive")]
                    Arc::new(chainrule_naive::Naive),
                ]
            }
        }
    )*};
}

linked!(f32, f64);
