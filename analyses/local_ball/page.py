"""The report of the study of local-ball training: the answer, then the evidence."""

from __future__ import annotations

import pandas as pd

from analyses.core.claim_plot import forest
from analyses.core.claims import ClaimResult, verdict_table
from analyses.core.statistics import estimate
from analyses.local_ball.answers import ROBUST
from analyses.local_ball.plots import centre_control, cost_curves, local_sensitivity, loss_profile, radius_sweep
from analyses.local_ball.settings import AFTER, BEFORE
from analyses.local_ball.study import Findings
from cotoolkit.pages import Report, Section

HEADINGS = {
    "cost": "Claims: what it buys at equal cost",
    "centre": "Claims: must the ball be at the adversary?",
    "onset": "Claims: catastrophic overfitting",
}

TEXTS = {
    "cost": "Areas are mean heights of LBT-M's curve above a rival's over the costs that both span.",
    "centre": "Preset M needs one forward-backward pass more for a centre that is not the adversary; nothing is taken "
    "off for that.",
    "onset": "t* is the place of the largest loss on the way from an image to its FGSM example, measured on plain FGSM "
    f"training {-BEFORE} iterations before and {AFTER} after its onset.",
}

VERDICTS = (
    "A claim holds or fails when the whole 95 % interval over seeds lies on one side of its threshold, else it is "
    "undecided; single claims are not corrected for their number, holm_p is (test against the threshold)."
)

LEADING = (
    "above_pgd",
    "adversary_beats_clean",
    "delays_break",
    "if_and_only_if",
    "clipping_helps",
    "escape_is_real",
    "moves_outside",
)
"""Claims that the lead names; all stand below."""

RECONSTRUCTED = (
    "The paper's formulas were not found: this is local-ball training as reconstructed from its abstract. The results "
    "can support or weaken its idea; they cannot reproduce or refute its numbers."
)


def report_of(findings: Findings) -> Report:
    """The findings as a report."""
    numbers, results = findings.numbers, findings.claims()
    claims = pd.concat([verdict_table(found).assign(question=group) for group, found in results.items()])
    columns = [
        "claim",
        "statement",
        "verdict",
        "measure",
        "mean",
        "low",
        "high",
        "expected",
        "holm_p",
        "seeds",
        "source",
    ]
    claim_sections = [
        Section(
            f"claims-{group}",
            HEADINGS[group],
            f"{TEXTS[group]} {VERDICTS}",
            forest(found)[0],
            "Mean, interval, threshold and verdict of each claim",
            claims[claims["question"] == group][columns],
        )
        for group, found in results.items()
        if found
    ]
    profile = []
    if numbers.of("fgsm", "breakpoint").notna().any():
        profile.append(
            Section(
                "profile",
                "Where the loss peaks around the onset of plain FGSM",
                "Before the onset the loss grows all the way to the FGSM example (t = 1); after it the peak is inside.",
                loss_profile(numbers)[0],
                "Mean loss along the segment at several iterations around the onset, and the position of its peak",
            )
        )
    sections = [
        Section(
            "radius",
            "Which radius prevents catastrophic overfitting?",
            "LBT-M over FGSM with one inner step, by the radius of the ball. The vertical lines are where prediction 1 "
            "puts the step from broken to robust: the median of 1 − t* over samples, mean over seeds, on plain FGSM. "
            "Where robust accuracy is far below PGD-50 accuracy, gradients are hidden: no break shows, and yet the "
            "network is not robust.",
            radius_sweep(numbers)[0],
            "Share of runs with CO, onset and robust accuracy against the ball's radius, with the predicted threshold",
        ),
        *profile,
        Section(
            "centres",
            "Centre of the ball",
            f"At equal ρ = {findings.plan.rho:g}, λ = {findings.plan.lambda_local:g} and one inner step; grey lines "
            "join the runs of a seed. PGD-3 at the larger radius costs the same and is evaluated at ε like the others.",
            centre_control(numbers)[0],
            "Robust accuracy and onset of CO by the centre of the ball",
        ),
        Section(
            "costs",
            "Robust accuracy against cost",
            "All arms are trained from the same starts over the same data; small dots are seeds. Passes are counted by "
            "the engine's tests, a lone forward pass being one half. Longer N-FGSM has more epochs.",
            cost_curves(numbers)[0],
            "Robust and clean accuracy against counted passes, a line per method",
        ),
        Section(
            "sensitivity",
            "How smooth the finished networks are around FGSM examples",
            "D1 of the spec, mean over seeds. A regulariser that only works at its own radius would bend up behind the "
            "dotted line.",
            local_sensitivity(numbers)[0],
            "Mean KL divergence in balls of growing radius, by training method",
        ),
        *claim_sections,
        Section(
            "arms",
            "All arms",
            "Means over seeds; CO is the share of runs with a breakpoint, seconds are of whole runs, with probes.",
            table=arm_table(findings),
        ),
        Section(
            "diagnostics",
            "Diagnostics of the finished networks",
            "Means over seeds; D2 to D8 of the spec, the place being ρ where there is one. Attacks are on all arms.",
            table=diagnostic_table(findings),
        ),
    ]
    facts = {
        "scale": findings.plan.scale,
        "setting": findings.plan.why,
        "seeds": ", ".join(map(str, findings.plan.seeds)),
        "lambda_local": f"{findings.plan.lambda_local:g}, chosen on held-out points of seed 0, the same for all arms",
        "robust": "worst, point by point, of PGD-50, PGD on the margin (50 steps) and Square (300 queries), on the "
        f"first {findings.plan.points} test points",
        "other accuracies": "named protocols of cotoolkit.evaluation.protocol on the test set",
        "breakpoints": "dated by the engine's monitor on held-out points; runs without one are censored",
        **findings.facts,
    }
    return Report(
        "Local-ball training (reconstructed)",
        f"{_lead(findings, results)}\n\n{RECONSTRUCTED}",
        sections,
        facts,
        {"measures": findings.measures, "claims": claims, "outcomes": findings.outcomes},
    )


