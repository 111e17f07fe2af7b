"""MEP-CS against a slow reference over whole epochs, and its limit, FGSM-MEP."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS
from cotoolkit.methods._memory.convergence import band_memory
from cotoolkit.methods.fgsm_mep import FGSMMEP
from cotoolkit.methods.mep_cs import MEPCS
from tests._helpers.banded import SlowBand, training
from tests._helpers.networks import PassCounter, conv_net
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
    updated,
)
from tests._helpers.stepping import batch, remembering, sgd


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("reference", ["clean", "start"])
def test_mep_cs_against_the_slow_reference(reference, seed):
    method, model, sides = MEPCS(alpha=0.06, reference=reference, gamma=0.05, weight=0.7), conv_net(norm=False), []
    twin, band = in_double(model), SlowBand(0.05, 1, {2, 3})
    memory = remembering(method, model, batch()).memory
    bank, momentum = torch.zeros(20, 1, 6, 6).double(), torch.zeros(20, 1, 6, 6).double()
    for fresh in training(ThreatModel(0.1), seed=seed):
        rows = torch.arange(len(fresh.images)) + 6 * (fresh.iteration % 2)
        given = dataclasses.replace(fresh, memory=memory, indices=rows)
        record = method.step(model, given, sgd(model))
        if given.iteration == 0:
            bank = memory["delta"].double().clone()
            bank[:6] = record.attack.start
        targets = [one_hot(label, 0.4) for label in given.labels]
        start = clipped(given.images, bank[rows], 0.1)
        gradients = slopes(twin, given.images + start, targets)
        delta = clipped(given.images, start + 0.06 * gradients.sign(), 0.1)
        assert_same_deltas(record, delta)
        standing = mean_loss(twin(given.images + (start if reference == "start" else 0 * start)), targets)
        sides.append(band.side(given.epoch, standing, len(rows)))
        assert record.measures["out_of_band"] == sides[-1]
        updated(twin, mean_loss(twin(given.images + delta), targets) + sides[-1] * 0.7 * standing)
        momentum[rows] = gradients / gradients.abs().sum() + 0.3 * momentum[rows]
        decided(momentum[rows])
        bank[rows] = clipped(given.images, start + 0.06 * momentum[rows].sign(), 0.1)
        torch.testing.assert_close(memory["delta"].double(), bank, atol=1e-6, rtol=0)
        if given.iteration % 2 == 1:
            band.end_epoch()
    assert_same_weights(model, twin, atol=2e-5)
    assert any(sides)


@pytest.mark.parametrize("reference", ["clean", "start"])
def test_with_the_penalty_and_without_the_band_it_is_mep(reference):
    def train(method):
        model = conv_net()
        memory = remembering(method, model, batch()).memory
        for fresh in training(ThreatModel(0.1)):
            given = dataclasses.replace(fresh, memory=memory, indices=torch.arange(len(fresh.images)))
            record = method.step(model, given, sgd(model))
        return model, record, memory

    ours, theirs = train(MEPCS(consistency=10, weight=0, reference=reference)), train(FGSMMEP())
    assert_equal_steps(ours[:2], theirs[:2])
    assert all(torch.equal(ours[2][name], theirs[2][name]) for name in theirs[2])


def test_a_step_out_of_the_band_costs_one_backward_pass_more():
    model, method = PassCounter(conv_net()), MEPCS()
    given = dataclasses.replace(batch(progress=0.5), iteration=15, epoch_length=2)
    given = remembering(method, model, given)
    given.memory.update({name: torch.tensor(0.0) for name in band_memory()})  # last epoch's mean is 0
    record = method.step(model, given, sgd(model))
    assert record.measures["out_of_band"] == 1
    assert (model.forwards, model.backwards) == (3, 3)


def test_settings():
    for method in (MEPCS(), MEPCS(reference="start", consistency=10, drops=("10/11", "21/22"), reset=3)):
        assert METHODS.parse(METHODS.dump(method)) == method
        assert declared(method) == passes(method, batch())
    with pytest.raises(InvalidFields, match="'clean' or 'start'"):
        METHODS.parse({"name": "mep_cs", "reference": "adversarial"})
    with pytest.raises(InvalidFields, match="ascending"):
        METHODS.parse({"name": "mep_cs", "drops": [0.9, 0.5]})
