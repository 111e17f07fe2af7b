"""TDAT training: relaxed labels that harden less and less, a start handed from batch to batch, and a logit penalty."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.numbers import NonNegative, PixelLength, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._terms.smoothing import Spread, smoothed_targets
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import attack_mode


@METHODS.register("tdat", "TDAT")
@dataclass(frozen=True, config=STRICT)
class TDAT(Method):
    """CE(x + delta, relaxed) + weight * mean |z(x + delta) - z_ref|^2 tanh(1 - p_y), p the softmax of z_ref.

    delta is one step of epsilon from the start that the batch before left, each row to the image in its place, on the
    cross-entropy with relaxed labels, projected. A label keeps gamma = max(floor, beta * law(1 - t)), t the share of
    training that is done (the original counts whole epochs); the others share the rest evenly. If a wrapper gave the
    batch other targets, those win. The start is remembered as `momentum`; a batch larger than any before draws the rows
    it lacks.

    Paper (alg. 1) and released code differ three times. The defaults are the code's, by which the numbers were made:

        law        "tan": the code.  "tanh": the paper.
        momentum   "released": the next start is this delta, for the code's mean is overwritten, and the first one has
                   random signs.  "paper": share * start + (1 - share) * delta, from a uniform one.
        loss       "released": z_ref at the start, and torch's label smoothing in the update, whose label keeps
                   gamma + (1 - gamma) / classes.  "paper": z_ref at the clean image (1 forward more), and the attack's
                   relaxed labels.

    Measures: `kept`, gamma; `penalty`, the term before its weight.

    >>> TDAT().cost_per_step(), TDAT(loss="paper").cost_per_step().forward
    (Cost(forward=2, backward=3, double_backward=0), 3)

    Args:
        beta: scale of the relaxation.
        floor: least mass that a label keeps; 1 switches relaxation off.
        weight: of the penalty.
        share: of the old start in the paper's mean.
        law: of the relaxation over training.
        momentum: which start the next batch has.
        loss: which one.
        alpha: step in pixel units; None means epsilon.
    """

    beta: NonNegative = 0.6
    floor: Share = 0.15
    weight: NonNegative = 0.6
    share: Share = 0.75
    law: Literal["tan", "tanh"] = "tan"
    momentum: Literal["released", "paper"] = "released"
    loss: Literal["released", "paper"] = "released"
    alpha: PixelLength | None = None

    cost: ClassVar[Cost] = Cost(forward=2, backward=3)
    source: ClassVar[str] = "AAAI 2024, Taxonomy Driven Fast Adversarial Training, alg. 1; bookman233/TDAT"
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = (
        "δ = P(m + ε sign g_γ(x + m)), m from the batch before;  CE_γ(x + δ) + λ ‖z(x + δ) - z(x + m)‖² tanh(1 - p_y), "
        "γ = max(γ_min, β tan(1 - t))"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "beta": "code: 0.6",
        "floor": "paper: 0.15 CIFAR-10, 0.05 CIFAR-100 and ImageNet-100, 0.025 Tiny ImageNet",
        "weight": "code: 0.6 in the command of its readme, 0.65 in its parser",
        "share": "paper and code: 0.75",
        "law": "code: tan; paper: tanh",
        "momentum": "code: the last perturbation; paper: a running mean",
        "loss": "code: from the start; paper: from the clean image",
        "alpha": "paper and code: the radius",
    }

    @override
    def cost_per_step(self) -> Cost:
        return self.cost._replace(forward=2 + (self.loss == "paper"))

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return {"momentum": torch.zeros(0, *data.shape, dtype=torch.float32)}  # no row before there is a batch

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        kept = self._kept(batch.progress)
        start = self._start(batch)
        attacked, reference = self._attack(model, batch, start, kept)
        if self.loss == "paper":
            with attack_mode(model, "train"):  # the running statistics are those of the attacked images
                reference = model(batch.images)
        batch = _relaxed(batch, reference.shape[1], kept, "all" if self.loss == "released" else "even")
        found = adversarial_pass(model, batch, attacked)
        confidence = reference.float().softmax(1).gather(1, batch.labels.unsqueeze(1)).squeeze(1)
        change = (found.logits - reference).float().square().sum(1)
        penalty = (change * torch.tanh(1 - confidence)).mean()
        update(found.losses.mean() + self.weight * penalty)

        following = attacked.delta
        if self.momentum == "paper":
            following = self.share * start + (1 - self.share) * following
        old = batch.memory["momentum"]
        batch.memory["momentum"] = torch.cat([following, old[len(following) :]])
        return found.record(None, {"kept": penalty.new_tensor(kept), "penalty": penalty.detach()})

    def _kept(self, progress: float) -> float:
        law = math.tan if self.law == "tan" else math.tanh
        return min(1.0, max(self.floor, self.beta * law(1 - progress)))

    def _start(self, batch: Batch) -> Tensor:
        """The remembered start, with rows drawn where the batch is larger than those before."""
        remembered = batch.memory["momentum"][: len(batch.images)]
        lacking = batch.images[len(remembered) :]
        if not len(lacking):
            return remembered
        drawn = ThreatModel(1.0, batch.threat.norm, "none").random_start(lacking, batch.generator)
        if self.momentum == "released":
            drawn = batch.threat.steepest(drawn)
        return torch.cat([remembered, batch.threat.epsilon * drawn])

    def _attack(self, model: nn.Module, batch: Batch, start: Tensor, kept: float) -> tuple[AttackResult, Tensor]:
        """The attack, and the logits at its start with their graph."""
        threat = batch.threat
        with attack_mode(model, "train"):
            seen = (batch.images + start).detach().requires_grad_()
            logits = model(seen)
            relaxed = _relaxed(batch, logits.shape[1], kept, "even")
            losses = relaxed.cross_entropy(logits)
            (gradient,) = torch.autograd.grad(losses.sum(), seen, retain_graph=True)
        step = threat.epsilon if self.alpha is None else self.alpha
        delta = threat.project(batch.images, start + step * threat.steepest(gradient))
        return AttackResult(delta, gradient, logits.detach(), losses.detach(), start, relaxed.targets), logits


def _relaxed(batch: Batch, classes: int, kept: float, spread: Spread) -> Batch:
    """A batch with relaxed targets, unless a wrapper gave it others."""
    if batch.targets is not None or kept == 1:
        return batch
    return replace(batch, targets=smoothed_targets(batch.labels, classes, 1 - kept, spread))
