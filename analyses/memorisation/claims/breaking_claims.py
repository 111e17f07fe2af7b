"""The claims about BAT-style weights and catastrophic overfitting of single-step training.

Sources: [H] a hypothesis of the specification, [R] a choice of it. Runs without a breakpoint are censored at their end.
"""

from __future__ import annotations

import pandas as pd

from analyses.core.claims import ClaimRow, claim
from analyses.core.judging.premises import PREMISE, ROBUST, breakable, breaking
from analyses.memorisation.results import BreakingResults

REACH = 32
"""Iterations before and after a breakpoint at which flags are compared; ours."""

BreakingRow = ClaimRow[BreakingResults]


def _breaks(arm: str, what: str) -> BreakingRow:
    return breaking(what, f"share of seeds with a breakpoint, {arm}", lambda n: n.broke(arm))


def _trains(arm: str) -> BreakingRow:
    return breakable(
        f"training with {arm}",
        f"share of seeds with a breakpoint or a final PGD-10 accuracy on all test images above {ROBUST:g}, {arm}",
        lambda n: n.trained(arm),
    )


_PLAIN_BREAKS = _breaks("plain", "plain FGSM training")


def _delays(key: str, other: str, what: str, source: str = "[R] control") -> BreakingRow:
    return claim(
        key, f"Catastrophic overfitting comes later with BAT-style weights than with {what}",
        f"breakpoint, share of training in restricted mean: weights minus {other}",
        above=0.0, source=source, needs=("weights", other),
        premises=[
            _PLAIN_BREAKS if other == "plain" else _breaks(other, f"training with {other} weights"), _trains("weights"),
        ],
        value=lambda n: n.later("weights", other),
    )  # fmt: skip


def _vanished(n: BreakingResults, arm: str, after: str = "after", before: str = "before") -> pd.Series[float]:
    across = n.across(arm, REACH)
    return across[after] - across[before]


def _flagged_before(arm: str) -> BreakingRow:
    return claim(
        "flagged_before", "Some images are flagged before the breakpoint", f"flagged share, {arm}",
        above=0.05, source=PREMISE, value=lambda n: n.across(arm, REACH)["before"],
    )  # fmt: skip


BREAKING_ROWS: tuple[BreakingRow, ...] = (
    claim(
        "h_minus_switch_off",
        "With catastrophic overfitting of plain FGSM training, flags under its attack vanish: weights would switch "
        "themselves off",
        f"flagged share: {REACH} iterations after the breakpoint minus before",
        below=0.0, source="[H] H-", premises=[_PLAIN_BREAKS, _flagged_before("plain")],
        value=lambda n: _vanished(n, "plain"),
    ),
    claim(
        "h_minus_switch_off_weights", "Flags vanish with catastrophic overfitting of training with weights, too",
        f"flagged share, with weights: {REACH} iterations after the breakpoint minus before",
        below=0.0, source="[H] H-",
        premises=[_breaks("weights", "training with BAT-style weights"), _flagged_before("weights")],
        value=lambda n: _vanished(n, "weights"),
    ),
    claim(
        "h_minus_clean_error",
        "With catastrophic overfitting of plain FGSM training, flags fall to at most 5 points above the clean error",
        "flagged share minus clean error, after the breakpoint",
        below=0.05, source="[H] H-; threshold ours", premises=[_PLAIN_BREAKS, _flagged_before("plain")],
        value=lambda n: _vanished(n, "plain", before="clean_error"),
    ),
    claim(
        "h_minus_pgd", "With catastrophic overfitting of plain FGSM training, more samples would be flagged under PGD",
        f"share flagged under PGD-10: {REACH} iterations after the breakpoint minus before",
        above=0.0, source="[H] H-", premises=[_PLAIN_BREAKS],
        value=lambda n: _vanished(n, "plain", "after_pgd", "before_pgd"),
    ),
    _delays("h_plus_delay", "plain", "plain FGSM training", "[H] H+"),
    _delays("h_plus_permuted", "permuted", "the same weights at random"),
    _delays("h_plus_scaled", "scaled", "the same effect on the learning rate"),
    _delays("h_plus_opposite", "opposite", "weighing down the unflagged"),
    claim(
        "h_plus_alignment",
        "With BAT-style weights gradients inside the ball are better aligned before plain training overfits "
        "catastrophically",
        "gradient alignment at the last look before plain training's breakpoint: weights minus plain",
        above=0.0, source="[H] H+", premises=[_PLAIN_BREAKS], value=lambda n: n.alignment_gain("weights"),
    ),
    claim(
        "atypical_cause_breaks",
        "Without half of the atypical images catastrophic overfitting comes later than without as many typical ones",
        "breakpoint, share of training in restricted mean: without atypical minus without typical",
        above=0.0, source="[H] 5", needs=("without atypical", "without typical"),
        premises=[_breaks("without typical", "training without typical images"), _trains("without atypical")],
        value=lambda n: n.later("without atypical", "without typical"),
    ),
)  # fmt: skip
"""Two hypotheses on catastrophic overfitting: weights delay it (H+), or vanish (H-)."""
