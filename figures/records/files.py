"""The files of a made figure: pictures, the table behind them, and what was claimed, with all that made them.

GALLERY/PAPER/FIGURE/SCALE/
    figure.png  figure.pdf  figure.svg
    data.csv       the table behind the picture
    claims.json    claims and comparisons; command, seeds, protocols, versions, device, runs, digests of the files
"""

from __future__ import annotations

import hashlib
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from cotoolkit.core.errors import RunError
from cotoolkit.core.files import sweep, write_atomically
from cotoolkit.studies.scale import Scale
from figures.records.provenance import Provenance
from figures.records.record import FigureRecord, stored_claims, stored_comparisons

if TYPE_CHECKING:
    import pandas as pd

    from figures.recipe import Recipe

log = logging.getLogger(__name__)

PICTURES = ("figure.png", "figure.pdf", "figure.svg")
DATA, CLAIMS = "data.csv", "claims.json"


def folder_of(gallery: Path, name: str, scale: str) -> Path:
    """Where the files of the figure PAPER/FIGURE stand.

    Args:
        gallery: folder of all figures.
        name: PAPER/FIGURE.
        scale: its size.

    Returns:
        The folder.
    """
    return gallery / name / scale


def write_figure(recipe: Recipe, scale: Scale, data: pd.DataFrame, making: Provenance, gallery: Path) -> FigureRecord:
    """Write the table, and from the table the pictures, the claims and the record.

    Args:
        recipe: of the figure.
        scale: its size.
        data: the table behind the picture.
        making: what made it; the version of matplotlib is added.
        gallery: folder of all figures.

    Returns:
        The record.
    """
    import matplotlib as mpl

    folder = folder_of(gallery, recipe.name, scale)
    sweep(folder)
    (folder / CLAIMS).unlink(missing_ok=True)  # what is killed from here on leaves no figure, instead of one that lies
    write_atomically(folder / DATA, data.to_csv(index=False, lineterminator="\n").encode())
    read = read_data(folder)
    for name in PICTURES:
        write_atomically(folder / name, rendered(recipe, read, name))
    making = making.model_copy(update={"environment": {**making.environment, "matplotlib": mpl.__version__}})
    record = FigureRecord(
        figure=recipe.name,
        scale=scale,
        making=making,
        files={name: digest(folder / name) for name in (DATA, *PICTURES)},
        claims=stored_claims(recipe.claims(read)),
        comparisons=stored_comparisons(recipe.compare(read)),
    ).sealed()
    write_atomically(folder / CLAIMS, (record.model_dump_json(indent=1) + "\n").encode())
    return record


def read_data(folder: Path) -> pd.DataFrame:
    """The table behind a picture; text stays text, only empty cells are missing.

    Raises:
        RunError: there is none.
    """
    if not (folder / DATA).exists():
        raise RunError(f"{folder}: has no {DATA}; make the figure first")
    return _parsed(folder / DATA)


def as_stored(data: pd.DataFrame) -> pd.DataFrame:
    """A table as it comes back from its file, which is what recipes draw and judge."""
    return _parsed(io.StringIO(data.to_csv(index=False)))


def _parsed(source: Path | io.StringIO) -> pd.DataFrame:
    import pandas as pd

    # From 3.1 on pandas reads numbers to the bit unasked, and warns where it is asked.
    asks = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
    exact: dict[str, Any] = {"float_precision": "round_trip"} if asks else {}
    table: pd.DataFrame = pd.read_csv(source, keep_default_na=False, na_values=[""], **exact)
    return table


def read_record(folder: Path) -> FigureRecord:
    """What stands beside the pictures.

    Raises:
        RunError: missing, or not what `write_figure` writes.
    """
    path = folder / CLAIMS
    try:
        return FigureRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{folder}: has no {CLAIMS}; make the figure first") from None
    except ValidationError as error:
        from cotoolkit.core.validation import one_line

        raise RunError(f"{path}: {one_line(error)}") from None


def stored_record(gallery: Path, name: str, scale: str) -> FigureRecord | None:
    """The record of the figure PAPER/FIGURE, if it was made. What has no record that can be read is told in the log.

    Args:
        gallery: folder of all figures.
        name: PAPER/FIGURE.
        scale: its size.

    Returns:
        The record; None without one.
    """
    folder = folder_of(gallery, name, scale)
    try:
        return read_record(folder) if folder.exists() else None
    except RunError as error:
        log.warning("%s; it is not taken for a figure", error)
        return None


def rendered(recipe: Recipe, data: pd.DataFrame, name: str) -> bytes:
    """A picture of a table, in the one style, in the format that a file name ends with; equal tables give equal bytes.

    Drawn anew for each format, since saving a figure moves its parts a little.

    Args:
        recipe: that draws.
        data: the table.
        name: of a file; its suffix is the format.

    Returns:
        The content of the file.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from cotoolkit.plotting.style import PAPER_STYLE

    kind = name.rpartition(".")[2]
    dates: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    buffer = io.BytesIO()
    with mpl.rc_context(PAPER_STYLE):
        figure = recipe.draw(data)
        if not isinstance(figure, Figure):
            raise RunError(f"{recipe.name}: draw returned a {type(figure).__name__}; return a matplotlib Figure")
        figure.savefig(buffer, format=kind, metadata=dates.get(kind))
    return buffer.getvalue()


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
