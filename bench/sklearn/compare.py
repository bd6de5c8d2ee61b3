"""Holds `chainrule train TABLE` against scikit-learn's MLPs with their defaults, on the same folds.

    python3 -m venv venv && venv/bin/pip install scikit-learn
    cargo build --release -p chainrule-cli
    venv/bin/python bench/sklearn/compare.py target/release/chainrule

Five data sets that scikit-learn brings, five folds, shuffled by the seeds 10 to 12 (what the command chooses was settled with the seeds 0 to
9): 15 fits a cell. `chainrule` is told the two tables of a fold and nothing else. The MLPs get the features as they are, which is their default, and
standardised. Numbers are accuracies on the held-out fold, R² for diabetes: means over the folds, and the standard deviation of the
seeds' means.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import warnings

import numpy as np
import sklearn
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DATASETS = ["iris", "wine", "breast_cancer", "digits", "diabetes"]


def write(path, x, y, classes):
    names = [f"x{i}" for i in range(x.shape[1])] + ["target"]
    lines = [",".join(names)]
    for row, target in zip(x, y):
        answer = f"class {int(target)}" if classes else repr(float(target))
        lines.append(",".join([repr(float(value)) for value in row] + [answer]))
    path.write_text("\n".join(lines) + "\n")


def ours(command, folder, train, test, classes, seed):
    write(folder / "train.csv", *train, classes)
    write(folder / "test.csv", *test, classes)
    args = [command, "train", folder / "train.csv", folder / "test.csv", "--json", "--seed", str(seed)]
    text = subprocess.run(args, check=True, capture_output=True, text=True).stdout
    summary = json.loads(text.splitlines()[-1])["summary"]
    return summary["test_accuracy" if classes else "test_r2"]


def theirs(train, test, classes, seed, scaled):
    model = (MLPClassifier if classes else MLPRegressor)(random_state=seed)
    if scaled:
        model = make_pipeline(StandardScaler(), model)
    return model.fit(*train).score(*test)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", help="the chainrule command")
    parser.add_argument("--seeds", type=int, nargs="+", default=[10, 11, 12])
    parser.add_argument("--datasets", nargs="+", default=DATASETS, choices=DATASETS)
    args = parser.parse_args()
    # The MLPs say that 200 iterations, their default, are not enough.
    warnings.filterwarnings("ignore")
    print(f"| data | chainrule train | scikit-learn {sklearn.__version__} | the same, standardised |")
    print("| --- | --- | --- | --- |")
    for name in args.datasets:
        data = getattr(datasets, f"load_{name}")()
        x, y, classes = data.data, data.target, name != "diabetes"
        scores = {"ours": [], "raw": [], "scaled": []}
        for seed in args.seeds:
            folds = (StratifiedKFold if classes else KFold)(5, shuffle=True, random_state=seed)
            means = {kind: [] for kind in scores}
            for fit, held_out in folds.split(x, y):
                train, test = (x[fit], y[fit]), (x[held_out], y[held_out])
                with tempfile.TemporaryDirectory() as folder:
                    means["ours"].append(ours(args.command, pathlib.Path(folder), train, test, classes, seed))
                means["raw"].append(theirs(train, test, classes, seed, False))
                means["scaled"].append(theirs(train, test, classes, seed, True))
            for kind, values in means.items():
                scores[kind].append(np.mean(values))
        cells = [f"{np.mean(v):.4f} ± {np.std(v):.4f}" for v in scores.values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
