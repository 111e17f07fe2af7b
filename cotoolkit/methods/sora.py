"""SORA training: a step whose length shrinks as the gradient before it and the gradient after it disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult, input_gradient
from cotoolkit.core.numbers import NonNegative, PixelLength, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import BatchNormMode, attack_mode


def batch_linearity(direction: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Mean over the batch of (direction . after) / (direction . before): 1 where the loss is linear along the step.

    Args:
        direction: (B, ...), the steepest one of the gradient before the step.
        before: (B, ...), that gradient; a sample without one counts 0.
        after: (B, ...), the gradient after the step.

    Returns:
        A scalar, within [-1, 1].
    """
    rise = (direction * before).flatten(1).sum(1).clamp_min(torch.finfo(before.dtype).tiny)
    return ((direction * after).flatten(1).sum(1) / rise).mean().clamp(-1, 1)


@METHODS.register("sora", "SORA")
@dataclass(frozen=True, config=STRICT)
class SORA(Method):
    """delta = eta + alpha_t u * sign(g(x + eta)), eta uniform in the ball, u uniform in [0, 1] for each pixel, no P.

    alpha_t = alpha * min(1, margin / (1 - lambda)), lambda a running mean of `batch_linearity` over earlier steps. That
    compares the attack's gradient with the input gradient of the update's own backward pass, and so costs nothing. The
    mean is remembered as `linearity`. The perturbation may reach epsilon + alpha; the box acts as on a ball that large.
    Under an l2 threat the direction is the unit gradient, the code's second variant.

    Measures: `batch_linearity`, of this batch; `running_linearity`, lambda of this step; `step_share`, alpha_t / alpha.

    >>> METHODS.parse("sora").constants["margin"]
    'code: 0.02'

    Args:
        alpha: longest step in pixel units; None means 2 epsilon.
        margin: the curvature 1 - lambda up to which the step is not shortened.
        weight: of the newest batch in the running mean.
        first: where the running mean begins.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`.
    """

    alpha: PixelLength | None = None
    margin: NonNegative = 0.02
    weight: Share = 0.05
    first: Share = 0.99
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=2, backward=2)
    source: ClassVar[str] = "Teymourian et al., ICML 2026, arXiv 2606.00738; SecondOrderAT/SORA"
    family: ClassVar[Family] = "single step"
    formula: ClassVar[str] = (
        "δ = η + 2ε min(1, 0.02 / (1 - λ)) u ⊙ sign g(x + η), no P, λ = EMA of mean ⟨sign g, g'⟩ / ‖g‖₁;  CE(x + δ)"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "alpha": "code: twice the radius",
        "margin": "code: 0.02",
        "weight": "code: 0.05",
        "first": "code: 0.99",
        "bn_mode": "ours: as every method here; the code attacks in train mode and moves the running statistics",
    }

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return {"linearity": torch.tensor(self.first, dtype=torch.float32)}

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        images, threat, draws = batch.images, batch.threat, batch.generator
        running = batch.memory["linearity"]
        start = threat.random_start(images, draws)
        with attack_mode(model, self.bn_mode):
            seen = input_gradient(model, images + start, batch.wanted)  # of the update's loss, to be compared with it
        direction = threat.steepest(seen.gradient)
        longest = 2 * threat.epsilon if self.alpha is None else self.alpha
        part = (self.margin / (1 - running).clamp_min(torch.finfo(running.dtype).tiny)).clamp_max(1)
        spread = torch.rand(images.shape, generator=draws, device=draws.device, dtype=torch.float32).to(images.device)
        delta = threat.resized(threat.epsilon + longest).project(images, start + longest * part * spread * direction)

        found = adversarial_pass(model, replace(batch, trace=True), AttackResult(delta, *seen, start, batch.targets))
        update(found.losses.mean())
        record = found.record()
        assert record.update_gradient is not None
        newest = batch_linearity(direction, seen.gradient, record.update_gradient).to(running)
        batch.memory["linearity"] = (1 - self.weight) * running + self.weight * newest
        measures = {"batch_linearity": newest, "running_linearity": running, "step_share": part}
        return replace(record, measures=measures, update_gradient=record.update_gradient if batch.trace else None)
