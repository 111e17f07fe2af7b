"""PGD training: several projected sign steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.numbers import PixelLength, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, Family
from cotoolkit.methods.batch import Batch
from cotoolkit.models.modes import BatchNormMode


@METHODS.register("pgd", "PGD")
@dataclass(frozen=True, config=STRICT)
class PGD(AttackMethod):
    """Multi-step adversarial training, the control without catastrophic overfitting.

    >>> PGD(steps=2).cost_per_step()
    Cost(forward=3, backward=3, double_backward=0)

    Args:
        steps: gradient steps of the attack.
        alpha: step in pixel units; None means 2.5 epsilon / steps (2/255 at 8/255 and 10 steps).
        random_start: uniform in the ball; otherwise the image.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    steps: Annotated[Whole, Ge(1)] = 10
    alpha: PixelLength | None = None
    random_start: bool = True
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=11, backward=11)
    source: ClassVar[str] = "Madry et al., ICLR 2018, eq. 2.1"
    family: ClassVar[Family] = "multi-step"
    formula: ClassVar[str] = "δ ← P(δ + α sign g(x + δ)), steps times, from U(-ε, ε);  CE(x + δ)"
    constants: ClassVar[Mapping[str, str]] = {
        "steps": "paper: 7 and 10 are customary",
        "alpha": "customary: 2/255 at 8/255 and 10 steps",
        "random_start": "paper: from a random start",
        "bn_mode": "ours: attack and update see the same function; released code differs by method",
    }

    @override
    def cost_per_step(self) -> Cost:
        return Cost(forward=self.steps + 1, backward=self.steps + 1)

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        return attacks.pgd(
            model,
            batch.images,
            batch.labels,
            batch.threat,
            generator=batch.generator if self.random_start else None,
            steps=self.steps,
            alpha=self.alpha,
            bn_mode=self.bn_mode,
        )
