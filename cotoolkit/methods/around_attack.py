"""What every method shares that trains on the images another method attacks: it refuses what that one refuses."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.methods.base import AttackMethod, Method, RunSettings
from cotoolkit.methods.batch import TrainingSet


class AroundAttack(Method):
    """Training on the images that another method attacks; memory and refusals are those of the attack.

    Attributes:
        inner: the attack trained on.
    """

    inner: AttackMethod

    @override
    def check_config(self, config: RunSettings) -> None:
        self.inner.check_config(config)

    @override
    def check_data(self, images: int) -> None:
        self.inner.check_data(images)

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return self.inner.memory(model, data, draws)
