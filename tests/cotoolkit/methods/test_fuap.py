"""FUAP against a slow reference with torch's own Adam, its limits, and its small classifier."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS, TrainingSet
from cotoolkit.methods.fuap import FUAP, LAYERS
from tests._helpers.networks import Linear, conv_net
from tests._helpers.slow_banks import assert_same_weights, declared, in_double, passes
from tests._helpers.stepping import batch, remembering, sgd
from tests._helpers.universals import SlowUniversals


def small_classifier(memory):
    """As the released code has it: linear, ReLU, linear."""
    choice, classes = nn.Linear(288, 5).double(), nn.Linear(5, 4).double()
    with torch.no_grad():
        for parameter, name in zip((*choice.parameters(), *classes.parameters()), LAYERS, strict=True):
            parameter.copy_(memory[name])
    return choice, classes


@pytest.mark.parametrize("seed", range(3))
def test_fuap_against_the_slow_reference(seed):
    method = FUAP(alpha=0.08, amplitude=0.09, decay=0.6, weight=3, smoothing=0.3, perturbations=5, rate=0.01)
    model = conv_net(norm=False)
    twin, memory = in_double(model), remembering(method, model, batch()).memory
    memory["choice.weight"] -= memory["choice.weight"].mean(1, keepdim=True)  # lest all images choose the same
    slow, (choice, classes) = SlowUniversals(memory), small_classifier(memory)
    adam = torch.optim.Adam([*choice.parameters(), *classes.parameters()], lr=0.01)
    used = set()
    for step in range(3):
        given = dataclasses.replace(batch(ThreatModel(0.1), seed=10 * seed + step), memory=memory)
        record = method.step(model, given, sgd(model))

        draws = torch.Generator().manual_seed(10 * seed + step)
        noise = 0.1 * (2 * torch.rand(given.images.shape, generator=draws) - 1)
        noise = (given.images + noise).clamp(0, 1) - given.images
        scores = choice(twin[:-1]((given.images + noise).double()).detach())
        keys = [int(row.argmax()) for row in scores]
        best = scores.topk(2).values
        assert (best[:, 0] - best[:, 1]).min() > 1e-4, "take another seed"
        adam.zero_grad()
        F.cross_entropy(classes(F.relu(scores)), given.labels, label_smoothing=0.3).backward()
        adam.step()
        slow.assert_same(memory, record, slow.step(twin, given, keys, noise))
        for parameter, name in zip((*choice.parameters(), *classes.parameters()), LAYERS, strict=True):
            torch.testing.assert_close(memory[name].double(), parameter.detach(), atol=2e-5, rtol=1e-3)
        used |= set(keys)
    assert_same_weights(model, twin)
    assert len(used) > 1
    assert memory["updates"] == 3


def test_the_small_classifier_begins_as_torchs_linear():
    memory = remembering(FUAP(), conv_net(), batch()).memory
    for layer, inputs in (("choice", 288), ("classes", 50)):
        for part in ("weight", "bias"):
            assert memory[f"{layer}.{part}"].abs().max() <= inputs**-0.5
        assert memory[f"{layer}.weight"].abs().mean() == pytest.approx(inputs**-0.5 / 2, rel=0.1)
    assert memory["universal"].shape == (50, 1, 6, 6)


def test_the_small_classifier_leaves_the_network_alone():
    """Its rate does not matter to the first step, and its gradient does not reach the network."""
    models = []
    for rate in (1e-6, 10.0):
        model, method = conv_net(), FUAP(rate=rate)
        method.step(model, remembering(method, model, batch()), sgd(model))
        models.append(model)
    for ours, theirs in zip(models[0].state_dict().values(), models[1].state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert models[0][1].num_batches_tracked == 1


def test_with_one_perturbation_there_is_nothing_to_choose():
    method, model = FUAP(perturbations=1, amplitude=0), conv_net()
    given = remembering(method, model, batch())
    record = method.step(model, given, sgd(model))
    start = given.threat.random_start(given.images, torch.Generator().manual_seed(0))
    torch.testing.assert_close(record.attack.start, start)  # the noise alone, since the amplitude is 0


def test_a_wrappers_targets_win():
    labels = batch().labels
    found = []
    for smoothing in (0.0, 0.4):
        method, model = FUAP(smoothing=smoothing), conv_net()
        given = dataclasses.replace(batch(), targets=F.one_hot(labels, 4).float())
        given = remembering(method, model, given)
        method.step(model, given, sgd(model))
        found.append((*model.state_dict().values(), *given.memory.values()))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


def test_a_network_without_a_last_linear_layer_is_refused():
    with pytest.raises(ConfigError, match=r"end in an nn\.Linear"):
        FUAP().memory(Linear(torch.ones(4)), TrainingSet(20, (1, 2, 2), 2), torch.Generator())


@pytest.mark.parametrize("weight", [0, 2])
def test_settings(weight):
    method = FUAP(weight=weight, perturbations=7, rate=0.1)
    assert METHODS.parse(METHODS.dump(method)) == method
    assert declared(method) == passes(method, batch()) == (3, 2 + (weight > 0))
    with pytest.raises(InvalidFields, match="greater than 0"):
        METHODS.parse({"name": "fuap", "rate": 0})
