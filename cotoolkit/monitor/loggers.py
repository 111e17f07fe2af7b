"""What a monitor writes to the loggers of Fabric and Lightning: signals as means, probes, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from cotoolkit.core.distributed import rank_and_world
from cotoolkit.core.errors import ConfigError
from cotoolkit.signals.observation import means


class MetricsLogger(Protocol):
    """A logger of Fabric or Lightning: TensorBoard, CSV, Weights & Biases."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Write values down.

        Args:
            metrics: values by name.
            step: the iteration they are of.
        """


class MonitorLog:
    """Writes from the first process, under names that begin with `cotoolkit/`.

    Args:
        loggers: all get the same.
        every: iterations over which signals are averaged.

    Raises:
        ConfigError: `every` is below 1.
    """

    def __init__(self, loggers: Sequence[MetricsLogger], every: int) -> None:
        if every < 1:
            raise ConfigError("log_every must be at least 1")
        self.loggers, self.every = loggers if rank_and_world()[0] == 0 else (), every
        self._waiting: list[Mapping[str, float]] = []

    def signals(self, values: Mapping[str, float], iteration: int) -> None:
        """Take in the signals of one more iteration; their means are written every `every` iterations.

        Args:
            values: by signal name; nan where unknown.
            iteration: updates seen.
        """
        if not self.loggers:
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
        for logger in self.loggers if values else ():
            logger.log_metrics({f"cotoolkit/{name}": value for name, value in values.items()}, step=iteration)
