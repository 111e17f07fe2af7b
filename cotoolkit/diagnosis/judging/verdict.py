"""The verdict: a pure function of the measurements.

The order of the questions. Are its outputs numbers? Has the network learned at all? Can its gradients be trusted? Does
one step fail where several succeed, with signs that the one step is misled? Do enough points withstand everything?
"""

from __future__ import annotations

from cotoolkit.diagnosis import thresholds as at
from cotoolkit.diagnosis.judging import evidence as seen
from cotoolkit.diagnosis.judging import overfitting
from cotoolkit.diagnosis.judging.advice import MEANINGS, advice
from cotoolkit.diagnosis.judging.attack_quality import overrated_by, settled
from cotoolkit.diagnosis.judging.overfitting import Answer
from cotoolkit.diagnosis.measurements import Measurements
from cotoolkit.diagnosis.schema import CO, INCONCLUSIVE, MASKING, NOT_ROBUST, ROBUST, Label, Verdict
from cotoolkit.diagnosis.shares import Confidence, Rate


def reach_verdict(found: Measurements, epsilon: float) -> Verdict:
    """What the measurements add up to.

    Args:
        found: all of them.
        epsilon: radius they were made for.

    Returns:
        The verdict, its confidence and reason, and the evidence.
    """
    evidence = seen.gather(found, epsilon)
    label, reason, deciding = _decide(found, epsilon)
    against = [one.signal for one in evidence if label in one.against]
    confidence, doubts = _sureness(found, label, deciding, against, epsilon)
    broken = seen.broken_points(found)
    if broken:
        points = found.clean.accuracy.points
        reason += f" Its outputs are nan or infinite on {broken} of {points} points, which count as wrong."
    return Verdict(
        label=label,
        confidence=confidence,
        reason=f"{reason} {doubts}".strip(),
        meaning=MEANINGS[label],
        advice=advice(found, label),
        floor=at.floor(found.classes, found.clean.accuracy),
        evidence=evidence,
    )


def rests_on_points_left(found: Measurements, epsilon: float) -> bool:
    """Whether a verdict rests on points that attacks left right, so that a stronger attack could overturn it.

    Args:
        found: all measurements, without a second opinion.
        epsilon: radius they were made for.

    Returns:
        Whether the network is called robust, or may be once its attacks have settled.
    """
    label = reach_verdict(found, epsilon).label
    return label in (ROBUST, INCONCLUSIVE) and found.worst.high >= at.floor(found.classes, found.clean.accuracy)


def _decide(found: Measurements, epsilon: float) -> tuple[Label, str, Rate]:
    """The label, why, and the accuracy that decided: the first rule that holds."""
    clean, worst, pgd = found.clean.accuracy, found.hardest, found.pgd.accuracy
    floor = at.floor(found.classes, clean)
    masked, fooled = _masked(found, epsilon), worst.high < floor
    here, elsewhere = overfitting.overfitted(found, epsilon), overfitting.overfitted_elsewhere(found, epsilon)
    rules: list[tuple[bool, Label, str, Rate]] = [
        (found.masking.broken_outputs >= at.BROKEN, INCONCLUSIVE, "Too many of its outputs are no numbers.", clean),
        (seen.misnumbered(found), INCONCLUSIVE,
         "Its outputs tell the classes apart, but in another order than that of the labels: number them alike.", clean),
        (not seen.learned(found), NOT_ROBUST,
         "It classifies no better than guessing, even without an attack: it was never robust.", clean),
        (bool(masked), MASKING, masked, found.strong[0].accuracy),
        (here == Answer.YES, CO,
         "One step no longer fools it, several do, and the one step is misled: it learned to defeat FGSM.", pgd),
        (fooled and elsewhere == Answer.YES, CO,
         f"It defeats one step at {found.radius_rise.strong:g} times this epsilon, and no more than that step.", pgd),
        (here == Answer.OPEN or (fooled and elsewhere == Answer.OPEN), INCONCLUSIVE,
         f"It may be catastrophically overfitted: {pgd.points} points do not tell "
         f"{overfitting.open_questions(found, epsilon)}.", pgd),
        (fooled, NOT_ROBUST, _why_not_robust(found, epsilon), pgd if pgd.high < floor else worst),
        (worst.low < floor, INCONCLUSIVE,
         f"The interval of its accuracy under attack contains the threshold {floor:.2f}.", worst),
        (not settled(found), INCONCLUSIVE, _still_falling(found), worst),
        (True, ROBUST,
         "Enough points withstand every attack, and the attacks that need no gradient find no more.", worst),
    ]  # fmt: skip
    return next((label, reason, deciding) for holds, label, reason, deciding in rules if holds)


