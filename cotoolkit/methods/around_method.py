"""What a method shares that stands around another one: it refuses and remembers what that one does."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.methods.base import Method, RunSettings
from cotoolkit.methods.batch import TrainingSet


class AroundMethod(Method):
    """A method around another, be it a whole method or the attack that is trained on.

    Attributes:
        inner: the other method.
    """

    inner: Method

    @override
    def updates_per_step(self) -> int:
        return self.inner.updates_per_step()

    @override
    def check_config(self, config: RunSettings) -> None:
        self.inner.check_config(config)

    @override
    def check_data(self, images: int) -> None:
        self.inner.check_data(images)

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return self.inner.memory(model, data, draws)
