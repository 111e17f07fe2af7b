"""FGSM training from the weights that PGD training found on the same data: does it leave the robust solution? (P12)

That the paper asks this is recollected; the set-up is ours: the same schedule again, radius warm-up included. The
starting weights are named by their path from the working directory and a stamp of their content, so these runs, unlike
all others here, are known by other names where the PGD runs stand elsewhere or came out with other bits.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimTable, claim
from analyses.core.judging.premises import MOST
from analyses.core.judging.seed_measures import OnsetDifference
from analyses.core.runner import StudyRunner
from cotoolkit.core.digest import split_stamp, stamped
from cotoolkit.plotting.style import BLUE, ORANGE, PAGE, VERMILION
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.grid_cells import SHARE, GridCells, breaks, grid_cells, is_robust
from figures.co_features.setups.grid_points import GridPoint, GridRuns, grid_table
from figures.co_features.setups.setup import SETUPS, Setup, setup_of
from figures.elements import SHARES, category_axis, mark_breakpoint, new_figure, percent, seed_lines, seed_points
from figures.recipe import Recipe

LOOKS = {
    "cold": ("FGSM, scratch", VERMILION, "-"),
    "warm": ("FGSM, from PGD", ORANGE, "--"),
    "pgd": ("PGD, its start", BLUE, ""),
}
"""Arms: how they are written, their colour, their line (none: only its end is drawn)."""


def _grid(setup: Setup) -> list[GridPoint]:
    return [GridPoint({"arm": "cold"}, setup.arm()), GridPoint({"arm": "pgd"}, setup.arm(method=setup.pgd))]


RUNS = GridRuns("warm-start-first", _grid)


def _warm(setup: Setup, root: Path, seed: int) -> GridPoint:
    """FGSM from the last weights of the PGD run of the same seed."""
    weights = RunFolder.of(root, setup.config(setup.arm(method=setup.pgd), seed)).checkpoint_path("last")
    _, digest = split_stamp(stamped(str(weights), "weights"))
    return GridPoint({"arm": "warm"}, setup.arm(initial=f"{os.path.relpath(weights)}#{digest}"))


def _warm_study(setup: Setup, warm: Mapping[int, GridPoint]) -> Study:
    """One run per seed, each from weights of its own."""
    parts = [setup.study("warm-start", [point.settings], [seed]) for seed, point in warm.items()]
    return parts[0].model_copy(update={"grids": tuple(grid for part in parts for grid in part.grids)})


def _course(root: Path, setup: Setup, point: GridPoint, seed: int) -> pd.DataFrame:
    """PGD accuracy on the run's probe images by iteration: columns arm, seed, iteration, probe."""
    metrics = RunFolder.of(root, setup.config(point.settings, seed)).metrics()
    probe = metrics.loc[metrics["signal"] == "probe_pgd", ["iteration", "value"]].rename(columns={"value": "probe"})
    return probe.assign(seed=seed, **point.label)


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per arm, seed and watched iteration; what came of the run (robust, breakpoint) stands in each."""
    setup, points = SETUPS[scale], _grid(SETUPS[scale])
    ends = [RUNS.collect(scale, runner)]
    warm = {seed: _warm(setup, runner.root, seed) for seed in setup.seeds}
    study = _warm_study(setup, warm)
    ends += [grid_table(runner, setup, study, [point], [seed]) for seed, point in warm.items()]
    courses = [_course(runner.root, setup, point, seed) for seed in setup.seeds for point in (*points, warm[seed])]
    return pd.concat(courses, ignore_index=True).merge(pd.concat(ends), on=["arm", "seed"])


def draw(data: pd.DataFrame) -> Figure:
    """PGD accuracy along FGSM training, a line per seed, with the breaks; on the right where the runs end."""
    figure, (course, end) = new_figure(PAGE, 2.5, 1, 2, sharey=True, width_ratios=(2, 1))
    for place, (arm, (name, colour, line)) in enumerate(LOOKS.items()):
        rows = data[data["arm"] == arm]
        if line:
            seed_lines(course, rows, "iteration", "probe", colour=colour, ls=line, lw=1, label=name)
        seed_points(end, place, rows.drop_duplicates("seed")["robust"].tolist(), colour, within=SHARES)
    breaks = sorted(data.loc[data["arm"] == "warm", "breakpoint"].dropna().unique())
    for broke in breaks:
        mark_breakpoint(course, broke, named=broke == breaks[-1])
    course.set(xlabel="iteration", ylim=(-0.03, 1.03), title="accuracy under PGD on watched images")
    course.legend(loc="upper left")
    percent(course, "accuracy")
    category_axis(end, [name for name, *_ in LOOKS.values()], turned=True)
    end.set(title=f"{setup_of(data).attacked},\nat the end")
    return figure


def _onsets(cells: GridCells, arm: str) -> tuple[pd.Series[float], pd.Series[bool]]:
    """When the runs of an arm broke, or ended without a break, and whether they broke."""
    ends = cells.runs.loc[arm]
    return ends["breakpoint"].fillna(ends["last"]), cells.broke((arm,))


def _read(data: pd.DataFrame) -> GridCells:
    ends = data.drop_duplicates(["arm", "seed"]).drop(columns=["iteration", "probe"])
    return grid_cells(ends.assign(last=data["iteration"].max()), ("arm",))


SOURCE = "ours: hypothesis, recollected [M], P12"

CLAIMS: ClaimTable[GridCells] = ClaimTable(
    (
        claim(
            "P12", "FGSM training breaks the robust solution that PGD training found",
            f"{SHARE} at ε {{setup.radius}}, β {{setup.strength}}, from PGD's weights", above=MOST, source=SOURCE,
            value=lambda n: n.share(("warm",)), premises=(is_robust("PGD training, its start,", lambda n: ("pgd",)),),
        ),
        claim(
            "later", "FGSM training breaks later from a robust solution than from scratch",
            "breakpoint in iterations, restricted mean: from PGD's weights minus from scratch", above=0.0,
            source=SOURCE, value=lambda n: OnsetDifference(*_onsets(n, "warm"), *_onsets(n, "cold")),
            premises=(breaks("FGSM training from scratch", lambda n: ("cold",)),),
        ),
    ),
    read=_read,
    words=lambda n: n.words,
)  # fmt: skip
"""P12."""


RECIPE = Recipe(
    name="co_features/warm_start",
    shows="PGD accuracy along FGSM training that starts from a network robust to PGD",
    item="Warm start (prediction P12, recollected)",
    studies=RUNS.studies,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
