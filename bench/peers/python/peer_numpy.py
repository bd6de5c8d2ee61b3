"""The workloads in NumPy, written out by hand.

plain: as one writes it down, a new array for every result.
out:   every result goes into an array that is there already, which is the fastest that NumPy does.
"""

import numpy as np

from common import Task, parse, run_product, run_steps


def sigmoid(z, out=None):
    out = np.negative(z, out=out)
    np.exp(out, out=out)
    out += 1
    return np.reciprocal(out, out=out)


def relu(z, out=None):
    return np.maximum(z, 0, out=out)


ACTIVATIONS = {"relu": relu, "sigmoid": sigmoid, "tanh": np.tanh}
# The derivative, from the activation.
SLOPES = {"relu": lambda a: a > 0, "sigmoid": lambda a: a * (1 - a), "tanh": lambda a: 1 - a * a}


class Adam:
    """Adam's moments of each parameter, and its step in place."""

    def __init__(self, task, parameters):
        self.rate, self.t = task.rate, 0
        self.moments = [(np.zeros_like(p), np.zeros_like(p), np.empty_like(p)) for p in parameters]

    def step(self, parameters, gradients):
        self.t += 1
        first, second = self.rate / (1 - 0.9**self.t), 1 / (1 - 0.999**self.t)
        for p, d, (m, v, work) in zip(parameters, gradients, self.moments, strict=True):
            m *= 0.9
            m += np.multiply(d, 0.1, out=work)
            v *= 0.999
            np.multiply(d, d, out=work)
            work *= 0.001
            v += work
            np.sqrt(np.multiply(v, second, out=work), out=work)
            work += 1e-8
            np.divide(m, work, out=work)
            work *= first
            p -= work


def plain(task):
    weights, biases = [w.copy() for w in task.weights], [b.copy() for b in task.biases]
    g, slope, last = ACTIVATIONS[task.activation], SLOPES[task.activation], len(weights) - 1
    adam = Adam(task, [*weights, *biases]) if task.adam else None

    def change(z, y):
        """The mean loss, and the change of the outputs."""
        if task.mse:
            error = z - y
            return (error * error).mean(), error * (2 / error.size)
        # Softmax and cross-entropy.
        n = len(z)
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(n), y]).mean()
        p[np.arange(n), y] -= 1
        return loss, p / n

    def step(rows):
        activations = [task.x[rows]]
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = activations[-1] @ w.T + b
            activations.append(z if k == last else g(z))
        z = activations[-1]
        if not task.train:
            return z
        loss, delta = change(z, task.y[rows])
        dws, dbs = [None] * len(weights), [None] * len(biases)
        for k in range(last, -1, -1):
            dws[k], dbs[k] = delta.T @ activations[k], delta.sum(axis=0)
            if k > 0:
                delta = delta @ weights[k] * slope(activations[k])
        if adam:
            adam.step([*weights, *biases], [*dws, *dbs])
        else:
            for k in range(last + 1):
                weights[k] -= task.rate * dws[k]
                biases[k] -= task.rate * dbs[k]
        return loss

    return step


def out(task):
    weights, biases = [w.copy() for w in task.weights], [b.copy() for b in task.biases]
    g, last, sizes = ACTIVATIONS[task.activation], len(weights) - 1, task.sizes
    activation, rate = task.activation, task.dtype.type(task.rate)

    def arrays(n):
        """Everything that a batch of n rows needs."""
        activations = [np.empty((n, size), task.dtype) for size in sizes[1:]]
        deltas = [np.empty((n, size), task.dtype) for size in sizes[1:]]
        return activations, deltas, np.empty((n, 1), task.dtype), np.arange(n)

    gradients = [np.empty_like(w) for w in weights], [np.empty_like(b) for b in biases]
    known = {n: arrays(n) for n in {rows.stop - rows.start for rows in task.batches()}}
    transposed = [w.T for w in weights]
    x, y, dws, dbs = task.x, task.y, *gradients
    adam = Adam(task, [*weights, *biases]) if task.adam else None

    def change(z, labels, delta, column, order):
        """The mean loss; the change of the outputs goes into delta."""
        if task.mse:
            np.subtract(z, labels, out=delta)
            flat = delta.ravel()
            loss = np.dot(flat, flat) / delta.size
            delta *= 2 / delta.size
            return loss
        np.max(z, axis=1, keepdims=True, out=column)
        np.exp(np.subtract(z, column, out=delta), out=delta)
        np.sum(delta, axis=1, keepdims=True, out=column)
        delta /= column
        loss = -np.log(delta[order, labels]).mean()
        delta[order, labels] -= 1
        delta *= 1 / len(order)
        return loss

    def step(rows):
        activations, deltas, column, order = known[rows.stop - rows.start]
        a = x[rows]
        for k in range(last + 1):
            z = np.matmul(a, transposed[k], out=activations[k])
            z += biases[k]
            a = z if k == last else g(z, out=z)
        if not task.train:
            return a
        delta = deltas[last]
        loss = change(a, y[rows], delta, column, order)
        for k in range(last, -1, -1):
            before = activations[k - 1] if k > 0 else x[rows]
            np.matmul(delta.T, before, out=dws[k])
            np.sum(delta, axis=0, out=dbs[k])
            if k > 0:
                delta = np.matmul(delta, weights[k], out=deltas[k - 1])
                if activation == "relu":
                    delta *= before > 0
                elif activation == "sigmoid":
                    delta *= before
                    delta *= np.subtract(1, before, out=before)
                else:
                    before *= before
                    delta *= np.subtract(1, before, out=before)
            if not adam:
                dws[k] *= rate
                weights[k] -= dws[k]
                dbs[k] *= rate
                biases[k] -= dbs[k]
        if adam:
            adam.step([*weights, *biases], [*dws, *dbs])
        return loss

    return step


def main():
    args = parse(["out", "plain"])
    if args.gemm:
        return run_product("numpy", np.__version__, args, lambda a, b, c: lambda: np.matmul(a, b, out=c))
    task = Task(args)
    step = {"plain": plain, "out": out}[args.setting](task)
    return run_steps("numpy", np.__version__, args, task, step)


if __name__ == "__main__":
    main()
