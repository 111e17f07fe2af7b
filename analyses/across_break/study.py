"""The study from beginning to end: two rounds of training, the measures, the answers and their page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from analyses.across_break.answers import answers
from analyses.across_break.arms import AFTER, BEFORE, Plan, breaks_of
from analyses.across_break.checkpoints import arms_of
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
    download: bool = False,
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
        download: let torchvision fetch missing data.
        fresh: measure all again; the runs stay.
        watch: whom to tell.

    Raises:
        ConfigError: no FGSM run broke.
        RunError: a run failed.
    """
    watch = watch or Watch()

    def train(study: Study) -> pd.DataFrame:
        failures: list[Outcome] = []

        def on_outcome(outcome: Outcome) -> None:
            watch.on_outcome(outcome)
            if outcome.state not in ("done", "diverged"):
                failures.append(outcome)

        watch.on_study(study)
        table = study.run(
            root, jobs=jobs, device=device, download=download, on_update=watch.on_update, on_outcome=on_outcome
        )
        if failures:
            reason = failures[0].reason.strip().splitlines()[-1]
            raise RunError(f"{len(failures)} of {len(table)} runs failed; {failures[0].folder.path.name}: {reason}")
        return table

    breaks = breaks_of(plan, train(plan.first_round()))
    second = train(plan.second_round(breaks))
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
    robust, and an N-FGSM one, the control, that did not collapse; and all iterations that are compared.

    Args:
        plan: the study.
        root: folder of runs.
        row: of the table of breaks.
    """
    if pd.isna(row["breakpoint"]):
        return f"FGSM did not break ({row['verdict']})"
    breakpoint_iteration, last = int(row["breakpoint"]), int(row["iterations"])
    if not 0 < breakpoint_iteration + BEFORE < breakpoint_iteration + AFTER < last:
        return f"iterations {BEFORE:+d} to {AFTER:+d} around the break are not all within training"
    runs = arms_of(plan, root, row["world"], int(row["seed"]), breakpoint_iteration, last)
    needed = {"standard": NOT_DIVERGED, "fgsm": NOT_DIVERGED, "n_fgsm": NOT_COLLAPSED, "pgd": ROBUST}
    for arm, verdicts in needed.items():
        verdict = runs[arm].result()["verdict"]
        if verdict not in verdicts:
            return f"{arm} ended as {verdict}"
    again = runs["fgsm"].result()["breakpoint"]
    if again is None or again["iteration"] != breakpoint_iteration:
        return "FGSM did not break at the same iteration again: training is not deterministic here"
    return ""
