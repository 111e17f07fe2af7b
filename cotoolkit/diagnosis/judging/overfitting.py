"""The questions behind catastrophic overfitting, each answered yes, no, or open where the points do not tell.

Does the network keep its accuracy under one step? Do several steps take it? Is the one step misled? Only yes to all
three is catastrophic overfitting, and only a no to one of them rules it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from cotoolkit.diagnosis import thresholds as at
from cotoolkit.diagnosis.judging.attack_quality import settled
from cotoolkit.diagnosis.measurements import AccuracyRegain, Measurements
from cotoolkit.diagnosis.schema import CO, INCONCLUSIVE, NOT_ROBUST, OURS, ROBUST, Evidence, Label
from cotoolkit.diagnosis.shares import Rate


class Answer(IntEnum):
    """Of a question. `min` of several is their and, `max` their or (Kleene's logic)."""

    NO = 0
    OPEN = 1
    YES = 2


def overfitted(found: Measurements, epsilon: float) -> Answer:
    """Whether the network is catastrophically overfitted at epsilon.

    Args:
        found: all measurements.
        epsilon: radius they were made for.

    Returns:
        Yes, no, or open where the points do not tell.
    """
    return min(fgsm_kept(found, epsilon), pgd_far_below_fgsm(found, epsilon), misled(found, epsilon))


def fgsm_kept(found: Measurements, epsilon: float) -> Answer:
    """FGSM accuracy at epsilon keeps a large part of clean accuracy.

    Args:
        found: all measurements.
        epsilon: radius they were made for.

    Returns:
        Yes, no, or open where the points do not tell.
    """
    return _keeps(found, found.fgsm_at(1, epsilon).accuracy)


def pgd_far_below_fgsm(found: Measurements, epsilon: float) -> Answer:
    """PGD accuracy is below half of FGSM accuracy: after the budget's steps, once converged, or under all attacks.

    Args:
        found: all measurements.
        epsilon: radius they were made for.

    Returns:
        Yes, no, or open where the points do not tell, or where an attack that decides against it still finds more.
    """
    fgsm = found.fgsm_at(1, epsilon).accuracy
    here = _far_below(found.pgd.accuracy, fgsm)
    if here != Answer.NO:
        return here
    if Answer.YES in (_far_below(found.convergence.accuracy[-1], fgsm), _far_below(found.hardest, fgsm)):
        return Answer.YES
    return Answer.NO if settled(found) else Answer.OPEN


def misled(found: Measurements, epsilon: float) -> Answer:
    """Whether the one-step attack is misled: any of the signs that the network has learned to defeat it.

    Args:
        found: all measurements.
        epsilon: radius they were made for.

    Returns:
        Yes, no, or open where the points do not tell.
    """
    above = found.fgsm_at(1, epsilon).accuracy.low > found.clean.accuracy.value
    return max(
        rises(found.radius_rise, at.RISE),
        reaches(found.segment.distorted, at.DISTORTED),
        reaches(found.segment.abnormal, at.ABNORMAL),
        Answer.YES if above else Answer.NO,
    )


def overfitted_elsewhere(found: Measurements, epsilon: float) -> Answer:
    """FGSM accuracy rises to a peak at some radius of the sweep, where PGD accuracy is far below it.

    Args:
        found: all measurements.
        epsilon: radius they were made for.

    Returns:
        Yes, no, or open where the points do not tell.
    """
    rise = found.radius_rise
    peak = found.fgsm_at(rise.strong, epsilon).accuracy
    within = [attack.accuracy for attack in found.pgd_radii if attack.epsilon <= rise.strong * epsilon * (1 + 1e-6)]
    if not within:
        return Answer.NO
    pgd = min(within, key=lambda accuracy: accuracy.value)
    return min(rises(rise, at.FAR_RISE), _keeps(found, peak), _far_below(pgd, peak))


def reaches(rate: Rate, threshold: float) -> Answer:
    """Whether a share is at least a threshold, by its interval.

    Args:
        rate: the share.
        threshold: in [0, 1].

    Returns:
        Yes, no, or open where the points do not tell.
    """
    return _reaches(rate.low, rate.high, threshold)


def rises(rise: AccuracyRegain, size: float) -> Answer:
    """Whether a rise is large and no accident; open where it may be as large.

    Args:
        rise: of accuracy, in a sweep.
        size: least rise that counts, in [0, 1].

    Returns:
        Yes, no, or open where the points do not tell.
    """
    if rise.rise >= size and rise.p_value < at.SIGNIFICANT:
        return Answer.YES
    return Answer.NO if rise.high < size else Answer.OPEN


def evidence(found: Measurements, epsilon: float) -> Iterator[Evidence]:
    """What speaks for and against catastrophic overfitting.

    Args:
        found: all measurements.
        epsilon: radius they were made for.

    Returns:
        One observation after the other.
    """
    yield _on_one_step(found, epsilon)
    yield _on_several_steps(found, epsilon)
    yield from _on_signs(found, epsilon)


def open_questions(found: Measurements, epsilon: float) -> str:
    """What the points do not tell, as the end of a sentence; where nothing at epsilon, about the radius of the peak.

    Args:
        found: all measurements.
        epsilon: radius they were made for.

    Returns:
        Questions joined by "and".
    """
    questions = {
        "how much accuracy FGSM leaves": fgsm_kept(found, epsilon),
        "whether PGD accuracy is far below FGSM accuracy": pgd_far_below_fgsm(found, epsilon),
        "whether FGSM is misled": misled(found, epsilon),
    }
    if min(questions.values()) == Answer.OPEN:
        return " and ".join(question for question, answer in questions.items() if answer == Answer.OPEN)
    return f"whether FGSM is misled at {found.radius_rise.strong:g} times this epsilon"


def _reaches(low: float, high: float, threshold: float) -> Answer:
    return Answer.YES if low >= threshold else Answer.NO if high < threshold else Answer.OPEN


def _keeps(found: Measurements, accuracy: Rate) -> Answer:
    clean = found.clean.accuracy
    share = _reaches(accuracy.low - at.KEPT * clean.high, accuracy.high - at.KEPT * clean.low, 0)
    return min(share, reaches(accuracy, at.floor(found.classes, clean)))


def _far_below(pgd: Rate, fgsm: Rate) -> Answer:
    return _reaches(at.FAR_BELOW * fgsm.low - pgd.high, at.FAR_BELOW * fgsm.high - pgd.low, 0)


def _on_one_step(found: Measurements, epsilon: float) -> Evidence:
    clean, fgsm, holds = found.clean.accuracy, found.fgsm_at(1, epsilon).accuracy, fgsm_kept(found, epsilon)
    least = max(at.KEPT, at.floor(found.classes, clean) / clean.value) if clean.value else at.KEPT
    says, supports, against = {
        Answer.YES: ("the one-step attack fails.", (CO, ROBUST), ()),
        Answer.OPEN: ("the points do not tell whether that is much.", (INCONCLUSIVE,), ()),
        Answer.NO: ("the one-step attack works, so nothing was learned against it.", (NOT_ROBUST,), (CO,)),
    }[holds]
    return Evidence(
        signal="FGSM accuracy, as a share of clean", value=fgsm.value / clean.value if clean.value else 0.0,
        threshold=least, source=f"{OURS}: half, and no less than is called robust", supports=supports, against=against,
        sentence=f"FGSM at epsilon leaves {fgsm.percent} of the points right, of {clean.percent} without attack: "
        + says,
    )  # fmt: skip


def _on_several_steps(found: Measurements, epsilon: float) -> Evidence:
    fgsm, pgd, gone = found.fgsm_at(1, epsilon).accuracy, found.pgd.accuracy, pgd_far_below_fgsm(found, epsilon)
    name = f"{found.pgd.name} leaves"
    if gone != _far_below(pgd, fgsm):
        longest = found.convergence.accuracy[-1]
        enough = _far_below(longest, fgsm) == gone
        pgd = longest if enough else found.hardest
        name = f"PGD with {found.convergence.steps[-1]} steps leaves" if enough else "All attacks together leave"
    supports: tuple[Label, ...] = ()
    against: tuple[Label, ...] = (CO,)
    says = "several steps do not find much more than one."
    if gone == Answer.YES:
        holds = fgsm_kept(found, epsilon) == Answer.YES
        supports, against = ((CO,), (ROBUST, NOT_ROBUST)) if holds else ((), (ROBUST,))
        says = "several steps find what one does not."
    elif gone == Answer.OPEN:
        supports, against, says = (INCONCLUSIVE,), (), "the points do not tell whether several steps find far more."
    return Evidence(
        signal="PGD accuracy, as a share of FGSM's", value=pgd.value / fgsm.value if fgsm.value else 1.0,
        threshold=at.FAR_BELOW, source=f"{OURS}, as the criterion of breakpoints", supports=supports, against=against,
        sentence=f"{name} {pgd.percent} right where FGSM leaves {fgsm.percent}: {says}",
    )  # fmt: skip


def _on_signs(found: Measurements, epsilon: float) -> Iterator[Evidence]:
    """Each sign that the one-step attack is misled, shown or open; or that none shows."""
    rise, between, abnormal = found.radius_rise, found.segment.distorted, found.segment.abnormal
    fgsm, clean = found.fgsm_at(1, epsilon).accuracy, found.clean.accuracy
    shown = {Answer.YES: ((CO,), (ROBUST, NOT_ROBUST)), Answer.OPEN: ((INCONCLUSIVE,), ())}
    grown = rises(rise, at.RISE)
    if grown in shown:
        supports, against = shown[grown]
        says = "the longer step is misled" if grown == Answer.YES else "the points do not tell whether that is chance"
        yield Evidence(
            signal="rise of FGSM accuracy with the radius", value=rise.rise, low=rise.low, high=rise.high,
            threshold=at.RISE, source=f"{OURS}; Kim et al., AAAI 2021, count any", supports=supports, against=against,
            sentence=f"FGSM at {rise.strong:g} epsilon leaves {100 * rise.accuracy:.0f} % right, "
            f"{100 * rise.rise:.0f} points more than at {rise.weak:g} epsilon: {says}.",
        )  # fmt: skip
    for signal, rate, threshold, source, sentence in (
        ("boundary distortion, share of all points", between, at.DISTORTED, f"{OURS}; Kim et al., AAAI 2021, count any",
         f"{between.percent} of the points are right at the image and at its FGSM example, and wrong between"),
        ("abnormal adversarial examples", abnormal, at.ABNORMAL, f"{OURS}, after AAER, NeurIPS 2023",
         f"On {abnormal.percent} of the points FGSM lowers the loss that it should raise"),
    ):  # fmt: skip
        answer = reaches(rate, threshold)
        if answer in shown:
            supports, against = shown[answer]
            unsure = "" if answer == Answer.YES else f": {rate.points} points do not tell whether that is much"
            yield Evidence.of_rate(signal, rate, threshold, source, supports, against, f"{sentence}{unsure}.")
    if fgsm.low > clean.value:
        supports, against = shown[Answer.YES]
        yield Evidence.of_rate(
            "FGSM accuracy above clean accuracy", fgsm, clean.value, "FGSM can only help a network that expects it",
            supports, against, f"More points are right after FGSM ({fgsm.percent}) than without it ({clean.percent}).",
        )  # fmt: skip
    if misled(found, epsilon) == Answer.NO:
        yield Evidence.of_rate(
            "boundary distortion, share of all points", between, at.DISTORTED,
            f"{OURS}; Kim et al., AAAI 2021, count any", (), (CO,),
            f"Hardly a sign that FGSM is misled: {between.percent} of the points are wrong between a right image and a "
            f"right FGSM example, on {abnormal.percent} it lowers the loss, and from one radius to a larger one its "
            f"accuracy rises by at most {100 * rise.rise:.0f} points.",
        )  # fmt: skip
