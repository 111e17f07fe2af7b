"""RS-FGSM training: one sign step from a random start in the ball, projected back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.numbers import PixelLength
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, Family
from cotoolkit.methods.batch import Batch
from cotoolkit.models.modes import BatchNormMode


@METHODS.register("rs_fgsm", "RS-FGSM", "fgsm_rs")
@dataclass(frozen=True, config=STRICT)
class RSFGSM(AttackMethod):
    """FGSM from a uniform start in the ball, projected back: delta = P(eta + alpha * sign(g(x + eta))).

    >>> METHODS.parse({"name": "rs_fgsm", "alpha": "51/255"})
    RSFGSM(alpha=0.2, bn_mode='train')

    Args:
        alpha: step in pixel units; None means 1.25 epsilon.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    alpha: PixelLength | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Wong et al., ICLR 2020, alg. 3"
    family: ClassVar[Family] = "single step"
    formula: ClassVar[str] = "δ = P(η + α sign g(x + η)), η ~ U(-ε, ε);  CE(x + δ)"
    constants: ClassVar[Mapping[str, str]] = {
        "alpha": "paper and code: 10/255 at 8/255",
        "bn_mode": "ours: attack and update see the same function; released code differs by method",
    }

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        return attacks.rs_fgsm(
            model,
            batch.images,
            batch.labels,
            batch.threat,
            generator=batch.generator,
            alpha=self.alpha,
            bn_mode=self.bn_mode,
        )
