//! Graphs that no honest program writes, and the arithmetic that is drawn into dense layers.

use chainrule_core::{Activation, LayerConfig};
use chainrule_naive::Naive;
use ndarray::{Array2, array};
use prost::Message;

use crate::proto::{
    AttributeProto, Dimension, DimensionValue, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, data_type,
};
use crate::{Error, Preprocess, from_onnx};

fn value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |&size: &i64| Dimension { value: (size != 0).then_some(DimensionValue::Value(size)) };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dim).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type: data_type::FLOAT, shape });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

fn tensor(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    let (dims, float_data) = (dims.to_vec(), values.to_vec());
    TensorProto {
        name: name.to_owned(),
        dims,
        data_type: data_type::FLOAT,
        float_data,
        ..TensorProto::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.to_owned(),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i: Some(i), r#type: 2, ..AttributeProto::default() }
}

/// From `x`, N × 2 (N and the features unknown for 0), to `y`, with W = [[1, 2], [3, 4]] as inputs × outputs and a few vectors.
fn model(nodes: Vec<NodeProto>) -> ModelProto {
    let initializer = vec![
        tensor("w", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
        tensor("v", &[2], &[10.0, 20.0]),
        tensor("half", &[], &[0.5]),
        tensor("zero", &[1], &[0.0]),
        tensor("three", &[3], &[1.0; 3]),
    ];
    let (input, output) = (vec![value("x", &[0, 2])], vec![value("y", &[])]);
    ModelProto {
        ir_version: 9,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 20 }],
        graph: Some(GraphProto { node: nodes, initializer, input, output, ..GraphProto::default() }),
        ..ModelProto::default()
    }
}

fn graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

/// The values of a chain: `x`, `v1`, `v2`, …
fn link(i: usize) -> String {
    if i == 0 { "x".to_owned() } else { format!("v{i}") }
}

fn refusal(model: &ModelProto) -> Error {
    from_onnx::<f32>(&model.encode_to_vec()).unwrap_err()
}

#[track_caller]
fn refused(nodes: Vec<NodeProto>, told: &str) {
    let message = refusal(&model(nodes)).to_string();
    assert!(message.contains(told), "{message}");
}

/// What the model makes of (1, −2) and (0.5, 3).
fn outputs(nodes: Vec<NodeProto>) -> (Array2<f64>, Vec<LayerConfig>, Vec<Preprocess>) {
    let model = from_onnx::<f64>(&model(nodes).encode_to_vec()).unwrap();
    let x = array![[1.0, -2.0], [0.5, 3.0]];
    (model.predict(&Naive, &x).unwrap(), model.network.config().unwrap().layers, model.preprocess)
}

#[test]
fn arithmetic_is_drawn_into_dense_layers() {
    // After the product: ((x W + v) v + ½) / v.
    let (y, layers, _) = outputs(vec![
        node("MatMul", &["x", "w"], "a"),
        node("Add", &["v", "a"], "b"),
        node("Mul", &["b", "v"], "c"),
        node("Sub", &["c", "half"], "d"),
        node("Div", &["d", "v"], "y"),
    ]);
    assert_eq!(layers, [LayerConfig::dense(2, Activation::Identity)]);
    // x W is (−5, −6) and (9.5, 13).
    let expected =
        array![[-5.0 + 10.0 - 0.05, -6.0 + 20.0 - 0.025], [9.5 + 10.0 - 0.05, 13.0 + 20.0 - 0.025]];
    assert!((y - expected).iter().all(|d: &f64| d.abs() < 1e-12));

    // Before it: (relu(x) v / ½ + ½) W.
    let (y, layers, _) = outputs(vec![
        node("Relu", &["x"], "a"),
        node("Mul", &["a", "v"], "b"),
        node("Div", &["b", "half"], "c"),
        node("Add", &["half", "c"], "d"),
        node("MatMul", &["d", "w"], "y"),
    ]);
    assert_eq!(
        layers,
        [LayerConfig::Activation { function: Activation::Relu }, LayerConfig::dense(2, Activation::Identity)]
    );
    // relu(x) v / ½ + ½ is (20.5, 0.5) and (10.5, 120.5).
    assert_eq!(y, array![[22.0, 43.0], [372.0, 503.0]]);
}

