"""The report of an experiment in the theory's world."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd

from analyses.core.claim_plot import forest
from analyses.core.claims import ClaimResult, verdict_table
from analyses.purification import plots
from analyses.purification.setting import Scale, settings
from analyses.purification.tables import Tables
from cotoolkit.pages import Report, Section
from cotoolkit.runs.environment import environment

SHOWN = [
    "claim", "statement", "verdict", "measure", "mean", "low", "high", "expected", "effect", "standardised_effect",
    "trend_per_doubling", "heading", "seeds",
]  # fmt: skip


def theory_report(tables: Tables, results: Sequence[ClaimResult], scale: Scale, device: str) -> Report:
    """The experiment as a report: its claims, then what they rest on.

    Args:
        tables: of `run_experiment`.
        results: of `judge`.
        scale: that was run.
        device: that it ran on.
    """
    claims = verdict_table(results)
    sections = [
        Section(
            "claims",
            "The theory's predictions",
            "One number per seed; a claim holds or fails when the whole 95 % interval over seeds lies on one side of "
            "its threshold, else it is undecided. The theorems are asymptotic and give directions; every threshold is "
            "ours. "
            "The trend is the change per doubling of d over the sizes run.",
            forest(results)[0],
            "Mean, interval, threshold and verdict of each claim",
            claims[SHOWN],
        ),
        Section(
            "coefficients",
            "What a unit is made of",
            "Units at fixed quantiles of the size of their top feature, in the coordinates of the true dictionary, "
            "before and after adversarial training; right: the label-aligned mixture of all pure units.",
            plots.coefficient_pictures(tables)[0],
            "Sorted coefficients of units before and after adversarial training",
        ),
        Section(
            "curves",
            "Accuracy against the radius",
            "The dotted line is the radius of training.",
            plots.accuracy_curves(tables)[0],
            "Accuracy against the l2 radius under several attacks, before and after adversarial training",
        ),
        Section(
            "course",
            "In the course of training",
            "Clean training, then FGM adversarial training from its weights.",
            plots.time_course(tables)[0],
            "Feature, mixture and accuracy against training steps",
        ),
        Section(
            "ratios",
            "Unit by unit",
            "How much of each unit adversarial training removed, relative to what it kept.",
            plots.purification_ratios(tables)[0],
            "Distribution of the removed part over units",
        ),
        Section(
            "models",
            "Models of low complexity",
            "Linear, polynomial and kernel models on the same data at the same radius, trained clean and with FGM.",
            plots.model_comparison(tables)[0],
            "Clean and PGD accuracy by model and training",
        ),
        Section("statistics", "Means over seeds", table=_means(tables.scalars)),
    ]
    return Report(
        f"Feature purification in the theory's world ({scale})",
        _lead(results),
        sections,
        _facts(scale, device),
        {name: getattr(tables, name) for name in Tables.names()},
    )


def _lead(results: Sequence[ClaimResult]) -> str:
    counts = Counter(result.verdict for result in results)
    lines = [
        f"Of {len(results)} claims {counts['holds']} hold, {counts['fails']} fail, {counts['undecided']} are open."
    ]
    lines += [
        f"{result.claim.key} {result.verdict}: {result.claim.statement}; {result.claim.measure} {result.found}, "
        f"expected {result.claim.side} {result.claim.threshold:g}; with size: {result.heading}."
        for result in results
        if result.verdict != "holds"
    ]
    return "\n\n".join(lines)


def _means(scalars: pd.DataFrame) -> pd.DataFrame:
    """The largest size: a row per statistic, a column per stage."""
    sizes = scalars[scalars["role"] == "size"]
    largest = sizes[sizes["d"] == sizes["d"].max()]
    wide = largest.pivot_table(index="statistic", columns="stage", values="value", sort=False)
    table: pd.DataFrame = wide.reset_index()
    return table


def _facts(scale: Scale, device: str) -> dict[str, str]:
    run = settings(scale)
    return {
        "scale": scale,
        "sizes": "; ".join(f"{s.name}: d {s.d}, k {s.k}, m {s.m}, {s.seeds} seeds" for s in run),
        "steps": "; ".join(f"{s.name}: {s.clean_steps} clean, {s.adversarial_steps} adversarial" for s in run),
        "radius": "; ".join(f"{s.name}: l2 {s.radius:.3g}, linf {s.linf_radius:.3g}" for s in run),
        "source": "Allen-Zhu & Li, arXiv 2005.10190, reconstructed from its abstracts; finite-size choices are ours",
        **{name: str(value) for name, value in environment(device).items()},
    }
