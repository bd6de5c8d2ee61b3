//! The core of chainrule: the [`Backend`] trait, and backpropagation over any backend that has it.
//!
//! Read [`backprop`] first, then [`Dense`]: the equations stand there as code. A [`Network`] is a chain of [`Layer`]s over one
//! flat vector of parameters; a [`Workspace`] holds all that a step computes; a [`Trainer`] goes through the data. What
//! computes is a [`Backend`], a value that the caller passes.
#![forbid(unsafe_code)]

mod activation;
mod aligned;
mod backend;
pub mod backprop;
pub mod check;
mod dense;
mod error;
mod gradient_check;
pub mod initializer;
pub mod layer;
mod loss;
mod metric;
mod network;
mod optimizer;
pub mod random;
mod scalar;
mod schedule;
mod softmax;
mod split;
mod targets;
mod trainer;
mod update;
mod workspace;

pub use activation::Activation;
pub use backend::{Accumulate, Backend, Descent, Slope};
pub use dense::Dense;
pub use error::{Error, Result, Shape};
pub use gradient_check::{GradientCheck, gradient_check};
pub use initializer::Initializer;
pub use layer::{Layer, Mode};
pub use loss::{
    BinaryCrossEntropy, CrossEntropy, Link, Loss, MeanSquaredError, OverOutputs, Quadratic, Score,
    loss_by_name,
};
pub use metric::{
    Accuracy, Average, ConfusionMatrix, F1, LogLoss, METRIC_NAMES, MeanAbsoluteError, Metric, Precision, R2,
    Recall, RocAuc, RootMeanSquaredError, TopK, metric_by_name,
};
pub use network::{NamedParameter, Network, NetworkBuilder};
pub use optimizer::{
    Adadelta, Adagrad, Adam, Adamax, Decay, Gradients, Group, Lbfgs, Lion, Minimize, Muon, Nadam,
    OPTIMIZER_NAMES, Objective, Optimizer, OptimizerState, Part, Radam, RmsProp, Rprop, Sgd,
    optimizer_by_name,
};
pub use scalar::Scalar;
pub use schedule::{OneCycle, Plateau, PlateauState, Schedule};
pub use softmax::{Elementwise, Softmax};
pub use split::{Split, balanced_weights};
pub use targets::{Dataset, Targets};
pub use trainer::{
    Best, Callback, EarlyStopping, Epoch, Evaluation, Monitor, RateCurve, RateFinder, RunState, Step,
    StoppingState, Total, Trainer, evaluate, evaluate_rows,
};
pub use update::{Rule, Update};
pub use workspace::Workspace;
