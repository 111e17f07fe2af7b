"""CURE: the input gradient is kept from changing along the step of FGSM, which is curvature by finite differences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult, fgsm
from cotoolkit.core.numbers import NonNegative, PixelLength
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.switch import Switch
from cotoolkit.methods._settings.published import check_published, published_value
from cotoolkit.methods._terms.local_terms import LocalSample, loss_gradients
from cotoolkit.methods.base import METHODS, Cost, Family, Method, RunSettings
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update
from cotoolkit.models.modes import attack_mode

CURE_WEIGHTS: Mapping[float, float] = {8: 1000 / 128**2, 16: 50000 / 128**2}
"""Weights of ELLE's authors for CIFAR-10 by radius in steps of 1/255: 1000 and 50000, of gradients of the mean loss of
128 images."""


@METHODS.register("cure", "CURE")
@dataclass(frozen=True, config=STRICT)
class CURE(Method):
    """Cross-entropy plus weight * mean ||g(x + delta) - g(x)||^2, delta the step of FGSM, g of each sample's own loss.

    Three forms, all of a single step. `elle`, the default, is the one that was compared with other remedies for
    catastrophic overfitting: it trains on x + delta, and g(x) is a constant. In `paper` and `code` the network is
    trained on x, and both gradients are differentiated; they differ in that the code takes the norm without its square.

    ELLE's code takes gradients of the batch's mean loss, so that its weight depends on the size of a batch; here they
    are of each sample's loss, and the weight is divided by the square of the authors' 128. The authors of CURE go a
    step of l2 length 1.5 in eval mode, which on CIFAR-10 is 6.9/255 in each pixel; here steps are the threat model's,
    clipped to its box, and both gradients are of the function that is trained.

    The record's losses and logits are at x + delta in every form. Measures: `error`, before its weight, and `weight`.

    >>> CURE().cost_per_step(), CURE(form="paper").cost_per_step()
    (Cost(forward=2, backward=3, double_backward=1), Cost(forward=2, backward=4, double_backward=2))

    Args:
        form: "elle", "paper" or "code".
        weight: of the term; None means that of ELLE's authors for the batch's radius, with a straight line between, and
            4 in the other forms.
        schedule: "constant", or "adaptive": the weight starts at 0, is switched on where the term leaps, and fades, see
            `elle_a`; None means the form's own, which is adaptive for "elle" alone.
        alpha: length of the step in units of the threat model; None means epsilon.
    """

    form: Literal["elle", "paper", "code"] = "elle"
    weight: NonNegative | None = None
    schedule: Literal["adaptive", "constant"] | None = None
    alpha: PixelLength | None = None

    cost: ClassVar[Cost] = Cost(forward=2, backward=3, double_backward=1)
    source: ClassVar[str] = (
        "Moosavi-Dezfooli et al., CVPR 2019, eq. 7, and github.com/F-Salehi/CURE_robustness; ELLE's code (ICLR 2024)"
    )
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = "δ as FGSM;  CE(x + δ) + λ mean ‖g(x + δ) - g(x)‖₂², λ switched as ELLE-A's"
    constants: ClassVar[Mapping[str, str]] = {
        "form": "ELLE's code: trained on x + δ; CURE's paper and code: on x",
        "weight": "ELLE's code: 1000 at 8/255, 50000 at 16/255, over 128² (straight lines between: ours); CURE's: 4",
        "schedule": "ELLE's code: adaptive; CURE's paper and code: constant",
        "alpha": "ELLE's code: the radius; CURE's code: 1.5 in l2",
    }
    bf16: ClassVar[bool] = False  # a difference of gradients

    @property
    def _adaptive(self) -> bool:
        return self.schedule == "adaptive" or (self.schedule is None and self.form == "elle")

    @override
    def check_config(self, config: RunSettings) -> None:
        if self.form == "elle":
            check_published(config.threat, self, weight=CURE_WEIGHTS)

    @override
    def cost_per_step(self) -> Cost:
        return self.cost if self.form == "elle" else Cost(forward=2, backward=4, double_backward=2)

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return Switch.memory() if self._adaptive else {}

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        images, threat = batch.images, batch.threat
        if self.form == "elle":
            attacked = fgsm(model, images, batch.labels, threat, alpha=self.alpha)
            trained = there = _sample(model, batch, images + attacked.delta)
            fixed = attacked.gradient
        else:
            trained = _sample(model, batch, images)
            assert trained.gradient is not None
            fixed, here = trained.gradient, trained.detached()
            step = threat.epsilon if self.alpha is None else self.alpha
            delta = threat.project(images, step * threat.steepest(fixed.detach()))
            attacked = AttackResult(delta, fixed.detach(), here.logits, here.losses(batch.labels))
            with attack_mode(model, "train"):
                there = _sample(model, batch, images + delta)
        assert there.gradient is not None
        change = (there.gradient - fixed).flatten(1)
        error = (change.norm(dim=1) if self.form == "code" else change.square().sum(1)).mean()
        weight = self._weight(batch, error)
        update(batch.cross_entropy(trained.logits).mean() + weight * error)
        seen = there.detached()
        measures = {"error": error.detach(), "weight": weight}
        traced = seen.gradient if batch.trace else None
        losses = seen.losses(batch.labels)
        return StepRecord(losses, seen.logits, attacked.delta, attacked, traced, measures)

    def _weight(self, batch: Batch, error: Tensor) -> Tensor:
        weight = self.weight
        if weight is None:
            weight = published_value(CURE_WEIGHTS, batch.threat.epsilon) if self.form == "elle" else 4.0
        if not self._adaptive:
            return error.new_tensor(weight)
        before = batch.memory["switch/weight"]
        Switch(weight).turned(batch.memory, error)
        return before.to(error)


def _sample(model: nn.Module, batch: Batch, images: Tensor) -> LocalSample:
    """What the network says at images, with a gradient that can be differentiated."""
    points = images.detach().requires_grad_()
    logits = model(points)
    (gradient,) = loss_gradients([logits], [points], batch.labels, create_graph=True)
    return LocalSample(points, logits, gradient)
