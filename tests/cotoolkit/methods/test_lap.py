"""LAP against its formula, with what it moved taken back to the bit, and its limits."""

import copy
import math

import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods import FGSM, METHODS, NFGSM
from cotoolkit.methods.lap import BETA, LAP, layer_shares
from cotoolkit.methods.rs_fgsm import RSFGSM
from cotoolkit.models.build import build_model
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.slow_attacks import (
    EPSILON,
    attempt,
    slow_attack_gradients,
    slow_losses,
    slow_projection,
    slow_start,
    slow_steepest,
    smooth_batch,
    smooth_net,
    weight_gradient,
)
from tests._helpers.stepping import batch, sgd, stepped


def slow_attack(kind, model, given, seed, norm):
    """The attack's start and perturbation."""
    images = given.images
    if kind == "plain":
        start, step, reach = torch.zeros_like(images), EPSILON, EPSILON
    else:
        k, step, reach = (1, 1.25 * EPSILON, EPSILON) if kind == "rs" else (2, EPSILON, 3 * EPSILON)
        start = slow_start(images, k * EPSILON, norm, torch.Generator().manual_seed(seed))
        start = slow_projection(images, start, k * EPSILON, norm)
    directions = slow_steepest(slow_attack_gradients(model, images + start, given.labels), norm)
    return start, slow_projection(images, start + step * directions, reach, norm)


def moved(model, start, given, *, beta, gamma, sign):
    """A copy of the network at the perturbed weights, layer by layer."""
    twin = copy.deepcopy(model)
    layers = [name for name, weight in model.named_parameters() if weight.ndim > 1]
    for number, name in enumerate(layers, start=1):
        weight = dict(model.named_parameters())[name]
        loss = slow_losses(model, given.images + start, given.labels).mean()
        (gradient,) = torch.autograd.grad(loss, weight)
        share = 1 - (math.log(number) / math.log(len(layers))) ** gamma
        change = sign * beta * share * weight.square().sum().sqrt() / gradient.square().sum().sqrt() * gradient
        with torch.no_grad():
            dict(twin.named_parameters())[name].add_(change)
    return twin


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(("kind", "direction"), [("plain", "descent"), ("rs", "ascent"), ("n", "descent")])
def test_a_step_against_the_formula(seed, norm, kind, direction):
    model, given = smooth_net(seed), smooth_batch(seed, norm)
    model.append(torch.nn.Tanh()).append(torch.nn.Linear(4, 4).double())  # three layers, so that one is in between
    record, taken, _ = attempt(LAP(kind, beta=0.4, gamma=0.6, direction=direction), model, given)
    start, delta = slow_attack(kind, model, given, seed, norm)
    twin = moved(model, start, given, beta=0.4, gamma=0.6, sign=1 if direction == "ascent" else -1)
    loss = slow_losses(twin, given.images + delta, given.labels)
    torch.testing.assert_close(record.delta, delta, atol=1e-6, rtol=0)
    torch.testing.assert_close(taken, weight_gradient(loss.mean(), twin), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(record.losses.double(), loss.detach(), atol=1e-5, rtol=1e-4)
    assert loss.mean() != slow_losses(model, given.images + delta, given.labels).mean()


def test_weights_end_where_the_update_alone_leads_to_the_bit():
    # The released code adds the perturbation and never takes it off; its weight decay sees it too.
    model, given = conv_net(), batch()
    start = copy.deepcopy(model)
    seen = {}

    def update(loss):
        loss.backward()
        seen["weights"] = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        torch.optim.SGD(model.parameters(), 0.1, weight_decay=0.5).step()

    LAP(beta=0.3).step(model, given, update)
    assert all(torch.equal(seen["weights"][name], weight) for name, weight in start.named_parameters())
    for (name, weight), ours in zip(start.named_parameters(), model.parameters(), strict=True):
        weight.grad = dict(model.named_parameters())[name].grad
        assert weight.grad.abs().max() > 0
        assert ours.grad is weight.grad
    torch.optim.SGD(start.parameters(), 0.1, weight_decay=0.5).step()
    for ours, expected in zip(model.parameters(), start.parameters(), strict=True):
        assert torch.equal(ours, expected)


def test_the_trial_moves_no_statistics_and_leaves_no_gradient():
    model, record = stepped(LAP(beta=0.3), batch())
    twin = conv_net().train()
    weight = twin[0].weight.detach().clone()
    assert model[1].num_batches_tracked == 1
    attacked = batch().images + record.delta
    twin(attacked)
    assert not torch.equal(model[1].running_mean, twin[1].running_mean)  # the trained pass is at the moved weights
    gradientless = conv_net()
    LAP().step(gradientless, batch(), lambda loss: None)
    assert all(weight.grad is None for weight in gradientless.parameters())
    assert torch.equal(gradientless[0].weight, weight)


def test_the_law_over_layers():
    shares = layer_shares(21, 0.3)
    assert shares[0] == 1.0
    assert shares[-1] == 0.0
    assert shares[1] == pytest.approx(1 - (math.log(2) / math.log(21)) ** 0.3)
    assert shares == sorted(shares, reverse=True)
    assert layer_shares(1, 0.3) == [1.0]
    assert layer_shares(3, 0.0) == [0.0, 0.0, 0.0]
    network = build_model({"name": "preact_resnet18", "width": 2}, (3, 32, 32), 10, seed=0)
    assert sum("weight" in name and w.ndim > 1 for name, w in network.named_parameters()) == 21  # the authors' number


def test_published_strengths():
    assert [BETA[kind][8] for kind in ("plain", "rs", "n")] == [0.03, 0.002, 0.001]
    ours, _ = stepped(LAP(), batch(ThreatModel("12/255")))
    expected, _ = stepped(LAP(beta=0.058), batch(ThreatModel("12/255")))
    assert torch.equal(ours[0].weight, expected[0].weight)


@pytest.mark.parametrize(("kind", "inner"), [("plain", FGSM()), ("rs", RSFGSM()), ("n", NFGSM())])
def test_without_strength_it_is_its_attack_alone_bit_for_bit(kind, inner):
    expected, record = stepped(inner, batch())
    for method in (LAP(kind, beta=0), LAP(kind, beta=1, gamma=0)):
        ours, found = stepped(method, batch())
        assert torch.equal(found.delta, record.delta)
        for one, other in zip(ours.state_dict().values(), expected.state_dict().values(), strict=True):
            assert torch.equal(one, other)


def test_frozen_layers_do_not_move():
    model = conv_net()
    model[0].weight.requires_grad_(False)
    LAP(beta=0.5).step(model, batch(), sgd(model))
    assert torch.equal(model[0].weight, conv_net()[0].weight)


def test_cost_and_settings():
    method = LAP("n", beta=0.1, gamma=1, direction="ascent", bn_mode="eval")
    assert METHODS.parse(METHODS.dump(method)) == method
    given = batch()
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
