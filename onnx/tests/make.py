"""Makes the fixtures of this folder.

    cargo run -p chainrule-onnx --example export_fixtures -- FOLDER
    python3 make.py exported FOLDER     runs each file of FOLDER in onnxruntime, holds chainrule's outputs against what comes
                                        out, and keeps both: fixtures/exported/*.onnx, fixtures/exported.json
    python3 make.py node                writes the ONNX project's node tests of the operators that are read, all inputs but the
                                        first being made constants: fixtures/node.json
    python3 make.py torch               writes what PyTorch exports of small networks, and its outputs: fixtures/torch.json

Needs onnx 1.23, onnxruntime 1.32, torch 2.15 and onnxscript 0.7.
"""
import json
import pathlib
import shutil
import sys

import numpy as np
import onnx
import onnxruntime

HERE = pathlib.Path(__file__).parent / "fixtures"
TOLERANCE = 1e-5


def run(model, inputs):
    """The only output of a model for its only input."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    (input,) = session.get_inputs()
    (output,) = session.run(None, {input.name: inputs})
    return output


def element(model):
    return onnx.helper.tensor_dtype_to_np_dtype(model.graph.input[0].type.tensor_type.elem_type)


def exported(folder):
    target = HERE / "exported"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    outputs, worst = {}, (0.0, "")
    for file in sorted(pathlib.Path(folder).glob("*.onnx")):
        model = onnx.load(file)
        onnx.checker.check_model(model, full_check=True)
        ours = json.loads(file.with_suffix(".json").read_text())
        theirs = run(model, np.array(ours["inputs"], element(model)))
        ours = np.array(ours["outputs"])
        assert ours.shape == theirs.shape, (file.stem, ours.shape, theirs.shape)
        error = np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(theirs)))
        worst = max(worst, (float(error), file.stem))
        print(f"{error:.1e} {file.stem}")
        assert error <= TOLERANCE, file.stem
        outputs[file.stem] = theirs.tolist()
        shutil.copy(file, target)
    lines = (f"{json.dumps(name)}:{json.dumps(rows, separators=(',', ':'))}" for name, rows in outputs.items())
    (HERE / "exported.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(outputs)} files; the largest difference is {worst[0]:.1e}, of {worst[1]}")


def case(name, model, inputs, outputs):
    """A line of a file of cases: rows are samples, whatever their dimensions."""
    rows = lambda array: [[float(str(x)) for x in row] for row in np.asarray(array).reshape(len(array), -1)]
    entry = {"name": name, "model": model.SerializeToString().hex(), "inputs": rows(inputs), "outputs": rows(outputs)}
    return json.dumps(entry, separators=(",", ":"))


def save(name, cases):
    (HERE / name).write_text("[\n" + ",\n".join(cases) + "\n]\n")
    print(f"{len(cases)} cases in {name}")


# Operators that do not ask how a sample's elements are arranged, and those that take rows.
ELEMENTWISE = """Celu Clip Dropout Elu Flatten Gelu HardSigmoid HardSwish Identity LeakyRelu Mish Relu Reshape Selu Sigmoid
    Softplus Softsign Swish Tanh""".split()
ROWS = """BatchNormalization Gemm LayerNormalization LogSoftmax MatMul PRelu RMSNormalization Softmax""".split()


def node():
    from onnx.backend.test.case.node import collect_testcases

    cases = []
    for test in collect_testcases(None):
        name = test.name.removeprefix("test_")
        model = onnx.ModelProto.FromString(test.model.SerializeToString())
        inputs, outputs = test.data_sets[0]
        x = inputs[0] if inputs else None
        if len(model.graph.node) != 1 or not isinstance(x, np.ndarray) or x.dtype not in (np.float32, np.float64):
            continue
        op = model.graph.node[0].op_type
        if not (op in ELEMENTWISE and x.ndim > 1 or op in ROWS and x.ndim == 2) or not all(map(np.size, outputs)):
            continue
        del model.graph.output[1:]
        names = [value.name for value in model.graph.input]
        for constant, name_of in zip(inputs[1:], names[1:]):
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(constant), name_of))
        del model.graph.input[1:]
        cases.append(case(name, model, x, outputs[0]))
    save("node.json", cases)


def torch_cases():
    import io
    import warnings

    import torch
    from torch import nn

    warnings.simplefilter("ignore")
    torch.manual_seed(3)

    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.tensor([0.5, -1.0, 2.0, 0.0]))
            self.register_buffer("scale", torch.tensor([2.0, 0.5, 1.5, 4.0]))
            self.net = nn.Linear(4, 2)

        def forward(self, x):
            return self.net((x - self.mean) / self.scale)

    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(4, 3))
            self.bias = nn.Parameter(torch.randn(3))

        def forward(self, x):
            return torch.relu(x @ self.weight + self.bias) * 2.0 @ self.weight.T

    activations = {
        "relu": nn.ReLU(), "relu6": nn.ReLU6(), "leaky-relu": nn.LeakyReLU(0.2), "elu": nn.ELU(0.7), "selu": nn.SELU(),
        "celu": nn.CELU(1.3), "gelu": nn.GELU(), "gelu-tanh": nn.GELU("tanh"), "silu": nn.SiLU(), "mish": nn.Mish(),
        "softplus": nn.Softplus(), "softsign": nn.Softsign(), "hard-sigmoid": nn.Hardsigmoid(), "hard-tanh": nn.Hardtanh(),
        "hard-swish": nn.Hardswish(), "sigmoid": nn.Sigmoid(), "tanh": nn.Tanh(), "prelu": nn.PReLU(), "prelu-each": nn.PReLU(3),
        "softmax": nn.Softmax(dim=-1), "log-softmax": nn.LogSoftmax(dim=1), "batch-norm": nn.BatchNorm1d(3),
        "layer-norm": nn.LayerNorm(3), "rms-norm": nn.RMSNorm(3), "dropout": nn.Dropout(0.3),
    }
    networks = {name: (nn.Sequential(nn.Linear(4, 3), g), (4,)) for name, g in activations.items()}
    networks["image"] = (nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3, bias=False)), (1, 3, 4))
    block = Residual(nn.LayerNorm(4), nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 4))
    networks["residual"] = (nn.Sequential(block, nn.Tanh(), Residual(nn.Linear(4, 4), nn.SiLU())), (4,))
    networks["scaled"] = (Scaled(), (4,))
    networks["product"] = (Product(), (4,))
    networks["double"] = (nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).double(), (4,))
    cases = []
    for name, (network, sample) in networks.items():
        for parameter in network.modules():
            if isinstance(parameter, (nn.BatchNorm1d, nn.LayerNorm, nn.RMSNorm)):
                nn.init.normal_(parameter.weight)
                if getattr(parameter, "bias", None) is not None:
                    nn.init.normal_(parameter.bias)
                if isinstance(parameter, nn.BatchNorm1d):
                    nn.init.normal_(parameter.running_mean)
                    nn.init.uniform_(parameter.running_var, 0.5, 2)
        network.eval()
        x = torch.randn(5, *sample, dtype=next(network.parameters()).dtype) * 3
        y = network(x).detach().numpy()
        for way, options in {
            "dynamo": {"dynamo": True, "dynamic_shapes": ({0: torch.export.Dim("batch")},)},
            "14": {"dynamo": False, "opset_version": 14, "dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"]},
            "20": {"dynamo": False, "opset_version": 20, "dynamic_axes": {"x": {0: "batch"}}, "input_names": ["x"]},
        }.items():
            try:
                file = io.BytesIO()
                torch.onnx.export(network, (x,), file, verbose=False, **options)
            except Exception as error:
                print(f"{name} by {way}: {str(error).splitlines()[0][:200]}")
                continue
            model = onnx.ModelProto.FromString(file.getvalue())
            model.doc_string = ""
            for node in model.graph.node:
                node.doc_string = ""
                del node.metadata_props[:]
            cases.append(case(f"{name} by {way}", model, x.numpy(), y))
    save("torch.json", cases)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["exported", folder]:
            exported(folder)
        case ["node"]:
            node()
        case ["torch"]:
            torch_cases()
        case _:
            sys.exit(__doc__)
