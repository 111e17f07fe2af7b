"""LIET against its formula sample by sample over three steps, and what it remembers of the labels."""

import copy
import dataclasses

import pytest
import torch
from torch.nn.utils import parameters_to_vector

from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import METHODS
from cotoolkit.methods.liet import LIET, jensen_shannon
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.slow_attacks import (
    slow_gradients,
    slow_projection,
    slow_steepest,
    smooth_batch,
    smooth_net,
    weight_gradient,
)
from tests._helpers.stepping import batch, remembering, sgd, stepped


def slow_targets(labels, smoothing, draws):
    """Rows of four, the mass off the label in random proportions."""
    shares, rows = 1 - torch.rand(len(labels), 4, generator=draws).double(), []
    for label, share in zip(labels.tolist(), shares, strict=True):
        others = sum(share[c] for c in range(4) if c != label)
        rows.append([1 - smoothing if c == label else (smoothing * share[c] / others).item() for c in range(4)])
    return torch.tensor(rows, dtype=torch.float64)


def soft_loss(logits, wanted):
    return -(wanted * logits.log_softmax(1)[0]).sum()


def slow_divergence(first, second):
    p, q = first.softmax(1)[0], second.softmax(1)[0]
    m = (p + q) / 2
    return ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2


def slow_information(model, smoothing, draws):
    targets = slow_targets(torch.arange(4), smoothing, draws)
    gray = torch.full((4, 1, 3, 3), 0.5, dtype=torch.float64)
    return slow_steepest(slow_gradients(lambda x, c: soft_loss(model(x), targets[c]), gray), "linf")


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("epsilon", [8 / 255, 0.2])
def test_three_steps_against_the_formula_sample_by_sample(seed, epsilon):
    model, method = smooth_net(seed), LIET(weight=5, smoothing=0.4, least=0.2, most=0.6, every=2)
    memory = remembering(method, copy.deepcopy(model).float(), smooth_batch(seed)).memory
    memory["label_information"] = memory["label_information"].double()
    information = slow_information(model, 0.4, torch.Generator().manual_seed(1))
    assert torch.equal(memory["label_information"], information)
    for step in range(3):
        number = seed + 10 * step
        given = dataclasses.replace(
            smooth_batch(number, epsilon=epsilon), memory=memory, iteration=step, epoch_length=10, progress=step / 4
        )
        images, labels, draws = given.images, given.labels, torch.Generator().manual_seed(number)
        if step == 2:
            information = slow_information(model, 0.4, draws)
        share, side = torch.rand(2, generator=draws).tolist()
        noisy = torch.rand(images.shape, generator=draws) < 0.2 + 0.4 * share
        width, reach = (epsilon, epsilon) if epsilon < 0.1 else (2 * epsilon, 3 * epsilon)
        noise = width * (2 * torch.rand(images.shape, generator=draws).double() - 1)
        start = torch.stack([epsilon * information[label] for label in labels.tolist()])
        start[noisy] = noise[noisy]
        start = slow_projection(images, -start if side < 0.5 else start, width)
        first, second = (slow_targets(labels, 0.4, draws) for _ in range(2))
        gradients = slow_gradients(lambda x, i: soft_loss(model(x), first[i]), images + start)  # noqa: B023
        delta = slow_projection(images, start + epsilon * slow_steepest(gradients, "linf"), reach)
        total, divergences = 0, []
        for image, before, moved, wanted in zip(images, start, delta, second, strict=True):
            logits = model((image + before)[None]), model((image + moved)[None])
            divergences.append(slow_divergence(*logits))
            total = total + soft_loss(logits[1], wanted) + 5 * step / 4 * divergences[-1]

        old = parameters_to_vector(model.parameters()).detach().clone()
        expected = weight_gradient(total / len(images), model)
        record = method.step(model, given, sgd(model, rate=0.3))
        torch.testing.assert_close(record.delta, delta, atol=1e-6, rtol=0)
        taken = (old - parameters_to_vector(model.parameters()).detach()) / 0.3
        torch.testing.assert_close(taken, expected, atol=1e-5, rtol=1e-4)
        assert record.measures["divergence"].item() == pytest.approx(torch.stack(divergences).mean().item(), rel=1e-3)
        assert torch.equal(memory["label_information"], information)


