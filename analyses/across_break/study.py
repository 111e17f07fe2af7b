"""The study from beginning to end: two rounds of training, the measures, the answers and their page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analyses.across_break.answers import answers
from analyses.across_break.arms import Plan, breaks_of, kept_iterations
from analyses.across_break.measure import Unit, measure_all
from analyses.claims import ClaimResult
from cotoolkit.choices import Device
from cotoolkit.errors import ConfigError, RunError
from cotoolkit.launch import Outcome, Update
from cotoolkit.runs import RunFolder
from cotoolkit.study import Study, default_jobs
from cotoolkit.table import COLLAPSED

ROBUST = frozenset({"robust", "robust overfitting", "recovered"})
NOT_DIVERGED = ROBUST | {"not robust", COLLAPSED}
NOT_COLLAPSED = ROBUST | {"not robust"}


class Findings(NamedTuple):
    """What the study found.

    Attributes:
        plan: what was asked.
        breaks: breakpoints of the first round, one row per world and seed, and why a seed is left out, if it is.
        measures: what `measure_all` returns.
        facts: versions and device of the runs.
    """

    plan: Plan
    breaks: pd.DataFrame
    measures: pd.DataFrame
    facts: dict[str, str]

    @property
    def worlds(self) -> list[str]:
        """The worlds in which at least one FGSM run broke."""
        return [world.name for world in self.plan.worlds if world.name in set(self.measures["world"])]

    def claims(self) -> dict[str, list[ClaimResult]]:
        """The claims of every world."""
        return {world: answers(self.measures, world) for world in self.worlds}


class Watch(NamedTuple):
    """Who is told what happens.

    Attributes:
        on_study: called with each round before it is trained.
        on_update: called with the progress of any run.
        on_outcome: called as runs end.
        on_unit: called as worlds and seeds have been measured, with how many of how many.
    """

    on_study: Callable[[Study], None] = lambda study: None
    on_update: Callable[[Update], None] = lambda update: None
    on_outcome: Callable[[Outcome], None] = lambda outcome: None
    on_unit: Callable[[Unit, int, int], None] = lambda unit, done, total: None


def run_across_break(
    plan: Plan,
    root: Path | str,
    folder: Path,
    *,
    jobs: int | None = None,
    device: Device = "auto",
    fresh: bool = False,
    watch: Watch | None = None,
) -> Findings:
    """Train, find the breaks, train again with kept iterations, measure. What is done already is not done again.

    Args:
        plan: what to do.
        root: folder of runs.
        folder: where the measures go.
        jobs: processes at a time; None means one per core, and one on a GPU.
        device: of the training; the measures run on the CPU.
        fresh: measure all again; the runs stay.
        watch: whom to tell.

    Raises:
        ConfigError: no FGSM run broke.
        RunError: a run of the second round failed.
    """
    watch = watch or Watch()

    def train(study: Study) -> pd.DataFrame:
        watch.on_study(study)
        return study.run(root, jobs=jobs, device=device, on_update=watch.on_update, on_outcome=watch.on_outcome)

    breaks = breaks_of(plan, train(plan.first_round()))
    second = train(plan.second_round(breaks))
    failed = second[second["state"] == "failed"]
    if len(failed):
        raise RunError(f"{len(failed)} runs of the second round failed: {', '.join(failed['run'])}")
    breaks["left_out"] = [why_left_out(plan, root, row) for row in breaks.to_dict("records")]
    broken = breaks[breaks["left_out"] == ""]
    if broken.empty:
        raise ConfigError(f"no seed can be used: {'; '.join(breaks['left_out'].unique())}")
    units = [
        Unit(row["world"], int(row["seed"]), int(row["breakpoint"]), int(row["iterations"]))
        for row in broken.to_dict("records")
    ]
    measures = measure_all(
        plan, units, root, folder, jobs=jobs or default_jobs("cpu"), fresh=fresh, report=watch.on_unit
    )
    environment = RunFolder(Path(root) / str(second["run"].iloc[0])).environment()
    return Findings(plan, breaks, measures, {name: str(value) for name, value in environment.items()})


def why_left_out(plan: Plan, root: Path | str, row: Mapping[Any, Any]) -> str:
    """Why a seed cannot be used, in words; nothing if it can.

    A seed needs a break, and the networks that the measures refer to: the standard one trained to the end, the PGD one
    robust, and an N-FGSM one, the control, that did not collapse.

    Args:
        plan: the study.
        root: folder of runs.
        row: of the table of breaks.
    """
    if pd.isna(row["breakpoint"]):
        return f"FGSM did not break ({row['verdict']})"
    keep = kept_iterations(int(row["breakpoint"]), int(row["iterations"]))
    for arm, needed in (("standard", NOT_DIVERGED), ("n_fgsm", NOT_COLLAPSED), ("pgd", ROBUST)):
        verdict = RunFolder.of(root, plan.config(row["world"], arm, row["seed"], keep)).result()["verdict"]
        if verdict not in needed:
            return f"{arm} ended as {verdict}"
    return ""
