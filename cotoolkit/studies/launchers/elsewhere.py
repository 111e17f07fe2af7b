"""Runs that train on other machines: how this one learns of their progress, and which are tried again.

Progress comes as a small file in each run's folder, which the machines share anyway. So nothing has to run beside the
trainings, no port has to be open, and what a killed process reported last is still there.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from cotoolkit.core.files import write_atomically
from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.studies.launchers.tasks import Ended, Surroundings, Task, Update
from cotoolkit.training.progress import Progress

REPORT_EVERY = 1.0
"""Seconds between the progress reports of one run, and between two looks at all of them."""

AT_ONCE = 1000
"""Runs that are handed to a cluster at a time, at most; SLURM's arrays are not larger where nobody changed that."""

RETRIES = 3
"""How many times a run's process may die without having got further than before."""


class ProgressFile:
    """The progress of a run, in its folder.

    Args:
        task: the run.
    """

    def __init__(self, task: Task) -> None:
        self.path = Path(task.folder) / ".progress"
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        """Write it, if the last time is long enough ago."""
        now = time.monotonic()
        if now - self._last >= REPORT_EVERY or progress.note:
            self._last = now
            probe = progress.probe and dataclasses.asdict(progress.probe)
            write_atomically(self.path, json.dumps({**progress._asdict(), "probe": probe}).encode())

    def read(self) -> Progress | None:
        """What was written last; None where nothing was."""
        try:
            found = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        probe = found["probe"] and ProbeResult(**{**found["probe"], "robust": tuple(found["probe"]["robust"])})
        return Progress(found["iteration"], found["total"], probe, found["note"])


def train_elsewhere(task: Task, surroundings: Surroundings, threads: int) -> Ended:
    """Train one run in a process of a cluster.

    Args:
        task: the run.
        surroundings: of the process that handed it over.
        threads: to compute with.

    Returns:
        How it ended.
    """
    surroundings.enter()
    torch.set_num_threads(threads)
    return task.train(ProgressFile(task))


class RunsElsewhere:
    """Looks after runs that others train."""

    def __init__(self) -> None:
        self._files: dict[str, ProgressFile] = {}
        self._seen: dict[str, Progress] = {}
        self._deaths: dict[str, tuple[int, int]] = {}
        self._looked = 0.0

    def updates(self, tasks: Iterable[Task]) -> Iterator[Update]:
        """Progress that is new, unless the last look was only just now."""
        if time.monotonic() - self._looked < REPORT_EVERY:
            return
        for task in tasks:
            yield from self._update(task)
        self._looked = time.monotonic()

    def ended(self, task: Task, end: Ended) -> Iterator[Update | Ended]:
        """The latest progress of a run that has ended, and its end."""
        yield from self._update(task)
        self._file(task).path.unlink(missing_ok=True)
        yield end

    def died(self, task: Task, cause: str) -> Ended | None:
        """Decide what becomes of a run whose process or machine died.

        Args:
            task: the run.
            cause: of its death.

        Returns:
            None where it is tried again. A run that died `RETRIES` times without getting further has failed, and so
            has one of which its process said that it hung.
        """
        if task.hung:
            return task.told()
        seen = self._file(task).read() or self._seen.get(task.identity)  # not told yet: its end does that
        reached = seen.iteration if seen else 0
        best, deaths = self._deaths.get(task.identity, (-1, 0))
        deaths = 1 if reached > best else deaths + 1
        self._deaths[task.identity] = max(reached, best), deaths
        return task.fail(f"its process died {deaths} times: {cause}") if deaths > RETRIES else None

    def _file(self, task: Task) -> ProgressFile:
        if task.identity not in self._files:
            self._files[task.identity] = ProgressFile(task)
        return self._files[task.identity]

    def _update(self, task: Task) -> Iterator[Update]:
        now = self._file(task).read()
        if now is not None and now != self._seen.get(task.identity):
            self._seen[task.identity] = now
            yield Update(task.identity, now)
