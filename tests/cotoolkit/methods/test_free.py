"""Free-AT against a slow reference, its limits, and what it carries from batch to batch."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, Batch, Standard, TrainingSet
from cotoolkit.methods.free import FreeAT
from tests._helpers.networks import Linear, conv_net
from tests._helpers.slow_banks import (
    assert_same_weights,
    clipped,
    declared,
    in_double,
    mean_loss,
    one_hot,
    passes,
    slopes,
    updated,
)
from tests._helpers.stepping import batch, sgd


def slow_replays(twin, given, carried, *, replays, alpha):
    """Algorithm 1 of the paper: gradient for the weights and for the perturbation at the same point."""
    epsilon, targets = given.threat.epsilon, [one_hot(label) for label in given.labels]
    for _ in range(replays):
        delta = clipped(given.images, carried, epsilon)
        attacked = given.images.double() + delta
        gradients = slopes(twin, attacked, targets)
        updated(twin, mean_loss(twin(attacked), targets))
        carried = (carried + alpha * gradients.sign()).clamp(-epsilon, epsilon)
    return carried, delta, gradients


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alpha", [None, 0.02])
def test_free_training_against_the_slow_reference(seed, alpha):
    method, model = FreeAT(replays=3, alpha=alpha), conv_net(norm=False)
    twin, memory = in_double(model), {"delta": torch.zeros(0, 1, 6, 6)}
    carried = torch.zeros(6, 1, 6, 6, dtype=torch.float64)
    for step in range(2):
        given = dataclasses.replace(batch(seed=10 * seed + step), memory=memory)
        record = method.step(model, given, sgd(model))
        epsilon = given.threat.epsilon
        carried, delta, gradients = slow_replays(twin, given, carried, replays=3, alpha=alpha or epsilon)
        torch.testing.assert_close(memory["delta"].double(), carried, atol=1e-7, rtol=0)
        torch.testing.assert_close(record.delta.double(), delta, atol=1e-7, rtol=0)
        torch.testing.assert_close(record.update_gradient.double(), gradients, atol=1e-6, rtol=1e-4)
    assert_same_weights(model, twin)
    assert (carried.abs() > clipped(given.images, carried, epsilon).abs()).any()  # the box is not carried


def test_a_single_replay_trains_clean_first_and_leaves_fgsm_to_the_next_batch():
    model, twin, given = conv_net(), conv_net(), batch(ThreatModel("16/255", box="none"))
    given = dataclasses.replace(given, memory={"delta": torch.zeros(0, 1, 6, 6)})
    attacked = FGSM().attack(model, given)
    record = FreeAT(replays=1).step(model, given, sgd(model))
    Standard().step(twin, given, sgd(twin))
    for ours, theirs in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert not record.delta.any()
    assert torch.equal(given.memory["delta"], attacked.delta)


def test_by_hand_on_a_linear_network():
    weight = torch.tensor([1.0, -2.0, 0.5, 3.0]).view(1, 1, 2, 2)
    model, memory = Linear(weight.clone()), {"delta": torch.zeros(0, 1, 2, 2)}
    images, labels = torch.full((2, 1, 2, 2), 0.5), torch.tensor([0, 1])
    given = Batch(images, labels, ThreatModel(0.1), torch.Generator(), memory=memory)
    FreeAT(replays=2, alpha=0.06).step(model, given, lambda loss: loss.backward())  # the weights stay
    # The loss of label 0 rises along the weights, that of label 1 falls: two steps of 0.06, clipped to 0.1.
    sign = weight.sign()
    torch.testing.assert_close(memory["delta"], 0.1 * torch.cat([sign, -sign]))


def test_each_replay_is_an_update():
    model, losses = conv_net(), []
    given = dataclasses.replace(batch(), memory={"delta": torch.zeros(0, 1, 6, 6)})
    step = sgd(model)
    FreeAT(replays=5).step(model, given, lambda loss: (losses.append(loss.item()), step(loss)))
    assert len(losses) == len(set(losses)) == 5
    assert model[1].num_batches_tracked == 5
    assert declared(FreeAT(replays=5)) == passes(FreeAT(replays=5), batch()) == (5, 5)


def test_the_perturbation_goes_from_the_ith_image_to_the_ith():
    method, model = FreeAT(replays=1), conv_net()
    memory = method.memory(model, TrainingSet(20, (1, 6, 6), 4), torch.Generator())
    first = dataclasses.replace(batch(size=4), memory=memory)
    method.step(model, first, sgd(model))
    left = memory["delta"].clone()
    assert left.shape == (4, 1, 6, 6)
    smaller = dataclasses.replace(batch(size=2, seed=1), memory=memory)
    record = method.step(model, smaller, sgd(model))
    torch.testing.assert_close(record.delta, smaller.threat.project(smaller.images, left[:2]))
    assert torch.equal(memory["delta"][2:], left[2:])  # nobody stood there
    larger = dataclasses.replace(batch(size=6, seed=2), memory=memory)
    assert not method.step(model, larger, sgd(model)).delta[4:].any()
    assert len(memory["delta"]) == 6


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_smaller_radius_holds_for_what_is_carried(norm):
    method, model = FreeAT(replays=2), conv_net()
    memory = method.memory(model, TrainingSet(20, (1, 6, 6), 4), torch.Generator())
    for radius in (0.3, 0.05):
        given = dataclasses.replace(batch(ThreatModel(radius, norm)), memory=memory)
        record = method.step(model, given, sgd(model))
        for delta in (record.delta, memory["delta"]):
            size = delta.abs().amax() if norm == "linf" else delta.flatten(1).norm(dim=1).amax()
            assert size <= radius * (1 + 1e-5)
        assert size > 0.9 * radius


def test_settings():
    method = FreeAT(replays=4, alpha=0.5)
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match=r"replays: .* greater than or equal to 1"):
        METHODS.parse({"name": "free", "replays": 0})
