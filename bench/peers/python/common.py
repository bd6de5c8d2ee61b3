"""What the Python peers share: flags, workloads, data, how time is taken, and the line of JSON that they print.

The data and the first weights are the same numbers as in bench/peers/common/src/data.rs; see there.
"""

import argparse
import json
import statistics
import sys
import time

import numpy as np

WORKLOADS = {
    # name: sizes, activation, batch, rows, task
    "W1": ("784-30-10", "sigmoid", 10, 10_000, "train"),
    "W2": ("784-128-10", "relu", 32, 10_000, "train"),
    "W3": ("784-512-512-10", "relu", 128, 10_000, "train"),
    "W4": ("1024-2048-2048-1024-10", "relu", 512, 4096, "train"),
    "W5": ("4-16-16-3", "relu", 8, 10_000, "train"),
    "W6a": ("784-128-10", "relu", 1, 10_000, "infer"),
    "W6b": ("784-128-10", "relu", 1000, 10_000, "infer"),
    # SimpleChains' own: the mean squared error, Adam.
    "W7": ("4-32-16-4", "tanh", 10_000, 10_000, "train"),
    # The network of burn's issue 4811, without the scaling of its inputs.
    "W8": ("6-64-8-4", "relu", 1, 10_000, "infer"),
}
INPUTS, LABELS, LAYERS = 0, 1, 2


