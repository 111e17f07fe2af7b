"""Each piece of evidence on networks whose answer is known."""

import pytest
import torch
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.diagnosis.evidence.collinearity import collinearity
from cotoolkit.diagnosis.evidence.label_steps import label_steps
from cotoolkit.diagnosis.evidence.linearisation import corner_errors
from cotoolkit.diagnosis.evidence.optimality import attack_optimality, optimality_of
from cotoolkit.diagnosis.evidence.stability import instability
from tests._helpers.networks import Linear

WEIGHT = torch.tensor([1.0, -2.0, 0.5, 0.25]).view(1, 2, 2)
IMAGES = torch.rand(6, 1, 2, 2, generator=torch.Generator().manual_seed(1)) * 0.4 + 0.3
THREAT = ThreatModel(0.1)


def test_on_a_linear_score_all_steps_go_one_way():
    assert collinearity(Linear(WEIGHT), IMAGES, THREAT, steps=5).tolist() == pytest.approx([1] * 6, abs=1e-6)


def test_a_loss_that_turns_round_has_steps_that_turn_round():
    class Valley(nn.Module):
        """The loss of the predicted class 0 peaks at 0.5, so that steps go to and fro across it."""

        def forward(self, images):
            away = -(images.flatten(1) - 0.5).square().sum(1)
            return torch.stack([1 - away, away], 1)

    images = torch.full((2, 1, 2, 2), 0.49)
    assert (collinearity(Valley(), images, THREAT, steps=20) < 0.5).all()


def test_the_error_of_a_tangent_that_fits_is_zero_and_of_one_that_does_not_is_large():
    losses, flat = torch.full((6,), 2.0), torch.zeros_like(IMAGES)

    class Constant(nn.Module):
        def forward(self, images):
            return torch.zeros(len(images), 2) + 0 * images.flatten(1).sum(1, keepdim=True)

    labels = torch.zeros(6, dtype=torch.long)
    constant = torch.full((6,), 2.0).log()
    assert corner_errors(Constant(), IMAGES, labels, THREAT, flat, constant).tolist() == pytest.approx(
        [0] * 6, abs=1e-6
    )
    # A loss of log 2 everywhere, told as 2: an error of (2 - log 2) / log 2 at every corner.
    expected = (2 - constant[0].item()) / constant[0].item()
    found = corner_errors(Constant(), IMAGES, labels, THREAT, flat, losses)
    assert found.tolist() == pytest.approx([expected] * 6, rel=1e-5)


def test_a_steady_loss_is_steady():
    model, labels = Linear(1e-4 * WEIGHT), torch.ones(6, dtype=torch.long)
    losses = nn.functional.cross_entropy(model(IMAGES), labels, reduction="none").detach()
    assert (instability(model, IMAGES, labels, losses, draws=5) < 1e-4).all()
    assert (instability(Linear(1e4 * WEIGHT), IMAGES, labels, losses, draws=5) > 0.9).all()


class Fitting(nn.Module):
    """Three classes; where `fits`, a step away from a class is read as that class, by the pixel of its own.

    Class k's loss rises where pixel k falls. Far below its usual value a fitting network takes the pixel for a sign.
    """

    def __init__(self, *, fits):
        super().__init__()
        self.fits = fits

    def forward(self, images):
        pixels = images.flatten(1)[:, :3]
        lowered = pixels < 0.42
        return 10 * pixels + (1000.0 * lowered if self.fits else 0)


def test_a_network_that_reads_its_own_steps_is_self_fitting():
    images = torch.full((4, 1, 2, 2), 0.5)
    images[0, 0, 0, 0] = 0.6
    fits, sound = (label_steps(Fitting(fits=fits), images, THREAT, most_classes=3) for fits in (True, False))
    assert fits.self_fitting[1:].tolist() == [1, 1, 1]
    assert fits.label_information[1:].tolist() == [1, 1, 1]
    assert fits.label_dominance[1:].tolist() == [1, 1, 1]
    assert fits.self_defeating_step[1:].tolist() == [1, 1, 1]
    assert sound.self_fitting.tolist() == [0, 0, 0, 0]
    assert sound.label_information.tolist() == [0, 0, 0, 0]
    assert sound.self_defeating_step.tolist() == [0, 0, 0, 0]


def test_of_many_classes_some_are_stepped_for():
    assert set(label_steps(Fitting(fits=True), IMAGES, THREAT, most_classes=1).self_fitting.tolist()) <= {0.0, 1.0}


def test_optimality_by_hand():
    assert attack_optimality([0, 1, 2], [1, 1, 1], [1, 0, 0]) == pytest.approx(0)
    assert attack_optimality([0, 1, 2], [1, 0, 0], [1, 0, 0]) == pytest.approx(1)
    assert attack_optimality([0, 1, 2], [0.8, 1, 1], [0.8, 0, 0]) < 0  # it helps the network
    assert attack_optimality([0, 1], [1, 1], [1, 1]) is None
    for radii in ([0, 0], [1, 2], [0]):
        with pytest.raises(ConfigError):
            attack_optimality(radii, [1] * len(radii), [1] * len(radii))


def test_the_best_of_all_attacks_never_rises_with_the_radius():
    clean, worst = torch.ones(4, dtype=torch.bool), torch.tensor([False, True, False, True])
    half, one = torch.tensor([True, False, True, True]), torch.tensor([True, True, False, True])
    found = optimality_of(clean, {0.5: half, 1: one}, {1: one, 0.5: half}, worst)
    # Best: 4, 3 and then only the last point of 4: areas 0.4375 and 0.25; FGSM's: 0.4375 and 0.375.
    assert found.fgsm == found.pgd == pytest.approx(1 - (0.8125 - 0.6875) / (1 - 0.6875))
    assert found.radii == (0, 0.5, 1)
    assert optimality_of(clean, {0.5: half}, {1: one}, one).fgsm is None