#[test]
fn arithmetic_at_the_beginning_is_preprocessing() {
    let (y, layers, preprocess) = outputs(vec![
        node("Sub", &["x", "v"], "a"),
        node("Div", &["a", "half"], "b"),
        node("Mul", &["b", "half"], "c"),
        node("Relu", &["c"], "y"),
    ]);
    let affine =
        |mean: &[f64], scale: &[f64]| Preprocess::Affine { mean: mean.to_vec(), scale: scale.to_vec() };
    assert_eq!(preprocess, [affine(&[10.0, 20.0], &[0.5]), affine(&[0.0], &[2.0])]);
    assert_eq!(layers, [LayerConfig::Activation { function: Activation::Relu }]);
    assert_eq!(y, array![[0.0, 0.0], [0.0, 0.0]]);
}

#[test]
fn gemm_has_its_attributes() {
    let float = |name: &str, f: f32| AttributeProto {
        name: name.to_owned(),
        f: Some(f),
        r#type: 1,
        ..AttributeProto::default()
    };
    let mut gemm = node("Gemm", &["x", "w", "v"], "y");
    gemm.attribute = vec![int("transB", 1), float("alpha", 2.0), float("beta", -1.0)];
    // 2 x Wᵀ − v.
    assert_eq!(outputs(vec![gemm.clone()]).0, array![[-16.0, -30.0], [3.0, 7.0]]);
    gemm.attribute = vec![int("transA", 1)];
    refused(vec![gemm.clone()], "node \"y\" (Gemm): transA");
    gemm.attribute = vec![int("broadcast", 1)];
    refused(vec![gemm], "the attribute broadcast is not supported");
}

#[test]
fn what_no_layer_stands_for_is_named() {
    let error = refusal(&model(vec![node("Conv", &["x", "w"], "y")]));
    assert!(
        matches!(&error, Error::Unsupported { node, op, .. } if node == "y" && op == "Conv"),
        "{error:?}"
    );
    assert!(error.to_string().contains("supported are Gemm, MatMul"), "{error}");
    let mut foreign = node("Relu", &["x"], "y");
    (foreign.name, foreign.domain) = ("first".to_owned(), "com.microsoft".to_owned());
    refused(vec![foreign], "node \"first\" (com.microsoft.Relu): operators of other domains");

    refused(vec![node("Div", &["half", "x"], "y")], "not a value and a constant in this order");
    refused(vec![node("Add", &["half", "zero"], "y")], "not a value and a constant");
    refused(vec![node("Relu", &["x"], "a"), node("Add", &["a", "v"], "y")], "no linear operator next to it");
    refused(vec![node("Mul", &["x", "zero"], "y")], "a constant that amounts to inf");
    refused(vec![node("Div", &["x", "zero"], "y")], "a constant that amounts to 0");
    refused(vec![node("MatMul", &["x", "v"], "y")], "shape [2], not that of a matrix");
    refused(vec![node("MatMul", &["x", "x"], "y")], "its second factor \"x\" is computed, not constant");
    refused(
        vec![node("Add", &["x", "three"], "y")],
        "a constant of shape [3], expected one number, or one for each feature of 2",
    );
    refused(vec![node("PRelu", &["x", "three"], "y")], "a constant of shape [3]");
    let mut dropout = node("Dropout", &["x"], "a");
    dropout.output.push("y".to_owned());
    refused(vec![dropout], "its further outputs are not supported");
    refused(vec![node("Relu", &[], "y")], "0 inputs");
    refused(vec![node("Relu", &["x", "x"], "y")], "2 inputs");
}

