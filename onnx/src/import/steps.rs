//! From the output back to the input: what each node amounts to.

use chainrule_core::Activation;

use super::graph::{Attributes, Graph, described, is_onnx, unsupported};
use super::linear::Linear;
use super::patterns::recognise;
use super::tensor::Tensor;
use crate::export::selu_constants;
use crate::proto::NodeProto;
use crate::{Error, Result};

/// How deep residual blocks may lie in one another.
const DEEPEST: usize = 32;

/// A node and what it amounts to.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) node: &'a NodeProto,
    pub(super) what: What<'a>,
}

#[derive(Debug)]
pub(super) enum What<'a> {
    Linear(Linear),
    Add(Tensor),
    Multiply(Tensor),
    Divide(Tensor),
    Activation(Activation),
    /// The constant that holds the slopes.
    Prelu(&'a str),
    Softmax {
        logarithm: bool,
        axis: i64,
    },
    Dropout(f64),
    BatchNorm(BatchNorm),
    LayerNorm {
        epsilon: f64,
        axis: i64,
        scale: Option<Tensor>,
        bias: Option<Tensor>,
    },
    RmsNorm {
        epsilon: f64,
        axis: i64,
        scale: Option<Tensor>,
    },
    Flatten {
        axis: i64,
    },
    Reshape(Vec<i64>),
    /// The steps that there is a way around.
    Residual(Vec<Step<'a>>),
}

#[derive(Debug)]
pub(super) struct BatchNorm {
    pub(super) epsilon: f64,
    pub(super) momentum: f64,
    pub(super) scale: Tensor,
    pub(super) bias: Tensor,
    pub(super) mean: Tensor,
    pub(super) variance: Tensor,
}

/// The steps from the graph's input to its output.
pub(super) fn steps<'a>(graph: &Graph<'a>) -> Result<Vec<Step<'a>>> {
    let (input, output) = (graph.resolve(&graph.input.name), graph.resolve(&graph.output.name));
    if graph.is_constant(output) || (graph.maker(output).is_none() && output != input) {
        return Err(Error::unfit(format!("the output \"{output}\""), "no node that computes it", "one"));
    }
    chain(graph, output, input, None)
}

/// The steps that lead from `start` to `value`. In a residual block there is the node that ends it, and how deep it lies.
fn chain<'a>(
    graph: &Graph<'a>,
    value: &'a str,
    start: &str,
    block: Option<(&NodeProto, usize)>,
) -> Result<Vec<Step<'a>>> {
    let earliest = graph.maker(start).map(|(index, _)| index);
    let mut value = value;
    let mut steps = Vec::new();
    while value != start {
        let passed = |(index, _)| earliest.is_none_or(|earliest| index > earliest);
        let Some((_, node)) = graph.maker(value).filter(|&maker| passed(maker)) else {
            return Err(match block {
                Some((node, _)) => unsupported(
                    node,
                    "neither of its inputs is computed from the other alone, so that it ends no residual block",
                ),
                None => Error::unfit(format!("value \"{value}\""), "no way to it from the input", "one"),
            });
        };
        if node.output.first().map(String::as_str) != Some(value) {
            return Err(unsupported(node, "its further outputs are not supported"));
        }
        let depth = block.map_or(0, |(_, depth)| depth);
        let (what, before) = match recognise(graph, value) {
            Some(recognised) => recognised,
            None => Node { graph, node }.read(depth)?,
        };
        steps.push(Step { node, what });
        value = before;
    }
    steps.reverse();
    Ok(steps)
}

/// A node to be read.
struct Node<'g, 'a> {
    graph: &'g Graph<'a>,
    node: &'a NodeProto,
}

