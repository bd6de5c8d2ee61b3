//! The tests of the whole, as one program: each would compile anew what is generic in the libraries,
//! but for those that need a process of their own.

#[path = "../common/mod.rs"]
mod common;

mod agreement;
mod by_hand;
mod gradients;
mod larger_than_memory;
mod learning;
mod mistakes;
mod parts;
#[cfg(feature = "simd")]
mod reproducibility;
