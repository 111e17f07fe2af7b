"""From measurements to evidence: what was observed, the threshold it meets, and which verdicts it speaks for."""

from __future__ import annotations

from collections.abc import Iterator

from cotoolkit.diagnosis import thresholds as at
from cotoolkit.diagnosis.measurements import Attack, Duel, Mean, Measurements, Rate, Rise
from cotoolkit.diagnosis.schema import Evidence, Label

CO: Label = "catastrophic overfitting"
MASKING: Label = "gradient masking (other)"
ROBUST: Label = "robust"
NOT_ROBUST: Label = "not robust"
OURS = "ours"


def gather(found: Measurements, epsilon: float) -> tuple[Evidence, ...]:
    """All evidence, that on robustness first, then on catastrophic overfitting, then on masking."""
    return (*_on_robustness(found), *_on_overfitting(found, epsilon), *_on_masking(found))


def learned(found: Measurements) -> bool:
    """Whether clean accuracy may be above what guessing gives."""
    return found.clean.accuracy.high >= at.least_accuracy(found.classes)


def misnumbered(found: Measurements) -> bool:
    """Whether the outputs tell the classes apart, in another order than that of the labels."""
    least = max(at.RENAMED, at.least_accuracy(found.classes))
    return not learned(found) and found.renamed is not None and found.renamed.low >= least


def broken(attack: Attack, found: Measurements) -> bool:
    """Whether an attack alone takes accuracy below the floor, beyond doubt."""
    return attack.accuracy.high < at.floor(found.classes, found.clean.accuracy)


def kept(found: Measurements, epsilon: float) -> bool:
    """FGSM accuracy at epsilon keeps a large part of clean accuracy."""
    accuracy, clean = found.fgsm_at(1, epsilon).accuracy.value, found.clean.accuracy
    return accuracy >= max(at.KEPT * clean.value, at.floor(found.classes, clean))


def collapsed(found: Measurements, epsilon: float) -> bool:
    """PGD accuracy is below half of FGSM accuracy, and far below it."""
    fgsm, pgd = found.fgsm_at(1, epsilon).accuracy, found.pgd.accuracy
    return pgd.value < at.COLLAPSED * fgsm.value and fgsm.value - pgd.value > at.GAP


def collapsed_elsewhere(found: Measurements, epsilon: float) -> bool:
    """FGSM accuracy rises to a peak at some radius of the sweep, where PGD accuracy has collapsed."""
    rise = found.radius_rise
    floor = max(at.floor(found.classes, found.clean.accuracy), at.KEPT * found.clean.accuracy.value)
    within = [attack for attack in found.pgd_radii if attack.epsilon <= rise.strong * epsilon * (1 + 1e-6)]
    pgd = min((attack.accuracy.value for attack in within), default=1.0)
    return significant(rise, at.FAR_RISE) and rise.accuracy >= floor and pgd < at.COLLAPSED * rise.accuracy


def significant(rise: Rise, size: float) -> bool:
    """Whether a rise is large and no accident."""
    return rise.rise >= size and rise.p_value < at.SIGNIFICANT


def misled(found: Measurements, epsilon: float) -> bool:
    """Whether the one-step attack is misled: any of the signs that the network has learned to defeat it."""
    abnormal = found.signal("abnormal_example").mean
    return (
        significant(found.radius_rise, at.RISE)
        or found.segment.distorted.low >= at.DISTORTED
        or (abnormal is not None and abnormal.low >= at.ABNORMAL)
        or found.fgsm_at(1, epsilon).accuracy.low > found.clean.accuracy.value
    )


def hidden(found: Measurements) -> bool:
    """Whether gradients are zero on many correct points."""
    zero = found.masking.zero_gradients
    return zero is not None and zero.low >= at.ZERO_GRADIENTS


def randomised(found: Measurements) -> bool:
    """Whether equal inputs give different outputs."""
    return found.masking.logit_spread > at.RANDOMISED