#[test]
fn additions_that_are_no_residual_blocks_are_refused() {
    let branches = || vec![node("Relu", &["x"], "a"), node("Tanh", &["x"], "b")];
    let mut nodes = branches();
    nodes.push(node("Add", &["a", "b"], "y"));
    refused(nodes, "node \"y\" (Add): neither of its inputs is computed from the other alone");
    refused(vec![node("Add", &["x", "x"], "y")], "the same value");
    refused(vec![node("Identity", &["x"], "a"), node("Add", &["x", "a"], "y")], "the same value");
    // With another width in the block.
    let mut wide = model(vec![node("MatMul", &["x", "t"], "a"), node("Add", &["a", "x"], "y")]);
    graph(&mut wide).initializer.push(tensor("t", &[2, 3], &[1.0; 6]));
    assert!(
        refusal(&wide).to_string().contains("a sum of samples of shapes 2 and 3, expected the same shape")
    );
    // With a sample in another arrangement.
    let mut flat =
        model(vec![node("Flatten", &["x"], "a"), node("Relu", &["a"], "b"), node("Add", &["b", "x"], "y")]);
    graph(&mut flat).input[0] = value("x", &[0, 2, 3]);
    assert!(refusal(&flat).to_string().contains("a sum of samples of shapes 2×3 and 6"));

    let nested = |depth: usize| {
        // v₀ = x and vₙ₊₁ = relu(vₙ), each added to the one before from the inside out.
        let mut nodes: Vec<_> = (0..=depth).map(|i| node("Relu", &[&link(i)], &link(i + 1))).collect();
        let mut last = link(depth + 1);
        for i in (0..=depth).rev() {
            let sum = if i == 0 { "y".to_owned() } else { format!("s{i}") };
            nodes.push(node("Add", &[&link(i), &last], &sum));
            last = sum;
        }
        model(nodes)
    };
    assert!(from_onnx::<f32>(&nested(31).encode_to_vec()).is_ok());
    assert!(refusal(&nested(32).clone()).to_string().contains("residual blocks deeper than 32"));
    assert!(refusal(&nested(20_000)).to_string().contains("residual blocks deeper than 32"));
}

