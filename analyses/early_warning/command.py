"""`cotoolkit bench-alarm`: how good the early warning is, measured on many runs with a known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cotoolkit.cli.display import console, say
from cotoolkit.cli.options.paths import a_folder
from cotoolkit.cli.training import Download, Jobs, resumable


def bench_alarm(
    out: Annotated[Path, typer.Option(callback=a_folder, help="Folder of recordings, tables and page.")] = Path(
        "bench-alarm"
    ),
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of each setting, at most; by default all.")] = None,
    jobs: Jobs = None,
    download: Download = False,
) -> None:
    """How good is the early warning? Trains 159 small runs, dates their breakpoints, scores every rule. 1 to 2 hours.

    A benchmark that was interrupted goes on with the same command; recordings that are there are not made again.
    """
    from analyses.early_warning.calibrate import benchmark
    from analyses.early_warning.page import benchmark_report
    from analyses.early_warning.plan import configs
    from analyses.early_warning.recording import record_all
    from analyses.early_warning.simulation import watch
    from cotoolkit.pages import write_report
    from cotoolkit.studies.launchers.local import default_jobs

    chosen = [(name, config) for name, config in configs() if seeds is None or config.seed < seeds]
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with resumable(), Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("recording", total=len(chosen))

        def report(name: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=name)
            if not console.is_terminal:
                say(f"{done} of {total}: {name}")

        runs = record_all(
            chosen, out / "recordings", jobs=jobs or default_jobs("cpu"), download=download, report=report
        )
    with console.status("scoring") as status:
        rows = benchmark(runs, lambda name: status.update(f"scoring: {name}"))
        watched = [watch(run) for run in runs]
        found = benchmark_report(runs, watched, rows)
        page = write_report(found, out)
    say(found.lead)
    say(f"page:   {page}")
    say(f"tables: {out}")
