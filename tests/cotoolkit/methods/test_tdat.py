"""TDAT against its formula sample by sample over three batches of different sizes, in all its readings."""

import dataclasses
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector

from cotoolkit.methods import FGSM, METHODS
from cotoolkit.methods.tdat import TDAT
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.slow_attacks import (
    slow_gradients,
    slow_projection,
    slow_start,
    slow_steepest,
    smooth_batch,
    smooth_net,
    weight_gradient,
)
from tests._helpers.stepping import batch, remembering, sgd, stepped

EPSILON = 0.2


def soft_loss(logits, label, kept, torch_smoothing=False):
    """Cross-entropy of (1, 4) logits with a label that keeps so much."""
    if torch_smoothing:
        return F.cross_entropy(logits, torch.tensor([label]), label_smoothing=1 - kept)
    wanted = [kept if c == label else (1 - kept) / 3 for c in range(4)]
    return -(torch.tensor(wanted, dtype=torch.float64) * logits.log_softmax(1)).sum()


@pytest.mark.parametrize(
    ("law", "momentum", "loss", "norm"),
    [
        *itertools.product(["tan", "tanh"], ["released", "paper"], ["released", "paper"], ["linf"]),
        ("tan", "released", "released", "l2"),
        ("tanh", "paper", "paper", "l2"),
    ],
)
def test_three_steps_against_the_formula_sample_by_sample(law, momentum, loss, norm):
    model = smooth_net(0)
    method = TDAT(beta=0.5, floor=0.3, weight=0.8, share=0.6, law=law, momentum=momentum, loss=loss)
    memory = remembering(method, model, smooth_batch(0)).memory
    assert memory["momentum"].shape == (0, 1, 3, 3)
    start = torch.zeros(0, 1, 3, 3, dtype=torch.float64)
    for step, (size, progress) in enumerate([(7, 0.0), (5, 0.5), (9, 0.9)]):
        given = smooth_batch(step, norm, size=size)
        given = dataclasses.replace(given, memory=memory, progress=progress)
        images, labels = given.images, given.labels.tolist()
        if size > len(start):
            lacking = slow_start(images[len(start) :], 1.0, norm, torch.Generator().manual_seed(step))
            lacking = slow_steepest(lacking, norm) if momentum == "released" else lacking
            start = torch.cat([start, EPSILON * lacking])
        kept = max(0.3, 0.5 * (math.tan if law == "tan" else math.tanh)(1 - progress))

        own = start[:size]
        gradients = slow_gradients(lambda x, i: soft_loss(model(x), labels[i], kept), images + own)  # noqa: B023
        delta = slow_projection(images, own + EPSILON * slow_steepest(gradients, norm), EPSILON, norm)
        total, penalties = 0, []
        for image, first, moved, label in zip(images, own, delta, labels, strict=True):
            reference, logits = (
                model((image + (first if loss == "released" else 0))[None]),
                model((image + moved)[None]),
            )
            penalties.append(((logits - reference) ** 2).sum() * torch.tanh(1 - reference.softmax(1)[0, label]))
            total = total + soft_loss(logits, label, kept, loss == "released") + 0.8 * penalties[-1]

        old = parameters_to_vector(model.parameters()).detach().clone()
        expected = weight_gradient(total / size, model)
        record = method.step(model, given, sgd(model, rate=0.1))
        torch.testing.assert_close(record.delta, delta, atol=1e-6, rtol=0)
        taken = (old - parameters_to_vector(model.parameters()).detach()) / 0.1
        torch.testing.assert_close(taken, expected, atol=1e-5, rtol=1e-4)
        assert record.measures["kept"].item() == pytest.approx(kept)
        assert record.measures["penalty"].item() == pytest.approx((sum(penalties) / size).item(), rel=1e-4)
        following = delta if momentum == "released" else 0.6 * own + 0.4 * delta
        start = torch.cat([following, start[size:]])
        torch.testing.assert_close(memory["momentum"].double(), start, atol=1e-6, rtol=0)
    assert memory["momentum"].shape == (9, 1, 3, 3)


def test_relaxation_at_its_ends():
    assert TDAT()._kept(0.0) == pytest.approx(0.6 * math.tan(1))
    assert TDAT(law="tanh")._kept(0.0) == pytest.approx(0.6 * math.tanh(1))
    assert TDAT()._kept(0.99) == TDAT(law="tanh")._kept(0.99) == 0.15
    assert TDAT(beta=1)._kept(0.0) == 1.0  # the tangent goes beyond


def test_without_relaxation_penalty_and_start_it_is_fgsm_bit_for_bit():
    expected, record = stepped(FGSM(), batch())
    for loss in ("released", "paper"):
        given = dataclasses.replace(batch(), memory={"momentum": torch.zeros(6, 1, 6, 6)})
        ours, found = stepped(TDAT(floor=1, weight=0, loss=loss), given)
        assert torch.equal(found.delta, record.delta)
        for one, other in zip(ours.state_dict().values(), expected.state_dict().values(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("loss", ["released", "paper"])
def test_batchnorm_remembers_the_attacked_images_alone(loss):
    model, record = stepped(TDAT(loss=loss), batch())
    twin = conv_net().train()
    twin(batch().images + record.delta)
    assert model[1].num_batches_tracked == 1
    torch.testing.assert_close(model[1].running_mean, twin[1].running_mean)
    torch.testing.assert_close(model[1].running_var, twin[1].running_var)


@pytest.mark.parametrize("method", [TDAT(loss="paper", momentum="paper", law="tanh"), TDAT(weight=0, alpha="4/255")])
def test_cost_and_settings(method):
    assert METHODS.parse(METHODS.dump(method)) == method
    model = PassCounter(conv_net(), 6)
    given = remembering(method, model.network, batch())
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
