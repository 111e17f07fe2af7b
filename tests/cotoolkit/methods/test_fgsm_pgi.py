"""FGSM-PGI: its three starts against slow references, and its limits."""

import dataclasses

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import FGSM, METHODS, TrainingSet
from cotoolkit.methods.fgsm_mep import FGSMMEP
from cotoolkit.methods.fgsm_pgi import FGSMPGI
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

KINDS = ["batch", "epoch", "momentum"]


def slow_step(twin, given, start):
    """Perturbation and gradients of a step from a start, with the network's update."""
    targets = [one_hot(label, 0.3) for label in given.labels]
    start = clipped(given.images, start, 0.1)
    gradients = slopes(twin, given.images + start, targets)
    delta = clipped(given.images, start + 0.08 * gradients.sign(), 0.1)
    first, second = twin(given.images + start), twin(given.images + delta)
    updated(twin, mean_loss(second, targets) + 3 * squared_distance(second, first))
    return start, delta, gradients


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_each_start_against_the_slow_reference(kind, seed):
    """Three steps, from a memory that is not empty, on overlapping images."""
    method = FGSMPGI(initialisation=kind, alpha=0.08, decay=0.6, weight=3.0, smoothing=0.3)
    model = conv_net(norm=False)
    twin, draws = in_double(model), torch.Generator().manual_seed(seed)
    rows = 6 if kind == "batch" else 20
    bank = (0.2 * torch.rand(rows, 1, 6, 6, generator=draws) - 0.1).double()
    momentum = (4 * torch.rand(rows, 1, 6, 6, generator=draws) - 2).double()
    memory = {"delta": bank.float()} | ({"momentum": momentum.float()} if kind == "momentum" else {})
    for step in range(1, 4):
        fresh = batch(ThreatModel(0.1), seed=10 * seed + step, indices=torch.arange(6) + 2 * step)
        given = dataclasses.replace(fresh, memory=memory, iteration=step, epoch_length=9)
        record = method.step(model, given, sgd(model))
        here = torch.arange(6) if kind == "batch" else given.indices
        start, delta, gradients = slow_step(twin, given, bank[here])
        assert_same_deltas(record, delta)
        if kind == "momentum":
            momentum[here] = gradients.sign() + 0.6 * momentum[here]
            decided(momentum[here])
            bank[here] = clipped(given.images, start + 0.08 * momentum[here].sign(), 0.1)
            torch.testing.assert_close(memory["momentum"].double(), momentum, atol=1e-6, rtol=0)
        else:
            bank[here] = delta
        torch.testing.assert_close(memory["delta"].double(), bank, atol=1e-6, rtol=0)
    assert_same_weights(model, twin)


@pytest.mark.parametrize("kind", KINDS)
def test_from_nothing_without_penalty_and_smoothing_it_is_fgsm(kind):
    def step(method):
        model = conv_net()
        given = dataclasses.replace(remembering(method, model, batch()), iteration=1, epoch_length=2)
        if isinstance(method, FGSMPGI) and kind != "batch":
            given = with_bank_of_zeros(given)
        return model, method.step(model, given, sgd(model))

    assert_equal_steps(step(FGSMPGI(initialisation=kind, weight=0, smoothing=0)), step(FGSM()))


def test_signs_are_averaged_here_and_gradients_in_mep():
    """By hand: gradient (3, -1), momentum (-2, 0.5). Signs give (0.4, -0.85); masses of 1 give (0.15, -0.1)."""
    found = {}
    for method in (FGSMPGI(smoothing=0), FGSMMEP(smoothing=0)):
        model = Linear(torch.tensor([3.0, -1.0]).view(1, 1, 1, 2))
        momentum = torch.tensor([-2.0, 0.5]).view(1, 1, 1, 2)
        given = dataclasses.replace(
            batch(ThreatModel(0.1), size=1),
            images=torch.full((1, 1, 1, 2), 0.5),
            labels=torch.tensor([0]),
            indices=torch.tensor([0]),
            iteration=1,
            epoch_length=2,
            memory={"delta": torch.zeros(1, 1, 1, 2), "momentum": momentum},
        )
        method.step(model, given, sgd(model))
        found[method.name] = given.memory["momentum"].flatten()
    torch.testing.assert_close(found["fgsm_pgi"], torch.tensor([0.4, -0.85]))
    torch.testing.assert_close(found["fgsm_mep"], torch.tensor([0.15, -0.1]))


def test_what_goes_from_batch_to_batch_grows_with_the_batch():
    method, model = FGSMPGI(initialisation="batch"), conv_net()
    memory = method.memory(model, TrainingSet(20, (1, 6, 6), 4), torch.Generator())
    for size, kept in ((4, 4), (2, 4), (6, 6)):
        given = dataclasses.replace(batch(size=size), memory=memory)
        before = memory["delta"].clone()
        record = method.step(model, given, sgd(model))
        assert len(memory["delta"]) == kept
        assert torch.equal(memory["delta"][:size], record.delta)
        assert torch.equal(memory["delta"][size:], before[size:])


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_bank_begins_anew(kind):
    method, model = FGSMPGI(initialisation=kind, reset=2), conv_net()
    given = dataclasses.replace(remembering(method, model, batch()), iteration=12, epoch_length=3)
    record = method.step(model, given, sgd(model))
    assert record.attack.start.any() == (kind != "batch")
    if kind != "batch":
        assert torch.equal(given.memory["delta"][6:].abs(), torch.full((14, 1, 6, 6), given.threat.epsilon))


@pytest.mark.parametrize("kind", KINDS)
def test_settings(kind):
    for weight in (0, 2):
        method = FGSMPGI(initialisation=kind, weight=weight)
        assert METHODS.parse(METHODS.dump(method)) == method
        assert declared(method) == passes(method, batch()) == (2, 2 + (weight > 0))
    with pytest.raises(InvalidFields, match="'batch', 'epoch' or 'momentum'"):
        METHODS.parse({"name": "fgsm_pgi", "initialisation": "random"})
