"""The claims that the study checks, by question, each a number per seed; thresholds are ours.

Sources: [P] the paper's abstract; [D] derived; [H] a hypothesis of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from analyses.core.claims import ClaimRow, claim, judge_claims
from analyses.core.judging.premises import MOST, PREMISE, ROBUST, breakable, breaking, training
from analyses.core.judging.seed_measures import SeedShare
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Tables
from analyses.holistic_robust.plan import CONTROLS, PLAIN, WRONG_LABELS, HolisticPlan, hr_name, name_on_share
from analyses.holistic_robust.results import HolisticResults, OnsetResults, OverfittingResults

R = TypeVar("R", bound=HolisticResults)

_ALL = name_on_share(1.0, 0.0)

_ON = "{few:.0%} of the data"
_PGD = "PGD-20 accuracy on at least 100 test images"
_BEST = f"best minus last {_PGD}, the best chosen on one half of them and measured on the other"

OVERFIT = 0.03
"""Best minus last robust accuracy from which on adversarial training counts as overfitting robustly (ours)."""

UNDERFIT = 0.05
"""Robust accuracy on training images by which HR may stay behind adversarial training: a smaller gap for fitting less
is no protection (ours)."""

_OVERFITS: ClaimRow[OverfittingResults] = claim(
    "at_overfits", f"Adversarial training overfits robustly, by at least {100 * OVERFIT:g} points",
    f"{_BEST}, AT, {_ON}",
    above=OVERFIT, source=PREMISE, value=lambda n: n.of(n.plain, "G4"),
)  # fmt: skip
_FITS: ClaimRow[OverfittingResults] = claim(
    "hr_fits", f"HR (r={{strong:g}}) fits the training images to within {100 * UNDERFIT:g} points of AT",
    f"PGD-20 accuracy on at least 100 training images, HR (r={{strong:g}}) minus AT, {_ON}",
    above=-UNDERFIT, source=PREMISE, value=lambda n: n.minus(n.hr, n.plain, "train_accuracy"),
)  # fmt: skip
_AT_LEARNED: ClaimRow[OverfittingResults] = claim(
    "at_learned", "Adversarial training is robust", f"{_PGD}, AT, {_ON}",
    above=ROBUST, source=PREMISE, value=lambda n: n.of(n.plain, "test_accuracy"),
)  # fmt: skip

_HR_LEARNED: ClaimRow[OverfittingResults] = training(
    "HR (r={strong:g})", f"share of seeds with {_PGD} above {ROBUST:g}, HR (r={{strong:g}}), {_ON}",
    lambda n: n.trained(n.hr, ROBUST),
)  # fmt: skip


def _gap_to_bound(arm: str) -> ClaimRow[OverfittingResults]:
    names = {"plain": "AT", "hr": "HR (r={strong:g})"}
    return claim(
        f"gap_{arm}", f"The robust loss of {names[arm]} is larger on test than on training data",
        f"robust gap G1 of {names[arm]}, nats of PGD-20 loss, {_ON}",
        above=0.1, source=PREMISE, value=lambda n: n.of(getattr(n, arm), "G1"),
    )  # fmt: skip


def _radius_at(key: str, share: str, arm: Callable[[OverfittingResults], str]) -> ClaimRow[OverfittingResults]:
    return claim(
        key, f"AT has an implied radius to speak of on {share} of the data", "implied radius G5 of AT",
        above=0.01, source=PREMISE, value=lambda n: n.of(arm(n), "G5"),
    )  # fmt: skip


OVERFITTING: tuple[ClaimRow[OverfittingResults], ...] = (
    claim(
        "at_overfits_more", "Adversarial training overfits strongly although standard training barely does",
        f"robust gap G1 of AT minus the natural gap G2 of standard training, nats, {_ON}",
        above=0.0, source="[P]", premises=[_AT_LEARNED, _OVERFITS],
        value=lambda n: n.of(n.plain, "G1") - n.of(n.standard, "G2"),
    ),
    claim(
        "hr_smaller_gap", "A radius r > 0 protects against robust overfitting",
        f"robust gap G1 of HR (r={{strong:g}}) minus that of AT, nats, {_ON}",
        below=0.0, source="[P]", premises=[_AT_LEARNED, _OVERFITS, _FITS], value=lambda n: n.minus(n.hr, n.plain, "G1"),
    ),
    claim(
        "hr_keeps_its_best", "HR loses less of its best robust accuracy by the end than AT",
        f"{_BEST}, HR (r={{strong:g}}) minus AT, {_ON}",
        below=0.0, source="[P]", premises=[_AT_LEARNED, _OVERFITS], value=lambda n: n.minus(n.hr, n.plain, "G4"),
    ),
    claim(
        "hr_more_robust", "HR is more robust than AT where AT overfits robustly",
        f"final {_PGD}, HR (r={{strong:g}}) minus AT, {_ON}",
        above=0.0, source="[P]", premises=[_AT_LEARNED, _OVERFITS],
        value=lambda n: n.minus(n.hr, n.plain, "test_accuracy"),
    ),
    claim(
        "nominal_bound", "The HR loss on training data, with the training r, bounds the loss on test data",
        f"share of seeds that train in which margin G6 of HR (r={{strong:g}}) is above 0, W = 10 nats, {{points}} "
        f"training images, {_ON}",
        above=MOST, source="[P]", premises=[_HR_LEARNED, _gap_to_bound("hr")],
        value=lambda n: SeedShare((n.of(n.hr, "G6") > 0).where(n.trained(n.hr, ROBUST))),
    ),
    claim(
        "at_overfits_more_in_radius",
        "Adversarial training overfits more than standard training on a scale that does not grow with the losses",
        f"implied radius G5 of AT minus that of standard training, {_ON}",
        above=0.0, source="[D]", premises=[_AT_LEARNED, _OVERFITS],
        value=lambda n: n.minus(n.plain, n.standard, "G5"),
    ),
    claim(
        "hr_smaller_radius",
        "A radius r > 0 protects against robust overfitting on a scale that does not grow with the losses",
        f"implied radius G5 of HR (r={{strong:g}}) minus that of AT, {_ON}",
        below=0.0, source="[D]", premises=[_AT_LEARNED, _OVERFITS, _FITS], value=lambda n: n.minus(n.hr, n.plain, "G5"),
    ),
    claim(
        "radius_falls_with_data", "The implied radius of AT falls about like 1/n",
        "power of 1/n between {few:.0%} and 100% of the data",
        above=0.5, source="[D]; threshold ours", needs=(_ALL,), value=lambda n: n.power(),
        premises=[
            _radius_at("radius_few", "{few:.0%}", lambda n: n.plain), _radius_at("radius_all", "100%", lambda _: _ALL),
        ],
    ),
    claim(
        "gradient_gap_explains", "The robust gap grows with the gap of the input gradients' norm",
        f"slope of G1 - G2 on epsilon G3 over the training of AT, {_ON}",
        above=0.0, source="[D]", premises=[_AT_LEARNED, _gap_to_bound("plain")],
        value=lambda n: n.of(n.plain, "G3_slope"),
    ),
    claim(
        "seen_bound_fails",
        "The HR loss on training data with W the largest training loss, as in the released code, does not bound the "
        "loss on test data",
        f"margin G6 of HR (r={{strong:g}}), W the largest loss of {{points}} training images, {_ON}",
        below=0.0, source="[D]", premises=[_gap_to_bound("hr")], value=lambda n: n.of(n.hr, "G6_seen"),
    ),
)  # fmt: skip
"""Robust overfitting, at the smallest share of the data unless they say otherwise.

