"""Time to an accuracy on MNIST: what the programs of PyTorch and JAX share.

The clock stands while the network is tested, while something is compiled, and until the images are in memory.
"""

import argparse
import gzip
import json
import struct
import time
from pathlib import Path

import numpy as np

from common import peak_rss_mb, rounded


def parse(recipes):
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--goal", type=float, default=97.0, help="the accuracy to reach, in percent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=3000, help="samples between two tests")
    for name, kind in [("hidden", int), ("batch", int), ("rate", float), ("epochs", float), ("momentum", float)]:
        parser.add_argument(f"--{name}", type=kind)
    args = parser.parse_args()
    for name, value in recipes["98" if args.goal > 97.5 else "97"].items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    return args


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
        parts.append(images.reshape(len(images), -1).astype(np.float32) / 255)
        parts.append(read(folder, f"{part}-labels-idx1-ubyte").astype(np.int32))
    return parts


def first(rng, hidden):
    """He's and Glorot's random weights, no bias."""
    w1 = rng.normal(0, (2 / 784) ** 0.5, (hidden, 784)).astype(np.float32)
    w2 = rng.normal(0, (1 / hidden) ** 0.5, (10, hidden)).astype(np.float32)
    return [(w1, np.zeros(hidden, np.float32)), (w2, np.zeros(10, np.float32))]


def train(peer, args, rng, samples, steps_at_once, advance, accuracy, compile_seconds=0.0):
    """`advance(order, rates)` takes steps on rows of an array of samples; `accuracy()` tests."""
    batch = args.batch
    per_epoch = samples // batch
    steps = int(args.epochs * per_epoch)
    done, seconds, best, reached = 0, 0.0, 0.0, None
    order = None
    while done < steps and reached is None:
        begun = time.perf_counter()
        if done % per_epoch == 0:
            order = rng.permutation(samples)[: per_epoch * batch].reshape(per_epoch, batch).astype(np.int32)
        place = done % per_epoch
        count = min(steps_at_once, per_epoch - place, steps - done)
        rates = args.rate * (1 - np.arange(done, done + count, dtype=np.float32) / steps)
        advance(order[place : place + count], rates)
        done += count
        seconds += time.perf_counter() - begun
        best = max(best, 100 * accuracy())
        if best >= args.goal:
            reached = seconds
    momentum = f" with momentum {args.momentum}" if args.momentum else ""
    recipe = f"784-{args.hidden}-10 ReLU, batch {batch}, SGD{momentum}, rate {args.rate} to 0 in {args.epochs} epochs"
    line = {"peer": peer, "threads": args.threads, "goal": args.goal, "recipe": recipe, "seed": args.seed}
    line["seconds"] = reached and rounded(reached)
    line["epochs"] = rounded(done / per_epoch)
    line |= {"accuracy": best, "compile_seconds": rounded(compile_seconds), "peak_rss_mb": peak_rss_mb()}
    print(json.dumps(line))
