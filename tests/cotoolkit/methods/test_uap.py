"""UAP against a slow reference, its limits, and its perturbation."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.data.augment import Augmentation
from cotoolkit.methods import FGSM, METHODS
from cotoolkit.methods.uap import UAP
from tests._helpers.networks import Linear, conv_net
from tests._helpers.slow_banks import (
    assert_equal_steps,
    assert_same_weights,
    declared,
    in_double,
    passes,
)
from tests._helpers.stepping import batch, remembering, sgd
from tests._helpers.universals import SlowUniversals


@pytest.mark.parametrize("seed", range(3))
def test_uap_against_the_slow_reference(seed):
    method, model = UAP(alpha=0.08, amplitude=0.09, decay=0.6, weight=3, smoothing=0.3), conv_net(norm=False)
    twin, memory = in_double(model), remembering(UAP(), model, batch()).memory
    slow, seen = SlowUniversals(memory), []
    for step in range(3):
        given = dataclasses.replace(batch(ThreatModel(0.1), seed=10 * seed + step), memory=memory)
        record = method.step(model, given, sgd(model))
        slow.assert_same(memory, record, slow.step(twin, given, [0] * 6))
        seen += memory["universal"].unique().tolist()
    assert_same_weights(model, twin)
    assert set(seen) == {-1, 0, 1}


def test_from_nothing_without_penalty_and_smoothing_it_is_fgsm():
    def step(method):
        model = conv_net()
        return model, method.step(model, remembering(method, model, batch()), sgd(model))

    assert_equal_steps(step(UAP(amplitude=0, weight=0, smoothing=0)), step(FGSM()))


def test_by_hand_on_a_linear_network():
    """The loss of label 0 rises along the weights (3, -1), for both images: |g|_1 of the batch is 8 p."""
    model = Linear(torch.tensor([3.0, -1.0]).view(1, 1, 1, 2))
    given = dataclasses.replace(
        batch(ThreatModel(0.1), size=2),
        images=torch.full((2, 1, 1, 2), 0.5),
        labels=torch.tensor([0, 0]),
        memory={"universal": torch.tensor([-1.0, -1.0]).view(1, 1, 1, 2), "momentum": torch.zeros(1, 1, 1, 2)},
    )
    record = UAP(alpha=0.04, smoothing=0).step(model, given, sgd(model))
    torch.testing.assert_close(record.attack.start, torch.full((2, 1, 1, 2), -0.1))  # 1.25 times 0.1, clipped
    torch.testing.assert_close(record.delta[0].flatten(), torch.tensor([-0.06, -0.1]))
    # g / |g|_1 = (3, -1) / 8 of each image, and so in the mean.
    torch.testing.assert_close(given.memory["momentum"].flatten(), torch.tensor([0.375, -0.125]))
    assert given.memory["universal"].flatten().tolist() == [0, -1]


def test_it_starts_at_random_signs_and_is_not_flipped():
    method, model = UAP(), conv_net()
    first = remembering(method, model, batch()).memory
    assert first["universal"].shape == (1, 1, 6, 6)
    assert set(first["universal"].unique().tolist()) == {-1, 1}
    mirror = Augmentation(2, None, None, torch.ones(20, dtype=torch.bool))
    given = dataclasses.replace(batch(), augmentation=mirror)
    given = remembering(method, model, given)
    record = method.step(model, given, sgd(model))
    expected = given.threat.project(
        given.images, 1.25 * given.threat.epsilon * first["universal"].expand(6, -1, -1, -1)
    )
    torch.testing.assert_close(record.attack.start, expected)


def test_with_an_l2_ball_the_perturbation_has_at_most_its_amplitude():
    method, model = UAP(amplitude=0.3), conv_net()
    memory = remembering(method, model, batch()).memory
    for seed in range(3):
        given = dataclasses.replace(batch(ThreatModel(0.5, "l2"), seed=seed), memory=memory)
        record = method.step(model, given, sgd(model))
        assert (record.delta.flatten(1).norm(dim=1) <= 0.5 * (1 + 1e-5)).all()
        assert memory["universal"].norm() <= 1 + 1e-5
    assert (record.attack.start.flatten(1).norm(dim=1) <= 0.3 * (1 + 1e-5)).all()


@pytest.mark.parametrize("weight", [0, 2])
def test_settings(weight):
    method = UAP(weight=weight, amplitude=0.1)
    assert METHODS.parse(METHODS.dump(method)) == method
    assert declared(method) == passes(method, batch()) == (2, 2 + (weight > 0))
    with pytest.raises(InvalidFields, match="greater than or equal to 0"):
        METHODS.parse({"name": "uap", "amplitude": -0.1})
