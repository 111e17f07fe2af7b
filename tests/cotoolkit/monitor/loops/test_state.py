"""Checkpoints of a loop: it goes on as if nothing had happened, also by an attack that no registry knows."""

import dataclasses
import io
import json

import pytest
import torch
import torch.nn.functional as F

from cotoolkit.attacks.gradient import fgsm
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.methods import FGSM, METHODS, NFGSM, AttackMethod
from cotoolkit.monitor.actions import Rescue
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.early_warning import PAUSE, EarlyWarning, Level, Rule
from tests._helpers.loops import Clock, Scripted, abnormal_from, breaks_at, kinds, train
from tests._helpers.networks import conv_net
from tests._helpers.reading_signals import by_iteration
from tests._helpers.scripted import result
from tests._helpers.watching import monitor_of

SELDOM = MonitorConfig(interval=10, points=8)


def test_a_state_may_be_loaded_into_a_monitor_that_has_seen_steps():
    first, second = (Scripted(Clock(), breaks_at(60)) for _ in range(2))
    train(first, 40)
    state = first.state_dict()
    train(second, 101, abnormal_from(1000))
    assert second.broken
    second.load_state_dict(state)
    assert (second.iteration, second.broken, second.bracket, second.events) == (40, False, None, [])
    assert [snapshot.iteration for snapshot in second.history.snapshots] == [32]
    assert not second._due
    train(second, 2, lambda i: {"loss": 1.0})
    assert by_iteration(second._signals()) == [(41, {"train_loss": 1.0}), (42, {"train_loss": 1.0})]


def test_the_alarm_goes_on_where_it_was():
    whole, first, second = (Scripted(Clock(), lambda now: 0.5) for _ in range(3))
    train(whole, 120, abnormal_from(63))
    train(first, 66, abnormal_from(63))  # raised at 63, and read at 66
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.network.load_state_dict(first.network.state_dict())
    second.load_state_dict(torch.load(file, weights_only=True))
    assert (
        second.early_warning.state()
        == first.early_warning.state()
        == json.loads(json.dumps(first.early_warning.state()))
    )
    assert (second.early_warning.waiting, second.early_warning.statistics[0].count) == (PAUSE - 3, 66)
    train(second, 54, abnormal_from(63))
    assert second.events == whole.events
    assert [event.iteration for event in whole.events][:2] == [66, 74]  # 8 steps after the first: 71, read at 74


@pytest.mark.parametrize("stop_at", range(57, 75))
def test_signals_are_read_where_they_would_have_been(stop_at):
    """At whichever iteration the loop was cut off, and with those that nobody had read yet."""
    whole, first, second = (Scripted(Clock(), lambda now: 0.5) for _ in range(3))
    train(whole, 120, abnormal_from(63))
    train(first, stop_at, abnormal_from(63))
    second.network.load_state_dict(first.network.state_dict())
    second.load_state_dict(first.state_dict())
    train(second, 120 - stop_at, abnormal_from(63))
    assert second.events == whole.events
    assert second.early_warning.state() == whole.early_warning.state()
    assert second._read_at == whole._read_at


def test_a_state_of_before_said_nothing_of_what_was_unread():
    first, second = (Scripted(Clock(), lambda now: 0.5) for _ in range(2))
    train(first, 43, abnormal_from(1000))
    state = first.state_dict()
    del state["unread"]
    second.load_state_dict(state)
    assert (second._read_at, by_iteration(second._signals())) == (43, [])
    for damaged in ({"read_at": -1, "signals": []}, {"read_at": 8, "signals": [[9]]}, 3):
        with pytest.raises(ConfigError):
            second.load_state_dict({**state, "unread": damaged})


@pytest.mark.parametrize("stop_at", [40, 60, 110])
def test_a_resumed_loop_goes_on_as_if_nothing_had_happened(stop_at):
    def monitor_of(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
        return Scripted(model, breaks_at(105), on={"breakpoint": Rescue()}, optimizer=optimizer)

    whole = monitor_of(Clock())
    train(whole, 160)
    first = monitor_of(Clock())
    train(first, stop_at)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    model = Clock()
    model.load_state_dict(first.network.state_dict())
    second = monitor_of(model)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert second.events == first.events
    train(second, 160 - stop_at)
    assert kinds(second) == kinds(whole) == ["breakpoint"]
    assert second.breakpoint.detected == whole.breakpoint.detected
    assert second.breakpoint.earliest <= 105 <= second.breakpoint.iteration
    assert (second.iteration, second.rescues, second.method) == (160, 1, NFGSM())
    assert torch.equal(second.network.time, whole.network.time)


class Own(AttackMethod):
    """Somebody's own: the batch's generator draws how large the step is."""

    def __init__(self, size):
        self.size = size

    def attack(self, model, batch):
        found = fgsm(model, batch.images, batch.labels, batch.threat)
        size = self.size * torch.rand((), generator=batch.generator)
        return found._replace(delta=size * found.delta)


class Inherited(FGSM):
    """Somebody's own, under the name of the registered one that it changes."""

    def attack(self, model, batch):
        found = super().attack(model, batch)
        return found._replace(delta=0.5 * found.delta)


class Failing(AttackMethod):
    def attack(self, model, batch):
        raise RuntimeError("not on this model")


class Loop:
    """A loop that attacks by its monitor; at iterations 20 to 40 the network is found without robustness."""

    def __init__(self, **options):
        self.network = conv_net()
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1, momentum=0.9)
        self.monitor = monitor_of(self.network, config=SELDOM, optimizer=self.optimizer, **options)
        self.monitor._measure = lambda *_, **__: result(0.0 if 20 <= self.monitor.iteration <= 40 else 0.5)

    def train(self, last):
        for iteration in range(self.monitor.iteration, last):
            draws = torch.Generator().manual_seed(iteration)
            images, labels = torch.rand(8, 1, 6, 6, generator=draws), torch.randint(4, (8,), generator=draws)
            losses = F.cross_entropy(self.network(self.monitor.attack(images, labels)), labels, reduction="none")
            self.optimizer.zero_grad()
            losses.mean().backward()
            self.optimizer.step()
            self.monitor.step(losses=losses)

    def resumed(self, **options):
        """Another one, made in the same way, with this one's state as a file keeps it."""
        file, other = io.BytesIO(), Loop(**options)
        torch.save([self.network.state_dict(), self.optimizer.state_dict(), self.monitor.state_dict()], file)
        file.seek(0)
        network, optimizer, monitor = torch.load(file, weights_only=True)
        other.network.load_state_dict(network)
        other.optimizer.load_state_dict(optimizer)
        other.monitor.load_state_dict(monitor)
        return other


