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

RECIPES = {"97": "10,96,32,2.0,0.8,0.05", "98": "10,192,48,4.5,1.4,0.05"}


def main():
    args = mnist.parse(RECIPES)
    data = tuple(map(jnp.asarray, mnist.load(args.data_dir)))
    for recipe in args.recipe:
        train(args, recipe, *data)


def train(args, recipe, x, y, test_x, test_y):
    state = mean = None

    def shrunk(images):
        wide, single = (lambda a: a.astype(jnp.uint16)), (lambda a: a.astype(jnp.float32))
        return mnist.shrunk(images, recipe.side, wide, single)

    def forward(parameters, a):
        (w1, b1), (w2, b2) = parameters
        return jax.nn.relu(a @ w1.T + b1) @ w2.T + b2

    def loss_of(parameters, a, labels):
        logarithms = jax.nn.log_softmax(forward(parameters, a))
        right = jnp.take_along_axis(logarithms, labels[:, None], axis=1).mean()
        if not recipe.smoothing:
            return -right
        return -(1 - recipe.smoothing) * right - recipe.smoothing * logarithms.mean()

    # The images are arguments: as constants of the program they would take long to compile.
    @jax.jit
    def scan(parameters, mean, x, y, order, rates):
        rows = order.reshape(-1)
        inputs = (shrunk(x[rows]) - mean).reshape(*order.shape, -1)

        def step(parameters, given):
            inputs, labels, rate = given
            gradients = jax.grad(loss_of)(parameters, inputs, labels)
            return jax.tree.map(lambda p, d: p - rate * d, parameters, gradients), None

        return lax.scan(step, parameters, (inputs, y[order], rates))[0]

    @jax.jit
    def mean_of(x):
        return shrunk(x[: mnist.FOR_THE_MEAN]).mean(0)

    @jax.jit
    def right(parameters, mean, x, y):
        return (forward(parameters, shrunk(x) - mean).argmax(1) == y).mean()

    def begin(rng):
        nonlocal state, mean
        mean = mean_of(x)
        state = jax.tree.map(jnp.asarray, mnist.first(rng, recipe.side**2, recipe.hidden))
        jax.block_until_ready((state, mean))

    def advance(order, rates):
        nonlocal state
        state = scan(state, mean, x, y, order, rates)
        jax.block_until_ready(state)

    def accuracy():
        return float(right(state, mean, test_x, test_y))

    # Every shape that will come: whole pieces, and the rest of an epoch.
    begun = time.perf_counter()
    begin(np.random.default_rng(0))
    per_epoch = len(x) // recipe.batch
    pieces = mnist.pieces(args.every, recipe.batch, per_epoch, int(recipe.epochs * per_epoch))
    for count in {count for _, count in pieces}:
        advance(np.zeros((count, recipe.batch), np.int32), np.zeros(count, np.float32))
    accuracy()
    mnist.run("jax", args, recipe, len(x), begin, advance, accuracy, time.perf_counter() - begun)


if __name__ == "__main__":
    main()
