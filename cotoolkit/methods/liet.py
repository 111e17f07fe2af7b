"""LIET training: starts made of what a network's gradient on a gray image says of a label, and even predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, ClassVar, Self

import torch
import torch.nn.functional as F
from annotated_types import Ge
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.attacks.gradient import AttackResult
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import NonNegative, Share, Whole
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.linf_only import require_linf
from cotoolkit.methods._settings.published import check_published, published_value
from cotoolkit.methods._terms.smoothing import smoothed_targets
from cotoolkit.methods.base import METHODS, Cost, Family, Method, RunSettings
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import StepRecord, Update, adversarial_pass
from cotoolkit.models.modes import attack_mode

GRAY = 0.5
"""Brightness of the image whose gradient tells what the network knows of a label."""

BOUNDED = 8 / 255
"""Largest radius at which starts and perturbations are kept in the ball."""

PUBLISHED: dict[str, dict[float, float]] = {
    "weight": {8: 100, 16: 20},
    "smoothing": {8: 0.6, 16: 0.4},
    "least": {8: 0.1, 16: 0.0},
    "most": {8: 0.5, 16: 1.0},
    "every": {8: 20, 16: 10},
}
"""The authors' settings for CIFAR-10, by field and by radius in steps of 1/255."""


def jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    """Jensen-Shannon divergence of the predictions that two tensors of logits give: (KL(p, m) + KL(q, m)) / 2.

    >>> jensen_shannon(torch.tensor([[0.0, 0.0]]), torch.tensor([[100.0, 0.0]]))
    tensor([0.2158])

    Args:
        first: (B, classes).
        second: (B, classes).

    Returns:
        (B,), in nats, from 0 to ln 2.
    """
    p, q = F.log_softmax(first.float(), 1), F.log_softmax(second.float(), 1)
    mean = torch.logaddexp(p, q) - math.log(2)
    divergences = F.kl_div(mean, torch.stack([p, q]), reduction="none", log_target=True)
    return divergences.sum(2).mean(0)


