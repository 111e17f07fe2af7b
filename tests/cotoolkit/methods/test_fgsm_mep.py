"""FGSM-MEP against a slow reference, its limits, and its two banks."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.data.augment import Augmentation
from cotoolkit.methods import FGSM, METHODS
from cotoolkit.methods.fgsm_mep import FGSMMEP
from tests._helpers.networks import Linear, conv_net
from tests._helpers.slow_banks import (
    assert_equal_steps,
    assert_same_deltas,
    assert_same_weights,
    clipped,
    decided,
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


def slow_step(twin, given, bank, momentum, *, alpha, decay, weight, smoothing):
    """The released script's step, for a batch that knows its indices; changes bank and momentum in place."""
    epsilon, rows = given.threat.epsilon, given.indices
    targets = [one_hot(label, smoothing) for label in given.labels]
    start = clipped(given.images, bank[rows], epsilon)
    gradients = slopes(twin, given.images + start, targets)
    delta = clipped(given.images, start + alpha * gradients.sign(), epsilon)
    first, second = twin(given.images + start), twin(given.images + delta)
    updated(twin, mean_loss(second, targets) + weight * squared_distance(second, first))
    momentum[rows] = gradients / gradients.abs().sum() + decay * momentum[rows]
    decided(momentum[rows])
    bank[rows] = clipped(given.images, start + alpha * momentum[rows].sign(), epsilon)
    return delta


@pytest.mark.parametrize("seed", range(3))
def test_mep_against_the_slow_reference(seed):
    """The first step, on a fresh bank, and two on overlapping images."""
    method, model = FGSMMEP(alpha=0.08, decay=0.6, weight=3.0, smoothing=0.3), conv_net(norm=False)
    twin, memory = in_double(model), remembering(FGSMMEP(), model, batch()).memory
    bank, momentum = None, torch.zeros(20, 1, 6, 6, dtype=torch.float64)
    for step in range(3):
        fresh = batch(ThreatModel(0.1), seed=10 * seed + step, indices=torch.arange(6) + 2 * step)
        given = dataclasses.replace(fresh, memory=memory, iteration=step, epoch_length=4)
        record = method.step(model, given, sgd(model))
        if bank is None:  # its random corners, before the step changed its rows
            bank = memory["delta"].double().clone()
            bank[:6] = record.attack.start  # clipped to the box
            corners = 2 * torch.rand(20, 1, 6, 6, generator=torch.Generator().manual_seed(10 * seed)) - 1
            assert torch.equal(bank[6:], (0.1 * corners.sign())[6:].float().double())
            inside = (fresh.images + 0.1 * corners[:6].sign()).clamp(0, 1) - fresh.images
            torch.testing.assert_close(record.attack.start, inside)
        delta = slow_step(twin, given, bank, momentum, alpha=0.08, decay=0.6, weight=3.0, smoothing=0.3)
        assert_same_deltas(record, delta)
        torch.testing.assert_close(memory["delta"].double(), bank, atol=1e-6, rtol=0)
        torch.testing.assert_close(memory["momentum"].double(), momentum, atol=1e-8, rtol=1e-4)
    assert_same_weights(model, twin)


def test_without_penalty_smoothing_and_bank_it_is_fgsm():
    def step(method):
        model = conv_net()
        given = dataclasses.replace(remembering(method, model, batch()), iteration=1, epoch_length=2)
        given = with_bank_of_zeros(given) if isinstance(method, FGSMMEP) else given
        return model, method.step(model, given, sgd(model))

    assert_equal_steps(step(FGSMMEP(weight=0, smoothing=0)), step(FGSM()))


def test_by_hand_on_a_linear_network():
    weight = torch.tensor([3.0, -1.0]).view(1, 1, 1, 2)
    model, given = Linear(weight.clone()), batch(ThreatModel(0.1), size=1)
    given = dataclasses.replace(
        given,
        images=torch.full((1, 1, 1, 2), 0.5),
        labels=torch.tensor([0]),
        indices=torch.tensor([1]),
        iteration=1,
        epoch_length=2,
        memory={"delta": torch.zeros(2, 1, 1, 2), "momentum": torch.zeros(2, 1, 1, 2)},
    )
    given.memory["momentum"][1] = torch.tensor([-2.0, -2.0])
    record = FGSMMEP(alpha=0.04, smoothing=0).step(model, given, sgd(model))
    torch.testing.assert_close(record.delta, torch.tensor([[[[0.04, -0.04]]]]))  # label 0 rises along the weights
    # g / |g|_1 = (3, -1) / 4, plus 0.3 times what there was.
    torch.testing.assert_close(given.memory["momentum"][1], torch.tensor([[[0.15, -0.85]]]))
    torch.testing.assert_close(given.memory["delta"][1], torch.tensor([[[0.04, -0.04]]]))
    assert not given.memory["delta"][0].any()


