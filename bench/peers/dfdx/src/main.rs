//! The workloads in dfdx, as its MNIST example trains: modules whose sizes are types, `cross_entropy_with_logits_loss`,
//! the optimiser `Sgd` (for W7 `mse_loss` and `Adam`), gradients that are used again. Only the sizes below can be asked for. Batches are made into
//! tensors before the clock starts, since dfdx copies what it slices.

use std::error::Error;
use std::ops::Range;

use dfdx::optim::{Adam, Sgd};
use dfdx::prelude::modules;
use dfdx::prelude::*;
use peers_common::{Dense, Model, Objective, Request};

/// Takes its parameters out of the layers that are left.
trait Load {
    fn load(&mut self, layers: &mut dyn Iterator<Item = Dense>);
}

impl<const I: usize, const O: usize> Load for modules::Linear<I, O, f32, Cpu> {
    fn load(&mut self, layers: &mut dyn Iterator<Item = Dense>) {
        let dense = layers.next().expect("a layer");
        self.weight.copy_from(&dense.weights);
        self.bias.copy_from(&dense.biases);
    }
}

impl Load for ReLU {
    fn load(&mut self, _: &mut dyn Iterator<Item = Dense>) {}
}

impl Load for Sigmoid {
    fn load(&mut self, _: &mut dyn Iterator<Item = Dense>) {}
}

impl Load for Tanh {
    fn load(&mut self, _: &mut dyn Iterator<Item = Dense>) {}
}

macro_rules! tuples {
    ($($name:ident),+) => {
        impl<$($name: Load),+> Load for ($($name,)+) {
            #[allow(non_snake_case, reason = "the types' names")]
            fn load(&mut self, layers: &mut dyn Iterator<Item = Dense>) {
                let ($($name,)+) = self;
                $($name.load(layers);)+
            }
        }
    };
}
tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);

/// A function that makes a model for one type of network.
macro_rules! network {
    ($prepare:ident, $module:ty, $inputs:literal, $classes:literal) => {
        network!($prepare, $module, $inputs, $classes, cross_entropy_with_logits_loss, Sgd, SgdConfig {
            momentum: None
        });
    };
    ($prepare:ident, $module:ty, $inputs:literal, $classes:literal, $loss:ident, $optimizer:ident, $config:ident { $($field:ident: $value:expr),* }) => {
        fn $prepare(request: &Request) -> Box<dyn Model> {
            type Built = <$module as BuildOnDevice<Cpu, f32>>::Built;

            struct Network {
                module: Built,
                optimizer: $optimizer<Built, f32, Cpu>,
                gradients: Option<Gradients<f32, Cpu>>,
                batch: usize,
                batches: Vec<(
                    Tensor<(usize, Const<$inputs>), f32, Cpu>,
                    Tensor<(usize, Const<$classes>), f32, Cpu>,
                )>,
                loss: Option<Tensor<Rank0, f32, Cpu>>,
                logits: Option<Tensor<(usize, Const<$classes>), f32, Cpu>>,
            }

            impl Model for Network {
                fn train(&mut self, rows: Range<usize>) {
                    let (inputs, targets) = &self.batches[rows.start / self.batch];
                    let gradients = self.gradients.take().unwrap_or_else(|| self.module.alloc_grads());
                    let logits = self.module.forward_mut(inputs.clone().traced(gradients));
                    let loss = $loss(logits, targets.clone());
                    self.loss = Some(loss.retaped::<NoneTape>());
                    let mut gradients = loss.backward();
                    self.optimizer.update(&mut self.module, &gradients).expect("every gradient");
                    self.module.zero_grads(&mut gradients);
                    self.gradients = Some(gradients);
                }

                fn loss(&mut self) -> f64 {
                    f64::from(self.loss.as_ref().expect("a step").array())
                }

                fn infer(&mut self, rows: Range<usize>) {
                    let (inputs, _) = &self.batches[rows.start / self.batch];
                    self.logits = Some(self.module.forward(inputs.clone()));
                }

                fn mean_logit(&mut self) -> f64 {
                    f64::from(self.logits.clone().expect("a step").mean::<Rank0, _>().array())
                }
            }

            let device = Cpu::default();
            let workload = &request.workload;
            let mut module = device.build_module::<$module, f32>();
            module.load(&mut peers_common::layers(&workload.sizes).into_iter());
            let inputs = peers_common::inputs(workload.rows, $inputs);
            let labels = peers_common::labels(workload.rows, $classes);
            let values = peers_common::values(workload.rows, $classes);
            let batch = |rows: Range<usize>| {
                let mut targets = vec![0.0; rows.len() * $classes];
                match request.workload.objective() {
                    Objective::CrossEntropy => {
                        for (row, &label) in labels[rows.clone()].iter().enumerate() {
                            targets[row * $classes + label as usize] = 1.0;
                        }
                    }
                    Objective::Mse => {
                        targets.copy_from_slice(&values[rows.start * $classes..rows.end * $classes]);
                    }
                }
                let part = inputs[rows.start * $inputs..rows.end * $inputs].to_vec();
                (
                    device.tensor_from_vec(part, (rows.len(), Const::<$inputs>)),
                    device.tensor_from_vec(targets, (rows.len(), Const::<$classes>)),
                )
            };
            let config = $config { lr: request.rate, weight_decay: None, $($field: $value),* };
            let optimizer = $optimizer::new(&module, config);
            Box::new(Network {
                optimizer,
                gradients: None,
                batch: workload.batch,
                batches: workload.batches().map(batch).collect(),
                module,
                loss: None,
                logits: None,
            })
        }
    };
}

