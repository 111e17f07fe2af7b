"""PGD that goes on: on a loss whose way is known, and on networks that were trained."""

import torch
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.diagnosis.evidence.convergence import pgd_until_converged
from cotoolkit.evaluation.protocol import Protocol, run_protocol
from tests._helpers.networks import Linear
from tests._helpers.trained_networks import RADIUS


def test_it_ends_once_nothing_falls(standard):
    images, labels, threat = standard.images[:40], standard.labels[:40], ThreatModel(RADIUS)
    found, held = pgd_until_converged(standard.model, images, labels, threat, first=20, most=320)
    assert found.converged
    assert found.steps[-1] <= 40
    assert found.accuracy[-1].value == held.float().mean()
    assert list(found.steps) == sorted(found.steps)
    values = [rate.value for rate in found.accuracy]
    assert values == sorted(values, reverse=True)


def test_it_goes_on_while_points_fall_and_says_that_the_budget_ended():
    """On a linear score each step of a quarter of epsilon takes the points whose score lies within that step."""
    weight, points = torch.full((1, 2, 2), 1.0), 400
    images = 0.5 + torch.linspace(0, 0.1, points).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    model = nn.Sequential(Shifted(), Linear(weight))
    labels, threat = torch.ones(points, dtype=torch.long), ThreatModel(0.1)
    cut, ended = (pgd_until_converged(model, images, labels, threat, first=2, most=most)[0] for most in (4, 64))
    assert cut.steps == (1, 2, 4)
    assert not cut.converged
    assert cut.falling.value > 0.02
    assert ended.converged
    assert ended.accuracy[-1].value == 0
    assert ended.steps[-1] < 64


class Shifted(nn.Module):
    def forward(self, images):
        return images - 0.5


def test_it_is_the_protocol_s_pgd_while_nothing_else_differs(standard):
    """From the same starts: after K steps the same points are left, up to the draws of the starts."""
    images, labels, threat = standard.images[:60], standard.labels[:60], ThreatModel(RADIUS / 4)
    found, held = pgd_until_converged(standard.model, images, labels, threat, first=40, most=40)
    other = run_protocol(standard.model, images, labels, threat, Protocol(steps=40))
    assert abs(float(held.float().mean()) - other.accuracy.value) < 0.08
    assert found.accuracy[-1].points == 60
