import pytest
import torch
from torch import nn

from cotoolkit.attacks.targeted import target_gradient, targeted_attack
from cotoolkit.attacks.threat_model import ThreatModel
from tests._helpers.networks import Linear
from tests._helpers.trained_networks import RADIUS, Hiding


def draws():
    return torch.Generator().manual_seed(0)


def test_it_fools_exactly_what_can_be_fooled_on_a_linear_network():
    weight = torch.tensor([1.0, -1.0, 0.5, 0.5]).view(1, 2, 2)
    images = torch.rand(30, 1, 2, 2, generator=draws()) * 0.4 + 0.3  # no box in reach
    score = images.flatten(1) @ weight.flatten()
    found = targeted_attack(
        Linear(weight), images, torch.ones(30, dtype=torch.long), ThreatModel(0.1),
        steps=12, targets=9, generator=draws(), batch_size=7,
    )  # fmt: skip
    assert found.held.tolist() == (score > 0.1 * 3).tolist()
    assert 0 < found.held.sum() < 30
    assert found.runs == 1  # there is one other class
    assert (found.fell[(score > 0) & ~found.held] == 0).all()
    assert (found.fell[found.held | (score <= 0)] == -1).all()
    assert not found.late.any()


class Lamps(nn.Module):
    """Class k has a lamp of its own; the likeliest wrong class is blind to what the images are changed by."""

    def forward(self, images):
        lamps = images.flatten(1)
        decoy = 0.9 + 0 * lamps[:, :1]  # nearly as likely as class 0, whatever happens
        return torch.cat([1 + 0 * lamps[:, :1], decoy, 3 * lamps[:, :1]], 1)


def test_the_second_target_finds_what_the_first_cannot():
    images, labels, threat = torch.full((4, 1, 1, 1), 0.25), torch.zeros(4, dtype=torch.long), ThreatModel(0.2)
    first, both = (
        targeted_attack(Lamps(), images, labels, threat, steps=6, targets=targets, generator=draws())
        for targets in (1, 2)
    )
    # A random start may be beyond the boundary at 1 / 3 by itself.
    assert first.held.any()
    assert not both.held.any()
    assert (both.fell[first.held] == 1).all()
    assert both.late.tolist() == (both.fell == 1).tolist()


@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_the_gradient_does_not_depend_on_the_size_of_the_logits(size):
    weight = torch.tensor([2.0, -3.0]).view(1, 1, 2)
    images = torch.tensor([[[[0.9, 0.2]]]])
    gradient, logits = target_gradient(Linear(size * weight), images, torch.tensor([1]), torch.tensor([0]))
    assert logits[0, 1].item() == pytest.approx(1.2 * size, rel=1e-5)
    assert gradient.flatten().tolist() == pytest.approx([-2 / 1.2, 3 / 1.2], rel=1e-4)  # per unit of the spread


def test_it_sees_through_large_logits(standard):
    images, labels, threat = standard.images[:60], standard.labels[:60], ThreatModel(RADIUS)
    model = Hiding(standard.model, "scaled")
    found = targeted_attack(model, images, labels, threat, steps=10, targets=2, generator=draws())
    assert found.held.float().mean() < 0.1


def test_the_batch_size_changes_nothing_but_round_off(standard):
    images, labels, threat = standard.images[:40], standard.labels[:40], ThreatModel(RADIUS / 3)
    whole, parts = (
        targeted_attack(standard.model, images, labels, threat, steps=1, targets=1, generator=draws(), batch_size=size)
        for size in (40, 20)
    )
    # One step from the image's own start: both have the first batch's starts.
    assert whole.held[:20].tolist() == parts.held[:20].tolist()
