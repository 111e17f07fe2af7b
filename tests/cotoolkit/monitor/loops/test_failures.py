"""Whatever fails beside the training is told once, is an event, and training goes on."""

import copy
import dataclasses
import io
import logging
import re

import pytest
import torch

from cotoolkit.core.errors import ConfigError, SignalError
from cotoolkit.evaluation.probe import NO_PROBE
from cotoolkit.methods import FGSM
from cotoolkit.monitor.actions import Rescue
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.loops.failures import Failures
from cotoolkit.signals.observation import Observation, observed_signals
from cotoolkit.signals.registry import SIGNALS
from tests._helpers.loops import Clock, Scripted, abnormal_from, breaks_at, kinds, train
from tests._helpers.networks import conv_net
from tests._helpers.reading_signals import by_iteration
from tests._helpers.stepping import batch
from tests._helpers.watching import monitor_of


class Failing(Scripted):
    """Its probes fail while `fails` says so of the weight that is measured."""

    fails = staticmethod(lambda now: False)

    def _measure(self, weights=None, enough=None):
        found = super()._measure(weights, enough)
        if self.fails(self.asked[-1]):
            raise torch.cuda.OutOfMemoryError("out of memory\nmore lines")
        return found


def told(caplog):
    """Warnings, but for those that the gradient of these networks is zero and that nothing is followed: so it is."""
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    expected = ("the gradient of the model's outputs is zero", "the early warning has nothing to follow")
    return [text for text in texts if not any(one in text for one in expected)]


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (
            lambda logits, labels: logits.mean(),
            r"it gives shape \(\); return .* one value per sample",
        ),
        (lambda logits, labels: 1 / 0, r"ZeroDivisionError: division by zero \(test_failures.py, line \d+\)"),
        (lambda logits, labels: None, "it gives a NoneType"),
    ],
    ids=["mean", "raises", "nothing"],
)
def test_a_signal_of_somebody_s_own_that_fails_leaves_the_others_alone(function, problem, monkeypatch, caplog):
    model, points = conv_net(), batch(size=8)
    info = SIGNALS["train_accuracy"]
    monkeypatch.setitem(SIGNALS, "my_own", dataclasses.replace(info, name="my_own", function=function))
    monitor = monitor_of(model, config=MonitorConfig(interval=100, points=8))
    given = {"logits": torch.rand(8, 4), "labels": points.labels, "losses": torch.rand(8)}
    for _ in range(20):
        monitor.step(**given)
    assert monitor.failures.counts == {"computing the signal my_own": 1}
    (line,) = [text for text in told(caplog) if "my_own" in text]
    assert re.search(f"computing the signal my_own failed, training goes on .{problem}", line)
    values = dict(by_iteration(monitor._signals()))
    assert {"train_accuracy", "train_loss"} <= values[20].keys()
    assert "my_own" not in values[20]
    with pytest.raises(SignalError, match=f"signal my_own: {problem}"):
        observed_signals([[Observation(**given)]])


def test_a_failing_probe_is_told_once_and_tried_again(caplog):
    monitor = Failing(Clock(), breaks_at(170))
    monitor.fails = lambda now: 40 < now < 150
    train(monitor, 200)
    assert monitor.asked[:5] == [32, 50, 100, 150, 200]
    failure, found = monitor.events
    assert (failure.kind, failure.iteration, failure.probe) == ("failure", 50, NO_PROBE)
    assert failure.reason.startswith("the probe failed, training goes on (OutOfMemoryError: out of memory)")
    assert monitor.failures.counts == {"the probe": 2}
    assert str(failure) == f"iteration 50: {failure.reason}"
    assert found.kind == "breakpoint"
    assert found.earliest <= 170 <= found.iteration
    assert len(told(caplog)) == 2


def test_a_probe_asked_for_that_fails_says_nothing():
    monitor = Failing(Clock(), breaks_at(50))
    monitor.fails = lambda now: True
    assert monitor.probe() is NO_PROBE
    assert monitor.last_probe is None
    assert not monitor.broken


def test_a_breakpoint_that_cannot_be_dated_is_still_told():
    monitor = Failing(Clock(), breaks_at(70), snapshot_every=1)
    monitor.fails = lambda now: 50 < now < 100  # the copies
    train(monitor, 100)
    assert kinds(monitor) == ["failure", "breakpoint"]
    found = monitor.breakpoint
    assert (found.earliest, found.iteration, found.sustained, found.latest) == (51, 100, None, 100)
    assert [snapshot.iteration for snapshot in monitor.bracket] == [50, 100]


def test_failing_actions_do_not_keep_others_from_being_done(caplog):
    done = []

    def fail(monitor, event):
        raise ValueError("no space left")

    on = {"breakpoint": [fail, lambda monitor, event: done.append(event.kind)], "failure": [fail]}
    monitor = Scripted(Clock(), lambda now: 0.0 if 60 <= now < 120 or now > 170 else 0.5, on=on)
    train(monitor, 250)
    assert done == ["breakpoint", "breakpoint"]
    assert kinds(monitor).count("failure") == 2  # one for each of the two actions, however often they fail
    assert monitor.failures.counts == {"action 1 on a breakpoint": 2, "action 1 on a failure": 2}