def beaten(found: Measurements) -> Duel | None:
    """The duel that PGD lost most clearly to an attack that needs no exact gradient; None if it lost none."""
    families = {attack.name: attack.family for attack in found.strong}
    lost = [
        duel
        for duel in found.duels
        if duel.p_value < at.SIGNIFICANT and _net(duel, found) >= at.STRONGER[families[duel.challenger]]
    ]
    return max(lost, key=lambda duel: _net(duel, found), default=None)


def endless(found: Measurements) -> bool:
    """Whether points withstand an attack without a radius."""
    return found.unbounded.accuracy.low > at.UNBOUNDED


def _net(duel: Duel, found: Measurements) -> float:
    return (duel.only_challenger - duel.only_champion) / found.worst.points


def _on_robustness(found: Measurements) -> Iterator[Evidence]:
    clean, worst = found.clean.accuracy, found.worst
    floor, least = at.floor(found.classes, clean), at.least_accuracy(found.classes)
    if not learned(found):
        yield _of(
            "clean accuracy", clean, least, f"{OURS}: twice chance, or halfway to 1", (NOT_ROBUST,),
            (ROBUST, CO, MASKING),
            f"Without any attack {_percent(clean)} of the points are right, no better than guessing among "
            f"{found.classes} classes: there is nothing to attack.",
        )  # fmt: skip
    if found.renamed is not None and misnumbered(found):
        yield _of(
            "clean accuracy with the classes in another order", found.renamed,
            max(at.RENAMED, at.least_accuracy(found.classes)), OURS, ("inconclusive",), (NOT_ROBUST,),
            f"If the outputs stood for other classes, {_percent(found.renamed)} would be right: number the labels as "
            "in the training.",
        )  # fmt: skip
    names = ", ".join(attack.name for attack in found.strong)
    share = f"{_percent(worst)} of {worst.points} points withstand all attacks together ({names})"
    supports: tuple[Label, ...] = ("inconclusive",)
    against: tuple[Label, ...] = ()
    says = "which does not decide: more points are needed."
    if worst.low >= floor:
        supports, against, says = (ROBUST,), (NOT_ROBUST, CO), "enough to be called robust."
    elif worst.high < floor:
        supports, against, says = (NOT_ROBUST, CO), (ROBUST,), "too few to be called robust."
    source = f"{OURS}: the greater of twice chance and a quarter of clean accuracy"
    yield _of("accuracy under all attacks", worst, floor, source, supports, against, f"{share}, {says}")
    if found.autoattack is not None:
        accuracy = found.autoattack.accuracy
        fooled = accuracy.high < floor
        beats = fooled and worst.low >= floor
        yield _of(
            "AutoAttack", accuracy, floor, source,
            (MASKING,) if beats else (NOT_ROBUST, CO) if fooled else (ROBUST,) if accuracy.low >= floor else (),
            (ROBUST,) if fooled else (NOT_ROBUST, CO) if accuracy.low >= floor else (),
            f"{_percent(accuracy)} of {accuracy.points} points withstand AutoAttack ({found.autoattack.version}).",
        )  # fmt: skip


