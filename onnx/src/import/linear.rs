//! A linear function of rows, and what can be drawn into it.

use super::graph::{described, unsupported};
use super::tensor::Tensor;
use crate::proto::NodeProto;
use crate::{Error, Result};

/// z = W x + b.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// W as it lies in a network: the weights of one input are neighbours.
    pub(super) weight: Vec<f64>,
    pub(super) bias: Option<Vec<f64>>,
}

impl Linear {
    /// From the second factor of a product with the batch, inputs × outputs or, transposed, outputs × inputs.
    pub(super) fn new(node: &NodeProto, factor: Tensor, transposed: bool) -> Result<Self> {
        let [rows, columns] = match *factor.dims {
            [rows, columns] if rows > 0 && columns > 0 => [rows, columns],
            ref dims => {
                return Err(unsupported(
                    node,
                    format!("its second factor has shape {dims:?}, not that of a matrix"),
                ));
            }
        };
        let values = factor.values;
        let (inputs, outputs, weight) = if transposed {
            let weight =
                (0..rows * columns).map(|place| values[place % rows * columns + place / rows]).collect();
            (columns, rows, weight)
        } else {
            (rows, columns, values)
        };
        Ok(Self { inputs, outputs, weight, bias: None })
    }

    /// A constant that is added to or multiplied with z: one number, or one for each output.
    pub(super) fn columns(&self, node: &NodeProto, tensor: Tensor) -> Result<Vec<f64>> {
        let n = self.outputs;
        let fits = tensor.dims.len() <= 2
            && match *tensor.dims {
                [] | [1] | [1, 1] => true,
                [columns] | [1, columns] => columns == n,
                _ => false,
            };
        if fits {
            return Ok(tensor.values);
        }
        let expected = format!("one number, or one for each of {n} outputs");
        Err(Error::unfit(described(node), format!("a constant of shape {:?}", tensor.dims), expected))
    }

    /// z + c.
    pub(super) fn add(&mut self, c: &[f64]) {
        let bias = self.bias.get_or_insert_with(|| vec![0.0; self.outputs]);
        bias.iter_mut().zip(c.iter().cycle()).for_each(|(b, c)| *b += c);
    }

    /// c z.
    pub(super) fn multiply(&mut self, c: &[f64]) {
        self.each_output(c, |x, c| *x *= c);
    }

    /// z / c.
    pub(super) fn divide(&mut self, c: &[f64]) {
        self.each_output(c, |x, c| *x /= c);
    }

    fn each_output(&mut self, c: &[f64], change: impl Fn(&mut f64, f64)) {
        for row in self.weight.chunks_exact_mut(self.outputs).chain(self.bias.as_deref_mut()) {
            row.iter_mut().zip(c.iter().cycle()).for_each(|(x, &c)| change(x, c));
        }
    }

    /// W (m x + a) + b.
    pub(super) fn after(&mut self, Affine { factor, shift }: &Affine) {
        let mut bias = vec![0.0; self.outputs];
        let constants = factor.iter().cycle().zip(shift.iter().cycle());
        for (row, (&m, &a)) in self.weight.chunks_exact_mut(self.outputs).zip(constants) {
            for (w, b) in row.iter_mut().zip(&mut bias) {
                *b += *w * a;
                *w *= m;
            }
        }
        if shift.iter().any(|a| a.abs() > 0.0) {
            self.add(&bias);
        }
    }
}

/// m x + a, each of one number for all inputs or one for each.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    pub(super) factor: Vec<f64>,
    pub(super) shift: Vec<f64>,
}

impl Affine {
    pub(super) fn nothing() -> Self {
        Self { factor: vec![1.0], shift: vec![0.0] }
    }

    pub(super) fn add(&mut self, c: &[f64]) {
        combine(&mut self.shift, c, |x, c| x + c);
    }

    pub(super) fn multiply(&mut self, c: &[f64]) {
        combine(&mut self.factor, c, |x, c| x * c);
        combine(&mut self.shift, c, |x, c| x * c);
    }

    pub(super) fn divide(&mut self, c: &[f64]) {
        combine(&mut self.factor, c, |x, c| x / c);
        combine(&mut self.shift, c, |x, c| x / c);
    }
}

/// x ← f(x, c), where one number stands for as many as the other has.
fn combine(x: &mut Vec<f64>, c: &[f64], f: impl Fn(f64, f64) -> f64) {
    if x.len() == 1 && c.len() > 1 {
        *x = vec![x[0]; c.len()];
    }
    x.iter_mut().zip(c.iter().cycle()).for_each(|(x, &c)| *x = f(*x, c));
}
