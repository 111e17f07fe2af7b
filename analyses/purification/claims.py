"""What the theory predicts, as claims on one number per seed: P1-P16, and what follows from them across settings.

Source tags: [S] stated in texts of the paper that could be read, [R-*] recalled, [D] derived here. The theorems are
asymptotic and give directions, not levels: every THRESHOLD IS OURS [M], set from the direction, for the reason that the
claim's source gives, and not moved to make a claim pass. The largest size is judged, with the trend over all sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from analyses.core.claims import ClaimRow, ClaimTable, Measured, claim
from analyses.purification.results import Lookup, TheoryResults, Values
from analyses.purification.synthetic_world.baselines import NAMES
from analyses.purification.tables import TheoryTables


def _share(part: Values, whole: Values) -> Values:
    """How much of a whole; nan, which `check` leaves out, for seeds where there is no whole to take a share of."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def _ratio(at: Lookup, stage: str, statistic: str) -> Values:
    """A statistic of a stage in units of the clean net's."""
    return _share(at(stage, statistic), at("clean", statistic))


def _recovered(at: Lookup, stage: str, attack: str = "accuracy_pgd") -> Values:
    """Share of the clean net's loss to an attack that a stage wins back; 1 is the clean net's clean accuracy."""
    before = at("clean", attack)
    return _share(at(stage, attack) - before, at("clean", "accuracy_clean") - before)


def _lost(at: Lookup, attack: str) -> Values:
    """What an attack takes of the clean net's accuracy."""
    return at("clean", "accuracy_clean") - at("clean", attack)


def _best_model(at: Lookup) -> Values:
    best: Values = np.max([at(name + way, "accuracy_pgd") for name in NAMES for way in ("", "+on", "+at")], axis=0)
    return best


def _across(
    key: str,
    statement: str,
    measure: str,
    tag: str,
    why: str,
    value: Callable[[TheoryResults], Measured],
    needs: Collection[str] = (),
    **rest: Any,
) -> ClaimRow[TheoryResults]:
    """A claim whose source tells what is the paper's (the tag) and what is ours (why the threshold stands there)."""
    source = f"Allen-Zhu & Li, arXiv 2005.10190 [{tag}]; threshold ours: {why}"
    return claim(key, statement, measure, value=value, source=source, needs=needs, **rest)


def _at_size(
    key: str, statement: str, measure: str, tag: str, why: str, value: Callable[[Lookup], Values], **rest: Any
) -> ClaimRow[TheoryResults]:
    """The same of a number that each size has."""
    return _across(key, statement, measure, tag, why, lambda results: results.by_size(value), (), **rest)


def _no_gain(name: str) -> ClaimRow[TheoryResults]:
    return _at_size(
        f"P14-{name.replace('_', '-')}", f"FGM training does nothing for the {name.replace('_', ' ')} model",
        "PGD accuracy, trained on with FGM less trained on clean",
        "S", "a fifth of the loss that P6-loss asks for",
        lambda at: at(f"{name}+at", "accuracy_pgd") - at(f"{name}+on", "accuracy_pgd"), below=0.02,
    )  # fmt: skip


