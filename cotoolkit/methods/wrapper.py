"""What every wrapper around a method shares: it passes on what it does not change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.around_method import AroundMethod
from cotoolkit.methods.base import Cost, MethodField
from cotoolkit.methods.batch import TrainingSet
from cotoolkit.methods.fgsm import FGSM


@dataclass(frozen=True, config=STRICT)
class Wrapper(AroundMethod):
    """A method around another: memories are merged, costs and refusals are those of the inner method.

    Args:
        inner: any method, also another wrapper.
    """

    inner: MethodField = FGSM()

    @model_validator(mode="after")
    def _nested_once(self) -> Self:
        for part in self.inner.parts:
            if type(part) is type(self):
                raise ValueError(f"{self.name} stands around {self.name}; nest it once")
            if self.averages_weights and part.averages_weights:
                raise ValueError(f"{self.name} and {part.name} both average the weights; train with one of them")
        return self

    def own_memory(self, model: nn.Module) -> dict[str, Tensor]:
        """What the wrapper itself remembers; see `memory`."""
        return {}

    def own_averages(self, memory: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """The networks that the wrapper itself gives; see `averages`."""
        return {}

    @override
    def cost_per_step(self) -> Cost:
        return self.inner.cost_per_step()

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        own, inner = self.own_memory(model), super().memory(model, data, draws)
        if both := sorted(own.keys() & inner.keys()):
            raise ConfigError(f"{self.name} and {self.inner.name} both remember {both[0]}; train with one of them")
        return {**own, **inner}

    @override
    def averages(self, memory: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {**self.own_averages(memory), **self.inner.averages(memory)}