def _on_overfitting(found: Measurements, epsilon: float) -> Iterator[Evidence]:
    clean, fgsm, pgd = found.clean.accuracy, found.fgsm_at(1, epsilon).accuracy, found.pgd.accuracy
    share, least = fgsm.value / clean.value if clean.value else 0.0, at.KEPT
    if clean.value:
        least = max(least, at.floor(found.classes, clean) / clean.value)
    holds = kept(found, epsilon)
    yield Evidence(
        signal="FGSM accuracy, as a share of clean", value=share, threshold=least,
        source=f"{OURS}: half, and no less than is called robust",
        supports=(CO, ROBUST) if holds else (NOT_ROBUST,), against=() if holds else (CO,),
        sentence=f"FGSM at epsilon leaves {_percent(fgsm)} of the points right, of {_percent(clean)} without attack: "
        + ("the one-step attack fails." if holds else "the one-step attack works, so nothing was learned against it."),
    )  # fmt: skip
    gone = collapsed(found, epsilon)
    yield Evidence(
        signal="FGSM accuracy minus PGD accuracy", value=fgsm.value - pgd.value, threshold=at.GAP,
        source=f"{OURS}: over 0.2, and PGD below half of FGSM",
        supports=(CO,) if gone and holds else (),
        against=(ROBUST, NOT_ROBUST) if gone and holds else (ROBUST,) if gone else (CO,),
        sentence=f"{found.pgd.name} leaves {_percent(pgd)} right where FGSM leaves {_percent(fgsm)}: "
        + ("several steps find what one does not." if gone else "several steps do not find much more than one."),
    )  # fmt: skip
    yield from _on_distortion(found, epsilon)
    for name, what in (
        ("gradient_alignment", "the gradients at a point and at a random neighbour in the ball"),
        ("perturbation_alignment", "the FGSM and the PGD perturbation of a point"),
    ):
        mean = found.signal(name).mean
        if mean is not None and mean.high < at.UNALIGNED:
            yield _of(
                name, mean, at.UNALIGNED, f"{OURS}, after Andriushchenko & Flammarion, 2020", (CO,), (ROBUST,),
                f"The cosine of {what} is {mean.value:.2f} on average: they have little in common.",
            )  # fmt: skip
        elif mean is not None and mean.low >= at.ALIGNED:
            yield _of(
                name, mean, at.ALIGNED, f"{OURS}, after Andriushchenko & Flammarion, 2020", (ROBUST, NOT_ROBUST), (CO,),
                f"The cosine of {what} is {mean.value:.2f} on average: they agree.",
            )  # fmt: skip


def _on_distortion(found: Measurements, epsilon: float) -> Iterator[Evidence]:
    """The signs that the one-step attack is misled: each that shows, or that none does."""
    rise, between, abnormal = found.radius_rise, found.segment.distorted, found.signal("abnormal_example").mean
    fgsm, clean = found.fgsm_at(1, epsilon).accuracy, found.clean.accuracy
    signs: tuple[Label, ...] = (CO,)
    if significant(rise, at.RISE):
        yield Evidence(
            signal="rise of FGSM accuracy with the radius", value=rise.rise, threshold=at.RISE,
            source=f"{OURS}; Kim et al., AAAI 2021, count any", supports=signs, against=(ROBUST, NOT_ROBUST),
            sentence=f"FGSM at {rise.strong:g} epsilon leaves {100 * rise.accuracy:.0f} % right, "
            f"{100 * rise.rise:.0f} points more than at {rise.weak:g} epsilon: the longer step is misled.",
        )  # fmt: skip
    if between.low >= at.DISTORTED:
        yield _of(
            "boundary distortion, share of all points", between, at.DISTORTED,
            f"{OURS}; Kim et al., AAAI 2021, count any", signs, (ROBUST, NOT_ROBUST),
            f"{_percent(between)} of the points are right at the image and at its FGSM example, and wrong between.",
        )  # fmt: skip
    if abnormal is not None and abnormal.low >= at.ABNORMAL:
        yield _of(
            "abnormal adversarial examples", abnormal, at.ABNORMAL, f"{OURS}, after AAER, NeurIPS 2023", signs,
            (ROBUST, NOT_ROBUST),
            f"On {100 * abnormal.value:.0f} % of the points FGSM lowers the loss that it should raise.",
        )  # fmt: skip
    if fgsm.low > clean.value:
        yield _of(
            "FGSM accuracy above clean accuracy", fgsm, clean.value, "FGSM can only help a network that expects it",
            signs, (ROBUST, NOT_ROBUST),
            f"More points are right after FGSM ({_percent(fgsm)}) than without it ({_percent(clean)}).",
        )  # fmt: skip
    if not misled(found, epsilon):
        yield _of(
            "boundary distortion, share of all points", between, at.DISTORTED,
            f"{OURS}; Kim et al., AAAI 2021, count any", (), (CO,),
            f"No sign that FGSM is misled: its accuracy does not rise with the radius, {_percent(between)} of the "
            "points are wrong between a right image and a right FGSM example, and it does not lower the loss.",
        )  # fmt: skip


