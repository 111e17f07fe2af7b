"""FGSM at many radii from one gradient, and the way from the image to the FGSM example and beyond."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cotoolkit.attacks.gradient import holds, input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.diagnosis.measurements import Segment
from cotoolkit.diagnosis.measuring.statistics import mean_of, quartiles, rate_of
from cotoolkit.models.modes import attack_mode
from cotoolkit.signals.segment import boundary_distortion, smallest_fooling_fraction
from cotoolkit.signals.step import abnormal_example


class FgsmSweep(NamedTuple):
    """What one gradient at the images gives.

    Attributes:
        clean: (N,) bool, correct at the image.
        correct: (K, N) bool, correct after one full step of each of K radii.
        gradient: (N, C, H, W), at the image.
        logits: (N, classes), at the image.
        losses: (N,), at the image.
    """

    clean: Tensor
    correct: Tensor
    gradient: Tensor
    logits: Tensor
    losses: Tensor

    def pick(self, chosen: Tensor) -> FgsmSweep:
        """The same of some of the points, by their indices (M,)."""
        per_point = (part[chosen] for part in (self.gradient, self.logits, self.losses))
        return FgsmSweep(self.clean[chosen], self.correct[:, chosen], *per_point)


def fgsm_sweep(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    multiples: Sequence[float],
    batch_size: int = 512,
) -> FgsmSweep:
    """FGSM at multiples of the threat's radius: one gradient, and a forward pass for each radius.

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        threat: ball and box.
        multiples: K of them.
        batch_size: points that go through together.

    Returns:
        What was right, at the images and at each radius, and the gradient with its by-products.
    """
    parts = []
    with attack_mode(model, "eval"):
        for first in range(0, len(images), batch_size):
            here, true = images[first : first + batch_size], labels[first : first + batch_size]
            found = input_gradient(model, here, true)
            correct = []
            for multiple in multiples:
                ball = threat.scaled(multiple)
                delta = ball.project(here, ball.epsilon * ball.steepest(found.gradient))
                with torch.no_grad():
                    correct.append(holds(model(here + delta), true))
            parts.append((holds(found.logits, true), torch.stack(correct), *found))
    clean, correct_at, gradient, logits, losses = zip(*parts, strict=True)
    return FgsmSweep(
        torch.cat(clean), torch.cat(correct_at, 1), torch.cat(gradient), torch.cat(logits), torch.cat(losses)
    )


def segment(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    delta: Tensor,
    samples: int,
    batch_size: int = 512,
) -> Segment:
    """Accuracy and loss at images + k * delta for k from 0 to 2, and the signs between 0 and 1 that FGSM is misled.

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        threat: for its box, which holds beyond the end of the perturbation too.
        delta: (N, C, H, W), the FGSM perturbation at the threat's radius.
        samples: between 0 and 1, a multiple of 3 (Kim et al. fool at thirds); a third as many follow up to 2.
        batch_size: points that go through together.

    Returns:
        Accuracy and loss by fraction, and the signs.
    """
    fractions = [step / samples for step in range(samples + 1)]
    fractions += [1 + 3 * step / samples for step in range(1, samples // 3 + 1)]
    batches = zip(images.split(batch_size), labels.split(batch_size), delta.split(batch_size), strict=True)
    parts = [
        along(model, here, true, threat, (fraction * step for fraction in fractions)) for here, true, step in batches
    ]
    correct, losses = (torch.cat(part, 1) for part in zip(*parts, strict=True))
    inside = correct[: samples + 1]
    distorted = boundary_distortion(inside)
    ends = distorted.isfinite()
    lower, median, upper = zip(*(quartiles(row) for row in losses), strict=True)
    return Segment(
        fractions=tuple(fractions),
        accuracy=tuple(correct.float().mean(1).tolist()),
        median_loss=median,
        lower_loss=lower,
        upper_loss=upper,
        boundary_distortion=rate_of(distorted[ends] == 1) if ends.any() else None,
        distorted=rate_of(distorted == 1),
        abnormal=rate_of(abnormal_example(losses[0], losses[samples]) == 1),
        smallest_fooling_fraction=mean_of(smallest_fooling_fraction(inside[:: samples // 3])),
    )


def along(
    model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel, deltas: Iterable[Tensor]
) -> tuple[Tensor, Tensor]:
    """Correctness and loss at several displacements of the images, clipped to the box.

    Args:
        model: logits out.
        images: (N, C, H, W).
        labels: (N,).
        threat: for its box.
        deltas: K displacements, (N, C, H, W) each.

    Returns:
        (K, N) bool, right there, and (K, N), the cross-entropy.
    """
    correct, losses = [], []
    with attack_mode(model, "eval"), torch.no_grad():
        for delta in deltas:
            moved = images + delta
            logits = model(moved if threat.box == "none" else moved.clamp(0, 1)).float()
            correct.append(holds(logits, labels))
            losses.append(F.cross_entropy(logits, labels, reduction="none"))
    return torch.stack(correct), torch.stack(losses)
