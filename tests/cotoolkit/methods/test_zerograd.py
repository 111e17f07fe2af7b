"""ZeroGrad against its formula sample by sample, its two kinds of zeroed pixels, and its limit."""

import dataclasses

import numpy as np
import pytest
import torch

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods import METHODS, Batch
from cotoolkit.methods.rs_fgsm import RSFGSM
from cotoolkit.methods.zerograd import ZeroGrad, above_quantile
from tests._helpers.networks import Linear, PassCounter, conv_net
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
from tests._helpers.stepping import batch, sgd


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("zeroed", ["start", "zero"])
def test_a_step_against_the_formula_sample_by_sample(seed, norm, zeroed):
    model, given = smooth_net(seed), smooth_batch(seed, norm)
    record, taken, _ = attempt(ZeroGrad(quantile=0.45, zeroed=zeroed), model, given)

    raw = slow_start(given.images, EPSILON, norm, torch.Generator().manual_seed(seed))
    start = slow_projection(given.images, raw, EPSILON, norm)
    gradients = slow_attack_gradients(model, given.images + start, given.labels)
    small = torch.stack([g.abs() < np.quantile(g.abs().numpy(), 0.45) for g in gradients])
    assert small.flatten(1).sum(1).tolist() == [4] * len(small)  # ceil(0.45 * 8) of nine
    delta = start + 2 * EPSILON * slow_steepest(gradients * ~small, norm)
    if zeroed == "zero":
        delta = delta * ~small
    delta = slow_projection(given.images, delta, EPSILON, norm)
    torch.testing.assert_close(record.delta, delta, atol=1e-6, rtol=0)
    expected = weight_gradient(slow_losses(model, given.images + delta, given.labels).mean(), model)
    torch.testing.assert_close(taken, expected, atol=1e-5, rtol=1e-4)


def test_the_quantile_is_that_of_torch():
    values = torch.rand(5, 3, 7, 7, generator=torch.Generator().manual_seed(0))
    for quantile in [*np.random.default_rng(0).uniform(0, 1, 30).tolist(), 0.0, 0.5, 1.0]:
        threshold = torch.quantile(values.flatten(1), quantile, dim=1).view(-1, 1, 1, 1)
        differing = above_quantile(values, quantile) != (values >= threshold)
        assert not (differing & ((values - threshold).abs() > 1e-6)).any()  # but for the rounding of its interpolation


def test_without_zeroing_it_is_rs_fgsm_bit_for_bit():
    given, models = batch(), [conv_net(), conv_net()]
    for zeroed in ("start", "zero"):
        ours = ZeroGrad(quantile=0, zeroed=zeroed).step(models[0], given, sgd(models[0]))
        twin = dataclasses.replace(given, generator=torch.Generator().manual_seed(0))
        given = dataclasses.replace(given, generator=torch.Generator().manual_seed(0))
        theirs = RSFGSM(alpha=2 * given.threat.epsilon).step(models[1], twin, sgd(models[1]))
        assert torch.equal(ours.delta, theirs.delta)
        assert torch.equal(models[0][0].weight, models[1][0].weight)


def test_by_hand():
    # The gradient of label 0 is a multiple of the weights: the half with the smaller ones is zeroed.
    model = Linear(torch.tensor([[[1.0, -3.0], [2.0, -0.5]]]))
    given = Batch(torch.full((1, 1, 2, 2), 0.5), torch.tensor([0]), ThreatModel(0.1), torch.Generator().manual_seed(0))
    delta = ZeroGrad(quantile=0.5, zeroed="zero").attack(model, given).delta
    assert delta.flatten().tolist() == pytest.approx([0, -0.1, 0.1, 0])
    given = dataclasses.replace(given, generator=torch.Generator().manual_seed(0))
    found = ZeroGrad(quantile=0.5).attack(model, given)
    assert found.delta.flatten()[1:3].tolist() == pytest.approx([-0.1, 0.1])
    assert torch.equal(found.delta.flatten()[[0, 3]], found.start.flatten()[[0, 3]])
    assert found.start.abs().min() > 0


def test_cost_and_settings():
    method = ZeroGrad(quantile=0.7, zeroed="zero", alpha=0.1, bn_mode="eval")
    assert METHODS.parse(METHODS.dump(method)) == method
    given = batch()
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
