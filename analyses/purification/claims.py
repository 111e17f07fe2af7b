"""What the theory predicts, as claims on one number per seed: P1-P16, and what follows from them across settings.

Source tags: [S] stated in texts of the paper that could be read, [R-*] recalled, [D] derived here. The theorems are
asymptotic and give directions, not levels: every THRESHOLD IS OURS [M], set from the direction, for the reason that the
claim's source gives, and not moved to make a claim pass. The largest size is judged, with the trend over all sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from analyses.core.claims import ClaimRow, ClaimTable, Measured, claim
from analyses.purification.conditions import (
    FRAGILE,
    FRAGILE_LINF,
    GAIN_LEFT,
    LEARNED,
    MIXED,
    ON,
    PGD_ACCURACY,
    PURE,
    PURIFIED_NET,
    ROBUSTER,
    ROBUSTER_LINF,
    Condition,
    gained_accuracy,
    lost_accuracy,
    part_of,
    ratio_to_clean,
    recovered_share,
)
from analyses.purification.results import Lookup, TheoryResults, Values
from analyses.purification.stages import COURSE_POINTS
from analyses.purification.synthetic_world.baselines import NAMES
from analyses.purification.tables import TheoryTables


def _best_model(at: Lookup) -> Values:
    best: Values = np.max([at(name + way, "accuracy_pgd") for name in NAMES for way in ("", "+on", "+at")], axis=0)
    return best


def _source(tag: str, why: str) -> str:
    """What is the paper's (the tag) and what is ours (why the threshold stands there)."""
    return f"Allen-Zhu & Li, arXiv 2005.10190 [{tag}]; threshold ours: {why}"


def _across(
    key: str,
    statement: str,
    measure: str,
    tag: str,
    why: str,
    value: Callable[[TheoryResults], Measured],
    needs: Collection[str] = (),
    given: Sequence[Condition] = (),
    **rest: Any,
) -> ClaimRow[TheoryResults]:
    """A claim across settings or moments."""
    premises = [condition.row() for condition in given]
    return claim(key, statement, measure, value=value, source=_source(tag, why), needs=needs, premises=premises, **rest)


def _at_size(
    key: str,
    statement: str,
    measure: str,
    tag: str,
    why: str,
    value: Callable[[Lookup], Values],
    given: Sequence[Condition] = (),
    **rest: Any,
) -> ClaimRow[TheoryResults]:
    """A claim about a number that each size has; its premises are asked at the sizes that have that number."""
    return claim(
        key, statement, measure, value=lambda results: results.by_size(value), source=_source(tag, why),
        premises=[condition.row(value) for condition in given], **rest,
    )  # fmt: skip


def _no_gain(name: str) -> ClaimRow[TheoryResults]:
    spoken = name.replace("_", " ")
    learned = Condition(
        "model_learned", f"the {spoken} model learned the labels", f"clean accuracy ({ON})",
        lambda at: at(f"{name}+on", "accuracy_clean"), above=0.75,
    )  # fmt: skip
    return _at_size(
        f"P14-{name.replace('_', '-')}", f"FGM training does nothing for the {spoken} model",
        f"{PGD_ACCURACY}, trained on with FGM minus trained on clean",
        "S", "a fifth of the loss that P6-loss asks for",
        lambda at: at(f"{name}+at", "accuracy_pgd") - at(f"{name}+on", "accuracy_pgd"), below=0.02,
        given=[learned, ROBUSTER],
    )  # fmt: skip


