"""SORA against its formula sample by sample over three steps, and its memory."""

import dataclasses

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods import METHODS, Batch
from cotoolkit.methods.sora import SORA
from tests._helpers.networks import Linear, PassCounter, conv_net
from tests._helpers.slow_attacks import (
    slow_attack_gradients,
    slow_losses,
    slow_projection,
    slow_start,
    slow_steepest,
    smooth_batch,
    smooth_net,
    weight_gradient,
)
from tests._helpers.stepping import batch, remembering, sgd


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_three_steps_against_the_formula_sample_by_sample(seed, norm):
    model, method, epsilon = smooth_net(seed), SORA(margin=0.005, weight=0.5), 0.2 if norm == "linf" else 0.8
    memory = remembering(method, model, smooth_batch(seed)).memory
    running, parts = 0.99, []
    for step in range(3):
        given = dataclasses.replace(smooth_batch(seed + 10 * step, norm, epsilon=epsilon), memory=memory)
        images, labels = given.images, given.labels
        draws = torch.Generator().manual_seed(seed + 10 * step)
        start = slow_projection(images, slow_start(images, epsilon, norm, draws), epsilon, norm)
        spread = torch.rand(images.shape, generator=draws)
        before = slow_attack_gradients(model, images + start, labels)
        direction = slow_steepest(before, norm)
        parts.append(min(1.0, 0.005 / (1 - running)))
        delta = start + 2 * epsilon * parts[-1] * spread * direction
        delta = (images + delta).clamp(0, 1) - images
        assert norm == "l2" or step or delta.abs().max() > epsilon  # not projected to the ball
        after = slow_attack_gradients(model, images + delta, labels)
        ratios = [((d * a).sum() / (d * b).sum()).item() for d, a, b in zip(direction, after, before, strict=True)]
        newest = max(-1.0, min(1.0, sum(ratios) / len(ratios)))
        expected = weight_gradient(slow_losses(model, images + delta, labels).mean(), model)

        old = parameters_to_vector(model.parameters()).detach().clone()
        record = method.step(model, given, sgd(model, rate=0.3))
        torch.testing.assert_close(record.delta, delta, atol=1e-5, rtol=0)
        taken = (old - parameters_to_vector(model.parameters()).detach()) / 0.3
        torch.testing.assert_close(taken, expected, atol=1e-5, rtol=1e-4)
        assert record.measures["running_linearity"].item() == pytest.approx(running, abs=1e-5)
        assert record.measures["batch_linearity"].item() == pytest.approx(newest, abs=1e-4)
        running = 0.5 * running + 0.5 * newest
        assert memory["linearity"].item() == pytest.approx(running, abs=1e-4)
    assert parts[0] == pytest.approx(0.5)
    assert len(set(parts)) == 3


def test_a_linear_loss_keeps_the_longest_step_and_a_zero_step_is_noise():
    # The gradient of label 0 is softmax(score) w: of a small score hardly anything but w / 2.
    model = Linear(1e-3 * torch.tensor([[[1.0, -3.0], [2.0, -0.5]]]))
    given = Batch(torch.full((3, 1, 2, 2), 0.5), torch.zeros(3, dtype=torch.int64), ThreatModel(0.1), torch.Generator())
    for method in (SORA(), SORA(alpha=0)):
        given = remembering(method, model, given)
        record = method.step(model, given, sgd(model))
        assert record.measures["batch_linearity"].item() == pytest.approx(1, abs=1e-3)
        assert record.measures["step_share"].item() == 1.0
        assert given.memory["linearity"].item() == pytest.approx(0.95 * 0.99 + 0.05, abs=1e-4)
    assert torch.equal(record.delta, record.attack.start)


def test_what_is_remembered_does_not_depend_on_tracing():
    records, memories = [], []
    for trace in (True, False):
        model = conv_net()
        given = remembering(SORA(), model, batch(trace=trace))
        records.append(SORA().step(model, given, sgd(model)))
        memories.append(given.memory["linearity"])
    assert torch.equal(*memories)
    assert memories[0] != 0.99
    assert records[0].update_gradient is not None
    assert records[1].update_gradient is None


def test_cost_and_settings():
    method = SORA(alpha="8/255", margin=0.1, weight=0.2, first=0.5, bn_mode="eval")
    assert METHODS.parse(METHODS.dump(method)) == method
    model = PassCounter(conv_net(), 6)
    given = remembering(method, model.network, batch())
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