def _bits(stream, first, last):
    """24 bits of SplitMix64's output function of a counter."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    offset = np.uint64(stream * 0xD1B54A32D192ED03 % 2**64)
    z = np.arange(first + 1, last + 1, dtype=np.uint64) * golden + offset
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) >> np.uint64(40)


def numbers(stream, *shape, dtype=np.float32):
    result = np.empty(int(np.prod(shape)), dtype)
    # Piece by piece, so that no peer's peak memory is that of making its data.
    for i in range(0, len(result), 2**16):
        piece = result[i : i + 2**16]
        piece[:] = _bits(stream, i, i + len(piece)) / 8388608.0 - 1.0
    return result.reshape(shape)


class Task:
    """What is asked for, with its data and its first weights (a row for each output)."""

    def __init__(self, args):
        if args.workload:
            net, self.activation, self.batch, self.rows, self.task = WORKLOADS[args.workload]
            self.name = args.workload
            if self.name == "W7":
                args.loss, args.optimizer = "mse", "adam"
        else:
            net, self.activation, self.batch, self.rows = args.net, args.activation, args.batch, args.rows
            self.task = "infer" if args.infer else "train"
            self.name = net
        self.train = self.task == "train"
        self.sizes = [int(size) for size in net.split("-")]
        self.rate, self.mse, self.adam = args.rate, args.loss == "mse", args.optimizer == "adam"
        self.dtype = np.dtype({"f32": np.float32, "f64": np.float64}[args.dtype])
        self.threads = args.threads
        self.x = numbers(INPUTS, self.rows, self.sizes[0], dtype=self.dtype)
        if self.mse:
            self.y = numbers(LABELS, self.rows, self.sizes[-1], dtype=self.dtype)
        else:
            self.y = (_bits(LABELS, 0, self.rows) % np.uint64(self.sizes[-1])).astype(np.int64)
        self.weights, self.biases = [], []
        for layer, (inputs, outputs) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            scale = np.float32(1.0 / inputs**0.5)
            self.weights.append((numbers(LAYERS + 2 * layer, outputs, inputs) * scale).astype(self.dtype))
            self.biases.append((numbers(LAYERS + 2 * layer + 1, outputs) * scale).astype(self.dtype))

    def batches(self):
        return [slice(i, min(i + self.batch, self.rows)) for i in range(0, self.rows, self.batch)]

    def flops_per_sample(self):
        products = [2 * a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False)]
        return 3 * sum(products) - products[0] if self.train else sum(products)


def parse(settings):
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", choices=WORKLOADS)
    parser.add_argument("--net", help="the sizes of another network, such as 784-100-50-10")
    parser.add_argument("--activation", choices=["relu", "sigmoid", "tanh"], default="relu")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--infer", action="store_true", help="forward propagation alone")
    parser.add_argument("--loss", choices=["cross-entropy", "mse"], default="cross-entropy")
    parser.add_argument("--optimizer", choices=["sgd", "adam"], default="sgd")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=0.01)
    parser.add_argument("--losses", type=int, help="print also those of the first steps; with --seconds 0 nothing else")
    parser.add_argument("--dtype", choices=["f32", "f64"], default="f32")
    parser.add_argument("--setting", choices=settings, default=settings[0])
    parser.add_argument("--gemm", help="M,K,N")
    parser.add_argument("--form", choices=["NN", "NT", "TN"], default="NN")
    parser.add_argument("--turns", action="store_true", help="measure for each line of standard input")
    args = parser.parse_args()
    if not (args.workload or args.net or args.gemm):
        parser.error("--workload, --net or --gemm is required")
    return args


def rounded(x):
    return float(f"{x:.3e}")


def peak_rss_mb():
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmHWM:"))
    return rounded(int(line.split()[1]) * 1024 / 1e6)


def turns(args):
    """When to measure: once, or whenever a line is read."""
    return iter(sys.stdin.readline, "") if args.turns else [None]


def median_seconds(work, seconds):
    """The median of how long `work` takes, repeated for that time, at least once."""
    begun, times = time.perf_counter(), []
    while not times or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median_high(times)


def run(peer, version, args, task, epoch, losses):
    """`epoch()` goes through all batches and waits for the result; `losses(steps)` those of the first steps."""
    line = {"peer": peer, "setting": args.setting, "build": "wheel", "version": version}
    line |= {"workload": task.name, "dtype": args.dtype, "threads": args.threads}
    if args.losses is None:
        epoch()
    else:
        line["losses"] = [float(loss) for loss in losses(args.losses)]
        if not args.seconds:
            return print(json.dumps(line))
    for _ in turns(args):
        seconds = median_seconds(epoch, args.seconds)
        line["samples_per_s"] = rounded(task.rows / seconds)
        line["gflops"] = rounded(task.rows * task.flops_per_sample() / seconds / 1e9)
        line["peak_rss_mb"] = peak_rss_mb()
        line["us_per_step"] = rounded(seconds / len(task.batches()) * 1e6)
        print(json.dumps(line), flush=True)
    return None


def run_steps(peer, version, args, task, step):
    """As `run`, of a peer whose `step(rows)` gives the loss of a batch, or its logits."""
    batches = task.batches()

    def epoch():
        for rows in batches:
            step(rows)

    def losses(steps):
        return [step(batches[i % len(batches)]).mean() for i in range(steps)]

    run(peer, version, args, task, epoch, losses)


def run_product(peer, version, args, product):
    """`product(a, b, c)` computes c from row-major arrays, or transposed views of such."""
    m, k, n = (int(size) for size in args.gemm.split(","))
    dtype = {"f32": np.float32, "f64": np.float64}[args.dtype]
    a = numbers(0, *((k, m) if args.form == "TN" else (m, k))).astype(dtype)
    b = numbers(1, *((n, k) if args.form == "NT" else (k, n))).astype(dtype)
    c = np.zeros((m, n), dtype)
    a, b = (a.T if args.form == "TN" else a), (b.T if args.form == "NT" else b)
    call = product(a, b, c)
    call()
    assert np.allclose(c, a @ b, atol=1e-3 * k**0.5)
    times = 1
    while True:
        start = time.perf_counter()
        for _ in range(times):
            call()
        if time.perf_counter() - start >= 0.005:
            break
        times *= 2

    def several():
        for _ in range(times):
            call()

    line = {"peer": peer, "setting": args.setting, "build": "wheel", "version": version}
    line |= {"gemm": f"{m}x{k}x{n}", "form": args.form, "dtype": args.dtype, "threads": args.threads}
    for _ in turns(args):
        seconds = median_seconds(several, args.seconds) / times
        line["gflops"] = rounded(2 * m * k * n / seconds / 1e9)
        line |= {"peak_rss_mb": peak_rss_mb(), "us_per_step": rounded(seconds * 1e6)}
        print(json.dumps(line), flush=True)