def _on_masking(found: Measurements) -> Iterator[Evidence]:
    champion, masking = found.strong[0], found.masking
    fails = not broken(champion, found)
    duel = beaten(found)
    if duel is not None:
        yield _duel(duel, found, (MASKING,) if fails else (), (ROBUST,))
    elif fails and learned(found):
        best = max(found.duels, key=lambda one: _net(one, found))
        yield _duel(best, found, (ROBUST,), (MASKING,))
    zero = masking.zero_gradients
    if zero is not None and hidden(found):
        yield _of(
            "zero gradients", zero, at.ZERO_GRADIENTS, f"{OURS}; AutoAttack warns of any",
            (MASKING,) if fails else (), (ROBUST,),
            f"{_percent(zero)} of the correct points have a gradient of exactly zero: gradient attacks cannot move.",
        )  # fmt: skip
    if randomised(found):
        yield Evidence(
            signal="spread of repeated outputs", value=masking.logit_spread, threshold=at.RANDOMISED,
            source="AutoAttack's check", supports=(MASKING,), against=(ROBUST,),
            sentence="Equal inputs give different outputs: gradients are random, and so is every accuracy here.",
        )  # fmt: skip
    if learned(found) and endless(found):
        yield _of(
            "accuracy without a radius", found.unbounded.accuracy, at.UNBOUNDED,
            f"{OURS}; Athalye et al., ICML 2018: it must reach 0", (MASKING,), (ROBUST,),
            f"Even when every pixel may take any value, PGD leaves {_percent(found.unbounded.accuracy)} of the points "
            "right: it is the attack that fails.",
        )  # fmt: skip
    if masking.probability_outputs >= at.PROBABILITIES:
        yield Evidence(
            signal="outputs like probabilities", value=masking.probability_outputs, threshold=at.PROBABILITIES,
            source="AutoAttack's check", supports=("inconclusive",), against=(ROBUST,),
            sentence="The outputs lie in [0, 1] and sum to 1: give the network without its softmax, whose saturation "
            "weakens every gradient.",
        )  # fmt: skip
    if significant(found.step_rise, at.RISE):
        rise = found.step_rise
        yield Evidence(
            signal="rise of PGD accuracy with the steps", value=rise.rise, threshold=at.RISE,
            source=f"{OURS}; Carlini et al., 2019: any", supports=(), against=(ROBUST,),
            sentence=f"PGD with {rise.strong:g} steps leaves {100 * rise.rise:.0f} points more right than with "
            f"{rise.weak:g}: more steps should not hurt an attack.",
        )  # fmt: skip


def _duel(duel: Duel, found: Measurements, supports: tuple[Label, ...], against: tuple[Label, ...]) -> Evidence:
    family = next(attack.family for attack in found.strong if attack.name == duel.challenger)
    return Evidence(
        signal=f"{family} attack against PGD", value=_net(duel, found), threshold=at.STRONGER[family],
        source=f"{OURS}; sign test at {at.SIGNIFICANT:g}", supports=supports, against=against,
        sentence=f"{duel.challenger} alone fools {duel.only_challenger} points, {duel.champion} alone "
        f"{duel.only_champion}, of {found.worst.points}: "
        + ("PGD misses what is there." if MASKING in supports or not supports else "PGD misses little."),
    )  # fmt: skip


def _of(
    signal: str,
    rate: Rate | Mean,
    threshold: float,
    source: str,
    supports: tuple[Label, ...],
    against: tuple[Label, ...],
    sentence: str,
) -> Evidence:
    return Evidence(
        signal=signal, value=rate.value, low=rate.low, high=rate.high, threshold=threshold, source=source,
        supports=supports, against=against, sentence=sentence,
    )  # fmt: skip


def _percent(rate: Rate) -> str:
    return f"{100 * rate.value:.{0 if rate.points < 1000 else 1}f} %"
