"""The claims that the study checks, each with its source; the wording of the outcome on the break is decided here."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyses.core.claims import Claim, ClaimResult, check
from analyses.holistic_robust.settings import PLAIN, Onset, Overfitting, Poisoned, hr_name

DECISIVE = ("delays_plain", "delays_permuted", "delays_norm_matched")
"""HR "delays" the break only if all of these hold."""


def outcome(results: list[ClaimResult]) -> str:
    """What the third part may be called, in the words that were fixed before it was run.

    Args:
        results: claims of `onset_claims`.
    """
    verdicts = {result.claim.key: result.verdict for result in results}
    plain, *controls = (verdicts.get(key, "undecided") for key in DECISIVE)
    if plain == "fails":
        return "hastens"
    if plain == "undecided":
        return "no effect shown"
    return "delays" if all(one == "holds" for one in controls) else "explained by effective batch or step size"


def overfitting_claims(ends: pd.DataFrame, plan: Overfitting) -> list[ClaimResult]:
    """Robust overfitting, at the smallest share of the data unless they say otherwise.

    Args:
        ends: see `tables.end_table`.
        plan: what was trained.
    """
    few, most, strong = min(plan.shares), max(plan.shares), max(plan.radii)
    at, standard, hr = (plan.name(few, r) for r in (0.0, None, strong))

    def of(arm: str, column: str) -> pd.Series[float]:
        return ends[ends["arm"] == arm].set_index("seed")[column]

    full = plan.name(most, 0.0)
    power = np.log(of(at, "G5").clip(lower=1e-9) / of(full, "G5").clip(lower=1e-9)) / np.log(most / few)
    on = f"{few:.0%} of the data"
    asked = [
        (
            Claim(
                "at_overfits_more",
                "adversarial training overfits strongly although standard training barely does",
                f"robust gap G1 of AT less the natural gap G2 of standard training, nats, {on}",
                "above",
                0.0,
                0.0,
                "[P]",
            ),
            of(at, "G1") - of(standard, "G2"),
        ),
        (
            Claim(
                "at_overfits_more_in_radius",
                "the same on a scale that does not grow with the losses",
                f"implied radius G5 of AT less that of standard training, {on}",
                "above",
                0.0,
                0.0,
                "[D]",
            ),
            of(at, "G5") - of(standard, "G5"),
        ),
        (
            Claim(
                "hr_smaller_gap",
                "r > 0 protects against robust overfitting",
                f"G1 of HR (r={strong:g}) less that of AT, nats, {on}",
                "below",
                0.0,
                0.0,
                "[P]",
            ),
            of(hr, "G1") - of(at, "G1"),
        ),
        (
            Claim(
                "hr_smaller_radius",
                "the same on a scale that does not grow with the losses",
                f"G5 of HR (r={strong:g}) less that of AT, {on}",
                "below",
                0.0,
                0.0,
                "[D]",
            ),
            of(hr, "G5") - of(at, "G5"),
        ),
        (
            Claim(
                "hr_keeps_its_best",
                "r > 0 loses less of its best robust accuracy by the end",
                f"best minus last G4, HR (r={strong:g}) less AT, {on}",
                "below",
                0.0,
                0.0,
                "[P]",
            ),
            of(hr, "G4") - of(at, "G4"),
        ),
        (
            Claim(
                "hr_more_robust",
                "HR is more robust than AT",
                f"final PGD-20 test accuracy, HR (r={strong:g}) less AT, {on}",
                "above",
                0.0,
                0.0,
                "[P]",
            ),
            of(hr, "test_accuracy") - of(at, "test_accuracy"),
        ),
        (
            Claim(
                "radius_falls_with_data",
                "the implied radius of AT falls about like 1/n",
                f"power of 1/n between {few:.0%} and {most:.0%} of the data",
                "above",
                0.5,
                0.0,
                "[D]; threshold ours",
            ),
            power,
        ),
        (
            Claim(
                "gradient_gap_explains",
                "the robust gap grows with the gap of the input gradients' norm",
                f"slope of G1 - G2 on epsilon G3 over the training of AT, {on}",
                "above",
                0.0,
                0.0,
                "[D]",
            ),
            of(at, "G3_slope"),
        ),
        (
            Claim(
                "nominal_bound",
                "the HR loss on all training data, with the training r, bounds the loss on test data",
                f"G6 of HR (r={strong:g}), W = 10 nats, {on}",
                "above",
                0.0,
                0.0,
                "[P]",
            ),
            of(hr, "G6"),
        ),
        (
            Claim(
                "seen_bound_fails",
                "with W the largest training loss, as in the released code, it does not",
                f"G6 of HR (r={strong:g}), W the largest training loss, {on}",
                "below",
                0.0,
                0.0,
                "[D]",
            ),
            of(hr, "G6_seen"),
        ),
        (
            Claim(
                "certificate",
                "the held-out certificate is not below the loss on other data",
                "certificate of the clipped cross-entropy less the mean on the other half, mean over arms",
                "above",
                0.0,
                0.0,
                "[D]",
            ),
            (ends["loss_certificate"] - ends["loss_held"]).groupby(ends["seed"]).mean(),
        ),
    ]
    return [check(claim, values.to_numpy()) for claim, values in asked]


def poison_claims(table: pd.DataFrame, plan: Poisoned) -> list[ClaimResult]:
    """Wrong labels.

    Args:
        table: see `tables.poison_table`.
        plan: what was trained.
    """
    alpha = plan.share if plan.share in plan.alphas else max(plan.alphas)
    hr, trim = hr_name(0, alpha), f"trim {alpha:g}"

    def of(arm: str, column: str) -> pd.Series[float]:
        return table[table["arm"] == arm].set_index("seed")[column]

    asked = [
        (
            Claim(
                "alpha_resists_poison",
                "HR with the right alpha is more robust than AT on poisoned data",
                f"PGD-20 test accuracy, alpha={alpha:g} less AT, {plan.share:.0%} wrong labels",
                "above",
                0.0,
                0.0,
                "[P]",
            ),
            of(hr, "accuracy") - of(PLAIN, "accuracy"),
        ),
        (
            Claim(
                "alpha_weighs_poison_up",
                "alpha does not down-weight poison but the opposite",
                f"HR's weight on wrong labels (alpha={alpha:g}) less their share, on AT's finished network",
                "above",
                0.0,
                0.0,
                "[D]",
            ),
            (of(PLAIN, "poison_weight") - of(PLAIN, "poison_share")).round(12),
        ),
        (
            Claim(
                "trimming_resists_better",
                "leaving the highest losses out, the opposite of alpha, resists poison better",
                f"PGD-20 test accuracy, trimming less alpha={alpha:g}",
                "above",
                0.0,
                0.0,
                "[D]",
            ),
            of(trim, "accuracy") - of(hr, "accuracy"),
        ),
    ]
    return [check(claim, values.to_numpy()) for claim, values in asked]


def onset_claims(onsets: pd.DataFrame, weights: pd.DataFrame, plan: Onset) -> list[ClaimResult]:
    """The break of single-step training; differences of onsets are paired by seed, censored at the end of training.

    Args:
        onsets: see `tables.onset_table`.
        weights: see `tables.weight_courses`.
        plan: what was trained.
    """
    hr = hr_name(*plan.matched)

    def of(arm: str, column: str = "time") -> pd.Series[float]:
        return onsets[onsets["arm"] == arm].set_index("seed")[column].astype(float)

    against = {"plain": PLAIN} | {name: name for name in plan.controls}
    results = [
        check(
            Claim(
                f"delays_{key}",
                f"{hr} breaks later than {'FGSM' if arm == PLAIN else f'the control {arm}'}",
                "iterations, paired by seed",
                "above",
                0.0,
                0.0,
                "[H]",
            ),
            (of(hr) - of(arm)).to_numpy(),
        )
        for key, arm in against.items()
    ]
    holistic = [hr_name(*law) for law in plan.laws if law != (0, 0)]
    broken = onsets[onsets["broke"] & onsets["arm"].isin(holistic)]
    before = weights[weights["arm"].isin(holistic) & weights["offset"].between(-60, -1)]
    means = before.pivot_table(index=["arm", "seed"], columns="signal", values="value", observed=True)
    if {"abnormal_weight", "abnormal_share"} <= set(means.columns):
        less = (means["abnormal_weight"] - means["abnormal_share"]).groupby("seed").mean().to_numpy()
    else:
        less = np.array([])
    claims = [
        (
            Claim(
                "abnormal_lose_weight",
                "HR takes weight from samples whose loss the attack lowered",
                "their weight less their share, the 60 iterations before the break, mean over HR arms that break",
                "below",
                0.0,
                0.0,
                "[H]",
            ),
            less,
        ),
        (
            Claim(
                "value_stops_bounding",
                "after the break the worst case over FGSM losses is below the mean robust loss",
                f"V of FGSM losses ({hr}) less the mean of PGD-20 losses, training images, mean over broken HR runs",
                "below",
                0.0,
                0.0,
                "[D]",
            ),
            (broken["value_fgsm"] - broken["mean_robust"]).groupby(broken["seed"]).mean().to_numpy(),
        ),
    ]
    return results + [check(claim, values) for claim, values in claims]