CLEAN = (
    _at_size("P1-accuracy", "Clean training learns the labels", f"clean accuracy ({ON})",
        "S", "nine in ten, where the theorem has nearly all",
        lambda at: at("clean", "accuracy_clean"), above=0.9, null=0.5),
    _at_size("P1-angle", "Clean training takes weights far from where they began", "angle (w0, wc), degrees",
        "S", "halfway to the asymptotic right angle",
        lambda at: at("clean", "angle_initial"), above=45, given=[LEARNED]),
    _at_size("P2-pure", "A living unit is one atom plus little else", "fraction of living units that are pure",
        "R-high", "most",
        lambda at: at("clean", "pure_of_alive"), above=0.5, given=[LEARNED]),
    _at_size("P2-coverage", "Every atom has a unit", "fraction of atoms on top of a pure unit",
        "R-high", "all but one in twenty, where the theorem has all",
        lambda at: at("clean", "coverage"), above=0.95, given=[PURE]),
    _at_size("P3-sign", "The mixture is aligned with the labels", "fraction of pure units with eps > 0",
        "R-med", "all but one in twenty; chance is one half",
        lambda at: at("clean", "epsilon_positive"), above=0.95, null=0.5, given=[PURE]),
    _at_size("P3-density", "The residual of a pure unit is dense, not random",
        "density of the residual, in units of a random one's",
        "R-med", "several times chance",
        lambda at: at("clean", "density_over_null"), above=3, null=1, given=[PURE]),
    _at_size("P3-accumulated", "The units' mixtures add up in one direction", "cosine of the summed residuals with D_w",
        "R-med", "nearly one direction",
        lambda at: at("clean", "accumulated_cosine"), above=0.9, given=[PURE]),
    _at_size("P4-order", "The mixture is of the order k/d", "|log10 of eps/(k/d)|",
        "D, R-med", "within half a power of ten of 1",
        lambda at: np.abs(np.log10(np.maximum(at("clean", "epsilon_over_k_d"), 1e-6))), below=0.5, null=1,
        given=[PURE]),
    _at_size("P5-single", "One unit's mixture alone is harmless",
        f"largest change of clean accuracy ({ON}) by reducing one unit to its atom",
        "R-high", "a twentieth of the loss that P6-loss asks for",
        lambda at: at("edits", "single_edit_change"), below=0.005, given=[MIXED, FRAGILE]),
    _at_size("P6-loss", "The clean net is not robust", f"clean accuracy minus {PGD_ACCURACY} of the clean net",
        "S", "ten points, to a perturbation a fifth of a small active entry",
        lambda at: lost_accuracy(at, "accuracy_pgd"), above=0.1, given=[LEARNED]),
    _at_size("P6-universal", "One direction per label does as much harm to the clean net as FGM",
        f"accuracy under -y D_w minus that under FGM (l2, {ON})",
        "R-high", "a third of the loss that P6-loss asks for",
        lambda at: at("clean", "accuracy_universal") - at("clean", "accuracy_fgm"), below=0.03, given=[FRAGILE]),
    _at_size("P6-random", "A random direction does the clean net no harm",
        f"loss to a random direction, as a share of the loss to FGM (l2, {ON})",
        "D", "a tenth",
        lambda at: part_of(lost_accuracy(at, "accuracy_random"), lost_accuracy(at, "accuracy_fgm")), below=0.1,
        given=[FRAGILE]),
    _at_size("P7-transfer", "Adversarial examples transfer between clean nets",
        f"accuracy on another net's FGM minus on its own (l2, {ON})",
        "R-med", "a third of the loss that P6-loss asks for",
        lambda at: at("second", "transfer_clean") - at("clean", "accuracy_fgm"), below=0.03, given=[FRAGILE]),
    _at_size("P7-cosine", "Independent clean nets have the same perturbations",
        "mean cosine of two nets' FGM perturbations",
        "R-med", "nearly one direction",
        lambda at: at("second", "perturbation_cosine"), above=0.9, given=[FRAGILE]),
)  # fmt: skip
"""Of clean-trained networks: P1-P7."""

