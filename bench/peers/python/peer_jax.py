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
    xs, ys = x[: whole * n].reshape(whole, n, -1), y[: whole * n].reshape(whole, n)

    def forward(parameters, a):
        for k, (w, b) in enumerate(parameters):
            a = (a @ w if turned else a @ w.T) + b
            if k < len(parameters) - 1:
                a = g(a)
        return a

    def loss_of(parameters, a, labels):
        logarithms = jax.nn.log_softmax(forward(parameters, a))
        return -jnp.take_along_axis(logarithms, labels[:, None], axis=1).mean()

    def train(parameters, batch):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, *batch)
        return jax.tree.map(lambda p, d: p - rate * d, parameters, gradients), loss

    def infer(parameters, batch):
        return parameters, forward(parameters, batch[0])

    step = train if task.train else infer
    step_once = jax.jit(step, donate_argnums=0)
    scan = jax.jit(lambda parameters, xs, ys: lax.scan(step, parameters, (xs, ys)), donate_argnums=0)
    batches = [(jnp.array(x[rows]), jnp.array(y[rows])) for rows in task.batches()] if args.setting == "jit" else []

    def epoch():
        nonlocal parameters
        if args.setting != "jit":
            parameters, values = scan(parameters, xs, ys)
            if rest:
                parameters, values = step_once(parameters, (x[whole * n :], y[whole * n :]))
        else:
            for batch in batches:
                parameters, values = step_once(parameters, batch)
        jax.block_until_ready((parameters, values))

    def losses(steps):
        nonlocal parameters
        found = []
        while len(found) < steps:
            if args.setting == "jit":
                parameters, value = step_once(parameters, batches[len(found) % len(batches)])
                found.append(value.mean())
                continue
            count = min(whole, steps - len(found))
            parameters, values = scan(parameters, xs[:count], ys[:count])
            found += [value.mean() for value in values]
            if rest and len(found) < steps:
                parameters, value = step_once(parameters, (x[whole * n :], y[whole * n :]))
                found.append(value.mean())
        return found

    run("jax", jax.__version__, args, task, epoch, losses)


if __name__ == "__main__":
    main()
