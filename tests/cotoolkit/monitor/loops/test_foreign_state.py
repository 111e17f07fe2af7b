"""States that are of another monitor, network, optimiser or training, or of none: refused before anything changes."""

import pytest
import torch

from cotoolkit.core.errors import ConfigError
from cotoolkit.monitor.config import MonitorConfig
from tests._helpers.networks import conv_net
from tests._helpers.scripted import result
from tests._helpers.watching import monitor_of

SELDOM = MonitorConfig(interval=10, points=8)


def robust(network, **options):
    """A monitor that has found a network robust, and so has weights to go back to."""
    monitor = monitor_of(network, config=SELDOM, **options)
    monitor._measure = lambda *_, **__: result(0.5)
    monitor.probe()
    assert monitor.good is not None
    return monitor


def with_optimizer_state(state, held):
    return {**state, "good": {**state["good"], "optimizer": held}}


def nan_like(weights):
    return {name: value * float("nan") for name, value in weights.items()}


FOREIGN = {
    "another network": (lambda state: robust(conv_net(classes=5)).state_dict(), "of another network: "),
    "another radius": (
        lambda state: robust(conv_net(), norm="l2").state_dict(),
        "that measures l2 0.1, box_then_eps on 8 points, and this one linf 0.1",
    ),
    "another optimizer": (lambda state: {**state, "optimizer": "Adam"}, "of a training by Adam, and this one by SGD"),
    "another optimizer's parameters": (
        lambda state: with_optimizer_state(state, {0: {"momentum_buffer": torch.zeros(1, 2)}}),
        "of other parameters, such as its number 0",
    ),
    "more parameters": (
        lambda state: with_optimizer_state(state, {99: {"momentum_buffer": None}}),
        "such as its number 99",
    ),
    "no optimizer's": (lambda state: with_optimizer_state(state, "none"), "not the state of such a monitor"),
    "weights that are nan": (
        lambda state: {**state, "good": {**state["good"], "weights": nan_like(state["good"]["weights"])}},
        "nan or infinite in places",
    ),
    "no number": (lambda state: {**state, "iteration": "a"}, "iteration"),
    "no judgement": (lambda state: {**state, "alarm": {}}, "not the state of such a monitor"),
    "nothing": (lambda state: {}, "not the state of such a monitor"),
    "no state": (lambda state: [], "not the state of such a monitor"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_state_is_one_line_and_changes_nothing(case):
    make, message = FOREIGN[case]
    network = conv_net()
    monitor = robust(network, optimizer=torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9))
    network, state = monitor.network.state_dict(), monitor.state_dict()
    with pytest.raises(ConfigError, match=message) as caught:
        monitor.load_state_dict(make(monitor.state_dict()))
    assert "\n" not in str(caught.value)
    after = monitor.state_dict()
    assert all(after[name] == state[name] for name in state if name != "good")
    monitor.rescue(None)
    assert all(torch.equal(value, network[name]) for name, value in monitor.network.state_dict().items())


def test_states_of_before_say_not_what_they_measure():
    monitor = robust(conv_net())
    state = {name: value for name, value in monitor.state_dict().items() if name not in ("measured", "optimizer")}
    monitor.load_state_dict(state)
    assert monitor.state_dict()["judge"] == state["judge"]
