"""How long PyTorch takes to an accuracy on MNIST.

Without autograd, by `addmm` into tensors that are there already: its fastest form on so small a network (see
peer_torch.py).
"""

import torch

import mnist

RECIPES = {"97": "12,96,64,4.0,0.8,0.05", "98": "12,224,48,4.5,1.4,0.05"}


def main():
    args = mnist.parse(RECIPES)
    torch.set_num_threads(args.threads)
    x, y, test_x, test_y = (torch.tensor(part) for part in mnist.load(args.data_dir))
    with torch.inference_mode():
        for recipe in args.recipe:
            train(args, recipe, x, y.long(), test_x, test_y.long())


def train(args, recipe, x, y, test_x, test_y):
    n, width = recipe.batch, recipe.side**2
    hidden, delta1, rows = torch.empty(n, recipe.hidden), torch.empty(n, recipe.hidden), torch.arange(n)
    logits, delta2 = torch.empty(n, 10), torch.empty(n, 10)
    slope = torch.ops.aten.threshold_backward.grad_input
    keep, spread = 1 - recipe.smoothing, recipe.smoothing / 10
    w1 = b1 = w2 = b2 = mean = None

    def shrunk(images):
        return mnist.shrunk(images, recipe.side, torch.Tensor.short, torch.Tensor.float)

    def begin(rng):
        nonlocal w1, b1, w2, b2, mean
        (w1, b1), (w2, b2) = [tuple(map(torch.from_numpy, layer)) for layer in mnist.first(rng, width, recipe.hidden)]
        mean = shrunk(x[: mnist.FOR_THE_MEAN]).mean(0)

    def advance(order, rates):
        order = torch.from_numpy(order)
        given = (shrunk(x.index_select(0, order.view(-1))) - mean).view(len(order), n, width)
        for inputs, labels, rate in zip(given, y[order], rates.tolist(), strict=True):
            torch.addmm(b1, inputs, w1.t(), out=hidden)
            torch.relu_(hidden)
            torch.addmm(b2, hidden, w2.t(), out=logits)
            torch.softmax(logits, 1, out=delta2)
            if recipe.smoothing:
                delta2.sub_(spread)
            delta2[rows, labels] -= keep
            torch.mm(delta2, w2, out=delta1)
            slope(delta1, hidden, 0, grad_input=delta1)
            step = rate / n
            w1.addmm_(delta1.t(), inputs, alpha=-step)
            b1.sub_(delta1.sum(0), alpha=step)
            w2.addmm_(delta2.t(), hidden, alpha=-step)
            b2.sub_(delta2.sum(0), alpha=step)

    def accuracy():
        logits = torch.relu((shrunk(test_x) - mean) @ w1.t() + b1) @ w2.t() + b2
        return (logits.argmax(1) == test_y).double().mean().item()

    mnist.run("torch", args, recipe, len(x), begin, advance, accuracy)


if __name__ == "__main__":
    main()
