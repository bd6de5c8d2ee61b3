//! A graph that can be walked: who makes which value, what is constant, and what is but another name.

use std::cell::Cell;
use std::collections::HashMap;

use crate::proto::{AttributeProto, GraphProto, NodeProto, ValueInfoProto, data_type};
use crate::{Error, Result};

use super::tensor::{Constant, Tensor};

/// What can be read, for messages.
pub(super) const SUPPORTED: &str = "supported are Gemm, MatMul, Add, Sub, Mul, Div, activations, Softmax, LogSoftmax, \
     BatchNormalization, LayerNormalization, RMSNormalization, Dropout, Flatten, Reshape to N rows, Identity, Cast \
     between floating-point types and residual additions";

/// A graph whose nodes come after those they need.
pub(super) struct Graph<'a> {
    nodes: &'a [NodeProto],
    /// The position of the node that makes a value.
    makers: HashMap<&'a str, usize>,
    constants: HashMap<&'a str, Constant<'a>>,
    /// Values that are another one under a new name.
    aliases: HashMap<&'a str, &'a str>,
    pub(super) input: &'a ValueInfoProto,
    pub(super) output: &'a ValueInfoProto,
    pub(super) opset: i64,
    /// How many numbers may yet be read: as many as the file has bytes, so that a constant that is used over and over does not fill the memory.
    left: Cell<usize>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(graph: &'a GraphProto, opset: i64, bytes: usize) -> Result<Self> {
        let mut constants: HashMap<&str, Constant<'_>> = HashMap::new();
        for tensor in &graph.initializer {
            if constants.insert(&tensor.name, Constant::Tensor(tensor)).is_some() {
                return Err(twice(&tensor.name));
            }
        }
        // Before IR version 4 constants are among the inputs.
        let inputs: Vec<_> =
            graph.input.iter().filter(|input| !constants.contains_key(input.name.as_str())).collect();
        let mut indexed = Self {
            nodes: &graph.node,
            makers: HashMap::new(),
            constants,
            aliases: HashMap::new(),
            input: only("inputs without a value", &inputs)?,
            output: only("outputs", &graph.output.iter().collect::<Vec<_>>())?,
            opset,
            left: Cell::new(bytes),
        };
        for (index, node) in graph.node.iter().enumerate() {
            indexed.add(index, node)?;
        }
        Ok(indexed)
    }

    fn is_known(&self, value: &str) -> bool {
        value == self.input.name || self.makers.contains_key(value) || self.constants.contains_key(value)
    }

    fn add(&mut self, index: usize, node: &'a NodeProto) -> Result<()> {
        if let Some(unknown) = node.input.iter().find(|input| !input.is_empty() && !self.is_known(input)) {
            let found = format!("the input \"{unknown}\"");
            return Err(Error::unfit(described(node), found, "a value that comes before it"));
        }
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if self.is_known(output) {
                return Err(twice(output));
            }
            self.makers.insert(output, index);
        }
        let (Some(output), true) = (node.output.first().filter(|output| !output.is_empty()), is_onnx(node))
        else {
            return Ok(());
        };
        let input = node.input.first().map(|input| self.resolve(input));
        match (node.op_type.as_str(), input) {
            ("Constant", _) => {
                if let [attribute] = node.attribute.as_slice()
                    && let Some(constant) = constant_of(attribute)
                {
                    self.constants.insert(output, constant);
                }
            }
            ("Identity", Some(input)) if node.input.len() == 1 => self.alias(output, input),
            ("Cast", Some(input)) if node.input.len() == 1 => {
                let to = node.attribute.iter().find(|attribute| attribute.name == "to").and_then(|to| to.i);
                if to.is_some_and(|to| [data_type::FLOAT, data_type::DOUBLE].map(i64::from).contains(&to)) {
                    self.alias(output, input);
                }
            }
            ("Transpose", Some(input)) => {
                let turns = match node.attribute.as_slice() {
                    [] => true,
                    [attribute] => attribute.name == "perm" && attribute.ints == [1, 0],
                    _ => false,
                };
                if let (true, Some(Constant::Tensor(tensor))) =
                    (turns && node.input.len() == 1, self.constants.get(input))
                    && tensor.dims.len() == 2
                {
                    self.constants.insert(output, Constant::Transposed(tensor));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn alias(&mut self, output: &'a str, input: &'a str) {
        match self.constants.get(input) {
            Some(&constant) => {
                self.constants.insert(output, constant);
            }
            None => {
                self.aliases.insert(output, input);
            }
        }
    }

    /// The first name of a value.
    pub(super) fn resolve<'b>(&self, value: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.aliases.get(value).copied().unwrap_or(value)
    }

    /// The position of the node that makes a value, and the node.
    pub(super) fn maker(&self, value: &str) -> Option<(usize, &'a NodeProto)> {
        self.makers.get(value).map(|&index| (index, &self.nodes[index]))
    }

    pub(super) fn is_constant(&self, value: &str) -> bool {
        self.constants.contains_key(value)
    }

    /// The value if it is a single constant number.
    pub(super) fn number(&self, value: &str) -> Option<f64> {
        self.constants.get(value)?.number(value)
    }

    /// The dimensions of a constant.
    pub(super) fn dims(&self, value: &str) -> Option<Vec<usize>> {
        self.constants.get(value)?.shape(value).ok().map(|(dims, _)| dims)
    }

    /// The constant that a node takes as `what`.
    pub(super) fn tensor(&self, node: &NodeProto, what: &str, value: &str) -> Result<Tensor> {
        let constant = self.constant(node, what, value)?;
        let (_, count) = constant.shape(value)?;
        let left = self.left.get().checked_sub(count);
        self.left.set(left.ok_or_else(|| {
            Error::unfit(
                described(node),
                "more numbers in use than the file has bytes",
                "each constant used once or twice",
            )
        })?);
        constant.tensor(value)
    }

    pub(super) fn integers(&self, node: &NodeProto, what: &str, value: &str) -> Result<Vec<i64>> {
        self.constant(node, what, value)?.integers(value)
    }

    fn constant(&self, node: &NodeProto, what: &str, value: &str) -> Result<Constant<'a>> {
        let computed = || unsupported(node, format!("its {what} \"{value}\" is computed, not constant"));
        self.constants.get(value).copied().ok_or_else(computed)
    }
}