@METHODS.register("liet", "LIET")
@dataclass(frozen=True, config=STRICT)
class LIET(Method):
    """CE(x + delta, smoothed) + weight(t) * JS(p(x + start), p(x + delta)), delta = P(start + epsilon * sign g(start)).

    The start is s * epsilon * sign g(gray, y), s = +-1 for the whole batch, with a share of its entries, drawn for each
    batch, replaced by uniform noise. The signs of all classes are remembered as `label_information`: one batch of one
    gray image a class, in eval mode, at the beginning, and after that in each epoch's first iteration and every `every`
    ones (a pass of its own, which the declared cost leaves out). Above 8/255 noise is twice as wide and nothing is
    projected to the ball. Every cross-entropy has its own draw of smoothed labels, whose off-class mass is spread at
    random; if a wrapper gave the batch other targets, those win. The weight grows linearly over training, from 0 (the
    original takes a step an epoch).

    Measures: `divergence`, the Jensen-Shannon divergence before its weight.

    >>> LIET().cost_per_step()
    Cost(forward=2, backward=3, double_backward=0)

    Args:
        weight: of the divergence at the end of training; None means `PUBLISHED` at the batch's radius.
        smoothing: mass that a label gives up; None likewise.
        least: least share of the start that is noise; None likewise.
        most: largest one; None likewise.
        every: iterations from one refresh to the next; None likewise.

    Raises:
        ConfigError: from `check_config`: an l2 threat, for which a start of replaced entries is no start; or a least
            share of noise above the largest one, be they set or published.
    """

    weight: NonNegative | None = None
    smoothing: Share | None = None
    least: Share | None = None
    most: Share | None = None
    every: Annotated[Whole, Ge(1)] | None = None

    cost: ClassVar[Cost] = Cost(forward=2, backward=3)
    source: ClassVar[str] = "ICCV 2025, Label Information Elimination, alg. 1 of its appendix; fzjcdt/LIET"
    family: ClassVar[Family] = "universal perturbation"
    formula: ClassVar[str] = (
        "δ₀ = ±ε sign g(gray, y), part of it U(-ε, ε), δ = P(δ₀ + ε sign g(x + δ₀));  "
        "CE_smoothed(x + δ) + λ t JS(p(x + δ₀), p(x + δ))"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "weight": "code: CIFAR-10 100 at 8/255 and 20 at 16/255, CIFAR-100 200 and 20; straight lines between are ours",
        "smoothing": "code: CIFAR-10 0.6 at 8/255 and 0.4 at 16/255, CIFAR-100 0.8 at 8/255; lines between are ours",
        "least": "code: 0.1 at 8/255, 0 at 16/255; straight lines between are ours",
        "most": "code: 0.5 at 8/255, 1 at 16/255; straight lines between are ours",
        "every": "code: CIFAR-10 20 at 8/255 and 10 at 16/255; the paper's appendix says 10",
    }
    costs_more: ClassVar[str] = "1 forward and 1 backward of one gray image a class, every `every` iterations"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(f"least={self.least:g} is more than most={self.most:g}")
        return self

    @override
    def check_config(self, config: RunSettings) -> None:
        require_linf(config.threat, self.name, "its starts are mixed entry by entry")
        check_published(config.threat, self, **PUBLISHED)
        least, most = (self._setting(field, config.threat.epsilon) for field in ("least", "most"))
        if least > most:
            raise ConfigError(f"{self.name}: least={least:g} is more than most={most:g} at this radius; set both")

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        weights = next(model.parameters())
        grays = weights.new_full((data.classes, *data.shape), GRAY)
        # The run's radius is not known yet; the signs depend little on how much a label keeps.
        return {"label_information": _label_information(model, grays, self._setting("smoothing", BOUNDED), draws)}

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        epsilon, memory, draws = batch.threat.epsilon, batch.memory, batch.generator
        smoothing = self._setting("smoothing", epsilon)
        if batch.iteration and batch.iteration % batch.epoch_length % round(self._setting("every", epsilon)) == 0:
            grays = torch.full_like(memory["label_information"], GRAY)
            memory["label_information"] = _label_information(model, grays, smoothing, draws)
        attacked, before = self._attack(model, batch, smoothing)
        batch = _smoothed_batch(batch, before.shape[1], smoothing)
        found = adversarial_pass(model, batch, attacked)
        divergence = jensen_shannon(before, found.logits).mean()
        update(found.losses.mean() + self._setting("weight", epsilon) * batch.progress * divergence)
        return found.record(None, {"divergence": divergence.detach()})

    def _setting(self, field: str, epsilon: float) -> float:
        """A field's value, or the published one at a radius."""
        chosen: float | None = getattr(self, field)
        return published_value(PUBLISHED[field], epsilon) if chosen is None else chosen

    def _attack(self, model: nn.Module, batch: Batch, smoothing: float) -> tuple[AttackResult, Tensor]:
        """The attack, and the logits at its start with their graph."""
        images, threat = batch.images, batch.threat
        bounded = threat.epsilon <= BOUNDED * (1 + 1e-6)
        wide, reach = (threat, threat) if bounded else (threat.scaled(2), threat.scaled(3))
        start = wide.project(images, self._start(batch, wide.epsilon))
        with attack_mode(model, "train"):
            seen = (images + start).detach().requires_grad_()
            logits = model(seen)
            attacked = _smoothed_batch(batch, logits.shape[1], smoothing)
            losses = attacked.cross_entropy(logits)
            (gradient,) = torch.autograd.grad(losses.sum(), seen, retain_graph=True)
        delta = reach.project(images, start + threat.epsilon * gradient.sign())
        return AttackResult(delta, gradient, logits.detach(), losses.detach(), start, attacked.targets), logits

    def _start(self, batch: Batch, noise: float) -> Tensor:
        """What is known of the labels, added or taken off, with a share of noise of that radius in it."""
        known = batch.threat.epsilon * batch.memory["label_information"][batch.labels]
        share, side = _uniform((2,), batch)
        least, most = (self._setting(field, batch.threat.epsilon) for field in ("least", "most"))
        noisy = _uniform(known.shape, batch) < least + (most - least) * share
        mixed = torch.where(noisy, noise * (2 * _uniform(known.shape, batch) - 1), known)
        return torch.where(side < 0.5, -mixed, mixed)


def _label_information(model: nn.Module, grays: Tensor, smoothing: float, draws: torch.Generator) -> Tensor:
    """Signs (classes, C, H, W) of the gradient of each class's loss at gray images, in eval mode."""
    labels = torch.arange(len(grays), device=grays.device)
    with attack_mode(model, "eval"), torch.enable_grad():
        seen = grays.detach().requires_grad_()
        wanted = _smoothed(labels, len(labels), smoothing, draws) if smoothing > 0 else labels
        loss = F.cross_entropy(model(seen).float(), wanted, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, seen)
    return gradient.sign()


def _smoothed_batch(batch: Batch, classes: int, smoothing: float) -> Batch:
    """A batch with smoothed targets, drawn anew, unless a wrapper gave it others."""
    if batch.targets is not None or smoothing == 0:
        return batch
    return replace(batch, targets=_smoothed(batch.labels, classes, smoothing, batch.generator))


def _smoothed(labels: Tensor, classes: int, smoothing: float, draws: torch.Generator) -> Tensor:
    """Targets whose off-class mass is spread at random."""
    return smoothed_targets(labels, classes, smoothing, "random", draws)


def _uniform(shape: tuple[int, ...], batch: Batch) -> Tensor:
    """Draws in [0, 1), on the batch's device."""
    draws = batch.generator
    return torch.rand(shape, generator=draws, device=draws.device, dtype=torch.float32).to(batch.images.device)
