"""Natural catastrophic overfitting of the smallest network: one convolution, FGSM, CIFAR-10, nothing injected.

Source: Andriushchenko & Flammarion, NeurIPS 2020, section 4 and appendix: depth is not what it takes. Optimiser, rate,
schedule, augmentation and initialisation are theirs. Ours are the radii, chosen so that networks of these widths break,
the plain FGSM attack (their code starts from noise), and one thousand training images that are held out for the probe:
the settings of the comparison of methods, which shares runs with this figure.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from analyses.core.claims import ClaimRow, ClaimTable, claim
from analyses.core.judging.premises import CHANCE, MOST, ROBUST
from analyses.core.judging.seed_measures import SeedShare
from analyses.core.measurement import RunMeasurement
from analyses.core.runner import StudyRunner
from analyses.method_comparison.settings import comparison_scale
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.plotting.style import BLUE, PAGE, VERMILION
from cotoolkit.runs.checkpoints import evaluation_points, trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.grid_cells import SHARE
from figures.elements import mark_breakpoint, new_figure, percent, seed_lines
from figures.recipe import Recipe, table_of

(SHARED,) = comparison_scale("laptop")[1].settings

EPOCHS, PROBED = SHARED.base["epochs"], SHARED.base["monitor"]["points"]
"""Of a run, and held-out images of a probe."""

RADII = {16: "10/255", 4: "16/255"}
"""Of the threat model, by filters of the network."""

STUDY = Study(
    name="natural_break",
    question="Does FGSM training break on natural images in a network of one convolution?",
    scale="laptop",
    base={**SHARED.base, "method": "fgsm"},
    grids=tuple(
        {"model": ({"name": "single_layer_cnn", "width": width},), "epsilon": (radius,), "seed": (0, 1, 2, 3, 4, 5)}
        for width, radius in RADII.items()
    ),
)

ATTACK = "pgd-50-10"
"""On all test images, once a run is over."""

DATES = ("iteration", "sustained", "earliest", "latest", "detected")

ATTACKS = (("probe_fgsm", "FGSM", VERMILION), ("probe_pgd", "PGD-10", BLUE))


def probe_course(folder: RunFolder) -> pd.DataFrame:
    """What a run's probes saw, when it broke, and what came of it.

    Returns:
        Columns iteration, statistic, value. Statistics are the probes' accuracies, `DATES` of the first break, and at
        the last iteration the test accuracies by protocol and "iterations", the number of all.
    """
    result, metrics = folder.result(), folder.metrics()
    found = metrics[metrics["signal"].str.startswith("probe_")].rename(columns={"signal": "statistic"})
    last, config = result["iterations"], folder.config()
    images, labels, _ = evaluation_points(config)
    attacked = run_protocol(trained(folder, "last"), images, labels, config.threat, ATTACK, seed=config.seed)
    rows = {name: (last, accuracy["value"]) for name, accuracy in result["evaluation"].items()}
    rows |= {ATTACK: (last, attacked.accuracy.value), "iterations": (last, float(last))}
    if result["breakpoint"]:
        dates = {"iteration": result["breakpoint"]["iteration"], **result["breakpoint"]["detail"]}
        rows |= {name: (dates[name], float(dates[name])) for name in DATES if dates[name] is not None}
    own = pd.DataFrame([{"iteration": at, "statistic": name, "value": value} for name, (at, value) in rows.items()])
    return pd.concat([found, own], ignore_index=True)[["iteration", "statistic", "value"]]


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """Train the runs, and read their courses."""
    table_of(runner, [STUDY])
    measurements = [
        RunMeasurement(run, probe_course, {"width": run.model.width, "seed": run.seed}) for run in STUDY.runs()
    ]
    return runner.measure(measurements).assign(scale=scale)


def statistic(data: pd.DataFrame, name: str) -> pd.DataFrame:
    """Rows of one statistic, by width, seed and iteration.

    Args:
        data: the table of the figure.
        name: of the statistic.

    Returns:
        Its rows.
    """
    return data[data["statistic"] == name].sort_values(["width", "seed", "iteration"])


def draw(data: pd.DataFrame) -> Figure:
    """Probes against epochs, a line per seed, a panel per width; triangles where a seed broke."""
    figure, axes = new_figure(PAGE, 2.4, 1, len(RADII), sharey=True)
    steps = float(statistic(data, "iterations")["value"].iloc[0]) / EPOCHS
    breaks = statistic(data, "iteration")
    for axis, (width, radius) in zip(axes, RADII.items(), strict=True):
        for signal, label, colour in ATTACKS:
            rows = statistic(data[data["width"] == width], signal).assign(epoch=lambda rows: rows["iteration"] / steps)
            line = "-" if signal == "probe_fgsm" else "--"
            seed_lines(axis, rows, "epoch", "value", colour=colour, label=label, ls=line, lw=0.8, alpha=0.8)
        for at in breaks.loc[breaks["width"] == width, "value"]:
            mark_breakpoint(axis, at / steps, named=False)
        axis.set(title=f"{width} filters, ε = {radius}", xlabel="epoch", xlim=(0, EPOCHS), ylim=(-0.02, 1.02))
    percent(axes[0], "accuracy on held-out images")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def at_best(data: pd.DataFrame) -> pd.Series:
    """Best PGD accuracy of a probe before the break, or of all, by run."""
    rows = statistic(data, "probe_pgd").set_index(["width", "seed"])
    breaks = statistic(data, "iteration").set_index(["width", "seed"])["value"]
    before = rows["iteration"] < breaks.reindex(rows.index).fillna(float("inf"))
    return rows.loc[before, "value"].groupby(level=[0, 1]).max()


class _Results(NamedTuple):
    """By width and seed: the best PGD accuracy of a probe before the break, whether it broke, accuracies at the end."""

    best: pd.Series[float]
    broke: pd.Series[bool]
    fgsm: pd.Series[float]
    pgd: pd.Series[float]


def _read(data: pd.DataFrame) -> _Results:
    fgsm, pgd, breaks = (
        statistic(data, name).set_index(["width", "seed"])["value"] for name in ("fgsm", ATTACK, "iteration")
    )
    return _Results(at_best(data), breaks.reindex(pgd.index).notna(), fgsm, pgd)


SOURCE = "paper [P]: Andriushchenko & Flammarion 2020, section 4 (that it breaks); radii and thresholds are ours"


def _of_width(width: int) -> tuple[ClaimRow[_Results], ...]:
    network = f"{width} filters at {RADII[width]}"
    robust_first: ClaimRow[_Results] = claim(
        f"robust_first_{width}", f"{network}: the network is robust before it breaks",
        f"best PGD-10 accuracy of a probe on {PROBED} held-out images before the break: a little high, of many",
        above=ROBUST, null=CHANCE,
        value=lambda n: n.best.loc[width],
    )  # fmt: skip
    breaks: ClaimRow[_Results] = claim(
        f"breaks_{width}", f"{network}: FGSM training breaks on natural images",
        f"{SHARE} in {EPOCHS} epochs", above=MOST, source=SOURCE, value=lambda n: SeedShare(n.broke.loc[width]),
        premises=(robust_first,),
    )  # fmt: skip
    return (
        breaks,
        claim(
            f"broken_{width}", f"{network}: at the end no robustness is left",
            "PGD-50-10 accuracy on 10000 test images", below=0.5 * CHANCE, null=CHANCE, source=SOURCE,
            value=lambda n: n.pgd.loc[width], premises=(robust_first,),
        ),
        claim(
            f"one_step_{width}", f"{network}: at the end one step is resisted all the same",
            "FGSM minus PGD-50-10 accuracy on 10000 test images", above=0.2, source=SOURCE,
            value=lambda n: (n.fgsm - n.pgd).loc[width], premises=(breaks,),
        ),
    )  # fmt: skip


CLAIMS: ClaimTable[_Results] = ClaimTable([row for width in RADII for row in _of_width(width)], read=_read)
"""Robust at first; broken in the end, whatever FGSM accuracy says."""


RECIPE = Recipe(
    name="gradalign/natural_break",
    shows="FGSM and PGD accuracy of a network with one convolution, trained with FGSM on CIFAR-10",
    item="The GradAlign paper, section 4: catastrophic overfitting of a network with one convolution (radii ours)",
    studies={"laptop": (STUDY,)},
    collect=collect,
    draw=draw,
    claims=CLAIMS,
)
