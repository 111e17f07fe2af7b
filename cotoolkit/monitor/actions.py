"""What to do about an event of a `BreakpointMonitor`, besides logging it. An action is any `f(monitor, event)`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast, get_args

from torch import nn

from cotoolkit.core.distributed import rank_and_world
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.files import write_atomically, write_tensors
from cotoolkit.core.user_code import describe
from cotoolkit.methods import NFGSM, AttackMethod
from cotoolkit.monitor.core import Event, EventKind
from cotoolkit.monitor.weight_history import WeightSnapshot

Action = Callable[[Any, Event], None]
"""Called with the `BreakpointMonitor` and the event."""


class ActedOn(Protocol):
    """What the actions of this file ask of a `BreakpointMonitor`, whose docstrings explain it."""

    network: nn.Module
    should_stop: bool
    rescues: int
    bracket: tuple[WeightSnapshot, WeightSnapshot] | None

    def snapshot(self) -> WeightSnapshot:
        """The present weights."""

    def rescue(self, method: AttackMethod | None) -> None:
        """Roll back, and go on with a method."""


def actions_by_event(on: Mapping[EventKind, Action | Sequence[Action]]) -> dict[EventKind, list[Action]]:
    """The actions that a user gives, as lists.

    Args:
        on: one action or several in order, by event.

    Returns:
        The actions in order, by event.

    Raises:
        ConfigError: there is no such event, an action is no function, or it cannot work (`Save`, `Rescue`).
    """
    kinds = get_args(EventKind)
    if not isinstance(on, Mapping):
        raise ConfigError(f"on: give actions by event, such as {{'breakpoint': stop}}, not a {type(on).__name__}")
    found: dict[EventKind, list[Action]] = {
        kind: list(do) if isinstance(do, list | tuple) else [cast("Action", do)] for kind, do in on.items()
    }
    for kind, actions in found.items():
        if kind not in kinds:
            raise ConfigError(f"on: no event {kind!r}; there are {', '.join(kinds)}")
        for action in actions:
            if isinstance(action, type) or not callable(action):
                given = f"the class {action.__name__}" if isinstance(action, type) else f"a {type(action).__name__}"
                hint = f"; write {action.__name__}(...)" if isinstance(action, type) else ""
                raise ConfigError(
                    f"on, {kind}: an action is a function of the monitor and the event, not {given}{hint}"
                )
            if isinstance(action, Save | Rescue):
                action.check()
    return found


def stop(monitor: ActedOn, event: Event) -> None:
    """Set `monitor.should_stop`, which the loop reads.

    Args:
        monitor: that of the loop.
        event: any.
    """
    monitor.should_stop = True


@dataclass(frozen=True)
class Save:
    """Write weights to a folder as safetensors, from the first process.

    At a breakpoint `before-ITERATION` (the last weights seen intact before it) and `after-ITERATION` (the first from
    which on all were seen broken); at another event the present ones, `KIND-ITERATION`. Names of tensors are those of
    the bare network.

    Args:
        folder: made if missing.
    """

    folder: Path | str

    def check(self) -> None:
        """Refuse a folder that cannot be written to, by writing to it.

        Raises:
            ConfigError: it cannot.
        """
        if rank_and_world()[0] == 0:
            path = Path(self.folder) / ".written-by-cotoolkit"
            try:
                write_atomically(path, b"")
                path.unlink()
            except OSError as failure:
                raise ConfigError(f"Save: cannot write to {self.folder}: {describe(failure)}") from failure

    def __call__(self, monitor: ActedOn, event: Event) -> None:
        """Do it."""
        if rank_and_world()[0] != 0:
            return
        if event.kind == "breakpoint" and monitor.bracket is not None:
            before, after = monitor.bracket
            self._write("before", before, monitor.network)
            self._write("after", after, monitor.network)
        else:
            self._write(event.kind, monitor.snapshot(), monitor.network)

    def _write(self, name: str, snapshot: WeightSnapshot, network: nn.Module) -> None:
        path = Path(self.folder) / f"{name}-{snapshot.iteration}.safetensors"
        held = network.state_dict().keys()  # a buffer that it leaves out would be unexpected where it is loaded
        weights = {key: value for key, value in snapshot.weights.items() if key in held}
        write_tensors(path, weights, {"iteration": str(snapshot.iteration)})


@dataclass(frozen=True)
class Rescue:
    """Roll the network back to its last good weights, and go on with another method.

    The loop has to train by `monitor.attack` (or `monitor.method`) from then on. Each further breakpoint takes the next
    method; when there is none left, training is told to stop. Larger and larger noise is what de Jorge et al. (NeurIPS
    2022) use against breakpoints of N-FGSM itself.

    Args:
        methods: in the order of their use.
    """

    methods: tuple[AttackMethod, ...] = (NFGSM(), NFGSM(k=3.0), NFGSM(k=4.0))

    def check(self) -> None:
        """Refuse what is no tuple of attacks.

        Raises:
            ConfigError: it is none.
        """
        given = self.methods
        if not isinstance(given, tuple | list) or not all(isinstance(method, AttackMethod) for method in given):
            raise ConfigError(f"Rescue: give methods that are attacks, such as (NFGSM(), NFGSM(k=3.0)), not {given!r}")

    def __call__(self, monitor: ActedOn, event: Event) -> None:
        """Do it."""
        if monitor.rescues < len(self.methods):
            monitor.rescue(self.methods[monitor.rescues])
        else:
            stop(monitor, event)


def methods_of(actions: Mapping[EventKind, list[Action]]) -> dict[str, AttackMethod]:
    """The methods that rescues among the actions go on with, by event and number, such as "breakpoint 1"."""
    rescues = {kind: [one for one in several if isinstance(one, Rescue)] for kind, several in actions.items()}
    return {
        f"{kind} {number}": method
        for kind, several in rescues.items()
        for number, method in enumerate(itertools.chain(*(rescue.methods for rescue in several)), start=1)
    }
