"""Defensive distillation (Papernot et al., S&P 2016), a defence that hides gradients and was broken.

A teacher and a student are trained at a high temperature; the student answers at temperature 1, with logits that are as
much larger, so that the gradient of its cross-entropy is zero on most images (Carlini & Wagner, 2016).
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.core.seeding import generator

TEMPERATURE = 50.0
STEPS, BATCH, RATE = 400, 64, 0.005


def distil(network: nn.Module, images: Tensor, labels: Tensor, *, seed: int) -> nn.Module:
    """A student whose logits were trained at a high temperature.

    Args:
        network: whose shape and weights teacher and student start from; left as it is.
        images: (N, C, H, W) float32, to train on.
        labels: (N,) int64.
        seed: of the batches.

    Returns:
        The student, in evaluation mode: images to logits.
    """
    classes = network(images[:1]).shape[1]
    teacher = _fitted(network, images, F.one_hot(labels, classes).float(), seed)
    with torch.no_grad():
        soft = F.softmax(teacher(images) / TEMPERATURE, 1)
    return _fitted(network, images, soft, seed + 1)


def _fitted(network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> nn.Module:
    """A copy that is trained on soft labels at `TEMPERATURE`, by Adam, whose steps do not shrink with the gradients."""
    fitted, draws = copy.deepcopy(network).train(), generator(seed, "order")
    optimiser = torch.optim.Adam(fitted.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, STEPS)
    for _ in range(STEPS):
        batch = torch.randint(len(images), (BATCH,), generator=draws)
        loss = F.cross_entropy(fitted(images[batch]) / TEMPERATURE, targets[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return fitted.eval()