PURIFIED = (
    _at_size("P8-mixture", "FGM training removes the mixture", "eps after, in units of before",
        "S", "most of it goes",
        lambda at: ratio_to_clean(at, "fgm", "epsilon"), below=0.5, null=1, given=[MIXED]),
    _at_size("P8-mass", "FGM training removes the mixture's energy", "mix-mass after, in units of before",
        "S", "the square of one half",
        lambda at: ratio_to_clean(at, "fgm", "mass"), below=0.25, null=1, given=[MIXED]),
    _at_size("P8-feature", "The feature stays when FGM training removes the mixture",
        "mean |alpha| after, in units of before",
        "S", "most of it stays",
        lambda at: ratio_to_clean(at, "fgm", "alpha"), above=0.5, given=[PURE, PURIFIED_NET]),
    _at_size("P8-participation", "FGM training turns units into single atoms",
        "participation ratio minus 1, in units of before",
        "S", "most of the excess over one atom goes",
        lambda at: part_of(at("fgm", "participation") - 1, at("clean", "participation") - 1), below=0.5, null=1,
        given=[MIXED]),
    _at_size("P9-angle", "Purifying moves weights less than learning did", "angle (wc, wa) in units of angle (w0, wc)",
        "S", "clearly less than 1",
        lambda at: part_of(at("fgm", "angle_clean"), at("clean", "angle_initial")), below=0.75, null=1,
        given=[ROBUSTER]),
    _at_size("P9-kept", "Purifying keeps most of most units", "fraction of living units with q < 1",
        "S", "most units",
        lambda at: at("fgm", "within_45"), above=0.5, given=[ROBUSTER]),
    _at_size("P10-direction", "What purifying removes is the shared mixture", "|cos| of its top direction with D_w",
        "R-high", "nearly one direction",
        lambda at: at("fgm", "removed_cosine"), above=0.9, given=[PURIFIED_NET]),
    _at_size("P10-share", "One direction stands out of what purifying removes",
        "top share of the removed energy, in units of a random matrix's",
        "R-high; of low rank: S", "several times chance",
        lambda at: at("fgm", "removed_share_over_null"), above=3, null=1, given=[PURIFIED_NET]),
    _at_size("P11-recovery", "FGM training is robust to PGD at its radius",
        f"share of the clean net's loss of {PGD_ACCURACY} won back",
        "S", "most of it, where the theorem has all",
        lambda at: recovered_share(at, "fgm"), above=0.5, given=[FRAGILE]),
    _at_size("P11-gap", "PGD finds nothing in the FGM-trained net that FGM does not",
        f"FGM minus PGD-10 accuracy of the FGM-trained net (l2, {ON})",
        "S", "a tenth of the loss that P6-loss asks for",
        lambda at: at("fgm", "accuracy_fgm") - at("fgm", "accuracy_pgd"), below=0.01, given=[ROBUSTER]),
    _at_size("P11-pgd", "Training with PGD gives nothing more than training with FGM",
        f"{PGD_ACCURACY}, PGD- minus FGM-trained, same steps",
        "D", "a tenth of the loss that P6-loss asks for",
        lambda at: at("pgd", "accuracy_pgd") - at("fgm_short", "accuracy_pgd"), below=0.01,
        given=[Condition(
            "short_gain", "As few steps of FGM training give more than the margin", f"{PGD_ACCURACY} gained",
            lambda at: gained_accuracy(at, "fgm_short", "accuracy_pgd"), above=0.01)]),
    _at_size("P12-mixture", "Clean training for longer does not purify", "eps after, in units of before",
        "R-med", "no fall by as much as a tenth",
        lambda at: ratio_to_clean(at, "clean_on", "epsilon"), above=0.9, null=1, given=[PURIFIED_NET]),
    _at_size("P12-recovery", "Clean training for longer does not make robust",
        f"share of the loss of {PGD_ACCURACY} won back by clean training for longer",
        "R-med", "half of what P11-recovery asks of FGM",
        lambda at: recovered_share(at, "clean_on"), below=0.25, given=[FRAGILE, ROBUSTER]),
    _at_size("P13-cosine", "FGM training turns perturbations away from the dense direction",
        "fall of their mean cosine with -y D_w",
        "R-med", "a tenth of the whole range",
        lambda at: at("clean", "universal_cosine") - at("fgm", "universal_cosine"), above=0.1, given=[ROBUSTER]),
    _at_size("P13-active", "FGM training turns perturbations towards the sample's own atoms",
        "energy on active atoms, in units of before",
        "R-med", "half as much again",
        lambda at: ratio_to_clean(at, "fgm", "active_energy"), above=1.5, null=1, given=[ROBUSTER]),
    *map(_no_gain, NAMES),
    _at_size("P14-best", "No low-complexity model is as robust as the purified net",
        f"{PGD_ACCURACY}, purified net minus the best of them",
        "S", "half of the loss that P6-loss asks for",
        lambda at: at("fgm", "accuracy_pgd") - _best_model(at), above=0.05,
        given=[Condition(
            "models_learned", "All low-complexity models learned the labels", f"lowest clean accuracy ({ON})",
            lambda at: np.min([at(f"{name}+on", "accuracy_clean") for name in NAMES], axis=0), above=0.75)]),
    _at_size("P15-restored", "The mixture put back undoes the purification",
        f"share of the gain in FGM accuracy (l2, {ON}) that is lost",
        "D", "most of it",
        lambda at: part_of(
            at("fgm", "accuracy_fgm") - at("edits", "restored_fgm"),
            at("fgm", "accuracy_fgm") - at("clean", "accuracy_fgm")), above=0.5,
        given=[Condition(
            "fgm_gain", "FGM training gains accuracy under FGM", f"FGM accuracy (l2, {ON}) gained",
            lambda at: gained_accuracy(at, "fgm", "accuracy_fgm"), above=GAIN_LEFT)]),
    _at_size("P15-removed", "The mixture taken out does what training does",
        f"share of the gain in accuracy under -y D_w (l2, {ON}) that is reached",
        "D", "most of it",
        lambda at: part_of(
            at("edits", "removed_universal") - at("clean", "accuracy_universal"),
            at("fgm", "accuracy_universal") - at("clean", "accuracy_universal")), above=0.5,
        given=[Condition(
            "universal_gain", "FGM training gains accuracy under -y D_w", f"accuracy under -y D_w (l2, {ON}) gained",
            lambda at: gained_accuracy(at, "fgm", "accuracy_universal"), above=GAIN_LEFT)]),
    _at_size("P16-mixture", "FGSM training in linf balls removes the mixture too", "eps after, in units of before",
        "R-med", "most of it goes",
        lambda at: ratio_to_clean(at, "linf", "epsilon"), below=0.5, null=1, given=[MIXED]),
    _at_size("P16-recovery", "FGSM training in linf balls is robust to PGD at its radius",
        f"share of the clean net's loss of PGD-10 accuracy (linf, {ON}) won back",
        "R-med", "most of it",
        lambda at: recovered_share(at, "linf", "accuracy_pgd_linf"), above=0.5, given=[FRAGILE_LINF]),
    _at_size("P16-gap", "PGD finds nothing in the FGSM-trained net that FGSM does not",
        f"FGSM minus PGD-10 accuracy of the FGSM-trained net (linf, {ON})",
        "R-med", "a tenth of the loss that P6-loss asks for",
        lambda at: at("linf", "accuracy_fgm_linf") - at("linf", "accuracy_pgd_linf"), below=0.01,
        given=[ROBUSTER_LINF]),
)  # fmt: skip
"""Of adversarial training from clean weights, and of what cannot be purified: P8-P16."""

