import pytest
import torch
from torch import nn

from cotoolkit.evaluate import Protocol, evaluate
from cotoolkit.probe import Probe
from cotoolkit.threat import ThreatModel
from tests.engine.networks import PassCounter, conv_net
from tests.engine.scripted import result


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
    assert found.clean == pytest.approx(evaluate(model, probe.images, probe.labels, threat, "clean").accuracy.value)
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
    weaker = evaluate(model, probe.images, probe.labels, threat, Protocol(steps=1)).accuracy.value
    assert found.pgd <= weaker + 0.1


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
    low, high = result(0.0, points=100).interval()
    assert low == 0
    assert high == pytest.approx(0.0370, abs=1e-3)
