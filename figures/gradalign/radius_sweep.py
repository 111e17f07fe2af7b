"""GradAlign's repository, figure 8: clean and PGD accuracy against the radius, by training method.

At scale paper as published: CIFAR-10 as it is, five seeds. The digits give no break without help: with
growing radius every method only learns less and less, PGD training too. So they carry the injected feature of
co_features, at the strength at which FGSM breaks; FGSM without the feature is drawn beside (ours).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE, MOST, ROBUST
from analyses.core.judging.seed_measures import OnsetDifference, SeedShare, ShareDifference
from analyses.core.runner import StudyRunner
from cotoolkit.plotting.style import BLUE, COLUMN, GREEN, GREY, ORANGE, PAGE, PURPLE, SKY, VERMILION
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.grid_cells import SHARE
from figures.co_features.setups.setup import SETUPS, Setup, setup_of
from figures.elements import new_figure, percent, seed_bands
from figures.recipe import Comparison, Recipe, table_of

SOURCE = "repository [R]: GradAlign, figure 8"

SeriesLook = tuple[str, str, Any, str]  # label, colour, line, marker

SERIES: dict[str, SeriesLook] = {
    "fgsm": ("FGSM", VERMILION, "-", "o"),
    "rs_fgsm": ("RS-FGSM", ORANGE, "--", "s"),
    "n_fgsm": ("N-FGSM", GREEN, "-.", "^"),
    "gradalign": ("GradAlign", PURPLE, (0, (3, 1, 1, 1, 1, 1)), "D"),
    "pgd-2": ("PGD-2", SKY, "--", "v"),
    "pgd-10": ("PGD-10", BLUE, (0, (5, 1)), "P"),
    "fgsm, no feature": ("FGSM, no feature", GREY, ":", "x"),
}
"""All series, in this order."""

METHODS: dict[str, dict[str, Any]] = {
    "fgsm": {"name": "fgsm"},
    "rs_fgsm": {"name": "rs_fgsm"},
    "n_fgsm": {"name": "n_fgsm"},
    "gradalign": {"name": "gradalign"},
    "pgd-2": {"name": "pgd", "steps": 2},
}
"""Training at both scales. PGD's steps are 2.5 epsilon over their number; GradAlign's repository takes epsilon / 2 with
two steps and epsilon / 5 with ten."""

RADII = (0.15, 0.25, 0.3)
"""Of the digits; FGSM has them all in Figure 1 of co_features."""

PRINTED = {"fgsm": "7-8", "rs_fgsm": "about 10", "pgd-2": "from 12"}
"""Radii in 1/255 at which CIFAR-10 training was seen to break, over 5 seeds."""


def _on_digits(setup: Setup) -> Study:
    # The published law for GradAlign's weight ends at 16/255; 1 as in analyses.breakpoint_mixtures.
    methods = {**METHODS, "gradalign": {"name": "gradalign", "weight": 1.0}}
    arms = [setup.arm(method=method, epsilon=epsilon) for method in methods.values() for epsilon in RADII]
    return setup.study("radius-sweep", [*arms, *(setup.arm(0.0, epsilon=epsilon) for epsilon in RADII)])


def _paper() -> Study:
    setup = SETUPS["paper"]
    methods = {**METHODS, "pgd-10": {"name": "pgd", "steps": 10}}
    base = {
        **setup.base,
        "box": "box_then_eps",
        "schedule": {"kind": "cyclic", "peak": 0.4},
        "precision": "bf16-mixed",
    }
    grids = tuple(
        {"method": (method,), "epsilon": tuple(radius / 255 for radius in range(1, 17)), "seed": (0, 1, 2, 3, 4)}
        for method in methods.values()
    )
    return Study(name="radius-sweep", scale="paper", base=base, grids=grids)


STUDIES: dict[Scale, tuple[Study, ...]] = {
    "smoke": (_on_digits(SETUPS["smoke"]),),
    "digits": (_on_digits(SETUPS["digits"]),),
    "paper": (_paper(),),
}


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per method, radius and seed, with its breakpoint (missing if none); a diverged run has no accuracies."""
    table = table_of(runner, STUDIES[scale])
    accuracy = SETUPS[scale].accuracy
    if "method.steps" not in table:
        table["method.steps"] = float("nan")
    steps = table["method.steps"].map(lambda count: "" if pd.isna(count) else f"-{count:.0f}")
    method = (table["method"] + steps).where(~_without_feature(scale, table), table["method"] + ", no feature")
    columns = table.reindex(columns=["epsilon", "seed", "clean", "fgsm", "state", "breakpoint"])
    return columns.assign(method=method, robust=table[accuracy], scale=scale)


