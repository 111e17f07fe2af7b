"""Stochastic weight averaging: the mean of the weights at the ends of the last epochs, of any method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.averaging import AVERAGED, averaged, first_average, move_average
from cotoolkit.methods.base import METHODS, Cost, Family
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update
from cotoolkit.methods.wrapper import Wrapper

COUNT = "swa/networks"
"""In the memory: how many networks the average holds."""


@METHODS.register("swa", "SWA")
@dataclass(frozen=True, config=STRICT)
class SWA(Wrapper):
    """Average the weights at the end of each epoch from `start` on, all alike; the average is evaluated besides.

    Training itself is that of the inner method, to the bit, and the monitor watches the trained network. The averaged
    weights are far from each network that they are a mean of, so BatchNorm's statistics are not averaged but measured
    for them, as in the paper: over one epoch of the inner method's steps without updates, at the end of the run.

    The paper averages under a constant or cyclic learning rate; here the schedule is the run's. A run in which no epoch
    ends after `start` has no average.

    >>> SWA(inner="n_fgsm").cost_per_step()
    Cost(forward=2, backward=2, double_backward=0)

    Args:
        inner: any method.
        start: share of training before which no epoch counts.
    """

    start: Share = 0.75

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Izmailov et al., UAI 2018, alg. 1; in adversarial training Chen et al., ICLR 2021"
    family: ClassVar[Family] = "wrapper"
    formula: ClassVar[str] = "the inner method;  w' = mean of w at the ends of epochs"
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "ours",
        "start": "paper: 75 % of a usual budget, then once an epoch",
    }
    averages_weights: ClassVar[bool] = True

    @override
    def own_memory(self, model: nn.Module) -> dict[str, Tensor]:
        return {**first_average(model), COUNT: torch.zeros((), dtype=torch.int64)}

    @override
    def own_averages(self, memory: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {AVERAGED: averaged(memory, statistics=False)} if memory[COUNT] else {}

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        record = self.inner.step(model, batch, update)
        if batch.progress >= self.start and (batch.iteration + 1) % batch.epoch_length == 0:
            batch.memory[COUNT] += 1
            move_average(batch.memory, model, 1 / int(batch.memory[COUNT]))
        return record
