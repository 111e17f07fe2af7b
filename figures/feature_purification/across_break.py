"""Purification across the break: do mixtures fall while FGSM training is robust, and come back when it breaks?

A question of ours that neither paper asks; study, measures and claims are those of `breakpoint_mixtures`. There is no
plan at scale smoke: its seven runs a seed and their measures would take more time than all other figures of this paper.
"""

from __future__ import annotations

import dataclasses

import pandas as pd
from matplotlib.figure import Figure

from analyses.breakpoint_mixtures.answers import answers
from analyses.breakpoint_mixtures.arms import AFTER, BEFORE, PLANS
from analyses.breakpoint_mixtures.lookup import MIXTURES, Lookup
from analyses.breakpoint_mixtures.plots import PANELS, TICKS
from analyses.breakpoint_mixtures.study import run_plan
from analyses.core.claims import ClaimResult
from analyses.core.runner import StudyRunner
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.elements import band, mark_breakpoint, sheet
from figures.recipe import Recipe
from figures.style import METHODS, PAGE

STUDIES: dict[Scale, tuple[Study, ...]] = {"laptop": (PLANS["laptop"].first_round(),)}
"""The first round; the second depends on where its runs break."""

EDITS = ("none", "graft_4", "graft_4_random", "graft_full", "remove_clean_u1")

USED = frozenset(
    [
        *PANELS,
        *MIXTURES,
        ("gain", "gain_carrier"),
        ("gain", "gain_scrambled"),
        *(("edit", f"{protocol}_{edit}") for protocol in ("pgd-10", "fgsm") for edit in EDITS),
    ]
)
"""Part and statistic of what is drawn or claimed."""


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """What is used of the study's measures."""
    return used(run_plan(PLANS[scale], runner).measures).assign(scale=scale)


def used(measures: pd.DataFrame) -> pd.DataFrame:
    """The rows of `USED`; of edits those of all layers together, of gains those at the two offsets compared."""
    chosen = pd.MultiIndex.from_frame(measures[["part", "statistic"]]).isin(list(USED))
    whole = (measures["part"] != "edit") | (measures["layer"] == "")
    compared = (measures["part"] != "gain") | measures["offset"].isin([BEFORE, AFTER])
    columns = ["world", "seed", "arm", "offset", "part", "layer", "statistic", "value"]
    return measures.loc[chosen & whole & compared, columns].reset_index(drop=True)


def _read(data: pd.DataFrame) -> pd.DataFrame:
    """As the study has it: "no layer" is an empty text, which CSV files lose."""
    return data.assign(layer=data["layer"].astype(object).where(data["layer"].notna(), ""))


def draw(data: pd.DataFrame) -> Figure:
    """Statistics of five arms against iterations since the break of FGSM; linear within 4 iterations of it."""
    measures = _read(data)
    look = Lookup(measures, measures["world"].iloc[0])
    figure, axes = sheet(PAGE, 3.9, 2, 3, sharex=True)
    for axis, ((part, statistic), title) in zip(axes.flat, PANELS.items(), strict=True):
        for arm in ("fgsm", "n_fgsm", "gradalign", "pgd", "standard"):
            label, colour, line = METHODS[arm]
            offsets = sorted(look.rows(arm, part, statistic)["offset"].dropna().unique())
            rows = [look.at(arm, int(offset), part, statistic).rename(offset) for offset in offsets]
            shown = (
                pd.concat(rows, axis=1).melt(var_name="offset") if rows else pd.DataFrame(columns=["offset", "value"])
            )
            band(axis, shown, "offset", "value", colour=colour, line=line, marker=".", label=label)
        mark_breakpoint(axis, 0, named=False)
        axis.set_xscale("symlog", linthresh=4)
        axis.set_xticks(TICKS, [str(tick) for tick in TICKS])
        axis.minorticks_off()
        axis.set(title=title)
    for axis in axes[1]:
        axis.set(xlabel="iterations since the break")
    for axis in axes[:, 0]:
        axis.set(ylabel="share")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def claims(data: pd.DataFrame) -> list[ClaimResult]:
    """The study's own."""
    measures = _read(data)
    return [
        dataclasses.replace(found, claim=dataclasses.replace(found.claim, source="ours: conjecture [M]"))
        for found in answers(measures, measures["world"].iloc[0])
    ]


RECIPE = Recipe(
    name="feature_purification/across_break",
    shows="Weight mixtures, input gradients and robustness of five methods around the break of FGSM training",
    item="ours: purification across the break",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=claims,
)
