"""`cotoolkit report`: a run or a study as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cotoolkit.cli.display import say
from cotoolkit.cli.options.paths import a_folder
from cotoolkit.core.errors import AmbiguousName, CotoolkitError, RunError

if TYPE_CHECKING:
    from cotoolkit.runs.folder import RunFolder
    from cotoolkit.studies.study import Study


def report_command(
    key: Annotated[str, typer.Argument(metavar="RUN|STUDY", help="Start of a run's or study's name, or its folder.")],
    root: Annotated[Path, typer.Option("--root", callback=a_folder, help="Folder of runs and studies.")] = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(callback=a_folder, help="Folder of the page; by default report/ in that of KEY.")
    ] = None,
) -> None:
    """Write a run or a study as one self-contained HTML page, with its pictures and tables beside it."""
    from cotoolkit.pages import write_report
    from cotoolkit.studies.study import Study

    found = _find(root, key)
    if isinstance(found, Study):
        from cotoolkit.pages.study_page import study_report

        page, folder = study_report(found, root), found.folder(root)
    else:
        from cotoolkit.pages.run_page import run_report

        page, folder = run_report(found), found.path
    path = write_report(page, out or folder / "report")
    say(page.lead)
    say(f"page: {path}")


def _find(root: Path, key: str) -> RunFolder | Study:
    """The one run or the one study that a key names.

    Raises:
        RunError: neither, or more than one of them.
    """
    from cotoolkit.runs.find import find_run
    from cotoolkit.studies.study import find_study

    found: list[RunFolder | Study] = []
    reasons = []
    for find in (find_run, find_study):
        try:
            found.append(find(root, key))
        except AmbiguousName:
            raise
        except CotoolkitError as error:
            reasons.append(str(error))
    if len(found) == 2:
        raise RunError(f"{root}: {key!r} is the start of a run's name and of a study's; give more of it")
    if not found:
        raise RunError("; ".join(reasons))
    return found[0]