def test_the_bank_begins_anew_when_it_is_told():
    assert begun(0) == [0, 6]


def test_the_bank_begins_where_the_method_does():
    """In mid-epoch, as the successor of a method that broke."""
    assert begun(4) == [4, 6]


def begun(first: int) -> list[int]:
    """Iterations in which the bank began anew, of a method that begins in one of them."""
    method, model, found = FGSMMEP(reset=2), conv_net(), []
    memory = remembering(method, model, batch()).memory
    for iteration in range(first, 12):
        given = dataclasses.replace(
            batch(), indices=torch.arange(6), memory=memory, iteration=iteration, epoch_length=3
        )
        memory["momentum"] += 1
        method.step(model, given, sgd(model))
        if not memory["momentum"][6:].any():
            found.append(iteration)
            assert torch.equal(memory["delta"][6:].abs(), torch.full((14, 1, 6, 6), given.threat.epsilon))
    return found


def test_both_banks_are_cropped_and_flipped_as_the_images_are():
    method, model, twin = FGSMMEP(), conv_net(norm=False), conv_net(norm=False)
    mirror = Augmentation(2, None, None, torch.arange(20) % 2 == 0)

    def memory():
        draws = torch.Generator().manual_seed(3)
        return {
            "delta": (torch.rand(20, 1, 6, 6, generator=draws) - 0.5) / 10,
            "momentum": torch.rand(20, 1, 6, 6, generator=draws) - 0.5,
        }

    def flipped(rows):
        return torch.where((torch.arange(len(rows)) % 2 == 0).view(-1, 1, 1, 1), rows.flip(3), rows)

    base = dataclasses.replace(batch(indices=torch.arange(6)), iteration=1, epoch_length=2)
    ours = dataclasses.replace(base, memory=memory(), augmentation=mirror)
    method.step(model, ours, sgd(model))
    theirs = dataclasses.replace(base, memory={name: flipped(rows) for name, rows in memory().items()})
    method.step(twin, theirs, sgd(twin))
    for name in ("delta", "momentum"):
        assert torch.equal(ours.memory[name], flipped(theirs.memory[name]))
        assert not torch.equal(ours.memory[name], theirs.memory[name])


def test_a_wrappers_targets_win():
    def step(method, targets):
        model = conv_net()
        given = dataclasses.replace(remembering(method, model, batch()), targets=targets)
        return model, method.step(model, given, sgd(model))

    labels = batch().labels
    hard = torch.nn.functional.one_hot(labels, 4).float()
    assert_equal_steps(step(FGSMMEP(smoothing=0.4), hard), step(FGSMMEP(smoothing=0.0), hard))
    smooth = torch.stack([one_hot(label, 0.4) for label in labels]).float()
    ours, theirs = step(FGSMMEP(smoothing=0.4), None), step(FGSMMEP(smoothing=0), smooth)
    torch.testing.assert_close(ours[1].losses, theirs[1].losses)


@pytest.mark.parametrize("method", [FGSMMEP(), FGSMMEP(weight=0)], ids=["penalty", "no penalty"])
def test_batchnorm_remembers_the_attacked_images_alone(method):
    model, twin = conv_net(), conv_net().train()
    given = remembering(method, model, batch(size=12))
    record = method.step(model, given, sgd(model))
    twin(given.images + record.delta)
    assert model[1].num_batches_tracked == 1
    torch.testing.assert_close(model[1].running_mean, twin[1].running_mean)
    assert declared(method) == passes(method, batch())


def test_with_an_l2_ball_starts_and_bank_stay_inside():
    method, model = FGSMMEP(), conv_net()
    given = remembering(method, model, batch(ThreatModel(0.5, "l2")))
    record = method.step(model, given, sgd(model))
    for delta in (record.delta, record.attack.start, given.memory["delta"]):
        assert (delta.flatten(1).norm(dim=1) <= 0.5 * (1 + 1e-5)).all()
    torch.testing.assert_close(given.memory["delta"][6:].flatten(1).norm(dim=1), torch.full((14,), 0.5))


def test_settings():
    method = FGSMMEP(alpha=0.1, decay=0, weight=2, reset=7, smoothing=0)
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="less than or equal to 1"):
        METHODS.parse({"name": "fgsm_mep", "smoothing": 1.5})
