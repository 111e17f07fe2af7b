"""The monitor with accelerate: bfloat16 autocast, and two batches to an update.

python examples/accelerate_bf16_accumulation.py
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from cotoolkit.interventions import Inject
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit import BreakpointMonitor
from cotoolkit.methods import FGSM
from cotoolkit.models import build_model
from cotoolkit.monitor.config import MonitorConfig

ACCUMULATED = 2


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    """8x8 images (1797, 1, 8, 8) with an injected feature that induces CO, in random order, and labels."""
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1)[order] / 16
    return Inject("paired", beta=0.15)(images, torch.tensor(load_digits().target)[order], classes=10)


def main(seed: int = 0, epochs: int = 20, *, cpu: bool = False, precision: str = "bf16") -> BreakpointMonitor:
    """Train until robustness is lost."""
    accelerator = Accelerator(mixed_precision=precision, gradient_accumulation_steps=ACCUMULATED, cpu=cpu)
    images, labels = digits()
    torch.manual_seed(seed)
    data = TensorDataset(images[:1400], labels[:1400])
    model = build_model("small_cnn", (1, 8, 8), 10, seed)
    model, optimizer, loader = accelerator.prepare(
        model,
        torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4),
        DataLoader(data, batch_size=32, shuffle=True, drop_last=True),
    )
    monitor = BreakpointMonitor(
        model,
        (images[1400:], labels[1400:]),
        epsilon=0.25,
        box="none",
        config=MonitorConfig(interval=40),
        method=FGSM(),
    )
    for _ in range(epochs):
        for x, y in loader:
            with accelerator.accumulate(model):
                adversarial = monitor.attack(x, y)
                losses = F.cross_entropy(model(adversarial), y, reduction="none")
                accelerator.backward(losses.mean())  # accelerate divides it by ACCUMULATED
                optimizer.step()
                optimizer.zero_grad()
            monitor.observe(losses=losses)
            if accelerator.sync_gradients:
                monitor.step()  # an iteration is an update
            if monitor.broken:
                return monitor
    return monitor


if __name__ == "__main__":
    main()