ACROSS = (
    _across("P4-slope", "The mixture grows in proportion to k/d",
        "|slope - 1| of log eps on log(k/d) over all settings",
        "D, R-med", "nearer to 1 than to the next powers, 1/2 and 3/2",
        TheoryResults.slope_errors, below=0.5, null=1, needs=["grid"], given=[PURE]),
    _across("Q-radius", "The mixture explains the radius at which a net fails",
        "|measured/predicted - 1|, ratio of 50 % radii",
        "D", "a heuristic of orders of magnitude, right within a quarter",
        TheoryResults.radius_errors, below=0.25, null=1, given=[PURIFIED_NET]),
    _across("Q-course", "The mixture falls before robustness rises, or with it",
        f"half-time of the fall minus that of the rise of PGD-10 accuracy (l2, {COURSE_POINTS} fresh samples), "
        "in units of the phase",
        "D", "later by less than a tenth of the phase",
        TheoryResults.lags, below=0.1, given=[PURIFIED_NET, ROBUSTER]),
    _across("Q-window", "Purification gains little where k is too small",
        f"{PGD_ACCURACY} gained at the smallest k, in units of the largest gain",
        "D", "less than half",
        TheoryResults.smallest_k_gains, below=0.5, null=1, needs=["window"], given=[ROBUSTER]),
)  # fmt: skip
"""Of several settings or moments: the slope of P4, radii, the course, the window for k."""

CLAIMS = ClaimTable(
    rows=(*CLEAN, *PURIFIED, *ACROSS),
    read=lambda data: TheoryResults(TheoryTables.unstacked(data)),
    arms=TheoryResults.comparisons,
)
"""All of them, on stacked tables."""
