"""What is kept of each network of the zoo: its truth, and what the diagnosis said of it at each budget."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from analyses.diagnosis_zoo.plan import ZOO, ZooNetwork
from cotoolkit.core.errors import DataError, RunError
from cotoolkit.core.files import write_atomically
from cotoolkit.diagnosis.schema import Label
from cotoolkit.diagnosis.shares import Confidence

R = TypeVar("R", bound="Record")

KEPT = Path(__file__).parent / "results" / "zoo.json"
"""The results that are kept with the code, which docs/diagnosis_zoo.md reports."""

BUDGETS = ("quick", "standard")
"""Budgets that are scored."""


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


def write_zoo_record(record: Record, path: Path) -> None:
    """Write a record."""
    write_atomically(path, record.model_dump_json(indent=1).encode())


def read_zoo_record(kind: type[R], path: Path) -> R:
    """Read a record.

    Raises:
        RunError: it is damaged, or of another version.
    """
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RunError(f"{path}: is no record of this zoo ({place}); delete it, and it is made again") from None


class Examined(NamedTuple):
    """A network of the zoo with all that is known of it.

    Attributes:
        network: which.
        truth: of it.
        diagnoses: by budget; kept results may lack some.
    """

    network: ZooNetwork
    truth: TruthRecord
    diagnoses: dict[str, DiagnosisRecord]


class _Results(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    truths: tuple[TruthRecord, ...]
    diagnoses: tuple[DiagnosisRecord, ...]


def write_results(zoo: Sequence[Examined], path: Path) -> None:
    """Write what was found of some networks.

    Args:
        zoo: the networks.
        path: of the file.
    """
    found = _Results(
        truths=tuple(one.truth for one in zoo),
        diagnoses=tuple(record for one in zoo for record in one.diagnoses.values()),
    )
    write_atomically(path, json.dumps(found.model_dump(mode="json"), separators=(",", ":")).encode())


def read_results(path: Path = KEPT) -> list[Examined]:
    """What was found.

    Args:
        path: of the file.

    Returns:
        The networks of the file, in the order of the zoo.

    Raises:
        DataError: the file is damaged, or of another zoo.
    """
    try:
        found = _Results.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(f"{path}: holds no results of the zoo: {str(error).splitlines()[0]}") from None
    truths = {record.network: record for record in found.truths}
    zoo = [one for one in ZOO if one.name in truths]
    if len(zoo) != len(truths):
        raise DataError(f"{path}: is of another zoo; run cotoolkit bench-diagnosis again")
    said = {
        one.name: {record.budget: record for record in found.diagnoses if record.network == one.name} for one in zoo
    }
    return [Examined(one, truths[one.name], said[one.name]) for one in zoo]
