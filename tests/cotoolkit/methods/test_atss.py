"""ATSS against its formula sample by sample, and its limits."""

import dataclasses
import statistics

import pytest
import torch

from cotoolkit.methods import METHODS
from cotoolkit.methods.atss import ATSS
from cotoolkit.methods.rs_fgsm import RSFGSM
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
from tests._helpers.stepping import batch, sgd


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_step_against_the_formula_sample_by_sample(seed, norm):
    model, given = smooth_net(seed), smooth_batch(seed, norm)
    record, taken, _ = attempt(ATSS(beta=0.7), model, given)

    noise = slow_start(given.images, 1.0, norm, torch.Generator().manual_seed(seed))
    start = slow_projection(given.images, EPSILON * noise, EPSILON, norm)
    gradients = slow_attack_gradients(model, given.images + start, given.labels)
    distances, cosines = [], []
    for one, gradient in zip(noise, gradients / len(gradients), strict=True):
        distances.append(((one - gradient) ** 2).sum().sqrt().item())
        cosines.append(((one * gradient).sum() / (one**2).sum().sqrt() / (gradient**2).sum().sqrt()).item())
    steps = []
    for distance, cosine in zip(distances, cosines, strict=True):
        s = (distance - statistics.mean(distances)) / statistics.stdev(distances)
        s += (cosine - statistics.mean(cosines)) / statistics.stdev(cosines)
        steps.append((1 - 0.7 * s) * EPSILON)
    assert min(steps) < 0.8 * EPSILON < 1.2 * EPSILON < max(steps)
    directions = slow_steepest(gradients, norm)
    delta = start + torch.stack([step * d for step, d in zip(steps, directions, strict=True)])
    delta = slow_projection(given.images, delta, EPSILON, norm)
    torch.testing.assert_close(record.delta, delta, atol=1e-5, rtol=0)
    expected = weight_gradient(slow_losses(model, given.images + delta, given.labels).mean(), model)
    torch.testing.assert_close(taken, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("beta", "size"), [(0.0, 6), (0.5, 1)])
def test_without_similarity_or_in_a_batch_of_one_it_is_rs_fgsm_bit_for_bit(beta, size):
    given, models = batch(size=size), [conv_net(norm=False), conv_net(norm=False)]
    ours = ATSS(beta=beta).step(models[0], given, sgd(models[0]))
    twin = dataclasses.replace(given, generator=batch(size=size).generator)
    theirs = RSFGSM(alpha=given.threat.epsilon).step(models[1], twin, sgd(models[1]))
    assert torch.equal(ours.delta, theirs.delta)
    assert torch.equal(models[0][0].weight, models[1][0].weight)


def test_cost_and_settings():
    method = ATSS(beta=1, alpha="10/255", bn_mode="eval")
    assert METHODS.parse(METHODS.dump(method)) == method
    given = batch()
    model = PassCounter(conv_net(), len(given.images))
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
