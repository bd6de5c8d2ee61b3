//! The sections `[network]`, `[machine]` and `[output]` of a configuration file.

use std::num::{NonZeroU16, NonZeroUsize};
use std::path::PathBuf;

use chainrule::{Activation, Initializer};
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{Hidden, Layers, Output, named, or, share};
use crate::args::Dtype;

/// The network.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "Network")]
pub(crate) struct NetworkSection {
    /// Units of each hidden layer: `30`, `128,64`, or `none` [default: digits 256, mnist 128, tables chosen by their size]
    #[arg(long, value_name = "UNITS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hidden: Option<Hidden>,

    /// Of the hidden layers: identity, sigmoid, tanh, relu, relu6, leaky-relu[:SLOPE], elu, selu, celu, gelu, gelu-tanh, silu, mish, softplus,
    /// softsign, hard-sigmoid, hard-tanh, hard-swish [default: relu]
    #[arg(long, value_name = "NAME", value_parser = named::<Activation>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) activation: Option<Activation>,

    /// The probability with which a hidden layer's output is dropped in training [default: 0; tables 0.2, 0.5 for classes of few rows]
    #[arg(long, value_name = "P", value_parser = share)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dropout: Option<f64>,

    /// All layers before the last, instead of --hidden: "dense:64:relu dropout:0.2 residual(dense:64:gelu dense:64) batch-norm layer-norm rms-norm
    /// prelu tanh"
    #[arg(long, value_name = "LAYERS", conflicts_with_all = ["hidden", "dropout"])]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layers: Option<Layers>,

    /// The output's function: softmax, log-softmax or an activation [default: what the loss asks for]
    #[arg(long, value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Output>,

    /// Initial weights: zeros, constant[:X], normal[:DEVIATION], uniform[:LIMIT], glorot-normal, glorot-uniform, he-normal,
    /// he-uniform, lecun-normal, lecun-uniform, orthogonal [default: he-normal for relu and its kin, else glorot-uniform]
    #[arg(long, value_name = "NAME", value_parser = named::<Initializer>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) init: Option<Initializer>,

    /// Initial biases, named as for --init [default: zeros]
    #[arg(long, value_name = "NAME", value_parser = named::<Initializer>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bias_init: Option<Initializer>,
}

impl NetworkSection {
    pub(crate) fn over(self, mut under: Self) -> Self {
        // One of the two ways to tell the layers takes the place of the other.
        if self.layers.is_some() {
            (under.hidden, under.dropout) = (None, None);
        } else if self.hidden.is_some() || self.dropout.is_some() {
            under.layers = None;
        }
        or!(self, under; hidden, activation, dropout, layers, output, init, bias_init)
    }
}

/// What computes, in a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(crate) struct MachineSection {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<NonZeroU16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dtype: Option<Dtype>,
}

/// What is left on disk.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputSection {
    /// Write the trained network to FILE (safetensors), for `chainrule predict`
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<PathBuf>,

    /// Keep the run in a folder: runs/NAME, or a path: config.toml, metrics.csv, model.safetensors and checkpoints
    #[arg(long, value_name = "NAME|PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<PathBuf>,

    /// How many checkpoints of a run are kept: the latest [default: 3]
    #[arg(long, value_name = "K")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep: Option<NonZeroUsize>,

    /// Draw the learning curves into FILE (SVG)
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) svg: Option<PathBuf>,
}

impl OutputSection {
    pub(crate) fn over(self, under: Self) -> Self {
        or!(self, under; out, run, keep, svg)
    }
}
