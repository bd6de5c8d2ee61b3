//! A graph that grows node by node.

use std::collections::HashSet;

use chainrule_core::Scalar;

use crate::proto::{
    AttributeProto, Dimension, DimensionValue, GraphProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto, attribute_type, data_type,
};
use crate::{ElementType, Error, Result};

/// Nodes and constants under names that are used once. Values are known by their names.
pub(super) struct Graph {
    pub(super) element: ElementType,
    /// What names of nodes begin with: the position of the layer they belong to.
    pub(super) scope: String,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    used: HashSet<String>,
}

impl Graph {
    pub(super) fn new(element: ElementType, input: &str, output: &str) -> Self {
        let used = HashSet::from([input.to_owned(), output.to_owned()]);
        Self { element, scope: String::new(), nodes: Vec::new(), constants: Vec::new(), used }
    }

    /// The name, or one with a number behind it if it is taken.
    fn unused(&mut self, name: &str) -> String {
        let mut unused = name.to_owned();
        let mut count = 1;
        while !self.used.insert(unused.clone()) {
            count += 1;
            unused = format!("{name}_{count}");
        }
        unused
    }

    /// A node with one output, which has the node's name.
    pub(super) fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        let name = self.unused(&format!("{}/{op}", self.scope));
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.to_owned(),
            attribute: attributes,
            domain: String::new(),
        });
        name
    }

    /// A node without attributes.
    pub(super) fn plain(&mut self, op: &str, inputs: &[&str]) -> String {
        self.node(op, inputs, Vec::new())
    }

    /// A node whose second input is one number.
    pub(super) fn with(&mut self, op: &str, x: &str, number: f64) -> String {
        let number = self.scalar(number);
        self.plain(op, &[x, &number])
    }

    /// One number.
    pub(super) fn scalar(&mut self, number: f64) -> String {
        let mut bytes = Vec::new();
        self.element.write(number, &mut bytes);
        let name = self.unused(&format!("{}/constant", self.scope));
        self.constant(name, &[], self.element.code(), bytes)
    }

    /// A tensor of the element type, its numbers row by row.
    ///
    /// # Errors
    /// [`Error::Unfit`] for a number that is not finite in the element type.
    pub(super) fn tensor(
        &mut self,
        name: &str,
        dims: &[usize],
        values: impl IntoIterator<Item = f64>,
    ) -> Result<String> {
        let mut bytes = Vec::new();
        for x in values {
            if !self.element.round(x).is_finite() {
                let place = format!("{name}, to be exported as {}", self.element);
                return Err(Error::unfit(place, x.to_string(), "finite numbers"));
            }
            self.element.write(x, &mut bytes);
        }
        let name = self.unused(name);
        Ok(self.constant(name, dims, self.element.code(), bytes))
    }

    /// A vector of integers.
    pub(super) fn integers(&mut self, values: &[i64]) -> String {
        let name = self.unused(&format!("{}/axes", self.scope));
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, &[values.len()], data_type::INT64, bytes)
    }

    fn constant(&mut self, name: String, dims: &[usize], data_type: i32, raw_data: Vec<u8>) -> String {
        let dims = dims.iter().map(|&dim| dimension(dim)).collect();
        let tensor = TensorProto { dims, data_type, name: name.clone(), raw_data, ..TensorProto::default() };
        self.constants.push(tensor);
        name
    }

    /// The graph from `input` to `last`, which becomes `output`.
    pub(super) fn finish(
        mut self,
        (input, inputs): (&str, usize),
        last: &str,
        (output, outputs): (&str, usize),
    ) -> GraphProto {
        match self.nodes.last_mut() {
            Some(node) if node.output == [last] => node.output = vec![output.to_owned()],
            _ => {
                let name = self.node("Identity", &[last], Vec::new());
                self.nodes
                    .iter_mut()
                    .filter(|node| node.name == name)
                    .for_each(|node| node.output = vec![output.to_owned()]);
            }
        }
        GraphProto {
            node: self.nodes,
            name: "chainrule".to_owned(),
            initializer: self.constants,
            input: vec![matrix(input, self.element, inputs)],
            output: vec![matrix(output, self.element, outputs)],
        }
    }
}

/// A matrix of N rows.
fn matrix(name: &str, element: ElementType, columns: usize) -> ValueInfoProto {
    let rows = Dimension { value: Some(DimensionValue::Param("N".to_owned())) };
    let columns = Dimension { value: Some(DimensionValue::Value(dimension(columns))) };
    let shape = TensorShapeProto { dim: vec![rows, columns] };
    let tensor_type = TensorTypeProto { elem_type: element.code(), shape: Some(shape) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

/// Sizes of what lies in memory fit.
fn dimension(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn attribute(name: &str, r#type: i32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type, ..AttributeProto::default() }
}

pub(super) fn float(name: &str, x: f64) -> AttributeProto {
    AttributeProto { f: Some(<f32 as Scalar>::of(x)), ..attribute(name, attribute_type::FLOAT) }
}

pub(super) fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { i: Some(i), ..attribute(name, attribute_type::INT) }
}

pub(super) fn string(name: &str, s: &str) -> AttributeProto {
    AttributeProto { s: Some(s.as_bytes().to_vec()), ..attribute(name, attribute_type::STRING) }
}