fn constant_of(attribute: &AttributeProto) -> Option<Constant<'_>> {
    Some(match attribute.name.as_str() {
        "value" => Constant::Tensor(attribute.t.as_deref()?),
        "value_float" => Constant::Float(attribute.f?),
        "value_floats" => Constant::Floats(&attribute.floats),
        "value_int" => Constant::Integer(attribute.i?),
        "value_ints" => Constant::Integers(&attribute.ints),
        _ => return None,
    })
}

fn only<'a>(what: &str, values: &[&'a ValueInfoProto]) -> Result<&'a ValueInfoProto> {
    if let [value] = values {
        return Ok(value);
    }
    let names: Vec<_> = values.iter().take(8).map(|value| value.name.as_str()).collect();
    let found = format!("{} {what} ({})", values.len(), names.join(", "));
    Err(Error::unfit("the graph", found, "one"))
}

fn twice(value: &str) -> Error {
    Error::unfit(format!("value \"{value}\""), "a second definition", "one")
}

pub(super) fn is_onnx(node: &NodeProto) -> bool {
    node.domain.is_empty() || node.domain == "ai.onnx"
}

/// The node's name, or that of its output.
pub(super) fn name(node: &NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}

/// A node in messages.
pub(super) fn described(node: &NodeProto) -> String {
    format!("node \"{}\" ({})", name(node), node.op_type)
}

pub(super) fn unsupported(node: &NodeProto, why: impl Into<String>) -> Error {
    let op = if is_onnx(node) { node.op_type.clone() } else { format!("{}.{}", node.domain, node.op_type) };
    Error::Unsupported { node: name(node).to_owned(), op, why: why.into(), supported: SUPPORTED }
}

/// The attributes of a node. Those that are not asked for are refused.
pub(super) struct Attributes<'a> {
    node: &'a NodeProto,
}

impl<'a> Attributes<'a> {
    /// Those of a node that has none but these.
    pub(super) fn of(node: &'a NodeProto, known: &[&str]) -> Result<Self> {
        match node.attribute.iter().find(|attribute| !known.contains(&attribute.name.as_str())) {
            Some(other) => Err(unsupported(node, format!("the attribute {} is not supported", other.name))),
            None => Ok(Self { node }),
        }
    }

    fn get(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, usual: i64) -> Result<i64> {
        match self.get(name) {
            None => Ok(usual),
            Some(attribute) => attribute.i.ok_or_else(|| self.wrong(name, "an integer")),
        }
    }

    /// A number, as it was written before it was rounded to single precision: 0.1 for the `f32` next to it.
    pub(super) fn float(&self, name: &str, usual: f64) -> Result<f64> {
        match self.get(name) {
            None => Ok(usual),
            Some(attribute) => {
                let x = attribute.f.filter(|x| x.is_finite());
                x.and_then(|x| x.to_string().parse().ok()).ok_or_else(|| self.wrong(name, "a finite number"))
            }
        }
    }

    pub(super) fn string(&self, name: &str, usual: &'static str) -> Result<&'a str> {
        match self.get(name) {
            None => Ok(usual),
            Some(attribute) => {
                let text = attribute.s.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
                text.ok_or_else(|| self.wrong(name, "text"))
            }
        }
    }

    fn wrong(&self, name: &str, expected: &str) -> Error {
        Error::unfit(described(self.node), format!("another kind of attribute {name}"), expected)
    }
}
