"""What a loop's checkpoint keeps of its monitor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol, cast

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.user_code import describe
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.methods import METHODS, AttackMethod
from cotoolkit.monitor.core import Event
from cotoolkit.monitor.criterion import BreakpointCriterion
from cotoolkit.monitor.early_warning import EarlyWarning
from cotoolkit.monitor.weight_history import RestorePoint


class Kept(Protocol):
    """The part of a `BreakpointMonitor` that is kept; its docstring explains it."""

    iteration: int
    _attacks: int
    rescues: int
    should_stop: bool
    method: AttackMethod | None
    criterion: BreakpointCriterion
    early_warning: EarlyWarning
    good: RestorePoint | None
    events: list[Event]


def state_of(monitor: Kept) -> dict[str, Any]:
    """Numbers, text and tensors only."""
    return {
        "iteration": monitor.iteration,
        "attacks": monitor._attacks,
        "rescues": monitor.rescues,
        "should_stop": monitor.should_stop,
        "method": None if monitor.method is None else METHODS.dump(monitor.method),
        "judge": monitor.criterion.state(),
        "alarm": monitor.early_warning.state(),
        "good": None if monitor.good is None else monitor.good.state(),
        "events": [asdict(event) for event in monitor.events],
    }


def load_state(monitor: Kept, state: Mapping[str, Any]) -> None:
    """Inverse of `state_of`.

    Args:
        monitor: gets the state.
        state: of a monitor made with the same arguments.

    Raises:
        ConfigError: the state is not a monitor's.
    """
    try:
        events = [Event(**{**event, "probe": ProbeResult(**event["probe"])}) for event in state["events"]]
        good = None if state["good"] is None else RestorePoint.of_state(state["good"])
        method = None if state["method"] is None else cast("AttackMethod", METHODS.parse(state["method"]))
        counts = {name: state[name] for name in ("iteration", "attacks", "rescues", "should_stop")}
        monitor.criterion.load_state(state["judge"])
        monitor.early_warning.load_state(state["alarm"])
    except (KeyError, TypeError, ValueError) as failure:
        raise ConfigError(f"not the state of such a monitor: {describe(failure)}") from failure
    monitor.events, monitor.good, monitor.method = events, good, method
    monitor.iteration, monitor._attacks = counts["iteration"], counts["attacks"]
    monitor.rescues, monitor.should_stop = counts["rescues"], counts["should_stop"]
