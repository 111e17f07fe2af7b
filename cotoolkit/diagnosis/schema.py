"""What a diagnosis writes down: the schema of `diagnosis.json`, which docs/diagnosis.md explains field by field.

Values that could not be measured are null; no number is nan or infinite. Shares and accuracies are in [0, 1], radii in
[0, 1] pixel units unless a name says otherwise.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from annotated_types import Ge
from pydantic import ValidationError

from cotoolkit.attacks.threat_model import Box
from cotoolkit.core.errors import DataError
from cotoolkit.core.numbers import format_number
from cotoolkit.diagnosis.budget import Budget
from cotoolkit.diagnosis.landscape import AttackWay
from cotoolkit.diagnosis.measurements import Measurements
from cotoolkit.diagnosis.points import PointOutcomes
from cotoolkit.diagnosis.shares import Confidence, Mean, Rate, SchemaPart
from cotoolkit.intake.findings import Finding
from cotoolkit.intake.outputs.probabilities import LinkName
from cotoolkit.runs.html import facts_html

SCHEMA_VERSION = 3
"""Raised whenever a field changes its name or its meaning."""

Label = Literal["robust", "catastrophic overfitting", "gradient masking (other)", "not robust", "inconclusive"]
"""What a verdict can be."""

ROBUST: Label = "robust"
CO: Label = "catastrophic overfitting"
MASKING: Label = "gradient masking (other)"
NOT_ROBUST: Label = "not robust"
INCONCLUSIVE: Label = "inconclusive"

OURS = "ours"
"""The source of a threshold that nobody has published."""


class Evidence(SchemaPart):
    """One observation and what it says.

    Attributes:
        signal: what was observed.
        value: measured.
        low: lower end of its 95 % interval, where it has one.
        high: upper end.
        threshold: it is compared with.
        source: of the threshold.
        supports: verdicts it speaks for.
        against: verdicts it speaks against.
        sentence: what was seen and what follows, for people.
    """

    signal: str
    value: float
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    source: str
    supports: tuple[Label, ...]
    against: tuple[Label, ...]
    sentence: str

    @classmethod
    def of_rate(
        cls,
        signal: str,
        rate: Rate | Mean,
        threshold: float,
        source: str,
        supports: tuple[Label, ...],
        against: tuple[Label, ...],
        sentence: str,
    ) -> Evidence:
        """Of a share or a mean, with its interval.

        Args:
            signal: what was observed.
            rate: its value and interval.
            threshold: it is compared with.
            source: of the threshold.
            supports: verdicts it speaks for.
            against: verdicts it speaks against.
            sentence: what was seen and what follows.

        Returns:
            The observation.
        """
        return cls(
            signal=signal, value=rate.value, low=rate.low, high=rate.high, threshold=threshold, source=source,
            supports=supports, against=against, sentence=sentence,
        )  # fmt: skip


class Verdict(SchemaPart):
    """What the evidence adds up to.

    Attributes:
        label: the verdict.
        confidence: how sure it is.
        reason: why this verdict, and why no surer.
        meaning: of the label, for people who meet it for the first time.
        advice: what to do next.
        floor: the least accuracy under attack that is called robust.
        evidence: all of it, in the order of its weight.
    """

    label: Label
    confidence: Confidence
    reason: str
    meaning: str
    advice: str
    floor: float
    evidence: tuple[Evidence, ...]

    @property
    def speaks_for(self) -> tuple[Evidence, ...]:
        """The evidence that supports this verdict."""
        return tuple(one for one in self.evidence if self.label in one.supports)

    @property
    def speaks_against(self) -> tuple[Evidence, ...]:
        """The evidence against it."""
        return tuple(one for one in self.evidence if self.label in one.against)


class VerdictAt(SchemaPart):
    """The verdict at a radius, from fewer points than a diagnosis takes.

    Attributes:
        epsilon: radius, in [0, 1] units.
        label: the verdict.
        confidence: of it.
        worst: share of points that no attack fools.
    """

    epsilon: float
    label: Label
    confidence: Confidence
    worst: Rate


class VerdictChange(SchemaPart):
    """Between which radii the verdict changes.

    Attributes:
        looked: verdicts at all radii that were looked at, by radius, that of the diagnosis among them.
        low: the largest radius below the change; null where no change was found.
        high: the smallest radius above it.
        below: verdict at `low`.
        above: verdict at `high`.
    """

    looked: tuple[VerdictAt, ...]
    low: float | None
    high: float | None
    below: Label | None
    above: Label | None


class DiagnosisProtocol(SchemaPart):
    """How the numbers were made.

    Attributes:
        epsilon: radius of the linf ball, in [0, 1] units.
        bounds: of the pixels as the model takes them.
        box: how attacks keep to them.
        seed: of every random number.
        budget: what was spent.
        points: images attacked by the cheap attacks.
        few: images attacked by the strong ones, a part of them.
        shape: channels, height, width.
        link: from the model's outputs to what attacks follow; not the identity where the outputs are probabilities.
        cards: protocol cards by hash.
    """

    epsilon: float
    bounds: tuple[float, float]
    box: Box = "box_then_eps"
    seed: int
    budget: Budget
    points: int
    few: int
    shape: tuple[int, int, int]
    link: LinkName
    cards: dict[str, dict[str, Any]]


class Environment(SchemaPart):
    """Where and when.

    Attributes:
        model: class of the network.
        parameters: its number of parameters.
        data: what the images are called, where they have a name.
        device: it ran on.
        versions: of the packages, Python and the machine.
        seconds: the whole diagnosis took.
        forward_passes: images sent forward through the network.
        backward_passes: gradients sent back, one per image.
    """

    model: str
    parameters: int
    data: str
    device: str
    versions: dict[str, str]
    seconds: float
    forward_passes: int
    backward_passes: int


class Diagnosis(SchemaPart):
    """A verdict on one network, with all that led to it.

    Attributes:
        schema_version: of this file; other versions are refused.
        verdict: the answer.
        measurements: the numbers behind it.
        points: which attacks each point withstood.
        ways: what lies between the images and their examples of FGSM and of PGD, few points.
        change: between which radii the verdict changes; null where the budget does not look for that.
        findings: traps that were met on the way.
        protocol: how the numbers were made.
        environment: where.
    """

    schema_version: Annotated[int, Ge(1)] = SCHEMA_VERSION
    verdict: Verdict
    measurements: Measurements
    points: PointOutcomes
    ways: tuple[AttackWay, ...]
    change: VerdictChange | None
    findings: tuple[Finding, ...]
    protocol: DiagnosisProtocol
    environment: Environment

    def __repr__(self) -> str:
        return f"<Diagnosis: {self.verdict.label} (confidence: {self.verdict.confidence})>"

    def __str__(self) -> str:
        return f"{self.verdict.label} (confidence: {self.verdict.confidence}). {self.verdict.reason}"

    def _repr_html_(self) -> str:
        return facts_html(
            "Diagnosis",
            {
                "model": lambda: self.environment.model,
                "verdict": lambda: f"{self.verdict.label} (confidence: {self.verdict.confidence})",
                "reason": lambda: self.verdict.reason,
                "what to do": lambda: self.verdict.advice,
                "epsilon": lambda: f"{format_number(self.protocol.epsilon)} (linf), {self.protocol.points} points",
                "accuracy (95 % interval)": lambda: "\n".join(
                    f"{name}: {one.value:.1%} ({one.low:.1%} to {one.high:.1%})" for name, one in self._rates().items()
                ),
                "speaks for it": lambda: "\n".join(one.sentence for one in self.verdict.speaks_for) or None,
                "speaks against it": lambda: "\n".join(one.sentence for one in self.verdict.speaks_against) or None,
                "met on the way": lambda: "\n".join(one.text for one in self.findings) or None,
            },
        )

    def _rates(self) -> dict[str, Rate]:
        """The four accuracies that say most."""
        found = self.measurements
        fgsm = found.fgsm_at(1, self.protocol.epsilon)
        accuracies = {"clean": found.clean.accuracy, "FGSM": fgsm.accuracy, "PGD": found.pgd.accuracy}
        return {**accuracies, "all attacks": found.hardest}

    def to_json(self) -> str:
        """The text of `diagnosis.json`."""
        return self.model_dump_json(indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Diagnosis:
        """Inverse of `to_json`.

        Raises:
            DataError: not JSON, another schema version, or fields that do not fit.
        """
        try:
            data = json.loads(text)
        except ValueError as error:
            raise DataError(f"this is no diagnosis: not JSON ({error})") from None
        version = data.get("schema_version") if isinstance(data, dict) else None
        if version != SCHEMA_VERSION:
            raise DataError(
                f"this diagnosis has schema version {version}, and this cotoolkit reads {SCHEMA_VERSION}: "
                "diagnose the model again"
            )
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            raise DataError(f"this diagnosis is damaged: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
