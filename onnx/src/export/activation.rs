//! Activations as nodes.
//!
//! In single precision most are one operator. In double precision onnxruntime has kernels for few of them (none for Elu, Erf,
//! HardSigmoid, LeakyRelu, PRelu, Selu, Softplus and Softsign), so that they are put together from those that it has.

use std::f64::consts::SQRT_2;

use chainrule_core::Activation;

use super::graph::{Graph, float, int, string};
use crate::ElementType::{F32, F64};
use crate::proto::data_type;
use crate::{Error, Result};

/// g(x).
pub(super) fn activation(graph: &mut Graph, g: Activation, x: &str) -> Result<String> {
    Ok(match (g, graph.element) {
        (Activation::Identity, _) => x.to_owned(),
        (Activation::Sigmoid, _) => graph.plain("Sigmoid", &[x]),
        (Activation::Tanh, _) => graph.plain("Tanh", &[x]),
        (Activation::Relu, _) => graph.plain("Relu", &[x]),
        (Activation::LeakyRelu(slope), F32) => graph.node("LeakyRelu", &[x], vec![float("alpha", slope)]),
        (Activation::LeakyRelu(slope), F64) => {
            let slope = graph.scalar(slope);
            two_slopes(graph, &slope, x)
        }
        (Activation::Gelu, F32) => graph.plain("Gelu", &[x]),
        (Activation::Gelu, F64) => gelu(graph, x),
        (Activation::GeluTanh, _) => graph.node("Gelu", &[x], vec![string("approximate", "tanh")]),
        (Activation::Silu, _) => {
            let gate = graph.plain("Sigmoid", &[x]);
            graph.plain("Mul", &[x, &gate])
        }
        (Activation::Relu6, _) => clip(graph, 0.0, 6.0, x),
        (Activation::HardTanh, _) => clip(graph, -1.0, 1.0, x),
        (Activation::Elu(alpha), F32) => graph.node("Elu", &[x], vec![float("alpha", alpha)]),
        (Activation::Elu(alpha), F64) => elu(graph, alpha, None, x),
        (Activation::Selu, F32) => {
            let (alpha, gamma) = selu_constants();
            graph.node("Selu", &[x], vec![float("alpha", alpha), float("gamma", gamma)])
        }
        (Activation::Selu, F64) => {
            let (alpha, gamma) = selu_constants();
            let elu = elu(graph, alpha, None, x);
            graph.with("Mul", &elu, gamma)
        }
        (Activation::Celu(alpha), F32) => graph.node("Celu", &[x], vec![float("alpha", alpha)]),
        (Activation::Celu(alpha), F64) => elu(graph, alpha, Some(alpha), x),
        (Activation::Mish, F32) => graph.plain("Mish", &[x]),
        (Activation::Mish, F64) => {
            let softplus = softplus(graph, x);
            let gate = graph.plain("Tanh", &[&softplus]);
            graph.plain("Mul", &[x, &gate])
        }
        (Activation::Softplus, F32) => graph.plain("Softplus", &[x]),
        (Activation::Softplus, F64) => softplus(graph, x),
        (Activation::Softsign, F32) => graph.plain("Softsign", &[x]),
        (Activation::Softsign, F64) => {
            let size = graph.plain("Abs", &[x]);
            let divisor = graph.with("Add", &size, 1.0);
            graph.plain("Div", &[x, &divisor])
        }
        (Activation::HardSigmoid, F32) => {
            graph.node("HardSigmoid", &[x], vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)])
        }
        (Activation::HardSigmoid, F64) => hard_sigmoid(graph, x),
        (Activation::HardSwish, F32) => graph.plain("HardSwish", &[x]),
        (Activation::HardSwish, F64) => {
            let gate = hard_sigmoid(graph, x);
            graph.plain("Mul", &[x, &gate])
        }
        (other, _) => {
            return Err(Error::unfit(
                format!("layer {}", graph.scope),
                other.to_string(),
                "a known activation",
            ));
        }
    })
}

/// α and λ of SELU, from the function: λ is its slope above 0, −λ α its limit below.
pub(crate) fn selu_constants() -> (f64, f64) {
    let gamma = Activation::Selu.apply(1.0);
    (-Activation::Selu.apply(f64::NEG_INFINITY) / gamma, gamma)
}

/// max(x, 0) + slope min(x, 0), the slope being a value.
pub(super) fn two_slopes(graph: &mut Graph, slope: &str, x: &str) -> String {
    let (above, below) = halves(graph, x);
    let below = graph.plain("Mul", &[&below, slope]);
    graph.plain("Add", &[&above, &below])
}

/// max(x, 0) and min(x, 0).
fn halves(graph: &mut Graph, x: &str) -> (String, String) {
    (graph.plain("Relu", &[x]), graph.with("Min", x, 0.0))
}

/// max(x, 0) + α (e^(min(x, 0)/s) − 1), s being 1 where it is not given.
fn elu(graph: &mut Graph, alpha: f64, stretch: Option<f64>, x: &str) -> String {
    let (above, mut below) = halves(graph, x);
    if let Some(stretch) = stretch {
        below = graph.with("Div", &below, stretch);
    }
    let power = graph.plain("Exp", &[&below]);
    let below = graph.with("Sub", &power, 1.0);
    let below = graph.with("Mul", &below, alpha);
    graph.plain("Add", &[&above, &below])
}

/// max(x, 0) + ln(1 + e^(−|x|)).
fn softplus(graph: &mut Graph, x: &str) -> String {
    let size = graph.plain("Abs", &[x]);
    let exponent = graph.plain("Neg", &[&size]);
    let power = graph.plain("Exp", &[&exponent]);
    let sum = graph.with("Add", &power, 1.0);
    let tail = graph.plain("Log", &[&sum]);
    let above = graph.plain("Relu", &[x]);
    graph.plain("Add", &[&above, &tail])
}

/// min(max(x + 3, 0), 6) / 6.
fn hard_sigmoid(graph: &mut Graph, x: &str) -> String {
    let shifted = graph.with("Add", x, 3.0);
    let clipped = clip(graph, 0.0, 6.0, &shifted);
    graph.with("Div", &clipped, 6.0)
}

/// x/2 (1 + erf(x/√2)), the error function in single precision: that is all that onnxruntime has.
fn gelu(graph: &mut Graph, x: &str) -> String {
    let scaled = graph.with("Div", x, SQRT_2);
    let single = graph.node("Cast", &[&scaled], vec![int("to", data_type::FLOAT.into())]);
    let erf = graph.plain("Erf", &[&single]);
    let erf = graph.node("Cast", &[&erf], vec![int("to", data_type::DOUBLE.into())]);
    let gate = graph.with("Add", &erf, 1.0);
    let product = graph.plain("Mul", &[x, &gate]);
    graph.with("Mul", &product, 0.5)
}

fn clip(graph: &mut Graph, low: f64, high: f64, x: &str) -> String {
    let (low, high) = (graph.scalar(low), graph.scalar(high));
    graph.plain("Clip", &[x, &low, &high])
}