def _one_step_alone_fails(found: Measurements, epsilon: float) -> bool:
    """Whether one step leaves much that several take, be it misled or not."""
    answers = overfitting.fgsm_kept(found, epsilon), overfitting.pgd_far_below_fgsm(found, epsilon)
    return all(answer != Answer.NO for answer in answers)


def _why_not_robust(found: Measurements, epsilon: float) -> str:
    """Of a network that attacks fool, why that is no catastrophic overfitting: the first question answered no."""
    misled = overfitting.misled(found, epsilon)
    signs = " Signs that the one step is misled do not change that." if misled == Answer.YES else ""
    if overrated_by(found) >= at.OVERRATED and not seen.below_floor(found.strong[0], found):
        return (
            f"Plain PGD leaves {found.strong[0].accuracy.percent} right, and stronger attacks {found.hardest.percent}: "
            f"PGD overrates it.{signs}"
        )
    if overfitting.fgsm_kept(found, epsilon) == Answer.NO:
        if misled == Answer.NO:
            return "Ordinary attacks fool it, one step among them, and nothing suggests that it ever withstood them."
        return f"Ordinary attacks fool it, one step among them.{signs}"
    if overfitting.pgd_far_below_fgsm(found, epsilon) == Answer.NO:
        return f"Attacks fool it, and plain PGD does not find much more than one step.{signs}"
    return "Several steps fool it. One step may not, but nothing shows that it is misled: it is the weaker attack."


def _still_falling(found: Measurements) -> str:
    """Why the attacks have not settled."""
    run = found.convergence
    if not run.converged:
        return (
            f"PGD had not converged after {run.steps[-1]} steps: their second half took {run.falling.percent} of the "
            f"points{_and_grows(found)}. A larger budget, or AutoAttack, answers it."
        )
    return f"The last attack was still falling: its later half took {found.late.percent} of the points."


def _and_grows(found: Measurements) -> str:
    unsettled = found.convergence.unsettled
    return "" if unsettled is None else f", and its loss still grew on {unsettled.percent} of those left"


def _masked(found: Measurements, epsilon: float) -> str:
    """Why the gradients cannot be trusted, or nothing. Where PGD succeeds all the same, only randomness counts."""
    if seen.below_floor(found.strong[0], found):
        return "Its outputs are random, and so are its gradients." if seen.randomised(found) else ""
    not_overfitted = overfitting.overfitted(found, epsilon) == Answer.NO
    fooled = found.hardest.high < at.floor(found.classes, found.clean.accuracy)
    blind, duel = seen.without_gradients(found), seen.beaten(found)
    zero = "zero, or nan, which attacks take for zero" if seen.with_nan(found) else "zero"
    rules = [
        (seen.hidden(found), f"PGD fails because gradients are {zero}, not because the network is robust."),
        (seen.endless(found), "PGD fails even without a radius: the failure is the attack's."),
        (blind is not None and not_overfitted,
         f"PGD fails on points that {blind.challenger if blind else ''} fools, and so does the margin: gradients lead "
         "astray."),
        (duel is not None and fooled and not_overfitted and seen.faint(found),
         f"PGD fails on points that {duel.challenger if duel else ''} fools: gradients of the cross-entropy vanish."),
        (seen.randomised(found), "Its outputs are random, and so are its gradients."),
    ]  # fmt: skip
    return next((reason for holds, reason in rules if holds), "")


def _sureness(
    found: Measurements, label: Label, deciding: Rate, against: list[str], epsilon: float
) -> tuple[Confidence, str]:
    """How sure the verdict is, and what makes it unsure."""
    doubts = []
    if deciding.points < at.ENOUGH:
        doubts.append(f"it rests on {deciding.points} points")
    if against:
        doubts.append(f"{', '.join(against)} {'speaks' if len(against) == 1 else 'speak'} against it")
    if label == NOT_ROBUST and _one_step_alone_fails(found, epsilon):
        doubts.append("one step alone fails, as after catastrophic overfitting")
    if label == MASKING and seen.randomised(found):
        if found.hardest.low >= at.floor(found.classes, found.clean.accuracy):
            doubts += ["nothing found more than plain PGD did", "the network may be robust besides"]
        elif seen.below_floor(found.strong[0], found):
            doubts.append("plain PGD fools it all the same")
    if label == INCONCLUSIVE:
        return "low", ""
    if not doubts:
        return "high", ""
    low = len(doubts) > 1 or len(against) > 1 or deciding.points < at.FEW
    return "low" if low else "moderate", f"Not surer, because {' and '.join(doubts)}."
