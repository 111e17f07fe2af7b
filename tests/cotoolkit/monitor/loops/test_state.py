"""Checkpoints of a loop that trains by somebody's own attack, which no registry knows: it goes on bit for bit."""

import io

import pytest
import torch
import torch.nn.functional as F

from cotoolkit import BreakpointMonitor
from cotoolkit.attacks.gradient import fgsm
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.methods import FGSM, METHODS, NFGSM, AttackMethod
from cotoolkit.monitor.actions import Rescue
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.early_warning import EarlyWarning, Level, Rule
from tests._helpers.loops import Clock, Scripted, breaks_at, train
from tests._helpers.networks import conv_net
from tests._helpers.scripted import result


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
        points = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 4
        config = MonitorConfig(interval=10, points=8)
        self.monitor = BreakpointMonitor(
            self.network, points, epsilon=0.1, config=config, optimizer=self.optimizer, **options
        )
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
@pytest.mark.parametrize("stopped", [13, 20, 27, 45])
def test_a_loop_with_an_attack_of_its_own_goes_on_bit_for_bit(made, stopped):
    whole, first = Loop(**MADE[made]()), Loop(**MADE[made]())
    whole.train(60)
    first.train(stopped)
    second = first.resumed(**MADE[made]())
    assert type(second.monitor.method) is type(first.monitor.method)
    second.train(60)
    values = second.network.state_dict()
    assert all(torch.equal(value, values[name]) for name, value in whole.network.state_dict().items())
    assert type(second.monitor.method) is type(whole.monitor.method)
    assert second.monitor.rescues == whole.monitor.rescues


def test_the_order_of_the_events_does_not_matter():
    on = {"warning": Rescue((Own(0.1),)), "breakpoint": Rescue((Own(0.6), Own(0.4)))}
    first = Loop(method=FGSM(), on=on)
    first.train(20)
    second = first.resumed(method=FGSM(), on=dict(reversed(on.items())))
    assert second.monitor.method.size == 0.6


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
