"""The workloads in scikit-learn: `MLPClassifier` with plain SGD, no momentum, no penalty, rows in their order.

fit:         a whole epoch in one call, from the weights that the last one left.
partial_fit: a call for every step, and every call checks its arguments.

Both do the same steps, from the same first weights. Inference is `_forward_pass_fast`, to probabilities rather than
logits, without the checks that `predict_proba` adds.
"""

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier

from common import Task, parse, run, run_steps


class Recorder(MLPClassifier):
    """Keeps the loss of every step."""

    def _backprop(self, *arguments):
        result = super()._backprop(*arguments)
        self.seen.append(result[0])
        return result


def main():
    args = parse(["fit", "partial_fit"])
    task = Task(args)
    names = {"relu": "relu", "sigmoid": "logistic", "tanh": "tanh"}
    model = (MLPClassifier if args.losses is None else Recorder)(
        hidden_layer_sizes=tuple(task.sizes[1:-1]),
        activation=names[task.activation],
        solver="sgd",
        alpha=0.0,
        batch_size=task.batch,
        learning_rate="constant",
        learning_rate_init=task.rate,
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=False,
        max_iter=1,
        tol=0.0,
        n_iter_no_change=10**9,
    )
    model.seen = []
    classes = np.arange(task.sizes[-1])
    # A first call lays out the network; then its weights become those of all programs, in place, as the optimiser
    # knows these arrays.
    model.partial_fit(task.x[: task.batch], task.y[: task.batch], classes=classes)
    model.warm_start = args.setting == "fit"
    for mine, w in zip(model.coefs_, task.weights, strict=True):
        mine[...] = w.T
    for mine, b in zip(model.intercepts_, task.biases, strict=True):
        mine[...] = b
    model.seen = []

    def train(rows):
        model.partial_fit(task.x[rows], task.y[rows])
        return model.loss_

    def infer(rows):
        return model._forward_pass_fast(task.x[rows], check_input=False)

    def epoch():
        model.fit(task.x, task.y)

    def losses(steps):
        while len(model.seen) < steps:
            epoch()
        return model.seen[:steps]

    if not task.train:
        if args.losses is not None:
            raise SystemExit("scikit-learn gives probabilities, not logits")
        run_steps("sklearn", sklearn.__version__, args, task, infer)
    elif args.setting == "fit":
        run("sklearn", sklearn.__version__, args, task, epoch, losses)
    else:
        run_steps("sklearn", sklearn.__version__, args, task, train)


if __name__ == "__main__":
    main()
