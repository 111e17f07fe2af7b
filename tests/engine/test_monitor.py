import pytest
import torch
from torch import nn

from cotoolkit.evaluate import Protocol, evaluate
from cotoolkit.monitor import BreakpointMonitor, MonitorConfig
from cotoolkit.probe import Probe, ProbeResult
from cotoolkit.threat import ThreatModel
from tests.engine.networks import PassCounter, conv_net


def result(pgd, fgsm=0.7, clean=0.9, points=200, robust=None):
    if robust is None:
        robust = [i < round(pgd * points) for i in range(points)]
    return ProbeResult(clean, fgsm, pgd, 0.5, points, tuple(robust))


class Script:
    """A trainer whose PGD accuracy at every iteration is written down; counts what it is asked to repeat."""

    def __init__(self, pgd, fgsm=0.7):
        self.pgd, self.fgsm = pgd, fgsm
        self.iteration = 0
        self.repeated = 0
        self.measured = []

    def snapshot(self):
        return self.iteration

    def restore(self, snapshot):
        self.iteration = snapshot

    def advance(self, iterations):
        self.iteration += iterations
        self.repeated += iterations

    def measure(self):
        self.measured.append(self.iteration)
        return result(self.pgd(self.iteration), self.fgsm)


def watch(script, iterations, interval=50, **options):
    """Run a monitor over a script, probing at the interval; returns monitor, events and breakpoints."""
    monitor = BreakpointMonitor(MonitorConfig(interval=interval, **options), classes=10)
    events, found = [], []
    for iteration in range(1, iterations + 1):
        script.iteration = iteration
        if monitor.scheduled(iteration):
            new, broken = monitor.judge(iteration, script.measure(), script)
            events += new
            found += [broken] if broken else []
            assert script.iteration == iteration  # the trainer is left where it was
    return monitor, events, found


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_least_robustness_can_be_reached_with_any_number_of_classes(classes):
    monitor = BreakpointMonitor(MonitorConfig(), classes)
    assert 1 / classes < monitor.floor < 1
    assert monitor.verdict(result(0.9, 0.95), result(0.9, 0.95)) == "robust"
    assert monitor.verdict(result(1 / classes), result(1 / classes)) == "not robust"


def test_a_network_without_finite_logits_has_no_accuracy():
    model = conv_net()
    probe = probe_of(model)
    with torch.no_grad():
        model[-1].weight.fill_(torch.nan)
    found = probe.measure(model)
    assert (found.clean, found.fgsm, found.pgd) == (0, 0, 0)


@pytest.mark.parametrize("truth", [129, 137, 149, 150, 151, 256, 257, 640])
@pytest.mark.parametrize("interval", [50, 75, 500])
def test_an_abrupt_break_is_dated_to_the_iteration(truth, interval):
    monitor, events, found = watch(Script(lambda i: 0.5 if i < truth else 0.0), 1000, interval)
    assert [event.kind for event in events] == ["breakpoint"]
    assert found[0].iteration == found[0].earliest == found[0].latest == truth
    assert (found[0].before, found[0].after) == (truth - 1, truth)
    assert found[0].detected - truth < interval
    assert monitor.verdict(result(0.0), result(0.0)) == "catastrophic overfitting"


def test_a_gradual_fall_has_an_interval_of_uncertainty():
    # PGD falls from 50 % by 1 point an iteration, from 100 on: below half, 25 %, at 126.
    script = Script(lambda i: max(0.0, min(0.5, 0.5 - 0.01 * (i - 100))))
    _, _, (found,) = watch(script, 400)
    assert found.iteration == 126
    # The 95 % interval of 25 % on 200 points is about +-6 points.
    assert 117 <= found.earliest <= 121
    assert 130 <= found.latest <= 134


def test_bisection_repeats_no_more_than_the_interval_a_few_times():
    script = Script(lambda i: 0.5 if i < 613 else 0.0)
    watch(script, 1000, 500)
    assert script.repeated <= 500 + 2
    assert len(script.measured) <= 7 + 10  # probes: 128, 256, 500, 1000, and log2(500) of the bisection


def test_noise_that_does_not_halve_is_no_break():
    _, events, _ = watch(Script(lambda i: 0.5 - 0.2 * (i % 2)), 1000, 25)
    assert events == []


def test_a_fall_with_fgsm_is_no_catastrophic_overfitting():
    monitor, events, _ = watch(Script(lambda i: 0.5 if i < 300 else 0.1, fgsm=0.2), 600)
    assert events == []
    assert monitor.verdict(result(0.1, 0.2), result(0.1, 0.2)) == "not robust"