network!(sigmoid_784_30_10, (Linear<784, 30>, Sigmoid, Linear<30, 10>), 784, 10);
network!(relu_784_128_10, (Linear<784, 128>, ReLU, Linear<128, 10>), 784, 10);
network!(relu_784_512_512_10, ((Linear<784, 512>, ReLU), (Linear<512, 512>, ReLU), Linear<512, 10>), 784, 10);
network!(
    relu_1024_2048_2048_1024_10,
    ((Linear<1024, 2048>, ReLU), (Linear<2048, 2048>, ReLU), (Linear<2048, 1024>, ReLU), Linear<1024, 10>),
    1024,
    10
);
network!(relu_4_16_16_3, ((Linear<4, 16>, ReLU), (Linear<16, 16>, ReLU), Linear<16, 3>), 4, 3);
network!(
    tanh_4_32_16_4,
    ((Linear<4, 32>, Tanh), (Linear<32, 16>, Tanh), Linear<16, 4>),
    4,
    4,
    mse_loss,
    Adam,
    AdamConfig { betas: [0.9, 0.999], eps: 1e-8 }
);
network!(relu_6_64_8_4, ((Linear<6, 64>, ReLU), (Linear<64, 8>, ReLU), Linear<8, 4>), 6, 4);

fn prepare(request: &Request) -> Result<Box<dyn Model>, String> {
    use peers_common::Activation::{Relu, Sigmoid, Tanh};
    use peers_common::Method;
    use peers_common::Objective::{CrossEntropy, Mse};
    if request.dtype != "f32" {
        return Err("this program knows f32 alone".to_owned());
    }
    // As dfdx's examples do: "substantially improves performance".
    dfdx::flush_denormals_to_zero();
    let workload = &request.workload;
    match (workload.sizes.as_slice(), workload.activation) {
        ([4, 32, 16, 4], Tanh) if (workload.objective(), workload.method()) == (Mse, Method::Adam) => {
            Ok(tanh_4_32_16_4(request))
        }
        _ if (workload.objective(), workload.method()) != (CrossEntropy, Method::Sgd) => {
            Err("this program knows the mean squared error and Adam in W7 alone".to_owned())
        }
        ([784, 30, 10], Sigmoid) => Ok(sigmoid_784_30_10(request)),
        ([784, 128, 10], Relu) => Ok(relu_784_128_10(request)),
        ([784, 512, 512, 10], Relu) => Ok(relu_784_512_512_10(request)),
        ([1024, 2048, 2048, 1024, 10], Relu) => Ok(relu_1024_2048_2048_1024_10(request)),
        ([4, 16, 16, 3], Relu) => Ok(relu_4_16_16_3(request)),
        ([6, 64, 8, 4], Relu) => Ok(relu_6_64_8_4(request)),
        (sizes, activation) => {
            Err(format!("dfdx's sizes are types: {sizes:?} with {activation:?} is none of them"))
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    peers_common::run("dfdx", "0.13.0", "nn", prepare)
}
