"""`cotoolkit diagnose-log`: dates and verdicts from a training log alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from cotoolkit.cli.diagnose import check_out
from cotoolkit.cli.display import VERDICT_STYLE, console, say, say_table

if TYPE_CHECKING:
    from cotoolkit.diagnosis.logs.schema import LogDiagnosis

Logs = Annotated[
    list[Path],
    typer.Argument(
        metavar="LOG...",
        help="CSV, TSV, Parquet, JSON lines, TensorBoard events (file or folder), the folder of a run, or "
        "what a script printed; each of several is a run.",
    ),
]
Column = Annotated[str | None, typer.Option(metavar="COLUMN", help="Its column; guessed from the names otherwise.")]
Accuracy = Annotated[str | None, typer.Option(metavar="COLUMN", help="Its column, or none; guessed otherwise.")]
Run = Annotated[
    list[str] | None, typer.Option(metavar="COLUMN", help="Tells runs apart; may be given again. Guessed otherwise.")
]
Points = Annotated[int | None, typer.Option(min=2, metavar="NUMBER", help="Test points behind each accuracy.")]
Classes = Annotated[int | None, typer.Option(min=2, metavar="NUMBER", help="Of the data: chance follows from it.")]
Unit = Annotated[
    str,
    typer.Option(
        metavar="auto|percent|shares", help="Of the accuracies; where they differ, by part: clean=percent,pgd=shares."
    ),
]
Checkpoint = Annotated[str, typer.Option(metavar="EPOCH|best|last", help="The one to place before or after a break.")]
Out = Annotated[Path, typer.Option(metavar="FOLDER", help="For the page, the timelines and log_diagnosis.json.")]


def diagnose_log_command(
    logs: Logs,
    time: Column = None,
    clean: Accuracy = None,
    fgsm: Accuracy = None,
    pgd: Column = None,
    run: Run = None,
    points: Points = None,
    classes: Classes = None,
    unit: Unit = "auto",
    checkpoint: Checkpoint = "best",
    out: Out = Path("log_diagnosis"),
    json: Annotated[bool, typer.Option("--json", help="Print log_diagnosis.json and nothing else.")] = False,
) -> None:
    """When did a training run overfit catastrophically, and did it recover? From its log alone.

    cotoolkit diagnose-log log.csv --clean test_acc --fgsm fgsm_acc --pgd pgd_acc --time epoch --run seed

    Accuracies are in percent or in shares of 1; a column named an error is turned round.
    """
    from cotoolkit.diagnosis.logs.page import LOG_FILE, write_log_diagnosis
    from cotoolkit.diagnosis.logs.several import diagnose_logs

    check_out(out, LOG_FILE)
    found, courses = diagnose_logs(
        logs, time=time, clean=clean, fgsm=fgsm, pgd=pgd, run=run, points=points, classes=classes, unit=unit,
        checkpoint=checkpoint,
    )  # fmt: skip
    if json:
        write_log_diagnosis(found, courses, out)
        typer.echo(found.to_json())
        return
    _show_log(found)
    with console.status("drawing the page"):
        page = write_log_diagnosis(found, courses, out)
    say(f"page: {page}")


def _show_log(found: LogDiagnosis) -> None:
    """How the log was read, and what came of it."""
    for part, column in found.columns.items():
        say(f"{part}: column {column}" + (" (guessed)" if part in found.guessed else ""), "dim")
    for note in found.notes:
        say(f"note: {note}")
    if len(found.runs) > 1:
        _show_table(found)
        return
    run = found.runs[0]
    for note in run.notes:
        say(f"note: {note}")
    say(f"{run.verdict} (confidence: {run.confidence})", VERDICT_STYLE.get(run.verdict, "yellow"))
    if not any(run.reason.startswith(event.sentence) for event in run.events):
        say(run.reason)
    for event in run.events:
        say(f"{event.kind} at {found.unit} {event.at:g} (confidence: {event.confidence}): {'; '.join(event.reasons)}")
        say(f"  what to do: {event.advice}")
    say(run.checkpoint.sentence)


def _show_table(found: LogDiagnosis) -> None:
    """One row per run; the page's table says more."""
    from cotoolkit.diagnosis.logs.page import log_lead

    keys = list(found.runs[0].key) or ["run"]
    names = [*keys, "breakpoint", "recovered", "best pgd", "last pgd", "confidence", "verdict"]
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in names:
        shown.add_column(name, no_wrap=True)
    table = found.table()[names].astype(object)
    for row in table.where(table.notna(), None).to_dict("records"):
        style = VERDICT_STYLE.get(row["verdict"], "yellow")
        *cells, verdict = (_cell(row[name]) for name in names)
        shown.add_row(*cells, f"[{style}]{verdict}[/]")
    say_table(shown)
    say(log_lead(found))


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else escape(str(value))
