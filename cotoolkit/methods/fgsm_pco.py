"""FGSM-PCO: training on mixtures of the image's banked adversary and its new one, weighted by confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, PixelLength, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.bank import recalled_start, undrawn_bank
from cotoolkit.methods._memory.prior import PriorPass, prior_pass
from cotoolkit.methods.base import METHODS, Cost, Family, Method
from cotoolkit.methods.batch import Batch, TrainingSet
from cotoolkit.methods.passes import AdversarialPass, StepRecord, Update
from cotoolkit.models.modes import attack_mode


@METHODS.register("fgsm_pco", "FGSM-PCO", "PCO")
@dataclass(frozen=True, config=STRICT)
class FGSMPCO(Method):
    """Cross-entropy at a mixture of the bank's adversary and the new FGSM one: the surer the network, the more new.

    delta = P(b + alpha sign g(x + b)) with b the delta of the epoch before; c = 1 - p_y(x + b);
    mixture = c (x + b) + (1 - c) (x + stretch * delta), which may leave ball and box, as in the code. Loss: CE(mixture)
    + weight * |MSE(f(x + delta), f(x + b)) - MSE(f(x + delta), f(mixture))|. As in the code nothing is held fixed: the
    gradient also flows through c. BatchNorm's running statistics are those of the mixtures.

    Unlike the code, the bank is cropped and flipped as the images are, and the start is clipped to the box. Targets are
    those that smoothing makes, for the attack as well; those of a wrapper win. The record's delta is the mixture's.

    Measures: `confidence`, mean p_y at the start.

    >>> FGSMPCO().cost_per_step(), FGSMPCO(weight=0).cost_per_step()
    (Cost(forward=3, backward=4, double_backward=0), Cost(forward=2, backward=3, double_backward=0))

    Args:
        alpha: step in pixel units; None means the radius.
        stretch: factor of the new perturbation in the mixture.
        weight: of the difference between the distances of logits.
        smoothing: mass that each label gives to the other classes.
    """

    alpha: PixelLength | None = None
    stretch: NonNegative = 1.5
    weight: NonNegative = 10.0
    smoothing: Share = 0.4

    # Backward: the attack; the update, through the mixture and its coefficient; and, by the weight, through delta.
    cost: ClassVar[Cost] = Cost(forward=3, backward=4)
    source: ClassVar[str] = "Wang et al., ECCV 2024, arXiv 2407.12443; HandingWangXDGroup/FGSM-PCO"
    family: ClassVar[Family] = "perturbation bank"
    formula: ClassVar[str] = (
        "δ = P(b + α sign g(x + b)), x' = c (x + b) + (1 - c)(x + s δ), c = 1 - p_y(x + b);  "
        "CE(x') + λ |MSE(f(x + δ), f(x + b)) - MSE(f(x + δ), f(x'))|;  b ← δ"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "alpha": "code: the radius",
        "stretch": "code: 1.5",
        "weight": "code: 10",
        "smoothing": "code: 0.6 stays on the label",
    }

    @override
    def cost_per_step(self) -> Cost:
        return self.cost if self.weight > 0 else Cost(forward=2, backward=3)

    @override
    def memory(self, model: nn.Module, data: TrainingSet, draws: torch.Generator) -> dict[str, Tensor]:
        return {"delta": undrawn_bank(data)}

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        prior = prior_pass(model, batch, recalled_start(batch, None), smoothing=self.smoothing)
        delta = prior.stepped(self.alpha).delta
        confidence = F.softmax(prior.logits.float(), 1).gather(1, batch.labels[:, None]).flatten()
        found = self._mixture(model, prior, delta, confidence)
        loss = found.losses.mean()
        if self.weight > 0:
            with attack_mode(model, "train"):
                logits = model(batch.images + delta).float()
            distances = F.mse_loss(logits, prior.logits.float()) - F.mse_loss(logits, found.logits.float())
            loss = loss + self.weight * distances.abs()
        update(loss)
        batch.remember("delta", delta)
        return found.record(measures={"confidence": confidence.detach().mean()})

    def _mixture(self, model: nn.Module, prior: PriorPass, delta: Tensor, confidence: Tensor) -> AdversarialPass:
        """The pass that is trained on; its images have a graph, through the confidence."""
        batch, share = prior.batch, confidence.view(-1, 1, 1, 1).to(delta)
        moved = (1 - share) * prior.start + share * self.stretch * delta
        images = batch.images + moved
        if batch.trace:
            images.retain_grad()
        logits = model(images)
        seen = images if batch.trace else images.detach()
        return AdversarialPass.at(batch, prior.attack(moved.detach()), seen, logits)
