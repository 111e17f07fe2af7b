"""`cotoolkit runs`: list, show, compare and export runs on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cotoolkit.cli.display import breakpoint_text, cell, console, result_table, say
from cotoolkit.cli.paths import a_file, a_folder
from cotoolkit.core.errors import ConfigError, RunError

if TYPE_CHECKING:
    from cotoolkit.runs.folder import RunFolder

runs_commands = typer.Typer(no_args_is_help=True, help="Runs on disk: list, show, compare, export.")

Root = Annotated[Path, typer.Option("--root", callback=a_folder, help="Folder of runs.")]
Key = Annotated[str, typer.Argument(help="Start of a run's folder name or of its identity, or a path.")]
Keys = Annotated[list[str] | None, typer.Argument(help="Runs; none means all.")]


@runs_commands.command("list")
def list_runs(root: Root = Path("runs")) -> None:
    """All runs, with their state, breakpoint and verdict. A damaged folder is named and passed over."""
    from cotoolkit.runs.find import find_runs
    from cotoolkit.runs.tables import result_of

    shown = Table()
    for column in ("run", "state", "breakpoint", "verdict"):
        shown.add_column(column, overflow="fold")
    damaged = []
    for folder in find_runs(root):
        try:
            folder.config_data()  # not parsed further: that would load torch
            found = result_of(folder)
        except RunError as error:
            damaged.append(str(error))
            continue
        shown.add_row(folder.path.name, found["state"], breakpoint_text(found), found["verdict"])
    if shown.row_count:
        console.print(shown)
    elif not damaged:
        say(f"no runs in {root}; `cotoolkit demo` makes some")
    for line in damaged:
        say(f"damaged: {line}")
    if damaged:
        raise typer.Exit(1)


@runs_commands.command("show")
def show_run(run: Key, root: Root = Path("runs")) -> None:
    """One run: configuration, result, events, files."""
    import yaml

    from cotoolkit.runs.find import find_run
    from cotoolkit.runs.tables import run_table

    folder = find_run(root, run)
    console.print(result_table(run_table([folder]), title=folder.path.name))
    if folder.reason:
        say(f"{folder.state}: {folder.reason}", "yellow")
    say(yaml.safe_dump(folder.config().to_data(), sort_keys=False))
    for event in folder.events():
        console.print(
            f"{event['kind']} at iteration {event['iteration']}: {json.dumps(event['detail'])}", soft_wrap=True
        )
    for path in sorted(folder.path.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            say(f"{path.stat().st_size:>10,}  {path.relative_to(folder.path)}")


@runs_commands.command("compare")
def compare_command(runs: Keys = None, root: Root = Path("runs")) -> None:
    """Runs side by side: the settings in which they differ, and their results."""
    from cotoolkit.runs.tables import run_table, varying

    folders = _folders(root, runs)
    if len(folders) < 2:
        raise ConfigError("compare takes at least two runs")
    table = run_table(folders)
    console.print(result_table(table))
    for name in varying(table):
        values = table[name].map(cell).unique()
        say(f"{name}: {', '.join(values)}")


@runs_commands.command("export")
def export_runs(
    out: Annotated[Path, typer.Option(callback=a_file, help="A .csv or .parquet file.")],
    runs: Keys = None,
    root: Root = Path("runs"),
    metrics: Annotated[bool, typer.Option("--metrics", help="One row per run, iteration and signal.")] = False,
) -> None:
    """Write runs as one tidy table."""
    from cotoolkit.runs.tables import check_table_name, metric_table, run_table, write_table

    check_table_name(out)
    folders = _folders(root, runs)
    table = metric_table(folders) if metrics else run_table(folders)
    write_table(table, out)
    say(f"{len(table)} rows: {out}")


def _folders(root: Path, keys: list[str] | None) -> list[RunFolder]:
    from cotoolkit.runs.find import find_run, find_runs

    folders = [find_run(root, key) for key in keys] if keys else find_runs(root)
    if not folders:
        raise RunError(f"{root}: no runs here; `cotoolkit demo` makes some")
    return folders
