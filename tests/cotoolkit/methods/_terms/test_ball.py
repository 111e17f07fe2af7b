"""The geometry of the local ball."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods._terms.ball import local_ball


def test_golden_projection():
    # The unit test of the spec's section 1.1.
    x = torch.tensor([0.5, 0.02, 0.99, 0.5]).view(1, 1, 2, 2)
    adversary = torch.tensor([0.6, 0.0, 1.0, 0.4]).view(1, 1, 2, 2)
    raw = adversary + torch.tensor([0.2, 0.03, -0.2, -0.01]).view(1, 1, 2, 2)
    threat = ThreatModel(0.1)
    clipped = local_ball(x, adversary, 0.05, threat, clipped=True).project(raw)
    torch.testing.assert_close(clipped.flatten(), torch.tensor([0.6, 0.03, 0.95, 0.4]))
    free = local_ball(x, adversary, 0.05, threat, clipped=False).project(raw)
    torch.testing.assert_close(free.flatten(), torch.tensor([0.65, 0.03, 0.95, 0.39]))


def test_only_for_linf():
    images = torch.rand(2, 1, 2, 2)
    with pytest.raises(ConfigError, match="linf, not l2"):
        local_ball(images, images, 0.1, ThreatModel(0.5, "l2"), clipped=True)


@settings(max_examples=60, deadline=None)
@drawn(
    seed=st.integers(0, 10**6),
    rho=st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0]),
    box=st.sampled_from(["box_then_eps", "eps_then_box", "none"]),
    clipped=st.booleans(),
    outside=st.booleans(),
)
def test_properties_of_the_ball(seed, rho, box, clipped, outside):
    draws = torch.Generator().manual_seed(seed)
    epsilon = 0.1
    threat = ThreatModel(epsilon, "linf", box)
    images = torch.rand(3, 1, 4, 4, generator=draws) * (1.4 if outside else 1.0) - (0.2 if outside else 0.0)
    signs = torch.randint(0, 2, images.shape, generator=draws) * 2.0 - 1
    centres = images + threat.project(images, epsilon * signs)
    ball = local_ball(images, centres, rho * epsilon, threat, clipped=clipped)
    points = ball.uniform(draws)
    assert ((points - centres).abs() <= rho * epsilon + 1e-6).all()
    torch.testing.assert_close(ball.project(points), points, atol=1e-6, rtol=0)  # idempotent
    torch.testing.assert_close(ball.project(centres), centres, atol=1e-6, rtol=0)  # not empty
    if clipped:
        torch.testing.assert_close(threat.project(images, points - images), points - images, atol=1e-6, rtol=0)
    if not outside and box != "none":
        assert (points >= -1e-6).all()
        assert (points <= 1 + 1e-6).all()


def test_at_a_corner_the_start_steps_back_along_the_segment():
    # Clipped: uniform between x' and x' - r, so r/2 on average. Unclipped: no net displacement.
    threat, draws = ThreatModel(0.1, "linf", "none"), torch.Generator().manual_seed(0)
    images = torch.rand(8, 1, 40, 40, generator=draws)
    signs = torch.randint(0, 2, images.shape, generator=draws) * 2.0 - 1
    for clipped, expected in ((True, -0.5), (False, 0.0)):
        ball = local_ball(images, images + 0.1 * signs, 0.05, threat, clipped=clipped)
        moved = ((ball.uniform(draws) - images - 0.1 * signs) * signs).mean() / 0.05
        assert moved.item() == pytest.approx(expected, abs=0.02)
