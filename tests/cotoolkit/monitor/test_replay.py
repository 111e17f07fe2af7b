import pytest

from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.replay import ReplayMonitor
from tests._helpers.scripted import Script, result


def watch(script, iterations, interval=50, **options):
    """Run a monitor over a script, probing at the interval; returns monitor, events and breakpoints."""
    monitor = ReplayMonitor(script, MonitorConfig(interval=interval, **options), classes=10)
    found = []
    for iteration in range(1, iterations + 1):
        script.iteration = iteration
        if monitor.config.scheduled(iteration):
            dated = monitor.on_probe(iteration, script.measure())
            found += [dated] if dated else []
            assert script.iteration == iteration  # the trainer is left where it was
    return monitor, found


@pytest.mark.parametrize("truth", [129, 137, 149, 150, 151, 256, 257, 640])
@pytest.mark.parametrize("interval", [50, 75, 500])
def test_an_abrupt_break_is_dated_to_the_iteration(truth, interval):
    monitor, found = watch(Script(lambda i: 0.5 if i < truth else 0.0), 1000, interval)
    assert [event.kind for event in monitor.events] == ["breakpoint"]
    assert found[0].iteration == found[0].earliest == found[0].latest == truth
    assert (found[0].before, found[0].after) == (truth - 1, truth)
    assert found[0].detected - truth < interval
    assert monitor.criterion.broken_at is not None


def test_a_gradual_fall_has_an_interval_of_uncertainty():
    # PGD falls from 50 % by 1 point an iteration, from 100 on: half, 25 %, at 125.
    script = Script(lambda i: max(0.0, min(0.5, 0.5 - 0.01 * (i - 100))))
    _, (found,) = watch(script, 400)
    assert found.iteration == 125
    # The 95 % interval of 25 % on 200 points is about +-6 points.
    assert 115 <= found.earliest <= 119
    assert 130 <= found.latest <= 134


@pytest.mark.parametrize("truth", [1, 40, 100])
def test_a_break_before_the_first_probe_is_dated_from_the_start(truth):
    # One step helps the network: a break without a probe that ever found it robust.
    script = Script(lambda i: 0.5 if i < truth else 0.0, fgsm=0.95, clean=0.6)
    monitor = ReplayMonitor(script, MonitorConfig(interval=0), classes=10)
    monitor.begin()
    script.iteration = 100
    found = monitor.on_probe(100, script.measure())
    assert [event.kind for event in monitor.events] == ["breakpoint"]
    assert (found.iteration, found.sustained, found.before) == (truth, truth, truth - 1)
    assert script.iteration == 100


def test_noise_that_does_not_halve_is_no_break():
    monitor, _ = watch(Script(lambda i: 0.5 - 0.2 * (i % 2)), 1000, 25)
    assert monitor.events == []


def test_recovery_needs_more_than_the_threshold_and_a_second_break_counts():
    def pgd(i):
        return 0.5 if i < 120 else 0.0 if i < 230 else 0.28 if i < 280 else 0.45 if i < 520 else 0.0

    monitor, found = watch(Script(pgd), 700)
    # 0.28 is above the break at 0.25 but no recovery; 0.45 is.
    assert [(event.kind, event.iteration) for event in monitor.events] == [
        ("breakpoint", 120),
        ("recovered", 300),
        ("breakpoint", 520),
    ]
    assert [f.iteration for f in found] == [120, 520]
    assert monitor.criterion.broken_at is not None


def test_a_rise_of_abnormal_examples_calls_for_a_probe_at_once():
    monitor = ReplayMonitor(Script(lambda i: 0.5), MonitorConfig(interval=500), classes=10)
    monitor.on_probe(16, result(0.5))
    shares = {i: 0.01 if i < 100 else 0.08 for i in range(17, 108)}
    assert [i for i, share in shares.items() if monitor.on_signals({"abnormal_example": share})] == [100]


def test_an_attack_that_gains_less_than_half_of_what_it_did_calls_for_a_probe():
    monitor = ReplayMonitor(Script(lambda i: 0.5), MonitorConfig(interval=500), classes=10)
    gains = {i: 2.0 if i < 100 else 1.2 if i < 150 else 0.5 for i in range(1, 153)}
    assert [i for i, gain in gains.items() if monitor.on_signals({"attack_gain": gain})] == [150]


def test_a_warning_needs_no_earlier_probe():
    monitor = ReplayMonitor(Script(lambda i: 0.5), MonitorConfig(interval=0), classes=10)
    values = [0.01] * 60 + [0.9] * 10
    assert any(monitor.on_signals({"abnormal_example": value}) for value in values)


@pytest.mark.parametrize("truth", [5, 20, 29])
def test_robustness_that_no_probe_has_seen_is_looked_for_by_replay(truth):
    script = Script(lambda i: 0.5 if 2 <= i < truth else 0.0)
    monitor = ReplayMonitor(script, MonitorConfig(), classes=10)
    monitor.begin()
    script.iteration = 32
    found = monitor.on_probe(32, script.measure())
    assert script.iteration == 32
    assert (found.iteration, found.sustained, found.before) == (truth, truth, truth - 1)
    assert monitor.criterion.best == 0.5


def test_state_survives_a_round_trip():
    script = Script(lambda i: 0.5 if i < 300 else 0.0)
    for stop in (200, 400):
        monitor, _ = watch(script, stop)
        monitor.on_signals({"abnormal_example": 0.25})
        twin = ReplayMonitor(script, MonitorConfig(interval=50), classes=10)
        twin.load_state(monitor.state(), monitor.good[1])
        assert twin.state() == monitor.state()
        assert twin.good == monitor.good
    fresh = ReplayMonitor(script, MonitorConfig(), classes=10)
    twin.load_state(fresh.state(), None)
    assert (twin.good, twin.criterion.had) == (None, None)
