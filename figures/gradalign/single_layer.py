"""The smallest network that overfits catastrophically, one convolution of four filters: the runs of four figures.

Source: Andriushchenko & Flammarion, NeurIPS 2020, section 4 and figures 5, 6, 7 and 11, with the settings of their
released command: FGSM without a random start at 10/255, Adam with weight decay 5e-4, a cyclic rate that peaks at 0.003
after 40 % of 30 epochs, batches of 128, crops and flips, no normalisation. They show one seed, trained on all of
CIFAR-10's images; here 1,000 of them are held out for the probes that date the break.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from torch import Tensor, nn

from analyses.core.claims import ClaimRow, claim
from analyses.core.judging.seed_measures import SeedShare
from analyses.core.measurement import RunMeasurement
from analyses.core.runner import StudyRunner
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study

FILTERS, EPOCHS, BATCH = 4, 30, 128

HELD_OUT = 1000

STEPS = (50_000 - HELD_OUT) // BATCH
"""Iterations of an epoch."""

STUDY = Study(
    name="single-layer",
    question="Does FGSM training of one convolution with four filters overfit catastrophically?",
    scale="paper",
    base={
        "data": {"name": "cifar10", "augment": "crop_flip", "holdout": HELD_OUT},
        "normalise": "none",
        "model": {"name": "single_layer_cnn", "width": FILTERS},
        "epsilon": "10/255",
        "method": "fgsm",
        "optimizer": "adam",
        "learning_rate": 0.003,
        "schedule": {"peak": 0.4},
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "monitor": {"interval": 100, "points": 512, "trace_every": 1},
        "evaluation": ("clean", "fgsm", "pgd-50-10"),
        "keep": tuple(STEPS * epoch for epoch in range(EPOCHS + 1)),
    },
    grids=({"seed": tuple(range(10))},),
)

STUDIES: dict[Scale, tuple[Study, ...]] = {"paper": (STUDY,)}


def single_layer_table(
    measure: Callable[[RunFolder], pd.DataFrame],
) -> Callable[[Scale, StudyRunner], pd.DataFrame]:
    """The `collect` of a recipe: train the runs, and measure each.

    Args:
        measure: from a run's folder to a table with a column epoch; at the top level of a module.

    Returns:
        A function that returns the tables of all runs as one, with columns seed, scale and "broke", the epoch of the
        break as a fraction; missing where a run did not break.
    """

    def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
        dates = pd.concat([runner.train(study) for study in STUDIES[scale]]).set_index("seed")["breakpoint"]
        wanted = [RunMeasurement(run, measure, {"seed": run.seed}) for study in STUDIES[scale] for run in study.runs()]
        found = runner.measure(wanted)
        return found.assign(broke=found["seed"].map(dates) / STEPS, scale=scale)

    return collect


def parts_of(model: nn.Module) -> tuple[Tensor, Tensor]:
    """The filters and the weights behind them.

    Args:
        model: of a run of `STUDY`.

    Returns:
        (w, C, k, k), and (w, classes * H * W): a row per filter of the weights by which its map enters the logits.
    """
    weights = {name: value for name, value in model.state_dict().items() if name.endswith("weight")}
    first, last = weights.values()
    outgoing = last.unflatten(1, (len(first), -1)).transpose(0, 1)
    return first, outgoing.flatten(1)


def broke_by_seed(data: pd.DataFrame) -> pd.Series[float]:
    """Epoch of the break by seed, nan for a run without one."""
    return data.groupby("seed")["broke"].first().astype(float)


def shown_seed(data: pd.DataFrame) -> int:
    """The seed that pictures of one run show: the first that broke, or the first of all."""
    broke = broke_by_seed(data)
    return int((broke.dropna() if broke.notna().any() else broke).index[0])


MOST_BREAK: ClaimRow[pd.DataFrame] = claim(
    "breaks", f"FGSM training of one convolution with {FILTERS} filters breaks on natural images",
    f"share of seeds with catastrophic overfitting in {EPOCHS} epochs at 10/255", above=0.5,
    source="paper [F]: figure 11, one seed", value=lambda data: SeedShare(broke_by_seed(data).notna()),
)  # fmt: skip
