"""The study from beginning to end: all arms, FGSM again with kept weights, the measures, the claims."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from analyses.core.claims import ClaimResult
from analyses.core.measurement import Measurement
from analyses.core.plan import at_scale
from analyses.core.runner import StudyRunner
from analyses.local_ball.answers import Numbers, claims_of
from analyses.local_ball.measure import Attacked, Finished, Onset
from analyses.local_ball.outcomes import outcomes
from analyses.local_ball.settings import PLANS, Plan

INSPECTED = ("fgsm", "pgd-3", "lbt", "lbt m=0", "centre clean", "centre corner")
"""Arms whose finished networks are looked at closely."""


class Findings(NamedTuple):
    """What the study found.

    Attributes:
        plan: what was asked.
        outcomes: one row per arm and seed (`outcomes.outcomes`, `with_attacks`).
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


def run_study(scale: str, runner: StudyRunner) -> Findings:
    """The study at a scale; what is done already is not done again.

    Raises:
        ConfigError: no such scale.
        RunError: a run failed, or a measuring process died.
    """
    return run_plan(at_scale(PLANS, scale), runner)


def run_plan(plan: Plan, runner: StudyRunner) -> Findings:
    """The study of a plan; errors as `run_study`."""
    table = runner.train(plan.first_round())
    found = outcomes(plan, table)
    fgsm = found[found["arm"] == "fgsm"].set_index("seed")
    broken = fgsm["breakpoint"].dropna()
    breaks = dict(zip(broken.index.astype(int), broken.astype(int), strict=True))
    last = int(fgsm["iterations"].max())
    wanted: list[Measurement] = []
    if breaks:
        runner.train(plan.second_round(breaks, last))
        wanted += [Onset(plan, seed, iteration, last) for seed, iteration in breaks.items()]
    ended = found[found["verdict"] != "diverged"]
    for row in ended[["arm", "seed"]].to_dict("records"):
        wanted.append(Attacked(plan, row["arm"], int(row["seed"])))
        if row["arm"] in INSPECTED:
            wanted.append(Finished(plan, row["arm"], int(row["seed"])))
    measures = runner.measure(wanted).reindex(columns=["arm", "seed", "offset", "statistic", "place", "value"])
    return Findings(plan, with_attacks(found, measures), measures, runner.facts(table))


def with_attacks(found: pd.DataFrame, measures: pd.DataFrame) -> pd.DataFrame:
    """The outcomes with `robust`, `pgd-50` and `hidden`, the difference, at the study's radius on the plan's points.

    They replace the run's own PGD-50 accuracy. Diverged runs have none.
    """
    attacked = measures[measures["statistic"].isin(["attacked_robust", "attacked_pgd"])]
    wide = attacked.pivot_table(index=["arm", "seed"], columns="statistic", values="value")
    wide = wide.reindex(pd.MultiIndex.from_frame(found[["arm", "seed"]])).set_axis(found.index)
    robust, pgd = wide["attacked_robust"], wide["attacked_pgd"]
    return found.drop(columns="pgd-50").assign(robust=robust, hidden=pgd - robust, **{"pgd-50": pgd})
