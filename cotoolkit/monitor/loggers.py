"""What a monitor writes to somebody's loggers: signals as means, probes, events."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from cotoolkit.core.distributed import rank_and_world
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import whole_number
from cotoolkit.monitor.core import Event
from cotoolkit.monitor.loops.failures import Failures
from cotoolkit.signals.observation import means

ACCEPTED = (
    "loggers of Fabric or Lightning (log_metrics), a tensorboard SummaryWriter (add_scalar) and a wandb run "
    "(log(values, step=...))"
)

PREFIX = "cotoolkit/"

Write = Callable[[Any, dict[str, float], int], None]
"""Writes values by name to a logger, at an iteration."""


class MonitorLog:
    """Writes from the first process, under names that begin with `cotoolkit/`. A logger that fails is told once.

    Args:
        loggers: one or several; all get the same.
        every: iterations over which signals are averaged.
        failures: of the monitor.

    Raises:
        ConfigError: `every` is no whole number from 1 on, or one of the loggers is none.
    """

    def __init__(self, loggers: Any, every: int, failures: Failures) -> None:
        self.every, self.failures = whole_number(every, "log_every", 1), failures
        given = () if loggers is None else loggers if isinstance(loggers, list | tuple | set) else (loggers,)
        writers = [(logger, _writer(logger)) for logger in given]
        self._writers = writers if rank_and_world()[0] == 0 else []
        self._waiting: list[Mapping[str, float]] = []

    def signals(self, values: Mapping[str, float], iteration: int) -> None:
        """Take in the signals of one more iteration; their means are written every `every` iterations.

        Args:
            values: by signal name; nan where unknown.
            iteration: updates seen.
        """
        if not self._writers:
            return
        self._waiting.append(values)
        if iteration % self.every == 0:
            self.write(means(self._waiting), iteration)
            self._waiting = []

    def write(self, values: Mapping[str, float], iteration: int) -> None:
        """Write values at once.

        Args:
            values: by name, without the prefix.
            iteration: updates seen.
        """
        named = {f"{PREFIX}{name}": value for name, value in values.items()}
        for number, (logger, write) in enumerate(self._writers if named else (), start=1):
            with self.failures.caught(f"logger {number} ({type(logger).__name__})"):
                write(logger, dict(named), iteration)

    def mark(self, event: Event, iteration: int) -> None:
        """Write an event: the iteration that it is about as a value, and in words where a logger takes text.

        Args:
            event: to write.
            iteration: updates seen.
        """
        self.write({event.kind: float(event.iteration)}, iteration)
        for logger, _ in self._writers:
            add_text = getattr(getattr(logger, "experiment", logger), "add_text", None)
            if callable(add_text):
                with self.failures.caught(f"writing text to a {type(logger).__name__}"):
                    add_text(f"{PREFIX}events", str(event), iteration)


def _writer(logger: Any) -> Write:
    """How to write to a logger, by what it offers."""
    if not isinstance(logger, type):
        if callable(getattr(logger, "log_metrics", None)):
            return _log_metrics
        if callable(getattr(logger, "add_scalar", None)):
            return _add_scalars
        if _logs_steps(logger):
            return _log
    kind = f"the class {logger.__name__}" if isinstance(logger, type) else f"a {type(logger).__name__}"
    raise ConfigError(f"loggers: {kind} is no logger that is known; accepted are {ACCEPTED}")


def _logs_steps(logger: Any) -> bool:
    """Whether a logger has wandb's `log(values, step=...)`."""
    log = getattr(logger, "log", None)
    module = logger.__name__ if isinstance(logger, ModuleType) else type(logger).__module__
    if not callable(log):
        return False
    try:
        return module.split(".")[0] == "wandb" or "step" in inspect.signature(log).parameters
    except (TypeError, ValueError):  # it has no signature
        return False


def _log_metrics(logger: Any, values: dict[str, float], iteration: int) -> None:
    logger.log_metrics(values, step=iteration)


def _add_scalars(logger: Any, values: dict[str, float], iteration: int) -> None:
    for name, value in values.items():
        logger.add_scalar(name, value, iteration)


def _log(logger: Any, values: dict[str, float], iteration: int) -> None:
    logger.log(values, step=iteration)
