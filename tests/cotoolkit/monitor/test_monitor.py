"""What the monitor decides, against a truth that is written down."""

import dataclasses

import pytest
import torch
from torch import nn

from cotoolkit.core.errors import ConfigError
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.methods import NFGSM
from cotoolkit.monitor.actions import stop
from cotoolkit.monitor.core import Event
from cotoolkit.monitor.monitor import BreakpointMonitor
from tests._helpers.formats import narrow
from tests._helpers.loops import Clock, Scripted, abnormal_from, breaks_at, kinds, losses, train
from tests._helpers.reading_signals import by_iteration


@pytest.mark.parametrize("truth", [51, 60, 64, 65, 99, 100, 101, 149])
@pytest.mark.parametrize("every", [1, 16])
def test_a_break_is_bracketed_as_closely_as_the_snapshots_allow(truth, every):
    monitor = Scripted(Clock(), breaks_at(truth), snapshot_every=every)
    train(monitor, 150)
    (event,) = monitor.events
    assert event.kind == "breakpoint"
    assert event is monitor.breakpoint
    assert event.earliest <= truth <= event.iteration <= event.detected
    assert event.iteration - event.earliest < 16
    assert event.detected == (100 if truth <= 100 else 150)
    before, after = monitor.bracket
    assert (before.iteration, after.iteration) == (event.earliest - 1, event.iteration)
    assert (before.weights["time"], after.weights["time"]) == (before.iteration, after.iteration)
    assert monitor.broken
    assert monitor.network.time.item() == 150  # the network was left where it was


def test_the_first_crossing_and_the_lasting_one_are_told_apart():
    # Copies at 64, 80, 96, ...: broken at 80, intact at 96, broken from 112 on.
    monitor = Scripted(Clock(), lambda now: 0.0 if 75 <= now < 90 or now >= 105 else 0.5)
    monitor.config = monitor.criterion.config = type(monitor.config)(interval=150)
    train(monitor, 150)
    (event,) = monitor.events
    assert (event.earliest, event.iteration, event.sustained) == (65, 80, 112)
    assert [snapshot.iteration for snapshot in monitor.bracket] == [64, 112]
    assert str(event) == (
        "catastrophic overfitting at iteration 65 to 80, for good by 112, seen at 128 (FGSM 70%, PGD 0% on 200 points)"
        ": go back to the checkpoint with the most PGD accuracy of iteration 64 or before, continue "
        "with N-FGSM or a smaller radius"
    )


def test_a_warning_over_a_gap_says_that_there_may_have_been_nothing_to_lose():
    robust = (True,) * 6 + (False,) * 44
    probes = [ProbeResult(0.9, fgsm, 0.12, 0.0, 50, robust) for fgsm in (0.85, 0.2)]
    told = [Event("warning", 152, 152, probe, signal="logit_change") for probe in probes]
    assert str(told[0]).endswith("(FGSM 85%, PGD 12% on 50 points): " + told[0].advice)
    assert "the network may never have been robust: diagnose it" in told[0].advice
    assert told[1].advice == "nothing to do unless a breakpoint is told"
    assert "True" not in repr(told)


@pytest.mark.parametrize("truth", [1, 20, 31])
def test_a_break_before_the_first_probe_is_dated_from_the_start(truth):
    class Helped(Scripted):
        """One step helps it: a break without a probe that ever found it robust."""

        def _measure(self, weights=None, enough=None):
            found = super()._measure(weights)
            return dataclasses.replace(found, fgsm=0.95 if found.pgd == 0 else 0.3, clean=0.5)

    monitor = Helped(Clock(), lambda now: 0.0 if now >= truth else 0.25)
    train(monitor, 40)
    (event,) = monitor.events
    assert event.kind == "breakpoint"
    assert event.earliest <= truth <= event.iteration <= event.detected == 32
    fresh = Helped(Clock(), lambda now: 0.0 if now >= truth else 0.25)
    fresh.load_state_dict({**monitor.state_dict(), "iteration": 0, "events": [], "judge": fresh.criterion.state()})
    train(fresh, 40)
    assert [event.kind for event in fresh.events] == ["breakpoint"]


def test_a_healthy_run_has_no_event_and_only_scheduled_probes():
    monitor = Scripted(Clock(), lambda now: 0.5)
    train(monitor, 200)
    assert monitor.asked == [32, 50, 100, 150, 200]
    assert monitor.events == []
    assert not monitor.broken
    assert monitor.breakpoint is None


