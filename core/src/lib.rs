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
mod builder;
pub mod check;
mod config;
mod dense;
mod dropout;
mod error;
mod gradient_check;
pub mod initializer;
pub mod layer;
mod loss;
mod metric;
mod network;
mod norm;
mod optimizer;
mod prelu;
pub mod random;
mod residual;
mod scalar;
mod schedule;
#[cfg(feature = "serde")]
mod serialize;
mod softmax;
mod split;
mod stack;
mod targets;
mod trainer;
mod update;
mod workspace;

pub use activation::Activation;
pub use aligned::Aligned;
pub use backend::{Accumulate, Backend, Descent, Slope};
pub use builder::NetworkBuilder;
pub use config::{LayerConfig, NetworkConfig};
pub use dense::Dense;
pub use dropout::Dropout;
pub use error::{Error, Result, Shape};
pub use gradient_check::{GradientCheck, gradient_check};
pub use initializer::Initializer;
pub use layer::{Layer, Mode};
pub use loss::{
    BinaryCrossEntropy, BinaryCrossEntropyOnProbabilities, BinaryCrossEntropyWith, CrossEntropy,
    CrossEntropyWith, GaussianNll, Hinge, Huber, KlDivergence, LOSS_NAMES, Link, LogCosh, Loss,
    MeanSquaredError, MultiMargin, OverOutputs, Pinball, PoissonNll, Quadratic, Score, SquaredHinge,
    Weighted, loss_by_name,
};
pub use metric::{
    Accuracy, Average, ConfusionMatrix, F1, LogLoss, METRIC_NAMES, MeanAbsoluteError, Metric, Precision, R2,
    Recall, RocAuc, RootMeanSquaredError, TopK, metric_by_name,
};
pub use network::{NamedParameter, Network};
pub use norm::{BatchNorm, LayerNorm, RmsNorm};
pub use optimizer::{
    Adadelta, Adagrad, Adam, Adamax, Decay, Gradients, Group, Lbfgs, Lion, Minimize, Muon, Nadam,
    OPTIMIZER_NAMES, Objective, Optimizer, OptimizerConfig, OptimizerState, Part, Radam, RmsProp, Rprop, Sgd,
    optimizer_by_name,
};
pub use prelu::Prelu;
pub use residual::Residual;
pub use scalar::Scalar;
pub use schedule::{OneCycle, Plateau, PlateauState, Schedule};
pub use softmax::{Elementwise, LogSoftmax, Softmax};
pub use split::{Split, balanced_weights};
pub use targets::{Dataset, Targets};
pub use trainer::{
    Best, Callback, EarlyStopping, Epoch, EpochData, Evaluation, Monitor, RateCurve, RateFinder, RunState,
    Step, StoppingState, Total, Trainer, TrainerConfig, TrainingMemory, evaluate, evaluate_rows,
};
pub use update::{Rule, Update};
pub use workspace::Workspace;