def test_a_rescue_before_there_is_anything_to_go_back_to_is_no_error():
    monitor = Scripted(Clock(), lambda now: 0.5, on={"failure": Rescue()})
    monitor.failures.note("something", "for a reason")
    assert "nothing to go back to" in monitor.events[-1].reason
    assert monitor.rescues == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_people_can_still_stop(error):
    def stop_now(monitor, event):
        raise error

    with pytest.raises(error):
        train(Scripted(Clock(), breaks_at(60), on={"breakpoint": stop_now}), 200)


class Broken:
    def log_metrics(self, metrics, step=None):
        raise ConnectionError("no network")


def test_a_failing_logger_does_not_stop_the_others(caplog):
    rows = []

    class Recorder:
        def log_metrics(self, metrics, step=None):
            rows.append(step)

    monitor = Scripted(Clock(), breaks_at(70), loggers=[Broken(), Recorder()], log_every=10)
    train(monitor, 100, lambda i: {"loss": 1.0})
    assert kinds(monitor) == ["failure", "breakpoint"]
    assert "logger 1 (Broken) failed, training goes on (ConnectionError: no network)" in monitor.events[0].reason
    assert set(rows) >= {10, 20, 32, 50, 100}
    assert len(told(caplog)) == 2


def test_snapshots_that_fail_leave_training_alone(monkeypatch):
    monitor = Scripted(Clock(), breaks_at(300))

    def fail():
        raise MemoryError

    monkeypatch.setattr(monitor, "snapshot", fail)
    train(monitor, 100)
    assert kinds(monitor) == ["failure"]
    assert monitor.last_probe.pgd == 0.5


def test_failures_are_in_the_state_and_come_back():
    first, second = Failing(Clock(), breaks_at(300)), Failing(Clock(), breaks_at(300))
    first.fails = lambda now: now == 32
    train(first, 40)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert str(second.events) == str(first.events)
    assert kinds(second) == ["failure"]


def test_what_is_no_state_is_one_line():
    with pytest.raises(ConfigError, match="not the state of such a monitor: KeyError"):
        Scripted(Clock(), breaks_at(300)).load_state_dict({"iteration": 3})


def test_a_step_goes_on_after_by_products_of_every_wrong_kind(caplog):
    monitor = Scripted(Clock(), breaks_at(3000), method=FGSM())
    train(monitor, 4, abnormal_from(1000))
    images, labels = torch.rand(4, 1, 2, 2), torch.arange(4)
    wrong = [
        {"lossess": torch.rand(4)},
        {"losses": torch.rand(4), "labels": torch.arange(3)},
        {"losses": torch.rand(0), "labels": torch.arange(0)},
        {"losses": "nan"},
        {"losses": torch.full((4,), torch.nan), "start_losses": torch.full((4,), torch.inf)},
        {"logits": torch.rand(4, 10), "labels": torch.full((4,), 99)},
        {"logits": torch.rand(4, 12), "labels": torch.full((4,), -100)},
        {"images": torch.rand(4, 3, 2, 2), "adversarial": images},
        {"delta": torch.rand(4, 1, 5, 7)},
        {"attack_gradient": images, "update_gradient": torch.rand(4, 1, 3, 3)},
        {"attack_gradient": images, "attack_scale": "large"},
        {"loss": torch.rand(4)},
        {"loss": object()},
        {"losses": torch.rand(4, dtype=torch.complex64)},
        {"logits": torch.rand(4)},
        {"delta": torch.full((4, 1, 2, 2), 1e9)},
        {"record": images},
    ]
    for by_products in wrong:
        record = by_products.pop("record", None)
        monitor.step(record, **by_products)
    train(monitor, 20, lambda i: {"losses": torch.ones(4), "labels": labels})
    assert monitor.iteration == 4 + len(wrong) + 20
    assert kinds(monitor) == ["failure"]
    assert monitor.events[0].iteration == 4
    assert "no by-product 'lossess' (did you mean 'losses'?)" in monitor.events[0].reason
    assert len(told(caplog)) == 1
    assert by_iteration(monitor._signals())[-1][1]["train_loss"] == 1


def test_each_thing_is_told_once():
    lines = []
    failures = Failures(lines.append)
    for what in ("one", "two", "one"):
        with failures.caught(what):
            raise RuntimeError(f"{what}\nand more")
    assert failures.counts == {"one": 2, "two": 1}
    assert [line.split(",")[0] for line in lines] == ["one failed", "two failed"]
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize("copied", [True, False])
@pytest.mark.parametrize("interval", [50, 10])  # rarer or more frequent than it takes to be sure
def test_a_network_that_nobody_trains_is_told_once(copied, interval):
    network = conv_net()
    config = MonitorConfig(interval=interval, points=8, steps=1)
    monitor = monitor_of(copy.deepcopy(network) if copied else network, config=config)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for _ in range(64):
        optimizer.zero_grad()
        network(torch.rand(4, 1, 6, 6)).square().mean().backward()
        optimizer.step()
        monitor.step()
    failures = [event for event in monitor.events if event.kind == "failure"]
    assert len(failures) == copied
    assert all("does a copy of the network train?" in event.reason for event in failures)


def test_a_rate_of_zero_is_a_warm_up():
    network = conv_net()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    monitor = monitor_of(network, optimizer=optimizer, config=MonitorConfig(interval=1000, points=8, steps=1))
    for _ in range(64):
        monitor.step()
    assert not monitor.failures.counts
    optimizer.param_groups[0]["lr"] = 0.1  # and now somebody trains a copy
    for _ in range(64):
        monitor.step()
    assert monitor.failures.counts
