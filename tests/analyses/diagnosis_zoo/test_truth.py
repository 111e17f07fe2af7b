"""AutoAttack behind what hides gradients, on a linear network whose robust points are known."""

import pyautoattack
import pytest
import torch
from torch import nn

from analyses.diagnosis_zoo import truth
from analyses.diagnosis_zoo.networks import with_hidden_gradients
from analyses.diagnosis_zoo.truth import find_truth
from cotoolkit.data.points import Points

RADIUS = 0.06


@pytest.fixture(scope="module")
def linear():
    """Four classes, one pixel each: a point is right while its pixel is the brightest."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    with torch.no_grad():
        network[1].weight.copy_(3 * torch.eye(4))
        network[1].bias.zero_()
    return network.eval()


@pytest.fixture(scope="module")
def points():
    images = torch.full((12, 1, 2, 2), 0.3)
    labels = torch.arange(12) % 4
    # Ahead by 0.02 to 0.24: fooled where by less than twice the radius.
    ahead = torch.linspace(0.02, 0.24, 12)
    images.view(12, 4)[torch.arange(12), labels] += ahead
    images.view(12, 4)[0, 1] = 0.9  # wrong already
    return Points(images, labels, 4)


@pytest.fixture(scope="module", autouse=True)
def answers():
    """AutoAttack of few queries; as it takes seconds, its answer is kept for who asks the same of the same network."""
    known, attack = {}, truth._autoattack

    class FewQueries(pyautoattack.AutoAttack):
        def __init__(self, *given, **named):
            super().__init__(*given, **named)
            self.square.n_queries = 200

    def asked(network, images, labels, epsilon, seed):
        question = network, images.numpy().tobytes(), labels.numpy().tobytes(), epsilon, seed
        if question not in known:
            known[question] = attack(network, images, labels, epsilon, seed)
        return known[question]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyautoattack, "AutoAttack", FewQueries)
        patch.setattr(truth, "_autoattack", asked)
        yield


@pytest.mark.parametrize("layer", [None, "saturated", "softmax"])
def test_points_ahead_by_more_than_twice_the_radius_are_robust(linear, points, layer):
    found = find_truth(with_hidden_gradients(linear, layer), points, RADIUS)
    expected = torch.linspace(0.02, 0.24, 12) > 2 * RADIUS
    expected[0] = False
    assert torch.equal(found.robust, expected)
    assert torch.equal(found.fgsm, expected)  # one step is enough for a linear network
    assert found.clean.tolist() == [False] + [True] * 11


def test_rounding_hides_nothing_from_an_attack_on_what_is_inside(linear, points):
    found = find_truth(with_hidden_gradients(linear, "quantised"), points, 0.2)
    assert found.attacked[0] == "inside"
    # Pixels are steps of 1/8: with a radius of 0.2 two of them can be changed by more than one step each.
    assert not found.robust.any()
