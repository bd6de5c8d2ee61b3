//! The workloads in candle, as its own examples train: layers over variables, `loss::cross_entropy` or `loss::mse`, the
//! optimisers `SGD` and `AdamW` (without decay: Adam).

use std::error::Error;
use std::ops::Range;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Linear, Module, Optimizer, ParamsAdamW, SGD, loss, ops};
use peers_common::{Activation, Method, Model, Objective, Request};

enum Either {
    Sgd(SGD),
    Adam(AdamW),
}

struct Network {
    layers: Vec<Linear>,
    activation: Activation,
    objective: Objective,
    optimizer: Either,
    inputs: Tensor,
    targets: Tensor,
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
        let outputs = workload.classes();
        let targets = match workload.objective() {
            Objective::CrossEntropy => Tensor::from_vec(peers_common::labels(rows, outputs), rows, &device)?,
            Objective::Mse => {
                let values = peers_common::values(rows, outputs);
                Tensor::from_vec(values, (rows, outputs), &device)?.to_dtype(dtype)?
            }
        };
        let optimizer = match workload.method() {
            Method::Sgd => Either::Sgd(SGD::new(variables, request.rate)?),
            Method::Adam => {
                let settings = ParamsAdamW { lr: request.rate, weight_decay: 0.0, ..ParamsAdamW::default() };
                Either::Adam(AdamW::new(variables, settings)?)
            }
        };
        Ok(Self {
            layers,
            activation: workload.activation,
            objective: workload.objective(),
            optimizer,
            inputs: inputs.to_dtype(dtype)?,
            targets,
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
        let (outputs, targets) = (self.forward(rows)?, self.targets.narrow(0, rows.start, rows.len())?);
        let loss = match self.objective {
            Objective::CrossEntropy => loss::cross_entropy(&outputs, &targets)?,
            Objective::Mse => loss::mse(&outputs, &targets)?,
        };
        match &mut self.optimizer {
            Either::Sgd(sgd) => sgd.backward_step(&loss)?,
            Either::Adam(adam) => adam.backward_step(&loss)?,
        }
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
