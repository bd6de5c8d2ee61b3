//! The SIMD backend of chainrule: packed matrix products and vector functions over lanes, dispatched at run time.

#![allow(
    clippy::inline_always,
    reason = "a kernel's parts must become part of the function that enables its set"
)]

mod backend;
mod dense;
mod elementwise;
mod gemm;
mod isa;
mod lane;
mod optimizers;
mod select;
mod small;
mod threads;
mod vmath;

pub use backend::{Simd, SimdBuilder};
pub use isa::{ISA_VARIABLE, Isa, IsaError};
pub use vmath::{Function, VectorMath, VectorScalar};
