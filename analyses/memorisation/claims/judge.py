"""The claims of the study, judged setting by setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from analyses.core.claims import judge_claims
from analyses.core.judging.verdicts import ClaimResult
from analyses.core.study import Tables
from analyses.memorisation.claims.breaking_claims import BREAKING_ROWS
from analyses.memorisation.claims.image_claims import CLAIMS, ROWS
from analyses.memorisation.plan import BREAKING, MemorisationPlan
from analyses.memorisation.results import BreakingResults, MemorisationResults


def judge_memorisation(plan: MemorisationPlan, tables: Tables) -> Mapping[str, list[ClaimResult]]:
    """All claims that the tables can be asked about.

    Args:
        plan: the study.
        tables: of `analyses.memorisation.study.collect_memorisation`.

    Returns:
        Results by setting, and those about the break; keys of those not of the first setting carry its name.
    """
    judged = {}
    measured = set(tables["images"]["setting"]) if plan.radii else set()
    for place, setting in enumerate(plan.radii):
        if setting not in measured:
            continue
        rows = ROWS if plan.seeds(setting) else CLAIMS["memorisation"]
        suffix = f" ({setting})" if place else ""
        named = [replace(row, claim=replace(row.claim, key=row.claim.key + suffix)) for row in rows]
        judged[setting] = judge_claims(named, MemorisationResults(of_setting(tables, setting)), only_known=True)
    if BREAKING in plan.groups:
        results = BreakingResults(tables["course"], tables["onsets"])
        judged["catastrophic overfitting"] = judge_claims(BREAKING_ROWS, results, arms=results.arms, only_known=True)
    return judged


def of_setting(tables: Tables, setting: str) -> dict[str, pd.DataFrame]:
    """The tables of one setting, without the column that names it."""
    return {
        name: table[table["setting"] == setting].drop(columns="setting")
        for name, table in tables.items()
        if "setting" in table
    }
