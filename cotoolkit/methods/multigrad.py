"""MultiGrad training: one sign step along the entries whose gradient keeps its sign at several random starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

import torch
from annotated_types import Ge
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult, input_gradient
from cotoolkit.core.numbers import PixelLength, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.linf_only import require_linf
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, Family, RunSettings
from cotoolkit.methods.batch import Batch
from cotoolkit.models.modes import BatchNormMode, attack_mode


@METHODS.register("multigrad", "MultiGrad", "multi_grad")
@dataclass(frozen=True, config=STRICT)
class MultiGrad(AttackMethod):
    """One sign step from the image itself, along the signs that the gradients at several random starts agree on.

    The starts go through the network one after the other, so that each has its own batch statistics: the released
    code's default, and what its published commands run. The record's gradient is that of the first start.

    >>> MultiGrad(samples=4).cost_per_step()
    Cost(forward=5, backward=5, double_backward=0)

    Args:
        samples: random starts, at least 1.
        agreeing: how many starts have to agree on a sign, more than half of them; None means all.
        alpha: step in pixel units; None means 2 epsilon, so that the step is epsilon after projection.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.

    Raises:
        ConfigError: from `check_config`: an l2 threat, whose gradients have no signs to agree on.
    """

    samples: Annotated[Whole, Ge(1)] = 3
    agreeing: Whole | None = None
    alpha: PixelLength | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=4, backward=4)
    source: ClassVar[str] = "Golgooni et al., arXiv 2103.15476; rohban-lab/catastrophic_overfitting"
    family: ClassVar[Family] = "single step"
    formula: ClassVar[str] = "δ = P(2ε sign Σ sign g(x + ηᵢ)) where n signs agree, else 0, ηᵢ ~ U(-ε, ε);  CE(x + δ)"
    constants: ClassVar[Mapping[str, str]] = {
        "samples": "code: 3",
        "agreeing": "code: all",
        "alpha": "code: twice the radius",
        "bn_mode": "ours: as every method here; the code attacks in train mode and moves the running statistics",
    }

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.agreeing is not None and not self.samples < 2 * self.agreeing <= 2 * self.samples:
            raise ValueError(f"agreeing={self.agreeing}: more than half of the {self.samples} samples, and at most all")
        return self

    @override
    def cost_per_step(self) -> Cost:
        return Cost(forward=self.samples + 1, backward=self.samples + 1)

    @override
    def check_config(self, config: RunSettings) -> None:
        require_linf(config.threat, self.name, "it counts signs")

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        images, threat = batch.images, batch.threat
        starts = [threat.random_start(images, batch.generator) for _ in range(self.samples)]
        with attack_mode(model, self.bn_mode):
            found = [input_gradient(model, images + start, batch.labels) for start in starts]
        signs = torch.stack([one.gradient.sign() for one in found])
        majority = signs.sum(0).sign()
        agreeing = self.samples if self.agreeing is None else self.agreeing
        agreed = torch.where((signs == majority).sum(0) >= agreeing, majority, 0)
        step = 2 * threat.epsilon if self.alpha is None else self.alpha
        return AttackResult(threat.project(images, step * agreed), *found[0], starts[0])
