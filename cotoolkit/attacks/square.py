"""The Square attack: random search with square patches, from the logits alone (Andriushchenko et al., ECCV 2020).

It needs no gradient, so it fools a network that hides its gradients as well as any other.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import attack_mode, holds
from cotoolkit.attacks.threat_model import ThreatModel

FIRST_SHARE = 0.8
"""Share of the image that the first squares cover: the paper's p, as AutoAttack sets it."""

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Queries, out of 10,000, after which the squares' area is halved (section 3.2 of the paper)."""


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Logit of the true class minus the largest other one: below 0 where misclassified. (B, classes), (B,) -> (B,)."""
    own = logits.gather(1, labels[:, None])
    return (own - logits.scatter(1, labels[:, None], -torch.inf).amax(1, keepdim=True)).squeeze(1)


def square_attack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    queries: int,
    generator: torch.Generator,
    batch_size: int = 512,
) -> Tensor:
    """Which points the linf Square attack does not fool.

    Starts at vertical stripes of +-epsilon and then offers one square of +-epsilon after the other, kept where it
    lowers the margin. The sizes shrink as in the paper, over as many queries as there are. Fooled points take no more
    queries, and points that are wrong from the start none. All points of a batch share the place and the sign of a
    square, as in AutoAttack's code.

    Args:
        model: logits out, on the images' device.
        images: (N, C, H, W) in [0, 1].
        labels: (N,).
        threat: the linf ball and the box.
        queries: forward passes per point, at least 1.
        generator: on the CPU; the draws do not depend on the device.
        batch_size: points attacked together.

    Returns:
        (N,) bool.

    Raises:
        ValueError: the threat is not linf.
    """
    if threat.norm != "linf":
        raise ValueError(f"the Square attack is written for linf, not {threat.norm}")
    found = []
    with attack_mode(model, "eval"), torch.no_grad():
        for first in range(0, len(images), batch_size):
            part = slice(first, first + batch_size)
            found.append(_unfooled(model, images[part], labels[part], threat, queries, generator))
    return torch.cat(found)


def square_side(query: int, queries: int, height: int, width: int) -> int:
    """Side of the square offered at a query, in pixels, 1 to the image's shorter side."""
    scaled = int(query / queries * 10_000)
    share = FIRST_SHARE / 2 ** sum(scaled > step for step in HALVINGS)
    return min(max(round(math.sqrt(share * height * width)), 1), height, width)


def _unfooled(
    model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel, queries: int, generator: torch.Generator
) -> Tensor:
    alive = holds(model(images), labels).nonzero().flatten()
    count, channels, height, width = images.shape
    stripes = _signs((count, channels, 1, width), generator).to(images)
    deltas = threat.project(images, threat.epsilon * stripes.expand_as(images))[alive]
    least = images.new_full((len(alive),), torch.inf)
    offered = deltas
    for query in range(queries):
        if len(alive) == 0:
            break
        logits = model(images[alive] + offered)
        margins = margin(logits, labels[alive])
        held = holds(logits, labels[alive])
        better = margins < least
        deltas = torch.where(better[:, None, None, None], offered, deltas)[held]
        least, alive = torch.where(better, margins, least)[held], alive[held]
        side = square_side(query, queries, height, width)
        top, left = (int(torch.randint(length - side + 1, (), generator=generator)) for length in (height, width))
        offered = deltas.clone()
        # The paper adds a square of +-2 epsilon and clips to the ball: the same as setting it to +-epsilon.
        signs = _signs((channels, 1, 1), generator).to(images)
        offered[:, :, top : top + side, left : left + side] = threat.epsilon * signs
        offered = threat.project(images[alive], offered)
    correct = torch.zeros(count, dtype=torch.bool, device=images.device)
    correct[alive] = True
    return correct


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(2, shape, generator=generator).mul_(2).sub_(1)