#[test]
fn graphs_that_contradict_themselves_are_refused() {
    refused(
        vec![node("Relu", &["b"], "a"), node("Relu", &["a"], "b"), node("Relu", &["b"], "y")],
        "the input \"b\", expected a value that comes before it",
    );
    refused(
        vec![node("Relu", &["x"], "a"), node("Tanh", &["x"], "a"), node("Relu", &["a"], "y")],
        "value \"a\": a second definition",
    );
    refused(vec![node("Relu", &["x"], "w")], "value \"w\": a second definition");
    refused(vec![node("Relu", &["x"], "a")], "the output \"y\": no node that computes it");
    refused(vec![], "the output \"y\"");
    let change = |change: &dyn Fn(&mut ModelProto)| {
        let mut model = model(vec![node("MatMul", &["x", "w"], "y")]);
        change(&mut model);
        refusal(&model).to_string()
    };
    let told = |message: String, told: &str| assert!(message.contains(told), "{message}");
    told(change(&|m| m.graph = None), "no graph");
    told(change(&|m| m.opset_import.clear()), "none, expected at least 7");
    told(change(&|m| m.opset_import[0].version = 6), "6, expected at least 7");
    told(change(&|m| graph(m).input.clear()), "0 inputs without a value");
    told(change(&|m| graph(m).input.push(value("z", &[0, 2]))), "2 inputs without a value (x, z)");
    told(change(&|m| graph(m).output.push(value("x", &[0, 2]))), "2 outputs (y, x)");
    told(change(&|m| graph(m).input[0] = value("x", &[2])), "1 dimensions, expected 2 to 17");
    told(change(&|m| graph(m).input[0] = value("x", &[1; 18])), "18 dimensions, expected 2 to 17");
    told(change(&|m| graph(m).input[0] = value("x", &[0, -2])), "a dimension of -2");
    told(change(&|m| graph(m).input[0] = value("x", &[0, 3])), "samples of shape 3, expected 2 features");
    told(change(&|m| graph(m).input[0] = value("x", &[0, 2, i64::MAX, i64::MAX])), "expected 2 features");
    told(change(&|m| graph(m).input[0].r#type = None), "no tensor");
    let of_type = |m: &mut ModelProto| {
        graph(m).input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = 10;
    };
    told(change(&of_type), "data type 10, expected 1 (FLOAT) or 11 (DOUBLE)");
    let weight = |m: &mut ModelProto, f: &dyn Fn(&mut TensorProto)| f(&mut graph(m).initializer[0]);
    told(
        change(&|m| weight(m, &|w| w.dims = vec![2, 3])),
        "4 elements and 0 raw bytes, expected 6 elements of 4 bytes each",
    );
    told(change(&|m| weight(m, &|w| w.dims = vec![i64::MAX, i64::MAX])), "a shape that memory can hold");
    told(
        change(&|m| weight(m, &|w| w.dims = vec![1 << 40, 1 << 20])),
        "more numbers in use than the file has bytes",
    );
    told(change(&|m| weight(m, &|w| w.dims = vec![1; 17])), "17 dimensions, expected at most 16");
    told(change(&|m| weight(m, &|w| w.dims = vec![-2, -2])), "sizes of at least 0");
    told(
        change(&|m| weight(m, &|w| (w.dims, w.float_data) = (vec![0, i64::MAX], vec![]))),
        "not that of a matrix",
    );
    told(change(&|m| weight(m, &|w| w.raw_data = vec![0; 16])), "4 elements and 16 raw bytes");
    told(
        change(&|m| weight(m, &|w| (w.float_data, w.raw_data) = (vec![], vec![0; 15]))),
        "0 elements and 15 raw bytes",
    );
    told(change(&|m| weight(m, &|w| w.data_type = 10)), "data type 10");
    told(change(&|m| weight(m, &|w| w.data_location = 1)), "in another file");
    told(
        change(&|m| weight(m, &|w| w.float_data[2] = f32::NAN)),
        "NaN, expected numbers that are finite as f32",
    );
    let too_large = |w: &mut TensorProto| {
        (w.float_data, w.double_data, w.data_type) = (vec![], vec![1e60; 4], data_type::DOUBLE);
    };
    told(change(&|m| weight(m, &too_large)), "expected numbers that are finite as f32");
    told(change(&|m| graph(m).node[0].input[0].clear()), "node \"y\" (MatMul): 2 inputs");
}

#[test]
fn a_constant_that_is_used_over_and_over_does_not_fill_the_memory() {
    let chain = |length: usize, size: i64| {
        let mut nodes: Vec<_> =
            (0..length).map(|i| node("MatMul", &[&link(i), "big"], &link(i + 1))).collect();
        nodes[length - 1].output = vec!["y".to_owned()];
        let mut model = model(nodes);
        let graph = graph(&mut model);
        graph.input[0] = value("x", &[0, size]);
        let count = usize::try_from(size * size).unwrap();
        graph.initializer.push(tensor("big", &[size, size], &vec![0.0; count]));
        from_onnx::<f32>(&model.encode_to_vec())
    };
    assert!(chain(2, 100).is_ok());
    let error = chain(1000, 100).unwrap_err().to_string();
    assert!(error.contains("more numbers in use than the file has bytes"), "{error}");
}

#[test]
fn long_chains_need_no_stack() {
    for op in ["Relu", "Identity"] {
        let mut nodes: Vec<_> = (0..20_000).map(|i| node(op, &[&link(i)], &link(i + 1))).collect();
        nodes.push(node("Tanh", &[&link(20_000)], "y"));
        let layers = from_onnx::<f32>(&model(nodes).encode_to_vec()).unwrap().network.layers().len();
        assert_eq!(layers, if op == "Relu" { 20_001 } else { 1 });
    }
}

#[test]
fn reshapes_keep_a_row_for_each_sample() {
    let reshaped = |batch: i64, shape: &[i64]| {
        let mut model = model(vec![node("Reshape", &["x", "shape"], "a"), node("MatMul", &["a", "w"], "y")]);
        let graph = graph(&mut model);
        graph.input[0] = value("x", &[batch, 1, 2]);
        let int64_data = shape.to_vec();
        let dims = vec![i64::try_from(shape.len()).unwrap()];
        graph.initializer.push(TensorProto {
            name: "shape".to_owned(),
            dims,
            data_type: data_type::INT64,
            int64_data,
            ..TensorProto::default()
        });
        from_onnx::<f32>(&model.encode_to_vec()).map(|model| model.network.input_size())
    };
    for (batch, shape) in [(0, [-1, 2]), (0, [0, -1]), (0, [0, 2]), (5, [5, -1]), (5, [5, 2])] {
        assert_eq!(reshaped(batch, &shape), Ok(2), "{batch} {shape:?}");
    }
    for (batch, shape) in [
        (0, &[5, -1][..]),
        (5, &[2, -1]),
        (5, &[-1, 5]),
        (0, &[-1, -1]),
        (0, &[-1]),
        (0, &[0, 1, 2]),
        (0, &[]),
    ] {
        let message = reshaped(batch, shape).unwrap_err().to_string();
        assert!(message.contains("do not keep a row each"), "{batch} {shape:?}: {message}");
    }
    assert!(reshaped(0, &[1; 17]).unwrap_err().to_string().contains("17 numbers, expected at most 16"));
}
