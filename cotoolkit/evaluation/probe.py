"""A probe: clean, FGSM and PGD accuracy and gradient alignment of a model on a few fixed points, in one economy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cotoolkit.attacks.gradient import holds, input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.seeding import generator
from cotoolkit.evaluation.intervals import exact_bounds, wilson
from cotoolkit.models.modes import attack_mode
from cotoolkit.signals.local import gradient_alignment

FIRST_LOOK = 32
"""Points after which a probe may end early for the first time."""

MORE = 4
"""Times as many points before it may for the next time: on small networks it is the number of passes that costs."""


Bounds = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
"""Type of the bounds of clean, FGSM and PGD accuracy: (low, high) each, in [0, 1]."""


@dataclass(frozen=True)
class ProbeResult:
    """Accuracies on the probe's points at one iteration, shares in [0, 1].

    Attributes:
        clean: accuracy on the points as they are.
        fgsm: accuracy after one full sign step from the image.
        pgd: share of points that no PGD iterate fooled.
        gradient_alignment: mean cosine between the gradients at x and at the random start.
        points: number of points.
        robust: for each point, behind `pgd`.
        complete: whether these are all of the probe's points; a probe ends early where a decision is all it is for.
    """

    clean: float
    fgsm: float
    pgd: float
    gradient_alignment: float
    points: int
    robust: tuple[bool, ...]
    complete: bool = True

    def intervals(self) -> Bounds:
        """95 % Wilson intervals of the clean, the FGSM and the PGD accuracy."""
        return self._bounded(wilson)

    def bounds(self, error: float) -> Bounds:
        """Bounds of the clean, the FGSM and the PGD accuracy, each wrong with probability `error` at most."""
        return self._bounded(lambda hits, points: exact_bounds(hits, points, error))

    def _bounded(self, of: Callable[[int, int], tuple[float, float]]) -> Bounds:
        clean, fgsm, pgd = (of(round(share * self.points), self.points) for share in (self.clean, self.fgsm, self.pgd))
        return clean, fgsm, pgd

    def metrics(self) -> dict[str, float]:
        """The measured values by signal name."""
        return {
            "probe_clean": self.clean,
            "probe_fgsm": self.fgsm,
            "probe_pgd": self.pgd,
            "gradient_alignment": self.gradient_alignment,
        }


NO_PROBE = ProbeResult(math.nan, math.nan, math.nan, math.nan, 0, (), complete=False)
"""What a probe that could not be made says: nothing."""

Enough = Callable[[ProbeResult], bool]
"""Whether a result on some of the points will do."""


class Probe:
    """Fixed points under fixed random starts, so that two probes differ by the model alone.

    (And by round-off, where one goes through the points in parts.)

    No pass is spent twice: the gradient at x serves clean accuracy, the FGSM step and the alignment; the gradient at
    the random start serves the alignment and the first PGD step; fooled points leave the PGD loop.
    """

    def __init__(self, images: Tensor, labels: Tensor, threat: ThreatModel, steps: int, seed: int) -> None:
        self.images, self.labels, self.threat, self.steps = images, labels, threat, steps
        self.start = threat.random_start(images, generator(seed, "probe"))

    def measure(self, model: nn.Module, enough: Enough | None = None) -> ProbeResult:
        """Probe a model; its modes, BatchNorm state and gradients stay as they were.

        Args:
            model: logits out.
            enough: says of the result on the first `FIRST_LOOK` points, then on `MORE` times as many and so on, whether
                it will do; by default all points are probed at once.

        Returns:
            Accuracies on the points that were probed.
        """
        count, seen = len(self.labels), 0
        parts: list[Tensor] = []
        with attack_mode(model, "eval"):
            while True:
                end = count if enough is None else min(max(FIRST_LOOK, MORE * seen), count)
                parts.append(self._points(model, slice(seen, end)))
                seen = end
                result = self._result(torch.cat(parts, 1))
                if result.complete or (enough is not None and enough(result)):
                    return result

    def _points(self, model: nn.Module, part: slice) -> Tensor:
        """Rows clean, fgsm, robust (0 or 1) and alignment, (4, B)."""
        images, labels, start, threat = self.images[part], self.labels[part], self.start[part], self.threat
        clean = input_gradient(model, images, labels)
        fgsm_delta = threat.project(images, threat.epsilon * threat.steepest(clean.gradient))
        with torch.no_grad():
            fgsm = holds(model(images + fgsm_delta), labels)
        found = input_gradient(model, images + start, labels)
        aligned = gradient_alignment(clean.gradient, found.gradient)
        correct = holds(clean.logits, labels)
        alive, gradient = torch.arange(len(labels), device=labels.device), found.gradient
        held, delta = correct & holds(found.logits, labels), start
        for step in range(self.steps):
            alive, delta, gradient = alive[held], delta[held], gradient[held]
            if len(alive) == 0:
                break
            delta = threat.project(images[alive], delta + threat.epsilon / 4 * threat.steepest(gradient))
            if step < self.steps - 1:
                gradient, logits, _ = input_gradient(model, images[alive] + delta, labels[alive])
            else:
                with torch.no_grad():
                    logits = model(images[alive] + delta)
            held = holds(logits, labels[alive])
        robust = torch.zeros(len(labels), dtype=torch.bool, device=labels.device)
        robust[alive[held] if len(alive) else alive] = True
        return torch.stack([correct.float(), fgsm.float(), robust.float(), aligned])

    def _result(self, rows: Tensor) -> ProbeResult:
        clean, fgsm, pgd, aligned = rows.nanmean(1).tolist()
        seen = rows.shape[1]
        robust = tuple(rows[2].bool().tolist())
        return ProbeResult(clean, fgsm, pgd, aligned, seen, robust, complete=seen == len(self.labels))