def test_a_network_that_never_was_robust_cannot_break():
    monitor, events, _ = watch(Script(lambda i: 0.1 if i < 300 else 0.0, fgsm=0.9), 600)
    assert events == []
    assert monitor.verdict(result(0.0, 0.9), result(0.0, 0.9)) == "not robust"


def test_recovery_needs_more_than_the_threshold_and_a_second_break_counts():
    def pgd(i):
        return 0.5 if i < 120 else 0.0 if i < 230 else 0.28 if i < 280 else 0.45 if i < 520 else 0.0

    monitor, events, found = watch(Script(pgd), 700)
    # 0.28 is above the break at 0.25 but no recovery; 0.45 is.
    assert [(event.kind, event.iteration) for event in events] == [
        ("breakpoint", 120),
        ("recovered", 300),
        ("breakpoint", 520),
    ]
    assert [f.iteration for f in found] == [120, 520]
    assert monitor.verdict(result(0.0), result(0.0)) == "catastrophic overfitting"


def test_recovered_runs_have_their_own_verdict():
    monitor, events, _ = watch(Script(lambda i: 0.0 if 120 <= i < 230 else 0.5), 700)
    assert [event.kind for event in events] == ["breakpoint", "recovered"]
    assert monitor.verdict(result(0.5), result(0.5)) == "recovered"


@pytest.mark.parametrize(
    ("last", "train", "verdict"),
    [
        (result(0.50), result(0.52), "robust"),
        (result(0.40), result(0.60), "robust overfitting"),  # 20 of 200 points lost, none won
        (result(0.40), result(0.42), "robust"),  # training robustness fell as well: no overfitting
        (result(0.49), result(0.60), "robust"),  # 2 points lost are chance
    ],
)
def test_robust_overfitting_is_told_from_a_break(last, train, verdict):
    monitor, _, _ = watch(Script(lambda i: 0.5), 100)
    assert monitor.verdict(last, train) == verdict


def test_points_exchanged_are_no_overfitting():
    monitor, _, _ = watch(Script(lambda i: 0.5), 100)
    other = [i >= 108 for i in range(200)]  # 92 robust points, all others than at the best probe
    assert monitor.verdict(result(0.46, robust=other), result(0.6)) == "robust"


def test_a_fall_of_pert_align_calls_for_a_probe_at_once():
    monitor = BreakpointMonitor(MonitorConfig(interval=500, window=8), classes=10)
    script = Script(lambda i: 0.5)
    script.iteration = 16
    monitor.judge(16, result(0.5), script)
    alarms = [i for i in range(17, 130) if monitor.suspicious({"pert_align": 0.9 if i < 100 else 0.3})]
    # Quarters of two: the last is all low at iteration 101. One probe, until the window has filled anew.
    assert alarms == [101]


def test_suspicion_waits_for_robustness_and_ignores_nan():
    monitor = BreakpointMonitor(MonitorConfig(interval=0, window=8), classes=10)
    values = [0.9] * 10 + [0.1] * 10
    assert not any(monitor.suspicious({"pert_align": value}) for value in values)
    assert not monitor.suspicious({"pert_align": float("nan")})
    assert all(value == value for value in monitor.align)  # noqa: PLR0124


def test_state_survives_a_round_trip():
    script = Script(lambda i: 0.5 if i < 300 else 0.0)
    for stop in (200, 400):
        monitor, _, _ = watch(script, stop)
        monitor.suspicious({"pert_align": 0.25})
        twin = BreakpointMonitor(MonitorConfig(interval=50), classes=10)
        twin.load_state(monitor.state(), monitor.good[1])
        assert twin.state() == monitor.state()
        assert twin.good == monitor.good
    fresh = BreakpointMonitor(MonitorConfig(), classes=10)
    twin.load_state(fresh.state(), None)
    assert (twin.good, twin.best_robust) == (None, None)


def probe_of(model, seed=0, steps=4):
    draws = torch.Generator().manual_seed(seed)
    images = torch.rand(40, 1, 6, 6, generator=draws)
    with torch.no_grad():
        model[-1].bias -= model.eval()(images).mean(0)
        labels = model(images).argmax(1)
        labels[:5] = (labels[:5] + 1) % 4  # some clean errors
    return Probe(images, labels, ThreatModel(0.08), steps, seed)


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
