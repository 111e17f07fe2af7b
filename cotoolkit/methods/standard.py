"""Clean training: the images as they are."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update


@METHODS.register("standard", "clean")
@dataclass(frozen=True, config=STRICT)
class Standard(Method):
    """Training on the images as they are; it has no settings.

    >>> Standard().cost_per_step()
    Cost(forward=1, backward=1, double_backward=0)
    """

    cost: ClassVar[Cost] = Cost(forward=1, backward=1)
    source: ClassVar[str] = "empirical risk minimisation, without an attack"
    family: ClassVar[Family] = "clean"
    formula: ClassVar[str] = "CE(x)"

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        logits = model(batch.images)
        losses = batch.cross_entropy(logits)
        update(losses.mean())
        return StepRecord(losses.detach(), logits.detach())
