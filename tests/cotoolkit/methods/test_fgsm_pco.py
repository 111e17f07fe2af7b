"""FGSM-PCO against a slow reference, its limits, and its bank."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.data.augment import Augmentation
from cotoolkit.methods import METHODS
from cotoolkit.methods.fgsm_pco import FGSMPCO
from tests._helpers.networks import Linear, conv_net
from tests._helpers.slow_banks import (
    assert_same_deltas,
    assert_same_weights,
    clipped,
    declared,
    in_double,
    mean_loss,
    one_hot,
    passes,
    slopes,
    squared_distance,
    updated,
)
from tests._helpers.stepping import batch, remembering, sgd, with_bank_of_zeros


@pytest.mark.parametrize("seed", range(3))
def test_pco_against_the_slow_reference(seed):
    method, model = FGSMPCO(alpha=0.08, stretch=1.7, weight=3.0, smoothing=0.3), conv_net(norm=False)
    twin = in_double(model)
    bank = (0.2 * torch.rand(20, 1, 6, 6, generator=torch.Generator().manual_seed(seed)) - 0.1).double()
    memory = {"delta": bank.float()}
    for step in range(1, 4):
        fresh = batch(ThreatModel(0.1), seed=10 * seed + step, indices=torch.arange(6) + 2 * step)
        given = dataclasses.replace(fresh, memory=memory, iteration=step, epoch_length=9)
        record = method.step(model, given, sgd(model))

        images, targets = given.images.double(), [one_hot(label, 0.3) for label in given.labels]
        start = clipped(images, bank[given.indices], 0.1)
        delta = clipped(images, start + 0.08 * slopes(twin, images + start, targets).sign(), 0.1)
        before, after, mixed = twin(images + start), twin(images + delta), []
        for i, label in enumerate(given.labels):
            sure = before[i, label].exp() / before[i].exp().sum()  # nothing is held fixed
            mixed.append((1 - sure) * (images[i] + start[i]) + sure * (images[i] + 1.7 * delta[i]))
        mixed = torch.stack(mixed)
        logits = twin(mixed)
        difference = squared_distance(after, before) - squared_distance(after, logits)
        assert_same_deltas(record, (mixed - images).detach())
        updated(twin, mean_loss(logits, targets) + 3 * difference.abs())
        bank[given.indices] = delta
        torch.testing.assert_close(memory["delta"].double(), bank, atol=1e-6, rtol=0)
    assert_same_weights(model, twin, atol=4e-6)


def test_the_update_gradient_is_that_at_the_mixture():
    model, twin = conv_net(norm=False), conv_net(norm=False)
    given = remembering(FGSMPCO(), model, batch())
    record = FGSMPCO(weight=0, smoothing=0).step(model, given, sgd(model))
    point = (given.images + record.delta).requires_grad_()
    torch.nn.functional.cross_entropy(twin(point), given.labels, reduction="sum").backward()
    torch.testing.assert_close(record.update_gradient, point.grad)


def test_by_hand_on_a_linear_network():
    """Label 0 with logits (0, 1): p_y = 1 / (1 + e). The mixture takes that share of the stretched new perturbation."""
    model = Linear(torch.tensor([3.0, -1.0]).view(1, 1, 1, 2))
    given = dataclasses.replace(
        batch(ThreatModel(0.1), size=1),
        images=torch.full((1, 1, 1, 2), 0.5),
        labels=torch.tensor([0]),
        indices=torch.tensor([0]),
        iteration=1,
        memory={"delta": torch.zeros(1, 1, 1, 2)},
    )
    record = FGSMPCO(weight=0, smoothing=0, stretch=2).step(model, given, sgd(model))
    share = 1 / (1 + torch.tensor(1.0).exp())
    torch.testing.assert_close(record.measures["confidence"], share)
    torch.testing.assert_close(record.delta.flatten(), share * torch.tensor([0.2, -0.2]))
    torch.testing.assert_close(given.memory["delta"].flatten(), torch.tensor([0.1, -0.1]))


def test_an_attack_that_goes_nowhere_is_clean_training():
    """With no step and no stretch beyond 1, from an empty bank, all three points are the image."""
    model, twin, method = conv_net(norm=False), conv_net(norm=False), FGSMPCO(alpha=0, stretch=1, smoothing=0)
    given = with_bank_of_zeros(dataclasses.replace(remembering(method, model, batch()), iteration=1))
    record = method.step(model, given, sgd(model))
    updated(twin, torch.nn.functional.cross_entropy(twin(given.images), given.labels))
    assert not record.delta.any()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_bank_is_drawn_once_and_flipped_with_the_images():
    method, model = FGSMPCO(), conv_net()
    mirror = Augmentation(2, None, None, torch.ones(20, dtype=torch.bool))
    for iteration in range(4):
        fresh = dataclasses.replace(batch(), iteration=iteration, epoch_length=1, augmentation=mirror)
        given = remembering(method, model, fresh)
        if iteration > 0:
            given.memory["delta"] = torch.rand(20, 1, 6, 6) / 100
        before = given.memory["delta"].clone()
        record = method.step(model, given, sgd(model))
        if iteration > 0:
            start = given.threat.project(given.images, before[:6].flip(3))
            torch.testing.assert_close(record.attack.start, start)
            assert torch.equal(given.memory["delta"][6:], before[6:])
        else:
            assert torch.equal(given.memory["delta"][6:].abs(), torch.full((14, 1, 6, 6), given.threat.epsilon))


def test_batchnorm_remembers_the_mixtures_alone():
    method, model, twin = FGSMPCO(), conv_net(), conv_net().train()
    given = remembering(method, model, batch(size=12))
    record = method.step(model, given, sgd(model))
    twin(given.images + record.delta)
    assert model[1].num_batches_tracked == 1
    torch.testing.assert_close(model[1].running_mean, twin[1].running_mean)


@pytest.mark.parametrize("trace", [True, False])
@pytest.mark.parametrize("weight", [0, 2])
def test_settings(weight, trace):
    method = FGSMPCO(alpha=0.1, stretch=1, weight=weight, smoothing=0)
    assert METHODS.parse(METHODS.dump(method)) == method
    assert declared(method) == passes(method, batch(trace=trace)) == ((3, 4) if weight else (2, 3))
    with pytest.raises(InvalidFields, match="greater than or equal to 0"):
        METHODS.parse({"name": "fgsm_pco", "stretch": -1})
