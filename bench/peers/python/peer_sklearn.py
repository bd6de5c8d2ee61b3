"""The workloads in scikit-learn: `MLPClassifier` with plain SGD, no momentum, no penalty, rows in their order.

For the mean squared error it is `MLPRegressor`, whose loss is half of that and whose gradient is a sum over outputs.

fit:         a whole epoch in one call, from the weights that the last one left.
partial_fit: a call for every step, and every call checks its arguments.

Both do the same steps, from the same first weights; of Adam there is partial_fit alone, since fit would begin it anew.
Inference is `_forward_pass_fast`, to probabilities rather than logits, without the checks that `predict_proba` adds.
"""

import numpy as np
import sklearn
from sklearn.neural_network import MLPClassifier, MLPRegressor

from common import Task, parse, run, run_steps


def main():
    args = parse(["fit", "partial_fit"])
    task = Task(args)
    if task.adam and args.setting == "fit":
        raise SystemExit("scikit-learn's fit begins Adam anew in every call")
    names = {"relu": "relu", "sigmoid": "logistic", "tanh": "tanh"}
    base = MLPRegressor if task.mse else MLPClassifier
    # So that the step is that of the other programs: its gradient is so many times theirs.
    scale = task.sizes[-1] / 2 if task.mse else 1
    model = base(
        hidden_layer_sizes=tuple(task.sizes[1:-1]),
        activation=names[task.activation],
        solver="adam" if task.adam else "sgd",
        alpha=0.0,
        batch_size=task.batch,
        learning_rate="constant",
        learning_rate_init=task.rate if task.adam else task.rate / scale,
        epsilon=1e-8 * scale,
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=False,
        max_iter=1,
        tol=0.0,
        n_iter_no_change=10**9,
    )
    classes = np.arange(task.sizes[-1])
    # A first call lays out the network; then its weights become those of all programs, in place, as the optimiser
    # knows these arrays.
    model.partial_fit(task.x[: task.batch], task.y[: task.batch], **({} if task.mse else {"classes": classes}))
    if task.adam:
        # That call was a step: what the optimiser kept of it must go.
        model._optimizer.t = 0
        for kept in [*model._optimizer.ms, *model._optimizer.vs]:
            kept[...] = 0
    model.warm_start = args.setting == "fit"
    for mine, w in zip(model.coefs_, task.weights, strict=True):
        mine[...] = w.T
    for mine, b in zip(model.intercepts_, task.biases, strict=True):
        mine[...] = b

    def train(rows):
        model.partial_fit(task.x[rows], task.y[rows])
        return np.float64(model.loss_ * (2 if task.mse else 1))

    def infer(rows):
        return model._forward_pass_fast(task.x[rows], check_input=False)

    def epoch():
        model.fit(task.x, task.y)

    def losses(steps):
        seen, backprop = [], model._backprop

        def recording(*arguments):
            result = backprop(*arguments)
            seen.append(result[0] * (2 if task.mse else 1))
            return result

        model._backprop = recording
        while len(seen) < steps:
            epoch()
        del model._backprop
        return seen[:steps]

    if not task.train:
        # These are no logits: there is nothing to compare.
        args.losses = None
        run_steps("sklearn", sklearn.__version__, args, task, infer)
    elif args.setting == "fit":
        run("sklearn", sklearn.__version__, args, task, epoch, losses)
    else:
        run_steps("sklearn", sklearn.__version__, args, task, train)


if __name__ == "__main__":
    main()
