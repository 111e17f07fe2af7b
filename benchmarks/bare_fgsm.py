"""FGSM training as one writes it by hand in plain PyTorch: what the engine's cost is measured against.

    python benchmarks/bare_fgsm.py DATA.npz [lean]

The demo's network, data, radius, batches and schedule; it watches nothing, evaluates nothing and writes nothing.
DATA.npz holds `images` (N, 1, 8, 8) float32 in [0, 1] and `labels` (N,) int64. It uses torch.optim.SGD, as people do;
with `lean`, momentum by hand, which spares the import of torch._dynamo that every optimiser of torch brings. Prints the
CPU seconds of the loop.
"""

import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

EPSILON, WARMUP = 0.25, 6
EPOCHS, BATCH_SIZE = 24, 64
RATE, PEAK, MOMENTUM, WEIGHT_DECAY = 0.1, 0.3, 0.9, 5e-4


def network(width=16):
    return nn.Sequential(
        *(nn.Conv2d(1, width, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.Conv2d(2 * width, 2 * width, 3, padding=1), nn.ReLU()),
        nn.Flatten(),
        *(nn.Linear(2 * width * 16, 64), nn.ReLU()),
        nn.Linear(64, 10),
    )


class Momentum:
    """SGD with momentum and weight decay, with the part of torch.optim.SGD's face that the loop uses."""

    def __init__(self, parameters, lr, momentum, weight_decay):
        self.parameters, self.momentum, self.weight_decay = list(parameters), momentum, weight_decay
        self.buffers = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.param_groups = [{"lr": lr}]

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self):
        gradients = torch._foreach_add([p.grad for p in self.parameters], self.parameters, alpha=self.weight_decay)
        torch._foreach_mul_(self.buffers, self.momentum)
        torch._foreach_add_(self.buffers, gradients)
        torch._foreach_add_(self.parameters, self.buffers, alpha=-self.param_groups[0]["lr"])


class Loop:
    """The training loop, one step at a time."""

    def __init__(self, images, labels, make_optimizer):
        self.images, self.labels = images, labels
        self.model = network()
        self.optimizer = make_optimizer(self.model.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
        self.batches = len(images) // BATCH_SIZE
        self.total, self.done = EPOCHS * self.batches, 0

    def step(self):
        batch = self.done % self.batches
        if batch == 0:
            self.order = torch.randperm(len(self.images))
        chosen = self.order[batch * BATCH_SIZE : (batch + 1) * BATCH_SIZE]
        x, y = self.images[chosen], self.labels[chosen]
        self.done += 1
        progress = self.done / (self.total + 1)
        self.optimizer.param_groups[0]["lr"] = RATE * min(progress / PEAK, (1 - progress) / (1 - PEAK))
        epsilon = EPSILON * min(self.done / self.batches / WARMUP, 1)

        delta = torch.zeros_like(x, requires_grad=True)
        (gradient,) = torch.autograd.grad(F.cross_entropy(self.model(x + delta), y), delta)
        loss = F.cross_entropy(self.model(x + epsilon * gradient.sign()), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()


if __name__ == "__main__":
    torch.set_num_threads(1)
    data = np.load(sys.argv[1])
    start = time.process_time()
    loop = Loop(
        torch.from_numpy(data["images"]),
        torch.from_numpy(data["labels"]),
        Momentum if "lean" in sys.argv[2:] else torch.optim.SGD,
    )
    started = time.process_time()
    for _ in range(loop.total):
        loop.step()
    print(time.process_time() - started, started - start, loop.total)
