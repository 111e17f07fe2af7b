"""The claims that the study checks, by question, each a number per seed; thresholds are ours.

Sources: [P] the paper's abstract; [D] derived; [H] a hypothesis of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from analyses.core.claims import ClaimRow, claim, judge_claims
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Tables
from analyses.holistic_robust.plan import CONTROLS, PLAIN, WRONG_LABELS, HolisticPlan, hr_name
from analyses.holistic_robust.results import HolisticResults, OnsetResults, OverfittingResults

R = TypeVar("R", bound=HolisticResults)

_ON = "{few:.0%} of the data"
_SAME = "the same on a scale that does not grow with the losses"

OVERFITTING: tuple[ClaimRow[OverfittingResults], ...] = (
    claim(
        "at_overfits_more", "adversarial training overfits strongly although standard training barely does",
        f"robust gap G1 of AT less the natural gap G2 of standard training, nats, {_ON}",
        above=0.0, source="[P]", value=lambda n: n.of(n.plain, "G1") - n.of(n.standard, "G2"),
    ),
    claim(
        "at_overfits_more_in_radius", _SAME, f"implied radius G5 of AT less that of standard training, {_ON}",
        above=0.0, source="[D]", value=lambda n: n.less(n.plain, n.standard, "G5"),
    ),
    claim(
        "hr_smaller_gap", "r > 0 protects against robust overfitting",
        f"G1 of HR (r={{strong:g}}) less that of AT, nats, {_ON}",
        below=0.0, source="[P]", value=lambda n: n.less(n.hr, n.plain, "G1"),
    ),
    claim(
        "hr_smaller_radius", _SAME, f"G5 of HR (r={{strong:g}}) less that of AT, {_ON}",
        below=0.0, source="[D]", value=lambda n: n.less(n.hr, n.plain, "G5"),
    ),
    claim(
        "hr_keeps_its_best", "r > 0 loses less of its best robust accuracy by the end",
        f"best minus last G4, HR (r={{strong:g}}) less AT, {_ON}",
        below=0.0, source="[P]", value=lambda n: n.less(n.hr, n.plain, "G4"),
    ),
    claim(
        "hr_more_robust", "HR is more robust than AT",
        f"final PGD-20 test accuracy, HR (r={{strong:g}}) less AT, {_ON}",
        above=0.0, source="[P]", value=lambda n: n.less(n.hr, n.plain, "test_accuracy"),
    ),
    claim(
        "radius_falls_with_data", "the implied radius of AT falls about like 1/n",
        "power of 1/n between {few:.0%} and 100% of the data",
        above=0.5, source="[D]; threshold ours", needs=(f"{PLAIN}, 100%",), value=lambda n: n.power(),
    ),
    claim(
        "gradient_gap_explains", "the robust gap grows with the gap of the input gradients' norm",
        f"slope of G1 - G2 on epsilon G3 over the training of AT, {_ON}",
        above=0.0, source="[D]", value=lambda n: n.of(n.plain, "G3_slope"),
    ),
    claim(
        "nominal_bound", "the HR loss on all training data, with the training r, bounds the loss on test data",
        f"G6 of HR (r={{strong:g}}), W = 10 nats, {_ON}",
        above=0.0, source="[P]", value=lambda n: n.of(n.hr, "G6"),
    ),
    claim(
        "seen_bound_fails", "with W the largest training loss, as in the released code, it does not",
        f"G6 of HR (r={{strong:g}}), W the largest training loss, {_ON}",
        below=0.0, source="[D]", value=lambda n: n.of(n.hr, "G6_seen"),
    ),
    claim(
        "certificate", "the held-out certificate is not below the loss on other data",
        "certificate of the clipped cross-entropy less the mean on the other half, mean over arms",
        above=0.0, source="[D]", value=lambda n: n.mean_by_seed("loss_certificate", "loss_held"),
    ),
)  # fmt: skip
"""Robust overfitting, at the smallest share of the data unless they say otherwise."""

_ALPHA = f"alpha={WRONG_LABELS:g}"
_RIGHT, _TRIM = hr_name(0, WRONG_LABELS), f"trim {WRONG_LABELS:g}"

POISON: tuple[ClaimRow[HolisticResults], ...] = (
    claim(
        "alpha_resists_poison", "HR with the right alpha is more robust than AT on poisoned data",
        f"PGD-20 test accuracy, {_ALPHA} less AT, {WRONG_LABELS:.0%} wrong labels",
        above=0.0, source="[P]", value=lambda n: n.less(_RIGHT, PLAIN, "accuracy"),
    ),
    claim(
        "alpha_weighs_poison_up", "alpha does not down-weight poison but the opposite",
        f"HR's weight on wrong labels ({_ALPHA}) less their share, on AT's finished network",
        above=0.0, source="[D]",
        value=lambda n: (n.of(PLAIN, "poison_weight") - n.of(PLAIN, "poison_share")).round(12),
    ),
    claim(
        "trimming_resists_better", "leaving the highest losses out, the opposite of alpha, resists poison better",
        f"PGD-20 test accuracy, trimming less {_ALPHA}",
        above=0.0, source="[D]", value=lambda n: n.less(_TRIM, _RIGHT, "accuracy"),
    ),
)  # fmt: skip
"""Wrong labels."""


def _delays(control: str) -> ClaimRow[OnsetResults]:
    return claim(
        f"delays_{control}", f"{{hr}} breaks later than the control {control}", "iterations, paired by seed",
        above=0.0, source="[H]", needs=(control,), value=lambda n: n.later(control),
    )  # fmt: skip


ONSET: tuple[ClaimRow[OnsetResults], ...] = (
    claim(
        "delays_plain", "{hr} breaks later than FGSM", "iterations, paired by seed",
        above=0.0, source="[H]", value=lambda n: n.later(),
    ),
    *(_delays(control) for control in CONTROLS),
    claim(
        "abnormal_lose_weight", "HR takes weight from samples whose loss the attack lowered",
        "their weight less their share, the 60 iterations before the break, mean over HR arms that break",
        below=0.0, source="[H]", value=lambda n: n.abnormal_excess(),
    ),
    claim(
        "value_stops_bounding", "after the break the worst case over FGSM losses is below the mean robust loss",
        "V of FGSM losses ({hr}) less the mean of PGD-20 losses, training images, mean over broken HR runs",
        below=0.0, source="[D]", value=lambda n: n.value_excess(),
    ),
)  # fmt: skip
"""The breakpoint of single-step training; differences of onsets are paired by seed, censored at the end of training."""

DECISIVE = ("delays_plain", "delays_permuted", "delays_norm_matched")
"""HR "delays" the break only if all of these hold."""


def outcome(results: Sequence[ClaimResult]) -> str:
    """What HR may be said to do to the break, in the words that were fixed before it was run.

    Args:
        results: of the claims `ONSET`.

    Returns:
        "delays", "hastens", "no effect shown" or "explained by effective batch or step size".
    """
    by_key = {result.claim.key: result for result in results}
    plain, *controls = (by_key.get(key) for key in DECISIVE)
    if plain is not None and plain.verdict == "fails":
        return "hastens"
    if plain is None or not plain.established:
        return "no effect shown"
    held = all(one is not None and one.established for one in controls)
    return "delays" if held else "explained by effective batch or step size"


def judge_holistic(plan: HolisticPlan, tables: Tables) -> Mapping[str, list[ClaimResult]]:
    """The claims about every group of the plan.

    Args:
        plan: the study.
        tables: of its groups (`collect_holistic`).

    Returns:
        Results by question.
    """
    found = {}
    if "overfitting" in plan.groups:
        found["robust overfitting"] = _judged(OVERFITTING, OverfittingResults(tables["ends"]))
    if "poison" in plan.groups:
        found["poison"] = _judged(POISON, HolisticResults(tables["wrong_labels"]))
    if "onset" in plan.groups:
        results = OnsetResults(tables["onsets"], tables["weights"], plan.matched)
        found["catastrophic overfitting"] = _judged(ONSET, results)
    return found


def _judged(rows: Sequence[ClaimRow[R]], results: R) -> list[ClaimResult]:
    return judge_claims(rows, results, words=results.words, arms=results.arms)