def _without_feature(scale: Scale, table: pd.DataFrame) -> pd.Series:
    """Runs on digits as they are; at scale paper all data are as they are, and no series is named so."""
    return (table["beta"] == 0) & (scale != "paper")


def draw(data: pd.DataFrame) -> Figure:
    """Clean and robust accuracy against the radius: means and ranges over seeds."""
    figure, axes = new_figure(PAGE, COLUMN * 0.8, 1, 2, sharex=True, sharey=True)
    for axis, measure, title in zip(
        axes, ("robust", "clean"), (setup_of(data).attacked, "clean accuracy"), strict=True
    ):
        seed_bands(axis, data.dropna(subset=[measure]), "method", SERIES, "epsilon", measure, dots=True)
        percent(axis)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.set(title=title, xlabel="radius ε, share of the pixel range", ylim=(-0.03, 1.03))
    percent(axes[0], "accuracy")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
    return figure


def robust_by_radius(data: pd.DataFrame, method: str) -> pd.DataFrame:
    """Robust accuracy: rows are seeds, columns radii; a run that diverged counts as 0.

    Args:
        data: the table of the figure.
        method: of `SERIES`.

    Returns:
        Accuracies in [0, 1].
    """
    rows = data[data["method"] == method].fillna({"robust": 0.0})
    return rows.pivot_table(index="seed", columns="epsilon", values="robust")


def breaking_radius(data: pd.DataFrame, method: str) -> pd.Series:
    """The smallest radius at which a seed has a breakpoint or diverges; nan for a seed that never does.

    Args:
        data: the table of the figure.
        method: of `SERIES`.

    Returns:
        Radii by seed.
    """
    rows = data[data["method"] == method]
    broke = rows["breakpoint"].notna() | (rows["state"] == "diverged")
    broken = rows.assign(broke=broke).pivot(index="seed", columns="epsilon", values="broke")
    return broken.idxmax(axis=1).where(broken.any(axis=1)).astype(float)


class _Results(NamedTuple):
    """`small` and `large` are the least and the greatest radius of FGSM training."""

    data: pd.DataFrame
    small: float
    large: float
    robust_accuracy: str

    def at(self, method: str, epsilon: float) -> pd.Series[float]:
        """Robust accuracy of a method at a radius, by seed."""
        return robust_by_radius(self.data, method)[epsilon]

    def broke(self, method: str) -> pd.DataFrame:
        """Whether runs broke: rows are seeds, columns radii; nan for one that diverged."""
        rows = self.data[self.data["method"] == method]
        broke = rows["breakpoint"].notna().astype(float).where(rows["state"] != "diverged")
        return rows.assign(broke=broke).pivot(index="seed", columns="epsilon", values="broke")

    def share(self, method: str, epsilon: float) -> SeedShare:
        """Of a method's seeds, those that broke at a radius."""
        return SeedShare(self.broke(method)[epsilon].dropna())

    def rarer(self, method: str, than: str) -> ShareDifference:
        """At the largest radius, the share of a method's seeds that broke minus that of another's, paired by seed."""
        pairs = pd.concat([self.broke(than)[self.large], self.broke(method)[self.large]], axis=1, keys=(0, 1)).dropna()
        return ShareDifference(pairs[0], pairs[1])

    def held(self, method: str) -> tuple[pd.Series[float], pd.Series[bool]]:
        """Up to which radius each seed held (0 if it broke at the first), and whether it broke at the next."""
        broke = self.broke(method).dropna() == 1
        radii = [0.0, *broke.columns]
        first = broke.to_numpy().argmax(axis=1)
        happened = broke.any(axis=1)
        held = [radii[at] if breaks else radii[-1] for at, breaks in zip(first, happened, strict=True)]
        return pd.Series(held, index=broke.index), happened

    def longer(self, method: str, than: str) -> OnsetDifference:
        """How much larger the radius is up to which a method holds."""
        return OnsetDifference(*self.held(method), *self.held(than))


