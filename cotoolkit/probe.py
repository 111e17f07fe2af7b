"""A probe: clean, FGSM and PGD accuracy and gradient alignment of a model on a few fixed points, in one economy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cotoolkit.attacks import attack_mode, input_gradient
from cotoolkit.evaluate import holds
from cotoolkit.intervals import wilson
from cotoolkit.seeding import generator
from cotoolkit.signals import gradient_alignment
from cotoolkit.threat import ThreatModel


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
    """

    clean: float
    fgsm: float
    pgd: float
    gradient_alignment: float
    points: int
    robust: tuple[bool, ...]

    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval of the PGD accuracy."""
        return wilson(round(self.pgd * self.points), self.points)

    def metrics(self) -> dict[str, float]:
        """The measured values by signal name."""
        return {
            "probe_clean": self.clean,
            "probe_fgsm": self.fgsm,
            "probe_pgd": self.pgd,
            "gradient_alignment": self.gradient_alignment,
        }


class Probe:
    """Fixed points under fixed random starts, so that two probes differ by the model alone.

    No pass is spent twice: the gradient at x serves clean accuracy, the FGSM step and the alignment; the gradient at
    the random start serves the alignment and the first PGD step; fooled points leave the PGD loop.
    """

    def __init__(self, images: Tensor, labels: Tensor, threat: ThreatModel, steps: int, seed: int) -> None:
        self.images, self.labels, self.threat, self.steps = images, labels, threat, steps
        self.start = threat.random_start(images, generator(seed, "probe"))

    def measure(self, model: nn.Module) -> ProbeResult:
        """Probe a model; its modes, BatchNorm state and gradients stay as they were."""
        images, labels, threat = self.images, self.labels, self.threat
        with attack_mode(model, "eval"):
            clean = input_gradient(model, images, labels)
            fgsm_delta = threat.project(images, threat.epsilon * threat.steepest(clean.gradient))
            with torch.no_grad():
                fgsm = holds(model(images + fgsm_delta), labels)
            found = input_gradient(model, images + self.start, labels)
            aligned = gradient_alignment(clean.gradient, found.gradient).nanmean()
            correct = holds(clean.logits, labels)
            alive, gradient = torch.arange(len(labels), device=labels.device), found.gradient
            held, delta = correct & holds(found.logits, labels), self.start
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
        shares = [correct.float().mean(), fgsm.float().mean(), robust.float().mean(), aligned]
        clean_share, fgsm_share, pgd_share, alignment = torch.stack(shares).tolist()
        return ProbeResult(clean_share, fgsm_share, pgd_share, alignment, len(labels), tuple(robust.tolist()))
