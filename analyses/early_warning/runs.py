"""All runs of the benchmark, recorded in processes side by side; what is on disk already is not trained again."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analyses.early_warning.break_dates import Truth, judge_truth
from analyses.early_warning.dates import Dates
from analyses.early_warning.recording import Recording, record
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.runs.environment import environment
from cotoolkit.runs.tables import write_table
from cotoolkit.studies.launcher import single_worker


class Run(NamedTuple):
    """A recorded run.

    Attributes:
        setting: name of its family.
        seed: of everything random in it.
        config: what was trained.
        recording: signals and dense evaluation.
        truth: what happened.
        environment: versions and machine.
    """

    setting: str
    seed: int
    config: RunConfig
    recording: Recording
    truth: Truth
    environment: dict[str, Any]


Report = Callable[[str, int, int], None]


def record_all(
    configs: Iterable[tuple[str, RunConfig]],
    folder: Path,
    *,
    jobs: int,
    download: bool = False,
    report: Report = lambda name, done, total: None,
) -> list[Run]:
    """Record what is missing, and read all.

    Args:
        configs: setting names and configurations.
        folder: of the recordings.
        jobs: processes at a time.
        download: let torchvision fetch missing data.
        report: called as runs end: which, how many of how many.
    """
    configs = list(configs)
    todo = [(name, config) for name, config in configs if not _path(folder, config, "json").exists()]
    done = len(configs) - len(todo)
    if todo:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(jobs, len(todo)), mp_context=context, initializer=single_worker) as pool:
            futures = {
                pool.submit(_record, name, config.to_data(), str(folder), download): name for name, config in todo
            }
            for future in as_completed(futures):
                future.result()
                done += 1
                report(futures[future], done, len(configs))
    return [read(folder, config) for _, config in configs]


def read(folder: Path, config: RunConfig) -> Run:
    """A recorded run.

    Raises:
        RunError: its files are damaged, or of a benchmark that recorded less.
    """
    path = _path(folder, config, "json")
    try:
        facts = json.loads(path.read_text())
        trace, truth = (pd.read_parquet(_path(folder, config, f"{part}.parquet")) for part in ("trace", "truth"))
        dates = None if facts["dates"] is None else Dates(**facts["dates"])
        recording = Recording(trace, truth, dates, facts["iterations"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else error
        raise RunError(f"{path}: cannot be read ({reason}); delete it, and the run is recorded again") from None
    judged = judge_truth(truth, diverged=recording.diverged)
    return Run(facts["setting"], config.seed, config, recording, judged, facts["environment"])


def _record(setting: str, data: dict[str, Any], folder: str, download: bool) -> None:
    """What a worker process does."""
    config = RunConfig.parse(data)
    found = record(config, download=download)
    path = Path(folder)
    write_table(found.trace, _path(path, config, "trace.parquet"))
    write_table(found.truth, _path(path, config, "truth.parquet"))
    facts = {
        "setting": setting,
        "iterations": found.iterations,
        "dates": None if found.dates is None else found.dates._asdict(),
        "config": data,
        "environment": environment("cpu"),
    }
    write_atomically(_path(path, config, "json"), json.dumps(facts, indent=1).encode())


def _path(folder: Path, config: RunConfig, suffix: str) -> Path:
    return folder / f"{config.title}-{config.identity}.{suffix}"
