"""What is said in the terminal, and the live progress of runs."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cotoolkit.training.live import label, probe_text

if TYPE_CHECKING:
    from cotoolkit.config import RunConfig
    from cotoolkit.studies.launchers.launcher import Outcome
    from cotoolkit.studies.launchers.tasks import Update

LONGEST_WORD = 300
"""Characters of a word that a message shows in full."""

console = Console()
errors = Console(stderr=True)


def say(text: str, style: str | None = None) -> None:
    """Print a line as it is: brackets in it are not markup.

    Args:
        text: the line.
        style: of rich, such as "bold"; None is plain.
    """
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def say_error(text: str) -> None:
    """Print an error as one line on stderr."""
    _on_stderr("error", text, "red")


def say_warning(text: str) -> None:
    """Print a warning as one line on stderr."""
    _on_stderr("warning", text, "yellow")


def printable(text: str) -> str:
    """A message in one line: of words longer than a path can be, only the ends are shown.

    >>> printable("unknown method " + 5000 * "x")[:40]
    'unknown method xxxxxxxxxxxxxxxxxxxxxxxxx'
    """
    return re.sub(rf"\S{{{LONGEST_WORD},}}", lambda word: f"{word[0][:100]}…{word[0][-40:]}", " ".join(text.split()))


def _on_stderr(kind: str, text: str, style: str) -> None:
    errors.print(f"{kind}: {printable(text)}", style=style, markup=False, highlight=False, soft_wrap=True)


VERDICT_STYLE = {
    "robust": "green",
    "catastrophic overfitting": "bold red",
    "recovered": "yellow",
    "robust overfitting": "yellow",
    "not robust": "magenta",
    "diverged": "red",
}


class LiveRuns:
    """One line per run under way and one for all; a plain line per ended run where the output is no terminal."""

    def __init__(self, configs: Sequence[RunConfig]) -> None:
        self._labels = {config.identity: label(config) for config in configs}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[now]}", style="cyan"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._overall = self._progress.add_task("[bold]all runs", total=len(configs), now="")
        self._tasks: dict[str, TaskID] = {}
        self._ended: set[str] = set()
        self._start, self._trained = time.monotonic(), 0

    def __enter__(self) -> LiveRuns:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def on_update(self, update: Update) -> None:
        """Move a run's line."""
        if update.identity in self._ended:
            return
        if update.identity not in self._tasks:
            self._tasks[update.identity] = self._progress.add_task(escape(self._labels[update.identity]), now="")
        progress = update.progress
        self._progress.update(
            self._tasks[update.identity], completed=progress.iteration, total=progress.total, now=probe_text(progress)
        )

    def on_outcome(self, outcome: Outcome) -> None:
        """Take an ended run's line away."""
        identity = outcome.config.identity
        self._ended.add(identity)
        started = identity in self._tasks
        if started:
            self._progress.remove_task(self._tasks.pop(identity))
        if (started or outcome.state == "failed") and not console.is_terminal:
            say(f"{outcome.state}: {self._labels[identity]} ({self._left()})")
        self._progress.advance(self._overall)

    def _left(self) -> str:
        """How many runs have ended, and how long the others may take; runs that were there already took no time."""
        self._trained += 1
        left = len(self._labels) - len(self._ended)
        minutes = (time.monotonic() - self._start) / self._trained * left / 60
        return f"{len(self._ended)} of {len(self._labels)}" + (f", about {minutes:.0f} min left" if minutes > 1 else "")
