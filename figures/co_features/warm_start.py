"""FGSM training from the weights that PGD training found on the same data: does it leave the robust solution? (P12)

That the paper asks this is recollected; the set-up is ours: the same schedule again, radius warm-up included. The
starting weights are named by their path from the working directory and a stamp of their content, so these runs, unlike
all others here, are known by other names where the PGD runs stand elsewhere or came out with other bits.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import Claim, ClaimResult, check
from analyses.core.runner import StudyRunner
from cotoolkit.core.digest import split_stamp, stamped
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.cells import Cell, cell_table, study_of
from figures.co_features.world import WORLDS, World, world_of
from figures.elements import dots, mark_breakpoint, names_below, percent, sheet
from figures.recipe import Recipe
from figures.style import BLUE, ORANGE, PAGE, VERMILION

LOOKS = {
    "cold": ("FGSM, scratch", VERMILION, "-"),
    "warm": ("FGSM, from PGD", ORANGE, "--"),
    "pgd": ("PGD, its start", BLUE, ""),
}
"""Arms: how they are written, their colour, their line (none: only its end is drawn)."""


def _cells(world: World) -> list[Cell]:
    return [Cell({"arm": "cold"}, world.arm()), Cell({"arm": "pgd"}, world.arm(method=world.pgd))]


STUDIES = {scale: (study_of(world, "warm-start-first", _cells(world)),) for scale, world in WORLDS.items()}


def _warm(world: World, root: Path, seed: int) -> Cell:
    """FGSM from the last weights of the PGD run of the same seed."""
    weights = RunFolder.of(root, world.config(world.arm(method=world.pgd), seed)).checkpoint_path("last")
    _, digest = split_stamp(stamped(str(weights), "weights"))
    return Cell({"arm": "warm"}, world.arm(initial=f"{os.path.relpath(weights)}#{digest}"))


def _course(root: Path, world: World, cell: Cell, seed: int) -> pd.DataFrame:
    """PGD accuracy on the run's probe images by iteration: columns arm, seed, iteration, probe."""
    metrics = RunFolder.of(root, world.config(cell.settings, seed)).metrics()
    probe = metrics.loc[metrics["signal"] == "probe_pgd", ["iteration", "value"]].rename(columns={"value": "probe"})
    return probe.assign(seed=seed, **cell.label)


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm, seed and watched iteration; what came of the run (robust, breakpoint) stands in each."""
    world, cells = WORLDS[scale], _cells(WORLDS[scale])
    ends = [cell_table(runner, world, STUDIES[scale][0], cells)]
    warm = {seed: _warm(world, runner.root, seed) for seed in world.seeds}
    grids = tuple(grid for seed, cell in warm.items() for grid in study_of(world, "", [cell], [seed]).grids)
    study = Study(name="warm-start", scale=scale, base=world.base, grids=grids)
    ends += [cell_table(runner, world, study, [cell], [seed]) for seed, cell in warm.items()]
    courses = [_course(runner.root, world, cell, seed) for seed in world.seeds for cell in (*cells, warm[seed])]
    return pd.concat(courses, ignore_index=True).merge(pd.concat(ends), on=["arm", "seed"])


def draw(data: pd.DataFrame) -> Figure:
    """PGD accuracy along FGSM training, a line per seed, with the breaks; on the right where the runs end."""
    figure, (course, end) = sheet(PAGE, 2.5, 1, 2, sharey=True, width_ratios=(2, 1))
    for place, (arm, (name, colour, line)) in enumerate(LOOKS.items()):
        rows = data[data["arm"] == arm]
        for index, (_, run) in enumerate(rows.groupby("seed")):
            if line:
                label = name if index == 0 else None
                course.plot(run["iteration"], run["probe"], color=colour, ls=line, lw=1, label=label)
        dots(end, place, rows.drop_duplicates("seed")["robust"].tolist(), colour)
    breaks = sorted(data.loc[data["arm"] == "warm", "breakpoint"].dropna().unique())
    for broke in breaks:
        mark_breakpoint(course, broke, named=broke == breaks[-1])
    course.set(xlabel="iteration", ylim=(-0.03, 1.03), title="accuracy under PGD on watched images")
    course.legend(loc="upper left")
    percent(course, "accuracy")
    names_below(end, [name for name, *_ in LOOKS.values()], turned=True)
    end.set(title="robust accuracy at the end")
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """P12, paired by seed."""
    world = world_of(data)
    ends = data.drop_duplicates(["arm", "seed"]).pivot(index="seed", columns="arm", values=["robust", "breakpoint"])
    source = "ours: hypothesis, recollected [M], P12"
    return [
        check(
            Claim(
                "P12", "FGSM training breaks the robust solution that PGD training found",
                f"robust accuracy at ε {world.epsilon:g}, β {world.beta:g}: PGD's start less FGSM's end", "above", 0.2,
                0.0, source,
            ),
            (ends["robust", "pgd"] - ends["robust", "warm"]).astype(float),
        ),
        check(
            Claim(
                "later", "it breaks later than from scratch", "breakpoint (iteration): from PGD's weights less scratch",
                "above", 0.0, 0.0, source,
            ),
            (ends["breakpoint", "warm"] - ends["breakpoint", "cold"]).astype(float),
        ),
    ]  # fmt: skip


RECIPE = Recipe(
    name="co_features/warm_start",
    shows="FGSM training from a robust solution: does it keep it?",
    item="Warm start (recollected, P12)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
