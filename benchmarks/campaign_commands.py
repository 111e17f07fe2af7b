"""The commands that the campaign strikes: how they are started, how they end, and what they leave, as data."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cotoolkit.core.files import tensor_digest
from cotoolkit.runs.find import find_runs

COMMAND = [sys.executable, "-c", "import sys; from cotoolkit.cli import main; sys.argv[0] = 'cotoolkit'; main()"]

SMALL = [
    "data=digits", "data.train_size=640", "data.test_size=60", "model=small_cnn", "model.width=4", "epsilon=0.1",
    "epochs=16", "batch_size=64", "learning_rate=0.1", "monitor.interval=40", "monitor.points=40",
    "evaluation=(clean,pgd-3)",
]  # fmt: skip

PATIENCE = 300.0
"""Seconds after which a command hangs."""

FAREWELL = 20.0
"""Seconds within which every process of a killed command has to be gone."""

Result = dict[str, Any]


class Job(NamedTuple):
    """A command, what it needs before it, and what it leaves.

    Attributes:
        words: of the command line, without --root.
        before: words of a command that is run first, undisturbed.
        left: what stands below a root, so that equal results are equal data.
        fresh: words that make the command forget damaged files.
    """

    words: list[str]
    before: list[str]
    left: Callable[[Path], Result]
    fresh: list[str]


def of_runs(root: Path) -> Result:
    """Weights, metrics and results of all runs below a root, but for the time they took."""
    found: Result = {}
    for folder in find_runs(root):
        result = folder.result()
        found[folder.path.name] = {
            "weights": tensor_digest(folder.checkpoint("last"), {}),
            "metrics": digest(folder.metrics().to_csv(index=False)),
            "result": {name: value for name, value in result.items() if name != "seconds"},
        }
    return found


def of_study(root: Path) -> Result:
    """The runs and the table."""
    import pandas as pd

    tables = {}
    for path in sorted(root.glob("studies/*/*.csv")):
        table = pd.read_csv(path)
        tables[path.name] = digest(table.drop(columns=[c for c in table if c == "seconds"]).to_csv(index=False))
    return {"runs": of_runs(root), "tables": tables}


def of_report(root: Path) -> Result:
    """The study, and the tables beside its page; the page itself holds the date of its making."""
    pages = sorted(root.rglob("report/*"))
    return {
        "names": [path.name for path in pages],
        "tables": {path.name: digest(path.read_text()) for path in pages if path.suffix == ".csv"},
        "whole": all(path.read_text().rstrip().endswith("</html>") for path in pages if path.suffix == ".html"),
    }


def of_figure(root: Path) -> Result:
    """Data and claims of the figures."""
    found: Result = {}
    for path in sorted(root.glob("figures/*/*/*/*")):
        if path.name == "data.csv":
            found[str(path.relative_to(root))] = digest(path.read_text())
        elif path.suffix == ".json":
            found[str(path.relative_to(root))] = json.loads(path.read_text()).get("claims")
    return found


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


STUDY = ["study", "run", *SMALL, "method=[fgsm,n_fgsm]", "seed=0..1", "--name", "struck", "--jobs", "2"]

JOBS = {
    "train": Job(["train", *SMALL, "method=n_fgsm"], [], of_runs, ["--fresh"]),
    "study": Job(STUDY, [], of_study, ["--fresh"]),
    "report": Job(["report", "struck"], STUDY, of_report, []),
    "figures": Job(["figures", "make", "co_features/spectra", "--jobs", "2"], [], of_figure, ["--fresh"]),
}


class Ended(NamedTuple):
    """How a command ended: its exit code and what it printed."""

    code: int | None
    text: str


def start(words: list[str], root: Path, most_kib: int | None = None) -> subprocess.Popen[str]:
    """A command in a session of its own; `most_kib` limits the files that it can write, as a full disk does."""
    root.parent.mkdir(parents=True, exist_ok=True)
    limit = [] if most_kib is None else ["bash", "-c", f'trap \'\' XFSZ; ulimit -f {most_kib}; exec "$0" "$@"']
    return subprocess.Popen(
        [*limit, *COMMAND, *words, "--root", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a command."""
    try:
        text, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        text, _ = process.communicate()
        return Ended(None, text)
    return Ended(process.returncode, text)
