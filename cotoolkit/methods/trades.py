"""TRADES: clean cross-entropy plus the divergence between the predictions at an image and at its worst neighbour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Ge
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.numbers import NonNegative, PixelLength, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._terms.divergence import kl_divergence
from cotoolkit.methods._terms.random_points import gaussian_start
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import BatchNormMode, attack_mode


@METHODS.register("trades", "TRADES")
@dataclass(frozen=True, config=STRICT)
class TRADES(Method):
    """CE(f(x), y) + beta * KL(p(x) || p(x')), with x' found by gradient ascent on the same divergence.

    The update's gradient flows through both arguments, as in the authors' code. The forward pass at x that the update
    needs also gives the attack its reference p(x), unless `bn_mode` makes that another function (a network in another
    mode). Clean images and x' go through the network one after the other, so each has its own batch statistics.

    The record's losses and logits are at x', the losses cross-entropy. Its gradients are of the divergence: that of the
    attack at its start, and that of the update at x', so that signals compare like with like; the latter is nan where
    beta is 0. Measures: `base`, the clean cross-entropy, and `global_term`, the divergence before beta.

    >>> TRADES(steps=1).cost_per_step()
    Cost(forward=3, backward=3, double_backward=0)

    Args:
        beta: weight of the divergence. 6 in the paper's main table; 0 is clean training.
        steps: of the attack.
        alpha: step in pixel units; None means 2.5 epsilon / steps, as for PGD here. The authors: 0.007 at 0.031.
        start_scale: standard deviation of the Gaussian start, in pixel units; the divergence has no gradient at x.
        bn_mode: BatchNorm during the attack, see `models.modes.BatchNormMode`. The authors attack in eval mode.
    """

    beta: NonNegative = 6.0
    steps: Annotated[Whole, Ge(1)] = 10
    alpha: PixelLength | None = None
    start_scale: PixelLength = 0.001
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=12, backward=12)
    source: ClassVar[str] = "Zhang et al., ICML 2019, alg. 1; defaults of the authors' code"
    family: ClassVar[Family] = "multi-step"
    formula: ClassVar[str] = (
        "δ ← P(δ + α sign ∇KL(p(x) ‖ p(x + δ))), steps times, from N(0, 0.001²);  CE(x) + β KL(p(x) ‖ p(x + δ))"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "beta": "paper: 6 in the main table",
        "steps": "code: 10",
        "alpha": "ours: as PGD's; the code has 0.007 at 0.031",
        "start_scale": "code: 0.001",
        "bn_mode": "ours: as every method here; the code attacks in eval mode",
    }

    @override
    def cost_per_step(self) -> Cost:
        return Cost(forward=self.steps + 2 + (self.bn_mode == "eval"), backward=self.steps + 2)

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        if self.bn_mode == "train":
            clean_logits = model(batch.images)
            attacked = self._attack(model, batch, clean_logits.detach())
        else:
            with attack_mode(model, "eval"), torch.no_grad():
                reference = model(batch.images)
            attacked = self._attack(model, batch, reference)
            clean_logits = model(batch.images)
        found = adversarial_pass(model, batch, attacked)
        base = batch.cross_entropy(clean_logits).mean()
        divergence = kl_divergence(clean_logits, found.logits).mean()
        update(base + self.beta * divergence)
        count = len(batch.labels)
        weights = found.losses.detach().new_full((count,), self.beta / count)
        return found.record(weights, {"base": base.detach(), "global_term": divergence.detach()})

    def _attack(self, model: nn.Module, batch: Batch, reference: Tensor) -> AttackResult:
        images, threat = batch.images, batch.threat
        start = delta = gaussian_start(images, self.start_scale, batch.generator)
        step = 2.5 * threat.epsilon / self.steps if self.alpha is None else self.alpha
        with attack_mode(model, self.bn_mode):
            first, logits = _ascent(model, images + delta, reference)
            delta = threat.project(images, delta + step * threat.steepest(first))
            for _ in range(self.steps - 1):
                gradient, _ = _ascent(model, images + delta, reference)
                delta = threat.project(images, delta + step * threat.steepest(gradient))
        losses = F.cross_entropy(logits.float(), batch.labels, reduction="none")
        return AttackResult(delta, first, logits, losses, start)


def _ascent(model: nn.Module, images: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Per-sample gradient of the divergence from the reference, and the logits; both detached."""
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = model(images)
        (gradient,) = torch.autograd.grad(kl_divergence(reference, logits).sum(), images)
    return gradient, logits.detach()
