"""The last attack: PGD towards one other class after the other, with momentum and steps that shrink.

After the targeted attack of AutoAttack (Croce & Hein, ICML 2020) and the multi-targeted attack of Gowal et al. (2019).
Where plain PGD with short steps stays in a dent of the loss, this one starts with steps across the whole ball, and
where the most likely wrong class leads nowhere, it tries the next one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import holds
from cotoolkit.attacks.margin import scale_of
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.processes.patience import sign_of_life
from cotoolkit.models.modes import attack_mode

LONGEST = 2.0
"""First step in units of epsilon, as in AutoAttack's PGD; the steps shrink to 0 along a cosine."""

MOMENTUM = 0.75
"""Share of the new step, the rest being that of the last move, as in AutoAttack's PGD."""


class TargetedOutcome(NamedTuple):
    """What the attack left.

    Attributes:
        held: (N,) bool, right at the image and at every step of every run.
        fell: (N,), the run in which a point fell, from 0; -1 where it held, and where it was wrong at the image.
        runs: made, one per target.
    """

    held: Tensor
    fell: Tensor
    runs: int

    @property
    def late(self) -> Tensor:
        """(N,) bool, points that fell in the later half of the runs; the attack is not done while there are many."""
        return self.fell >= (self.runs + 1) // 2


def targeted_attack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    steps: int,
    targets: int,
    generator: torch.Generator,
    batch_size: int = 512,
) -> TargetedOutcome:
    """PGD on (own logit - target's logit), once per target, on the points that nothing fooled before.

    The targets of a point are the classes most likely at its image, besides its own, the likeliest first.

    Args:
        model: logits out, on the images' device; attacked in eval mode.
        images: (N, C, H, W).
        labels: (N,).
        threat: ball and box.
        steps: gradient steps per target.
        targets: most classes that are tried; fewer where the network has fewer.
        generator: of the random starts, on the CPU.
        batch_size: points attacked together; the starts are drawn batch by batch, so that it decides them.

    Returns:
        Which points held, and when the others fell.
    """
    with attack_mode(model, "eval"):
        parts = zip(images.split(batch_size), labels.split(batch_size), strict=True)
        outcomes = [_batch(model, here, true, threat, steps, targets, generator) for here, true in parts]
    held, fell, runs = zip(*outcomes, strict=True)
    return TargetedOutcome(torch.cat(held), torch.cat(fell), max(runs))


def targeted_card(steps: int, targets: int) -> dict[str, Any]:
    """What defines the attack, as JSON data.

    Args:
        steps: as `targeted_attack` takes them.
        targets: as `targeted_attack` takes them.

    Returns:
        The fields of a protocol card that are this attack's own.
    """
    sizes = {"first_step": LONGEST, "schedule": "cosine", "momentum": MOMENTUM}
    return {"attack": "pgd towards each target", "steps": steps, "targets": targets, **sizes}


def _batch(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    steps: int,
    targets: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, int]:
    with torch.no_grad():
        logits = model(images).float()
    held = holds(logits, labels)
    fell = torch.full_like(labels, -1)
    others = logits.scatter(1, labels[:, None], -torch.inf).sort(dim=1, descending=True, stable=True).indices
    runs = min(targets, logits.shape[1] - 1)
    for run in range(runs):
        start = threat.random_start(images, generator)  # drawn for all points, so that no point's depends on another
        alive = held.nonzero().flatten()
        for now in _run(model, images, labels, others[:, run], threat, steps, start, alive):
            alive = now
        fallen = held.index_fill(0, alive, value=False)
        held, fell = held & ~fallen, fell.masked_fill(fallen, run)
    return held, fell, runs


def _run(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    target: Tensor,
    threat: ThreatModel,
    steps: int,
    start: Tensor,
    alive: Tensor,
) -> Iterator[Tensor]:
    """The points, by index, that are still right after each step."""
    delta = start[alive]
    before = delta
    for step in range(steps):
        sign_of_life()
        if len(alive) == 0:
            return
        here = images[alive]
        gradient, logits = target_gradient(model, here + delta, labels[alive], target[alive])
        right = holds(logits, labels[alive])
        alive, here, delta, before, gradient = alive[right], here[right], delta[right], before[right], gradient[right]
        length = LONGEST * threat.epsilon * (1 + math.cos(math.pi * step / steps)) / 2
        ahead = threat.project(here, delta + length * threat.steepest(gradient))
        moved = delta + MOMENTUM * (ahead - delta) + (1 - MOMENTUM) * (delta - before)
        delta, before = threat.project(here, moved), delta
        yield alive
    if len(alive):
        with torch.no_grad():
            yield alive[holds(model(images[alive] + delta).float(), labels[alive])]


def target_gradient(model: nn.Module, images: Tensor, labels: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Per-sample input gradient of (target's logit - own logit), scaled as in `attacks.margin`.

    Args:
        model: logits out.
        images: (B, C, H, W).
        labels: (B,).
        target: (B,), other classes.

    Returns:
        (B, C, H, W), and the logits (B, classes) at the images.
    """
    with torch.enable_grad():
        images = images.detach().requires_grad_()
        logits = model(images).float()
        gap = (logits.gather(1, target[:, None]) - logits.gather(1, labels[:, None])).squeeze(1)
        (gradient,) = torch.autograd.grad((gap / scale_of(logits)).sum(), images)
    return gradient, logits.detach()
