"""What must hold of the theory's networks before a claim about them means anything, and the measures it is made of.

A threshold of a condition is ours [M], and asks for no more than the claim that it is named after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analyses.core.claims import ClaimRow, claim
from analyses.purification.results import Lookup, TheoryResults, Values


def part_of(part: Values, whole: Values) -> Values:
    """How much of a whole; nan, which `check` leaves out, for seeds where there is no whole to take a share of."""
    return np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0)


def ratio_to_clean(at: Lookup, stage: str, statistic: str) -> Values:
    """A statistic of a stage in units of the clean net's."""
    return part_of(at(stage, statistic), at("clean", statistic))


def recovered_share(at: Lookup, stage: str, attack: str = "accuracy_pgd") -> Values:
    """Share of the clean net's loss to an attack that a stage wins back; 1 is the clean net's clean accuracy."""
    before = at("clean", attack)
    return part_of(at(stage, attack) - before, at("clean", "accuracy_clean") - before)


def lost_accuracy(at: Lookup, attack: str) -> Values:
    """What an attack takes of the clean net's accuracy."""
    return at("clean", "accuracy_clean") - at("clean", attack)


def gained_accuracy(at: Lookup, stage: str, attack: str) -> Values:
    """Accuracy under an attack that a stage adds to the clean net's."""
    return at(stage, attack) - at("clean", attack)


@dataclass(frozen=True)
class Condition:
    """What must hold of a setting before a claim about it means anything."""

    key: str
    statement: str
    measure: str
    value: Callable[[Lookup], Values]
    above: float | None = None
    below: float | None = None

    def row(self, asked: Callable[[Lookup], Values] | None = None) -> ClaimRow[TheoryResults]:
        """As a premise; of a claim that asks for some numbers, at the sizes that have them."""

        def both(at: Lookup) -> Values:
            if asked is not None:
                asked(at)
            return self.value(at)

        return claim(
            self.key, self.statement, self.measure, above=self.above, below=self.below,
            value=lambda results: results.by_size(both),
        )  # fmt: skip


ON = "at least 2,000 fresh samples"
"""What accuracies of the judged size are taken on."""

PGD_ACCURACY = f"PGD-10 accuracy (l2, {ON})"

LEARNED = Condition(
    "learned", "The clean net learned the labels", f"clean accuracy ({ON})",
    lambda at: at("clean", "accuracy_clean"), above=0.75,
)  # fmt: skip
PURE = Condition(
    "pure", "Most living units of the clean net are one atom plus little else",
    "fraction of living units that are pure", lambda at: at("clean", "pure_of_alive"), above=0.5,
)  # fmt: skip
MIXED = Condition(
    "mixed", "The pure units of the clean net have a dense mixture", "density of the residual, random ones at 1",
    lambda at: at("clean", "density_over_null"), above=3,
)  # fmt: skip


def _fragile(key: str, where: str, accuracy: str, attack: str) -> Condition:
    return Condition(
        key, f"the clean net has accuracy to lose to PGD{where}", f"clean accuracy minus {accuracy} of the clean net",
        lambda at: lost_accuracy(at, attack), above=0.05,
    )  # fmt: skip


def _robuster(key: str, training: str, where: str, accuracy: str, stage: str, attack: str) -> Condition:
    return Condition(
        key, f"{training} training makes the clean net more robust{where}", f"share of the loss of {accuracy} won back",
        lambda at: recovered_share(at, stage, attack), above=0.25,
    )  # fmt: skip


_IN_LINF = " in linf balls", f"PGD-10 accuracy (linf, {ON})"

FRAGILE = _fragile("fragile", "", PGD_ACCURACY, "accuracy_pgd")
FRAGILE_LINF = _fragile("fragile_linf", *_IN_LINF, "accuracy_pgd_linf")
ROBUSTER = _robuster("robuster", "FGM", "", PGD_ACCURACY, "fgm", "accuracy_pgd")
ROBUSTER_LINF = _robuster("robuster_linf", "FGSM", *_IN_LINF, "linf", "accuracy_pgd_linf")
PURIFIED_NET = Condition(
    "purified", "FGM training removes most of the mixture", "eps after, in units of before",
    lambda at: ratio_to_clean(at, "fgm", "epsilon"), below=0.5,
)  # fmt: skip
GAIN_LEFT = 0.02
"""Accuracy, a fifth of the loss that P6-loss asks for, below which no shares of a gain are taken."""
