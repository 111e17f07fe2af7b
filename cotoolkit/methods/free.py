"""Free adversarial training: each batch is replayed, and every backward pass serves the weights and the attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import PixelLength, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.carried import carried, carry, nothing_carried
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update


@METHODS.register("free", "Free-AT", "free_at")
@dataclass(frozen=True, config=STRICT)
class FreeAT(Method):
    """m replays of a batch: one backward pass gives the update and delta <- clip(delta + alpha * sign(g(x + delta))).

    A step makes m updates, at one learning rate: the trainer counts it as one iteration, so that an m-th of the epochs
    makes as many updates as other methods make. delta is carried from batch to batch, as it stands on the i-th image to
    the i-th image of the next, and is not reset. What is carried is clipped to the ball alone, and to the box of each
    image that it is put on, as in the authors' code.

    The record is of the last replay: its loss, and the perturbation it was trained on. It has no attack, since between
    the gradient that a perturbation comes of and the pass at that perturbation lies an update of the weights.

    >>> FreeAT(replays=4).cost_per_step()
    Cost(forward=4, backward=4, double_backward=0)

    Args:
        replays: m, of each batch. The authors find 8 best on CIFAR-10.
        alpha: step in pixel units; None means the radius.
    """

    replays: Annotated[Whole, Ge(1)] = 8
    alpha: PixelLength | None = None

    cost: ClassVar[Cost] = Cost(forward=8, backward=8)
    source: ClassVar[str] = "Shafahi et al., NeurIPS 2019, alg. 1; mahyarnajibi/FreeAdversarialTraining"
    family: ClassVar[Family] = "multi-step"
    formula: ClassVar[str] = "m times: CE(x + δ), and δ ← P(δ + α sign g(x + δ)) of the same pass; δ is carried on"
    constants: ClassVar[Mapping[str, str]] = {
        "replays": "paper: 8 on CIFAR-10; 4 in the authors' ImageNet configuration and in FastAT Benchmark",
        "alpha": "paper and code: the radius",
    }

    @override
    def cost_per_step(self) -> Cost:
        return Cost(forward=self.replays, backward=self.replays)

    @override
    def updates_per_step(self) -> int:
        return self.replays

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return nothing_carried(data)

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        threat, ball = batch.threat, replace(batch.threat, box="none")
        alpha = threat.epsilon if self.alpha is None else self.alpha
        moving = ball.project(batch.images, carried(batch))  # the radius may have changed
        for _ in range(self.replays):
            delta = threat.project(batch.images, moving)
            images = (batch.images + delta).detach().requires_grad_()
            logits = model(images)
            losses = batch.cross_entropy(logits)
            update(losses.mean())
            assert images.grad is not None
            gradient = len(losses) * images.grad
            moving = ball.project(batch.images, moving + alpha * threat.steepest(gradient))
        carry(batch, moving)
        return StepRecord(losses.detach(), logits.detach(), delta, None, gradient if batch.trace else None)
