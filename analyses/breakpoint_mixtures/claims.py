"""The claims: do mixtures fall while training is robust, do they come back at the breakpoint, how, and where?

Nobody has answered these questions before; the statements below are conjectures [M], each with the alternative that a
failed claim supports. Numbers are per seed, then means with 95 % t intervals over seeds. A statistic without a layer is
the mean over layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from analyses.breakpoint_mixtures.networks import NORM_MATCHED
from analyses.breakpoint_mixtures.plan import AFTER, BEFORE, BreakpointPlan
from analyses.breakpoint_mixtures.results import LEAST_FALL, MIXTURE, MIXTURES, BreakpointResults, by_group
from analyses.core.claims import ClaimRow, claim, judge_claims
from analyses.core.judging.premises import OFTEN, PREMISE, ROBUST
from analyses.core.judging.seed_measures import SeedShare
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Tables

_SIBLING = "the PGD network is a sibling of both"
_FALLS = {
    "dense_lineage": "Before catastrophic overfitting FGSM's units are closer to the finished PGD network's than "
    f"standard ones are at the same iteration ({_SIBLING}); alternative: single-step training never purifies",
    "dense_dictionary": "Before catastrophic overfitting FGSM's units are closer to single atoms of the finished PGD "
    f"network than standard ones are ({_SIBLING})",
    "energy_clean_u1": "Before catastrophic overfitting FGSM's units have less of the finished standard network's "
    "common direction than standard ones have at the same iteration (it descends from these: the comparison favours "
    "the claim)",
    "energy_own_u1": "Before catastrophic overfitting FGSM's units have less in common than standard ones have at the "
    "same iteration (no reference network)",
}
_DESCENDS = "the reference descends from the standard network that is compared"
_OURS = "[M] ours"
_PGD = "PGD-10 accuracy on all test images"
_FGSM = "FGSM accuracy on all test images"
_SHARE = f"share of the fall of {_PGD}"
_ACROSS = "change across the breakpoint, FGSM minus N-FGSM"


def _robust(arm: str, offset: int, name: str, when: str) -> ClaimRow[BreakpointResults]:
    return claim(
        f"robust_{arm}", f"{name} is robust {when} the breakpoint", _PGD, above=ROBUST, source=PREMISE,
        value=lambda n: n.at(arm, offset, "accuracy", "pgd-10"),
    )  # fmt: skip


_BEFORE = _robust("fgsm", BEFORE, "FGSM training", "before")
_CONTROL = _robust("n_fgsm", AFTER, "the control, N-FGSM training,", "after")
_REFERENCE = _robust("pgd", AFTER, "the reference, PGD training,", "after")
_COLLAPSE: ClaimRow[BreakpointResults] = claim(
    "collapse", "FGSM training loses robust accuracy across the breakpoint",
    f"share of seeds in which {_PGD} falls by {200 * LEAST_FALL:g} points", above=OFTEN, source=PREMISE,
    value=lambda n: SeedShare(n.collapsed().where(n.jump("fgsm", "accuracy", "pgd-10").notna())),
)  # fmt: skip
_JUMP: ClaimRow[BreakpointResults] = claim(
    "jump", "The FGSM accuracy of FGSM training jumps across the breakpoint", f"rise of {_FGSM}, seeds that collapse",
    above=0.0, source=PREMISE, value=lambda n: n.jump("fgsm", "accuracy", "fgsm").where(n.collapsed()),
)  # fmt: skip
_RETURN: ClaimRow[BreakpointResults] = claim(
    "return", "The mixture of FGSM's units rises across the breakpoint",
    f"rise of {MIXTURES[MIXTURE]}, seeds that collapse",
    above=0.0, source=PREMISE, value=lambda n: n.jump("fgsm", *MIXTURE).where(n.collapsed()),
)  # fmt: skip


def _across(
    key: str,
    statement: str,
    measure: str,
    *,
    value: Callable[[BreakpointResults], pd.Series[float]],
    above: float | None = None,
    below: float | None = None,
    null: float = 0.0,
    premises: Sequence[ClaimRow[BreakpointResults]] = (),
) -> ClaimRow[BreakpointResults]:
    """A claim about catastrophic overfitting, of the seeds that lose robust accuracy; the others have no number."""
    return claim(
        key, statement, f"{measure}, seeds that collapse", above=above, below=below, null=null, source=_OURS,
        premises=(_BEFORE, _COLLAPSE, *premises), value=lambda n: value(n).where(n.collapsed()),
    )  # fmt: skip


def _of_mixture(part: str, statistic: str, name: str) -> tuple[ClaimRow[BreakpointResults], ...]:
    """What is claimed of each measure of mixture; two of them refer to the finished PGD network."""
    reference = [_REFERENCE] if statistic.startswith("dense") else []
    return (
        claim(
            f"falls_{statistic}", _FALLS[statistic], f"{name}: FGSM before the breakpoint minus standard",
            below=0.0, source=_OURS, premises=[_BEFORE, *reference],
            unjudged=_DESCENDS if statistic == "energy_clean_u1" else "",
            value=lambda n: n.minus("fgsm", BEFORE, "standard", BEFORE, part, statistic),
        ),
        _across(
            f"returns_{statistic}",
            f"Mixture comes back with catastrophic overfitting ({name}); alternative: it is no re-mixing",
            f"{name}: {_ACROSS}",
            above=0.0, premises=[_CONTROL, *reference], value=lambda n: n.excess(part, statistic),
        ),
        _across(
            f"more_than_chance_{statistic}",
            "Catastrophic overfitting adds more mixture than a random change of the same size and spectrum "
            f"({name})",
            f"{name}: FGSM after the breakpoint minus the norm-matched control",
            above=0.0, premises=reference,
            value=lambda n: n.minus("fgsm", AFTER, NORM_MATCHED, AFTER, part, statistic),
        ),
    )  # fmt: skip


def _signature(n: BreakpointResults) -> pd.Series[float]:
    edits = ("graft_4", "none", "graft_4_random")
    grafted, before, random = (n.at("fgsm", BEFORE, "edit", f"fgsm_{edit}", "") for edit in edits)
    return grafted - np.maximum(before, random)


def _apart(n: BreakpointResults) -> pd.Series[float]:
    apart = n.half_time("rises", *MIXTURE) - n.half_time("falls", "accuracy", "pgd-10")
    return apart.abs().where(n.fall().notna())


_WEIGHTS_CARRY: ClaimRow[BreakpointResults] = _across(
    "weights_carry_it", "The whole change of the weight matrices reproduces at least half of the collapse", _SHARE,
    above=0.5, value=lambda n: n.collapse_by("graft_full"),
)  # fmt: skip

ROWS: tuple[ClaimRow[BreakpointResults], ...] = (
    *(row for (part, statistic), name in MIXTURES.items() for row in _of_mixture(part, statistic, name)),
    _across(
        "fast", "Catastrophic overfitting takes less than 32 iterations",
        f"iterations from a quarter to three quarters of the fall of {_PGD}",
        below=32.0, null=float(AFTER - BEFORE),
        value=lambda n: n.duration("falls", "accuracy", "pgd-10").where(n.fall().notna()),
    ),
    _across(
        "mixture_keeps_pace",
        "Mixture comes back when robustness goes; alternative: it precedes, follows, or has no part in it",
        f"{MIXTURES[MIXTURE]}: half-time apart from that of {_PGD}, iterations, where both move",
        below=16.0, premises=[_RETURN, _REFERENCE], value=_apart,
    ),
    _across(
        "high_frequencies", "With catastrophic overfitting the input gradient moves to high spatial frequencies",
        f"high-frequency share of the input gradient: {_ACROSS}",
        above=0.0, premises=[_CONTROL],
        value=lambda n: n.excess("features", "input_gradient_high_share"),
    ),
    _across(
        "carrier_in_gradients",
        "With catastrophic overfitting the input gradient turns towards the span of the carriers (in the natural "
        "world, where none was injected, this is the placebo)",
        f"share of the input gradient in the span of the carriers: {_ACROSS}",
        above=0.0, premises=[_CONTROL],
        value=lambda n: n.excess("features", "input_gradient_direction_share"),
    ),
    _across(
        "carrier_in_weights",
        "With catastrophic overfitting the units turn towards what the carriers do to their inputs, more than towards "
        "what carriers with scrambled signs do, which have the same spectrum",
        f"gain for the carrier minus that for the scrambled one: {_ACROSS}",
        above=0.0, premises=[_CONTROL],
        value=lambda n: n.excess("gain", "gain_carrier") - n.excess("gain", "gain_scrambled"),
    ),
    _across(
        "low_rank",
        "The best rank 4 of each layer's change across the breakpoint (of 8 to 64 directions) reproduces at least "
        "half of the collapse; alternative: the change is spread over many directions", _SHARE,
        above=0.5, premises=[_WEIGHTS_CARRY],
        value=lambda n: n.collapse_by("graft_4"),
    ),
    _across(
        "random_graft_harmless",
        "as much change in random directions of rank 4 reproduces less than a tenth of the collapse", _SHARE,
        below=0.1, premises=[_WEIGHTS_CARRY],
        value=lambda n: n.collapse_by("graft_4_random"),
    ),
    _across(
        "signature",
        "The rank 4 change makes FGSM accuracy jump, as catastrophic overfitting does, and more than random directions "
        "do",
        f"{_FGSM} with the rank 4 change minus the larger of those without it and with random directions",
        above=0.0, premises=[_JUMP], value=_signature,
    ),
    _WEIGHTS_CARRY,
    _across(
        "removal_restores",
        "Taking the clean network's common direction out of the overfitted network brings back at least half of "
        "the robustness; alternative: the collapse is carried by other directions", f"{_SHARE} undone",
        above=0.5, value=lambda n: n.recovery_by("remove_clean_u1"),
    ),
    claim(
        "labels_matter",
        "Training on shuffled labels leaves less energy along the finished standard network's common direction "
        "than standard training, which that network descends from",
        "energy along that direction: shuffled minus standard, at the iteration of the breakpoint",
        below=0.0, source=_OURS, unjudged=_DESCENDS,
        value=lambda n: n.minus("shuffled", BEFORE, "standard", BEFORE, "mixtures", "energy_clean_u1"),
    ),
)  # fmt: skip
"""What is claimed of every group; only seeds in which FGSM training has a breakpoint are in its table."""


def judge_breakpoint_mixtures(plan: BreakpointPlan, tables: Tables) -> Mapping[str, list[ClaimResult]]:
    """All claims, about each group in which FGSM training broke.

    Args:
        plan: the study.
        tables: "measures".

    Returns:
        Results by group.
    """
    return {group: judge_claims(ROWS, results) for group, results in by_group(tables["measures"]).items()}
