"""GradSum: FGSM training that keeps the input gradients short at random points of the ball."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult, input_gradient
from cotoolkit.core.numbers import NonNegative, PixelLength
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.one_process import require_one_process
from cotoolkit.methods._terms.random_points import random_points
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import BatchNormMode, attack_mode


@METHODS.register("gradsum", "GradSum")
@dataclass(frozen=True, config=STRICT)
class GradSum(Method):
    """FGSM plus weight * the l2 norm, over the whole batch, of the mean loss's gradient at random points of the ball.

    As the norm is of the gradient of the mean over B samples, and over all of them, it shrinks like 1 / sqrt(B) where
    gradients keep their length: the published weight is for batches of 256.

    In the authors' recipe the attack starts at the image, and the random points have a pass of their own. With
    `start="random"` the attack starts at the random points and shares its pass with them. Their code offers that, but
    detaches the gradient first, so that its term trains nothing; here it does.

    Measures: `summed_norm`, before its weight.

    >>> GradSum(start="random").cost_per_step()
    Cost(forward=2, backward=3, double_backward=1)

    Args:
        weight: of the norm.
        start: of the attack: "image", or "random", uniform in the ball.
        alpha: step in pixel units; None means epsilon.
        bn_mode: BatchNorm during the attack and the term, see `models.modes.BatchNormMode`.
    """

    weight: NonNegative = 10.0
    start: Literal["image", "random"] = "image"
    alpha: PixelLength | None = None
    bn_mode: BatchNormMode = "train"

    # Backward: the attack, the gradient at the random points, and the update through both, doubly at these.
    cost: ClassVar[Cost] = Cost(forward=3, backward=4, double_backward=1)
    source: ClassVar[str] = (
        "github.com/CharlesJames13586/Improving-Single-Step-Adversarial-Training-By-Local-Smoothing, README and results"
    )
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = (
        "δ as FGSM;  CE(x + δ) + λ ‖∇ mean CE(x + η)‖₂, η ~ U(-ε, ε), the norm over the whole batch"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "weight": "code: 10 at 8/255 and at 16/255, batches of 256",
        "start": "code: the image in the README's commands",
        "alpha": "code: the radius",
        "bn_mode": "code: in train mode",
    }

    @override
    def cost_per_step(self) -> Cost:
        apart = self.start == "image"
        return Cost(forward=2 + apart, backward=3 + apart, double_backward=1)

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        require_one_process(self.name, "it takes the norm of the whole batch's gradient")
        images, threat = batch.images, batch.threat
        step = threat.epsilon if self.alpha is None else self.alpha
        with attack_mode(model, self.bn_mode):
            if self.start == "random":
                start = threat.random_start(images, batch.generator)
                first = input_gradient(model, images + start, batch.labels, create_graph=True)
                moving = first.gradient
            else:
                start = torch.zeros_like(images)
                first = input_gradient(model, images, batch.labels)
                noisy = random_points(batch, "ball")
                moving = input_gradient(model, noisy, batch.labels, create_graph=True).gradient
        first = first._replace(gradient=first.gradient.detach())
        delta = threat.project(images, start + step * threat.steepest(first.gradient))
        attacked = AttackResult(delta, *first, None if self.start == "image" else start)
        found = adversarial_pass(model, batch, attacked)
        norm = torch.linalg.vector_norm(moving) / len(images)
        update(found.losses.mean() + self.weight * norm)
        return found.record(measures={"summed_norm": norm.detach()})
