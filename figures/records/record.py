"""The files of a made figure: pictures, the table behind them, and what was claimed, with all that made them.

GALLERY/PAPER/FIGURE/SCALE/
    figure.png  figure.pdf  figure.svg
    data.csv       the table behind the picture
    claims.json    claims and comparisons; command, seeds, protocols, versions, device, runs, digests of the files
"""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cotoolkit.core.errors import RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.plotting.style import PAPER_STYLE
from cotoolkit.studies.scale import Scale

if TYPE_CHECKING:
    import pandas as pd

    from analyses.core.claims import ClaimResult, Verdict
    from analyses.core.statistics import Estimate
    from figures.recipe import Comparison, Recipe

PICTURES = ("figure.png", "figure.pdf", "figure.svg")
DATA, CLAIMS = "data.csv", "claims.json"

VERDICTS: dict[Verdict, str] = {"holds": "supported", "fails": "not supported", "undecided": "inconclusive"}
"""In the words of the figures."""

WHOSE = ("paper", "repository", "ours")
"""First word of a claim's source. "paper" and "repository" are for what the spec tags as read there; what the spec
tags as recollected, derived or proposed is "ours"."""


class StoredEstimate(BaseModel):
    """A mean over seeds and its 95 % interval; None where there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float | None
    low: float | None
    high: float | None
    seeds: int

    @classmethod
    def of(cls, found: Estimate) -> StoredEstimate:
        """From an estimate."""
        return cls(mean=_known(found.mean), low=_known(found.low), high=_known(found.high), seeds=found.n)

    def __str__(self) -> str:
        if self.mean is None:
            return "none"
        if self.low is None or self.high is None:
            return f"{self.mean:.3g} (n = {self.seeds})"
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


class StoredClaim(BaseModel):
    """A claim and what the table says of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    statement: str
    source: str
    measure: str
    expected: str
    found: StoredEstimate
    effect: float | None
    p: float | None
    verdict: str

    @classmethod
    def of(cls, result: ClaimResult) -> StoredClaim:
        """From a checked claim."""
        claim = result.claim
        return cls(
            key=claim.key,
            statement=claim.statement,
            source=claim.source,
            measure=claim.measure,
            expected=f"{claim.side} {claim.threshold:g}",
            found=StoredEstimate.of(result.found),
            effect=_known(result.effect),
            p=_known(result.p),
            verdict=VERDICTS[result.verdict],
        )


class StoredComparison(BaseModel):
    """A printed number beside ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    printed: str
    source: str
    ours: StoredEstimate
    remark: str

    @classmethod
    def of(cls, one: Comparison) -> StoredComparison:
        """From a comparison."""
        return cls(**{**one._asdict(), "ours": StoredEstimate.of(one.ours)})


class Provenance(BaseModel):
    """What made a figure.

    Attributes:
        command: that makes it again.
        runs: names of the runs it rests on; none if nothing was trained by the engine.
        seeds: of those runs.
        protocols: hashes of the whole protocols, radius and clamps included, by the name of an accuracy.
        environment: versions, machine and device.
        training_seconds: that the runs took, all together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    protocols: dict[str, tuple[str, ...]]
    environment: dict[str, str]
    training_seconds: float


class FigureRecord(BaseModel):
    """The content of claims.json.

    Attributes:
        figure: name of the recipe.
        scale: what its numbers may be taken for.
        making: what made it.
        files: SHA-256 of each other file.
        claims: what the recipe claims of the table, and what came out.
        comparisons: printed numbers beside those of the table.
        seal: SHA-256 of all of the above, so that a change by hand is seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    figure: str
    scale: Scale
    making: Provenance
    files: dict[str, str]
    claims: tuple[StoredClaim, ...]
    comparisons: tuple[StoredComparison, ...]
    seal: str = ""

    def sealed(self) -> FigureRecord:
        """The same with the seal that belongs to it."""
        content = json.dumps(self.model_dump(mode="json", exclude={"seal"}), sort_keys=True)
        return self.model_copy(update={"seal": hashlib.sha256(content.encode()).hexdigest()})


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


def stored_claims(results: Iterable[ClaimResult]) -> tuple[StoredClaim, ...]:
    """Checked claims as they are stored."""
    return tuple(StoredClaim.of(result) for result in results)


def stored_comparisons(found: Iterable[Comparison]) -> tuple[StoredComparison, ...]:
    """Comparisons as they are stored."""
    return tuple(StoredComparison.of(one) for one in found)


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
    """The record of the figure PAPER/FIGURE, if it was made; errors as `read_record`.

    Args:
        gallery: folder of all figures.
        name: PAPER/FIGURE.
        scale: its size.

    Returns:
        The record; None without the folder.
    """
    folder = folder_of(gallery, name, scale)
    return read_record(folder) if folder.exists() else None


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

    kind = name.rpartition(".")[2]
    dates: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    buffer = io.BytesIO()
    with mpl.rc_context(PAPER_STYLE):
        recipe.draw(data).savefig(buffer, format=kind, metadata=dates.get(kind))
    return buffer.getvalue()


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