CLEAN = (
    _at_size("P1-accuracy", "clean training learns the labels", "clean accuracy",
        "S", "nine in ten, where the theorem has nearly all",
        lambda at: at("clean", "accuracy_clean"), above=0.9, null=0.5),
    _at_size("P1-angle", "weights end far from where they began", "angle (w0, wc), degrees",
        "S", "halfway to the asymptotic right angle",
        lambda at: at("clean", "angle_initial"), above=45),
    _at_size("P2-pure", "a living unit is one atom plus little else", "fraction of living units that are pure",
        "R-high", "most",
        lambda at: at("clean", "pure_of_alive"), above=0.5),
    _at_size("P2-coverage", "every atom has a unit", "fraction of atoms on top of a pure unit",
        "R-high", "all but one in twenty, where the theorem has all",
        lambda at: at("clean", "coverage"), above=0.95),
    _at_size("P3-sign", "the mixture is aligned with the labels", "fraction of pure units with eps > 0",
        "R-med", "all but one in twenty; chance is one half",
        lambda at: at("clean", "epsilon_positive"), above=0.95, null=0.5),
    _at_size("P3-density", "the residual is dense, not random", "density of the residual, in units of a random one's",
        "R-med", "several times chance",
        lambda at: at("clean", "density_over_null"), above=3, null=1),
    _at_size("P3-accumulated", "the units' mixtures add up in one direction", "cosine of the summed residuals with D_w",
        "R-med", "nearly one direction",
        lambda at: at("clean", "accumulated_cosine"), above=0.9),
    _at_size("P4-order", "the mixture is of the order k/d", "|log10 of eps/(k/d)|",
        "D, R-med", "within half a power of ten of 1",
        lambda at: np.abs(np.log10(np.maximum(at("clean", "epsilon_over_k_d"), 1e-6))), below=0.5, null=1),
    _at_size("P5-single", "one unit's mixture alone is harmless",
        "largest change of clean accuracy by reducing one unit to its atom",
        "R-high", "a twentieth of the loss that P6-loss asks for",
        lambda at: at("edits", "single_edit_change"), below=0.005),
    _at_size("P6-loss", "the clean net is not robust", "clean less PGD accuracy of the clean net",
        "S", "ten points, to a perturbation a fifth of a small active entry",
        lambda at: _lost(at, "accuracy_pgd"), above=0.1),
    _at_size("P6-universal", "one direction per label does as much as FGM", "accuracy under -y D_w less that under FGM",
        "R-high", "a third of the loss that P6-loss asks for",
        lambda at: at("clean", "accuracy_universal") - at("clean", "accuracy_fgm"), below=0.03),
    _at_size("P6-random", "a random direction does nothing",
        "loss to a random direction, as a share of the loss to FGM",
        "D", "a tenth",
        lambda at: _share(_lost(at, "accuracy_random"), _lost(at, "accuracy_fgm")), below=0.1),
    _at_size("P7-transfer", "adversarial examples transfer between clean nets",
        "accuracy on another net's FGM less on its own",
        "R-med", "a third of the loss that P6-loss asks for",
        lambda at: at("second", "transfer_clean") - at("clean", "accuracy_fgm"), below=0.03),
    _at_size("P7-cosine", "independent clean nets have the same perturbations",
        "mean cosine of two nets' FGM perturbations",
        "R-med", "nearly one direction",
        lambda at: at("second", "perturbation_cosine"), above=0.9),
)  # fmt: skip
"""Of clean-trained networks: P1-P7."""

