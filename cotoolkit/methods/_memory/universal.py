"""Universal perturbations, few for a whole training set, as starts of FGSM: what UAP, CUAP and FUAP share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative, PixelLength, Share
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._memory.bank import of_unit_mass
from cotoolkit.methods._memory.prior import prior_pass, train_near_prior
from cotoolkit.methods.base import Cost, Family, Method
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.passes import StepRecord, Update

LARGEST_SHARE = 1.25
"""Published amplitude of a universal perturbation, in units of the radius: 10/255 at 8/255."""


def universal_memory(count: int, shape: tuple[int, int, int], draws: torch.Generator) -> dict[str, Tensor]:
    """Random signs, in units of the amplitude, and no momentum; each (count, C, H, W)."""
    signs = torch.randint(2, (count, *shape), generator=draws, device=draws.device).float().mul_(2).sub_(1)
    return {"universal": signs, "momentum": torch.zeros_like(signs)}


def advance_universal(batch: Batch, gradient: Tensor, keys: Tensor, decay: float) -> None:
    """m_k <- decay m_k + mean of g over the samples of k; u_k <- clip(u_k + steepest(m_k)). Without samples, no change.

    Args:
        batch: with a `universal_memory`.
        gradient: (B, C, H, W), in any scale.
        keys: (B,), which perturbation each sample started from.
        decay: of the momentum.
    """
    memory, unit = batch.memory, replace(batch.threat, box="none").resized(1.0)
    universal, momentum = memory["universal"], memory["momentum"]
    member = F.one_hot(keys, len(universal)).to(gradient)
    count = member.sum(0)
    means = (member.T @ of_unit_mass(gradient).flatten(1)) / count.clamp_min(1)[:, None]
    moved = means.view_as(universal) + decay * momentum
    used = (count > 0).view(-1, 1, 1, 1)
    memory["momentum"] = torch.where(used, moved, momentum)
    stepped = unit.project(universal, universal + unit.steepest(moved))
    memory["universal"] = torch.where(used, stepped, universal)


@dataclass(frozen=True, config=STRICT)
class UniversalMethod(Method):
    """FGSM from universal perturbations, each of which ascends the mean gradient of the samples that started from it.

    Args:
        alpha: step in pixel units; None means the radius.
        amplitude: of the universal perturbations, in pixel units; None means 1.25 epsilon.
        decay: of their momentum.
        weight: of the mean squared distance of the logits at the adversary and at the start.
        smoothing: mass that each label spreads over all classes, its own among them.
    """

    alpha: PixelLength | None = None
    amplitude: PixelLength | None = None
    decay: NonNegative = 0.3
    weight: NonNegative = 10.0
    smoothing: Share = 0.4

    cost: ClassVar[Cost] = Cost(forward=2, backward=3)
    family: ClassVar[Family] = "universal perturbation"
    constants: ClassVar[Mapping[str, str]] = {
        "alpha": "code: the radius",
        "amplitude": "code: 10/255 at 8/255",
        "decay": "code: 0.3",
        "weight": "code: 10",
        "smoothing": "code: 0.4, as torch smooths",
    }

    @override
    def cost_per_step(self) -> Cost:
        return self.cost if self.weight > 0 else self.cost._replace(backward=2)

    def keys(self, batch: Batch) -> Tensor:
        """Which universal perturbation each sample starts from, (B,)."""
        raise AssertionError(f"{type(self).__name__} defines no keys")

    @override
    def step(self, model: nn.Module, batch: Batch, update: Update) -> StepRecord:
        return self.train(model, batch, update, self.keys(batch), None)

    def train(self, model: nn.Module, batch: Batch, update: Update, keys: Tensor, noise: Tensor | None) -> StepRecord:
        """A step from the perturbations of the keys. 2 forward, 3 backward, or 2 without a weight.

        Args:
            model: logits out.
            batch: with a `universal_memory`.
            update: the trainer's.
            keys: (B,).
            noise: (B, C, H, W), added to the perturbations.

        Returns:
            The step's by-products.
        """
        threat = batch.threat
        amplitude = LARGEST_SHARE * threat.epsilon if self.amplitude is None else self.amplitude
        start = amplitude * batch.memory["universal"][keys]
        start = threat.project(batch.images, start if noise is None else start + noise)
        prior = prior_pass(model, batch, start, smoothing=self.smoothing, spread="all", keep=self.weight > 0)
        record = train_near_prior(model, prior, prior.stepped(self.alpha), update, self.weight)
        advance_universal(batch, prior.gradient, keys, self.decay)
        return record
