"""Has the attack converged? PGD goes on until accuracy falls no more, or until the budget ends."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import holds, input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.diagnosis.evidence.records import Convergence
from cotoolkit.diagnosis.measuring.statistics import rate_of
from cotoolkit.diagnosis.shares import Rate
from cotoolkit.diagnosis.thresholds import FALLING, UNSETTLED
from cotoolkit.models.modes import attack_mode
from cotoolkit.signals.attack_failure import unsettled_attack

STEP = 0.25
"""Step size in units of epsilon, as in PGD's protocol."""

POSITION = 30
"""Of the random starts, among those of the label `diagnosis`."""


def pgd_until_converged(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    threat: ThreatModel,
    *,
    first: int,
    most: int,
    seed: int = 0,
    batch_size: int = 512,
) -> tuple[Convergence, Tensor]:
    """PGD from one start, its steps doubled until it finds hardly anything new.

    It has converged when the second half of the steps fools hardly a point that the first did not, and the loss of
    hardly a point left still grows (`unsettled_attack`).

    Args:
        model: logits out; attacked in eval mode.
        images: (N, C, H, W), N >= 1.
        labels: (N,).
        threat: ball and box.
        first: steps after which it may end, at least 2.
        most: steps after which it ends, whatever it still finds.
        seed: of the starts.
        batch_size: points attacked together; changes no result but by round-off.

    Returns:
        How accuracy fell, and (N,) bool, which points no step fooled.
    """
    draws = generator(seed, "diagnosis", POSITION)
    with attack_mode(model, "eval"):
        walk = _Walk(model, images, labels, threat, threat.random_start(images, draws), batch_size)
        steps = [first // 2]
        walk.go(steps[0])
        rates = [rate_of(walk.held)]
        while True:
            before = walk.held.clone()
            steps.append(min(first if len(steps) == 1 else 2 * steps[-1], max(most, first)))
            walk.go(steps[-1] - steps[-2])
            rates.append(rate_of(walk.held))
            falling, unsettled = rate_of(before & ~walk.held), _unsettled(walk)
            converged = falling.value <= FALLING and (unsettled is None or unsettled.value <= UNSETTLED)
            if converged or steps[-1] >= most:
                break
    found = Convergence(
        steps=tuple(steps), accuracy=tuple(rates), falling=falling, unsettled=unsettled, converged=converged
    )
    return found, walk.held


def _unsettled(walk: _Walk) -> Rate | None:
    """Of the points still right, the share on which the loss still grows; None if none of them says anything."""
    found = unsettled_attack(torch.stack(walk.losses))[walk.held]
    known = found[found.isfinite()]
    return rate_of(known == 1) if len(known) else None


class _Walk:
    """PGD under way.

    Attributes:
        held: (N,) bool, points that no step has fooled so far.
        losses: of every step, (N,); nan once a point is fooled.
    """

    def __init__(
        self, model: nn.Module, images: Tensor, labels: Tensor, threat: ThreatModel, start: Tensor, batch_size: int
    ) -> None:
        self.model, self.images, self.labels, self.threat = model, images, labels, threat
        self.delta, self.batch_size = start.clone(), batch_size
        self.losses: list[Tensor] = []
        parts = zip(images.split(batch_size), labels.split(batch_size), strict=True)
        with torch.no_grad():
            self.held = torch.cat([holds(model(here), true) for here, true in parts])

    def go(self, steps: int) -> None:
        """Take so many steps more, and see whom the last one fools."""
        for _ in range(steps):
            losses = torch.full(self.labels.shape, torch.nan, dtype=torch.float32, device=self.images.device)
            for part in self.held.nonzero().flatten().split(self.batch_size):
                here = self.images[part]
                found = input_gradient(self.model, here + self.delta[part], self.labels[part])
                losses[part] = found.losses.float()
                right = holds(found.logits, self.labels[part])
                self.held[part[~right]] = False
                step = STEP * self.threat.epsilon * self.threat.steepest(found.gradient)
                self.delta[part] = self.threat.project(here, self.delta[part] + step)
            self.losses.append(losses)
        with torch.no_grad():
            for part in self.held.nonzero().flatten().split(self.batch_size):
                logits = self.model(self.images[part] + self.delta[part])
                self.held[part] = holds(logits, self.labels[part])
