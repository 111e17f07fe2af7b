import pytest
import torch

from cotoolkit.attacks.margin import margin, margin_attack, margin_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.evaluation.protocol import run_protocol
from tests._helpers.networks import Linear
from tests._helpers.trained_networks import RADIUS, Hiding


def draws():
    return torch.Generator().manual_seed(0)


def test_the_margin_by_hand():
    logits = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0]])
    assert margin(logits, torch.tensor([1, 2])).tolist() == [1, -1]


def test_the_gradient_by_hand():
    # Margin of label 1 is w.x, and so is the logits' spread where it is above 0: minus it has the gradient -w / w.x.
    weight = torch.tensor([2.0, -3.0]).view(1, 1, 2)
    for size in (1e-30, 1, 1e30):  # whatever the scale of the logits
        gradient = margin_gradient(Linear(size * weight), torch.tensor([[[[0.9, 0.2]]]]), torch.tensor([1]))
        assert gradient.flatten().tolist() == pytest.approx([-2 / 1.2, 3 / 1.2], rel=1e-4)


@pytest.mark.parametrize("draws_of_noise", [0, 3])
def test_it_fools_exactly_what_can_be_fooled_on_a_linear_network(draws_of_noise):
    weight = torch.tensor([1.0, -1.0, 0.5, 0.5]).view(1, 2, 2)
    images = torch.rand(30, 1, 2, 2, generator=draws()) * 0.4 + 0.3  # no box in reach
    model, labels = Linear(weight), torch.ones(30, dtype=torch.long)
    score = images.flatten(1) @ weight.flatten()
    held = margin_attack(
        model, images, labels, ThreatModel(0.1), steps=12, draws=draws_of_noise, generator=draws(), batch_size=7
    )
    assert held.tolist() == (score > 0.1 * 3).tolist()
    assert 0 < held.sum() < 30


def test_it_sees_through_large_logits_where_pgd_does_not(standard):
    images, labels, threat = standard.images[:60], standard.labels[:60], ThreatModel(RADIUS)
    model = Hiding(standard.model, "scaled")
    assert run_protocol(model, images, labels, threat, "pgd-10").accuracy.value > 0.8
    assert margin_attack(model, images, labels, threat, steps=10, generator=draws()).float().mean() < 0.1


def test_smoothing_follows_a_shattered_gradient(standard):
    """Steep tiny ripples on the input turn each gradient's sign at random; averaged, they cancel."""

    class Rippled(torch.nn.Module):
        def forward(self, images):
            return standard.model(images + 0.002 * torch.sin(5000 * images))

    images, labels, threat = standard.images[:80], standard.labels[:80], ThreatModel(0.2)
    plain = margin_attack(Rippled(), images, labels, threat, steps=5, generator=draws())
    smoothed = margin_attack(Rippled(), images, labels, threat, steps=5, draws=16, generator=draws())
    assert smoothed.sum() < plain.sum()
