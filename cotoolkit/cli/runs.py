"""`cotoolkit runs`: list, show, compare, export and delete runs on disk."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.filesize import decimal

from cotoolkit.cli.display import console, end_naming, say, say_error
from cotoolkit.cli.listing import result_table, run_listing, show_listing
from cotoolkit.cli.options.json_output import AsJson, say_json, table_rows
from cotoolkit.cli.options.paths import a_file, a_folder
from cotoolkit.core.errors import ConfigError, RunError

if TYPE_CHECKING:
    import pandas as pd

    from cotoolkit.runs.index import RunRecord

runs_commands = typer.Typer(no_args_is_help=True, help="Runs on disk: list, show, compare, export, delete.")

NAMED = 10
"""Runs that are named before they are deleted; of more, the first ones."""

Root = Annotated[Path, typer.Option("--root", callback=a_folder, help="Folder of runs.")]
Key = Annotated[str, typer.Argument(help="Start of a run's folder name or of its identity, or a path.")]
Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN|CONDITION]...",
        help='Runs by the start of their names, or conditions: method=fgsm "epsilon>=4/255" breakpoint=none '
        "verdict~overfitting seed=0..4; none means all.",
    ),
]


@runs_commands.command("list")
def list_runs(
    words: Words = None,
    root: Root = Path("runs"),
    sort: Annotated[str | None, typer.Option(help="Setting or result to sort by, such as epsilon or pgd-50.")] = None,
    descending: Annotated[bool, typer.Option("--descending", help="The largest first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Runs with what tells them apart, and what came of them: cotoolkit runs list method=fgsm --sort pgd-50.

    A terminal shows the start of each identity, by which other commands know the run; a file gets whole names.
    A damaged folder is named and passed over.
    """
    from cotoolkit.runs.find import find_runs, shortest_keys
    from cotoolkit.studies.selection import in_order_of, select_runs

    records = select_runs(root, words or [])
    if sort is not None:
        records = in_order_of(records, sort, descending=descending)
    elif descending:
        raise ConfigError("--descending goes with --sort NAME")
    readable = [record for record in records if record.settings]
    if as_json:
        say_json([{"run": one.folder.path.name, "settings": one.settings, **one.result} for one in readable])
    elif readable:
        names = [run.path.name for run in find_runs(root)] if console.is_terminal else []
        whole = {record.folder.path.name: record.folder.path.name for record in readable}
        show_listing(run_listing(readable, {**whole, **shortest_keys(names)}))
    elif not records:
        say(
            f"no run in {root} matches {' '.join(words)}"
            if words
            else f"no runs in {root}; `cotoolkit demo` makes some"
        )
    end_naming([f"damaged: {record.damage}" for record in records if record.damage])


@runs_commands.command("show")
def show_run(run: Key, root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """One run: configuration, result, events, files."""
    import yaml

    from cotoolkit.runs.find import find_run
    from cotoolkit.runs.tables.run_table import run_table

    folder = find_run(root, run)
    files = {
        str(path.relative_to(folder.path)): path.stat().st_size
        for path in sorted(folder.path.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    if as_json:
        (row,) = table_rows(run_table([folder]))
        parts = {"configuration": folder.config().to_data(), "events": folder.events(), "files": files}
        say_json({**row, "reason": folder.reason, **parts})
        return
    show_listing(result_table(run_table([folder]), title=folder.path.name))
    if folder.reason:
        say(f"{folder.state}: {folder.reason}", "yellow")
    say(yaml.safe_dump(folder.config().to_data(), sort_keys=False))
    for event in folder.events():
        say(f"{event['kind']} at iteration {event['iteration']}: {json.dumps(event['detail'])}")
    for name, size in files.items():
        say(f"{size:>10,}  {name}")


@runs_commands.command("compare")
def compare_command(words: Words = None, root: Root = Path("runs"), as_json: AsJson = False) -> None:
    """Runs side by side: the settings in which they differ, and their results."""
    from cotoolkit.runs.tables.run_table import value_text, varying
    from cotoolkit.studies.selection import some_runs

    table, left_out = _table(some_runs(root, words or []))
    if len(table) < 2:
        raise ConfigError("compare takes at least two runs")
    if as_json:
        say_json({"differ_in": list(varying(table)), "runs": table_rows(table)})
    else:
        show_listing(result_table(table))
        for name in varying(table):
            values = table[name].map(value_text).unique()
            say(f"{name}: {', '.join(values)}")
    end_naming(left_out)


@runs_commands.command("export")
def export_runs(
    out: Annotated[Path, typer.Option(callback=a_file, help="A .csv, .parquet or .tex file.")],
    words: Words = None,
    root: Root = Path("runs"),
    metrics: Annotated[bool, typer.Option("--metrics", help="One row per run, iteration and signal.")] = False,
) -> None:
    """Write runs as one tidy table; in LaTeX, the settings that tell them apart, and their results.

    Runs that are damaged, or whose parts cannot be found, are named and passed over.
    """
    from cotoolkit.runs.tables.run_table import metric_table, telling_columns
    from cotoolkit.runs.tables.table_files import check_table_name, write_table
    from cotoolkit.studies.selection import some_runs

    check_table_name(out)
    records = some_runs(root, words or [])
    left_out: list[str] = []
    if metrics:
        table = metric_table(record.folder for record in records)
    else:
        table, left_out = _table(records)
        table = telling_columns(table) if out.suffix == ".tex" else table
    write_table(table, out)
    say(f"{len(table)} {'row' if len(table) == 1 else 'rows'}: {out}")
    end_naming(left_out)


@runs_commands.command("delete")
def delete_runs(
    words: Words = None,
    root: Root = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete runs with all their files; those that are being trained are left alone, and named."""
    from cotoolkit.runs.removal import remove_run, sweep_removed
    from cotoolkit.studies.selection import some_runs

    if not words:
        raise ConfigError('say which runs to delete: by the start of their names, or by conditions like "seed>4"')
    records = some_runs(root, words)
    for record in records[:NAMED]:
        say(f"{record.result['state']:>9}  {record.folder.path.name}")
    if len(records) > NAMED:
        say(f"{'':>9}  and {len(records) - NAMED} more; `cotoolkit runs list` with the same words shows them")
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"give --yes to delete {_counted(len(records))} without being asked")
        typer.confirm(f"Delete {_counted(len(records))} for good?", abort=True)
    freed, left = [], 0
    for record in records:
        try:
            freed.append(remove_run(root, record.folder))
        except RunError as error:
            say_error(str(error))
            left += 1
    sweep_removed(root)
    say(f"deleted {_counted(len(freed))}, {decimal(sum(freed))} freed")
    if left:
        raise typer.Exit(1)


def _table(records: Sequence[RunRecord]) -> tuple[pd.DataFrame, list[str]]:
    """The table of runs that can be read, and what is wrong with the others."""
    from cotoolkit.runs.tables.run_table import configured_table

    runs, left_out = [], []
    for record in records:
        if record.damage:
            left_out.append(f"damaged: {record.damage}")
            continue
        try:
            runs.append((record, record.folder.config()))
        except RunError as error:  # the files are whole, but name what cannot be found
            left_out.append(f"left out: {error}")
    if not runs:
        raise RunError("; ".join(left_out))
    pairs = [(record.folder, config) for record, config in runs]
    return configured_table(pairs, [record.result for record, _ in runs]), left_out


def _counted(runs: int) -> str:
    return f"{runs:,} run" + ("" if runs == 1 else "s")
