//! Skeleton of the core: the trait and what it needs.
mod activation;
mod backend;
pub mod check;
mod error;
mod loss;
mod scalar;
mod targets;

pub use activation::Activation;
pub use backend::{Accumulate, Backend, Descent, Slope};
pub use error::{Error, Result, Shape};
pub use loss::{
    BinaryCrossEntropy, CrossEntropy, Link, Loss, MeanSquaredError, OverOutputs, Quadratic, Score,
    loss_by_name,
};
pub use scalar::Scalar;
pub use targets::{Dataset, Targets};
