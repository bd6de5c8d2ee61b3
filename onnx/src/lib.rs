//! Networks of chainrule as ONNX files, which onnxruntime and many other programs run.
//!
//! # What becomes of a layer
//!
//! Files have IR version 9 and operator set 20 (ONNX 1.15, 2023). Input and output are matrices of N rows, N being left open. Parameters
//! keep the names that they have in the network: `0.weight`, `2.1.running_mean`.
//!
//! | layer | operators |
//! | --- | --- |
//! | dense | `Gemm` (transB = 1), then those of its activation |
//! | dropout | none |
//! | batch normalisation | `BatchNormalization`, by the running statistics |
//! | layer normalisation | `LayerNormalization` |
//! | RMS normalisation | `Mul`, `ReduceMean`, `Add`, `Sqrt`, `Div`, `Mul` |
//! | PReLU | `PRelu` |
//! | residual block | those of its layers, then `Add` |
//! | softmax, log-softmax | `Softmax`, `LogSoftmax` (axis = −1) |
//!
//! | activation | in `f32` | in `f64` |
//! | --- | --- | --- |
//! | identity | | |
//! | sigmoid, tanh, ReLU | `Sigmoid`, `Tanh`, `Relu` | the same |
//! | SiLU | x `Sigmoid`(x) | the same |
//! | ReLU6, hard tanh | `Clip` | the same |
//! | GELU (tanh form) | `Gelu` (approximate = tanh) | the same |
//! | GELU | `Gelu` | x/2 (1 + `Erf`(x/√2)), the error function in single precision |
//! | ELU, SELU, CELU | `Elu`, `Selu`, `Celu` | `Relu`(x) + α (`Exp`(`Min`(x, 0)/s) − 1) |
//! | leaky ReLU (and the layer PReLU) | `LeakyRelu` | `Relu`(x) + slope `Min`(x, 0) |
//! | softplus | `Softplus` | `Relu`(x) + `Log`(1 + `Exp`(−`Abs`(x))) |
//! | mish | `Mish` | x `Tanh`(softplus x) |
//! | softsign | `Softsign` | x / (1 + `Abs`(x)) |
//! | hard sigmoid, hard swish | `HardSigmoid`, `HardSwish` | `Clip`(x + 3, 0, 6) / 6, and x times it |
//!
//! | preprocessing | operators |
//! | --- | --- |
//! | (x − mean) / scale | `Sub`, `Div` |
//! | W x | `Gemm` (transB = 1) |
//!
//! onnxruntime has no kernels in `f64` for `Elu`, `Erf`, `HardSigmoid`, `LeakyRelu`, `PRelu`, `Selu`, `Softplus` and `Softsign`; hence the third
//! column. Attributes (ε, α, slopes) are single precision in ONNX, whatever the element type: a network in `f64` that has them agrees to about 1e-8 only.
//! The tests hold files of all layers and activations against onnxruntime's outputs, to 1e-5.
#![forbid(unsafe_code)]

mod element;
mod error;
mod export;
mod preprocess;
mod proto;

pub use element::ElementType;
pub use error::{Error, Result};
pub use export::{ExportOptions, to_onnx};
pub use preprocess::Preprocess;
