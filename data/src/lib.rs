//! Readers of data sets for chainrule, and reproducible splits of them.
//!
//! | what | where | gives |
//! | --- | --- | --- |
//! | CSV files | [`csv`] | a [`Table`], of which an [`Encoder`] makes inputs and targets |
//! | CSV files of numbers and a class | [`csv::read`] | [`LabelledData`] |
//! | NPY and NPZ files | [`npy`] | [`Array2`](ndarray::Array2) and [`Answers`] |
//! | MNIST and its look-alikes (four IDX files) | [`mnist`] | [`Split`] of [`LabelledData`] |
//! | any IDX file of unsigned bytes | [`idx`] | [`ArrayD<u8>`](ndarray::ArrayD) |
//! | 1,797 handwritten digits, compiled in | [`digits()`], [`digits_split()`] | [`LabelledData`], [`Split`] |
//!
//! [`Preprocessing`] scales or whitens inputs as the training data ask for, and is kept with a model.
//!
//! In every matrix one row is one sample. Files may be gzipped: that is told from their first bytes, never
//! from their name. Everything is generic over the floating-point type `T` (`f32`, `f64`: whatever implements
//! [`num_traits::Float`]).
//!
//! What comes from outside never causes a panic: whatever is wrong with a file is told by one type,
//! [`Error`], which says where it is wrong, what was found and what was expected.
//!
//! ```
//! use chainrule_data::{Split, digits_split};
//!
//! let Split { train, test } = digits_split::<f32>(42);
//! assert_eq!((train.len(), test.len()), (1438, 359));
//! assert_eq!((train.features(), train.classes()), (64, 10));
//! ```
#![forbid(unsafe_code)]

mod classes;
mod digits;
mod eigen;
mod encoder;
mod error;
mod labelled;
mod preprocessing;
mod shuffle;
mod source;
mod table;

pub mod csv;
pub mod idx;
pub mod mnist;
pub mod npy;

pub use digits::{digits, digits_split};
pub use eigen::symmetric_eigen;
pub use encoder::{
    Answers, Coding, Encoded, Encoder, EncoderOptions, Feature, FillCategories, FillNumbers, Target,
};
pub use error::{Error, Position};
pub use labelled::{LabelledData, Split};
pub use preprocessing::{EigenSolver, Method, Preprocessing, Step};
pub use table::{Field, Table, Task};
