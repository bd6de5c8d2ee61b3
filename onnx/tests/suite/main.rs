//! The tests of what the crate offers, as one program: each would compile anew what is generic in the library.

mod any_bytes;
mod common;
mod exported;
mod imported;
mod round_trip;