def test_recovery_is_told():
    monitor = Scripted(Clock(), lambda now: 0.0 if 60 <= now < 120 else 0.5)
    train(monitor, 250)
    assert kinds(monitor) == ["breakpoint", "recovered"]
    assert monitor.events[1].iteration == 150
    assert not monitor.broken


def test_an_alarm_warns_and_probes_at_once():
    monitor = Scripted(Clock(), breaks_at(70))
    train(monitor, 80, abnormal_from(70))
    assert kinds(monitor) == ["warning", "breakpoint"]
    warning, broken = monitor.events
    assert warning.signal == "abnormal_example"
    assert 70 <= warning.iteration < 80
    assert broken.detected == warning.iteration
    assert monitor.asked[:3] == [32, 50, warning.iteration]


def test_an_alarm_without_a_break_is_only_a_warning():
    monitor = Scripted(Clock(), lambda now: 0.5)
    train(monitor, 80, abnormal_from(70))
    assert kinds(monitor) == ["warning"]
    assert not monitor.broken


@pytest.mark.parametrize("truth", [19, 22])
def test_a_break_before_the_first_scheduled_probe_is_found_by_its_signals(truth):
    monitor = Scripted(Clock(), breaks_at(truth), snapshot_every=4)
    train(monitor, 31, abnormal_from(truth))
    assert kinds(monitor) == ["warning", "breakpoint"]
    event = monitor.breakpoint
    assert event.earliest <= truth <= event.iteration <= event.detected < 32
    assert event.iteration - event.earliest < 4
    assert monitor.criterion.best == 0.5  # of the copies from before


def test_robustness_that_no_probe_has_seen_is_looked_for_in_the_copies():
    """Without any signals: broken at 20, and the first probe is at 32."""
    monitor = Scripted(Clock(), breaks_at(20))
    train(monitor, 40)
    assert kinds(monitor) == ["breakpoint"]
    assert (monitor.breakpoint.earliest, monitor.breakpoint.iteration, monitor.breakpoint.detected) == (17, 32, 32)


def test_a_network_that_never_was_robust_is_searched_thrice():
    monitor = Scripted(Clock(), lambda now: 0.02)
    train(monitor, 400)
    assert monitor.events == []
    again = [time for time in monitor.asked if time % 50 and time not in (32,)]
    assert monitor.criterion.searches == 3
    assert len(again) < 30


def test_a_break_between_two_scheduled_probes_that_recovers_is_found():
    monitor = Scripted(Clock(), lambda now: 0.0 if 130 <= now < 146 else 0.5)
    train(monitor, 200, lambda i: losses(130 <= i < 146))
    assert [kind for kind in kinds(monitor) if kind != "warning"] == ["breakpoint", "recovered"]
    assert monitor.breakpoint.earliest <= 130 <= monitor.breakpoint.iteration < 146


def test_a_rescue_by_hand_drops_the_by_products_of_the_weights_that_are_gone():
    monitor = Scripted(Clock(), lambda now: 0.5)
    train(monitor, 53, abnormal_from(1000))
    monitor.observe(loss=1.0)
    monitor.rescue(NFGSM())
    assert by_iteration(monitor._signals()) == []
    train(monitor, 3, lambda i: {"loss": 2.0})
    assert by_iteration(monitor._signals()) == [(i, {"train_loss": 2.0}) for i in (54, 55, 56)]


def test_without_signals_for_the_alarm_the_schedule_alone_probes(caplog):
    monitor = Scripted(Clock(), breaks_at(70))
    train(monitor, 120, lambda i: {"losses": torch.rand(4)})
    assert caplog.text.count("the early warning has nothing to follow") == 1
    assert kinds(monitor) == ["breakpoint"]
    assert monitor.breakpoint.detected == 100


def test_a_long_run_holds_no_more_than_a_short_one():
    monitor = Scripted(Clock(), lambda now: 0.5, snapshot_every=1)
    sizes = []
    for _ in range(2):
        train(monitor, 1000, lambda i: {"losses": torch.rand(4)})
        log, waiting, snapshots = monitor._log._waiting, monitor._waiting, monitor.history.snapshots
        sizes.append((len(log), len(waiting), len(snapshots), len(monitor.events)))
    assert sizes == [(0, 0, 1, 0)] * 2


def test_a_rescue_needs_a_good_probe():
    with pytest.raises(ConfigError, match="nothing to go back to"):
        Scripted(Clock(), lambda now: 0.5).rescue(NFGSM())


