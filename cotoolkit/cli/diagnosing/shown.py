"""What the terminal shows of a diagnosis, while it is made and when it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer
from rich import box
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from cotoolkit.cli.display import VERDICT_STYLE, console, in_place, say, say_error, say_table

if TYPE_CHECKING:
    from cotoolkit.diagnosis.compare import NetworkComparison
    from cotoolkit.diagnosis.schema import Diagnosis


@contextlib.contextmanager
def measuring_bar() -> Iterator[Callable[[str, int, int], None]]:
    """A bar that shows what is measured; Ctrl-C ends the command with one line."""
    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    try:
        with Progress(*columns, console=console, disable=not in_place()) as bar:
            task = bar.add_task("starting", total=None)
            yield lambda what, done, total: bar.update(
                task, description=escape(what), completed=done, total=total, refresh=True
            )
    except KeyboardInterrupt:
        say_error("interrupted; nothing was written")
        raise typer.Exit(130) from None


def show_diagnosis(found: Diagnosis) -> None:
    """Verdict, evidence for and against, the radius at which it changes, and what was met."""
    from cotoolkit.diagnosis.change import change_in_words

    verdict = found.verdict
    say(f"{verdict.label} (confidence: {verdict.confidence})", VERDICT_STYLE.get(verdict.label, "yellow"))
    say(verdict.meaning)
    say(verdict.reason)
    rows: list[tuple[str, Any]] = [
        *(("for", one) for one in verdict.speaks_for),
        *(("against", one) for one in verdict.speaks_against),
    ]
    if rows:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        table.add_column("", no_wrap=True)
        table.add_column("evidence")
        for side, one in rows:
            table.add_row(side, escape(one.sentence))
        console.print(table)
    say(f"what to do: {verdict.advice}")
    if found.change is not None:
        say(change_in_words(found.change))
    for finding in found.findings:
        say(f"{finding.kind}: {finding.text}", "yellow" if finding.kind == "warning" else None)


def show_comparison(found: NetworkComparison) -> None:
    """Both verdicts, whether robustness was lost, and a row per attack within epsilon."""
    from cotoolkit.diagnosis.points import within

    for one in (found.first, found.second):
        say(f"{one.name}: {one.label} (confidence: {one.confidence})", VERDICT_STYLE.get(one.label, "yellow"))
    say(found.sentence)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    names = escape(found.first.name), escape(found.second.name)
    for column in ("attack", "points", *names, *(f"only {name}" for name in names), "p-value"):
        table.add_column(column)
    for row in found.rows:
        if within(row.attack):
            table.add_row(
                row.attack, str(row.points), f"{row.first:.1%}", f"{row.second:.1%}", str(row.only_first),
                str(row.only_second), f"{row.p_value:.2g}",
            )  # fmt: skip
    say_table(table)
