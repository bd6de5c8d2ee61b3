"""The workloads in JAX.

scan:        a whole epoch in one compiled call, `lax.scan` over the batches, the parameters donated.
scan-inputs: the same with weights that lie as inputs × outputs.
jit:         a compiled call for every step, the parameters donated.

XLA takes as many threads as the process has cores, so `taskset` sets their number; for one thread XLA is also told
not to share out work.
"""

import os
import sys

if "--threads" in sys.argv and sys.argv[sys.argv.index("--threads") + 1] == "1" or "--threads" not in sys.argv:
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import lax  # noqa: E402

from common import Task, parse, run  # noqa: E402

ACTIVATIONS = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh}


def main():
    args = parse(["scan", "scan-inputs", "jit"])
    if args.dtype == "f64":
        jax.config.update("jax_enable_x64", True)
    task = Task(args)
    g, rate, n = ACTIVATIONS[task.activation], task.rate, task.batch
    turned = args.setting == "scan-inputs"
    parameters = [
        (jnp.array(w.T if turned else w), jnp.array(b)) for w, b in zip(task.weights, task.biases, strict=True)
    ]
    x, y = jnp.array(task.x), jnp.array(task.y)
    whole = task.rows // n
    rest = task.rows - whole * n
    xs, ys = x[: whole * n].reshape(whole, n, -1), y[: whole * n].reshape(whole, n, *y.shape[1:])

    def forward(parameters, a):
        for k, (w, b) in enumerate(parameters):
            a = (a @ w if turned else a @ w.T) + b
            if k < len(parameters) - 1:
                a = g(a)
        return a

    def loss_of(parameters, a, labels):
        if task.mse:
            return ((forward(parameters, a) - labels) ** 2).mean()
        logarithms = jax.nn.log_softmax(forward(parameters, a))
        return -jnp.take_along_axis(logarithms, labels[:, None], axis=1).mean()

    def train(parameters, batch):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, *batch)
        return jax.tree.map(lambda p, d: p - rate * d, parameters, gradients), loss

    def adam(state, batch):
        parameters, means, squares, t = state
        loss, gradients = jax.value_and_grad(loss_of)(parameters, *batch)
        t += 1
        means = jax.tree.map(lambda m, d: 0.9 * m + 0.1 * d, means, gradients)
        squares = jax.tree.map(lambda v, d: 0.999 * v + 0.001 * d * d, squares, gradients)
        first, second = 1 / (1 - 0.9**t), 1 / (1 - 0.999**t)
        change = lambda p, m, v: p - rate * first * m / (jnp.sqrt(second * v) + 1e-8)  # noqa: E731
        return (jax.tree.map(change, parameters, means, squares), means, squares, t), loss

    def infer(parameters, batch):
        return parameters, forward(parameters, batch[0])

    step = infer if not task.train else adam if task.adam else train
    if step is adam:
        zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)  # noqa: E731
        parameters = (parameters, zeros(), zeros(), jnp.zeros((), task.dtype))
    step_once = jax.jit(step, donate_argnums=0)
    scan = jax.jit(lambda parameters, xs, ys: lax.scan(step, parameters, (xs, ys)), donate_argnums=0)
    batches = [(jnp.array(x[rows]), jnp.array(y[rows])) for rows in task.batches()] if args.setting == "jit" else []

    def epoch(recorded=None):
        nonlocal parameters
        if args.setting == "jit":
            for batch in batches:
                parameters, value = step_once(parameters, batch)
                if recorded is not None:
                    recorded.append(value.mean())
        else:
            parameters, values = scan(parameters, xs, ys)
            if recorded is not None:
                recorded += [value.mean() for value in np.asarray(values)]
            value = values
            if rest:
                parameters, value = step_once(parameters, (x[whole * n :], y[whole * n :]))
                if recorded is not None:
                    recorded.append(value.mean())
        jax.block_until_ready((parameters, value))

    def losses(steps):
        found = []
        while len(found) < steps:
            epoch(found)
        return found[:steps]

    run("jax", jax.__version__, args, task, epoch, losses)


if __name__ == "__main__":
    main()
