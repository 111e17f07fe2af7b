"""An exponential moving average of the weights, over the steps of any method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge, Lt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import Number
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.averaging import AVERAGED, averaged, first_average, move_average
from cotoolkit.methods.base import METHODS, Cost, Family
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update
from cotoolkit.methods.wrapper import Wrapper


@METHODS.register("ema", "EMA")
@dataclass(frozen=True, config=STRICT)
class EMA(Wrapper):
    """Average the weights: w' <- d w' + (1 - d) w after each step; the averaged network is evaluated besides.

    Training itself is that of the inner method, to the bit, and the monitor watches the trained network. BatchNorm's
    running statistics are averaged like the weights, as in the released code of NuAT and FastAT: the average holds
    networks of the last 1 / (1 - d) steps, whose statistics are close to one another.

    >>> EMA(inner="n_fgsm", decay=0.995).cost_per_step()
    Cost(forward=2, backward=2, double_backward=0)

    Args:
        inner: any method.
        decay: d, in [0, 1). NuAT-WA has 0.9998, FastAT's PGD-AT-WA 0.9995, LAW 0.999.
        warmup: d = min(decay, (1 + t) / (10 + t)) at step t, so that a short run is no average of its random start. The
            two repositories start at the random weights without it.
    """

    decay: Annotated[Number, Ge(0), Lt(1)] = 0.999
    warmup: bool = True

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "weight averaging: Polyak & Juditsky, 1992; in single-step training NuAT-WA, NeurIPS 2021"
    family: ClassVar[Family] = "wrapper"
    formula: ClassVar[str] = "the inner method;  w' ← d w' + (1 - d) w after each step"
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "ours",
        "decay": "LAW: 0.999",
        "warmup": "TensorFlow's ExponentialMovingAverage (num_updates); ours to use it here",
    }
    averages_weights: ClassVar[bool] = True

    @override
    def own_memory(self, model: nn.Module) -> dict[str, Tensor]:
        return first_average(model)

    @override
    def own_averages(self, memory: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {AVERAGED: averaged(memory)}

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        record = self.inner.step(model, batch, update)
        now = batch.iteration + 1
        decay = min(self.decay, (1 + now) / (10 + now)) if self.warmup else self.decay
        move_average(batch.memory, model, 1 - decay)
        return record
