"""The thresholds of the verdict, each with its source; "ours" where nobody has published one."""

from __future__ import annotations

from cotoolkit.diagnosis.measurements import Rate

RENAMED = 0.5
"""Accuracy with the outputs renamed, of a network that only guesses, that shows another order of the classes (ours)."""

KEPT = 0.5
"""FGSM accuracy keeps at least this share of clean accuracy after catastrophic overfitting (ours)."""

GAP = 0.2
"""FGSM accuracy exceeds PGD accuracy by more than this after catastrophic overfitting (as our monitor; ours)."""

FAR_BELOW = 0.5
"""PGD accuracy is below this share of FGSM accuracy after catastrophic overfitting (as our monitor; ours)."""

RISE = 0.1
"""A rise of accuracy from a weaker to a stronger attack that counts, if significant (ours; Kim et al. count any)."""

FAR_RISE = 0.2
"""Rise of FGSM accuracy with the radius that decides alone, where its peak is not at epsilon (ours)."""

DISTORTED = 0.1
"""Share of points between whose correct ends something is wrong that counts (ours; Kim et al. count any)."""

ABNORMAL = 0.1
"""Share of abnormal adversarial examples that counts (ours; AAER: near 0 before the breakpoint, then a surge)."""

UNALIGNED, ALIGNED = 0.25, 0.5
"""Mean cosine below which gradients or perturbations are unrelated, above which related (ours).

Andriushchenko & Flammarion saw gradient alignment fall from 0.95 to below 0.1, perturbation alignment from 0.8 to 0.05.
"""

ZERO_GRADIENTS = 0.1
"""Share of correct points with a zero gradient that counts (ours; AutoAttack warns of any)."""

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
    return max(least_accuracy(classes), clean.value / 4)
