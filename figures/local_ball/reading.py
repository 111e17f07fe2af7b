"""The table that the recipes of this paper store, and how the analysis reads it again: runs, then measures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import pandas as pd

from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from analyses.local_ball.answers import Numbers, claims_of
from cotoolkit.studies.scale import Scale
from figures.local_ball.plan import PLANS, found

RUN = ("arm", "seed", "units", "cost", "verdict", "breakpoint", "onset", "escaped", "clean", "robust", "pgd-50")
MEASURE = ("arm", "seed", "offset", "statistic", "place", "value")


def collected(scale: Scale, runner: StudyRunner, statistics: Sequence[str] = ()) -> pd.DataFrame:
    """One row per run, then one per measure of the chosen statistics; columns `RUN`, hidden, `MEASURE`, scale."""
    findings = found(scale, runner)
    measures = findings.measures
    chosen = measures[measures["statistic"].isin(statistics)]
    return pd.concat([findings.outcomes[[*RUN, "hidden"]], chosen[list(MEASURE)]], ignore_index=True).assign(
        scale=scale
    )


def numbers(data: pd.DataFrame) -> Numbers:
    """The table as the analysis reads it."""
    runs = data[data["statistic"].isna()].astype({"escaped": bool})
    plan = PLANS[data["scale"].iloc[0]]
    return Numbers(plan, runs, data.loc[data["statistic"].notna(), list(MEASURE)])


def judged(data: pd.DataFrame, sources: Mapping[str, str]) -> list[ClaimResult]:
    """Claims of the analysis by key, with the sources as figures word them; without those of arms that are not there.

    Args:
        data: the table.
        sources: by key of the claim, in order.
    """
    known = {result.claim.key: result for group in claims_of(numbers(data)).values() for result in group}
    return [
        dataclasses.replace(known[key], claim=dataclasses.replace(known[key].claim, source=source))
        for key, source in sources.items()
        if key in known
    ]
