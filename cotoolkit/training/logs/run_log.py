"""A run under way, written to loggers: its signals, probes, events and evaluation, each once."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cotoolkit.core.distributed import rank_and_world
from cotoolkit.monitor.core import Event
from cotoolkit.monitor.loggers import MonitorLog
from cotoolkit.monitor.loops.failures import Failures
from cotoolkit.runs.documents import LogPlaces, read_document, write_document
from cotoolkit.training.logs.named_loggers import RunLogger, open_logger

log = logging.getLogger(__name__)

PLACES = "logged.json"
"""File of a run's folder that says up to which iteration each logger has been written to."""

SAVE_EVERY = 5.0
"""Seconds between two savings of what has been written."""


class RunLog:
    """Writes a run to loggers, from the first process. One that fails is told once, and training goes on.

    What is trained again after a kill is not written again.

    Args:
        folder: of the run.
        loggers: names, or loggers of somebody's own as the monitor takes them.
        settings: of the run, which loggers keep beside it.
    """

    def __init__(self, folder: Path, loggers: Sequence[Any], settings: Mapping[str, Any]) -> None:
        self._path = folder / PLACES
        self._failures = Failures(lambda line: log.warning("%s", line))
        self._saved = time.monotonic()
        self._open: list[_Open] = []
        if rank_and_world()[0] == 0 and loggers:
            found = read_document(self._path, LogPlaces) or LogPlaces(written={}, keys={})
            for number, one in enumerate(loggers, start=1):
                name = one if isinstance(one, str) else f"number {number}"
                with self._failures.caught(f"opening logger {name}"):
                    self._open.append(_Open(name, one, folder, found, self._failures))
                    if not found.written.get(name):
                        self._open[-1].keep(settings)

    def write(self, values: Mapping[str, float], iteration: int, now: int) -> None:
        """Write values.

        Args:
            values: by name.
            iteration: that they are of.
            now: iteration at which they became known.
        """
        if any(now > one.reached for one in self._open) and time.monotonic() - self._saved > SAVE_EVERY:
            self.save()  # when all that is known at an iteration has been written
        for one in self._news(now):
            one.log.write(values, iteration)

    def write_last(self, values: Mapping[str, float], iteration: int) -> None:
        """Write what is measured once the run has ended, maybe with weights of an earlier iteration than the last.

        Args:
            values: by name.
            iteration: updates of the weights.
        """
        for one in self._open:
            one.reached = max(one.reached, iteration + 1)
            one.log.write(values, iteration)

    def go_back(self, iteration: int) -> None:
        """Take what comes after an iteration for news again: a remedy trains it once more.

        What was written stays, for most loggers cannot take it back; a run that resumes in between cuts it off.

        Args:
            iteration: from which training goes on.
        """
        for one in self._open:
            one.written, one.reached, one.whole = (min(at, iteration) for at in (one.written, one.reached, one.whole))

    def mark(self, event: Event) -> None:
        """Mark an event."""
        for one in self._news(event.detected):
            one.log.mark(event, event.detected)

    def _news(self, now: int) -> list[_Open]:
        """The loggers to which an iteration is new."""
        found = [one for one in self._open if now > one.written]
        for one in found:
            one.reached = max(one.reached, now)
        return found

    def save(self, *, last_is_whole: bool = True) -> None:
        """Make sure of what has been written, and remember how far it goes.

        Args:
            last_is_whole: all that is known at the last iteration has been written.
        """
        for one in self._open:
            with self._failures.caught(f"saving logger {one.name}"):
                getattr(one.opened.logger, "save", lambda: None)()
            one.whole = max(one.whole, one.reached - (not last_is_whole))
        if self._open:
            written = {one.name: one.whole for one in self._open}
            write_document(self._path, {"written": written, "keys": {one.name: one.opened.key for one in self._open}})
        self._saved = time.monotonic()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.save(last_is_whole=kind is None)
        for one in self._open:
            with self._failures.caught(f"closing logger {one.name}"):
                one.opened.close()
        self._open = []


class _Open:
    """A logger, and how far the run had been written to it before, is now, and is with all that is known of it."""

    def __init__(self, name: str, one: Any, folder: Path, places: LogPlaces, failures: Failures) -> None:
        self.name, self.written = name, places.written.get(name, 0)
        self.reached = self.whole = self.written
        if isinstance(one, str):
            self.opened = open_logger(one, folder, self.written, places.keys.get(name, ""))
        else:
            self.opened = RunLogger(one, lambda: None)
        self.log = MonitorLog(self.opened.logger, 1, failures)

    def keep(self, settings: Mapping[str, Any]) -> None:
        """Keep the settings of a run that is new."""
        if hasattr(self.opened.logger, "log_hyperparams"):
            with contextlib.suppress(NotImplementedError):  # Fabric's CSV logger keeps none
                self.opened.logger.log_hyperparams(dict(settings))
