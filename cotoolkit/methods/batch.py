"""What a method trains on in one step: images and labels, the threat model, chance, and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.data.augment import Augmentation


class TrainingSet(NamedTuple):
    """What a method may know of a run's data before the first step.

    Attributes:
        images: how many are trained on, N.
        shape: (C, H, W) of one.
        classes: number of classes.
    """

    images: int
    shape: tuple[int, int, int]
    classes: int


@dataclass(frozen=True)
class Batch:
    """What a method trains on in one step.

    Attributes:
        images: (B, C, H, W) float32 in [0, 1], or beyond it where an intervention left the box.
        labels: (B,) int64.
        threat: the threat model at its current radius (the trainer may warm it up).
        generator: source of the attack's random numbers.
        trace: keep the input gradient of the update pass, for the signals.
        progress: share of training that is done, in [0, 1): what warm-ups and ramps go by.
        indices: (B,) int64, positions in the training set; None where nobody knows them.
        targets: (B, classes), the distribution over classes that the loss asks for; None asks for the labels.
        memory: what the method remembers from step to step, see `Method.memory`.
        iteration: updates done.
        epoch_length: iterations of an epoch.
        augmentation: crops and flips that made the images of those of the training set; None for none.
        classes: number of classes; None where nobody knows it.
    """

    images: Tensor
    labels: Tensor
    threat: ThreatModel
    generator: torch.Generator
    trace: bool = True
    progress: float = 0.0
    indices: Tensor | None = None
    targets: Tensor | None = None
    memory: dict[str, Tensor] = field(default_factory=dict)
    iteration: int = 0
    epoch_length: int = 1
    augmentation: Augmentation | None = None
    classes: int | None = None

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.iteration // self.epoch_length

    @property
    def wanted(self) -> Tensor:
        """What the loss asks for: the targets (B, classes), or else the labels (B,)."""
        return self.labels if self.targets is None else self.targets

    def cross_entropy(self, logits: Tensor) -> Tensor:
        """The loss of a sample: cross-entropy with its targets, or else with its label.

        Args:
            logits: (B, classes).

        Returns:
            (B,) float32.
        """
        return F.cross_entropy(logits.float(), self.wanted, reduction="none")

    def recalled(self, name: str) -> Tensor:
        """What is remembered of the batch's images, cropped and flipped as they are.

        Args:
            name: in the memory, of a tensor (N, C, H, W) with a row for each image of the training set.

        Returns:
            (B, C, H, W), a copy.
        """
        assert self.indices is not None
        rows = self.memory[name][self.indices]
        return rows if self.augmentation is None else self.augmentation(rows, self.indices)

    def remember(self, name: str, rows: Tensor) -> None:
        """Inverse of `recalled`: pixels that the crop left out keep what they were.

        Args:
            name: in the memory.
            rows: (B, C, H, W), of the batch's images.
        """
        assert self.indices is not None
        bank = self.memory[name]
        rows = rows.detach().to(bank)
        if self.augmentation is not None:
            rows = self.augmentation.undone(rows, self.indices, bank[self.indices])
        bank[self.indices] = rows
