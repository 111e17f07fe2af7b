"""ELLE-A: its weight over several steps against a plain account of all errors, and the steps against ELLE's."""

import dataclasses

import numpy as np
import pytest
import torch

from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS
from cotoolkit.methods.elle import ELLE
from cotoolkit.methods.elle_a import AdaptiveELLE
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.stepping import batch, remembering, sgd, stepped


def fresh(method, model, seed, memory):
    return dataclasses.replace(batch(seed=seed), memory=memory, indices=torch.arange(6))


@pytest.mark.parametrize("acts", ["next_step", "same_step"])
def test_every_step_is_elles_with_the_weight_that_all_errors_so_far_give(acts):
    method = AdaptiveELLE(weight=50.0, sensitivity=0.5, decay=0.9, acts=acts)
    model, twin = conv_net(), conv_net()
    memory = remembering(method, model, batch()).memory
    weight, errors, used = 0.0, [], []
    for seed in range(8):
        record = method.step(model, fresh(method, model, seed, memory), sgd(model))
        error = record.measures["error"].item()
        before = weight
        leaps = len(errors) > 2 and error > np.mean(errors) + 0.5 * np.std(errors)
        weight = 50.0 if leaps else 0.9 * weight
        errors.append(error)
        used.append(weight if acts == "same_step" else before)
        assert record.measures["weight"].item() == pytest.approx(used[-1], rel=1e-6)
        ELLE(weight=used[-1]).step(twin, batch(seed=seed), sgd(twin))
        for ours, theirs in zip(model.state_dict().values(), twin.state_dict().values(), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    assert 50.0 in used
    assert 45.0 in [round(one, 6) for one in used]  # once on, it fades
    assert memory["switch/seen"] == 8
    assert memory["switch/mean"].item() == pytest.approx(np.mean(errors))
    assert (memory["switch/scatter"] / 8).sqrt().item() == pytest.approx(np.std(errors))


def test_before_the_first_leap_it_is_fgsm_bit_for_bit():
    ours, _ = stepped(AdaptiveELLE(), batch())
    theirs, _ = stepped(FGSM(), batch())
    for first, second in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(first, second)


def test_it_is_switched_on_at_the_published_weight():
    method = AdaptiveELLE(acts="same_step")
    model = conv_net()
    given = remembering(method, model, batch())
    given.memory["switch/seen"] += 10  # of errors that were all 0
    assert method.step(model, given, sgd(model)).measures["weight"] == 4000
    given = dataclasses.replace(batch(), memory=given.memory)
    given.memory["switch/mean"] += 1.0
    assert method.step(model, given, sgd(model)).measures["weight"].item() == pytest.approx(3960)


def test_declared_passes_refusals_and_round_trip():
    method = AdaptiveELLE(inner="n_fgsm", weight=2, acts="same_step", decay=0.5)
    counted = PassCounter(conv_net(), 6)
    method.step(counted, remembering(method, counted, batch()), sgd(counted))
    assert (counted.forwards, counted.backwards, 0) == method.cost_per_step()
    assert METHODS.parse(METHODS.dump(method)) == method
    with pytest.raises(InvalidFields, match="decay"):
        METHODS.parse({"name": "elle_a", "decay": 1})