PURIFIED = (
    _at_size("P8-mixture", "FGM training removes the mixture", "eps after, in units of before",
        "S", "most of it goes",
        lambda at: _ratio(at, "fgm", "epsilon"), below=0.5, null=1),
    _at_size("P8-mass", "and the mixture's energy", "mix-mass after, in units of before",
        "S", "the square of one half",
        lambda at: _ratio(at, "fgm", "mass"), below=0.25, null=1),
    _at_size("P8-feature", "while the feature stays", "mean |alpha| after, in units of before",
        "S", "most of it stays",
        lambda at: _ratio(at, "fgm", "alpha"), above=0.5),
    _at_size("P8-participation", "so that units become single atoms", "participation ratio less 1, in units of before",
        "S", "most of the excess over one atom goes",
        lambda at: _share(at("fgm", "participation") - 1, at("clean", "participation") - 1), below=0.5, null=1),
    _at_size("P9-angle", "purifying moves weights less than learning did", "angle (wc, wa) in units of angle (w0, wc)",
        "S", "clearly less than 1",
        lambda at: _share(at("fgm", "angle_clean"), at("clean", "angle_initial")), below=0.75, null=1),
    _at_size("P9-kept", "most of most units is kept", "fraction of living units with q < 1",
        "S", "most units",
        lambda at: at("fgm", "within_45"), above=0.5),
    _at_size("P10-direction", "what is removed is the shared mixture", "|cos| of its top direction with D_w",
        "R-high", "nearly one direction",
        lambda at: at("fgm", "removed_cosine"), above=0.9),
    _at_size("P10-share", "and one direction of it stands out",
        "top share of the removed energy, in units of a random matrix's",
        "R-high; of low rank: S", "several times chance",
        lambda at: at("fgm", "removed_share_over_null"), above=3, null=1),
    _at_size("P11-recovery", "FGM training is robust to PGD at its radius",
        "share of the clean net's loss to PGD won back",
        "S", "most of it, where the theorem has all",
        lambda at: _recovered(at, "fgm"), above=0.5),
    _at_size("P11-gap", "PGD finds nothing that FGM does not", "FGM less PGD accuracy of the FGM-trained net",
        "S", "a tenth of the loss that P6-loss asks for",
        lambda at: at("fgm", "accuracy_fgm") - at("fgm", "accuracy_pgd"), below=0.01),
    _at_size("P11-pgd", "training with PGD gives nothing more than FGM",
        "PGD accuracy, PGD- less FGM-trained, same steps",
        "D", "a tenth of the loss that P6-loss asks for",
        lambda at: at("pgd", "accuracy_pgd") - at("fgm_short", "accuracy_pgd"), below=0.01),
    _at_size("P12-mixture", "clean training for longer does not purify", "eps after, in units of before",
        "R-med", "no fall by as much as a tenth",
        lambda at: _ratio(at, "clean_on", "epsilon"), above=0.9, null=1),
    _at_size("P12-recovery", "nor make robust", "share of the loss to PGD won back by clean training for longer",
        "R-med", "half of what P11-recovery asks of FGM",
        lambda at: _recovered(at, "clean_on"), below=0.25),
    _at_size("P13-cosine", "perturbations turn away from the dense direction", "fall of their mean cosine with -y D_w",
        "R-med", "a tenth of the whole range",
        lambda at: at("clean", "universal_cosine") - at("fgm", "universal_cosine"), above=0.1),
    _at_size("P13-active", "and towards the sample's own atoms", "energy on active atoms, in units of before",
        "R-med", "half as much again",
        lambda at: _ratio(at, "fgm", "active_energy"), above=1.5, null=1),
    *map(_no_gain, NAMES),
    _at_size("P14-best", "no low-complexity model reaches the purified net",
        "PGD accuracy, purified net less the best of them",
        "S", "half of the loss that P6-loss asks for",
        lambda at: at("fgm", "accuracy_pgd") - _best_model(at), above=0.05),
    _at_size("P15-restored", "the mixture put back undoes the purification", "share of the gain under FGM that is lost",
        "D", "most of it",
        lambda at: _share(
            at("fgm", "accuracy_fgm") - at("edits", "restored_fgm"),
            at("fgm", "accuracy_fgm") - at("clean", "accuracy_fgm")), above=0.5),
    _at_size("P15-removed", "the mixture taken out does what training does",
        "share of the gain under -y D_w that is reached",
        "D", "most of it",
        lambda at: _share(
            at("edits", "removed_universal") - at("clean", "accuracy_universal"),
            at("fgm", "accuracy_universal") - at("clean", "accuracy_universal")), above=0.5),
    _at_size("P16-mixture", "FGSM training (linf) removes the mixture too", "eps after, in units of before",
        "R-med", "most of it goes",
        lambda at: _ratio(at, "linf", "epsilon"), below=0.5, null=1),
    _at_size("P16-recovery", "and is robust to PGD (linf)", "share of the clean net's loss to PGD (linf) won back",
        "R-med", "most of it",
        lambda at: _recovered(at, "linf", "accuracy_pgd_linf"), above=0.5),
    _at_size("P16-gap", "where PGD finds nothing that FGSM does not", "FGSM less PGD accuracy of the FGSM-trained net",
        "R-med", "a tenth of the loss that P6-loss asks for",
        lambda at: at("linf", "accuracy_fgm_linf") - at("linf", "accuracy_pgd_linf"), below=0.01),
)  # fmt: skip
"""Of adversarial training from clean weights, and of what cannot be purified: P8-P16."""

ACROSS = (
    _across("P4-slope", "the mixture grows in proportion to k/d",
        "|slope - 1| of log eps on log(k/d) over all settings",
        "D, R-med", "nearer to 1 than to the next powers, 1/2 and 3/2",
        TheoryResults.slope_errors, below=0.5, null=1, needs=["grid"]),
    _across("Q-radius", "the mixture explains the radius that breaks a net",
        "|measured/predicted - 1|, ratio of 50 % radii",
        "D", "a heuristic of orders of magnitude, right within a quarter",
        TheoryResults.radius_errors, below=0.25, null=1),
    _across("Q-course", "the mixture falls before robustness rises, or with it",
        "half-time of the fall less that of the rise of PGD accuracy, in units of the phase",
        "D", "later by less than a tenth of the phase",
        TheoryResults.lags, below=0.1),
    _across("Q-window", "purification gains little where k is too small",
        "PGD accuracy gained at the smallest k, in units of the largest gain",
        "D", "less than half",
        TheoryResults.smallest_k_gains, below=0.5, null=1, needs=["window"]),
)  # fmt: skip
"""Of several settings or moments: the slope of P4, radii, the course, the window for k."""

CLAIMS = ClaimTable(
    rows=(*CLEAN, *PURIFIED, *ACROSS),
    read=lambda data: TheoryResults(TheoryTables.unstacked(data)),
    arms=TheoryResults.comparisons,
)
"""All of them, on stacked tables."""
