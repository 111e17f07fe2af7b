"""CUAP against a slow reference, and its limit, UAP."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS, TrainingSet
from cotoolkit.methods.cuap import CUAP
from cotoolkit.methods.uap import UAP
from tests._helpers.networks import conv_net
from tests._helpers.slow_banks import assert_same_weights, declared, in_double, passes
from tests._helpers.stepping import batch, remembering, sgd
from tests._helpers.universals import SlowUniversals


@pytest.mark.parametrize("seed", range(3))
def test_cuap_against_the_slow_reference(seed):
    method, model = CUAP(alpha=0.08, amplitude=0.09, decay=0.6, weight=3, smoothing=0.3), conv_net(norm=False)
    twin, memory = in_double(model), remembering(CUAP(), model, batch()).memory
    slow, start = SlowUniversals(memory), memory["universal"].clone()
    for step in range(3):
        fresh = batch(ThreatModel(0.1), seed=10 * seed + step)
        given = dataclasses.replace(fresh, memory=memory, labels=fresh.labels.clamp_max(2))
        record = method.step(model, given, sgd(model))
        slow.assert_same(memory, record, slow.step(twin, given, given.labels.tolist()))
    assert_same_weights(model, twin)
    assert torch.equal(memory["universal"][3], start[3])  # no sample of that class
    assert not memory["momentum"][3].any()
    assert not torch.equal(memory["universal"][2], start[2])


def test_of_a_single_class_it_is_uap():
    found = []
    for method in (CUAP(), UAP()):
        model = conv_net()
        memory = method.memory(model, TrainingSet(20, (1, 6, 6), 1), torch.Generator().manual_seed(0))
        given = dataclasses.replace(batch(), memory=memory, labels=torch.zeros(6, dtype=torch.int64))
        record = method.step(model, given, sgd(model))
        found.append((*model.state_dict().values(), *memory.values(), record.delta))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


def test_settings():
    method = CUAP(weight=0, decay=0.9)
    assert METHODS.parse(METHODS.dump(method)) == method
    assert declared(method) == passes(method, batch()) == (2, 2)
    assert remembering(method, conv_net(), batch()).memory["universal"].shape == (4, 1, 6, 6)
    with pytest.raises(InvalidFields, match="no field 'perturbations'"):
        METHODS.parse({"name": "cuap", "perturbations": 4})
