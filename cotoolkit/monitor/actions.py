"""What to do about an event of a `BreakpointMonitor`, besides logging it. An action is any `f(monitor, event)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, get_args

from cotoolkit.core.distributed import rank_and_world
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.files import write_tensors
from cotoolkit.methods import NFGSM, AttackMethod
from cotoolkit.monitor.core import Event, EventKind
from cotoolkit.monitor.weight_history import WeightSnapshot

Action = Callable[[Any, Event], None]
"""Called with the `BreakpointMonitor` and the event."""


class ActedOn(Protocol):
    """What the actions of this file ask of a `BreakpointMonitor`, whose docstrings explain it."""

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
        ConfigError: there is no such event.
    """
    unknown = on.keys() - set(get_args(EventKind))
    if unknown:
        raise ConfigError(f"on: no event {sorted(unknown)[0]!r}; there are {', '.join(get_args(EventKind))}")
    return {kind: [do] if callable(do) else list(do) for kind, do in on.items()}


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

    def __call__(self, monitor: ActedOn, event: Event) -> None:
        """Do it."""
        if rank_and_world()[0] != 0:
            return
        if event.kind == "breakpoint" and monitor.bracket is not None:
            before, after = monitor.bracket
            self._write("before", before)
            self._write("after", after)
        else:
            self._write(event.kind, monitor.snapshot())

    def _write(self, name: str, snapshot: WeightSnapshot) -> None:
        path = Path(self.folder) / f"{name}-{snapshot.iteration}.safetensors"
        write_tensors(path, snapshot.weights, {"iteration": str(snapshot.iteration)})


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

    def __call__(self, monitor: ActedOn, event: Event) -> None:
        """Do it."""
        if monitor.rescues < len(self.methods):
            monitor.rescue(self.methods[monitor.rescues])
        else:
            stop(monitor, event)
