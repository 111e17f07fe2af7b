"""From measurements to evidence: what was observed, the threshold it meets, and which verdicts it speaks for."""

from __future__ import annotations

from collections.abc import Iterator

from cotoolkit.diagnosis import thresholds as at
from cotoolkit.diagnosis.judging import attack_quality, loss_shape, overfitting
from cotoolkit.diagnosis.judging.overfitting import Answer
from cotoolkit.diagnosis.measurements import AttackAccuracy, AttackComparison, Measurements
from cotoolkit.diagnosis.schema import CO, INCONCLUSIVE, MASKING, NOT_ROBUST, OURS, ROBUST, Evidence, Label


def gather(found: Measurements, epsilon: float) -> tuple[Evidence, ...]:
    """All evidence, that on robustness first, then on catastrophic overfitting, then on masking.

    Args:
        found: all measurements.
        epsilon: radius they were made for.

    Returns:
        The evidence, each observation with its threshold.
    """
    return (
        *_on_robustness(found),
        *attack_quality.attack_evidence(found),
        *overfitting.evidence(found, epsilon),
        *loss_shape.shape_evidence(found, epsilon),
        *_on_masking(found),
    )


def learned(found: Measurements) -> bool:
    """Whether clean accuracy may be above what guessing gives."""
    return found.clean.accuracy.high >= at.least_accuracy(found.classes)


def misnumbered(found: Measurements) -> bool:
    """Whether the outputs tell the classes apart, in another order than that of the labels."""
    least = max(at.RENAMED, at.least_accuracy(found.classes))
    return not learned(found) and found.renamed is not None and found.renamed.low >= least


def below_floor(attack: AttackAccuracy, found: Measurements) -> bool:
    """Whether an attack alone takes accuracy below the floor, beyond doubt.

    Args:
        attack: with its accuracy.
        found: all measurements.

    Returns:
        Whether the whole interval lies below the floor.
    """
    return attack.accuracy.high < at.floor(found.classes, found.clean.accuracy)


def hidden(found: Measurements) -> bool:
    """Whether gradients are zero on many correct points."""
    zero = found.masking.zero_gradients
    return zero is not None and zero.low >= at.ZERO_GRADIENTS


def with_nan(found: Measurements) -> bool:
    """Whether gradients have entries that are nan on many correct points."""
    share = found.masking.nan_gradients
    return share is not None and share.low >= at.ZERO_GRADIENTS


def broken_points(found: Measurements) -> int:
    """How many points have outputs that are nan or infinite."""
    return round(found.masking.broken_outputs * found.clean.accuracy.points)


def randomised(found: Measurements) -> bool:
    """Whether equal inputs give different outputs."""
    return found.masking.logit_spread > at.RANDOMISED


def beaten(found: Measurements) -> AttackComparison | None:
    """The duel that PGD lost most clearly to an attack that needs no exact gradient; None if it lost none."""
    families = {attack.name: attack.family for attack in found.strong}
    lost = [
        duel
        for duel in found.duels
        if duel.p_value < at.SIGNIFICANT and _net(duel, found) >= at.STRONGER[families[duel.challenger]]
    ]
    return max(lost, key=lambda duel: _net(duel, found), default=None)


def without_gradients(found: Measurements) -> AttackComparison | None:
    """The duel by which Square or smoothed PGD beats PGD on the cross-entropy and on the margin; None if none does.

    Where the margin alone finds more, the cross-entropy misleads and gradients do not.
    """
    families = {attack.name: attack.family for attack in found.strong}
    by_margin = max((_net(duel, found) for duel in found.duels if families[duel.challenger] == "margin"), default=0.0)
    for duel in found.duels:
        family = families[duel.challenger]
        ahead = _net(duel, found) - max(by_margin, 0.0)
        if family in ("smoothed", "black-box") and duel.p_value < at.SIGNIFICANT and ahead >= at.STRONGER[family]:
            return duel
    return None


def faint(found: Measurements) -> bool:
    """Whether gradients of the cross-entropy are so small that PGD follows round-off."""
    return found.masking.median_gradient is not None and found.masking.median_gradient < at.FAINT


def endless(found: Measurements) -> bool:
    """Whether points withstand an attack without a radius."""
    return found.unbounded.accuracy.low > at.UNBOUNDED


def _net(duel: AttackComparison, found: Measurements) -> float:
    return (duel.only_challenger - duel.only_champion) / found.hardest.points


