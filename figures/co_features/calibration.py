"""The scale of the feature in numbers: overshoot, coefficients, projectors, filters, matched filter. No training.

At scale laptop on CIFAR-10 (read through COTOOLKIT_DATA), where the spec gives the same numbers from a check of its own
([N]: 2.2, 2.3, 2.4 and 2.7; not the paper's). At scale digits on the digits, to which no such number applies. All
intervals are over disjoint fifths of the images, in the place of seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from analyses.core.claims import ClaimTable, claim
from analyses.core.runner import StudyRunner
from cotoolkit.data import DataConfig, ImageSet, load
from cotoolkit.data.image_set import as_float
from cotoolkit.plotting.style import BLUE, GREEN, PAGE, VERMILION
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study
from figures.co_features.setups.perturbation_measures import removed_energy
from figures.elements import category_axis, new_figure, percent, seed_band, seed_points
from figures.recipe import Comparison, Recipe
from figures.records.setting import DATA
from interventions.carriers import Paired
from interventions.filters import LowPass, ReleasedRowLowPass
from interventions.injection import Inject
from interventions.projection import Project, ReleasedProject, feature_coefficients

FIFTHS = 5
"""Disjoint parts of the images, in the place of seeds."""

VECTORS = 5
"""The features of the first classes, mutually orthogonal; the others are their negatives."""


class CalibrationPlan(NamedTuple):
    """A data set and what is measured on it.

    Attributes:
        data: its name.
        betas: strengths.
        forced: pairs (beta, epsilon) whose overshoot beyond epsilon is counted.
        bandwidths: of the low-pass filters.
        beta: of the claim on the matched filter.
        parts: how many fifths of the images, in the place of seeds.
    """

    data: str
    betas: tuple[float, ...]
    forced: tuple[tuple[float, float], ...]
    bandwidths: tuple[int, ...]
    beta: float
    parts: int = FIFTHS


_DIGITS = CalibrationPlan("digits", (0.0, 0.1, 0.15, 0.25, 0.4), ((0.15, 0.1), (0.25, 0.2)), tuple(range(1, 9)), 0.15)

PLANS: dict[Scale, CalibrationPlan] = {
    "smoke": _DIGITS._replace(parts=1),
    "digits": _DIGITS,
    "laptop": CalibrationPlan(
        "cifar10",
        tuple(beta / 255 for beta in (0, 1, 4, 8, 12, 16, 20, 26)),
        ((8 / 255, 6 / 255), (11 / 255, 6 / 255), (20 / 255, 8 / 255)),
        tuple(range(4, 33, 4)),
        8 / 255,
    ),
}

STUDIES: dict[Scale, tuple[Study, ...]] = dict.fromkeys(PLANS, ())

Row = tuple[str, float, float]
"""A measure, where it was taken (strength, bandwidth or number of a vector), and its value."""

SOURCE = "ours: computed beforehand on CIFAR-10 [N]"


def outside(images: Tensor, margin: float = 0.0) -> tuple[float, float]:
    """Share of entries that lie outside [0, 1] by more than `margin`, and share of images with any; (B, C, H, W).

    Args:
        images: (B, C, H, W).
        margin: by which they may leave the box.

    Returns:
        Both shares, in [0, 1].
    """
    over = (images < -margin) | (images > 1 + margin)
    return float(over.float().mean()), float(over.flatten(1).any(1).float().mean())


def contrast_kept(images: Tensor, filtered: Tensor) -> float:
    """Share of the energy about each image's and channel's own mean that a filter keeps, over all images.

    Args:
        images: (B, C, H, W).
        filtered: the same, filtered.

    Returns:
        The share, 1 where nothing is lost.
    """
    energies = [(one - one.mean((2, 3), keepdim=True)).double().square().sum() for one in (filtered, images)]
    return float(energies[0] / energies[1])


def _of_test(images: Tensor, labels: Tensor, plan: CalibrationPlan) -> Iterator[Row]:
    vectors = Paired().vectors(10, (*images.shape[1:],))
    for beta in plan.betas:
        injected, _ = Inject(Paired(), beta=beta)(images, labels, classes=10)
        entries, whole = outside(injected)
        yield "entries_outside", beta, entries
        yield "images_outside", beta, whole
        scores = injected.flatten(1) @ vectors.flatten(1).mT
        yield "matched_filter", beta, float((scores.argmax(1) == labels).float().mean())
    for beta, epsilon in plan.forced:
        injected, _ = Inject(Paired(), beta=beta)(images, labels, classes=10)
        entries, whole = outside(injected, epsilon)
        yield f"entries_forced_{epsilon:.6g}", beta, entries
        yield f"images_forced_{epsilon:.6g}", beta, whole
    for name, projector in (("correct", Project(Paired())), ("released", ReleasedProject(Paired()))):
        yield f"removed_{name}", 0.0, removed_energy(images, projector(images, classes=10)[0])
    for bandwidth in plan.bandwidths:
        yield "kept_square", bandwidth, contrast_kept(images, LowPass(bandwidth)(images)[0])
        yield "kept_rows", bandwidth, contrast_kept(images, ReleasedRowLowPass(bandwidth)(images)[0])


def _of_train(images: Tensor) -> Iterator[Row]:
    vectors = Paired().vectors(10, (*images.shape[1:],))[:VECTORS]
    coefficients = feature_coefficients(images, vectors)
    for index, column in enumerate(coefficients.T):
        yield "coefficient_mean", index, float(column.mean())
        yield "coefficient_std", index, float(column.std())


def _fifths(data: ImageSet, parts: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    for part, indices in enumerate(torch.arange(len(data)).chunk(FIFTHS)[:parts]):
        few = data.pick(indices)
        yield part, as_float(few.images), few.labels


def collect(scale: Scale, runner: StudyRunner) -> pd.DataFrame:
    """One row per fifth of the images, measure and place; what the training images give bears `set` "train"."""
    plan = PLANS[scale]
    splits = load(DataConfig(name=plan.data), 0, runner.download)
    rows = [
        ("test", part, *row)
        for part, images, labels in _fifths(splits.test, plan.parts)
        for row in _of_test(images, labels, plan)
    ]
    rows += [
        ("train", part, *row) for part, images, _ in _fifths(splits.train, plan.parts) for row in _of_train(images)
    ]
    table = pd.DataFrame(rows, columns=["set", "part", "measure", "at", "value"])
    return table.assign(data=plan.data, scale=scale)


def _of(data: pd.DataFrame, measure: str, at: float | None = None) -> pd.DataFrame:
    """Rows of a measure, at one place or all."""
    rows = data[data["measure"] == measure]
    return rows if at is None else rows[(rows["at"] - at).abs() < 1e-9]


def draw(data: pd.DataFrame) -> Figure:
    """Overshoot and matched filter by strength, energy kept by bandwidth, coefficients, energy removed."""
    figure, grid = new_figure(PAGE, 4.0, 2, 2)
    axes = grid.flatten()
    unit = 255 if data["data"].iloc[0] == "cifar10" else 1
    text = "β (/255)" if unit == 255 else "β"
    for measure, label, colour, line in (
        ("entries_outside", "entries outside", BLUE, "-"),
        ("images_outside", "images with any", GREEN, "--"),
        ("matched_filter", "matched filter right", VERMILION, "-."),
    ):
        course = _of(data, measure).assign(at=lambda rows: rows["at"] * unit)
        seed_band(axes[0], course, "at", "value", colour=colour, line=line, marker="o", ms=2.5, label=label)
    axes[0].set(xlabel=f"strength {text}", title="overshoot and matched filter")
    axes[0].set(ylim=(-0.03, 1.03))
    for measure, label, colour, line in (("square", "square", BLUE, "-"), ("rows", "rows only", VERMILION, "--")):
        course = _of(data, f"kept_{measure}")
        seed_band(axes[1], course, "at", "value", colour=colour, line=line, marker="o", ms=2.5, label=label)
    axes[1].set(xlabel="bandwidth b", title="AC energy that low-pass filters keep", ylim=(None, 1.03))
    axes[1].legend(loc="lower right")
    axes[0].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    means, spreads = (_of(data, f"coefficient_{part}").groupby("at")["value"].mean() for part in ("mean", "std"))
    axes[2].errorbar(range(len(means)), means * unit, spreads * unit, fmt="o", color=BLUE, capsize=2, lw=1)
    category_axis(axes[2], [f"v{index}" for index in range(len(means))])
    axes[2].set(title="coefficients of the images, mean ± std")
    axes[2].set_ylabel("a (1/255)" if unit == 255 else "a")
    for place, name in enumerate(("correct", "released")):
        seed_points(axes[3], place, _of(data, f"removed_{name}")["value"].to_list(), (BLUE, VERMILION)[place])
    category_axis(axes[3], ["correct", "released"])
    axes[3].set(title="pixel energy that projectors remove", ylim=(0, 1))
    for axis in axes[[0, 1, 3]]:
        percent(axis, "share")
    return figure


CLAIMS: ClaimTable[pd.DataFrame] = ClaimTable(
    (
        claim(
            "matched", "At the strength of interest the projection on the features is a poor cue",
            "accuracy of the matched filter on fifths of the test images, β {beta:.3g}", below=0.5, null=0.1,
            source=SOURCE,
            value=lambda data: _of(data, "matched_filter", _plan(data).beta).set_index("part")["value"],
        ),
    ),
    read=lambda data: data,
    words=lambda data: {"beta": _plan(data).beta},
)  # fmt: skip
"""What of it could be otherwise on other images; fifths of the images in the place of seeds.

