"""How long JAX takes to an accuracy on MNIST: `lax.scan` over the batches between two tests.

It is compiled before the clock starts.
"""

import os
import sys

if "--threads" not in sys.argv or sys.argv[sys.argv.index("--threads") + 1] == "1":
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false"
os.environ["JAX_PLATFORMS"] = "cpu"

import time  # noqa: E402

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from jax import lax  # noqa: E402

import mnist  # noqa: E402

RECIPES = {
    "97": {"hidden": 64, "batch": 16, "rate": 0.3, "epochs": 1.5, "momentum": 0.0},
    "98": {"hidden": 128, "batch": 16, "rate": 0.3, "epochs": 4.0, "momentum": 0.0},
}


def main():
    args = mnist.parse(RECIPES)
    x, y, test_x, test_y = map(jnp.asarray, mnist.load(args.data_dir))
    rng = np.random.default_rng(args.seed)
    parameters = jax.tree.map(jnp.asarray, mnist.first(rng, args.hidden))

    def forward(parameters, a):
        (w1, b1), (w2, b2) = parameters
        return jax.nn.relu(a @ w1.T + b1) @ w2.T + b2

    def loss_of(parameters, a, labels):
        logarithms = jax.nn.log_softmax(forward(parameters, a))
        return -jnp.take_along_axis(logarithms, labels[:, None], axis=1).mean()

    # The images are arguments: as constants of the program they would take long to compile.
    @jax.jit
    def scan(state, x, y, order, rates):
        def step(state, given):
            parameters, moments = state
            rows, rate = given
            gradients = jax.grad(loss_of)(parameters, x[rows], y[rows])
            if args.momentum:
                moments = gradients = jax.tree.map(lambda m, d: args.momentum * m + d, moments, gradients)
            return (jax.tree.map(lambda p, d: p - rate * d, parameters, gradients), moments), None

        return lax.scan(step, state, (order, rates))[0]

    @jax.jit
    def right(parameters, x, y):
        return (forward(parameters, x).argmax(1) == y).mean()

    def test():
        return float(right(state[0], test_x, test_y))

    state = (parameters, jax.tree.map(jnp.zeros_like, parameters) if args.momentum else None)

    def advance(order, rates):
        nonlocal state
        state = scan(state, x, y, order, rates)
        jax.block_until_ready(state)

    # Every shape that will come: whole pieces, and the rest of an epoch.
    begun = time.perf_counter()
    at_once = max(1, args.every // args.batch)
    per_epoch = len(x) // args.batch
    for count in {at_once, per_epoch % at_once, int(args.epochs * per_epoch) % per_epoch % at_once} - {0}:
        order = np.zeros((count, args.batch), np.int32)
        jax.block_until_ready(scan(state, x, y, order, np.zeros(count, np.float32)))
    test()
    compiled = time.perf_counter() - begun
    mnist.train("jax", args, rng, len(x), at_once, advance, test, compiled)


if __name__ == "__main__":
    main()
