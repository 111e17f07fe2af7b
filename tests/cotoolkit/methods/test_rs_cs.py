"""RS-CS against a slow reference over whole epochs, its limits, and its band."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS, NFGSM, RSFGSM
from cotoolkit.methods._memory.convergence import Band, band_memory
from cotoolkit.methods.rs_cs import RSCS
from tests._helpers.banded import SlowBand, training
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.slow_banks import (
    assert_equal_steps,
    assert_same_deltas,
    assert_same_weights,
    declared,
    in_double,
    mean_loss,
    one_hot,
    passes,
    slopes,
    squared_distance,
    updated,
)
from tests._helpers.stepping import batch, remembering, sgd


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("reference", ["clean", "start"])
@pytest.mark.parametrize("projected", [False, True])
def test_rs_cs_against_the_slow_reference(reference, projected, seed):
    """Five epochs of two batches, whose band is on in epochs 2 and 3."""
    method = RSCS(
        alpha=0.06, projected=projected, reference=reference, gamma=0.05, weight=0.7, consistency=0.5, smoothing=0.3
    )
    model, memory, sides = conv_net(norm=False), band_memory(), []
    twin, band = in_double(model), SlowBand(0.05, 1, {2, 3})
    for given in training(ThreatModel(0.1), seed=seed):
        record = method.step(model, dataclasses.replace(given, memory=memory), sgd(model))

        images = given.images.double()
        draws = torch.Generator().manual_seed(100 * seed + given.iteration % 2)
        noise = 2 * torch.rand(images.shape, generator=draws) - 1
        start = (images + 0.1 * noise).clamp(0, 1)
        gradients = slopes(twin, start, [one_hot(label) for label in given.labels])
        attacked = (start + 0.06 * gradients.sign()).clamp(0, 1)
        if projected:
            attacked = images + (attacked - images).clamp(-0.1, 0.1)
        assert_same_deltas(record, attacked - images)
        targets = [one_hot(label, 0.3) for label in given.labels]
        first, second = twin(start), twin(attacked)
        standing = mean_loss(first if reference == "start" else twin(images), targets)
        sides.append(band.side(given.epoch, standing, len(images)))
        assert record.measures["out_of_band"] == sides[-1]
        torch.testing.assert_close(record.measures["reference_loss"].double(), standing.detach(), atol=1e-5, rtol=1e-4)
        loss = mean_loss(second, targets) + 0.5 * squared_distance(second, first) + sides[-1] * 0.7 * standing
        updated(twin, loss)
        if given.iteration % 2 == 1:
            band.end_epoch()
    assert_same_weights(model, twin, atol=2e-5)
    assert sides[:4] == [0] * 4
    assert any(sides)


@pytest.mark.parametrize("projected", [False, True])
@pytest.mark.parametrize("reference", ["clean", "start"])
def test_without_smoothing_and_band_it_is_rs_fgsm_or_its_unprojected_kin(projected, reference):
    def step(method):
        model, given = conv_net(), batch()
        return model, method.step(model, remembering(RSCS(), model, given), sgd(model))

    ours = step(RSCS(weight=0, smoothing=0, projected=projected, reference=reference))
    epsilon = batch().threat.epsilon
    assert_equal_steps(ours, step(RSFGSM(alpha=epsilon) if projected else NFGSM(k=1)))


def test_the_band_by_hand():
    """Mean 1.0 in epoch 0 and 1.1 in epoch 1; of 5 epochs, 2 and 3 have a band."""
    memory, band = band_memory(), Band(width=0.3, ratio=10, stride=1, drops=(), weight=1)

    def side(iteration, loss, size=4):
        fresh = batch(size=size, progress=iteration / 10)
        given = dataclasses.replace(fresh, memory=memory, iteration=iteration, epoch_length=2)
        return band.side(given, torch.tensor(loss))

    assert [side(0, 0.8), side(1, 1.4, 2)] == [0, 0]  # (4 * 0.8 + 2 * 1.4) / 6 = 1.0
    assert [side(2, 1.1), side(3, 1.1)] == [0, 0]
    assert side(4, 1.15) == 0
    torch.testing.assert_close(memory["epoch_loss"], torch.tensor(1.1))
    torch.testing.assert_close(memory["epoch_change"], torch.tensor(0.1))  # within 0.03 and 0.3
    assert [side(5, 1.21), side(5, 0.99), side(5, 1.19), side(5, 1.01)] == [1, -1, 0, 0]
    assert [side(8, 50.0), side(9, 50.0)] == [0, 0]


@pytest.mark.parametrize(("change", "width"), [(-1.0, 0.1), (0.05, 0.1), (0.2, 0.2), (5.0, 0.4)])
def test_the_band_follows_the_last_change_between_its_limits(change, width):
    band = Band(width=0.4, ratio=4, stride=0, drops=(), weight=1)
    for offset, side in ((width + 0.01, 1), (width - 0.01, 0), (-width + 0.01, 0), (-width - 0.01, -1)):
        memory = band_memory() | {"epoch_loss": torch.tensor(2.0), "epoch_change": torch.tensor(change)}
        given = dataclasses.replace(batch(progress=0.5), memory=memory, iteration=15, epoch_length=2)
        assert band.side(given, torch.tensor(2.0 + offset)) == side


@pytest.mark.parametrize(("first", "expected"), [(0, "000011110"), (3, "011110"), (4, "00000")])
def test_there_is_no_band_before_an_epoch_has_ended(first, expected):
    """Training may begin in mid-epoch, or with a later epoch, as the successor of a method that broke."""
    band, memory = Band(width=0.1, ratio=1, stride=0, drops=(), weight=1), band_memory()
    sides = ""
    for iteration in range(first, 9):
        given = dataclasses.replace(batch(progress=0.5), memory=memory, iteration=iteration, epoch_length=4)
        sides += str(band.side(given, torch.tensor(2.0 + (iteration >= 4))))
        assert all(value.isfinite().all() for value in memory.values())
    assert sides == expected


def test_a_step_out_of_the_band_costs_one_backward_pass_more():
    for reference, forward in (("clean", 3), ("start", 2)):
        model, method = PassCounter(conv_net()), RSCS(reference=reference)
        memory = {name: torch.tensor(0.0) for name in band_memory()}  # last epoch's mean is 0
        given = dataclasses.replace(batch(progress=0.5), memory=memory, iteration=15, epoch_length=2)
        record = method.step(model, given, sgd(model))
        assert record.measures["out_of_band"] == 1
        assert (model.forwards, model.backwards) == (forward, 3)


def test_batchnorm_remembers_the_attacked_images_alone():
    model, twin = conv_net(), conv_net().train()
    given = remembering(RSCS(), model, batch(size=12))
    record = RSCS().step(model, given, sgd(model))
    twin(given.images + record.delta)
    assert model[1].num_batches_tracked == 1
    torch.testing.assert_close(model[1].running_mean, twin[1].running_mean)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_unprojected_adversaries_reach_as_far_as_start_and_step(norm):
    given = remembering(RSCS(), conv_net(), batch(ThreatModel(0.2, norm, box="none"), size=50))
    record = RSCS(alpha=0.1).step(model := conv_net(), given, sgd(model))
    size = record.delta.flatten(1).norm(p=float("inf") if norm == "linf" else 2, dim=1)
    assert 0.2 < size.amax() <= 0.3 * (1 + 1e-5)


def test_settings():
    for method in (RSCS(), RSCS(reference="start", consistency=7, drops=("10/11", "21/22"), ratio=3, stride=2)):
        assert METHODS.parse(METHODS.dump(method)) == method
        assert declared(method) == passes(method, batch())
    with pytest.raises(InvalidFields, match="greater than or equal to 1"):
        METHODS.parse({"name": "rs_cs", "ratio": 0.5})
    with pytest.raises(InvalidFields, match="less than or equal to 1"):
        METHODS.parse({"name": "rs_cs", "drops": [100, 105]})
    with pytest.raises(InvalidFields, match="ascending"):
        METHODS.parse({"name": "rs_cs", "drops": [0.9, 0.5]})