The released projector removes all that the correct one does and more, and the rows-only filter keeps all that the
square one does and more, on any images: how much more is drawn and compared, and not claimed.
"""


def _plan(data: pd.DataFrame) -> CalibrationPlan:
    return PLANS[data["scale"].iloc[0]]


def compare(data: pd.DataFrame) -> list[Comparison]:
    """Numbers that other code computed beforehand on CIFAR-10 beside ours."""
    if data["data"].iloc[0] != "cifar10":
        return []
    found = []
    for what, printed, measure, at, unit, remark in _printed():
        ours = _of(data, measure, at)["value"] * unit
        found.append(Comparison(what, printed, "computed beforehand [N]", ours, remark))
    return found


Printed = tuple[str, str, str, float, float, str]


def _printed() -> Iterator[Printed]:
    """What was computed beforehand: what, the number, our measure, its place, its unit, a remark."""
    plain = "interval over fifths of the images"
    for beta, entries, images in ((1, "0.6", "39"), (4, "1.4", "54"), (8, "2.2", "67"), (12, "3.0", "77"),
                                  (20, "4.8", "88"), (26, "6.3", "93")):  # fmt: skip
        yield f"entries outside [0, 1] at β {beta}/255 (%)", entries, "entries_outside", beta / 255, 100, plain
        yield f"images with such an entry at β {beta}/255 (%)", images, "images_outside", beta / 255, 100, plain
    for beta, epsilon, entries, images in ((8, 6, "1.0", "48"), (11, 6, "1.6", "58"), (20, 8, "3.0", "76")):
        what, measure = f"at β {beta}/255, ε {epsilon}/255 (%)", f"forced_{epsilon / 255:.6g}"
        yield f"entries forced beyond ε {what}", entries, f"entries_{measure}", beta / 255, 100, plain
        yield f"images with such an entry {what}", images, f"images_{measure}", beta / 255, 100, plain
    for index, (mean, std) in enumerate(
        (("0.06", "11.1"), ("5.81", "20.4"), ("-0.06", "8.2"), ("-0.05", "6.5"), ("-0.85", "6.7"))
    ):
        yield f"mean coefficient on v{index} (1/255)", mean, "coefficient_mean", index, 255, plain
        yield f"its standard deviation, v{index} (1/255)", std, "coefficient_std", index, 255, plain
    for beta, printed in ((0, "12"), (8, "31"), (16, "53"), (26, "75")):
        yield f"matched filter at β {beta}/255 (%)", printed, "matched_filter", beta / 255, 100, plain
    yield "pixel energy the correct projector removes (%)", "3.8", "removed_correct", 0, 100, plain
    yield (
        "pixel energy the released projector removes (%)", "87.5", "removed_released", 0, 100,
        "the released projector's surplus directions are round-off and differ between machines",
    )  # fmt: skip
    kept = {"square": (60.9, 82.5, 91.0, 95.4, 97.8, 99.1, 99.7), "rows": (72.4, 88.9, 94.7, 97.4, 98.8, 99.5, 99.8)}
    for name, numbers in kept.items():
        for bandwidth, number in zip(range(4, 29, 4), numbers, strict=True):
            what = f"AC energy kept, {name.replace('rows', 'rows only')}, b = {bandwidth} (%)"
            yield what, f"{number}", f"kept_{name}", bandwidth, 100, plain


RECIPE = Recipe(
    name="co_features/calibration",
    shows="Size of the feature beside natural images, and the energy that projectors and filters take away",
    item="Calibration facts (computed by us, not in the paper)",
    studies=STUDIES,
    collect=collect,
    draw=draw,
    claims=CLAIMS,
    compare=compare,
    appendix=True,
    setting=lambda scale: f"nothing is trained; all images of {DATA[PLANS[scale].data]}, in {FIFTHS} disjoint parts.",
)
