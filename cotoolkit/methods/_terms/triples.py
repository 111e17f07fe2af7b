"""ELLE's error: how far the loss is from linear between random points of the ball, without a gradient of a gradient."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.methods._terms.random_points import Noise, random_points
from cotoolkit.methods.batch import Batch
from cotoolkit.models.modes import BatchNormMode, attack_mode


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
