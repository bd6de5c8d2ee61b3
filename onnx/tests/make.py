"""Makes the fixtures of this folder.

    cargo run -p chainrule-onnx --example export_fixtures -- FOLDER
    python3 make.py exported FOLDER     runs each file of FOLDER in onnxruntime, holds chainrule's outputs against what comes
                                        out, and keeps both: fixtures/exported/*.onnx, fixtures/exported.json

Needs onnx 1.23 and onnxruntime 1.32.
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


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["exported", folder]:
            exported(folder)
        case _:
            sys.exit(__doc__)
