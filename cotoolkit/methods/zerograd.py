"""ZeroGrad training: RS-FGSM that does not step along the smallest entries of the gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult, input_gradient
from cotoolkit.core.numbers import PixelLength, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, Family
from cotoolkit.methods.batch import Batch
from cotoolkit.models.modes import BatchNormMode, attack_mode


def above_quantile(values: Tensor, quantile: float) -> Tensor:
    """Where each sample's values reach the quantile of that sample, in the linear definition of `torch.quantile`.

    >>> above_quantile(torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 0.35)
    tensor([[False, False,  True,  True]])

    Args:
        values: (B, ...).
        quantile: in [0, 1]; at 0 all values reach it.

    Returns:
        (B, ...) bool.
    """
    rows = values.flatten(1)
    # What lies below an interpolated quantile lies below the next larger value; this knows no largest size.
    rank = math.ceil(round(quantile * (rows.shape[1] - 1), 6)) + 1
    return (rows >= rows.kthvalue(rank, dim=1, keepdim=True).values).view_as(values)


@METHODS.register("zerograd", "ZeroGrad", "zero_grad")
@dataclass(frozen=True, config=STRICT)
class ZeroGrad(AttackMethod):
    """FGSM from a uniform start, where each sample's gradient entries below a quantile of their size count as zero.

    The default of `zeroed` is what the released code does, from which the published numbers come: a pixel without a
    step keeps its random start. In the paper's words the perturbation there is zero.

    >>> METHODS.parse({"name": "zerograd", "quantile": 0.7})
    ZeroGrad(quantile=0.7, zeroed='start', alpha=None, bn_mode='train')

    Args:
        quantile: of the absolute gradient within a sample, in [0, 1]; 0 zeroes nothing, which is RS-FGSM.
        zeroed: the perturbation where the gradient counts as zero: "start", the random one (released code), or "zero"
            (paper).
        alpha: step in pixel units; None means 2 epsilon.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    quantile: Share = 0.35
    zeroed: Literal["start", "zero"] = "start"
    alpha: PixelLength | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Golgooni et al., arXiv 2103.15476; rohban-lab/catastrophic_overfitting"
    family: ClassVar[Family] = "single step"
    formula: ClassVar[str] = "δ = P(η + 2ε sign g'(x + η)), η ~ U(-ε, ε), g' = g but 0 below its quantile;  CE(x + δ)"
    constants: ClassVar[Mapping[str, str]] = {
        "quantile": "code: 0.35 for CIFAR-10, 0.45 for CIFAR-100, 0.7 for SVHN",
        "zeroed": "code: the start stays; paper: zero",
        "alpha": "code: twice the radius",
        "bn_mode": "ours: as every method here; the code attacks in train mode and moves the running statistics",
    }

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        images, threat = batch.images, batch.threat
        start = threat.random_start(images, batch.generator)
        with attack_mode(model, self.bn_mode):
            found = input_gradient(model, images + start, batch.labels)
        kept = above_quantile(found.gradient.abs(), self.quantile)
        step = 2 * threat.epsilon if self.alpha is None else self.alpha
        delta = start + step * threat.steepest(torch.where(kept, found.gradient, 0))
        if self.zeroed == "zero":
            delta = torch.where(kept, delta, 0)
        return AttackResult(threat.project(images, delta), *found, start)
