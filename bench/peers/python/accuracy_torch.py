"""How long PyTorch takes to an accuracy on MNIST.

Without autograd, by `addmm` into tensors that are there already: its fastest form on so small a network (see
peer_torch.py).
"""

import numpy as np
import torch

import mnist

RECIPES = {
    "97": {"hidden": 64, "batch": 16, "rate": 0.3, "epochs": 1.5, "momentum": 0.0},
    "98": {"hidden": 128, "batch": 16, "rate": 0.3, "epochs": 4.0, "momentum": 0.0},
}


def main():
    args = mnist.parse(RECIPES)
    torch.set_num_threads(args.threads)
    x, y, test_x, test_y = (torch.from_numpy(part) for part in mnist.load(args.data_dir))
    y, test_y = y.long(), test_y.long()
    rng = np.random.default_rng(args.seed)
    (w1, b1), (w2, b2) = [tuple(map(torch.from_numpy, layer)) for layer in mnist.first(rng, args.hidden)]
    n = args.batch
    hidden, delta1, rows = torch.empty(n, args.hidden), torch.empty(n, args.hidden), torch.arange(n)
    logits, delta2, inputs = torch.empty(n, 10), torch.empty(n, 10), torch.empty(n, 784)
    moments = [torch.zeros_like(p) for p in (w1, b1, w2, b2)]
    slope = torch.ops.aten.threshold_backward.grad_input

    def advance(order, rates):
        for batch, rate in zip(torch.from_numpy(order), rates.tolist(), strict=True):
            torch.index_select(x, 0, batch, out=inputs)
            torch.addmm(b1, inputs, w1.t(), out=hidden)
            torch.relu_(hidden)
            torch.addmm(b2, hidden, w2.t(), out=logits)
            torch.softmax(logits, 1, out=delta2)
            delta2[rows, y[batch]] -= 1
            torch.mm(delta2, w2, out=delta1)
            slope(delta1, hidden, 0, grad_input=delta1)
            step = rate / n
            if args.momentum:
                m1, c1, m2, c2 = moments
                m1.mul_(args.momentum).addmm_(delta1.t(), inputs)
                c1.mul_(args.momentum).add_(delta1.sum(0))
                m2.mul_(args.momentum).addmm_(delta2.t(), hidden)
                c2.mul_(args.momentum).add_(delta2.sum(0))
                for p, m in zip((w1, b1, w2, b2), moments, strict=True):
                    p.sub_(m, alpha=step)
            else:
                w1.addmm_(delta1.t(), inputs, alpha=-step)
                b1.sub_(delta1.sum(0), alpha=step)
                w2.addmm_(delta2.t(), hidden, alpha=-step)
                b2.sub_(delta2.sum(0), alpha=step)

    def accuracy():
        logits = torch.relu(test_x @ w1.t() + b1) @ w2.t() + b2
        return (logits.argmax(1) == test_y).double().mean().item()

    with torch.inference_mode():
        mnist.train("torch", args, rng, len(x), max(1, args.every // n), advance, accuracy)


if __name__ == "__main__":
    main()