def test_broken_weights_are_never_what_a_rescue_goes_back_to():
    # PGD below the threshold while FGSM falls as well: no catastrophic overfitting, but nothing to go back to either.
    class Falling(Scripted):
        def _measure(self, weights=None, enough=None):
            found = super()._measure(weights, enough)
            return found if found.pgd else dataclasses.replace(found, fgsm=0.1, clean=0.2)

    monitor = Falling(Clock(), lambda now: 0.5 if now < 70 else 0.0)
    train(monitor, 50)
    good = monitor.good
    train(monitor, 50)
    assert not monitor.broken
    assert monitor.good is good


class Recorder:
    def __init__(self):
        self.rows = []

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))


def test_loggers_get_means_of_signals_probes_and_events():
    recorder = Recorder()
    monitor = Scripted(Clock(), breaks_at(70), loggers=[recorder], log_every=20)
    train(monitor, 100, lambda i: {"loss": float(i)})
    losses = {step: row["cotoolkit/train_loss"] for step, row in recorder.rows if "cotoolkit/train_loss" in row}
    assert losses == {20 * n: 20 * n - 9.5 for n in range(1, 6)}  # means of 1..20, 21..40, ...
    probes = {step: row["cotoolkit/probe_pgd"] for step, row in recorder.rows if "cotoolkit/probe_pgd" in row}
    assert probes == {32: 0.5, 50: 0.5, 100: 0.0}
    assert recorder.rows[-1] == (100, {"cotoolkit/breakpoint": float(monitor.breakpoint.iteration)})


def test_a_last_probe_takes_in_what_is_left():
    monitor = Scripted(Clock(), breaks_at(70))
    train(monitor, 75)
    assert not monitor.broken
    assert monitor.probe().pgd == 0
    assert monitor.broken
    assert monitor.last_probe.pgd == 0


def test_attack_needs_a_method():
    with pytest.raises(ConfigError, match="give method=FGSM"):
        Scripted(Clock(), lambda now: 0.5).attack(torch.rand(2, 1, 2, 2), torch.arange(2))


def test_the_loop_own_wrappers_of_an_optimiser_come_off():
    class Wrapper:
        def __init__(self, optimizer):
            self.optimizer = optimizer

    network = Clock()
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    assert Scripted(network, lambda now: 0.5, optimizer=Wrapper(optimizer)).optimizer is optimizer


def test_the_interface_of_fabric_loggers_is_enough():
    # Weights & Biases' logger implements it; that service itself is not run here.
    from lightning_fabric.loggers import Logger

    class Remote(Logger):
        name, version, rows = "remote", 0, []

        def log_hyperparams(self, params, *args, **kwargs):
            raise AssertionError

        def log_metrics(self, metrics, step=None):
            self.rows.append((step, metrics))

    logger = Remote()
    train(Scripted(Clock(), breaks_at(70), loggers=[logger]), 100)
    assert [step for step, _ in logger.rows] == [32, 50, 100, 100]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": "eight"}, "'eight'"),
        ({"epsilon": -0.1}, "-0.1"),
        ({"norm": "l7"}, "'l7'"),
        ({"epsilon": 0}, "epsilon is 0; give a share"),
        ({"epsilon": 8}, "epsilon is 8; give a share of the pixel range, at most 1, such as 8/255"),
        ({"log_every": 0}, "log_every: give a whole number, 1 or more, not 0"),
        ({"on": {"break": stop}}, "no event 'break'; there are warning, breakpoint, recovered"),
        ({"snapshot_every": 0}, "snapshot_every: give a whole number, 1 or more, not 0"),
    ],
)
def test_senseless_settings_are_refused(options, message):
    points = torch.zeros(4, 1, 2, 2), torch.arange(4)
    with pytest.raises(ConfigError, match=message):
        BreakpointMonitor(Clock(), points, **{"epsilon": 0.1, **options})


@pytest.mark.parametrize("wrap", [lambda network: network, nn.DataParallel])
def test_a_network_in_channels_last_with_an_unsafe_layer_is_named(wrap, caplog):
    points = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 4
    network = narrow((1, 6, 6), 4)
    BreakpointMonitor(wrap(network), points, epsilon=0.1)
    assert caplog.records == []
    monitor = BreakpointMonitor(wrap(network.to(memory_format=torch.channels_last)), points, epsilon=0.1)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "its layer 'shortcut' is a 1 x 1 convolution with stride 2 and 4 input channels" in record.getMessage()
    assert 0 <= monitor.probe().clean <= 1
