//! One network for every layer and activation, with the names that their files have in `fixtures/exported`.

use chainrule_core::{
    Activation, Backend, BatchNorm, Dense, LayerNorm, Network, NetworkBuilder, Prelu, RmsNorm, Scalar,
};
use chainrule_onnx::{ElementType, ExportOptions, Preprocess};
use ndarray::{Array2, array};

/// A network and how it is exported.
pub(crate) struct Case<T> {
    /// The file's name without `.onnx`.
    pub(crate) name: String,
    pub(crate) network: Network<T>,
    /// What the options say of the inputs, too.
    pub(crate) preprocess: Vec<Preprocess>,
    pub(crate) options: ExportOptions,
}

/// Rows of three features, from −12 to 12.
pub(crate) fn inputs<T: Scalar>() -> Array2<T> {
    Array2::from_shape_fn((9, 3), |(row, column)| {
        let step = (row * 3 + column) * 31 % 97;
        T::of(step as f64 / 4.0 - 12.0)
    })
}

/// All cases of an element type.
pub(crate) fn cases<T: Scalar>() -> Vec<Case<T>> {
    let mut cases: Vec<Case<T>> = Vec::new();
    let mut add =
        |name: &str, build: &dyn Fn(NetworkBuilder<T>) -> NetworkBuilder<T>, steps: &[Preprocess]| {
            let inputs = if name == "preprocess" { 2 } else { 3 };
            let mut network = build(Network::builder(inputs)).build(7).unwrap();
            shake(&mut network);
            let mut options = ExportOptions::default().producer("chainrule", "test");
            for step in steps {
                options = options.preprocess(step.clone());
            }
            if name == "names" {
                options = options.input("0.weight").output("y").metadata("classes", r#"["a","b"]"#);
            }
            let name = format!("{name}-{}", T::NAME);
            cases.push(Case { name, network, preprocess: steps.to_vec(), options });
        };
    for g in Activation::ALL.into_iter().chain([
        Activation::LeakyRelu(0.3),
        Activation::Elu(0.5),
        Activation::Celu(2.5),
    ]) {
        add(&g.to_string().replace(':', "-"), &|b| b.dense(4, g).activation(g), &[]);
    }
    let dense = |b: NetworkBuilder<T>| b.dense(4, Activation::Tanh);
    add(
        "dense",
        &|b| dense(b).dense_with(3, Activation::Relu, Dense::without_bias).dense(2, Activation::Identity),
        &[],
    );
    add("dropout", &|b| dense(b.dropout(0.2)).dropout(0.5), &[]);
    add("nothing", &|b| b.dropout(0.5), &[]);
    add("batch-norm", &|b| dense(b.batch_norm()).layer(BatchNorm::new(4).epsilon(1e-3).momentum(0.2)), &[]);
    add("batch-norm-plain", &|b| dense(b).layer(BatchNorm::new(4).without_affine()), &[]);
    add("layer-norm", &|b| dense(b.layer_norm()).layer(LayerNorm::new(4).epsilon(1e-3).without_bias()), &[]);
    add("layer-norm-plain", &|b| dense(b).layer(LayerNorm::new(4).without_affine()), &[]);
    add("rms-norm", &|b| dense(b.rms_norm()).layer(RmsNorm::new(4).epsilon(1e-3).without_affine()), &[]);
    add("prelu", &|b| b.prelu().dense(4, Activation::Identity).layer(Prelu::new(4).per_input()), &[]);
    let block = |b: NetworkBuilder<T>| b.dense(5, Activation::Silu).dense(4, Activation::Identity);
    add("residual", &|b| dense(b).residual(|b| block(b.layer_norm()).residual(block)).residual(block), &[]);
    add("softmax", &|b| b.dense(4, Activation::Identity).softmax(), &[]);
    add("log-softmax", &|b| b.dense(4, Activation::Identity).log_softmax(), &[]);
    add("names", &|b| dense(b), &[]);
    let affine =
        |mean: &[f64], scale: &[f64]| Preprocess::Affine { mean: mean.to_vec(), scale: scale.to_vec() };
    add(
        "preprocess",
        &|b| b.dense(3, Activation::Sigmoid),
        &[
            Preprocess::divide(4.0),
            affine(&[1.0, -2.5, 0.1], &[0.5, 3.0, 0.7]),
            Preprocess::Matrix(array![[0.5, -0.25, 1.0], [0.1, 0.2, -0.3]]),
            affine(&[0.0], &[2.0, 0.3]),
        ],
    );
    cases
}

/// All files, with the type of the networks and the name.
pub(crate) fn single() -> Vec<Case<f64>> {
    let mut cases = cases::<f64>();
    cases.retain(|case| ["gelu-f64", "prelu-f64", "rms-norm-f64"].contains(&case.name.as_str()));
    for case in &mut cases {
        case.name += "-as-f32";
        case.options = case.options.clone().element(ElementType::F32);
    }
    cases
}

/// Gives what begins as 0 or 1 values that tell one place from another.
fn shake<T: Scalar>(network: &mut Network<T>) {
    let place = |i: usize| T::of(0.25 + (i * 5 % 11) as f64 / 8.0);
    for named in network.named_parameters() {
        if named.parameter.columns.is_none() {
            let values = &mut network.parameters_mut()[named.range];
            values.iter_mut().enumerate().for_each(|(i, x)| *x = place(i));
        }
    }
    network.buffers_mut().iter_mut().enumerate().for_each(|(i, x)| *x = place(i));
}

/// What chainrule computes of [`inputs`].
pub(crate) fn outputs<T: Scalar>(
    backend: &dyn Backend<T>,
    case: &Case<T>,
) -> chainrule_onnx::Result<Array2<T>> {
    let mut x = inputs();
    for step in &case.preprocess {
        x = step.apply(&x)?;
    }
    Ok(case.network.predict(backend, &x)?)
}
