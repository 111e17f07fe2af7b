"""What is written down of a made figure: what was claimed and compared, and all that made it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from analyses.core.judging.words import JUDGED, WORDS
from cotoolkit.studies.scale import Scale
from figures.records.provenance import Provenance

if TYPE_CHECKING:
    from analyses.core.judging.verdicts import ClaimResult
    from analyses.core.statistics import Estimate
    from figures.recipe import Comparison


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
    """A claim and what the table says of it.

    Attributes:
        by: the interval or test that decided.
        values: the samples it was decided on, per seed; None where a seed has no number.
        premise: the first that is not established, in words.
        premises: all of them, judged like claims.
        unjudged: why it is shown and never judged; empty for others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    statement: str
    source: str
    measure: str
    expected: str
    found: StoredEstimate
    effect: float | None
    p: float | None
    by: str
    values: dict[str, tuple[float | None, ...]]
    premise: str
    premises: tuple[StoredClaim, ...]
    verdict: str
    unjudged: str = ""

    @classmethod
    def of(cls, result: ClaimResult) -> StoredClaim:
        """From a checked claim."""
        claim = result.claim
        return cls(
            key=claim.key,
            statement=claim.statement,
            source=claim.source,
            measure=claim.measure,
            expected=claim.expected,
            found=StoredEstimate.of(result.found),
            effect=_known(result.effect),
            p=_known(result.p),
            by=result.by,
            values={name: tuple(map(_known, sample)) for name, sample in result.values.items()},
            premise=result.premise,
            premises=tuple(map(cls.of, result.premises)),
            verdict=result.words,
            unjudged=claim.unjudged,
        )

    @property
    def judged(self) -> bool:
        """Whether it was asked, and could have come out otherwise."""
        return self.verdict in [WORDS[verdict] for verdict in JUDGED]

    @property
    def is_ours(self) -> bool:
        """Whether it is no claim of the paper or its repository."""
        return self.source.startswith("ours")

    @property
    def of_seeds(self) -> str:
        """How many values are behind it; where some of them have no number, of how many."""
        asked = max(map(len, self.values.values()), default=0)
        known = self.found.seeds
        return f"{known} of {asked}" if len(self.values) == 1 and known < asked else str(known)

    @property
    def content(self) -> str:
        """What makes it the claim that it is; in two figures it is counted once."""
        return f"{self.statement} | {self.measure} | {self.expected} | {self.found!r}"


class StoredComparison(BaseModel):
    """A printed number beside ours.

    Attributes:
        asked: how many seeds were, also those that have no such number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    printed: str
    source: str
    ours: StoredEstimate
    asked: int
    remark: str

    @classmethod
    def of(cls, one: Comparison) -> StoredComparison:
        """From a comparison."""
        import numpy as np

        from analyses.core.statistics import estimate

        return cls(**{**one._asdict(), "ours": StoredEstimate.of(estimate(one.ours)), "asked": np.size(one.ours)})


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


def stored_claims(results: Iterable[ClaimResult]) -> tuple[StoredClaim, ...]:
    """Checked claims as they are stored."""
    return tuple(StoredClaim.of(result) for result in results)


def stored_comparisons(found: Iterable[Comparison]) -> tuple[StoredComparison, ...]:
    """Comparisons as they are stored."""
    return tuple(StoredComparison.of(one) for one in found)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
