//! Networks of chainrule as ONNX files, which onnxruntime and many other programs run, and feed-forward networks of other programs' files.
//!
//! [`to_onnx`] writes, [`from_onnx`] reads.
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
//!
//! # What can be read
//!
//! A chain from one input, of samples of `FLOAT` or `DOUBLE`, to one output. Constants are initialisers or `Constant` nodes.
//!
//! | operators | become |
//! | --- | --- |
//! | `Gemm` (transA = 0), `MatMul` with a constant matrix | a dense layer |
//! | `Add`, `Sub`, `Mul`, `Div` with constants, next to these | part of the dense layer |
//! | the same at the beginning | [`Preprocess`] |
//! | all activations above, `Swish`, in double precision as well; GELU, SiLU, mish and others as PyTorch spells them in older operator sets | the activation |
//! | `Clip` to 0 and 6, to −1 and 1, to 0 alone | ReLU6, hard tanh, ReLU |
//! | `PRelu`, `Softmax` and `LogSoftmax` over all features, `Dropout` | the layer |
//! | `BatchNormalization`, `LayerNormalization`, `RMSNormalization` over all features, and the latter two from `ReduceMean`, `Sqrt`, `Div` | the layer |
//! | `Add` of a value and what is computed from it alone | a residual block |
//! | `Flatten`, `Reshape` to one row for each sample, `Identity`, `Cast` between `FLOAT` and `DOUBLE` | nothing |
//!
//! Everything else is refused by an error that names the node. Settings without a counterpart are refused as well: `HardSigmoid` with another slope
//! than 1/6, say. A layer's settings for training come back where ONNX has them (the momentum of batch normalisation, the probability of dropout);
//! initial values do not.
#![forbid(unsafe_code)]

mod element;
mod error;
mod export;
mod import;
mod preprocess;
mod proto;

pub use element::ElementType;
pub use error::{Error, Result};
pub use export::{ExportOptions, to_onnx};
pub use import::{ImportedModel, from_onnx};
pub use preprocess::Preprocess;
