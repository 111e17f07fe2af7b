"""The loop of attacks that leave a point alone once it is fooled: batch by batch, which points are not fooled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import holds
from cotoolkit.models.modes import attack_mode


@dataclass
class AttackedBatch:
    """A batch under attack, as the attack sees it.

    Attributes:
        images: (B, C, H, W), all of the batch.
        labels: (B,).
        alive: (A,), indices of the points that nothing has fooled so far.
        logits: (A, classes), of those points at the latest perturbation.
        held: bool, of the points that were attacked by the latest perturbation, those that it did not fool.
    """

    images: Tensor
    labels: Tensor
    alive: Tensor
    logits: Tensor = field(init=False)
    held: Tensor = field(init=False)

    def attempt(self, model: nn.Module, delta: Tensor) -> None:
        """Try a perturbation (A, C, H, W), and take out the points that it fools.

        Args:
            model: logits out.
            delta: (A, C, H, W), of the points that are alive.
        """
        with torch.no_grad():
            logits = model(self.images[self.alive] + delta)
        self.held = holds(logits, self.labels[self.alive])
        self.alive, self.logits = self.alive[self.held], logits[self.held]


Attempts = Callable[[AttackedBatch], Iterator[Tensor]]
"""An attack: one perturbation (A, C, H, W) after the other, of the points that are alive."""


def unfooled(model: nn.Module, images: Tensor, labels: Tensor, attempts: Attempts, batch_size: int) -> Tensor:
    """Which points an attack does not fool: those that are right at the image and under every perturbation tried.

    Args:
        model: logits out, on the images' device; attacked in eval mode.
        images: (N, C, H, W).
        labels: (N,).
        attempts: the attack; called for each batch, which it may not finish: no point alive, no further attempt.
        batch_size: points attacked together.

    Returns:
        (N,) bool.
    """
    correct = torch.zeros(len(images), dtype=torch.bool, device=images.device)
    with attack_mode(model, "eval"):
        for first in range(0, len(images), batch_size):
            part = slice(first, first + batch_size)
            batch = AttackedBatch(images[part], labels[part], torch.arange(len(labels[part]), device=labels.device))
            batch.attempt(model, torch.zeros_like(batch.images))
            for delta in attempts(batch):
                if len(batch.alive) == 0:
                    break
                batch.attempt(model, delta)
            correct[first + batch.alive] = True
    return correct
