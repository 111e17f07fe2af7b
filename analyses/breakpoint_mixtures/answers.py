"""What the measures say: do mixtures fall while training is robust, do they come back at the break, how, and where?

Nobody has answered these questions before; the statements below are conjectures [M], each with the alternative that a
failed claim supports. Numbers are per seed, then means with 95 % t intervals over seeds. A statistic without a layer is
the mean over layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from analyses.breakpoint_mixtures.arms import AFTER, BEFORE
from analyses.breakpoint_mixtures.checkpoints import NORM_MATCHED
from analyses.breakpoint_mixtures.lookup import MIXTURE, MIXTURES, Lookup
from analyses.core.claims import Claim, ClaimResult, check

_SIBLING = "the PGD network is a sibling of both"
_FALLS = {
    "dense_lineage": "before the break FGSM's units are closer to the finished PGD network's than standard ones are at "
    f"the same iteration ({_SIBLING}); alternative: single-step training never purifies",
    "dense_dictionary": "before the break FGSM's units are closer to single atoms of the finished PGD network than "
    f"standard ones are ({_SIBLING})",
    "energy_clean_u1": "before the break FGSM's units have less of the finished standard network's common direction "
    "than standard ones have at the same iteration (it descends from these: the comparison favours the claim)",
    "energy_own_u1": "before the break FGSM's units have less in common than standard ones have at the same iteration "
    "(no reference network)",
}

Reading = Callable[[Lookup], "pd.Series[float]"]
"""How to read the number of a claim off the measures: one value per seed."""


class Asked(NamedTuple):
    """A claim and its reading."""

    claim: Claim
    values: Reading


def _less(arm: str, offset: int, other: str, other_offset: int, part: str, statistic: str) -> Reading:
    return lambda look: look.less(arm, offset, other, other_offset, part, statistic)


def _excess(part: str, statistic: str) -> Reading:
    return lambda look: look.excess(part, statistic)


def _asked() -> list[Asked]:
    source = "[M] ours"
    asked = []
    for (part, statistic), name in MIXTURES.items():
        asked += [
            Asked(
                Claim(
                    f"falls_{statistic}",
                    _FALLS[statistic],
                    f"{name}: FGSM before the break less standard",
                    "below",
                    0.0,
                    0.0,
                    source,
                ),
                _less("fgsm", BEFORE, "standard", BEFORE, part, statistic),
            ),
            Asked(
                Claim(
                    f"returns_{statistic}",
                    "mixture comes back at the break; alternative: the break is no re-mixing",
                    f"{name}: change across the break, FGSM less N-FGSM",
                    "above",
                    0.0,
                    0.0,
                    source,
                ),
                _excess(part, statistic),
            ),
            Asked(
                Claim(
                    f"more_than_chance_{statistic}",
                    "the break adds more mixture than a random change of the same size and spectrum",
                    f"{name}: FGSM after the break less the norm-matched control",
                    "above",
                    0.0,
                    0.0,
                    source,
                ),
                _less("fgsm", AFTER, NORM_MATCHED, AFTER, part, statistic),
            ),
        ]
    asked += [
        Asked(
            Claim(
                "fast",
                "PGD accuracy goes from a quarter to three quarters of its fall within 32 iterations",
                "iterations",
                "below",
                32.0,
                float(AFTER - BEFORE),
                source,
            ),
            lambda look: look.duration("falls", "accuracy", "pgd-10").where(look.fall().notna()),
        ),
        Asked(
            Claim(
                "mixture_keeps_pace",
                "mixture comes back when robustness goes; alternative: it precedes, follows, or has no part in it",
                f"{MIXTURES[MIXTURE]}: half-time apart from that of PGD accuracy, iterations, where both move",
                "below",
                16.0,
                0.0,
                source,
            ),
            lambda look: (
                (look.half_time("rises", *MIXTURE) - look.half_time("falls", "accuracy", "pgd-10"))
                .abs()
                .where(look.fall().notna())
            ),
        ),
        Asked(
            Claim(
                "high_frequencies",
                "at the break the input gradient moves to high spatial frequencies",
                "high-frequency share of the input gradient: change across the break, FGSM less N-FGSM",
                "above",
                0.0,
                0.0,
                source,
            ),
            _excess("features", "input_gradient_high_share"),
        ),
        Asked(
            Claim(
                "carrier_in_gradients",
                "at the break the input gradient turns towards the span of the carriers (in the natural world, where "
                "none was injected, this is the placebo)",
                "share of the input gradient in the span of the carriers: change across the break, FGSM less N-FGSM",
                "above",
                0.0,
                0.0,
                source,
            ),
            _excess("features", "input_gradient_direction_share"),
        ),
        Asked(
            Claim(
                "carrier_in_weights",
                "at the break the units turn towards what the carriers do to their inputs, more than towards what "
                "carriers with scrambled signs do, which have the same spectrum",
                "gain for the carrier less that for the scrambled one: change across the break, FGSM less N-FGSM",
                "above",
                0.0,
                0.0,
                source,
            ),
            lambda look: look.excess("gain", "gain_carrier") - look.excess("gain", "gain_scrambled"),
        ),
        Asked(
            Claim(
                "low_rank",
                "the best rank 4 of each layer's change across the break (of 8 to 64 directions) reproduces at least "
                "half of the collapse; alternative: the change is spread over many directions",
                "share of the fall in PGD accuracy",
                "above",
                0.5,
                0.0,
                source,
            ),
            lambda look: look.collapse_by("graft_4"),
        ),
        Asked(
            Claim(
                "random_graft_harmless",
                "the same amount of change in random directions reproduces less than a tenth of it",
                "share of the fall in PGD accuracy",
                "below",
                0.1,
                0.0,
                source,
            ),
            lambda look: look.collapse_by("graft_4_random"),
        ),
        Asked(
            Claim(
                "signature",
                "the rank 4 change makes FGSM accuracy jump, as the break does, and more than random directions do",
                "FGSM accuracy with the rank 4 change less the larger of those without it and with random directions",
                "above",
                0.0,
                0.0,
                source,
            ),
            lambda look: (
                look.at("fgsm", BEFORE, "edit", "fgsm_graft_4", "")
                - np.maximum(
                    look.at("fgsm", BEFORE, "edit", "fgsm_none", ""),
                    look.at("fgsm", BEFORE, "edit", "fgsm_graft_4_random", ""),
                )
            ),
        ),
        Asked(
            Claim(
                "weights_carry_it",
                "the whole change of the weight matrices reproduces at least half of the collapse",
                "share of the fall in PGD accuracy",
                "above",
                0.5,
                0.0,
                source,
            ),
            lambda look: look.collapse_by("graft_full"),
        ),
        Asked(
            Claim(
                "removal_restores",
                "taking the clean network's common direction out of the broken network brings back at least half of "
                "the robustness; alternative: the break is carried by other directions",
                "share of the fall in PGD accuracy undone",
                "above",
                0.5,
                0.0,
                source,
            ),
            lambda look: look.recovery_by("remove_clean_u1"),
        ),
        Asked(
            Claim(
                "labels_matter",
                "training on shuffled labels leaves less energy along the finished standard network's common direction "
                "than standard training, which that network descends from",
                "energy along that direction: shuffled less standard, at the iteration of the break",
                "below",
                0.0,
                0.0,
                source,
            ),
            _less("shuffled", BEFORE, "standard", BEFORE, "mixtures", "energy_clean_u1"),
        ),
    ]
    return asked


def answers(measures: pd.DataFrame, world: str) -> list[ClaimResult]:
    """All claims about one world, checked over its seeds."""
    look = Lookup(measures, world)
    return [check(asked.claim, asked.values(look).to_numpy()) for asked in _asked()]
