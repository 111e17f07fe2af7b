"""The monitor in a plain PyTorch loop: FGSM training overfits catastrophically, and is stopped there.

    python examples/plain_loop.py

Digits with an injected feature that makes FGSM training do so (Ortiz-Jimenez et al., TMLR 2023).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from cotoolkit.interventions import Inject
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit import BreakpointMonitor
from cotoolkit.models import build_model
from cotoolkit.monitor.config import MonitorConfig

EPSILON = 0.25


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """8x8 images (1797, 1, 8, 8) with the feature, in random order, and labels."""
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1)[order] / 16
    labels = torch.tensor(load_digits().target)[order]
    return Inject("paired", beta=0.15)(images, labels, classes=10)


def main(seed: int = 0) -> BreakpointMonitor:
    """Train until robustness is lost."""
    images, labels = digits()
    torch.manual_seed(seed)
    loader = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=64, shuffle=True, drop_last=True)
    model = build_model("small_cnn", (1, 8, 8), 10, seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)

    # The images leave [0, 1], hence the box; the default interval of 500 iterations is long for so short a training.
    monitor = BreakpointMonitor(
        model, (images[1400:], labels[1400:]), epsilon=EPSILON, box="none", config=MonitorConfig(interval=40)
    )
    for _ in range(20):
        for x, y in loader:
            x.requires_grad_()
            start_losses = F.cross_entropy(model(x), y, reduction="none")
            (gradient,) = torch.autograd.grad(start_losses.mean(), x)
            adversarial = (x + EPSILON * gradient.sign()).detach()
            losses = F.cross_entropy(model(adversarial), y, reduction="none")
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()

            monitor.step(losses=losses, start_losses=start_losses)  # which are there anyway
            if monitor.broken:  # the monitor has logged the breakpoint
                return monitor
    return monitor


if __name__ == "__main__":
    main()
