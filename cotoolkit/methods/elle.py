"""ELLE: the loss between random points of the ball is kept linear, at the price of forward passes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from typing_extensions import override

from cotoolkit.core.numbers import NonNegative
from cotoolkit.core.registry import STRICT
from cotoolkit.methods._settings.published import check_published, published_value
from cotoolkit.methods._terms.penalised import PenalisedAttack
from cotoolkit.methods._terms.random_points import Noise, random_points
from cotoolkit.methods.base import METHODS, Cost, Family, InnerField, RunSettings
from cotoolkit.methods.batch import Batch
from cotoolkit.methods.fgsm import FGSM
from cotoolkit.models.modes import BatchNormMode, attack_mode

ELLE_WEIGHTS: Mapping[float, float] = {8: 1000.0, 10: 5000.0, 20: 5000.0, 22: 10000.0, 26: 10000.0}
"""The authors' weights for CIFAR-10 by radius in steps of 1/255, where they change; 26/255 is the largest for
which they give one of LLR."""


@METHODS.register("elle", "ELLE")
@dataclass(frozen=True, config=STRICT)
class ELLE(PenalisedAttack):
    """Training on an attack plus weight * (l(c) - (1 - a) l(u) - a l(v))^2 for random u and v of the ball, c between.

    The authors train on FGSM or N-FGSM (`inner`), neither of which their code clips to the pixel box; here attacks keep
    to the box of the threat model, as for every method, and `noise` decides for u and v. Their loop also takes two
    optimiser steps per backward pass; here it is one.

    >>> ELLE(inner="n_fgsm").cost_per_step()
    Cost(forward=5, backward=5, double_backward=0)

    Args:
        inner: the attack trained on.
        weight: of the error; None means the authors' for the batch's radius, with straight lines between.
        noise: where u and v lie: "ball" as in the code for CIFAR-10, "ball_and_box" as in that for ImageNet.
        bn_mode: BatchNorm in the pass at u, v and c, see `models.modes.BatchNormMode`.
    """

    inner: InnerField = FGSM()
    weight: NonNegative | None = None
    noise: Noise = "ball"
    bn_mode: BatchNormMode = "train"

    cost: ClassVar[Cost] = Cost(forward=5, backward=5)
    source: ClassVar[str] = "Abad Rocamora et al., ICLR 2024, arXiv 2401.11618; defaults of the authors' code"
    family: ClassVar[Family] = "regulariser"
    formula: ClassVar[str] = (
        "δ of the inner attack;  CE(x + δ) + λ mean (CE(c) - (1 - a) CE(u) - a CE(v))², u, v ~ U(x ± ε), a ~ U(0, 1), "
        "c = (1 - a) u + a v"
    )
    constants: ClassVar[Mapping[str, str]] = {
        "inner": "code: FGSM, or N-FGSM",
        "weight": "code: 1000 up to 8/255, 5000 from 10/255 to 20/255, 10000 from 22/255 on; lines between are ours",
        "noise": "code: not clipped to the box for CIFAR-10, clipped for ImageNet",
        "bn_mode": "code: in train mode, which also moves its running statistics there",
    }
    bf16: ClassVar[bool] = False  # a squared difference of nearly equal losses, times thousands

    @override
    def check_config(self, config: RunSettings) -> None:
        super().check_config(config)
        check_published(config.threat, self, weight=ELLE_WEIGHTS)

    @override
    def cost_per_step(self) -> Cost:
        inner = self.inner.cost_per_step()
        return inner._replace(forward=inner.forward + 3, backward=inner.backward + 3)

    @override
    def error(self, model: nn.Module, batch: Batch) -> Tensor:
        return triple_error(model, batch, self.noise, self.bn_mode)

    @override
    def weight_of(self, batch: Batch, error: Tensor) -> Tensor:
        weight = published_value(ELLE_WEIGHTS, batch.threat.epsilon) if self.weight is None else self.weight
        return error.new_tensor(weight)


def triple_error(model: nn.Module, batch: Batch, noise: Noise, bn_mode: BatchNormMode) -> Tensor:
    """Mean of (l(c) - (1 - a) l(u) - a l(v))^2 with c = (1 - a) u + a v, a uniform in [0, 1], u and v in the ball.

    The three batches go through the network in one pass, so BatchNorm takes the statistics of all; the running ones
    stay as they are. 3 forward; the update's backward goes through it.

    Args:
        model: logits out.
        batch: its images are the centres, its labels the loss's.
        noise: whether the points keep to the pixel box.
        bn_mode: see `BatchNormMode`.

    Returns:
        A scalar with its graph, at least 0.
    """
    ends, draws = [random_points(batch, noise) for _ in range(2)], batch.generator
    shares = torch.rand(len(ends[0]), generator=draws, device=draws.device, dtype=torch.float32).to(ends[0])
    between = torch.lerp(ends[0], ends[1], shares.view(-1, 1, 1, 1))
    with attack_mode(model, bn_mode):
        logits = model(torch.cat([*ends, between]))
    losses = F.cross_entropy(logits.float(), batch.labels.repeat(3), reduction="none").view(3, -1)
    return (losses[2] - torch.lerp(losses[0], losses[1], shares.to(losses))).square().mean()
