"""The loss along an attack, against its closed form on a linear network."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.data.points import Points
from cotoolkit.diagnosis.landscape import attack_ways, loss_landscape
from tests._helpers.networks import Linear

WEIGHT = torch.tensor([0.7, -1.3, 0.4, 1.1])


@pytest.fixture
def points():
    images = 0.3 + 0.4 * torch.rand(12, 1, 2, 2, generator=torch.Generator().manual_seed(2))
    return images, (images.flatten(1) @ WEIGHT > 0.45).long()


@pytest.mark.parametrize("attack", ["fgsm", "pgd-10"])
def test_the_loss_of_a_linear_network_grows_along_every_attack_as_its_score_says(points, attack):
    images, labels = points
    found = loss_landscape(Linear(WEIGHT), points, epsilon=0.1, attack=attack, samples=7, device="cpu")
    scores = images.flatten(1) @ WEIGHT
    sign = torch.where(labels == 1, -1.0, 1.0)
    for number, share in enumerate(found.along):
        moved = scores + sign * float(share) * 0.1 * WEIGHT.abs().sum()
        expected = F.cross_entropy(torch.stack([torch.zeros_like(moved), moved], 1), labels, reduction="none")
        assert found.path[:, number] == pytest.approx(expected[found.places].numpy(), abs=1e-5)
    assert found.along[4] == pytest.approx(1)
    assert found.stepped_over == 0


def test_the_middle_row_is_the_way_and_the_first_column_no_step(points):
    found = loss_landscape(Linear(WEIGHT), points, epsilon=0.1, samples=4, across=5, device="cpu")
    assert found.loss.shape == found.correct.shape == (12, 5, 4)
    way = loss_landscape(Linear(WEIGHT), points, epsilon=0.1, samples=4, device="cpu")
    assert np.allclose(found.path, way.path)
    assert found.across.tolist() == [-1, -0.5, 0, 0.5, 1]


def test_points_that_the_step_steps_over_are_counted():
    """Right up to 0.4 and from 0.6 on, wrong between: FGSM starts at 0.3 with a step of 0.4."""

    class Valley(torch.nn.Module):
        def forward(self, images):
            score = (images.flatten(1)[:, 0] - 0.5).abs() - 0.1
            return torch.stack([-score, score], 1)

    images = torch.full((6, 1, 1, 2), 0.3)
    images[3:] = 0.95  # to the left of the valley at first, and far from it
    model, labels = Valley(), torch.ones(6, dtype=torch.int64)
    labels[5], threat = 0, ThreatModel(0.4)
    ways = {way.attack: way for way in attack_ways(model, Points(images, labels, 2), threat, 7, seed=0)}
    assert ways["fgsm"].stepped_over.value == pytest.approx(0.5)
    assert ways["fgsm"].accuracy[0] == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"attack": "clean"}, "fgsm or pgd"), ({"attack": "pgd-5-2"}, "fgsm or pgd"), ({"across": 4}, "odd")],
)
def test_what_makes_no_sense_is_refused(points, options, message):
    with pytest.raises(ConfigError, match=message):
        loss_landscape(Linear(WEIGHT), points, epsilon=0.1, device="cpu", **options)
