"""What a diagnosis met on the way to its numbers: traps that were handled, and those that need the reader's eye."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["handled", "warning"]
"""`handled`: dealt with, the numbers mean what they say. `warning`: the numbers may not, the reader has to decide."""


class Finding(BaseModel):
    """One trap in the weights, the model or the data.

    Attributes:
        kind: whether it was dealt with.
        text: what was found and what follows, one line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    text: str


def handled(text: str) -> Finding:
    """A trap that was dealt with."""
    return Finding(kind="handled", text=text)


def warning(text: str) -> Finding:
    """A trap that the reader has to decide about."""
    return Finding(kind="warning", text=text)
