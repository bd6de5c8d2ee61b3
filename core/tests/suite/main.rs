//! The tests of what the crate offers, as one program: each would compile anew what is generic in the library.

mod activations;
mod common;
mod epochs;
mod lbfgs;
mod metrics;
mod optimizers;
mod schedules;
#[cfg(feature = "serde")]
mod serde;
mod torch;
mod trainer;
