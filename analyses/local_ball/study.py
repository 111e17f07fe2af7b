"""The study from beginning to end: all arms, FGSM again with kept weights, the measures, the claims."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analyses.claims import ClaimResult
from analyses.lab import Lab, Measurement
from analyses.local_ball.answers import Numbers, claims_of
from analyses.local_ball.measure import AtRadius, Finished, Onset
from analyses.local_ball.outcomes import outcomes
from analyses.local_ball.settings import Plan, plan_of

INSPECTED = (
    "fgsm",
    "pgd-3",
    "lbt",
    "lbt m=0",
    "lbt m=3",
    "centre clean",
    "centre corner",
    "lbt-t",
    "lbt-t no global",
)
"""Arms whose finished networks are looked at closely."""


class Findings(NamedTuple):
    """What the study found.

    Attributes:
        plan: what was asked.
        outcomes: one row per arm and seed (`outcomes.outcomes`), PGD-50 accuracy at the study's radius.
        measures: what `analyses.local_ball.measure` measured, in one table.
        facts: versions and device of the runs.
    """

    plan: Plan
    outcomes: pd.DataFrame
    measures: pd.DataFrame
    facts: dict[str, str]

    @property
    def numbers(self) -> Numbers:
        """The tables, to be read by arm and seed."""
        return Numbers(self.plan, self.outcomes, self.measures)

    def claims(self) -> dict[str, list[ClaimResult]]:
        """The claims by question: cost, centre, onset."""
        return claims_of(self.numbers)


def run_study(scale: str, lab: Lab) -> Findings:
    """The study at a scale; what is done already is not done again.

    Raises:
        ConfigError: no such scale.
        RunError: a run failed, or a measuring process died.
    """
    return run_plan(plan_of(scale), lab)


def run_plan(plan: Plan, lab: Lab) -> Findings:
    """The study of a plan; errors as `run_study`."""
    table = lab.train(plan.first_round())
    found = outcomes(plan, table)
    fgsm = found[found["arm"] == "fgsm"].set_index("seed")
    broken = fgsm["breakpoint"].dropna()
    breaks = dict(zip(broken.index.astype(int), broken.astype(int), strict=True))
    last = int(fgsm["iterations"].max())
    wanted: list[Measurement] = []
    if breaks:
        lab.train(plan.second_round(breaks, last))
        wanted += [Onset(plan, seed, iteration, last) for seed, iteration in breaks.items()]
    ended = found[found["verdict"] != "diverged"]
    looked_at = ended[ended["arm"].isin(INSPECTED)]
    wanted += [Finished(plan, row["arm"], int(row["seed"])) for row in looked_at.to_dict("records")]
    wide = ended[ended["arm"] == "pgd-3 wide"]
    wanted += [AtRadius(plan, row["arm"], int(row["seed"])) for row in wide.to_dict("records")]
    measures = lab.measure(wanted).reindex(columns=["arm", "seed", "offset", "statistic", "place", "value"])
    return Findings(plan, at_one_radius(found, measures), measures, lab.facts(table))


def at_one_radius(found: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """The outcomes, with PGD-50 accuracy at the study's radius where a run was evaluated at another one.

    Its FGSM accuracy, at that other radius, is left out.
    """
    again = measures[measures["statistic"] == "pgd-50"].set_index(["arm", "seed"])["value"]
    again = again.reindex(pd.MultiIndex.from_frame(found[["arm", "seed"]])).set_axis(found.index)
    found = found.assign(fgsm=found["fgsm"].astype(float).where(again.isna()))
    found["pgd-50"] = again.fillna(found["pgd-50"].astype(float))
    return found
