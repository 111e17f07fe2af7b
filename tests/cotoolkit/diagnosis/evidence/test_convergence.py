"""PGD that goes on: on a loss whose way is known, and on networks that were trained."""

from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.diagnosis.evidence.convergence import pgd_until_converged
from cotoolkit.evaluation.protocol import Protocol, run_protocol
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


def test_it_goes_on_while_points_fall_and_says_that_the_budget_ended(standard):
    class Slow(nn.Module):
        """The network at a twentieth of the way: eps-ball steps take it on slowly, as a loss with long valleys does."""

        def forward(self, images):
            return standard.model(images)

    images, labels = standard.images[:64], standard.labels[:64]
    threat = ThreatModel(RADIUS / 4)
    found, _ = pgd_until_converged(Slow(), images, labels, threat, first=2, most=2)
    assert found.steps == (1, 2)
    assert found.converged == (found.falling.value <= 0.02)
    assert not found.converged  # from random starts a quarter of a step apart, the second step still finds some


def test_it_is_the_protocol_s_pgd_while_nothing_else_differs(standard):
    """From the same starts: after K steps the same points are left, up to the draws of the starts."""
    images, labels, threat = standard.images[:60], standard.labels[:60], ThreatModel(RADIUS / 4)
    found, held = pgd_until_converged(standard.model, images, labels, threat, first=40, most=40)
    other = run_protocol(standard.model, images, labels, threat, Protocol(steps=40))
    assert abs(float(held.float().mean()) - other.accuracy.value) < 0.08
    assert found.accuracy[-1].points == 60