impl<'a> Node<'_, 'a> {
    /// What the node amounts to, and the value that it takes.
    fn read(&self, depth: usize) -> Result<(What<'a>, &'a str)> {
        if !is_onnx(self.node) {
            return Err(unsupported(self.node, "operators of other domains are not supported"));
        }
        let op = self.node.op_type.as_str();
        if matches!(op, "Add" | "Sub" | "Mul" | "Div") {
            return self.arithmetic(op, depth);
        }
        let what = self.operator(op)?;
        let x = self.input(0).ok_or_else(|| self.wrong_inputs())?;
        if self.graph.is_constant(x) {
            return Err(unsupported(self.node, "its first input is constant"));
        }
        Ok((what, x))
    }

    fn operator(&self, op: &str) -> Result<What<'a>> {
        let simple = |g: Activation| self.attributes(&[], 1..=1).map(|_| What::Activation(g));
        match op {
            "Sigmoid" => simple(Activation::Sigmoid),
            "Tanh" => simple(Activation::Tanh),
            "Relu" => simple(Activation::Relu),
            "Mish" => simple(Activation::Mish),
            "HardSwish" => simple(Activation::HardSwish),
            "Softplus" => simple(Activation::Softplus),
            "Softsign" => simple(Activation::Softsign),
            "LeakyRelu" | "Elu" | "Selu" | "Celu" | "Gelu" | "Swish" | "HardSigmoid" | "Clip" => {
                self.activation(op).map(What::Activation)
            }
            "PRelu" => {
                self.attributes(&[], 2..=2)?;
                Ok(What::Prelu(self.input(1).ok_or_else(|| self.wrong_inputs())?))
            }
            "Gemm" => self.gemm().map(What::Linear),
            "MatMul" => {
                self.attributes(&[], 2..=2)?;
                let weight = self.tensor(1, "second factor")?;
                Linear::new(self.node, weight, false).map(What::Linear)
            }
            "Softmax" | "LogSoftmax" => {
                let usual = if self.graph.opset < 13 { 1 } else { -1 };
                let axis = self.attributes(&["axis"], 1..=1)?.int("axis", usual)?;
                Ok(What::Softmax { logarithm: op == "LogSoftmax", axis })
            }
            "Dropout" => self.dropout(),
            "BatchNormalization" => self.batch_norm(),
            "LayerNormalization" => {
                let attributes = self.attributes(&["axis", "epsilon", "stash_type"], 2..=3)?;
                Ok(What::LayerNorm {
                    epsilon: attributes.float("epsilon", 1e-5)?,
                    axis: attributes.int("axis", -1)?,
                    scale: Some(self.tensor(1, "scale")?),
                    bias: self.optional_tensor(2, "bias")?,
                })
            }
            "RMSNormalization" => {
                let attributes = self.attributes(&["axis", "epsilon", "stash_type"], 2..=2)?;
                let (epsilon, axis) = (attributes.float("epsilon", 1e-5)?, attributes.int("axis", -1)?);
                Ok(What::RmsNorm { epsilon, axis, scale: Some(self.tensor(1, "scale")?) })
            }
            "Flatten" => Ok(What::Flatten { axis: self.attributes(&["axis"], 1..=1)?.int("axis", 1)? }),
            "Reshape" => {
                self.attributes(&["allowzero"], 2..=2)?;
                let shape = self.input(1).ok_or_else(|| self.wrong_inputs())?;
                Ok(What::Reshape(self.graph.integers(self.node, "shape", shape)?))
            }
            _ => Err(unsupported(self.node, "the operator is not supported here")),
        }
    }

    /// The input at a position; none if it is left out.
    fn input(&self, position: usize) -> Option<&'a str> {
        let input = self.node.input.get(position).filter(|input| !input.is_empty())?;
        Some(self.graph.resolve(input))
    }

    fn wrong_inputs(&self) -> Error {
        Error::unfit(
            described(self.node),
            format!("{} inputs", self.node.input.len()),
            "as many as the operator has",
        )
    }

    /// The node's attributes, which may be these, of a node with so many inputs.
    fn attributes(&self, known: &[&str], inputs: std::ops::RangeInclusive<usize>) -> Result<Attributes<'a>> {
        if !inputs.contains(&self.node.input.len()) {
            return Err(self.wrong_inputs());
        }
        Attributes::of(self.node, known)
    }

    fn tensor(&self, position: usize, what: &str) -> Result<Tensor> {
        let value = self.input(position).ok_or_else(|| self.wrong_inputs())?;
        self.graph.tensor(self.node, what, value)
    }

    fn optional_tensor(&self, position: usize, what: &str) -> Result<Option<Tensor>> {
        self.input(position).map(|value| self.graph.tensor(self.node, what, value)).transpose()
    }

    /// The number in an input that may be left out.
    fn number(&self, position: usize, what: &str) -> Result<Option<f64>> {
        let number = |value| {
            let missing = || unsupported(self.node, format!("its {what} is not one constant number"));
            self.graph.number(value).ok_or_else(missing)
        };
        self.input(position).map(number).transpose()
    }

    fn activation(&self, op: &str) -> Result<Activation> {
        match op {
            "LeakyRelu" => {
                Ok(Activation::LeakyRelu(self.attributes(&["alpha"], 1..=1)?.float("alpha", 0.01)?))
            }
            "Elu" => Ok(Activation::Elu(self.attributes(&["alpha"], 1..=1)?.float("alpha", 1.0)?)),
            "Celu" => Ok(Activation::Celu(self.attributes(&["alpha"], 1..=1)?.float("alpha", 1.0)?)),
            "Selu" => {
                let (alpha, gamma) = selu_constants();
                let attributes = self.attributes(&["alpha", "gamma"], 1..=1)?;
                let found = [attributes.float("alpha", alpha)?, attributes.float("gamma", gamma)?];
                self.expect(&["alpha", "gamma"], &found, &[alpha, gamma])?;
                Ok(Activation::Selu)
            }
            "Swish" => {
                let alpha = self.attributes(&["alpha"], 1..=1)?.float("alpha", 1.0)?;
                self.expect(&["alpha"], &[alpha], &[1.0])?;
                Ok(Activation::Silu)
            }
            "HardSigmoid" => {
                let attributes = self.attributes(&["alpha", "beta"], 1..=1)?;
                let found = [attributes.float("alpha", 0.2)?, attributes.float("beta", 0.5)?];
                self.expect(&["alpha", "beta"], &found, &[1.0 / 6.0, 0.5])?;
                Ok(Activation::HardSigmoid)
            }
            "Gelu" => match self.attributes(&["approximate"], 1..=1)?.string("approximate", "none")? {
                "none" => Ok(Activation::Gelu),
                "tanh" => Ok(Activation::GeluTanh),
                other => Err(unsupported(
                    self.node,
                    format!("approximate is \"{other}\", not \"none\" or \"tanh\""),
                )),
            },
            _ => self.clip(),
        }
    }

    /// Refuses attributes with other values than those of the function that there is.
    fn expect(&self, names: &[&str], found: &[f64], expected: &[f64]) -> Result<()> {
        for ((name, found), expected) in names.iter().zip(found).zip(expected) {
            if (found - expected).abs() > 1e-6 * expected.abs() {
                return Err(unsupported(self.node, format!("{name} is {found}, not {expected}")));
            }
        }
        Ok(())
    }

    /// The clippings that are activations. Bounds of the largest number are none.
    fn clip(&self) -> Result<Activation> {
        let attributes = self.attributes(&["min", "max"], 1..=3)?;
        let bound = |position, name, unbounded| -> Result<f64> {
            let given = match self.number(position, name)? {
                Some(number) => number,
                None => attributes.float(name, unbounded)?,
            };
            Ok(if given.abs() >= f64::from(f32::MAX) { unbounded } else { given })
        };
        let bounds = (bound(1, "min", f64::NEG_INFINITY)?, bound(2, "max", f64::INFINITY)?);
        match bounds {
            (0.0, 6.0) => Ok(Activation::Relu6),
            (-1.0, 1.0) => Ok(Activation::HardTanh),
            (0.0, f64::INFINITY) => Ok(Activation::Relu),
            (f64::NEG_INFINITY, f64::INFINITY) => Ok(Activation::Identity),
            (min, max) => Err(unsupported(
                self.node,
                format!("the bounds {min} and {max}, other than 0 and 6, −1 and 1, or 0 alone"),
            )),
        }
    }

    /// α A B + β C with the batch as A.
    fn gemm(&self) -> Result<Linear> {
        // Before opset 7, `broadcast` said what is the rule since.
        let attributes = self.attributes(&["alpha", "beta", "transA", "transB"], 2..=3)?;
        if attributes.int("transA", 0)? != 0 {
            return Err(unsupported(self.node, "transA, which takes samples as columns, is not supported"));
        }
        let transposed = attributes.int("transB", 0)? != 0;
        let mut linear = Linear::new(self.node, self.tensor(1, "second factor")?, transposed)?;
        linear.multiply(&[attributes.float("alpha", 1.0)?]);
        if let Some(bias) = self.optional_tensor(2, "bias")? {
            let beta = attributes.float("beta", 1.0)?;
            let bias: Vec<f64> = linear.columns(self.node, bias)?.into_iter().map(|b| b * beta).collect();
            linear.add(&bias);
        }
        Ok(linear)
    }

    fn dropout(&self) -> Result<What<'a>> {
        let attributes = self.attributes(&["ratio", "seed"], 1..=3)?;
        let ratio = match self.number(1, "ratio")? {
            Some(ratio) => ratio,
            None => attributes.float("ratio", 0.5)?,
        };
        if let Some(mode) = self.input(2) {
            // A constant of booleans, which is not read; only training needs it.
            return Err(unsupported(
                self.node,
                format!("its training_mode is given by \"{mode}\"; files for inference leave it out"),
            ));
        }
        Ok(What::Dropout(ratio))
    }

    fn batch_norm(&self) -> Result<What<'a>> {
        let attributes = self.attributes(&["epsilon", "momentum", "training_mode", "spatial"], 5..=5)?;
        if attributes.int("training_mode", 0)? != 0 || attributes.int("spatial", 1)? != 1 {
            return Err(unsupported(
                self.node,
                "training_mode other than 0 and spatial other than 1 are not supported",
            ));
        }
        Ok(What::BatchNorm(BatchNorm {
            epsilon: attributes.float("epsilon", 1e-5)?,
            // ONNX's momentum is the part of the running statistics that stays.
            momentum: 1.0 - attributes.float("momentum", 0.9)?,
            scale: self.tensor(1, "scale")?,
            bias: self.tensor(2, "bias")?,
            mean: self.tensor(3, "mean")?,
            variance: self.tensor(4, "variance")?,
        }))
    }

    /// Arithmetic with a constant, or the addition that ends a residual block.
    fn arithmetic(&self, op: &str, depth: usize) -> Result<(What<'a>, &'a str)> {
        self.attributes(&[], 2..=2)?;
        let (Some(a), Some(b)) = (self.input(0), self.input(1)) else { return Err(self.wrong_inputs()) };
        let constant = |position| self.tensor(position, "operand");
        match (op, self.graph.is_constant(a), self.graph.is_constant(b)) {
            ("Add", false, true) => Ok((What::Add(constant(1)?), a)),
            ("Add", true, false) => Ok((What::Add(constant(0)?), b)),
            ("Sub", false, true) => {
                let mut subtracted = constant(1)?;
                subtracted.values.iter_mut().for_each(|x| *x = -*x);
                Ok((What::Add(subtracted), a))
            }
            ("Mul", false, true) => Ok((What::Multiply(constant(1)?), a)),
            ("Mul", true, false) => Ok((What::Multiply(constant(0)?), b)),
            ("Div", false, true) => Ok((What::Divide(constant(1)?), a)),
            ("Add", false, false) => self.residual(a, b, depth),
            _ => Err(unsupported(self.node, "its inputs are not a value and a constant in this order")),
        }
    }

    /// One of the two inputs is computed from the other.
    fn residual(&self, a: &'a str, b: &'a str, depth: usize) -> Result<(What<'a>, &'a str)> {
        let order = |value| self.graph.maker(value).map(|(index, _)| index);
        let (around, through) = if order(a) < order(b) { (a, b) } else { (b, a) };
        if around == through {
            return Err(unsupported(self.node, "its inputs are the same value"));
        }
        if depth == DEEPEST {
            return Err(unsupported(
                self.node,
                format!("residual blocks deeper than {DEEPEST} are not supported"),
            ));
        }
        let steps = chain(self.graph, through, around, Some((self.node, depth + 1)))?;
        Ok((What::Residual(steps), around))
    }
}
