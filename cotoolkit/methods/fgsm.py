"""FGSM training: one full sign step from the image."""

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


@METHODS.register("fgsm", "FGSM")
@dataclass(frozen=True, config=STRICT)
class FGSM(AttackMethod):
    """One full sign step from the image: delta = alpha * sign(g(x)). With an l2 threat, FGM.

    >>> METHODS.parse({"name": "fgsm", "alpha": "51/255"})
    FGSM(alpha=0.2, bn_mode='train')

    Args:
        alpha: step in pixel units; None means epsilon.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    alpha: PixelLength | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Goodfellow et al., ICLR 2015, sections 4 and 6"
    family: ClassVar[Family] = "single step"
    formula: ClassVar[str] = "δ = P(α sign g(x));  CE(x + δ)"
    constants: ClassVar[Mapping[str, str]] = {
        "alpha": "paper: the radius",
        "bn_mode": "ours: attack and update see the same function; released code differs by method",
    }

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        return attacks.fgsm(model, batch.images, batch.labels, batch.threat, alpha=self.alpha, bn_mode=self.bn_mode)
