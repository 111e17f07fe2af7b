"""The leaderboard: a folder of JSON records that a comparison writes, and that anybody can add to by a pull request."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from analyses.core.study import Tables
from analyses.method_comparison.leaderboard.recorded_runs import RecordedAccuracies, RecordedRun
from analyses.method_comparison.leaderboard.records import (
    LeaderboardRecord,
    RecordedCost,
    RecordedMeans,
    RecordedShare,
)
from analyses.method_comparison.outcomes import ENDED
from analyses.method_comparison.plan import ComparisonPlan
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.files import sweep, write_atomically
from cotoolkit.core.numbers import format_number
from cotoolkit.core.validation import one_line
from cotoolkit.evaluation.worst_of_three import worst_of_three_card
from cotoolkit.runs.folder import RunFolder

STATED = ("data", "model", "method", "epsilon", "seed")
"""Fields of a configuration that stand apart in a record."""


def leaderboard_records(plan: ComparisonPlan, tables: Tables, root: Path) -> list[LeaderboardRecord]:
    """What a comparison found, a record per group and method of which a run ended.

    Args:
        plan: the comparison.
        tables: as `study.collect_comparison` returns them.
        root: folder of its runs, which know their versions and devices.

    Returns:
        The records, in the plan's order.
    """
    outcomes = tables["outcomes"]
    ended = outcomes[outcomes["state"].isin(ENDED)]
    costs = {(row["settings"], row["method"]): row for row in tables["costs"].to_dict("records")}
    points = {(row["group"], row["method"]): row["points"] for row in tables["checkpoints"].to_dict("records")}
    found = []
    for (group, method), runs in ended.groupby(["group", "method"], sort=False):
        if (group, method) in points:
            cost = costs[plan.settings_of[str(group)], method]
            found.append(_record(plan, runs, cost, points[group, method], root))
    return found


def _record(
    plan: ComparisonPlan, rows: pd.DataFrame, cost: Mapping[Any, Any], points: int, root: Path
) -> LeaderboardRecord:
    first = rows.iloc[0]
    group = plan.groups[first["group"]]
    config = group.config(first["method"], int(first["seed"]))
    data = config.to_data()
    runs = [_run(row, group.config(row["method"], int(row["seed"])).identity) for row in rows.to_dict("records")]
    environments = {json.dumps(one): one for name in rows["run"] for one in [RunFolder(root / name).environment()]}
    return LeaderboardRecord(
        method=first["method"],
        settings=data["method"],
        radius=data["epsilon"],
        data=data["data"],
        network=data["model"],
        training={name: value for name, value in data.items() if name not in STATED},
        scale=plan.scale,
        protocol=worst_of_three_card(config.threat, points),
        runs=tuple(runs),
        last=RecordedMeans.of_networks([run.last for run in runs]),
        best=RecordedMeans.of_networks([run.best for run in runs]),
        overfitting=RecordedShare.counted(sum(run.breakpoint is not None for run in runs), len(runs)),
        cost=RecordedCost(**{name: cost[name] for name in RecordedCost.model_fields}),
        environments=tuple(environments.values()),
    )


def _run(row: dict[Any, Any], identity: str) -> RecordedRun:
    last = int(row["iterations"])
    return RecordedRun(
        seed=row["seed"],
        identity=identity,
        verdict=row["verdict"],
        breakpoint=None if pd.isna(row["breakpoint"]) else int(row["breakpoint"]),
        iterations=last,
        last=_accuracies(row, "last", last),
        best=_accuracies(row, "best", row["best_iteration"]),
        average=_accuracies(row, "average", last),
    )


def _accuracies(row: dict[Any, Any], name: str, iteration: Any) -> RecordedAccuracies | None:
    if pd.isna(row[f"{name}_robust"]):
        return None
    attacked = float(row[f"{name}_autoattack"])
    return RecordedAccuracies(
        iteration=int(iteration),
        clean=row[f"{name}_clean"],
        robust=row[f"{name}_robust"],
        autoattack=None if math.isnan(attacked) else attacked,
    )


def write_leaderboard(records: Iterable[LeaderboardRecord], folder: Path) -> list[Path]:
    """Write records, one file each, named by method, radius and settings; a file of the same settings is replaced.

    Args:
        records: what to write.
        folder: made if missing.

    Returns:
        The files.
    """
    sweep(folder)
    paths = []
    for record in records:
        radius = format_number(record.radius).replace("/", "_")
        path = folder / f"{record.method}-{radius}-{record.key}.json"
        write_atomically(path, (record.model_dump_json(indent=1) + "\n").encode())
        paths.append(path)
    return paths


def read_leaderboard(path: Path | str) -> list[LeaderboardRecord]:
    """Read and check records.

    Args:
        path: of one, or of a folder of them, whose folders are looked into as well.

    Returns:
        The records, in the order of their files.

    Raises:
        ConfigError: no such file, none in the folder, one that is no valid record, or two of the same settings and
            seeds.
    """
    path = Path(path)
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"{path}: holds no records; give a file or a folder of .json files")
    records = [_read(file) for file in files]
    _refuse_doubles(files, records)
    return records


def _read(file: Path) -> LeaderboardRecord:
    try:
        return LeaderboardRecord.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror})") from None
    except ValidationError as error:
        raise ConfigError(f"{file}: {one_line(error)}") from None


def _refuse_doubles(files: Sequence[Path], records: Sequence[LeaderboardRecord]) -> None:
    """Two files with the same seeds of one setting would count them twice."""
    known: dict[tuple[str, int], Path] = {}
    for file, record in zip(files, records, strict=True):
        for seed in record.seeds:
            other = known.setdefault((record.key, seed), file)
            if other != file:
                raise ConfigError(f"{file}: seed {seed} of these settings stands in {other} already; put them in one")
