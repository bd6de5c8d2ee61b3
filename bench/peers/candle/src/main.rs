//! The workloads in candle, as its own examples train: layers over a `VarMap`, `loss::cross_entropy`, the optimiser `SGD`.

use std::error::Error;
use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{Linear, Module, Optimizer, SGD, loss, ops};
use peers_common::{Activation, Model, Request};

struct Network {
    layers: Vec<Linear>,
    activation: Activation,
    optimizer: SGD,
    inputs: Tensor,
    labels: Tensor,
    loss: Option<Tensor>,
    logits: Option<Tensor>,
}

impl Network {
    fn new(request: &Request) -> Result<Self> {
        let workload = &request.workload;
        let dtype = if request.dtype == "f64" { DType::F64 } else { DType::F32 };
        let device = Device::Cpu;
        let mut variables = Vec::new();
        let mut layers = Vec::new();
        for dense in peers_common::layers(&workload.sizes) {
            let weights = Tensor::from_vec(dense.weights, (dense.outputs, dense.inputs), &device)?;
            let biases = Tensor::from_vec(dense.biases, dense.outputs, &device)?;
            let (weights, biases) =
                (Var::from_tensor(&weights.to_dtype(dtype)?)?, Var::from_tensor(&biases.to_dtype(dtype)?)?);
            layers.push(Linear::new(weights.as_tensor().clone(), Some(biases.as_tensor().clone())));
            variables.extend([weights, biases]);
        }
        let (rows, columns) = (workload.rows, workload.inputs());
        let inputs = Tensor::from_vec(peers_common::inputs(rows, columns), (rows, columns), &device)?;
        Ok(Self {
            layers,
            activation: workload.activation,
            optimizer: SGD::new(variables, request.rate)?,
            inputs: inputs.to_dtype(dtype)?,
            labels: Tensor::from_vec(peers_common::labels(rows, workload.classes()), rows, &device)?,
            loss: None,
            logits: None,
        })
    }

    fn forward(&self, rows: &Range<usize>) -> Result<Tensor> {
        let mut x = self.inputs.narrow(0, rows.start, rows.len())?;
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x)?;
            if i + 1 < self.layers.len() {
                x = match self.activation {
                    Activation::Relu => x.relu()?,
                    Activation::Sigmoid => ops::sigmoid(&x)?,
                    Activation::Tanh => x.tanh()?,
                };
            }
        }
        Ok(x)
    }

    fn step(&mut self, rows: &Range<usize>) -> Result<Tensor> {
        let labels = self.labels.narrow(0, rows.start, rows.len())?;
        let loss = loss::cross_entropy(&self.forward(rows)?, &labels)?;
        self.optimizer.backward_step(&loss)?;
        Ok(loss)
    }
}

fn mean(tensor: Option<&Tensor>) -> f64 {
    let mean =
        || tensor.ok_or(candle_core::Error::Msg("no step yet".to_owned()))?.mean_all()?.to_dtype(DType::F64);
    mean().and_then(|mean| mean.to_scalar()).expect("a tensor of numbers")
}

impl Model for Network {
    fn train(&mut self, rows: Range<usize>) {
        self.loss = Some(self.step(&rows).expect("shapes that fit"));
    }

    fn loss(&mut self) -> f64 {
        mean(self.loss.as_ref())
    }

    fn infer(&mut self, rows: Range<usize>) {
        self.logits = Some(self.forward(&rows).expect("shapes that fit"));
    }

    fn mean_logit(&mut self) -> f64 {
        mean(self.logits.as_ref())
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    peers_common::run("candle", "0.11.1", "nn", |request| Network::new(request).map_err(|e| e.to_string()))
}
