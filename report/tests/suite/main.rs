//! The tests of what the crate offers, as one program: each would compile anew what is generic in the library.

mod common;
mod files;
mod page;
mod run;
