"""What flags and onsets say of two hypotheses on catastrophic overfitting: weights delay it (H+), or vanish (H-)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyses.core.claims import ClaimResult
from analyses.memorisation.claim_list import ClaimList
from analyses.memorisation.dynamics import across, alignment_gain

REACH = 32
"""Iterations before and after a break at which flags are compared; ours."""


def dynamics_answers(course: pd.DataFrame, onsets: pd.DataFrame) -> list[ClaimResult]:
    """The claims about training that breaks; a run that did not break counts as breaking at its end.

    Args:
        course: of `run_dynamics`.
        onsets: of `run_dynamics`.
    """
    claims = ClaimList()
    broken = across(course, onsets, "plain", REACH)
    claims.below(
        "h_minus_switch_off",
        "when plain FGSM training breaks, flags under its attack vanish: weights would switch themselves off",
        f"flagged share: {REACH} iterations after the break less before",
        broken["after"] - broken["before"],
        "[H] H-",
    )
    weighted = across(course, onsets, "weights", REACH)
    claims.below(
        "h_minus_switch_off_weights",
        "and so they do where training with them breaks",
        f"flagged share, with weights: {REACH} iterations after the break less before",
        weighted["after"] - weighted["before"],
        "[H] H-",
    )
    claims.below(
        "h_minus_clean_error",
        "they fall to within 5 points of the clean error",
        "flagged share less clean error, after the break",
        broken["after"] - broken["clean_error"],
        "[H] H-; threshold ours",
        0.05,
    )
    claims.above(
        "h_minus_pgd",
        "while more samples would be flagged under PGD",
        f"share flagged under PGD-10: {REACH} iterations after the break less before",
        broken["after_pgd"] - broken["before_pgd"],
        "[H] H-",
    )
    by_arm = onsets.assign(onset=onsets["onset"].fillna(onsets["last"])).set_index(["arm", "seed"])

    def later(arm: str, other: str) -> np.ndarray:
        if arm not in by_arm.index or other not in by_arm.index:
            return np.array([])
        share = by_arm["onset"] / by_arm["last"]
        return np.asarray((share[arm] - share[other]).dropna(), dtype=float)

    for key, other, what in (
        ("h_plus_delay", "plain", "plain FGSM training"),
        ("h_plus_permuted", "permuted", "the same weights at random"),
        ("h_plus_scaled", "scaled", "the same effect on the learning rate"),
        ("h_plus_opposite", "opposite", "weighing down the unflagged"),
    ):
        claims.above(
            key,
            f"BAT-style weights delay the break compared with {what}",
            f"share of training until the break: weights less {other}",
            later("weights", other),
            "[H] H+" if other == "plain" else "[R] control",
        )
    claims.above(
        "h_plus_alignment",
        "and gradients inside the ball are better aligned before it",
        "gradient alignment at the last look before plain training breaks: weights less plain",
        alignment_gain(course, onsets, "weights"),
        "[H] H+",
    )
    claims.above(
        "atypical_cause_breaks",
        "without half of the atypical images the break comes later than without as many typical ones",
        "share of training until the break: without atypical less without typical",
        later("without atypical", "without typical"),
        "[H] 5",
    )
    return claims.results
