"""Rescue: the same FGSM training with and without it, judged by a PGD evaluation that the monitor knows nothing of.

python examples/rescue.py
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from cotoolkit.interventions import Inject
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit import BreakpointMonitor, ThreatModel
from cotoolkit.evaluation.protocol import evaluate
from cotoolkit.methods import FGSM
from cotoolkit.models import build_model
from cotoolkit.monitor.actions import Rescue
from cotoolkit.monitor.config import MonitorConfig

EPSILON = 0.25


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """8x8 images (1797, 1, 8, 8) with an injected feature that induces CO, in random order, and labels."""
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1)[order] / 16
    return Inject("paired", beta=0.15)(images, torch.tensor(load_digits().target)[order], classes=10)


def train(seed: int, *, rescue: bool, epochs: int) -> tuple[BreakpointMonitor, float]:
    """The monitor, and the PGD-50 accuracy on 200 test images."""
    images, labels = digits()
    torch.manual_seed(seed)
    loader = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=64, shuffle=True, drop_last=True)
    model = build_model("small_cnn", (1, 8, 8), 10, seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    monitor = BreakpointMonitor(
        model,
        (images[1400:1597], labels[1400:1597]),
        epsilon=EPSILON,
        box="none",
        config=MonitorConfig(interval=40),
        optimizer=optimizer,
        method=FGSM(),
        on={"breakpoint": Rescue()} if rescue else {},
    )
    for _ in range(epochs):
        for x, y in loader:
            adversarial = monitor.attack(x, y)  # FGSM; after a rescue N-FGSM
            losses = F.cross_entropy(model(adversarial), y, reduction="none")
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            monitor.step(losses=losses)
            if monitor.should_stop:  # a breakpoint for which no method was left
                break
    found = evaluate(model, images[1597:], labels[1597:], ThreatModel(EPSILON, box="none"), "pgd-50", seed=1)
    return monitor, found.accuracy.value


def main(seed: int = 0, epochs: int = 16) -> dict[str, float]:
    """PGD-50 accuracy without and with rescue."""
    robust = {}
    for name, rescue in (("without rescue", False), ("with rescue", True)):
        monitor, robust[name] = train(seed, rescue=rescue, epochs=epochs)
        dated = [event.iteration for event in monitor.events if event.kind == "breakpoint"]
        print(f"seed {seed}, {name}: PGD-50 {robust[name]:.1%}, breakpoints {dated}, trained on by {monitor.method}")
    return robust


if __name__ == "__main__":
    main()
