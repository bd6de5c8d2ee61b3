//! Trained networks as files that travel, and checkpoints of runs.
//!
//! A [`Model`] file is [safetensors](https://github.com/huggingface/safetensors): the parameters and buffers by the names and shapes that
//! PyTorch gives them, and in the metadata all else that is needed to use the network: its layers, the preprocessing of data, the names of
//! classes, features and targets ([`Description`]). In Python,
//!
//! ```text
//! model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3), torch.nn.Softmax(1))
//! model.load_state_dict(safetensors.torch.load_file("iris.safetensors"))
//! ```
//!
//! The other way round, [`StateDict::network`] takes PyTorch's state dicts.
//!
//! A [`Checkpointer`] writes [`Checkpoint`]s in the course of a run. Killed at any instant and resumed from the latest, the run ends with the
//! very same bits as one that was never interrupted.
//!
//! Files come from anywhere: nothing in one is believed before it is checked, nothing is allocated that the file has not got the bytes
//! for, and no bytes make a reader panic. Files are written whole or not at all ([`write_atomically`]).
#![forbid(unsafe_code)]

mod checkpoint;
mod checkpointer;
mod error;
mod files;
mod layout;
mod model;
mod tensors;

pub use checkpoint::{Checkpoint, Latest};
pub use checkpointer::Checkpointer;
pub use error::{Error, Result};
pub use files::{check_writable, read, write_atomically};
pub use model::{Description, Model, Task};
pub use tensors::{ElementType, StateDict};
