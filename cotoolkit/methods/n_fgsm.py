"""N-FGSM training: one sign step from a large random start, not projected back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.numbers import NonNegative, PixelLength
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, Family
from cotoolkit.methods.batch import Batch
from cotoolkit.models.modes import BatchNormMode


@METHODS.register("n_fgsm", "N-FGSM")
@dataclass(frozen=True, config=STRICT)
class NFGSM(AttackMethod):
    """FGSM from a large uniform start, without projecting back: delta = eta + alpha * sign(g(x + eta)).

    >>> METHODS.parse({"name": "n_fgsm", "k": 3})
    NFGSM(k=3.0, alpha=None, bn_mode='train')

    Args:
        k: the start is uniform in k times the ball. The paper uses 2, and 3 or 4 at some large radii.
        alpha: step in pixel units; None means epsilon.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    k: NonNegative = 2.0
    alpha: PixelLength | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "de Jorge et al., NeurIPS 2022, alg. 1"
    family: ClassVar[Family] = "single step"
    formula: ClassVar[str] = "δ = η + α sign g(x + η), η ~ U(-kε, kε), no P;  CE(x + δ)"
    constants: ClassVar[Mapping[str, str]] = {
        "k": "paper: 2, but 3 for SVHN at 12/255 and 4 for WideResNet at 16/255",
        "alpha": "paper: the radius",
        "bn_mode": "ours: attack and update see the same function; released code differs by method",
    }

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        return attacks.n_fgsm(
            model,
            batch.images,
            batch.labels,
            batch.threat,
            generator=batch.generator,
            k=self.k,
            alpha=self.alpha,
            bn_mode=self.bn_mode,
        )
