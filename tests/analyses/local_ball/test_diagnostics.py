"""Diagnostics on networks whose values can be worked out by hand, and on random ones for what must always hold."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from analyses.local_ball import diagnostics
from analyses.local_ball.masking import masking_checks
from cotoolkit.attacks import gradient as attacks
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.data.points import Points
from cotoolkit.methods._terms.divergence import kl_divergence
from tests._helpers.networks import Linear, PassCounter, conv_net

THREAT = ThreatModel(0.1, "linf", "none")


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def network():
    return conv_net()


@pytest.fixture
def points():
    source = draws(3)
    return torch.rand(12, 1, 6, 6, generator=source), torch.randint(4, (12,), generator=source)


def fgsm(model, images, labels):
    return images + attacks.fgsm(model, images, labels, THREAT, bn_mode="eval").delta


class Valley(nn.Module):
    """Logits (0, s - a s^2) of the mean pixel s: the loss of label 0 rises to s = 1 / (2 a) and falls from there."""

    def __init__(self, curvature):
        super().__init__()
        self.curvature = curvature

    def forward(self, images):
        s = images.flatten(1).mean(1)
        return torch.stack([torch.zeros_like(s), s - self.curvature * s**2], 1)


def test_peak_of_a_profile_in_closed_form():
    images, labels = torch.zeros(3, 1, 2, 2), torch.zeros(3, dtype=torch.long)
    adversaries = images + torch.tensor([1.0, 1.0, 0.5]).view(3, 1, 1, 1)
    for curvature, expected in ((1 / 0.6, [0.3, 0.3, 0.6]), (0.0, [1.0, 1.0, 1.0])):
        losses = diagnostics.profile(Valley(curvature), images, labels, adversaries, ThreatModel(1.0, "linf", "none"))
        assert losses.shape == (11, 3)
        torch.testing.assert_close(diagnostics.peak(losses), torch.tensor(expected))
    assert diagnostics.peak(torch.zeros(11, 2)).tolist() == [1.0, 1.0]  # a flat profile peaks at the adversary
    for level in (1e-3, 1.0, 80.0):  # whatever its round-off
        flat = level * (1 + 1e-6 * torch.randn(11, 30, generator=draws(3)))
        assert diagnostics.peak(flat).tolist() == [1.0] * 30


def test_peak_of_losses_that_are_not_finite():
    losses = torch.linspace(0, 1, 11)[:, None].repeat(1, 5)
    losses[3, 0] = torch.inf  # the largest, wherever it is
    losses[[2, 6], 1] = torch.inf  # the nearest to the adversary of two
    losses[9:, 2] = torch.nan  # counts for nothing
    losses[:, 3] = torch.nan
    losses[:, 4] = torch.inf  # the same everywhere: no place
    assert diagnostics.peak(losses)[:3].tolist() == pytest.approx([0.3, 0.6, 0.8])
    assert diagnostics.peak(losses)[3:].isnan().all()


def test_strong_points_of_losses_that_are_not_finite(points):
    class Broken(nn.Module):
        def forward(self, images):
            return torch.nan * images.flatten(1)[:, :2]

    images, labels = points[0], torch.zeros(12, dtype=torch.long)
    strong = diagnostics.strong_points(Broken(), images, labels, THREAT, draws(), steps=2)
    assert strong.losses.isnan().all()
    assert torch.equal(strong.points, images)
    infinite = diagnostics.strong_points(Infinite(), images, labels, THREAT, draws(), steps=2)
    assert torch.isposinf(infinite.losses).all()


class Infinite(nn.Module):
    """Rules the class 0 out, so that its loss is infinite."""

    def forward(self, images):
        shown = 0 * images.flatten(1).sum(1)
        return torch.stack([shown - torch.inf, shown], 1)


def test_a_pixel_whose_steps_cancel_has_not_moved():
    images = torch.rand(4, 1, 6, 6, generator=draws(0))
    cancelled = images + 8 / 255 * 0.7 - 8 / 255 * 0.7
    assert not torch.equal(cancelled, images)
    weak = images.clone()
    weak[:, :, 0] += 0.1
    strong = diagnostics.Strong(cancelled, torch.zeros(4))
    assert diagnostics.sign_agreement(images, weak, strong).tolist() == pytest.approx([5 / 6] * 4)


def test_on_a_linear_network_the_weak_adversary_is_strong(points):
    images, labels = points[0], points[1] % 2
    model = Linear(torch.randn(1, 6, 6, generator=draws(1)))
    adversaries = fgsm(model, images, labels)
    strong = diagnostics.strong_points(model, images, labels, THREAT, draws())
    gap = diagnostics.strength_gap(model, labels, adversaries, strong)
    torch.testing.assert_close(gap, torch.zeros(12), atol=1e-5, rtol=0)
    assert diagnostics.sign_agreement(images, adversaries, strong).min() == 1
    assert diagnostics.share_within(adversaries, strong, 1e-4).min() == 1
    ball = diagnostics.ball_of(images, adversaries, 0.5, THREAT)
    assert diagnostics.reach(model, labels, adversaries, strong, ball).isnan().all()  # no extra loss to reach
    torch.testing.assert_close(
        diagnostics.alignment(model, labels, adversaries, ball.uniform(draws())), torch.ones(12), atol=1e-5, rtol=0
    )


def test_reach_ends_at_0_and_1(network, points):
    images, labels = points
    adversaries = images + THREAT.random_start(images, draws(5)).sign() * 0.1  # a bad adversary leaves much to reach
    strong = diagnostics.strong_points(network, images, labels, THREAT, draws())
    assert (strong.points - images).abs().max() <= 0.1 + 1e-6
    torch.testing.assert_close(diagnostics.losses_at(network, strong.points, labels), strong.losses)
    for rho, expected in ((0.0, 0.0), (2.0, 1.0)):
        ball = diagnostics.ball_of(images, adversaries, rho, THREAT)
        found = diagnostics.reach(network, labels, adversaries, strong, ball)
        assert found.isfinite().any()
        known = found[found.isfinite()]
        torch.testing.assert_close(known, torch.full_like(known, expected), atol=1e-3, rtol=0)
    halves = (images - strong.points).abs() <= 0.1 + 1e-6
    assert halves.all()


def test_kappa_grows_with_the_search_and_the_ball(network, points):
    images, labels = points
    adversaries = fgsm(network, images, labels)
    means = []
    for rho in (0.25, 1.0):
        ball = diagnostics.ball_of(images, adversaries, rho, THREAT)
        random = diagnostics.kappa(network, adversaries, ball, draws(), steps=0, step_size=0.0)
        worst = diagnostics.kappa(network, adversaries, ball, draws(), steps=20, step_size=rho * 0.025)
        assert (worst >= random - 1e-6).all()  # the start is on the way
        assert (random >= -1e-6).all()
        means.append(worst.mean())
    assert means[1] > 2 * means[0]
    point = ball.uniform(draws())
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(random, kl_divergence(network(adversaries), network(point)))


class Bump(nn.Module):
    """Logits (0, s): s rises to 5 where the mean pixel is 0.005 above 0.5, and is flat from 0.004 on around there."""

    def forward(self, images):
        away = (images.flatten(1).mean(1) - 0.505).abs()
        score = 5 * (1 - away / 0.004).relu()
        return torch.stack([torch.zeros_like(score), score], 1)


def test_the_worst_of_a_larger_ball_is_at_least_that_of_the_smaller():
    model, images, rhos = Bump(), torch.full((40, 1, 2, 2), 0.5), (1.0, 0.1, 2.0, 0.25, 0.5)
    once = [
        diagnostics.kappa(
            model, images, diagnostics.ball_of(images, images, rho, THREAT), draws(), steps=20, step_size=rho / 80
        )
        for rho in (0.1, 1.0)
    ]
    assert once[1].mean() < once[0].mean() / 2  # one search of the larger ball misses what is in both
    found = diagnostics.worst_kappa(model, images, images, rhos, THREAT, draws())
    assert list(found) == sorted(rhos)
    values = torch.stack(list(found.values()))
    assert (values.diff(dim=0) >= 0).all()
    assert values[0].mean() > once[0].mean()  # of several starts
    assert values[-1].min() > 0


def test_passes_of_the_searches(network, points):
    images = points[0]
    ball = diagnostics.ball_of(images, images, 0.5, THREAT)
    for steps in (0, 3):
        model = PassCounter(network)
        diagnostics.kappa(model, images, ball, draws(), steps=steps, step_size=0.01)
        assert (model.forwards, model.backwards) == (steps + 2, steps)
    model, searches = PassCounter(network), 3 * diagnostics.SEARCH_RESTARTS + 2
    diagnostics.worst_kappa(model, images, images, (0.1, 0.5, 1.0), THREAT, draws())
    assert model.forwards == searches * (diagnostics.SEARCH_STEPS + 2)
    assert model.backwards == searches * diagnostics.SEARCH_STEPS


def test_a_search_leaves_no_nan_out():
    model = Infinite()
    images = torch.full((3, 1, 2, 2), 0.5)
    found = diagnostics.worst_kappa(model, images, images, (0.1, 1.0), THREAT, draws())
    assert all(values.isnan().all() for values in found.values())


def test_the_strong_search_is_at_least_the_training_s_own(network, points):
    images, labels = points
    adversaries = fgsm(network, images, labels)
    ball = diagnostics.ball_of(images, adversaries, 0.5, THREAT)
    for steps in (0, 1, 3):
        strong, own = diagnostics.inner_gap(network, adversaries, ball, 0.05, draws(), steps=steps)
        assert (strong >= own).all()
    assert (strong.mean() / own.mean()).item() == pytest.approx(1, abs=0.2)  # three steps nearly find the maximum


def test_nothing_of_the_network_changes(network, points):
    images, labels = points
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    adversaries = fgsm(network, images, labels)
    ball = diagnostics.ball_of(images, adversaries, 0.5, THREAT)
    diagnostics.inner_gap(network, adversaries, ball, 0.05, draws(), steps=1)
    diagnostics.strong_points(network, images, labels, THREAT, draws(), steps=2)
    diagnostics.profile(network, images, labels, adversaries, THREAT)
    masking_checks(network, Points(images, labels, 4), THREAT, 0)
    assert network.training
    assert all(module.training for module in network.modules())
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_masking_is_flagged_where_the_gradient_lies():
    class Saturated(nn.Module):
        """A linear network whose logits are so large that the gradient of its cross-entropy is 0."""

        def __init__(self):
            super().__init__()
            self.linear = Linear(torch.ones(1, 4, 4))

        def forward(self, images):
            return 1e4 * self.linear(images - 0.5)

    source = draws(2)
    images = 0.5 + 0.04 * torch.rand(40, 1, 4, 4, generator=source) + 0.01
    found = masking_checks(Saturated(), Points(images, torch.ones(40, dtype=torch.long), 2), THREAT, 0)
    assert found.pgd > 0.9
    assert found.margin == 0
    assert found.robust == 0
    assert found.confidence == pytest.approx(1)
    plain = masking_checks(Linear(torch.ones(1, 4, 4)), Points(images - 0.5, torch.ones(40).long(), 2), THREAT, 0)
    assert plain.pgd - plain.robust == pytest.approx(0, abs=1e-6)
    assert plain.wide == 0


def test_losses_are_cross_entropy(network, points):
    images, labels = points
    network.eval()
    with torch.no_grad():
        expected = F.cross_entropy(network(images), labels, reduction="none")
    torch.testing.assert_close(diagnostics.losses_at(network, images, labels), expected)
