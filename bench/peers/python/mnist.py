"""Time to an accuracy on MNIST: what the programs of PyTorch and JAX share.

The clock stands while the network is tested, while something is compiled, and until the images' bytes are in memory.
Making inputs of them counts.
"""

import argparse
import gzip
import json
import struct
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common import peak_rss_mb, rounded

# How many images the mean image is taken from.
FOR_THE_MEAN = 3000


@dataclass
class Recipe:
    side: int
    hidden: int
    batch: int
    rate: float
    epochs: float
    smoothing: float

    def __str__(self):
        smoothing = f", labels smoothed by {self.smoothing:g}" if self.smoothing else ""
        return (
            f"{self.side}², {self.hidden} units, batch {self.batch}, rate {self.rate:g} to 0 in {self.epochs:g} epochs"
            + smoothing
        )


def recipe(text):
    side, hidden, batch, rate, epochs, smoothing = text.split(",")
    if side not in ("10", "12", "28"):
        raise ValueError(side)
    return Recipe(int(side), int(hidden), int(batch), float(rate), float(epochs), float(smoothing))


def parse(recipes):
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--goal", type=float, default=97.0, help="the accuracy to reach, in percent")
    parser.add_argument("--seeds", type=int, default=1, help="how many times to train, with the seeds from 0")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=3000, help="samples between two tests")
    parser.add_argument("--recipe", type=recipe, action="append", help="side,hidden,batch,rate,epochs,smoothing")
    args = parser.parse_args()
    args.recipe = args.recipe or [recipe(recipes["98" if args.goal > 97.5 else "97"])]
    return args


def shrunk(images, side, wide, single):
    """The pixels from 0 to 1, or the means of 2 × 2 of those in the middle: of NumPy's, PyTorch's and JAX's arrays.

    `wide` makes whole numbers wider, `single` makes them f32. The functions for it that these libraries have are
    slower.
    """
    if side == 28:
        return single(images) * (1 / 255)
    whole, first = images.reshape(-1, 28, 28), 14 - side
    last = 28 - first
    a, b, c, d = (wide(whole[:, y:last:2, x:last:2]) for y in (first, first + 1) for x in (first, first + 1))
    return single((a + b + c + d).reshape(-1, side * side)) * (1 / 1020)


def read(folder, name):
    for path in [Path(folder) / name, Path(folder) / f"{name}.gz"]:
        if path.exists():
            data = path.read_bytes()
            data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            dimensions = data[3]
            shape = struct.unpack(f">{dimensions}I", data[4 : 4 + 4 * dimensions])
            return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    raise SystemExit(f"{name} is not in {folder}; scripts/get-mnist fetches it")


def load(folder):
    parts = []
    for part in ["train", "t10k"]:
        images = read(folder, f"{part}-images-idx3-ubyte")
        parts.append(images.reshape(len(images), -1))
        parts.append(read(folder, f"{part}-labels-idx1-ubyte").astype(np.int32))
    return parts


def first(rng, inputs, hidden):
    """Glorot's random weights, of the last layer 0, no bias."""
    w1 = rng.normal(0, (2 / (inputs + hidden)) ** 0.5, (hidden, inputs)).astype(np.float32)
    w2 = np.zeros((10, hidden), np.float32)
    return [(w1, np.zeros(hidden, np.float32)), (w2, np.zeros(10, np.float32))]


def pieces(every, batch, per_epoch, steps):
    """How many steps there are between two tests: from each step at which a piece begins."""
    at_once = max(1, every // batch)
    done = 0
    while done < steps:
        count = min(at_once, per_epoch - done % per_epoch, steps - done)
        yield done, count
        done += count


def run(peer, args, recipe, samples, begin, advance, accuracy, compile_seconds=0.0):
    """Trains with each seed.

    `begin(rng)` makes a network, `advance(order, rates)` takes steps on rows of an array of samples, `accuracy()`
    tests.
    """
    batch = recipe.batch
    per_epoch = samples // batch
    steps = int(recipe.epochs * per_epoch)
    for seed in range(args.seeds):
        rng = np.random.default_rng(seed)
        begun = time.perf_counter()
        begin(rng)
        seconds, best, reached, order = time.perf_counter() - begun, 0.0, None, None
        for done, count in pieces(args.every, batch, per_epoch, steps):
            begun = time.perf_counter()
            place = done % per_epoch
            if place == 0:
                order = rng.permutation(samples)[: per_epoch * batch].reshape(per_epoch, batch).astype(np.int32)
            rates = recipe.rate * (1 - np.arange(done, done + count, dtype=np.float32) / steps)
            advance(order[place : place + count], rates)
            seconds += time.perf_counter() - begun
            best = max(best, 100 * accuracy())
            if best >= args.goal:
                reached = (seconds, (done + count) / per_epoch)
                break
        line = {"peer": peer, "threads": args.threads, "goal": args.goal, "recipe": str(recipe), "seed": seed}
        line["seconds"] = reached and rounded(reached[0])
        line["epochs"] = reached and rounded(reached[1])
        line |= {"accuracy": best, "compile_seconds": rounded(compile_seconds), "peak_rss_mb": peak_rss_mb()}
        print(json.dumps(line), flush=True)
