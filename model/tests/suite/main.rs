//! The tests of what the crate offers, as one program: each would compile anew what is generic in the library.

mod checkpoints;
mod common;
#[cfg(unix)]
mod killed;
mod model;
mod torch;
