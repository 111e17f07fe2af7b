"""The experiment at a scale: every setting is trained and judged once, and its tables are kept.

A setting is the unit of resuming: its tables stand under the hash of the setting, and a second call reads them. On the
CPU a setting done anew gives the same bits.
"""

from __future__ import annotations

import dataclasses
import io
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import torch

from analyses.purification.measures.robustness import JudgedPoints
from analyses.purification.plan import SyntheticSetting, settings
from analyses.purification.stages import Tell, train_stages
from analyses.purification.synthetic_world.synthetic_data import generators
from analyses.purification.tables import Tables, tables
from cotoolkit.core.errors import RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.studies.scale import Scale


def run_setting(setting: SyntheticSetting, device: str = "cpu", report: Tell = lambda _: None) -> Tables:
    """Train and judge all seeds of a setting.

    A GPU takes all seeds at once. A CPU takes one at a time in each thread that torch is allowed: tensors of one seed
    fit its cache, and threads that share no work never wait for each other. `report` is called from those threads.
    """
    seeds = list(range(setting.seeds))
    if not device.startswith("cpu"):
        return _run_seeds(setting, seeds, device, report)
    threads = torch.get_num_threads()
    stop = threading.Event()

    def told(message: str) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        report(message)

    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            parts = [pool.submit(_run_seeds, setting, [seed], device, told) for seed in seeds]
            try:
                found = [part.result() for part in parts]
            except BaseException:  # Ctrl-C too: the other threads end with their stage, and no new one starts
                stop.set()
                raise
    finally:
        torch.set_num_threads(threads)
    joined = Tables.joined(found)
    return dataclasses.replace(joined, neurons=found[0].neurons, coefficients=found[0].coefficients)


def run_experiment(scale: Scale, out: Path, device: str = "cpu", report: Tell = lambda _: None) -> Tables:
    """Run a scale's settings, or read those that stand finished in `out`.

    Args:
        scale: `smoke` (about a minute and a half on two cores) or `laptop` (about half an hour).
        out: folder of the tables: `<table>-<setting>-<identity>.parquet`.
        device: as torch names it.
        report: told in words what is being done.

    Raises:
        ConfigError: no such scale.
        RunError: a damaged table.
    """
    parts = []
    for setting in settings(scale):
        # Scalars are written last: where they stand, all tables of the setting do.
        if not _path(out, "scalars", setting).exists():
            found = run_setting(setting, device, report)
            for name in reversed(Tables.names()):
                _write(_path(out, name, setting), getattr(found, name))
        parts.append(Tables(**{name: _read(_path(out, name, setting)) for name in Tables.names()}))
    return Tables.joined(parts)


def _path(out: Path, table: str, setting: SyntheticSetting) -> Path:
    return out / f"{table}-{setting.name}-{setting.identity}.parquet"


def _write(path: Path, frame: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_atomically(path, buffer.getvalue())


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError):
        raise RunError(f"{path}: damaged or missing; delete the setting's scalars table and run again") from None


def _run_seeds(setting: SyntheticSetting, seeds: Sequence[int], device: str, report: Tell) -> Tables:
    with torch.no_grad():
        stages = train_stages(setting, seeds, device, report)
        report(stages.title("judging"))
        probe = JudgedPoints.draw(stages.world, setting.points, generators(seeds, "evaluation", 0, device))
        return tables(stages, probe)
