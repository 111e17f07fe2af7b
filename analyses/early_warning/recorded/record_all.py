"""Trains the runs of the plan that nobody has recorded yet, and brings all recordings together in one file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from analyses.early_warning.recorded.plan import BenchmarkRun
from analyses.early_warning.recorded.recording import Run, record_run
from analyses.early_warning.recorded.traces import merged, read_traces, write_traces
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import RunError
from cotoolkit.core.importing.workers import WorkerImports, without_script
from cotoolkit.studies.launchers.local import WorkerProcesses
from cotoolkit.training.run import imports_of

TRACES = "traces.parquet"
"""Name of the file of all recordings in the benchmark's folder."""

Report = Callable[[str, int, int], None]


def record_all(
    planned: Sequence[BenchmarkRun],
    folder: Path,
    reused: Sequence[Path] = (),
    *,
    jobs: int,
    download: bool = False,
    report: Report = lambda name, done, total: None,
) -> list[Run]:
    """Train and record what is missing; write all to `folder / TRACES`.

    Each run is written as soon as it is recorded, so that an interrupted benchmark goes on where it was.

    Args:
        planned: what is wanted.
        folder: of the benchmark; what its `TRACES` and its recordings hold is not trained again.
        reused: files of traces from elsewhere, whose runs are taken over.
        jobs: processes at a time.
        download: let torchvision fetch missing data.
        report: called as runs end: which, how many of how many.

    Returns:
        All runs of the file, as read back from it, those of other parts of the plan among them.

    Raises:
        RunError: a file of traces cannot be read, or there are no runs at all.
    """
    traces, single = folder / TRACES, folder / "recordings"
    parts = [read_traces(path) for path in (traces, *sorted(single.glob("*.parquet"))) if path.exists()]
    known = merged([*parts, *(read_traces(path) for path in reused)])
    there = {run.config.identity for run in known}
    todo = [run for run in planned if run.config.identity not in there]
    done = len(planned) - len(todo)
    if todo:
        tasks = [(run.setting, run.config.to_data(), imports_of(run.config)) for run in todo]
        with WorkerProcesses(min(jobs, len(todo))) as pool:
            with without_script():
                futures = {pool.submit(_record, *task, str(single), download): task[0] for task in tasks}
            for future in as_completed(futures):
                future.result()
                done += 1
                report(futures[future], done, len(planned))
    found = merged([known, *(read_traces(_path(single, run.config)) for run in todo)])
    if not found:
        raise RunError(f"{folder}: there are no recordings to score; run `cotoolkit bench-alarm` without --rescore")
    write_traces(found, traces)
    return read_traces(traces)


def _record(setting: str, data: dict[str, Any], imports: WorkerImports, folder: str, download: bool) -> None:
    """What a worker process does."""
    imports.load()
    config = RunConfig.parse(data)
    write_traces([record_run(setting, config, download=download)], _path(Path(folder), config))


def _path(folder: Path, config: RunConfig) -> Path:
    return folder / f"{config.title}-{config.identity}.parquet"
