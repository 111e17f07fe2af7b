"""Two networks on the same points: which points each alone gets right, and whether one has lost what the other has.

The last checkpoint against the best is the use: what a table of best epochs hides.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Unpack

import numpy as np
from torch import nn

from cotoolkit.attacks.threat_model import Box
from cotoolkit.core.device import Device
from cotoolkit.core.errors import DataError
from cotoolkit.core.numbers import format_number
from cotoolkit.diagnosis.budget import Budget
from cotoolkit.diagnosis.diagnose import diagnose
from cotoolkit.diagnosis.points import WORST
from cotoolkit.diagnosis.schema import CO, NOT_ROBUST, ROBUST, Diagnosis, Label
from cotoolkit.diagnosis.shares import Confidence, SchemaPart
from cotoolkit.evaluation.intervals import sign_test, wilson
from cotoolkit.evaluation.relative import Levels, binomial_spread, had_robustness, is_lost, surely_lost
from cotoolkit.intake.door import ModelOptions

Loss = Literal["lost", "may be lost", "not lost", "nothing to lose"]
"""Whether the less robust network has lost what the more robust one has, by `evaluation.relative`: surely; by the
values, and the points do not make it sure; no; or neither is robust, by PGD or by its own diagnosis."""


class PairedRow(SchemaPart):
    """Two networks under one attack, point by point.

    Attributes:
        attack: "clean" is none, "worst" all strong ones together.
        points: how many.
        first: accuracy of the first network.
        second: of the second.
        only_first: points that the first alone gets right.
        only_second: points that the second alone gets right.
        low: lower end of the interval of `second - first`, from the 95 % intervals of the two shares above.
        high: upper end.
        p_value: of McNemar's exact test, two-sided.
    """

    attack: str
    points: int
    first: float
    second: float
    only_first: int
    only_second: int
    low: float
    high: float
    p_value: float


class ComparedVerdict(SchemaPart):
    """What the diagnosis says of one of the two."""

    name: str
    label: Label
    confidence: Confidence


class NetworkComparison(SchemaPart):
    """Two networks on the same points.

    Attributes:
        epsilon: radius of the attacks.
        first: verdict on the first.
        second: verdict on the second.
        rows: per attack.
        loss: whether the less robust one has lost what the other has.
        stronger: name of the network with more PGD accuracy.
        weaker: name of the other.
        sentence: the answer in words, with what to do.
    """

    epsilon: float
    first: ComparedVerdict
    second: ComparedVerdict
    rows: tuple[PairedRow, ...]
    loss: Loss
    stronger: str
    weaker: str
    sentence: str


class ComparedNetworks(NamedTuple):
    """A comparison with the two diagnoses behind it."""

    comparison: NetworkComparison
    first: Diagnosis
    second: Diagnosis

    def __str__(self) -> str:
        return self.comparison.sentence


def compare_networks(
    first: nn.Module,
    second: nn.Module,
    data: Any,
    *,
    epsilon: float | str,
    names: tuple[str, str] = ("first", "second"),
    budget: str | Budget = "quick",
    points: int | None = None,
    autoattack: bool | None = None,
    box: Box = "box_then_eps",
    seed: int = 0,
    device: Device = "auto",
    **takes: Unpack[ModelOptions],
) -> ComparedNetworks:
    """Diagnose two networks on the same points, and compare them point by point.

        compare_networks(last, best, (images, labels), epsilon="8/255").comparison.sentence

    Args:
        first: from images to logits or probabilities; see `diagnose`.
        second: another, which takes the same images.
        data: see `diagnose`.
        epsilon: radius in [0, 1] units; "8/255" is accepted.
        names: of the two, for the answer.
        budget: quick, standard or thorough, or a `Budget`.
        points: images to measure on; None for the budget's number.
        autoattack: whether it looks at what all else left; see `diagnose`.
        box: how attacks keep to the bounds; see `diagnose`.
        seed: of the choice of points and of all random starts, the same for both.
        device: "auto" takes a GPU if there is one.
        takes: mean, std, bounds, forward, binary, of both; see `diagnose`.

    Returns:
        The comparison, and both diagnoses.

    Raises:
        ConfigError: as `diagnose`.
        DataError: data that cannot be measured on.
        ModelError: a network that cannot be measured.
    """
    found = [
        diagnose(
            model,
            data,
            epsilon=epsilon,
            budget=budget,
            points=points,
            autoattack=autoattack,
            box=box,
            seed=seed,
            device=device,
            **takes,
        )
        for model in (first, second)
    ]
    return ComparedNetworks(compare_diagnoses(*found, names=names), *found)


def compare_diagnoses(first: Diagnosis, second: Diagnosis, *, names: tuple[str, str]) -> NetworkComparison:
    """Compare two networks by their diagnoses, which may come from files.

    Args:
        first: of one network.
        second: of the other, at the same radius, on the same points.
        names: of the two networks.

    Returns:
        The comparison.

    Raises:
        DataError: diagnoses under different threat models, or on different points.
    """
    _check_alike(first, second)
    rows = [_row(attack, *pair) for attack, pair in _pairs(first, second).items()]
    had, now = (_levels(one) for one in (first, second))
    best, other = (_verdict(name, one) for name, one in zip(names, (first, second), strict=True))
    if now.pgd > had.pgd:
        had, now, best, other = now, had, other, best
    loss = _loss(now, had, first.measurements.classes, len(first.points.places), best)
    return NetworkComparison(
        epsilon=first.protocol.epsilon,
        first=_verdict(names[0], first),
        second=_verdict(names[1], second),
        rows=tuple(rows),
        loss=loss,
        stronger=best.name,
        weaker=other.name,
        sentence=_sentence(loss, best, other, had, now),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of McNemar's exact test: whether two paired shares differ.

    Args:
        only_first: pairs in which the first alone is right.
        only_second: pairs in which the second alone is right.

    Returns:
        In [0, 1]; 1 where no pair differs.

    >>> mcnemar(0, 5), mcnemar(3, 3)  # 2 / 2**5
    (0.0625, 1.0)
    """
    return min(1.0, 2 * min(sign_test(only_first, only_second), sign_test(only_second, only_first)))


