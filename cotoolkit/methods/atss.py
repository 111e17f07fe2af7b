"""ATSS training: RS-FGSM whose step is the longer, the less alike a sample's random start and its gradient are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult, input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.numbers import NonNegative, PixelLength
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.one_process import require_one_process
from cotoolkit.methods.base import METHODS, AttackMethod, Cost, Family
from cotoolkit.methods.batch import Batch
from cotoolkit.models.modes import BatchNormMode, attack_mode


def noise_similarity(noise: Tensor, gradient: Tensor) -> Tensor:
    """Distance plus cosine between noise and gradient, each standardised over the batch.

    Args:
        noise: (B, ...), of the unit ball.
        gradient: (B, ...), of the batch's mean loss; its scale matters to the distance.

    Returns:
        (B,), of mean 0; 0 for a batch of one.
    """
    noise, gradient = noise.flatten(1), gradient.flatten(1)
    cosine = torch.cosine_similarity(noise, gradient, eps=torch.finfo(gradient.dtype).tiny)
    return _standardised((noise - gradient).norm(dim=1)) + _standardised(cosine)


def _standardised(values: Tensor) -> Tensor:
    deviation = values.std(correction=min(1, len(values) - 1))
    return (values - values.mean()) / deviation.clamp_min(1e-9)


@METHODS.register("atss", "ATSS")
@dataclass(frozen=True, config=STRICT)
class ATSS(AttackMethod):
    """delta = P(eta + (1 - beta s) alpha sign(g(x + eta))), s = `noise_similarity`; s is 0 on average over the batch.

    The paper's code was not found. This is what a public re-implementation does: the noise is compared before it is
    scaled by epsilon and clipped to the box, the gradient is that of the batch's mean loss, and a step may turn
    negative.

    >>> METHODS.parse("atss").cost_per_step()
    Cost(forward=2, backward=2, double_backward=0)

    Args:
        beta: how much the similarity counts; 0 gives RS-FGSM with a step of alpha.
        alpha: mean step in pixel units; None means epsilon.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    beta: NonNegative = 0.5
    alpha: PixelLength | None = None
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Zhao et al., PLOS ONE 2025, 0317023, as in noameron5/fgsm-catastrophic-overfitting"
    family: ClassVar[Family] = "single step"
    formula: ClassVar[str] = (
        "δ = P(εη + (1 - β s) ε sign g(x + εη)), η ~ U(-1, 1), s = standardised ‖η - g‖ + standardised cos(η, g);  "
        "CE(x + δ)"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "beta": "re-implementation: 0.5",
        "alpha": "re-implementation: the radius",
        "bn_mode": "ours: as every method here; the re-implementation moves the running statistics",
    }

    @override
    def attack(self, model: nn.Module, batch: Batch) -> AttackResult:
        require_one_process(self.name, "it compares the samples of the whole batch")
        images, threat = batch.images, batch.threat
        noise = ThreatModel(1.0, threat.norm, "none").random_start(images, batch.generator)
        start = threat.project(images, threat.epsilon * noise)
        with attack_mode(model, self.bn_mode):
            found = input_gradient(model, images + start, batch.labels)
        similarity = noise_similarity(noise, found.gradient / len(images))
        step = (1 - self.beta * similarity) * (threat.epsilon if self.alpha is None else self.alpha)
        moved = start + step.view(-1, *[1] * (images.ndim - 1)) * threat.steepest(found.gradient)
        return AttackResult(threat.project(images, moved), *found, start)