def _on_robustness(found: Measurements) -> Iterator[Evidence]:
    clean, worst = found.clean.accuracy, found.hardest
    if found.masking.broken_outputs:
        yield Evidence(
            signal="broken outputs", value=found.masking.broken_outputs, threshold=at.BROKEN, source=OURS,
            supports=(INCONCLUSIVE,), against=(ROBUST, CO, MASKING, NOT_ROBUST),
            sentence=f"The outputs are nan or infinite on {broken_points(found)} of {clean.points} points, which count "
            "as wrong: it is the model that fails there, and no attack.",
        )  # fmt: skip
    floor, least = at.floor(found.classes, clean), at.least_accuracy(found.classes)
    if not learned(found):
        yield Evidence.of_rate(
            "clean accuracy", clean, least, f"{OURS}: twice chance, or halfway to 1", (NOT_ROBUST,),
            (ROBUST, CO, MASKING),
            f"Without any attack {clean.percent} of the points are right, no better than guessing among "
            f"{found.classes} classes: there is nothing to attack.",
        )  # fmt: skip
    if found.renamed is not None and misnumbered(found):
        yield Evidence.of_rate(
            "clean accuracy with the classes in another order", found.renamed,
            max(at.RENAMED, at.least_accuracy(found.classes)), OURS, (INCONCLUSIVE,), (NOT_ROBUST,),
            f"If the outputs stood for other classes, {found.renamed.percent} would be right: number the labels as "
            "in the training.",
        )  # fmt: skip
    names = ", ".join(attack.name for attack in (*found.strong, *found.last))
    names += "" if found.autoattack is None else f", AutoAttack {found.autoattack.version}"
    share = f"{worst.percent} of {worst.points} points withstand all attacks together ({names})"
    supports: tuple[Label, ...] = (INCONCLUSIVE,)
    against: tuple[Label, ...] = ()
    says = "which does not decide: more points are needed."
    if worst.low >= floor:
        supports, against, says = (ROBUST,), (NOT_ROBUST, CO), "enough to be called robust."
    elif worst.high < floor:
        supports, against, says = (NOT_ROBUST, CO), (ROBUST,), "too few to be called robust."
    source = f"{OURS}: the greater of twice chance and a quarter of clean accuracy"
    yield Evidence.of_rate("accuracy under all attacks", worst, floor, source, supports, against, f"{share}, {says}")
    if found.autoattack is not None:
        missed, tried = attack_quality.missed_by_ours(found), found.autoattack.tried
        beats = missed >= at.STRONGER["black-box"]
        yield Evidence(
            signal="AutoAttack on what was left", value=missed, threshold=at.STRONGER["black-box"], source=OURS,
            supports=(MASKING,) if beats else (), against=(ROBUST,) if beats else (),
            sentence=f"AutoAttack ({found.autoattack.version}) fools {round(missed * worst.points)} of the {tried} "
            "points that all attacks here left right: "
            + ("they miss what is there." if beats else "they miss little."),
        )  # fmt: skip


def _on_masking(found: Measurements) -> Iterator[Evidence]:
    champion, masking = found.strong[0], found.masking
    fails = not below_floor(champion, found)
    duel = beaten(found)
    if duel is not None:
        yield _comparison(duel, found, (MASKING,) if fails else (), (ROBUST,))
    elif fails and learned(found):
        best = max(found.duels, key=lambda one: _net(one, found))
        yield _comparison(best, found, (ROBUST,), (MASKING,))
    zero = masking.zero_gradients
    if zero is not None and hidden(found):
        yield Evidence.of_rate(
            "zero gradients", zero, at.ZERO_GRADIENTS, f"{OURS}; AutoAttack warns of any",
            (MASKING,) if fails else (), (ROBUST,),
            f"{zero.percent} of the correct points have a gradient of exactly zero: gradient attacks cannot move.",
        )  # fmt: skip
    share = masking.nan_gradients
    if share is not None and with_nan(found):
        yield Evidence.of_rate(
            "nan in gradients", share, at.ZERO_GRADIENTS, OURS, (), (ROBUST,),
            f"{share.percent} of the correct points have nan in their gradient, which attacks take for zero: they may "
            "find less than there is.",
        )  # fmt: skip
    if randomised(found):
        yield Evidence(
            signal="spread of repeated outputs", value=masking.logit_spread, threshold=at.RANDOMISED,
            source="AutoAttack's check", supports=(MASKING,), against=(ROBUST,),
            sentence="Equal inputs give different outputs: gradients are random, and so is every accuracy here.",
        )  # fmt: skip
    if learned(found) and endless(found):
        yield Evidence.of_rate(
            "accuracy without a radius", found.unbounded.accuracy, at.UNBOUNDED,
            f"{OURS}; Athalye et al., ICML 2018: it must reach 0", (MASKING,), (ROBUST,),
            f"Even when every pixel may take any value, PGD leaves {found.unbounded.accuracy.percent} of the points "
            "right: it is the attack that fails.",
        )  # fmt: skip
    if overfitting.rises(found.step_rise, at.RISE) == Answer.YES:
        rise = found.step_rise
        yield Evidence(
            signal="rise of PGD accuracy with the steps", value=rise.rise, threshold=at.RISE,
            source=f"{OURS}; Carlini et al., 2019: any", supports=(), against=(ROBUST,),
            sentence=f"PGD with {rise.strong:g} steps leaves {100 * rise.rise:.0f} points more right than with "
            f"{rise.weak:g}: more steps should not hurt an attack.",
        )  # fmt: skip


def _comparison(
    duel: AttackComparison, found: Measurements, supports: tuple[Label, ...], against: tuple[Label, ...]
) -> Evidence:
    family = next(attack.family for attack in found.strong if attack.name == duel.challenger)
    return Evidence(
        signal=f"{family} attack against PGD", value=_net(duel, found), threshold=at.STRONGER[family],
        source=f"{OURS}; sign test at {at.SIGNIFICANT:g}", supports=supports, against=against,
        sentence=f"{duel.challenger} alone fools {duel.only_challenger} points, {duel.champion} alone "
        f"{duel.only_champion}, of {found.hardest.points}: "
        + ("PGD misses what is there." if MASKING in supports or not supports else "PGD misses little."),
    )  # fmt: skip
