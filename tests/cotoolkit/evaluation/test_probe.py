import pytest
import torch
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.evaluation.probe import Probe
from cotoolkit.evaluation.protocol import Protocol, run_protocol
from tests._helpers.networks import PassCounter, conv_net
from tests._helpers.scripted import result


def probe_of(model, seed=0, steps=4):
    draws = torch.Generator().manual_seed(seed)
    images = torch.rand(40, 1, 6, 6, generator=draws)
    with torch.no_grad():
        model[-1].bias -= model.eval()(images).mean(0)
        labels = model(images).argmax(1)
        labels[:5] = (labels[:5] + 1) % 4  # some clean errors
    return Probe(images, labels, ThreatModel(0.08), steps, seed)


def test_a_network_without_finite_logits_has_no_accuracy():
    model = conv_net()
    probe = probe_of(model)
    with torch.no_grad():
        model[-1].weight.fill_(torch.nan)
    found = probe.measure(model)
    assert (found.clean, found.fgsm, found.pgd) == (0, 0, 0)


def test_a_probe_agrees_with_separate_evaluations():
    model = conv_net()
    probe = probe_of(model)
    found = probe.measure(model)
    # The same random start for the oracle: it is drawn from a generator, so hand the probe's start to both.
    threat = probe.threat
    assert found.clean == pytest.approx(run_protocol(model, probe.images, probe.labels, threat, "clean").accuracy.value)
    delta = threat.project(probe.images, threat.epsilon * _gradient(model, probe.images, probe.labels).sign())
    fgsm = (model.eval()(probe.images + delta).argmax(1) == probe.labels).float().mean().item()
    assert found.fgsm == pytest.approx(fgsm)
    held, delta = model(probe.images).argmax(1) == probe.labels, probe.start
    for _ in range(4):
        held &= model(probe.images + delta).argmax(1) == probe.labels
        step = threat.epsilon / 4 * _gradient(model, probe.images + delta, probe.labels).sign()
        delta = threat.project(probe.images, delta + step)
    held &= model(probe.images + delta).argmax(1) == probe.labels
    assert list(found.robust) == held.tolist()
    assert found.pgd == pytest.approx(held.float().mean().item())
    assert 0 < held.sum() < 35
    cosine = torch.cosine_similarity(
        _gradient(model, probe.images, probe.labels).flatten(1),
        _gradient(model, probe.images + probe.start, probe.labels).flatten(1),
    )
    assert found.gradient_alignment == pytest.approx(cosine.mean().item(), abs=1e-5)
    weaker = run_protocol(model, probe.images, probe.labels, threat, Protocol(steps=1)).accuracy.value
    assert found.pgd <= weaker + 0.1


def wide_probe(model, points=200):
    draws = torch.Generator().manual_seed(0)
    images = torch.rand(points, 1, 6, 6, generator=draws)
    with torch.no_grad():
        model[-1].bias -= model.eval()(images).mean(0)
        labels = model(images).argmax(1)
    return Probe(images, labels, ThreatModel(0.08), 4, seed=0)


def test_a_probe_in_parts_finds_what_a_whole_one_finds():
    model = conv_net()
    probe, asked = wide_probe(model), []
    whole = probe.measure(model)
    assert 0.1 < whole.pgd < 0.9
    parts = probe.measure(model, lambda partial: asked.append(partial) or False)
    assert parts.robust == whole.robust
    assert parts.metrics() == pytest.approx(whole.metrics(), abs=1e-6)
    assert parts.complete
    assert [partial.points for partial in asked] == [32, 128]  # all points need no asking
    assert all(partial.robust == whole.robust[: partial.points] for partial in asked)
    assert not any(partial.complete for partial in asked)


def test_a_probe_that_ends_early_costs_the_points_it_saw():
    model = conv_net()
    probe = wide_probe(model)
    few, all_points = PassCounter(model, batch_size=1), PassCounter(model, batch_size=1)
    early = probe.measure(few, lambda partial: True)
    assert (early.points, early.complete, len(early.robust)) == (32, False, 32)
    probe.measure(all_points)
    assert few.forwards < all_points.forwards / 3


@pytest.mark.parametrize("points", [1, 31, 32, 33, 100])
def test_small_sets_of_points_end_where_they_end(points):
    model = conv_net()
    found = wide_probe(model, points).measure(model, lambda partial: False)
    assert found.points == len(found.robust) == points
    assert found.complete


def _gradient(model, images, labels):
    images = images.detach().requires_grad_()
    loss = nn.functional.cross_entropy(model.eval()(images), labels, reduction="sum")
    return torch.autograd.grad(loss, images)[0]


def test_a_probe_spends_no_pass_twice_and_leaves_no_trace():
    network = conv_net()
    probe = probe_of(network, steps=10)
    network.train()
    model = PassCounter(network)
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    probe.measure(model)
    # x, FGSM, the start, 9 further gradients, the last iterate; gradients at all but FGSM and the last.
    assert model.forwards <= 13
    assert model.backwards <= 11
    assert all(module.training for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in network.named_buffers())


@pytest.mark.parametrize("steps", [1, 2])
def test_a_probe_that_every_point_fails(steps):
    model = conv_net()
    probe = probe_of(model, steps=steps)
    probe.labels = (probe.labels + 1) % 4
    probe.labels[:5] = (probe.labels[:5] + 1) % 4
    found = probe.measure(model)
    assert (found.clean, found.pgd) == (0, 0)
    assert not any(found.robust)


def test_wilson_interval_of_a_probe():
    low, high = result(0.0, points=100).intervals()[2]
    assert low == 0
    assert high == pytest.approx(0.0370, abs=1e-3)
