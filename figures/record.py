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
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from cotoolkit.core.errors import RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.studies.scale import Scale
from figures.style import STYLE

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


class Found(BaseModel):
    """A mean over seeds and its 95 % interval; None where there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float | None
    low: float | None
    high: float | None
    seeds: int

    @classmethod
    def of(cls, found: Estimate) -> Found:
        """From an estimate."""
        return cls(mean=_known(found.mean), low=_known(found.low), high=_known(found.high), seeds=found.n)

    def __str__(self) -> str:
        if self.mean is None:
            return "none"
        if self.low is None or self.high is None:
            return f"{self.mean:.3g} (n = {self.seeds})"
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"


class Claimed(BaseModel):
    """A claim and what the table says of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    statement: str
    source: str
    measure: str
    expected: str
    found: Found
    effect: float | None
    p: float | None
    verdict: str

    @classmethod
    def of(cls, result: ClaimResult) -> Claimed:
        """From a checked claim."""
        claim = result.claim
        return cls(
            key=claim.key,
            statement=claim.statement,
            source=claim.source,
            measure=claim.measure,
            expected=f"{claim.side} {claim.threshold:g}",
            found=Found.of(result.found),
            effect=_known(result.effect),
            p=_known(result.p),
            verdict=VERDICTS[result.verdict],
        )


class Compared(BaseModel):
    """A printed number beside ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    printed: str
    source: str
    ours: Found
    remark: str

    @classmethod
    def of(cls, one: Comparison) -> Compared:
        """From a comparison."""
        return cls(what=one.what, printed=one.printed, source=one.source, ours=Found.of(one.ours), remark=one.remark)


class Making(BaseModel):
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


class Record(BaseModel):
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
    making: Making
    files: dict[str, str]
    claims: tuple[Claimed, ...]
    comparisons: tuple[Compared, ...]
    seal: str = ""

    def sealed(self) -> Record:
        """The same with the seal that belongs to it."""
        content = json.dumps(self.model_dump(mode="json", exclude={"seal"}), sort_keys=True)
        return self.model_copy(update={"seal": hashlib.sha256(content.encode()).hexdigest()})


class Named(Protocol):
    """A recipe, or what is known of it without it."""

    @property
    def name(self) -> str:
        """PAPER/FIGURE."""
        ...


def folder_of(gallery: Path, recipe: Named, scale: str) -> Path:
    """Where a figure's files stand."""
    return gallery / recipe.name / scale


def write_figure(recipe: Recipe, scale: Scale, data: pd.DataFrame, making: Making, gallery: Path) -> Record:
    """Write the table, and from the table the pictures, the claims and the record."""
    import matplotlib as mpl

    folder = folder_of(gallery, recipe, scale)
    write_atomically(folder / DATA, data.to_csv(index=False, lineterminator="\n").encode())
    read = read_data(folder)
    for name in PICTURES:
        write_atomically(folder / name, rendered(recipe, read, name))
    making = making.model_copy(update={"environment": {**making.environment, "matplotlib": mpl.__version__}})
    record = Record(
        figure=recipe.name,
        scale=scale,
        making=making,
        files={name: digest(folder / name) for name in (DATA, *PICTURES)},
        claims=claimed(recipe.claims(read)),
        comparisons=compared(recipe.compare(read)),
    ).sealed()
    write_atomically(folder / CLAIMS, (record.model_dump_json(indent=1) + "\n").encode())
    return record


def claimed(results: Iterable[ClaimResult]) -> tuple[Claimed, ...]:
    """Checked claims as they are stored."""
    return tuple(Claimed.of(result) for result in results)


def compared(found: Iterable[Comparison]) -> tuple[Compared, ...]:
    """Comparisons as they are stored."""
    return tuple(Compared.of(one) for one in found)


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


def read_record(folder: Path) -> Record:
    """What stands beside the pictures.

    Raises:
        RunError: missing, or not what `write_figure` writes.
    """
    path = folder / CLAIMS
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{folder}: has no {CLAIMS}; make the figure first") from None
    except ValidationError as error:
        from cotoolkit.core.validation import one_line

        raise RunError(f"{path}: {one_line(error)}") from None


def stored(gallery: Path, recipe: Named, scale: str) -> Record | None:
    """The record of a figure, if it was made; errors as `read_record`."""
    folder = folder_of(gallery, recipe, scale)
    return read_record(folder) if folder.exists() else None


def rendered(recipe: Recipe, data: pd.DataFrame, name: str) -> bytes:
    """A picture of a table, in the one style, in the format that a file name ends with; equal tables give equal bytes.

    Drawn anew for each format, since saving a figure moves its parts a little.
    """
    import matplotlib as mpl

    kind = name.rpartition(".")[2]
    dates: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        recipe.draw(data).savefig(buffer, format=kind, metadata=dates.get(kind))
    return buffer.getvalue()


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
