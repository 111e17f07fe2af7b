"""A network whose accuracies are known by hand: every image carries its class and the kind of its margin.

The margin of an image is a function of two displacements, `a` and `b`, of two of its pixels from 0.5, in units of
epsilon. The gradient of FGSM points along `a` alone; PGD starts at random and so finds what lies along `b` too. Class
and kind are read from two other pixels by rounding, which no attack of up to two epsilon changes. So the shares of the
kinds among the images are the accuracies.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPSILON = 0.02
CLASSES = 9

KINDS = {
    "wrong": lambda a, b: -1 - 0.1 * a,
    "weak": lambda a, b: 1 - 4 * a,
    "late": lambda a, b: 1 - 1.2 * a,
    "band": lambda a, b: 1 - 5.6 * a + 5.2 * a * a,
    "abnormal": lambda a, b: 1 - 0.5 * a + 2 * a * a - 8 * b * b,
    "trap": lambda a, b: 1 - 0.1 * a - 8 * b * b,
    "robust": lambda a, b: 1 - 0.1 * a,
}
"""Margins, at an FGSM step of t by (a, b) = (t, 0), at PGD anywhere in [-1, 1] x [-1, 1].

wrong: from the start. weak: FGSM fools it from t = 0.25 on. late: from t = 0.83 on. band: right at 0 and from t = 0.85
on, wrong between 0.23 and there, at t = 0.5 by 0.5: distorted. abnormal: FGSM raises the margin, to 2.5 at t = 1. trap:
FGSM lowers it to 0.9, and there is no sign. The last two are wrong at |b| = 1. robust: 0.9 at least.
"""

FGSM_HOLDS = ("band", "abnormal", "trap", "robust")


class Stack(nn.Module):
    """(B, 1, 2, 2) images of `points` -> logits (B, CLASSES): the margin for the image's class, 0 for others."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits."""
        label, kind, first, second = images.flatten(1).T
        a, b = (first - 0.5) / EPSILON, (second - 0.5) / EPSILON
        margins = torch.stack([margin(a, b) for margin in KINDS.values()], 1)
        own = margins.gather(1, (10 * kind).round().long().clamp(0, len(KINDS) - 1)[:, None])
        classes = (10 * label).round().long().clamp(0, CLASSES - 1)
        return own * nn.functional.one_hot(classes, CLASSES).to(own)


def points(counts: dict[str, int]) -> tuple[Tensor, Tensor]:
    """Images and labels, so many of each kind, classes in turn."""
    kinds = torch.tensor([kind for kind, name in enumerate(KINDS) for _ in range(counts.get(name, 0))])
    labels = torch.arange(len(kinds)) % CLASSES
    middle = torch.full((len(kinds),), 0.5)
    return torch.stack([labels / 10, kinds / 10, middle, middle], 1).view(-1, 1, 2, 2), labels
