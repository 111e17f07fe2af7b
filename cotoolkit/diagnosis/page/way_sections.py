"""Sections of a diagnosis on the ways of attacks, the radius at which the verdict changes, and single points."""

from __future__ import annotations

import pandas as pd

from cotoolkit.core.numbers import format_number
from cotoolkit.diagnosis.change import change_in_words
from cotoolkit.diagnosis.page import way_figures
from cotoolkit.diagnosis.points import points_table
from cotoolkit.diagnosis.schema import Diagnosis, VerdictChange
from cotoolkit.pages import Section


def way_section(diagnosis: Diagnosis) -> Section:
    """The loss along FGSM and along PGD."""
    shares = " and ".join(f"{one.stepped_over.percent} ({one.attack.upper()})" for one in diagnosis.ways)
    return Section(
        "ways",
        "The loss along the attacks",
        "From the images (0) through their adversarial examples (1) and half as far again, the few points. A sound "
        "attack's loss climbs all the way. Where FGSM's ends high in accuracy and PGD's low, one step has been learned "
        f"and the others not. Right at both ends and wrong between are {shares}.",
        way_figures.ways_figure(diagnosis)[0],
        "Accuracy and median loss along the FGSM and the PGD perturbation",
    )


def change_sections(diagnosis: Diagnosis) -> list[Section]:
    """The verdict at other radii, where the budget looked."""
    if diagnosis.change is None:
        return []
    return [
        Section(
            "change",
            "At which radius the verdict changes",
            f"{change_in_words(diagnosis.change)} The network was judged at other radii on fewer points than at "
            f"epsilon, {format_number(diagnosis.protocol.epsilon)} (black); a radius that is inconclusive counts as no "
            "change.",
            way_figures.change_figure(diagnosis.change, diagnosis.protocol.epsilon)[0],
            "Accuracy under all attacks and verdict by radius",
            change_table(diagnosis.change),
            percent=("accuracy under all attacks",),
        )
    ]


def change_table(change: VerdictChange) -> pd.DataFrame:
    """The verdict by radius.

    Args:
        change: of a diagnosis.

    Returns:
        Columns radius, verdict, confidence, accuracy under all attacks, 95 % interval.
    """
    return pd.DataFrame([
        {
            "radius": format_number(one.epsilon),
            "verdict": one.label,
            "confidence": one.confidence,
            "accuracy under all attacks": one.worst.value,
            "95 % interval": f"{one.worst.low:.1%} to {one.worst.high:.1%}",
        }
        for one in change.looked
    ])  # fmt: skip


def points_section(diagnosis: Diagnosis) -> Section:
    """Which attack was the first to fool how many points."""
    table = points_table(diagnosis.points)
    few = table[table["few"]]
    counts = few["fooled_by"].value_counts()
    rows = [name for name in few.columns if name in counts.index] + [name for name in ("none",) if name in counts]
    shown = pd.DataFrame([
        {"first fooled by": name, "points": int(counts[name]), "share": counts[name] / len(few)} for name in rows
    ])  # fmt: skip
    return Section(
        "points",
        "Which points fell to which attack",
        f"Of the {len(few)} points that the strong attacks saw; attacks in the order of the columns of "
        "diagnosis.points.parquet, which has a row for every point: its place in the data, its label, and what it "
        "withstood. In the table, clean are points that are wrong without an attack, none those that nothing fooled.",
        table=shown,
        percent=("share",),
    )