That held-out certificates lie above the loss on other data is proven, and no claim.
"""

_ALPHA = f"alpha={WRONG_LABELS:g}"
_RIGHT, _TRIM = hr_name(0, WRONG_LABELS), f"trim {WRONG_LABELS:g}"
_WRONG = f"{WRONG_LABELS:.0%} wrong labels"


def _learns(arm: str, name: str) -> ClaimRow[HolisticResults]:
    return claim(
        f"learned_{name}", f"{name} on poisoned data learns the right labels of half of the test images",
        f"clean accuracy on at least 100 test images, {name}, {_WRONG}",
        above=0.5, source=PREMISE, value=lambda n: n.of(arm, "clean_accuracy"),
    )  # fmt: skip


def _robust_to_poison(arm: str, name: str) -> ClaimRow[HolisticResults]:
    return claim(
        f"robust_{name}", f"{name} on poisoned data is robust", f"{_PGD}, {name}, {_WRONG}",
        above=ROBUST, source=PREMISE, value=lambda n: n.of(arm, "accuracy"),
    )  # fmt: skip


_POISONED = (_learns(PLAIN, "AT"), _robust_to_poison(PLAIN, "AT"))

POISON: tuple[ClaimRow[HolisticResults], ...] = (
    claim(
        "alpha_resists_poison", "HR with the right alpha is more robust than AT on poisoned data",
        f"{_PGD}, {_ALPHA} minus AT, {_WRONG}",
        above=0.0, source="[P]", premises=_POISONED, value=lambda n: n.minus(_RIGHT, PLAIN, "accuracy"),
    ),
    claim(
        "alpha_weighs_poison_up", "Alpha gives wrong labels more weight, not less",
        f"HR's weight on wrong labels ({_ALPHA}) minus their share, on AT's finished network",
        above=0.0, source="[D]", premises=[_POISONED[0]],
        value=lambda n: n.of(PLAIN, "poison_weight") - n.of(PLAIN, "poison_share"),
    ),
    claim(
        "trimming_resists_better", "Leaving the highest losses out, the opposite of alpha, resists poison better",
        f"{_PGD}, trimming minus {_ALPHA}, {_WRONG}",
        above=0.0, source="[D]", premises=_POISONED, value=lambda n: n.minus(_TRIM, _RIGHT, "accuracy"),
    ),
)  # fmt: skip
"""Wrong labels."""


_HR_TRAINS: ClaimRow[OnsetResults] = breakable(
    "training with {hr}",
    f"share of seeds with a breakpoint or a final PGD-50 accuracy on all test images above {ROBUST:g}, {{hr}}",
    lambda n: n.trained(n.hr, ROBUST),
)
_HR_BREAKS: ClaimRow[OnsetResults] = breaking(
    "training with HR weights", "share of seeds with a breakpoint of an HR arm", lambda n: n.hr_broke()
)


def _delays(key: str, control: str, name: str, needs: Sequence[str] = ()) -> ClaimRow[OnsetResults]:
    return claim(
        f"delays_{key}", f"Catastrophic overfitting comes later with {{hr}} than with {name}",
        f"breakpoint, {{hr}} minus {name}, iterations in restricted mean",
        above=0.0, source="[H]", needs=needs, value=lambda n: n.later(control),
        premises=[
            breaking(
                f"training with {name}", f"share of seeds with a breakpoint, {name}", lambda n: n.of(control, "broke")
            ), _HR_TRAINS,
        ],
    )  # fmt: skip


ONSET: tuple[ClaimRow[OnsetResults], ...] = (
    _delays("plain", PLAIN, "FGSM"),
    *(_delays(control, control, f"the control {control}", (control,)) for control in CONTROLS),
    claim(
        "abnormal_lose_weight", "HR takes weight from samples whose loss the attack lowered",
        "their weight minus their share, the 60 iterations before the breakpoint, mean over HR arms that have one",
        below=0.0, source="[H]", premises=[_HR_BREAKS], value=lambda n: n.abnormal_excess(),
    ),
    claim(
        "value_stops_bounding",
        "After catastrophic overfitting the worst case over FGSM losses is below the mean robust loss",
        "V of FGSM losses ({hr}) minus the mean of PGD-20 losses, at least 100 training images, mean over HR runs with "
        "a breakpoint",
        below=0.0, source="[D]", premises=[_HR_BREAKS], value=lambda n: n.value_excess(),
    ),
)  # fmt: skip
"""Catastrophic overfitting of single-step training; runs without a breakpoint are censored at the end of training."""

DECISIVE = ("delays_plain", "delays_permuted", "delays_norm_matched")
"""HR "delays" catastrophic overfitting only if all of these hold."""


def outcome(results: Sequence[ClaimResult]) -> str:
    """What HR may be said to do to catastrophic overfitting, in the words that were fixed before it was run.

    Args:
        results: of the claims `ONSET`.

    Returns:
        "delays", "hastens", "no effect shown" or "explained by effective batch or step size"; "not judged (too few
        seeds)" or "not testable here" where that is the verdict on the first of `DECISIVE`.
    """
    by_key = {result.claim.key: result for result in results}
    plain, *controls = (by_key.get(key) for key in DECISIVE)
    if plain is None or not plain.established:
        unjudged = {"fails": "hastens", "shown": "not judged (too few seeds)", "untestable": "not testable here"}
        return unjudged.get("" if plain is None else plain.verdict, "no effect shown")
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
