"""What the monitor sees, in TensorBoard and in a CSV file, through the loggers of Lightning Fabric.

    pip install tensorboard
    python examples/loggers.py logs && tensorboard --logdir logs

Any object with Fabric's `log_metrics(metrics, step)` will do, such as a `WandbLogger` of PyTorch Lightning.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from cotoolkit.interventions import Inject
from lightning_fabric.loggers import CSVLogger, TensorBoardLogger
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit import BreakpointMonitor
from cotoolkit.methods import FGSM
from cotoolkit.models import build_model
from cotoolkit.monitor.actions import Save, stop
from cotoolkit.monitor.config import MonitorConfig


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """8x8 images (1797, 1, 8, 8) with an injected feature that induces CO, in random order, and labels."""
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1)[order] / 16
    return Inject("paired", beta=0.15)(images, torch.tensor(load_digits().target)[order], classes=10)


def main(folder: str = "logs", seed: int = 0, epochs: int = 20) -> BreakpointMonitor:
    """Train until robustness is lost; logs and the weights before and after go to the folder."""
    images, labels = digits()
    torch.manual_seed(seed)
    loader = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=64, shuffle=True, drop_last=True)
    model = build_model("small_cnn", (1, 8, 8), 10, seed)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    loggers = [CSVLogger(folder, name="csv"), TensorBoardLogger(folder, name="tensorboard")]
    monitor = BreakpointMonitor(
        model,
        (images[1400:], labels[1400:]),
        epsilon=0.25,
        box="none",
        config=MonitorConfig(interval=40),
        method=FGSM(),
        on={"breakpoint": [Save(Path(folder) / "weights"), stop]},
        loggers=loggers,
        log_every=20,
        all_signals=True,  # also those of gradients
    )
    for _ in range(epochs):
        for x, y in loader:
            adversarial = monitor.attack(x, y).requires_grad_(monitor.trace)
            losses = F.cross_entropy(model(adversarial), y, reduction="none")
            optimizer.zero_grad()
            losses.mean().backward()
            optimizer.step()
            monitor.step(losses=losses, adversarial=adversarial)
            if monitor.should_stop:
                break
        if monitor.should_stop:
            break
    for logger in loggers:
        logger.finalize("success")
    return monitor


if __name__ == "__main__":
    main(*sys.argv[1:2])
