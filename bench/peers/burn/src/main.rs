//! The workloads in burn, as its book trains: `Linear` layers in a module, `CrossEntropyLoss` or `MseLoss`, the optimisers
//! `Sgd` and `Adam`. The setting names the backend.

use std::error::Error;
use std::ops::Range;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig, MseLoss, Reduction};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use peers_common::{Activation, Method, Model, Objective, Request, Task};

#[derive(Module, Debug)]
struct Layers {
    layers: Vec<Linear>,
}

enum Targets {
    Classes(CrossEntropyLoss, Tensor<1, Int>),
    Values(Tensor<2>),
}

struct Network {
    /// None only while the optimiser has it.
    layers: Option<Layers>,
    activation: Activation,
    optimizer: ModuleOptimizer,
    rate: f64,
    inputs: Tensor<2>,
    targets: Targets,
    loss: Option<Tensor<1>>,
    logits: Option<Tensor<2>>,
}

fn device(setting: &str) -> Result<Device, String> {
    match setting {
        "flex" => Ok(Device::flex()),
        #[allow(deprecated, reason = "it is still the backend that most programs use")]
        "ndarray" => Ok(Device::ndarray()),
        _ => Err(format!("no setting \"{setting}\", expected flex or ndarray")),
    }
}

impl Network {
    fn new(request: &Request) -> Result<Self, String> {
        let workload = &request.workload;
        if request.dtype != "f32" {
            return Err("this program knows f32 alone".to_owned());
        }
        let device = device(&request.setting)?;
        let device = if workload.task == Task::Infer { device } else { device.autodiff() };
        let linear = |dense: peers_common::Dense| {
            let weights = Tensor::<2>::from_data(
                TensorData::new(dense.weights, [dense.outputs, dense.inputs]),
                &device,
            );
            // burn's rows are the inputs. The data are copied, so that they lie as burn lays them.
            let weights = weights.transpose().into_data();
            Linear {
                weight: Param::from_data(weights, &device),
                bias: Some(Param::from_data(TensorData::new(dense.biases, [dense.outputs]), &device)),
            }
        };
        let layers = peers_common::layers(&workload.sizes).into_iter().map(linear).collect();
        let (rows, columns) = (workload.rows, workload.inputs());
        let inputs = TensorData::new(peers_common::inputs(rows, columns), [rows, columns]);
        let outputs = workload.classes();
        let targets = match workload.objective() {
            Objective::CrossEntropy => {
                let labels: Vec<i32> =
                    peers_common::labels(rows, outputs).into_iter().map(u32::cast_signed).collect();
                let labels = Tensor::from_data(TensorData::new(labels, [rows]), &device);
                Targets::Classes(CrossEntropyLossConfig::new().init(&device), labels)
            }
            Objective::Mse => {
                let values = TensorData::new(peers_common::values(rows, outputs), [rows, outputs]);
                Targets::Values(Tensor::from_data(values, &device))
            }
        };
        Ok(Self {
            layers: Some(Layers { layers }),
            activation: workload.activation,
            optimizer: match workload.method() {
                Method::Sgd => SgdConfig::new().init(),
                Method::Adam => AdamConfig::new().with_epsilon(1e-8).init(),
            },
            rate: request.rate,
            inputs: Tensor::from_data(inputs, &device),
            targets,
            loss: None,
            logits: None,
        })
    }

    fn forward(&self, layers: &Layers, rows: Range<usize>) -> Tensor<2> {
        let mut x = self.inputs.clone().slice(rows);
        for (i, layer) in layers.layers.iter().enumerate() {
            x = layer.forward(x);
            if i + 1 < layers.layers.len() {
                x = match self.activation {
                    Activation::Relu => activation::relu(x),
                    Activation::Sigmoid => activation::sigmoid(x),
                    Activation::Tanh => activation::tanh(x),
                };
            }
        }
        x
    }
}

impl Model for Network {
    fn train(&mut self, rows: Range<usize>) {
        let layers = self.layers.take().expect("the network");
        let outputs = self.forward(&layers, rows.clone());
        let loss = match &self.targets {
            Targets::Classes(criterion, labels) => criterion.forward(outputs, labels.clone().slice(rows)),
            Targets::Values(values) => {
                MseLoss::new().forward(outputs, values.clone().slice(rows), Reduction::Mean)
            }
        };
        let gradients = GradientsParams::from_grads(loss.backward(), &layers);
        self.layers = Some(self.optimizer.step(self.rate, layers, gradients));
        self.loss = Some(loss);
    }

    fn loss(&mut self) -> f64 {
        self.loss.clone().expect("a step").into_scalar()
    }

    fn infer(&mut self, rows: Range<usize>) {
        self.logits = Some(self.forward(self.layers.as_ref().expect("the network"), rows));
    }

    fn mean_logit(&mut self) -> f64 {
        self.logits.clone().expect("a step").mean().into_scalar()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    peers_common::run("burn", "0.22.1", "flex", Network::new)
}
