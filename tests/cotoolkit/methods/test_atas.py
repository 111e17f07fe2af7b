"""ATAS against a slow reference, its limits, and its bank."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.data.augment import Augmentation
from cotoolkit.methods import FGSM, METHODS
from cotoolkit.methods.atas import ATAS
from tests._helpers.networks import conv_net
from tests._helpers.slow_banks import (
    assert_equal_steps,
    assert_same_deltas,
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
from tests._helpers.stepping import batch, remembering, sgd, with_bank_of_zeros


def at(given, epoch, step=0, *, length=3, epochs=30):
    iteration = epoch * length + step
    return dataclasses.replace(given, iteration=iteration, epoch_length=length, progress=iteration / (length * epochs))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limits", ["absolute", "relative"])
def test_atas_against_the_slow_reference(seed, limits):
    """Three steps of later epochs, on overlapping images, with steps between and at both limits."""
    method, model = (
        ATAS(gain=0.09, smallest=0.018, largest=0.06, c=0.02, decay=0.4, limits=limits),
        conv_net(norm=False),
    )
    epsilon, unit = 0.1, 1.0 if limits == "absolute" else 0.1 / (8 / 255)
    twin, first = in_double(model), batch(ThreatModel(epsilon))
    memory = remembering(method, model, first).memory
    memory["delta"] = (2 * torch.rand(20, 1, 6, 6, generator=torch.Generator().manual_seed(seed)) - 1) * epsilon
    bank, squares, lengths = memory["delta"].double().clone(), torch.zeros(20).double(), []
    for step in range(3):
        indices = torch.arange(6) + 2 * step
        given = at(batch(ThreatModel(epsilon), seed=10 * seed + step, indices=indices), 6, step)
        record = method.step(model, dataclasses.replace(given, memory=memory), sgd(model))

        targets = [one_hot(label) for label in given.labels]
        start = clipped(given.images, bank[indices], epsilon)
        gradients = slopes(twin, given.images + start, targets)
        delta = torch.zeros_like(start)
        for place, index in enumerate(indices.tolist()):
            of_the_mean = gradients[place] / 6
            squares[index] = 0.4 * squares[index] + 0.6 * (of_the_mean**2).sum()
            length = unit * 0.09 / (1 + squares[index].sqrt() / 0.02)
            lengths.append(float(length) / unit)
            length = min(max(length, unit * 0.018), unit * 0.06)
            delta[place] = start[place] + length * gradients[place].sign()
        delta = clipped(given.images, delta, epsilon)
        bank[indices] = delta
        assert_same_deltas(record, delta)
        updated(twin, mean_loss(twin(given.images + delta), targets))
        torch.testing.assert_close(memory["delta"].double(), bank, atol=1e-6, rtol=0)
        torch.testing.assert_close(memory["squares"].double(), squares, atol=1e-9, rtol=1e-4)
    assert_same_weights(model, twin)
    assert any(0.018 < length < 0.06 for length in lengths)


def test_long_steps_from_an_empty_bank_are_fgsm():
    def step(method):
        model = conv_net()
        given = remembering(method, model, at(batch(), 6))
        given = with_bank_of_zeros(given) if isinstance(method, ATAS) else given
        return model, method.step(model, given, sgd(model))

    assert_equal_steps(step(ATAS(gain=1, smallest=1, largest=1)), step(FGSM()))


def test_steps_are_as_long_as_the_radius_while_it_warms_up():
    method, model = ATAS(warmup=2), conv_net()
    given = remembering(method, model, at(batch(), 1))
    record = method.step(model, given, sgd(model))
    assert record.measures["mean_step"] == pytest.approx(given.threat.epsilon)
    assert not given.memory["squares"].any()
    later = at(given, 2)
    assert method.step(model, later, sgd(model)).measures["mean_step"] < given.threat.epsilon
    assert later.memory["squares"][later.indices].all()


def test_large_gradients_make_small_steps():
    """By hand: the step halves where the gradient's norm is c."""
    method, gradient = ATAS(gain=0.04, smallest=0, largest=1, decay=0, warmup=0), torch.zeros(2, 1, 2, 2)
    gradient[0, 0, 0, 0], gradient[1, 0, 1, 1] = 0.02, 0.06  # of the batch's mean loss 0.01 and 0.03: c and 3 c
    given = dataclasses.replace(batch(), indices=torch.arange(2), memory={"squares": torch.zeros(2)}, iteration=9)
    torch.testing.assert_close(method._lengths(given, gradient), torch.tensor([0.02, 0.01]))


@pytest.mark.parametrize("first", [0, 4])
def test_the_bank_is_drawn_where_training_begins_and_anew_but_not_in_the_last_epoch(first):
    """Training may begin in mid-epoch, after another method broke."""
    method, model = ATAS(reset=3), conv_net()
    memory = remembering(method, model, batch()).memory
    drawn = []
    for epoch, step in [(epoch, step) for epoch in range(first, 9) for step in range(2)][first // 4 :]:
        given = dataclasses.replace(at(batch(), epoch, step, length=2, epochs=9), memory=memory)
        before = memory["delta"]
        method._renew(given)
        if memory["delta"] is not before:
            drawn.append((epoch, step))
            assert memory["delta"].abs().max() <= given.threat.epsilon
            assert memory["delta"].abs().mean() == pytest.approx(given.threat.epsilon / 2, rel=0.1)
    assert drawn == {0: [(0, 0), (2, 0), (5, 0)], 4: [(4, 1), (5, 0)]}[first]


def test_the_bank_is_cropped_and_flipped_as_the_images_are():
    method, model = ATAS(warmup=0), conv_net()
    shift = Augmentation(1, torch.full((20,), 2), torch.full((20,), 1), torch.ones(20, dtype=torch.bool))
    plain = remembering(method, model, at(batch(), 6))
    plain.memory["delta"] = (torch.rand(20, 1, 6, 6) - 0.5) * plain.threat.epsilon
    before = plain.memory["delta"].clone()
    given = dataclasses.replace(plain, augmentation=shift)
    record = method.step(model, given, sgd(model))
    # Row 2 of an image padded by 1 is its row 1: the crop begins one row lower, and mirrors left and right.
    kept = torch.zeros_like(before[:6])
    kept[:, :, :5] = before[:6, :, 1:]
    start = given.threat.project(given.images, kept.flip(3))
    torch.testing.assert_close(record.attack.start, start)
    after = given.memory["delta"]
    torch.testing.assert_close(after[:6, :, 1:], record.delta.flip(3)[:, :, :5])
    assert torch.equal(after[:6, :, 0], before[:6, :, 0])  # the row that the crop left out
    assert torch.equal(after[6:], before[6:])


def test_settings():
    method = ATAS(limits="relative", warmup=0, bn_mode="eval")
    assert METHODS.parse(METHODS.dump(method)) == method
    assert declared(method) == passes(method, batch()) == (2, 2)
    with pytest.raises(InvalidFields, match=r"smallest=0\.2 is above largest=0\.1"):
        METHODS.parse({"name": "atas", "smallest": 0.2, "largest": 0.1})
    with pytest.raises(InvalidFields, match="greater than 0"):
        METHODS.parse({"name": "atas", "c": 0})
