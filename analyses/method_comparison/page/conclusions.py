"""What a comparison found, in sentences: which methods prevent catastrophic overfitting, and at which cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from analyses.core.statistics import share_interval
from analyses.method_comparison.claims import REFERENCE, have_learned, prevented, robust, same_runs


def conclusions(outcomes: pd.DataFrame, summary: pd.DataFrame) -> list[str]:
    """Sentences about each group; they say what was seen, and how little few seeds exclude.

    Args:
        outcomes: as `outcomes.comparison_outcomes` returns them.
        summary: of the same outcomes (`outcomes.method_summary`).

    Returns:
        A paragraph per group, a line per sentence.
    """
    return [
        "\n".join(_of_group(str(group), rows, outcomes[outcomes["group"] == group]))
        for group, rows in summary.groupby("group", sort=False)
    ]


def _of_group(group: str, summary: pd.DataFrame, outcomes: pd.DataFrame) -> Iterable[str]:
    ordered = summary.sort_values(["units", "last_robust"], ascending=[True, False])
    rows: dict[str, dict[Any, Any]] = {row["method"]: row for row in ordered.to_dict("records")}
    seeds = max(row["seeds"] for row in rows.values())
    yield f"{group}, {seeds} seed{'s' * (seeds != 1)}:"
    reference = rows.get(REFERENCE)
    if reference is None:
        yield "FGSM training was not compared, so that nothing says whether there was something to prevent."
    elif not reference["broke"]:
        yield "FGSM training does not overfit catastrophically here, so that there was nothing to prevent."
    else:
        yield f"FGSM training overfits catastrophically in {_broken(reference)}."

    def met(criterion: Callable[[pd.DataFrame], pd.Series[bool]]) -> pd.Series[int]:
        return outcomes.assign(met=criterion(outcomes)).groupby("method")["met"].sum()

    good = met(prevented)
    others = [row for row in rows.values() if row["method"] != REFERENCE]
    always = [row for row in others if good[row["method"]] == row["seeds"]]
    broke = [row for row in others if row["broke"]]
    clear = [row for row in others if row not in always and not row["broke"]]
    never = [row for row in clear if not met(have_learned)[row["method"]]]
    weak = [row for row in clear if row not in never]
    if always:
        yield (
            "No breakpoint, and robust at the end, in every seed, by cost (forward-backward passes of an update, its "
            f"time over clean training's, robust accuracy at the end): {', '.join(map(_priced, always))}."
        )
        most = share_interval(0, seeds)[1]
        after = f"After {seeds} seed{'s' * (seeds != 1)} without a breakpoint"
        yield f"{after}, up to {most:.0%} of all seeds may still overfit catastrophically."
    if broke:
        counts = (f"{row['method']} ({_broken(row)})" for row in broke)
        yield f"With breakpoints: {', '.join(counts)}."
    if weak:
        shown = (f"{row['method']} ({_percent(row['last_robust'])})" for row in weak)
        yield f"No breakpoint, but not robust at the end in every seed: {', '.join(shown)}."
    if never:
        shown = (f"{row['method']} ({_percent(row['last_clean'])} clean)" for row in never)
        yield f"Learned nothing in any seed, so that no breakpoint says nothing: {', '.join(shown)}."
    same = [row["method"] for row in others if same_runs(outcomes, group, row["method"])]
    if same:
        yield f"The trained networks of {', '.join(same)} are FGSM's; what counts there is the average of weights."
    were, are = met(lambda runs: robust(runs, "best")), met(robust)
    hidden = [row for row in rows.values() if are[row["method"]] < were[row["method"]]]
    if hidden:
        shown = (
            f"{row['method']} ({_percent(row['best_robust'])} at best, {_percent(row['last_robust'])} at the end)"
            for row in hidden
        )
        yield f"A table of best epochs would hide the loss of {', '.join(shown)}."


def _priced(row: Mapping[Any, Any]) -> str:
    time = f", {row['time']:.1f}× time" if pd.notna(row["time"]) else ""
    return f"{row['method']} ({row['units']:.3g} passes{time}, {_percent(row['last_robust'])})"


def _broken(row: Mapping[Any, Any]) -> str:
    return f"{row['broke']} of {row['seeds']}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if pd.notna(share) else "none"


def left_out_note(left_out: pd.DataFrame) -> str:
    """A sentence on what is missing; empty where nothing is.

    Args:
        left_out: columns `study.LEFT_OUT`.

    Returns:
        The sentence.
    """
    failed = int(left_out["seed"].notna().sum())
    refused = sorted(left_out.loc[left_out["seed"].isna(), "method"].unique())
    parts = [f"{failed} run{'s' * (failed != 1)} failed"] if failed else []
    parts += [f"not trained, as they refuse the settings: {', '.join(refused)}"] if refused else []
    return f"Missing: {'; '.join(parts)}; the reasons stand below." if parts else ""
