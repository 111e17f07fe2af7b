"""The pictures in a study's folder, drawn again only where what they show, or how, has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from cotoolkit.core.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

    from cotoolkit.runs.folder import RunFolder
    from cotoolkit.studies.study import Study

DRAWN = "pictures.json"
"""Says what the pictures beside it were drawn from, and their digests."""

CODE = ("columns.py", "crowd.py", "phase_diagram.py", "style.py", "timeline.py")
"""Files beside this one that decide how the pictures look."""


def study_pictures(study: Study, root: Path, table: pd.DataFrame, *, anew: bool = False) -> list[Path]:
    """Timeline and phase diagram, as far as the runs that have ended allow them.

    Args:
        study: whose runs are shown.
        root: folder of runs and studies.
        table: of the study, see `Study.write_table`.
        anew: draw them in any case.

    Returns:
        Their paths.
    """
    folder = study.folder(root)
    done = table[table["verdict"] != ""]
    ended = set(done["run"])
    runs = [run for run in study.folders(root) if run.path.name in ended]
    source = _source(table, runs)
    kept = None if anew else _kept(folder, source)
    if kept is not None:
        return kept
    pictures = _draw(study, folder, done, runs)
    drawn = {"source": source, "pictures": {path.name: _digest(path.read_bytes()) for path in pictures}}
    write_atomically(folder / DRAWN, json.dumps(drawn, indent=1).encode())
    return pictures


def _draw(study: Study, folder: Path, done: pd.DataFrame, runs: Sequence[RunFolder]) -> list[Path]:
    if not len(done):
        return []
    from cotoolkit.plotting.phase_diagram import phase_axes, phase_diagram
    from cotoolkit.plotting.style import save
    from cotoolkit.plotting.timeline import SHOWN, timeline
    from cotoolkit.runs.tables.run_table import metric_table

    metrics = metric_table(runs, SHOWN)
    pictures = [] if metrics.empty else [save(timeline(done, metrics)[0], folder / "timeline.png")]
    protocol = next((name for name in study.runs()[-1].evaluation if name.startswith("pgd")), None)
    if protocol in done:
        figure, _ = phase_diagram(done, **phase_axes(done)._asdict(), accuracy=str(protocol))
        pictures.append(save(figure, folder / "phase.png"))
    return pictures


def _kept(folder: Path, source: str) -> list[Path] | None:
    """The pictures of that source which stand in a folder; None if there are none, or if one is missing or damaged."""
    try:
        drawn = json.loads((folder / DRAWN).read_bytes())
        whole = all(_digest((folder / name).read_bytes()) == digest for name, digest in drawn["pictures"].items())
        same = drawn["source"] == source
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return [folder / name for name in drawn["pictures"]] if whole and same else None


def _source(table: pd.DataFrame, runs: Sequence[RunFolder]) -> str:
    """A digest of all that decides how the pictures look: the data, and the code that draws."""
    parts = [
        *(version(package).encode() for package in ("cotoolkit", "matplotlib", "seaborn")),
        *(Path(__file__).with_name(name).read_bytes() for name in CODE),
        table.to_csv(index=False).encode(),
        *(path.read_bytes() for run in runs for path in run.metric_files.paths()),
    ]
    return _digest("".join(_digest(part) for part in parts).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
