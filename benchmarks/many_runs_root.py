"""A root of thousands of finished runs: one run that is truly trained, and copies of it with other settings.

Each copy is a valid run: its folder and its configuration agree, its files carry their digests. Its accuracies, its
breakpoint and its probes are those of the trained run with some noise, so that no two are alike.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from cotoolkit.config import RunConfig
from cotoolkit.core.files import sealed
from cotoolkit.evaluation.protocol import named_protocol
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.study import Study
from cotoolkit.training.run import run

METHODS = ("fgsm", "n_fgsm", "rs_fgsm", "pgd")
RADII = tuple(f"{level}/255" for level in range(2, 27))

BASE = {
    "data": {"name": "digits", "train_size": 320, "test_size": 60},
    "model": {"name": "small_cnn", "width": 4},
    "epochs": 12,
    "batch_size": 64,
    "monitor": {"interval": 4, "points": 40, "steps": 3},
    "evaluation": ["clean", "fgsm", "pgd-50"],
}

DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def many_runs_study(count: int, name: str = "many") -> Study:
    """A study of so many runs at least: seeds over methods and radii."""
    seeds = -(-count // (len(METHODS) * len(RADII)))
    return Study(name=name, base=BASE, grids=({"method": METHODS, "epsilon": RADII, "seed": range(seeds)},))


def make_root(root: Path, study: Study, count: int) -> list[RunFolder]:
    """Write the first `count` runs of a study, finished, and the study's own file.

    Args:
        root: folder of runs, which is made.
        study: whose runs are written.
        count: of runs.

    Returns:
        Their folders.
    """
    configs = study.runs()[:count]
    template = run(configs[0], root / "trained", device="cpu")
    folders = [_copy(template, RunFolder.of(root, config), config, draw) for draw, config in enumerate(configs)]
    shutil.rmtree(root / "trained")
    (study.folder(root)).mkdir(parents=True, exist_ok=True)
    (study.folder(root) / "study.yaml").write_text(yaml.dump(study.model_dump(mode="json"), Dumper=DUMPER))
    return folders


def _copy(template: RunFolder, folder: RunFolder, config: RunConfig, draw: int) -> RunFolder:
    draws = np.random.default_rng(draw)
    broken = config.method.name != "pgd" and config.epsilon * 255 + draws.normal() > 10
    shutil.copytree(template.path, folder.path, ignore=shutil.ignore_patterns(".*", "best*", "before*", "after*"))
    text = yaml.dump(config.to_data(), Dumper=DUMPER, sort_keys=False)
    (folder.path / "config.yaml").write_text(text)
    result = _result(template.result(), config, broken=bool(broken), draws=draws)
    (folder.path / "result.json").write_text(json.dumps(sealed(result), indent=2) + "\n")
    events = [] if result["breakpoint"] is None else [result["breakpoint"]]
    lines = [json.dumps(sealed({name: event[name] for name in ("kind", "iteration", "detail")})) for event in events]
    (folder.path / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))
    pq.write_table(
        _metrics(template.path / "metrics.parquet", result["breakpoint"], draws),
        folder.path / "metrics.parquet",
        write_page_checksum=True,
    )
    return folder


def _result(result: dict[str, Any], config: RunConfig, *, broken: bool, draws: np.random.Generator) -> dict[str, Any]:
    first = int(draws.integers(16, 50))
    detail = {"sustained": first + 2, "earliest": first - 3, "latest": first + 4, "detected": first + 6}
    event = {"kind": "breakpoint", "iteration": first, "detail": detail, "count": 1}
    evaluation = {}
    for name, accuracy in result["evaluation"].items():
        share = 0.02 if broken and name.startswith("pgd") else 0.95 - 10 * config.epsilon * (name != "clean") / 2
        value = float(np.clip(share + 0.02 * draws.normal(), 0, 1).round(4))
        low, high, card = max(value - 0.05, 0.0), min(value + 0.05, 1.0), named_protocol(name).card(config.threat)
        evaluation[name] = {**accuracy, "value": value, "low": low, "high": high, "card": card}
    return {
        **result,
        "verdict": "catastrophic overfitting" if broken else "robust",
        "breakpoint": event if broken else None,
        "evaluation": evaluation,
        "seconds": float(draws.uniform(1, 9)),
    }


def _metrics(path: Path, event: dict[str, Any] | None, draws: np.random.Generator) -> pa.Table:
    table = pq.read_table(path)
    iterations, values = table["iteration"].to_numpy(), table["value"].to_numpy().copy()
    signals = np.array(table["signal"].to_pylist())
    probes = np.char.startswith(signals, "probe_")
    if event is not None:
        late = iterations >= event["iteration"]
        values[late & (signals == "probe_pgd")] = 0.02
        values[late & (signals == "probe_fgsm")] = 0.97
    values[probes] = np.clip(values[probes] + 0.03 * draws.normal(size=probes.sum()), 0, 1)
    return table.set_column(2, "value", pa.array(values))
