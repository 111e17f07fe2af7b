"""ELLE-A: ELLE whose weight is switched on where the loss suddenly stops being linear, and fades."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Lt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.switch import Switch
from cotoolkit.methods.base import METHODS
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.elle import ELLE


@METHODS.register("elle_a", "ELLE-A")
@dataclass(frozen=True, config=STRICT)
class AdaptiveELLE(ELLE):
    """ELLE whose weight starts at 0 and is switched on where the error exceeds its running mean by some deviations.

    In every other step the weight fades by `decay`. Mean and standard deviation are of all errors before this one, from
    the fourth on. The authors' code for CIFAR-10 decides on the weight after the backward pass, so it acts in the next
    step; that for ImageNet decides before. The constants come from the former, and so does the default of `acts`.

    Args:
        inner: the attack trained on.
        weight: where it is switched on; None means the authors' 4000 at every radius.
        noise: where the random points lie: "ball" as in the code for CIFAR-10, "ball_and_box" as in that for ImageNet.
        bn_mode: BatchNorm in the pass at the random points, see `models.modes.BatchNormMode`.
        sensitivity: standard deviations above the mean that switch it on.
        decay: factor of the weight in every other step.
        acts: "next_step" as in the code for CIFAR-10, "same_step" as in that for ImageNet.
    """

    sensitivity: NonNegative = 2.0
    decay: Annotated[Share, Lt(1)] = 0.99
    acts: Literal["next_step", "same_step"] = "next_step"

    formula: ClassVar[str] = ELLE.formula + ", λ ← 4000 where that mean exceeds its running mean by 2 σ, else 0.99 λ"
    constants: ClassVar[Mapping[str, str]] = {
        **ELLE.constants,
        "weight": "code: 4000 for CIFAR-10 (20000 for ImageNet)",
        "sensitivity": "code: 2",
        "decay": "code: 0.99",
        "acts": "code: in the next step for CIFAR-10, at once for ImageNet",
    }

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return super().memory(model, data, draws) | Switch.memory()

    @override
    def weight_of(self, batch: Batch, error: Tensor) -> Tensor:
        before = batch.memory["switch/weight"]
        on = 4000.0 if self.weight is None else self.weight
        after = Switch(on, self.sensitivity, self.decay).turned(batch.memory, error)
        return before if self.acts == "next_step" else after