def _check_alike(first: Diagnosis, second: Diagnosis) -> None:
    one, other = first.points, second.points
    radii = [format_number(diagnosis.protocol.epsilon) for diagnosis in (first, second)]
    if radii[0] != radii[1]:
        raise DataError(f"the diagnoses are at radii {radii[0]} and {radii[1]}; compare networks at one radius")
    if first.protocol.box != second.protocol.box:
        raise DataError("the diagnoses have different boxes; compare networks under one threat model")
    if (one.places, one.labels, one.few) != (other.places, other.labels, other.few):
        raise DataError(
            "the diagnoses are on different points; diagnose both networks on the same data with one seed and budget"
        )


def _pairs(first: Diagnosis, second: Diagnosis) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Which points withstand each attack that both networks met, and all strong ones together."""
    one, other = first.points, second.points
    pairs = {attack: (one.on_all(attack), other.on_all(attack)) for attack in one.held if attack in other.held}
    pairs |= {attack: (one.on_few(attack), other.on_few(attack)) for attack in one.few_held if attack in other.few_held}
    return {**pairs, WORST: (one.worst, other.worst)}


def _row(attack: str, first: np.ndarray, second: np.ndarray) -> PairedRow:
    points = len(first)
    lost, gained = int((first & ~second).sum()), int((second & ~first).sum())
    lost_share, gained_share = wilson(lost, points), wilson(gained, points)
    return PairedRow(
        attack=attack,
        points=points,
        first=float(first.mean()),
        second=float(second.mean()),
        only_first=lost,
        only_second=gained,
        low=gained_share[0] - lost_share[1],
        high=gained_share[1] - lost_share[0],
        p_value=mcnemar(lost, gained),
    )


def _levels(found: Diagnosis) -> Levels:
    measured = found.measurements
    fgsm = measured.fgsm_at(1, found.protocol.epsilon).accuracy.value
    return Levels(pgd=measured.pgd.accuracy.value, fgsm=fgsm, clean=measured.clean.accuracy.value)


def _loss(now: Levels, had: Levels, classes: int, points: int, best: ComparedVerdict) -> Loss:
    """By PGD and FGSM accuracy; but of what all attacks together found in the better one, nothing can be lost."""
    if best.label in (CO, NOT_ROBUST) or not had_robustness(had, classes):
        return "nothing to lose"
    if not is_lost(now, had):
        return "not lost"
    sure = surely_lost(now, had, binomial_spread(had, points), measurements=1, behind=1)
    return "lost" if sure else "may be lost"


def _verdict(name: str, found: Diagnosis) -> ComparedVerdict:
    return ComparedVerdict(name=name, label=found.verdict.label, confidence=found.verdict.confidence)


def _sentence(loss: Loss, best: ComparedVerdict, other: ComparedVerdict, had: Levels, now: Levels) -> str:
    stronger, weaker = best.name, other.name
    fell = (
        f"PGD accuracy is {had.pgd:.1%} in {stronger} and {now.pgd:.1%} in {weaker}, FGSM accuracy {had.fgsm:.1%} and "
        f"{now.fgsm:.1%}"
    )
    but = "" if best.label == ROBUST else f", whose own verdict is {best.label}, though"
    return {
        "lost": f"{fell}: {weaker} has lost its robustness, and one step does not see it. Use {stronger}{but}.",
        "may be lost": f"{fell}: {weaker} may have lost its robustness, but so few points do not make it sure. Compare "
        "on more points.",
        "not lost": f"{fell}: neither has lost what the other has by catastrophic overfitting.",
        "nothing to lose": f"{fell}: neither was found robust at this radius ({stronger}: "
        f"{best.label}; {weaker}: {other.label}), so there was nothing to lose; use neither.",
    }[loss]
