"""What the diagnosis of a log writes down: the schema of `log_diagnosis.json`, which docs/diagnose_log.md explains.

Times are in the log's own unit: epochs, iterations or steps. Accuracies are shares in [0, 1]; what is unknown is null.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from cotoolkit.core.errors import DataError
from cotoolkit.diagnosis.shares import Confidence, SchemaPart
from cotoolkit.runs.html import facts_html

if TYPE_CHECKING:
    import pandas as pd

LOG_SCHEMA_VERSION: Literal[1] = 1
"""Raised whenever a field changes its name or its meaning."""

LogVerdict = Literal[
    "robust", "catastrophic overfitting", "recovered", "robust overfitting", "declined", "not robust",
    "failed to train", "diverged", "inconclusive",
]  # fmt: skip
"""How a run ended, as far as its log tells."""

EventKind = Literal["breakpoint", "recovery", "robust overfitting", "decline", "divergence"]

Cell = str | int | float | bool | None


class Share(SchemaPart):
    """An accuracy, with its 95 % Wilson interval where the number of points is known."""

    value: float
    low: float | None = None
    high: float | None = None


class AtRow(SchemaPart):
    """The accuracies of one row."""

    at: float
    pgd: Share
    fgsm: Share | None = None
    clean: Share | None = None


class LogEvent(SchemaPart):
    """Something that happened to a run.

    Attributes:
        kind: what.
        at: the time of the first row that shows it; of a slow loss, that of the best row before it.
        earliest: it lies after the row of this time,
        latest: and not after the row of this time.
        confidence: how sure it is.
        reasons: what speaks for it, and why it is no surer.
        before: the last row before it.
        after: the row at `at`; of a slow loss the last one.
        kept: PGD accuracy after it as a share of what there was.
        rise: by how much the ratio of FGSM to PGD accuracy grew; null without FGSM accuracy.
        sentence: for people.
        advice: what to do next; empty where there is nothing to do.
    """

    kind: EventKind
    at: float
    earliest: float
    latest: float
    confidence: Confidence
    reasons: tuple[str, ...]
    before: AtRow
    after: AtRow
    kept: float
    rise: float | None
    sentence: str
    advice: str = ""


class LogCheckpoint(SchemaPart):
    """A checkpoint that somebody may use.

    Attributes:
        choice: "best" (highest PGD accuracy), "last", or the time that was asked for.
        row: the accuracies there.
        state: where it stands.
        sentence: the same for people.
    """

    choice: str
    row: AtRow
    state: Literal["no breakpoint", "before the breakpoint", "after the breakpoint", "after the recovery"]
    sentence: str


class LogRun(SchemaPart):
    """One run of a log.

    Attributes:
        name: of the run.
        key: what tells it from others, by column.
        verdict: how it ended.
        confidence: how sure that is.
        reason: why, and why no surer.
        events: in order of time.
        checkpoint: the one that was chosen.
        best: the row with the highest PGD accuracy.
        last: the last row.
        rows: how many have a PGD accuracy.
        points: test points behind each accuracy; null where that is not known.
        notes: what was done to its rows.
    """

    name: str
    key: dict[str, Cell]
    verdict: LogVerdict
    confidence: Confidence
    reason: str
    events: tuple[LogEvent, ...]
    checkpoint: LogCheckpoint
    best: LogCheckpoint
    last: LogCheckpoint
    rows: int
    points: int | None
    notes: tuple[str, ...]

    @property
    def breakpoints(self) -> tuple[LogEvent, ...]:
        """All of them, also those that the run recovered from."""
        return tuple(event for event in self.events if event.kind == "breakpoint")

    @property
    def recoveries(self) -> tuple[LogEvent, ...]:
        """All of them."""
        return tuple(event for event in self.events if event.kind == "recovery")


class LogDiagnosis(SchemaPart):
    """The diagnosis of a log.

    Attributes:
        schema_version: of these fields.
        source: name of the log.
        columns: which column was taken for what, by part; those that tell runs apart joined by commas.
        guessed: parts whose column was guessed.
        unit: of time: the name of its column.
        classes: number of classes; null where it is not known.
        notes: what was done to all rows.
        runs: the runs, in the order of the log.
    """

    schema_version: Literal[1] = LOG_SCHEMA_VERSION
    source: str
    columns: dict[str, str]
    guessed: tuple[str, ...]
    unit: str
    classes: int | None
    notes: tuple[str, ...]
    runs: tuple[LogRun, ...]

    def table(self) -> pd.DataFrame:
        """One row per run: its key, verdict, breakpoint and recovery (the first ones), and accuracies."""
        import pandas as pd

        rows = []
        for run in self.runs:
            broke, back = (next(iter(events), None) for events in (run.breakpoints, run.recoveries))
            key = run.key or {"run": run.name}
            rows.append({
                **key,
                "verdict": run.verdict,
                "confidence": run.confidence,
                "breakpoints": len(run.breakpoints),
                "breakpoint": None if broke is None else broke.at,
                "earliest": None if broke is None else broke.earliest,
                "latest": None if broke is None else broke.latest,
                "recovered": None if back is None else back.at,
                "best pgd": run.best.row.pgd.value,
                "best at": run.best.row.at,
                "last pgd": run.last.row.pgd.value,
                "checkpoint": run.checkpoint.state,
            })  # fmt: skip
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        runs = {
            run.name: lambda run=run: f"{run.verdict} (confidence: {run.confidence})\n{run.reason}" for run in self.runs
        }
        return facts_html(f"Diagnosis of {self.source}", runs)

    def to_json(self) -> str:
        """The text of `log_diagnosis.json`."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> LogDiagnosis:
        """Inverse of `to_json`.

        Raises:
            DataError: not JSON, another schema version, or fields that do not fit.
        """
        try:
            version = json.loads(text).get("schema_version")
        except (ValueError, AttributeError) as error:
            raise DataError(f"this is no diagnosis of a log: {error}") from None
        if version != LOG_SCHEMA_VERSION:
            raise DataError(
                f"this diagnosis has schema version {version}, and this cotoolkit reads {LOG_SCHEMA_VERSION}"
            )
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise DataError(f"this diagnosis is damaged: {place}: {first['msg']}") from None
