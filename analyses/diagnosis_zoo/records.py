"""What is kept of each network of the zoo: its truth, and what the diagnosis said of it at each budget."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cotoolkit.core.errors import RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.diagnosis.schema import Confidence, Label

R = TypeVar("R", bound="Record")


class Record(BaseModel):
    """Base of the records: unchangeable, without unknown fields. Texts of 1 and 0 have one sign per point."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: str


class TruthRecord(Record):
    """The truth about a network.

    Attributes:
        run: identity of the run that it comes from.
        epsilon: radius.
        classes: number of classes.
        places: of the points, in the test set.
        clean: right without an attack.
        fgsm: right after one full step.
        robust: right after AutoAttack.
        attacked: networks that AutoAttack was run on.
        card: what the truth is.
        seconds: it took.
        environment: versions and machine.
    """

    run: str
    epsilon: float
    classes: int
    places: tuple[int, ...]
    clean: str
    fgsm: str
    robust: str
    attacked: tuple[str, ...]
    card: dict[str, Any]
    seconds: float
    environment: dict[str, Any]


class DiagnosisRecord(Record):
    """What a diagnosis said.

    Attributes:
        budget: its name.
        label: the verdict.
        confidence: of it.
        reason: for it.
        places: of the points that the strong attacks saw, in the test set.
        withstood: all attacks of the diagnosis together.
        pgd: the strongest PGD alone.
        points: that the cheap attacks saw.
        clean: accuracy on those.
        fgsm: the same under FGSM.
        seed: of the diagnosis.
        passes: images forward and gradients back.
        seconds: it took.
        environment: versions and machine.
    """

    budget: str
    label: Label
    confidence: Confidence
    reason: str
    places: tuple[int, ...]
    withstood: str
    pgd: str
    points: int
    clean: float
    fgsm: float
    seed: int
    passes: int
    seconds: float
    environment: dict[str, Any]


def write_record(record: Record, path: Path) -> None:
    """Write a record."""
    write_atomically(path, record.model_dump_json(indent=1).encode())


def read_record(kind: type[R], path: Path) -> R:
    """Read a record.

    Raises:
        RunError: it is damaged, or of another version.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RunError(f"{path}: is no record of this zoo ({place}); delete it, and it is made again") from None
