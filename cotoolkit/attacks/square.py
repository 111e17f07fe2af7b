"""The Square attack: random search with square patches, from the logits alone (Andriushchenko et al., ECCV 2020).

It needs no gradient, so it fools a network that hides its gradients as well as any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from cotoolkit.attacks.margin import margin
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.attacks.unfooled import AttackedBatch, unfooled

FIRST_SHARE = 0.8
"""Share of the image that the first squares cover: the paper's p, as AutoAttack sets it."""

HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Queries, out of 10,000, after which the squares' area is halved (section 3.2 of the paper)."""


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

    def attempts(batch: AttackedBatch) -> Iterator[Tensor]:
        count, channels, height, width = batch.images.shape
        stripes = _signs((count, channels, 1, width), generator).to(batch.images)
        offered = best = threat.project(batch.images, threat.epsilon * stripes.expand_as(batch.images))[batch.alive]
        least = best.new_full((len(best),), torch.inf)
        for query in range(queries):
            yield offered
            margins = margin(batch.logits, batch.labels[batch.alive])
            better = margins < least[batch.held]
            best = torch.where(better[:, None, None, None], offered[batch.held], best[batch.held])
            least = torch.where(better, margins, least[batch.held])
            side = square_side(query, queries, height, width)
            top, left = (
                int(torch.randint(length - side + 1, (), generator=generator, device=generator.device))
                for length in (height, width)
            )
            offered = best.clone()
            # The paper adds a square of +-2 epsilon and clips to the ball: the same as setting it to +-epsilon.
            signs = _signs((channels, 1, 1), generator).to(offered)
            offered[:, :, top : top + side, left : left + side] = threat.epsilon * signs
            offered = threat.project(batch.images[batch.alive], offered)

    return unfooled(model, images, labels, attempts, batch_size)


def square_side(query: int, queries: int, height: int, width: int) -> int:
    """Side of the square that follows a query.

    Args:
        query: from 0.
        queries: how many there are.
        height: of the images, in pixels.
        width: of the images, in pixels.

    Returns:
        Pixels, from 1 to the image's shorter side.
    """
    scaled = int(query / queries * 10_000)
    share = FIRST_SHARE / 2 ** sum(scaled > step for step in HALVINGS)
    return min(max(round(math.sqrt(share * height * width)), 1), height, width)


def _signs(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randint(2, shape, generator=generator, device=generator.device).mul_(2).sub_(1)
