"""The monitor as a callback of PyTorch Lightning: FGSM training overfits catastrophically, and the trainer stops.

pip install 'cotoolkit[lightning]'
python examples/lightning_callback.py
"""

from __future__ import annotations

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from cotoolkit.interventions import Inject
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit.integrations.lightning import BreakpointCallback
from cotoolkit.models import build_model
from cotoolkit.monitor.actions import stop
from cotoolkit.monitor.config import MonitorConfig

EPSILON = 0.25


def digits() -> tuple[Tensor, Tensor]:
    """8x8 images (1797, 1, 8, 8) with an injected feature that induces CO, in random order, and labels."""
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    images = torch.tensor(load_digits().images, dtype=torch.float32).unsqueeze(1)[order] / 16
    return Inject("paired", beta=0.15)(images, torch.tensor(load_digits().target)[order], classes=10)


class FastTraining(pl.LightningModule):
    """FGSM adversarial training, as one would write it without the monitor."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.model = build_model("small_cnn", (1, 8, 8), 10, seed)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> dict[str, Tensor]:
        """Every key but `loss`, which Lightning asks for, is there for the monitor."""
        images, labels = batch
        clean = images.clone().requires_grad_()
        start_losses = F.cross_entropy(self.model(clean), labels, reduction="none")
        (gradient,) = torch.autograd.grad(start_losses.mean(), clean)
        adversarial = images + EPSILON * gradient.sign()
        losses = F.cross_entropy(self.model(adversarial), labels, reduction="none")
        return {"loss": losses.mean(), "losses": losses, "start_losses": start_losses}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)


def main(seed: int = 0, epochs: int = 20) -> BreakpointCallback:
    """Train until robustness is lost."""
    images, labels = digits()
    torch.manual_seed(seed)
    loader = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=64, shuffle=True, drop_last=True)
    callback = BreakpointCallback(
        (images[1400:], labels[1400:]),
        network="model",
        epsilon=EPSILON,
        box="none",
        config=MonitorConfig(interval=40),
        on={"breakpoint": stop},
    )
    trainer = pl.Trainer(
        max_epochs=epochs, callbacks=[callback], logger=False, enable_checkpointing=False, enable_model_summary=False
    )
    trainer.fit(FastTraining(seed), loader)
    return callback


if __name__ == "__main__":
    main()
