"""What is said in the terminal, and the live progress of runs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Column, Table

from cotoolkit.training.live import labels, probe_text
from cotoolkit.training.progress import Pace, left_text

if TYPE_CHECKING:
    import pandas as pd

    from cotoolkit.config import RunConfig
    from cotoolkit.studies.launchers.launcher import Outcome
    from cotoolkit.studies.launchers.tasks import Update

WIDEST = 10_000
"""Characters of a table's row, where no terminal shows it."""

LONGEST_WORD = 300
"""Characters of a word that a message shows in full."""


def _console(*, stderr: bool = False) -> Console:
    """Without any style where NO_COLOR is set; rich itself would leave bold type there."""
    return Console(stderr=stderr, color_system=None if os.environ.get("NO_COLOR") else "auto")


console = _console()
errors = _console(stderr=True)


def say(text: str, style: str | None = None) -> None:
    """Print a line as it is: brackets in it are not markup.

    Args:
        text: the line.
        style: of rich, such as "bold"; None is plain.
    """
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def say_table(table: Table) -> None:
    """Print a table of values: cut to the terminal's width, but whole where a file or a program reads it."""
    if console.is_terminal:
        console.print(table)
    else:
        Console(file=console.file, width=WIDEST, color_system=None).print(table)


def say_error(text: str) -> None:
    """Print an error as one line on stderr."""
    _on_stderr("error", text, "red")


def end_naming(passed_over: Sequence[str]) -> None:
    """End a command that did the rest of its work, with exit code 1 if it passed anything over.

    Args:
        passed_over: a line each.

    Raises:
        typer.Exit: there is a line.
    """
    for line in passed_over:
        say_error(line)
    if passed_over:
        raise typer.Exit(1)


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


def plain_help() -> None:
    """Leave `--help` and errors of usage without style under NO_COLOR and in logs of CI, where typer styles them."""
    if os.environ.get("NO_COLOR") or os.environ.get("CI"):
        from typer import rich_utils

        rich_utils.COLOR_SYSTEM, rich_utils.FORCE_TERMINAL = None, None


LONGEST_LABEL = 40
"""Characters of a run's name in its line at most."""

BESIDES = 54
"""Characters of a run's line beside its name and its bar: count, accuracies, time left, and gaps."""

BARLESS = 76
"""Characters of a terminal that is too narrow for a bar."""


def in_place() -> bool:
    """Whether lines can change in place: on a terminal that a person looks at, not in a log of CI."""
    return console.is_interactive and console.file.isatty() and not os.environ.get("CI")


class LiveRuns:
    """One line per run under way and one for all; a plain line per ended run where lines cannot change in place."""

    def __init__(self, configs: Sequence[RunConfig]) -> None:
        self._labels, self._pace, self._live = labels(configs), Pace(len(configs)), in_place()
        longest = max(map(len, self._labels.values()), default=0)
        bar = 0 if console.width < BARLESS else min(8 + (console.width - BARLESS) // 2, 24)
        room = min(longest, max(console.width - BESIDES - bar, 8), LONGEST_LABEL)
        columns = [
            TextColumn(
                "{task.description}", table_column=Column(width=max(room, 8), no_wrap=True, overflow="ellipsis")
            ),
            *([BarColumn(bar_width=bar)] if bar else []),
            MofNCompleteColumn(),
            TextColumn("{task.fields[now]}", style="cyan"),
            TextColumn("{task.fields[left]}"),
        ]
        self._progress = Progress(*columns, console=console, disable=not self._live)
        self._overall: TaskID | None = None
        if len(self._labels) > 1:
            self._overall = self._progress.add_task("[bold]all runs", total=len(self._labels), now="", left="")
        self._tasks: dict[str, TaskID] = {}
        self._ended: set[str] = set()

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
            name = escape(self._labels[update.identity])
            self._tasks[update.identity] = self._progress.add_task(name, now="", left="")
        progress = update.progress
        self._pace.saw(update.identity, progress)
        self._progress.update(
            self._tasks[update.identity],
            completed=progress.iteration,
            total=progress.total,
            now=progress.note or probe_text(progress),
            left="" if progress.note else left_text(self._pace.of(update.identity)),
            refresh=bool(progress.note),
        )
        if self._overall is not None:
            self._progress.update(self._overall, left=left_text(self._pace.of_all()))

    def on_outcome(self, outcome: Outcome) -> None:
        """Take an ended run's line away."""
        identity = outcome.config.identity
        self._ended.add(identity)
        self._pace.ended(identity)
        started = identity in self._tasks
        if started:
            self._progress.remove_task(self._tasks.pop(identity))
        if (started or outcome.state == "failed") and not self._live:
            say(f"{outcome.state}: {self._labels[identity]} ({self._count()})")
        if self._overall is not None:
            self._progress.update(self._overall, advance=1, left=left_text(self._pace.of_all()))

    def _count(self) -> str:
        """How many runs have ended, and how long the others may take."""
        left = left_text(self._pace.of_all()) if len(self._ended) < len(self._labels) else ""
        return f"{len(self._ended)} of {len(self._labels)}" + (f", about {left}" if left else "")


def breakpoint_advice(events: Sequence[Mapping[str, Any]]) -> list[str]:
    """What to do about each breakpoint of a run, in words; its checkpoints are those of the last one.

    Args:
        events: of the run, as its folder keeps them.

    Returns:
        One line for the last breakpoint that no recovery, and no remedy, follows; none otherwise.
    """
    told = [event for event in events if event["kind"] != "suspicion"]
    if not told or told[-1]["kind"] != "breakpoint":
        return []
    advice = "go back to checkpoint before_break, continue with N-FGSM or a smaller radius"
    return [f"catastrophic overfitting at iteration {told[-1]['iteration']:,}: {advice}"]


def conclusion(table: pd.DataFrame) -> str:
    """The verdicts counted, per kind of run."""
    from cotoolkit.runs.tables.run_table import CATASTROPHIC_OVERFITTING

    lines = []
    for (method, epsilon, beta), runs in table.groupby(["method", "epsilon", "beta"], sort=False):
        done = runs[runs["verdict"] != ""]
        overfitted = int((done["verdict"] == CATASTROPHIC_OVERFITTING).sum())
        diverged = int((done["verdict"] == "diverged").sum())
        lines.append(
            f"  {method}, ε {epsilon:.4g}, β {beta:.4g}: catastrophic overfitting in {overfitted} of {len(done)} runs"
            + (f", {diverged} diverged" if diverged else "")
        )
    return "\n".join(lines)
