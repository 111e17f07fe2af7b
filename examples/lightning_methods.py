"""Every training method of cotoolkit in PyTorch Lightning: one LightningModule, whatever the method's family.

python examples/lightning_methods.py gradalign          (after pip install 'cotoolkit[lightning]')

Methods attack, weigh and regularise in a step of their own; some update several times, or remember what they saw. So
the module optimises by hand, has their memory in its checkpoints, and measures robust accuracy as a metric.
"""

from __future__ import annotations

import sys
from typing import Any

import pytorch_lightning as pl
import torch
from cotoolkit.interventions import Inject
from sklearn.datasets import load_digits
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.integrations.lightning import BreakpointCallback
from cotoolkit.integrations.torchmetrics import RobustAccuracy
from cotoolkit.methods import METHODS, Batch, TrainingSet
from cotoolkit.models import build_model
from cotoolkit.monitor.config import MonitorConfig

THREAT = ThreatModel(0.25, box="none")
DATA = TrainingSet(images=1400, shape=(1, 8, 8), classes=10)


class MethodModule(pl.LightningModule):
    """Trains by a method, given by name or with its settings: `{"name": "pgd", "steps": 5}`."""

    def __init__(self, method: Any, seed: int = 0) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.method, self.seed = METHODS.parse(method), seed
        self.model = build_model("small_cnn", DATA.shape, DATA.classes, seed)
        self.memory = self.method.memory(self.model, DATA, generator(seed, "memory"))
        self.robust = RobustAccuracy(THREAT, "pgd-10", model=self.model)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD."""
        return torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What the method remembers is a part of the training's state."""
        checkpoint["memory"] = self.memory

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Inverse of `on_save_checkpoint`."""
        self.memory.update(checkpoint["memory"])

    def training_step(self, batch: list[Tensor], index: int) -> dict[str, Tensor]:
        """One step of the method; what it leaves behind is for the monitor."""
        images, labels, indices = batch
        self.memory.update({name: kept.to(self.device) for name, kept in self.memory.items()})
        length = self.trainer.num_training_batches
        done = self.current_epoch * length + index
        draws, share = generator(self.seed, "attack", done, self.device), done / self.trainer.estimated_stepping_batches
        given = Batch(
            images, labels, THREAT, draws, indices=indices, memory=self.memory, progress=share, iteration=done,
            epoch_length=length, classes=DATA.classes,
        )  # fmt: skip
        record = self.method.step(self.model, given, self.update)
        adversarial = {} if record.delta is None else {"adversarial": images + record.delta}
        return {"losses": record.losses, "logits": record.logits, "labels": labels, "images": images, **adversarial}

    def update(self, loss: Tensor) -> None:
        """What a method calls once or more in a step."""
        self.optimizers().zero_grad()
        self.manual_backward(loss)
        self.optimizers().step()

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        """Counts of all batches, and of all processes, are added before the share is taken."""
        self.robust.update(*batch)
        self.log("robust_accuracy", self.robust, prog_bar=True)


def main(method: Any = "n_fgsm", epochs: int = 5, **options: Any) -> tuple[MethodModule, pl.Trainer]:
    """Train on digits with an injected feature that makes FGSM training lose its robustness."""
    pixels, labels = (torch.tensor(part) for part in load_digits(return_X_y=True))
    images, labels = Inject("paired", beta=0.15)(pixels.float().view(-1, 1, 8, 8) / 16, labels, classes=10)
    parts = TensorDataset(images[:1400], labels[:1400], torch.arange(1400)), TensorDataset(images[1400:], labels[1400:])
    config = MonitorConfig(interval=40)
    callback = BreakpointCallback(parts[1][:], network="model", epsilon=THREAT.epsilon, box="none", config=config)
    trainer, module = pl.Trainer(max_epochs=epochs, callbacks=[callback], **options), MethodModule(method)
    trainer.fit(module, DataLoader(parts[0], 64, shuffle=True, drop_last=True), DataLoader(parts[1], 200))
    return module, trainer


if __name__ == "__main__":
    main(*sys.argv[1:2])
