"""How the diagnosis did on the zoo: verdicts against the truth, and accuracies against AutoAttack's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from analyses.diagnosis_zoo.plan import ZooNetwork
from analyses.diagnosis_zoo.records import BUDGETS, DiagnosisRecord, Examined, TruthRecord
from cotoolkit.diagnosis import thresholds as at
from cotoolkit.diagnosis.schema import CO, INCONCLUSIVE, MASKING, NOT_ROBUST, ROBUST, Label
from cotoolkit.diagnosis.shares import Rate
from cotoolkit.evaluation.intervals import exact_bounds, wilson

WITHIN = {"quick": 0.05, "standard": 0.02}
"""Greatest distance of the accuracy under all attacks from AutoAttack's on the same points, by budget."""

INCONCLUSIVE_AT_MOST = 0.1
"""Share of networks on which `standard` may be inconclusive."""

ORDER: tuple[Label, ...] = (ROBUST, CO, MASKING, NOT_ROBUST, INCONCLUSIVE)
"""Of rows and columns of the confusion table."""

Sure = Literal["yes", "no", "open"]
"""Whether a share is beyond a threshold, by its 95 % interval."""


class TrueVerdict(NamedTuple):
    """What a sound diagnosis may say.

    Attributes:
        label: the truth.
        accepted: verdicts that are not wrong: the truth, and what is true besides or cannot be told apart by AutoAttack
            on these points. Inconclusive is never wrong.
    """

    label: Label
    accepted: tuple[Label, ...]


def true_verdict(network: ZooNetwork, truth: TruthRecord) -> TrueVerdict:
    """What a network is, by AutoAttack and by how it was made.

    Hidden gradients make it masked, whatever it withstands; so that, beyond masking, what AutoAttack says may be said,
    too. One-step training makes it catastrophically overfitted where FGSM keeps half of clean accuracy and AutoAttack
    leaves less than half of that. Else it is robust or not, by the floor of the diagnosis.

    Args:
        network: how it was made.
        truth: what it withstands.

    Returns:
        The truth.
    """
    clean, fgsm, robust = (_rate(text) for text in (truth.clean, truth.fgsm, truth.robust))
    stands = _beyond(robust, at.floor(truth.classes, clean))
    collapsed = _collapsed(clean, fgsm, robust) if network.one_step else "no"
    by_floor = {"yes": (ROBUST,), "no": (NOT_ROBUST,), "open": (ROBUST, NOT_ROBUST)}[stands]
    plain = {"yes": (CO,), "no": by_floor, "open": (CO, *by_floor)}[collapsed]
    if network.hides:
        # Whoever sees through what hides the gradients tells what is inside.
        inside = (*plain, CO) if "fgsm" in network.recipe else plain
        return TrueVerdict(MASKING, (MASKING, *inside))
    best = CO if collapsed == "yes" else ROBUST if robust.value >= at.floor(truth.classes, clean) else NOT_ROBUST
    return TrueVerdict(best, plain)


class DiagnosisScore(NamedTuple):
    """How one diagnosis did.

    Attributes:
        network: name.
        kind: what it is meant to be.
        budget: of the diagnosis.
        truth: true verdict.
        accepted: verdicts that are not wrong, joined by " or ".
        verdict: of the diagnosis.
        confidence: of it.
        right: the verdict is accepted, or inconclusive.
        points: on which accuracies are compared.
        clean: accuracy without an attack, on those points.
        fgsm: under one step.
        autoattack: under AutoAttack (the truth).
        pgd: under the diagnosis's strongest PGD alone.
        ours: under all attacks of the diagnosis.
        off: `ours - autoattack`.
        close: `ours` is within the aim of AutoAttack, or the verdict is inconclusive.
        random: answers are random, so that points are fooled by chance.
        seconds: the diagnosis took.
        attack_seconds: AutoAttack took, on its points.
    """

    network: str
    kind: str
    budget: str
    truth: Label
    accepted: str
    verdict: Label
    confidence: str
    right: bool
    points: int
    clean: float
    fgsm: float
    autoattack: float
    pgd: float
    ours: float
    off: float
    close: bool
    random: bool
    seconds: float
    attack_seconds: float


def scores(zoo: Sequence[Examined]) -> pd.DataFrame:
    """A row per network and budget, with the fields of `DiagnosisScore`."""
    rows = [_score(one, one.diagnoses[budget]) for budget in BUDGETS for one in zoo if budget in one.diagnoses]
    return pd.DataFrame(rows, columns=DiagnosisScore._fields)


def made_budgets(table: pd.DataFrame) -> list[str]:
    """Budgets of a table of `scores` at which some network was diagnosed."""
    return [budget for budget in BUDGETS if (table["budget"] == budget).any()]


