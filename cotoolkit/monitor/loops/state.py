"""What a loop's checkpoint keeps of its monitor."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol, cast

from torch import nn

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import whole_number
from cotoolkit.core.user_code import describe
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.methods import METHODS, AttackMethod
from cotoolkit.monitor.core import Event
from cotoolkit.monitor.criterion import BreakpointCriterion
from cotoolkit.monitor.early_warning import EarlyWarning
from cotoolkit.monitor.early_warning.rules import LEAST_SAMPLES
from cotoolkit.monitor.loops.watched import WatchedModel
from cotoolkit.monitor.weight_history import RestorePoint, check_fit
from cotoolkit.signals.observation import StepSignals


class Kept(Protocol):
    """The part of a `BreakpointMonitor` that is kept; its docstring explains it."""

    network: nn.Module
    optimizer: Any
    watched: WatchedModel
    iteration: int
    _attacks: int
    rescues: int
    should_stop: bool
    method: AttackMethod | None
    _methods: dict[str, AttackMethod]
    criterion: BreakpointCriterion
    early_warning: EarlyWarning
    good: RestorePoint | None
    events: list[Event]

    def unread(self) -> dict[str, Any]:
        """See `StepBuffer.unread`."""

    def load_unread(self, read_at: int, signals: list[StepSignals]) -> None:
        """See `StepBuffer.load_unread`."""


def state_of(monitor: Kept) -> dict[str, Any]:
    """Numbers, text and tensors only.

    Raises:
        ConfigError: the monitor's present method is neither registered nor one of its own.
    """
    return {
        "measured": _measured(monitor),
        "optimizer": _kind(monitor),
        "iteration": monitor.iteration,
        "unread": monitor.unread(),
        "attacks": monitor._attacks,
        "rescues": monitor.rescues,
        "should_stop": monitor.should_stop,
        "method": _dumped(monitor),
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
        ConfigError: the state is not a monitor's, or that of another network or threat; the monitor stays as it was.
    """
    before = monitor.criterion.state(), monitor.early_warning.state()
    try:
        measured = state.get("measured", _measured(monitor))  # states of before did not say
        if measured != _measured(monitor):
            raise ConfigError(f"the state is of a monitor that measures {measured}, and this one {_measured(monitor)}")
        trained_by = {state.get("optimizer"), _kind(monitor)} - {None}
        if len(trained_by) > 1:
            raise ConfigError(f"the state is of a training by {state['optimizer']}, and this one by {_kind(monitor)}")
        events = [Event(**{**event, "probe": ProbeResult(**event["probe"])}) for event in state["events"]]
        good = None if state["good"] is None else RestorePoint.of_state(state["good"])
        if good is not None:
            check_fit(monitor.network, good.snapshot.weights)
            if not all(value.isfinite().all() for value in good.snapshot.weights.values()):
                raise ConfigError("the good weights of the state are nan or infinite in places")
            if monitor.optimizer is not None:
                good.check_optimizer(monitor.optimizer)
        method = _method(monitor, state["method"])
        counts = {name: whole_number(state[name], name, 0) for name in ("iteration", "attacks", "rescues")}
        unread = _unread(state, counts["iteration"])
        should_stop = bool(state["should_stop"])
        monitor.criterion.load_state(state["judge"])
        monitor.early_warning.load_state(state["alarm"])
    except Exception as failure:
        monitor.criterion.load_state(before[0])
        monitor.early_warning.load_state(before[1])
        if isinstance(failure, ConfigError):
            raise
        raise ConfigError(f"not the state of such a monitor: {describe(failure)}") from failure
    monitor.events, monitor.good, monitor.method = events, good, method
    monitor.iteration, monitor._attacks = counts["iteration"], counts["attacks"]
    monitor.rescues, monitor.should_stop = counts["rescues"], should_stop
    monitor.load_unread(*unread)


def _unread(state: Mapping[str, Any], iteration: int) -> tuple[int, list[StepSignals]]:
    """Where signals were read last, and those since then; states of before say neither."""
    if "unread" not in state:
        return iteration, []
    known = []
    for at, signals, *rest in state["unread"]["signals"]:
        samples = whole_number(rest[0], "samples", 0) if rest else LEAST_SAMPLES  # states of before did not say
        values = {name: float(value) for name, value in signals.items()}
        known.append(StepSignals(whole_number(at, "iteration", 0), values, samples))
    return whole_number(state["unread"]["read_at"], "read_at", 0), known


def _measured(monitor: Kept) -> str:
    """What accuracies are of, for people."""
    return f"{monitor.watched.threat} on {len(monitor.watched.images)} points"


def _kind(monitor: Kept) -> str | None:
    """The class of the optimiser; None where the monitor knows of none."""
    return None if monitor.optimizer is None else type(monitor.optimizer).__name__


def _dumped(monitor: Kept) -> dict[str, Any] | str | None:
    """The present method as plain data, or by its name among the monitor's own, which need not be registered."""
    if monitor.method is None:
        return None
    with contextlib.suppress(ValueError):
        return METHODS.dump(METHODS.parse(monitor.method))
    own = next((name for name, method in monitor._methods.items() if method is monitor.method), None)
    if own is None:
        raise ConfigError(
            f"a checkpoint cannot name a method of class {type(monitor.method).__name__}: register the class, or give "
            "the method to the monitor when it is made, as method or in a Rescue"
        )
    return own


def _method(monitor: Kept, dumped: Any) -> AttackMethod | None:
    """Inverse of `_dumped`."""
    if not isinstance(dumped, str):
        return None if dumped is None else cast("AttackMethod", METHODS.parse(dumped))
    if dumped not in monitor._methods:
        known = ", ".join(monitor._methods) or "none"
        raise ConfigError(
            f"the state goes on with the method {dumped!r} of its monitor, and this one has {known}; "
            "make it with the same arguments"
        )
    return monitor._methods[dumped]
