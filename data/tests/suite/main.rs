//! The tests of what the crate offers, as one program: each would compile anew what is generic in the library,
//! but for those that need a process of their own.

mod csv;
mod digits;
#[cfg(unix)]
mod get_mnist;
mod idx;
mod mnist;
mod npy;
mod preprocessing;
mod scikit_learn;
mod shuffled;
mod table;