def arm_table(findings: Findings) -> pd.DataFrame:
    """One row per arm: cost, accuracies with intervals, share of runs with CO, onset."""
    rows = []
    for arm, own in findings.outcomes.groupby("arm", sort=False):
        robust = estimate(own[ROBUST].astype(float))
        rows.append(
            {
                "arm": arm,
                "units": own["units"].iloc[0],
                "cost": own["cost"].iloc[0],
                "clean": own["clean"].astype(float).mean(),
                "fgsm": own["fgsm"].astype(float).mean(),
                ROBUST: robust.mean,
                "low": robust.low,
                "high": robust.high,
                "pgd-50": own["pgd-50"].astype(float).mean(),
                "CO": 1 - own["escaped"].astype(float).mean(),
                "onset": own["onset"].astype(float).mean(),
                "seconds": own["seconds"].astype(float).mean(),
                "verdicts": ", ".join(own["verdict"]),
            }
        )
    return pd.DataFrame(rows)


def diagnostic_table(findings: Findings) -> pd.DataFrame:
    """Statistic and place by arm, means over seeds; profiles and kappas are in the pictures."""
    own = findings.measures[findings.measures["offset"].isna()]
    own = own[~own["statistic"].isin(["profile", "kappa_random", "kappa_worst"])]
    wide = own.pivot_table(
        index=["statistic", "place"], columns="arm", values="value", dropna=False, sort=False, observed=True
    )
    return wide.dropna(how="all").reset_index().rename_axis(columns=None)


def _lead(findings: Findings, results: dict[str, list[ClaimResult]]) -> str:
    """The answer, from the numbers alone."""
    numbers = findings.numbers
    broke = numbers.of("fgsm", "breakpoint").notna()
    lines = [
        f"FGSM breaks in {int(broke.sum())} of {len(broke)} runs: {findings.plan.why}.",
    ]
    radius = numbers.radius().dropna()
    if len(radius):
        before, after = (
            estimate(numbers.measured("fgsm", "needed_median", offset=offset)).mean for offset in (BEFORE, AFTER)
        )
        found = ", ".join("none" if value == float("inf") else f"{value:.3g}" for value in radius)
        lines.append(
            f"The ball's radius from which on runs escape is {found} epsilon (by seed); the median of 1 - t* is "
            f"{before:.2g} just before the onset and {after:.2g} just after it."
        )
    for result in (one for found_claims in results.values() for one in found_claims):
        if result.claim.key in LEADING:
            value = f"{result.found}" if result.found.n else "not measured"
            lines.append(
                f"{result.claim.statement[0].upper()}{result.claim.statement[1:]}: {result.verdict} ({value})."
            )
    return "\n".join(lines)