MADE = {
    "start": lambda: {"method": Own(0.8)},
    "inherited": lambda: {"method": Inherited()},
    "rescue": lambda: {"method": FGSM(), "on": {"breakpoint": Rescue((Own(0.8), Own(0.4), Inherited()))}},
    "registered": lambda: {"method": Own(0.8), "on": {"breakpoint": Rescue((NFGSM(), NFGSM(k=3.0)))}},
    "several": lambda: {
        "method": Own(0.8),
        "on": {"warning": Rescue((Own(0.1),)), "breakpoint": [Rescue((Own(0.6), Own(0.4))), print]},
    },
}


@pytest.mark.parametrize("made", MADE)
def test_a_loop_with_an_attack_of_its_own_goes_on_bit_for_bit(made):
    whole, parts = Loop(**MADE[made]()), Loop(**MADE[made]())
    whole.train(60)
    for stopped in (13, 20, 27, 45):
        parts.train(stopped)
        before = type(parts.monitor.method)
        parts = parts.resumed(**MADE[made]())
        assert type(parts.monitor.method) is before
    parts.train(60)
    values = parts.network.state_dict()
    assert all(torch.equal(value, values[name]) for name, value in whole.network.state_dict().items())
    assert type(parts.monitor.method) is type(whole.monitor.method)
    assert parts.monitor.rescues == whole.monitor.rescues


def test_the_order_of_the_events_does_not_matter():
    on = {"warning": Rescue((Own(0.1),)), "breakpoint": Rescue((Own(0.6), Own(0.4)))}
    first = Loop(method=FGSM(), on=on)
    first.train(20)
    second = first.resumed(method=FGSM(), on=dict(reversed(on.items())))
    assert second.monitor.method.size == 0.6


def test_a_state_of_before_breakpoints_had_a_latest_iteration_still_loads():
    first, second = (Scripted(Clock(), breaks_at(60)) for _ in range(2))
    train(first, 101)
    state = first.state_dict()
    assert [event.pop("latest") for event in state["events"]] == [first.breakpoint.sustained]
    second.load_state_dict(state)
    assert second.events == [dataclasses.replace(first.breakpoint, latest=None)]


@pytest.mark.parametrize(
    ("saved", "method"),
    [
        (None, None),
        ({"name": "fgsm", "alpha": 1.0, "bn_mode": "eval"}, FGSM(alpha=1.0, bn_mode="eval")),
        ({"name": "n_fgsm", "k": 3.0}, NFGSM(k=3.0)),
    ],
)
def test_a_state_from_before_methods_had_names_loads(saved, method):
    monitor = Scripted(Clock(), breaks_at(1000), method=FGSM())
    monitor.load_state_dict({**monitor.state_dict(), "method": saved})
    assert monitor.method == method


def test_a_method_that_no_other_monitor_finds_is_one_line():
    monitor = Scripted(Clock(), breaks_at(1000), method=FGSM())
    train(monitor, 32)
    monitor.rescue(NFGSM(k=3.0))
    assert monitor.state_dict()["method"] == METHODS.dump(NFGSM(k=3.0))
    monitor.rescue(Own(0.5))
    with pytest.raises(ConfigError, match="a checkpoint cannot name a method of class Own: register") as caught:
        monitor.state_dict()
    assert "\n" not in str(caught.value)


def test_a_state_of_a_monitor_with_other_methods_is_one_line():
    first = Loop(method=FGSM(), on={"breakpoint": Rescue((Own(0.6),))})
    first.train(20)
    with pytest.raises(ConfigError, match="with the method 'breakpoint 1' of its monitor, and this one has start;"):
        first.resumed(method=FGSM())


def test_an_attack_of_somebodys_own_that_fails_is_refused_at_once():
    with pytest.raises(ModelError, match="Failing cannot attack the model: RuntimeError: not on this model"):
        Loop(method=Failing())


def test_rules_about_signals_of_somebodys_own_outlive_a_rescue_and_a_checkpoint():
    def watched():
        monitor = Scripted(Clock(), breaks_at(1000))
        monitor.early_warning = EarlyWarning([Rule("mine", "rises", Level(0.5), 1.0)], pause=3)
        return monitor

    first, second = watched(), watched()
    train(first, 32)
    first.rescue(NFGSM())
    assert first.early_warning.state() == watched().early_warning.state()
    assert first.on_signals({"mine": 0.5}) is None
    second.load_state_dict(first.state_dict())
    for monitor in (first, second):
        assert [monitor.on_signals({"mine": value}) for value in (0.0, 3.0)] == [None, "mine"]
