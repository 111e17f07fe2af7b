"""The YAML and JSON files of a run's folder; JSON is checked against a schema and a digest as it is read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from cotoolkit.core.errors import RunError
from cotoolkit.core.files import damaged, sealed, unreadable, unsealed, write_atomically
from cotoolkit.core.validation import load_yaml

State = Literal["new", "running", "done", "diverged", "failed"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Status(_Strict):
    """status.json: how far a run got, and why it ended there where it failed or diverged."""

    state: State
    reason: str


class LoggedEvent(_Strict):
    """A line of events.jsonl."""

    kind: str
    iteration: int
    detail: dict[str, Any]


class FirstBreakpoint(LoggedEvent):
    """The first breakpoint of a run, and how many there were."""

    count: int


class StoredAccuracy(_Strict):
    """An accuracy on the test set with its 95 % interval, and the card of its protocol."""

    value: float
    low: float
    high: float
    points: int
    card: dict[str, Any]


class StoredResult(_Strict):
    """result.json: what came of a finished run."""

    verdict: str
    breakpoint: FirstBreakpoint | None
    iterations: int
    best_iteration: int
    evaluation: dict[str, StoredAccuracy]
    seconds: float


class LogPlaces(_Strict):
    """logged.json: up to which iteration each logger has been written to, and the key by which it knows the run."""

    written: dict[str, int]
    keys: dict[str, str]


class StoredEnvironment(_Strict):
    """environment.json: the versions and the machine of the process that trained last."""

    python: str
    cotoolkit: str
    torch: str
    torchvision: str
    numpy: str
    lightning_fabric: str = Field(alias="lightning-fabric")
    system: str
    device: str
    threads: int


class OwnCode(_Strict):
    """own_code.json: digests of the user's own modules that a run is made of."""

    modules: dict[str, str]


S = TypeVar("S", bound=BaseModel)


def read_mapping(path: Path) -> dict[Any, Any]:
    """The settings that a YAML file holds, not checked.

    Raises:
        RunError: missing, cannot be read, or no settings.
    """
    import yaml

    try:
        found = load_yaml(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path.parent}: no run here ({path.name} is missing)") from None
    except OSError as error:
        raise unreadable(path, error) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise damaged(path) from None
    if not isinstance(found, dict):
        raise damaged(path)
    return found


def read_document(path: Path, schema: type[S]) -> S | None:
    """A JSON file; None where there is none.

    Args:
        path: of the file.
        schema: of what it should hold.

    Returns:
        What it holds.

    Raises:
        RunError: it cannot be read, or does not hold what it should.
    """
    try:
        return schema(**unsealed(json.loads(path.read_bytes())))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, TypeError, AttributeError, RecursionError):  # pydantic's errors are ValueErrors
        raise damaged(path) from None


def write_document(path: Path, data: Mapping[str, Any]) -> None:
    """Write JSON data with their digest."""
    write_atomically(path, (json.dumps(sealed(data), indent=2) + "\n").encode())


def read_events(path: Path) -> list[dict[str, Any]]:
    """The events of a file, in order; none where there is no file. A last line that was broken off is left out.

    Raises:
        RunError: it cannot be read, or does not hold what it should.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(path, error) from None
    try:
        if lines and not lines[-1].endswith(b"\n") and not _is_json(lines[-1]):
            if _is_json(lines[-1][:-1]):  # nothing was broken off: its end is another one
                raise damaged(path)
            lines.pop()
        return [LoggedEvent(**unsealed(json.loads(line))).model_dump() for line in lines]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise damaged(path) from None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def append_events(path: Path, events: Sequence[Mapping[str, Any]]) -> None:
    """Write events behind those that a file holds, in a time that does not grow with the file."""
    if events:
        with path.open("ab") as file:
            file.write(_lines(events))
            file.flush()
            os.fsync(file.fileno())


def write_events(path: Path, events: Sequence[Mapping[str, Any]]) -> None:
    """Write a file that holds these events alone."""
    write_atomically(path, _lines(events))


def _lines(events: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(sealed(event)) + "\n" for event in events).encode()
