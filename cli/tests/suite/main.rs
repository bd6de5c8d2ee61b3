//! The tests of the command, as one program.

mod arrays;
mod check;
mod common;
#[cfg(target_os = "linux")]
mod disks;
mod predict;
mod refusals;
#[cfg(unix)]
mod runs;
mod tables;
mod train;
mod weights;
mod windows;
