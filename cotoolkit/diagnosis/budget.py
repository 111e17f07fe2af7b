"""How much a diagnosis may spend: points, steps, restarts and grids, under three names."""

from __future__ import annotations

import difflib
import itertools
from typing import Annotated, Self

from annotated_types import Ge
from pydantic import BaseModel, ConfigDict, model_validator

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import Whole

RADII = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0, 1.25, 1.5, 2.0)
"""Radii of the FGSM sweep, in units of epsilon: fine below it, where distortion shows, and beyond."""


Count = Annotated[int, Ge(1)]


class Budget(BaseModel):
    """What each measurement spends.

    The FGSM sweep contains 1, the PGD sweep something, and all sweeps grow; `ValueError` otherwise.

    Attributes:
        name: of the budget.
        points: images for the cheap attacks.
        few: of them, images for the strong attacks and the signals.
        fgsm_radii: FGSM sweep, in units of epsilon.
        pgd_radii: PGD sweep, in units of epsilon.
        radius_steps: PGD steps at each of those radii.
        steps: PGD steps on all points.
        step_grid: numbers of PGD steps of the sweep at epsilon.
        strong_steps: PGD steps of the strongest attack, of size epsilon / 4.
        restarts: random starts of the strongest attack.
        margin_steps: PGD steps on the logit margin.
        smoothed_steps: PGD steps along smoothed gradients.
        smoothed_draws: draws of noise that each smoothed gradient averages over.
        queries: of the black-box attack.
        targets: classes that the last attack tries, one after the other, on the points that all others left.
        target_steps: PGD steps towards each.
        most_steps: of the PGD that goes on until it has converged; it may end after `steps`.
        most_queries: of the black-box attack on the points left, where gradients are in doubt.
        second_opinion: whether AutoAttack checks a verdict that rests on points left right, where it is installed.
        segment: samples between an image and its FGSM example, a multiple of 3.
        evidence_points: images of the dear signals: unstable predictions, collinearity, steps for every class.
        label_classes: classes that these step for, at most.
        hessian_points: images whose top Hessian eigenvalue is found.
        surface_points: images behind the loss surface.
        surface: samples of the loss surface in each direction, and on the ways of attacks.
        looks: other radii that are judged, on few points, to find where the verdict changes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    points: Count
    few: Count
    fgsm_radii: tuple[float, ...] = RADII
    pgd_radii: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    radius_steps: Count = 10
    steps: Count
    step_grid: tuple[Count, ...]
    strong_steps: Count
    restarts: Count
    margin_steps: Count
    smoothed_steps: Count = 10
    smoothed_draws: Count
    queries: Count
    targets: Count
    target_steps: Count
    most_steps: Count
    most_queries: Count
    second_opinion: bool
    segment: Count
    evidence_points: Count
    label_classes: Count
    hessian_points: Count
    surface_points: Count
    surface: Annotated[Whole, Ge(2)]
    looks: Annotated[Whole, Ge(0)]

    @model_validator(mode="after")
    def _sweeps_grow(self) -> Self:
        for name in ("fgsm_radii", "pgd_radii", "step_grid"):
            grid = getattr(self, name)
            if not grid or grid[0] <= 0 or any(high <= low for low, high in itertools.pairwise(grid)):
                raise ValueError(f"{name} is {grid}; give growing numbers above 0")
        if 1.0 not in self.fgsm_radii:
            raise ValueError(f"fgsm_radii is {self.fgsm_radii}; the verdict needs 1 among them")
        if self.segment % 3:
            raise ValueError(f"segment is {self.segment}; give a multiple of 3")
        return self


BUDGETS = {
    budget.name: budget
    for budget in (
        Budget(
            name="quick",
            points=256,
            few=64,
            fgsm_radii=(0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
            pgd_radii=(0.5, 1.0, 2.0),
            radius_steps=5,
            steps=10,
            step_grid=(1, 2, 3, 5, 10),
            strong_steps=20,
            restarts=2,
            margin_steps=10,
            smoothed_steps=5,
            smoothed_draws=4,
            queries=100,
            targets=3,
            target_steps=20,
            most_steps=80,
            most_queries=1000,
            second_opinion=False,
            segment=9,
            evidence_points=16,
            label_classes=4,
            hessian_points=8,
            surface_points=8,
            surface=9,
            looks=0,
        ),
        Budget(
            name="standard",
            points=1000,
            few=128,
            steps=20,
            step_grid=(1, 2, 3, 5, 10, 20),
            strong_steps=50,
            restarts=2,
            margin_steps=20,
            smoothed_draws=4,
            queries=200,
            targets=9,
            target_steps=50,
            most_steps=320,
            most_queries=3000,
            second_opinion=True,
            segment=21,
            evidence_points=64,
            label_classes=10,
            hessian_points=16,
            surface_points=16,
            surface=13,
            looks=3,
        ),
        Budget(
            name="thorough",
            points=2000,
            few=512,
            pgd_radii=(0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0),
            radius_steps=20,
            steps=50,
            step_grid=(1, 2, 3, 5, 10, 20, 50, 100),
            strong_steps=50,
            restarts=10,
            margin_steps=50,
            smoothed_steps=20,
            smoothed_draws=8,
            queries=2000,
            targets=9,
            target_steps=100,
            most_steps=1280,
            most_queries=5000,
            second_opinion=True,
            segment=99,
            evidence_points=256,
            label_classes=10,
            hessian_points=64,
            surface_points=32,
            surface=31,
            looks=8,
        ),
    )
}
"""quick: about a quarter of a minute for a small network; standard: under two minutes; thorough: for the record."""


def budget_of(name: str | Budget) -> Budget:
    """The budget of that name; a budget passes through.

    Raises:
        ConfigError: there is none.
    """
    if isinstance(name, Budget):
        return name
    if not isinstance(name, str):
        raise ConfigError(f"budget is {name!r}; give {', '.join(BUDGETS)} or a Budget")
    if name not in BUDGETS:
        near = difflib.get_close_matches(name, BUDGETS, n=1) or list(BUDGETS)
        raise ConfigError(f"unknown budget {name!r}: did you mean {' or '.join(near)}?")
    return BUDGETS[name]
