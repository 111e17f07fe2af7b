"""Live progress of runs, and tables of them, for the terminal."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich import box
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
from rich.table import Table

from cotoolkit.training.live import label, probe_text

if TYPE_CHECKING:
    import pandas as pd

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


def result_table(table: pd.DataFrame, *, title: str | None = None) -> Table:
    """Accuracies, breakpoint and verdict, one row per run; columns that say the same of all runs are left out.

    Networks that a method gave besides the trained one, such as an average, stand in rows of their own below it.

    Args:
        table: of `cotoolkit.runs.tables.run_table`.
        title: above it.

    Returns:
        The table, ready to print; accuracies in per cent.
    """
    from cotoolkit.plotting.columns import accuracy_title
    from cotoolkit.runs.tables import varying

    settings = ["method", *(name for name in varying(table) if name not in ("seed", "method"))]
    accuracies = [name.removesuffix("_hash") for name in map(str, table.columns) if name.endswith("_hash")]
    protocols = [name for name in accuracies if ":" not in name]
    labels = dict.fromkeys(name.rpartition(":")[0] for name in accuracies if ":" in name)
    shown = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in settings:
        shown.add_column({"epsilon": "ε", "beta": "β"}.get(name, name), no_wrap=True)
    shown.add_column("seed", justify="right")
    for name in protocols:
        shown.add_column(accuracy_title(name), justify="right", no_wrap=True)
    shown.add_column("breakpoint", justify="right", no_wrap=True)
    shown.add_column("verdict")
    for _, run in table.iterrows():
        verdict = run["verdict"] or run["state"]
        shown.add_row(
            *(escape(cell(run[name])) for name in settings),
            str(run["seed"]),
            *_percentages(run, protocols),
            breakpoint_text(run.mask(run.isna(), None)),
            f"[{VERDICT_STYLE.get(verdict, 'white')}]{verdict}",
        )
        for besides in labels:
            if any(percentages := _percentages(run, [f"{besides}:{name}" for name in protocols])):
                shown.add_row(f"  {escape(besides)}", *[""] * len(settings), *percentages)
    return shown


def _percentages(run: pd.Series, names: Sequence[str]) -> list[str]:
    return ["" if name not in run or run.isna()[name] else f"{run[name]:.1%}" for name in names]


def breakpoint_text(run: Mapping[Any, Any] | pd.Series) -> str:
    """The dated breakpoint with its interval of uncertainty, or none; nothing of a run that has not ended."""
    if not run["verdict"]:
        return ""
    if run["breakpoint"] is None:
        return "none"
    return f"{run['breakpoint']} ({run['earliest']}-{run['latest']})"


def cell(value: object) -> str:
    """A setting's value in a table."""
    from cotoolkit.core.numbers import format_number

    return format_number(value) if isinstance(value, float) else str(value)