def confusion(table: pd.DataFrame) -> pd.DataFrame:
    """Verdicts against the truth.

    Args:
        table: of `scores`, of one budget.

    Returns:
        A row per truth, a column per verdict, counts.
    """
    counts = pd.crosstab(table["truth"], table["verdict"])
    counts = counts.reindex(index=ORDER, columns=ORDER, fill_value=0)
    return counts[counts.sum(axis=1) > 0]


class Aim(NamedTuple):
    """What was aimed at, and what came of it.

    Attributes:
        what: in words.
        hits: networks that fail it.
        of: networks that it is about.
        low: lower end of the exact 95 % interval of the share of failures.
        high: upper end.
        most: share of failures that is aimed at.
        reached: the share is at most that.
        which: those that fail it.
    """

    what: str
    hits: int
    of: int
    low: float
    high: float
    most: float
    reached: bool
    which: tuple[str, ...]


def aims(table: pd.DataFrame) -> list[Aim]:
    """All aims, on all networks.

    Args:
        table: of `scores`.

    Returns:
        For each budget: wrong verdicts that are confident, networks called robust that are not, accuracies too far
        from AutoAttack's; and inconclusive verdicts at `standard`.
    """
    found = []
    for budget in made_budgets(table):
        rows = table[table["budget"] == budget]
        wrong, sure = ~rows["right"].astype(bool), rows["confidence"] != "low"
        fooled = (rows["verdict"] == ROBUST) & ~rows["accepted"].str.split(" or ").map(lambda labels: ROBUST in labels)
        found += [
            _aim(f"{budget}: wrong verdicts with high or moderate confidence", rows, wrong & sure, 0.0),
            _aim(f"{budget}: wrong verdicts of any confidence", rows, wrong, 0.0),
            _aim(f"{budget}: called robust, and AutoAttack fools it", rows, fooled, 0.0),
            _aim(
                f"{budget}: further than {100 * WITHIN[budget]:g} points from AutoAttack, and not inconclusive",
                rows, ~rows["close"].astype(bool), 0.0,
            ),
            _aim(f"{budget}: inconclusive", rows, rows["verdict"] == INCONCLUSIVE, INCONCLUSIVE_AT_MOST),
        ]  # fmt: skip
    return found


def _aim(what: str, rows: pd.DataFrame, fails: pd.Series[bool], most: float) -> Aim:
    hits, of = int(fails.sum()), len(rows)
    low, high = exact_bounds(hits, of, 0.025)
    return Aim(what, hits, of, low, high, most, hits <= most * of, tuple(rows.loc[fails, "network"]))


def _score(one: Examined, said: DiagnosisRecord) -> DiagnosisScore:
    truth, true = one.truth, true_verdict(one.network, one.truth)
    where = [truth.places.index(place) for place in said.places]
    clean, fgsm, robust = (_flags(text)[where] for text in (truth.clean, truth.fgsm, truth.robust))
    ours = _flags(said.withstood)
    off = float(ours.mean() - robust.mean())
    inconclusive = said.label == INCONCLUSIVE
    return DiagnosisScore(
        network=one.network.name,
        kind=one.network.kind,
        budget=said.budget,
        truth=true.label,
        accepted=" or ".join(dict.fromkeys(true.accepted)),
        verdict=said.label,
        confidence=said.confidence,
        right=said.label in true.accepted or inconclusive,
        points=len(where),
        clean=float(clean.mean()),
        fgsm=float(fgsm.mean()),
        autoattack=float(robust.mean()),
        pgd=float(_flags(said.pgd).mean()),
        ours=float(ours.mean()),
        off=off,
        close=inconclusive or abs(off) <= WITHIN[said.budget] + 1e-9,
        random=one.network.kind == "random",
        seconds=said.seconds,
        attack_seconds=truth.seconds,
    )


def _collapsed(clean: Rate, fgsm: Rate, robust: Rate) -> Sure:
    """Whether one step fails where AutoAttack succeeds: both questions, each by its intervals."""
    questions = (
        (fgsm.low - at.KEPT * clean.high, fgsm.high - at.KEPT * clean.low),
        (at.FAR_BELOW * fgsm.low - robust.high, at.FAR_BELOW * fgsm.high - robust.low),
    )
    if any(high < 0 for _, high in questions):
        return "no"
    return "yes" if all(low >= 0 for low, _ in questions) else "open"


def _beyond(rate: Rate, threshold: float) -> Sure:
    return "yes" if rate.low >= threshold else "no" if rate.high < threshold else "open"


def _rate(text: str) -> Rate:
    hits = text.count("1")
    low, high = wilson(hits, len(text))
    return Rate(value=hits / len(text), low=low, high=high, points=len(text))


def _flags(text: str) -> np.ndarray:
    return np.array([sign == "1" for sign in text], bool)
