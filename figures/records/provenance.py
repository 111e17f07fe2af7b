"""Runs, protocols and versions that a made figure rests on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Provenance(BaseModel):
    """What made a figure.

    Attributes:
        command: that makes it again.
        runs: names of the runs it rests on; none if nothing was trained by the engine.
        seeds: of those runs.
        protocols: hashes of the whole protocols, radius and clamps included, by the name of an accuracy.
        environment: versions, machine and device.
        training_seconds: that the runs took, all together; None where it was not written down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    protocols: dict[str, tuple[str, ...]]
    environment: dict[str, str]
    training_seconds: float | None
