"""The workloads in PyTorch.

eager:    `nn.Sequential`, `cross_entropy`, `optim.SGD`, as tutorials have it.
fused:    the same with the optimiser's `fused` form.
compile:  loss (with its backward pass) and update compiled by `torch.compile`.
by-hand:  no autograd: products by `addmm` and `mm` into tensors that are there already.
"""

import torch
from torch import nn
from torch.nn import functional

from common import Task, parse, run_product, run_steps

ACTIVATIONS = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
MODULES = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def criterion(task):
    return functional.mse_loss if task.mse else functional.cross_entropy


def eager(task, fused=False):
    layers = []
    for w, b in zip(task.weights, task.biases, strict=True):
        layer = nn.Linear(w.shape[1], w.shape[0])
        layer.weight.data, layer.bias.data = torch.tensor(w), torch.tensor(b)
        layers += [layer, MODULES[task.activation]()]
    network = nn.Sequential(*layers[:-1])
    optimizer = (torch.optim.Adam if task.adam else torch.optim.SGD)(network.parameters(), lr=task.rate, fused=fused)
    loss_of = criterion(task)
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y)

    def train(rows):
        loss = loss_of(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def infer(rows):
        with torch.inference_mode():
            return network(x[rows])

    return train if task.train else infer


def compiled(task):
    weights = [torch.tensor(w, requires_grad=task.train) for w in task.weights]
    biases = [torch.tensor(b, requires_grad=task.train) for b in task.biases]
    g, x, y = ACTIVATIONS[task.activation], torch.from_numpy(task.x), torch.from_numpy(task.y)
    parameters = [p for pair in zip(weights, biases, strict=True) for p in pair]

    def forward(a):
        for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
            a = functional.linear(a, w, b)
            if k < len(weights) - 1:
                a = g(a)
        return a

    of_outputs = criterion(task)
    adam = torch.optim.Adam(parameters, lr=task.rate, fused=True) if task.adam else None

    @torch.compile(dynamic=False)
    def update(gradients):
        for p, gradient in zip(parameters, gradients, strict=True):
            p.sub_(gradient, alpha=task.rate)

    logits = torch.compile(forward, dynamic=False)
    loss_of = torch.compile(lambda a, labels: of_outputs(forward(a), labels), dynamic=False)

    def train(rows):
        loss = loss_of(x[rows], y[rows])
        gradients = torch.autograd.grad(loss, parameters)
        if adam:
            for p, gradient in zip(parameters, gradients, strict=True):
                p.grad = gradient
            adam.step()
        else:
            with torch.no_grad():
                update(gradients)
        return loss.detach()

    def infer(rows):
        with torch.inference_mode():
            return logits(x[rows])

    return train if task.train else infer


def by_hand(task):
    weights, biases = [torch.tensor(w) for w in task.weights], [torch.tensor(b) for b in task.biases]
    transposed = [w.t() for w in weights]
    g, last = ACTIVATIONS[task.activation], len(weights) - 1
    x, y = torch.from_numpy(task.x), torch.from_numpy(task.y)
    dtype, sizes, rate = x.dtype, task.sizes, task.rate

    def tensors(n):
        """Everything that a batch of n rows needs."""
        activations = [torch.empty(n, size, dtype=dtype) for size in sizes[1:]]
        return activations, [torch.empty(n, size, dtype=dtype) for size in sizes[1:]], torch.arange(n)

    known = {n: tensors(n) for n in {rows.stop - rows.start for rows in task.batches()}}
    slopes = {
        "relu": torch.ops.aten.threshold_backward.grad_input,
        "sigmoid": torch.ops.aten.sigmoid_backward.grad_input,
        "tanh": torch.ops.aten.tanh_backward.grad_input,
    }
    slope = slopes[task.activation]
    relu = task.activation == "relu"
    gradients = [torch.zeros_like(p) for p in [*weights, *biases]]
    moments = [[torch.zeros_like(p) for p in gradients] for _ in range(2)]
    steps = [torch.zeros(()) for _ in gradients]

    def adam():
        # One call for all parameters.
        torch._foreach_add_(steps, 1)
        torch._fused_adam_(
            [*weights, *biases], gradients, *moments, [], steps,
            lr=rate, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    def change(outputs, answers, delta, order):
        """The mean loss; the change of the outputs goes into delta."""
        if task.mse:
            torch.sub(outputs, answers, out=delta)
            loss = (delta * delta).mean()
            delta *= 2 / delta.numel()
            return loss
        logarithms = torch.log_softmax(outputs, 1)
        loss = functional.nll_loss(logarithms, answers)
        torch.exp(logarithms, out=delta)
        delta[order, answers] -= 1
        delta /= len(order)
        return loss

    def step(rows):
        activations, deltas, order = known[rows.stop - rows.start]
        inputs = a = x[rows]
        for k in range(last + 1):
            a = torch.addmm(biases[k], a, transposed[k], out=activations[k])
            if k < last:
                torch.relu_(a) if relu else g(a, out=a)
        if not task.train:
            return a
        delta = deltas[last]
        loss = change(a, y[rows], delta, order)
        for k in range(last, -1, -1):
            before = activations[k - 1] if k > 0 else inputs
            delta_before = None
            if k > 0:
                delta_before = torch.mm(delta, weights[k], out=deltas[k - 1])
                if relu:
                    slope(delta_before, before, 0, grad_input=delta_before)
                else:
                    slope(delta_before, before, grad_input=delta_before)
            if task.adam:
                torch.mm(delta.t(), before, out=gradients[k])
                torch.sum(delta, 0, out=gradients[last + 1 + k])
            else:
                # W ← W − rate δᵀ a in one call.
                weights[k].addmm_(delta.t(), before, alpha=-rate)
                biases[k].sub_(delta.sum(0), alpha=rate)
            delta = delta_before
        if task.adam:
            adam()
        return loss

    def without_autograd(rows):
        with torch.inference_mode():
            return step(rows)

    return without_autograd


SETTINGS = {
    "eager": eager,
    "fused": lambda task: eager(task, fused=True),
    "compile": compiled,
    "by-hand": by_hand,
}


def main():
    args = parse(list(SETTINGS))
    torch.set_num_threads(args.threads)
    if args.gemm:

        def product(a, b, c):
            a, b, c = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(c)
            return lambda: torch.mm(a, b, out=c)

        return run_product("torch", torch.__version__, args, product)
    task = Task(args)
    step = SETTINGS[args.setting](task)
    return run_steps("torch", torch.__version__, args, task, step)


if __name__ == "__main__":
    main()