def _read(data: pd.DataFrame) -> _Results:
    radii = data.loc[data["method"] == "fgsm", "epsilon"]
    return _Results(data, radii.min(), radii.max(), setup_of(data).robust_accuracy)


BREAKS_KNOWN = {"breakpoint"}
"""What claims on breaks need in the table: its column of breakpoints."""

DIVERGED = "; seeds that diverged are left out"
LARGE = f"{SHARE} at ε {{large:g}}"
HELD = "largest radius up to which a seed holds, restricted mean"


def _robust_at_first(method: str) -> ClaimRow[_Results]:
    name = SERIES[method][0]
    return claim(
        "robust_at_first", f"{name} is robust at the smallest radius", "{robust_accuracy}", above=ROBUST, null=CHANCE,
        value=lambda n: n.at(method, n.small),
    )  # fmt: skip


def _collapses(key: str, statement: str, method: str) -> ClaimRow[_Results]:
    return claim(
        key, statement, LARGE + DIVERGED, above=MOST, source=SOURCE, needs=BREAKS_KNOWN,
        value=lambda n: n.share(method, n.large), premises=(_robust_at_first(method),),
    )  # fmt: skip


def _longer(key: str, method: str, than: str) -> ClaimRow[_Results]:
    names = SERIES[method][0], SERIES[than][0]
    return claim(
        key, f"{names[0]} holds up to a larger radius than {names[1]}",
        f"{HELD}: {names[0]} minus {names[1]}{DIVERGED}", above=0.0, source=SOURCE,
        needs=BREAKS_KNOWN, value=lambda n: n.longer(method, than),
        premises=(_robust_at_first(method), _robust_at_first(than)),
    )  # fmt: skip


FGSM_COLLAPSES = _collapses("fgsm_large", "FGSM training breaks at the largest radius", "fgsm")


def _holds(key: str, method: str, source: str) -> ClaimRow[_Results]:
    name = SERIES[method][0]
    return claim(
        key, f"{name} breaks in fewer seeds than FGSM at the largest radius",
        f"{LARGE}: FGSM minus {name}{DIVERGED}", above=0.0, source=source, needs=BREAKS_KNOWN,
        value=lambda n: n.rarer(method, "fgsm"),
        premises=(FGSM_COLLAPSES, _robust_at_first(method)),
    )  # fmt: skip


CLAIMS: ClaimTable[_Results] = ClaimTable(
    (
        claim(
            "fgsm_small", "FGSM training is robust at a small radius", "{robust_accuracy} at ε {small:g}",
            above=0.2, null=CHANCE, source=SOURCE, value=lambda n: n.at("fgsm", n.small),
        ),
        FGSM_COLLAPSES,
        _longer("rs_later", "rs_fgsm", "fgsm"),
        _collapses("rs_collapses", "RS-FGSM breaks, too, at the largest radius", "rs_fgsm"),
        _holds("gradalign_holds", "gradalign", SOURCE),
        _longer("pgd2_later", "pgd-2", "rs_fgsm"),
        _holds("n_fgsm_holds", "n_fgsm", "ours: N-FGSM is not in that figure; its numbers are recollected [M]"),
    ),
    read=_read,
    words=_Results._asdict,
    arms=lambda n: set(n.data.columns) & BREAKS_KNOWN,
)  # fmt: skip
"""FGSM breaks at the larger radii; the others hold longer; GradAlign to the end."""


def compare(data: pd.DataFrame) -> list[Comparison]:
    """Where each method breaks."""
    digits = data["scale"].iloc[0] != "paper"
    unit = 1.0 if digits else 255.0
    remark = (
        "ours: 8 x 8 digits with an injected feature and only three radii (0.15, 0.25, 0.3 of the pixel range), so the "
        "numbers share no unit; only the order of the methods can be compared"
        if digits
        else "the smallest of radii 1 to 16 at which the monitor finds a breakpoint"
    )
    found = []
    for method, printed in PRINTED.items():
        ours = breaking_radius(data, method) * unit
        label = SERIES[method][0]
        found.append(Comparison(f"{label}: radius of collapse", f"{printed} /255 (CIFAR-10)", SOURCE, ours, remark))
    return found


RECIPE = Recipe(
    name="gradalign/radius_sweep",
    shows="Clean and PGD accuracy against the radius, by training method",
    item="The GradAlign repository, figure 8",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
    compare=compare,
)
