"""The thresholds of the verdict, each with its source; "ours" where nobody has published one."""

from __future__ import annotations

from cotoolkit.diagnosis.shares import Rate
from cotoolkit.evaluation.relative import OF_CLEAN
from cotoolkit.evaluation.relative import RISE as RISE_LOST

RENAMED = 0.5
"""Accuracy with the outputs renamed, of a network that only guesses, that shows another order of the classes (ours)."""

KEPT = 0.5
"""FGSM accuracy keeps at least this share of clean accuracy after catastrophic overfitting (ours)."""

FAR_BELOW = 1 / RISE_LOST
"""PGD accuracy is below this share of FGSM accuracy after catastrophic overfitting (as our criterion; ours)."""

RISE = 0.1
"""A rise of accuracy from a weaker to a stronger attack that counts, if significant (ours; Kim et al. count any)."""

FAR_RISE = 0.2
"""Rise of FGSM accuracy with the radius that decides alone, where its peak is not at epsilon (ours)."""

DISTORTED = 0.1
"""Share of points between whose correct ends something is wrong that counts (ours; Kim et al. count any)."""

ABNORMAL = 0.1
"""Share of abnormal adversarial examples that counts (ours; AAER: near 0 before the breakpoint, then a surge)."""

TABLE_3 = "C. Gomes, false_sense_of_security, Table 3"
"""ResNet-18 on CIFAR-10 at 8/255: the published values behind some of the thresholds below. Clean training looks there
as a breakpoint does (cosine 0.06, collinearity 0.04, linearisation error 3.9), so none of them decides alone."""

UNALIGNED, ALIGNED = 0.25, 0.5
"""Mean cosine below which gradients are unrelated, above which related (ours).

Andriushchenko & Flammarion saw 0.95 fall below 0.1.
"""

PERTURBATIONS_APART, PERTURBATIONS_ALIKE = 0.48, 0.65
"""Mean cosine of FGSM and PGD perturbations: masked networks have at most the first, robust ones at least the second
(Table 3; 0.07 after a breakpoint)."""

STEPS_APART, STEPS_ALIKE = 0.31, 0.55
"""Collinearity of PGD's steps: masked networks have at most the first, healthy ones at least the second (Table 3).

0.06 after a breakpoint.
"""

STRAIGHT, BENT = 0.43, 2.0
"""Linearisation error: at most the first for healthy networks, at least the second for masked ones (Table 3).

3.4 after a breakpoint.
"""

FALLING = 0.02
"""Share of points that the second half of an attack may fool for the attack to have converged (ours)."""

UNSETTLED = 0.25
"""Share of the points left whose loss may still grow for the attack to have converged (ours).

A point's loss does if it changes by more than 0.05 over 10 steps (I4: Pintor et al., NeurIPS 2022).
"""

UNSTABLE = 0.25
"""Mean change of the loss among near neighbours above which predictions are unstable (ours; its source gives none)."""

CARRIES = 0.65
"""Share of steps for a class that do the opposite of what they mean (ours).

LIET saw 0.82 after a breakpoint at 16/255, and 0.54 at 8/255, where 0.5 is nothing.
"""

SELF_FITTED = 0.25
"""Share of classes that a step away from them leads to, or whose loss falls under it (ours)."""

FAINT = 1e-4
"""Median length of the cross-entropy's input gradient below which PGD follows round-off (ours; Table 3 has 0.02)."""

OVERRATED = 0.1
"""Share of points by which plain PGD may overrate a network before that is told (ours)."""

ZERO_GRADIENTS = 0.1
"""Share of correct points with a zero gradient, or with nan in it, that counts (ours; AutoAttack warns of any zero)."""

BROKEN = 0.1
"""Share of points whose outputs are nan or infinite from which nothing is said of a network (ours)."""

RANDOMISED = 1e-4
"""Spread of repeated outputs above which a network counts as randomised (AutoAttack's check)."""

STRONGER = {"margin": 0.1, "smoothed": 0.05, "black-box": 0.05}
"""Net share of points by which an attack beats PGD that counts as masking, by family (ours).

AutoAttack warns at 0.002 for Square after its white-box attacks. The margin attack gains a few hundredths on PGD on
well trained networks too.
"""

UNBOUNDED = 0.05
"""Accuracy that no attack without a radius may leave (ours; Athalye et al., ICML 2018: it must reach 0)."""

SIGNIFICANT = 0.01
"""p-value of the paired sign tests (ours)."""

ENOUGH, FEW = 100, 30
"""Points behind the deciding number for a verdict to be sure, and to be more than a guess (ours)."""


def least_accuracy(classes: int) -> float:
    """Accuracy that says the network has learned: twice chance, with few classes halfway from chance to 1 (ours)."""
    chance = 1 / classes
    return min(2 * chance, (1 + chance) / 2)


def floor(classes: int, clean: Rate) -> float:
    """Least accuracy under attack called robust: `least_accuracy`, or a quarter of clean accuracy if more (ours).

    Args:
        classes: number of classes.
        clean: accuracy without an attack.

    Returns:
        An accuracy, in [0, 1].
    """
    return max(least_accuracy(classes), OF_CLEAN * clean.value)
