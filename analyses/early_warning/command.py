"""`cotoolkit bench-alarm`: how good the early warning is, measured on many runs with a known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analyses.core.progress import counting_bar
from cotoolkit.cli.display import console, say
from cotoolkit.cli.options.paths import a_file, a_folder
from cotoolkit.cli.training import Download, Jobs

if TYPE_CHECKING:
    from analyses.early_warning.recorded.plan import BenchmarkRun
    from analyses.early_warning.recorded.recording import Run


def _files(param: typer.CallbackParam, paths: list[Path] | None) -> list[Path] | None:
    for path in paths or ():
        a_file(param, path)
    return paths


def bench_alarm(
    out: Annotated[Path, typer.Option(callback=a_folder, help="Folder of traces, tables and page.")] = Path(
        "bench-alarm"
    ),
    rescore: Annotated[
        Path | None, typer.Option(callback=a_file, metavar="TRACES", help="Train nothing; score the runs of this file.")
    ] = None,
    reuse: Annotated[
        list[Path] | None,
        typer.Option(callback=_files, metavar="TRACES", help="Take over the runs of this file. Repeatable."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(metavar="WORDS", help='Only settings that begin so: "CIFAR-10", "digits, FGSM". Repeatable.'),
    ] = None,
    part: Annotated[str, typer.Option(metavar="K/N", help="Only the K-th of N parts of the runs.")] = "",
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of each setting, at most; by default all.")] = None,
    jobs: Jobs = None,
    download: Download = False,
) -> None:
    """How good is the early warning? Trains 724 small runs, dates their breaks, scores every rule. Hours.

    What was interrupted goes on with the same command. Several machines can train a part each: give the files of traces
    of the others with --reuse, and all runs are scored together.
    """
    from analyses.early_warning.recorded.traces import read_traces

    if rescore is not None:
        _write_report(read_traces(rescore), out)
        return
    from analyses.early_warning.recorded.plan import chosen_runs

    _write_report(_recorded(chosen_runs(part, settings or (), seeds), out, reuse or [], jobs, download=download), out)


def _recorded(
    planned: list[BenchmarkRun], out: Path, reuse: list[Path], jobs: int | None, *, download: bool
) -> list[Run]:
    """Train what is missing, and say how far that is."""
    from analyses.early_warning.recorded.record_all import TRACES, record_all
    from cotoolkit.studies.launchers.local import default_jobs

    with counting_bar("recording", len(planned)) as report:
        runs = record_all(planned, out, reuse, jobs=jobs or default_jobs("cpu"), download=download, report=report)
    say(f"traces: {out / TRACES}")
    return runs


def _write_report(runs: list[Run], out: Path) -> None:
    """Score every rule, and write page and tables."""
    from analyses.early_warning.page import benchmark_report
    from analyses.early_warning.scoring.calibrate import benchmark
    from analyses.early_warning.scoring.simulation import watch
    from cotoolkit.pages import write_report

    with console.status("scoring") as status:
        watched = [watch(run) for run in runs]
        rows = benchmark(runs, watched, lambda name: status.update(f"scoring: {name}"))
        found = benchmark_report(runs, watched, rows)
        page = write_report(found, out)
    say(found.lead)
    say(f"page:   {page}")
    say(f"tables: {out}")
