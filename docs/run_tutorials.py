"""Runs the tutorial notebooks and stores what they show: `python docs/run_tutorials.py`, some minutes of one core.

Each runs in a kernel of its own, all in one empty folder: a run that one has trained is there for the next.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TUTORIALS = Path(__file__).parent / "tutorials"

ORDER = (
    "induce_it",
    "date_it",
    "watch_my_loop",
    "diagnose_my_model_and_logs",
    "my_own_parts",
    "cluster_500_runs",
)
"""As they stand in the site."""

LIVE = "<pre>"
"""What progress that changes in place begins with; it says how long this machine took, and is not stored."""


def read(name: str) -> Any:
    """A notebook."""
    import nbformat

    return nbformat.read(TUTORIALS / f"{name}.ipynb", as_version=4)


def executed(name: str, folder: Path) -> Any:
    """A notebook with what it shows when its cells run in a folder.

    Raises:
        CellExecutionError: a cell fails.
    """
    from nbclient import NotebookClient

    notebook = read(name)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    NotebookClient(
        notebook, timeout=600, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    ).execute()
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [
                one for one in cell.outputs if not one.get("data", {}).get("text/html", "").startswith(LIVE)
            ]
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    notebook.metadata["outputs_of"] = digest(notebook)
    return notebook


def _live(output: Any) -> bool:
    return bool(output.get("data", {}).get("text/html", "").startswith(LIVE))


def digest(notebook: Any) -> str:
    """Of the code: whether outputs are of these cells."""
    code = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def kinds(notebook: Any) -> list[list[list[str]]]:
    """What each code cell shows, as kinds of data: the same on any machine."""
    return [
        [sorted(one.get("data", {one.get("name", "text"): ""})) for one in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def main(names: Iterable[str] = ORDER) -> None:
    """Run notebooks, and store them with what they show."""
    import nbformat

    path = [str(TUTORIALS.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(path)
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            nbformat.write(executed(name, Path(folder)), TUTORIALS / f"{name}.ipynb")


if __name__ == "__main__":
    main(sys.argv[1:] or ORDER)