def test_information_is_refreshed_by_its_place_in_the_epoch():
    method, model = LIET(every=3), conv_net()
    given = remembering(method, model, batch())
    refreshed = []
    for iteration in range(9):
        mark = torch.zeros_like(given.memory["label_information"])
        given.memory["label_information"] = mark
        now = dataclasses.replace(given, iteration=iteration, epoch_length=5, generator=batch().generator)
        method.step(model, now, sgd(model))
        if given.memory["label_information"] is not mark:
            refreshed.append(iteration)
            assert given.memory["label_information"].unique().tolist() == [-1, 1]
    assert refreshed == [3, 5, 8]  # of epochs of five; at 0 the memory is new


def test_the_divergence_by_hand():
    first, second = torch.tensor([[0.0, 0.0], [200.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 200.0]])
    divergence = jensen_shannon(first, second)
    assert divergence.tolist() == pytest.approx([0, 0.693147], abs=1e-6)
    first.requires_grad_()
    jensen_shannon(first, second).sum().backward()
    assert first.grad.isfinite().all()  # where the released code takes the logarithm of 0


def test_published_settings_follow_the_radius():
    published = [LIET()._setting(name, 8 / 255) for name in ("weight", "smoothing", "least", "most", "every")]
    assert published == [100, 0.6, 0.1, 0.5, 20]
    assert LIET()._setting("weight", ThreatModel("16/255").epsilon) == 20
    assert LIET()._setting("weight", 12 / 255) == pytest.approx(60)
    assert LIET(weight=7)._setting("weight", 12 / 255) == 7


def test_of_noise_alone_without_weight_and_smoothing_it_trains_on_one_step_from_that_noise():
    # least = most = 1 leaves nothing of the labels: RS-FGSM with a step of epsilon.
    given = batch(ThreatModel("8/255"))
    model, record = stepped(LIET(weight=0, smoothing=0, least=1, most=1), given)
    twin = conv_net().train()
    gradient = input_gradient(twin, given.images + record.attack.start, given.labels).gradient
    delta = given.threat.project(given.images, record.attack.start + given.threat.epsilon * gradient.sign())
    assert torch.equal(record.delta, delta)
    reference = conv_net().train()
    sgd(reference)(torch.nn.functional.cross_entropy(reference(given.images + delta), given.labels))
    for ours, expected in zip(model.state_dict().values(), reference.state_dict().values(), strict=True):
        assert torch.equal(ours, expected)


def test_refusals():
    with pytest.raises(ConfigError, match="liet has no l2 form"):
        RunConfig.parse({"method": "liet", "norm": "l2"})
    with pytest.raises(ConfigError, match=r"least=0\.6 is more than most=0\.5 at this radius; set both"):
        RunConfig.parse({"method": {"name": "liet", "least": 0.6}, "epsilon": "8/255"})
    RunConfig.parse({"method": {"name": "liet", "least": 0.6}, "epsilon": "16/255"})
    with pytest.raises(ConfigError, match=r"least=0\.1 is more than most=0\.05 at this radius"):
        RunConfig.parse({"method": {"name": "awp", "inner": {"name": "liet", "most": 0.05}}, "epsilon": "8/255"})
    with pytest.raises(InvalidFields, match=r"least=0\.5 is more than most=0\.1"):
        LIET(least=0.5, most=0.1)
    with pytest.raises(InvalidFields, match="greater than or equal to 1"):
        LIET(every=0)


@pytest.mark.parametrize("method", [LIET(weight=0, smoothing=0), LIET(weight=3, least=0, most=1, every=7)])
def test_cost_and_settings(method):
    assert METHODS.parse(METHODS.dump(method)) == method
    model = PassCounter(conv_net(), 6)
    given = remembering(method, model.network, batch())
    method.step(model, given, sgd(model))
    assert (model.forwards, model.backwards) == method.cost_per_step()[:2]
    assert model.network[1].num_batches_tracked == 1
    refreshing = dataclasses.replace(given, iteration=1)
    method.step(model, refreshing, sgd(model))
    assert model.forwards == pytest.approx(2 * method.cost.forward + 4 / 6)  # one image a class
    assert model.backwards == pytest.approx(2 * method.cost.backward + 4 / 6)
