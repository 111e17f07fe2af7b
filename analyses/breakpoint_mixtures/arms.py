"""Who trains in the study across the breakpoint, on which data, and which of their iterations are kept.

Two rounds. The first trains single-step FGSM and finds out when each run breaks. The second trains all arms, FGSM
again among them, from the same start and over the same batches, and keeps their weights at the same iterations around
that break.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.studies.scale import Scale
from cotoolkit.studies.study import Study

NEAR = tuple(range(-4, 9))
"""Offsets from the breakpoint, in iterations, at which every iteration counts. The break itself is 0: the first broken
iteration."""

OFFSETS = (-128, -64, -32, -16, -8, *NEAR, 16, 32, 64, 128)
"""All offsets from the breakpoint that are kept."""

BEFORE, AFTER = -32, 64
"""The offsets that are compared, well before and well behind the break: at the break itself, half of the robustness is
gone, and the fall has begun some twenty iterations earlier."""

EVERY_CLASS_ALIKE = 0.9
"""Rate of label noise that makes labels of ten classes independent of the images: each class is equally likely."""

METHODS: dict[str, dict[str, Any]] = {
    "standard": {"name": "standard"},
    "fgsm": {"name": "fgsm"},
    "n_fgsm": {"name": "n_fgsm"},
    "gradalign": {"name": "gradalign", "weight": 1.0},
    "pgd": {"name": "pgd", "steps": 10},
}
"""The arms that train on the world's own data; GradAlign's weight is ours, its published law ends at 16/255."""

SHUFFLED = "shuffled"
"""The control arm: standard training on labels that say nothing about the images."""


class World(BaseModel):
    """Data, radius and schedule on which FGSM training breaks.

    Attributes:
        name: short, for tables.
        why: why FGSM training breaks here, for people.
        settings: configuration data that all arms share.
        seeds: of every arm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    why: str
    settings: dict[str, Any]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def arm(self, name: str) -> dict[str, Any]:
        """Configuration data of an arm."""
        if name != SHUFFLED:
            return {**self.settings, "method": METHODS[name]}
        noise = {"name": "label_noise", "rate": EVERY_CLASS_ALIKE}
        own = self.settings.get("intervention")
        intervention = {"name": "compose", "parts": [own, noise]} if own else noise
        return {**self.settings, "method": METHODS["standard"], "intervention": intervention}


class Plan(BaseModel):
    """The study at one scale.

    Attributes:
        scale: what its numbers may be taken for.
        worlds: where FGSM training breaks.
        points: test images that the analyses look at.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    scale: Scale
    worlds: tuple[World, ...]
    points: int = 128

    def first_round(self) -> Study:
        """FGSM in every world, to find the breakpoints."""
        grids = tuple({**_one(world.arm("fgsm")), "seed": world.seeds} for world in self.worlds)
        return Study(
            name="across-break-dates",
            question="When does FGSM training break?",
            scale=self.scale,
            grids=grids,
        )

    def second_round(self, breaks: pd.DataFrame) -> Study:
        """All arms of the worlds and seeds that broke, with the iterations to keep.

        Args:
            breaks: what `breaks_of` made of the first round.
        """
        grids = []
        for row in breaks.dropna(subset="breakpoint").to_dict("records"):
            world, keep = self.world(row["world"]), kept_iterations(int(row["breakpoint"]), int(row["iterations"]))
            seed = (int(row["seed"]),)
            grids += [{**_one(world.arm(arm)), "seed": seed, "keep": (keep,)} for arm in (*METHODS, SHUFFLED)]
        return Study(
            name="across-break",
            question="What happens to weight mixtures when single-step training breaks?",
            scale=self.scale,
            grids=tuple(grids),
        )

    def world(self, name: str) -> World:
        """The world of that name."""
        return next(world for world in self.worlds if world.name == name)

    def config(self, world: str, arm: str, seed: int, keep: Sequence[int] = ()) -> RunConfig:
        """The run of an arm, as the rounds train it."""
        return RunConfig.parse({**self.world(world).arm(arm), "seed": seed, "keep": tuple(keep)})


def breaks_of(plan: Plan, table: pd.DataFrame) -> pd.DataFrame:
    """Breakpoints of the first round: columns world, seed, breakpoint (missing where none), iterations, verdict, run.

    Args:
        plan: the study.
        table: one row per run of the first round (`cotoolkit.runs.tables.run_table`).

    Raises:
        ConfigError: no run broke, so there is nothing to look at.
    """
    rows = []
    for world in plan.worlds:
        for seed in world.seeds:
            name = plan.config(world.name, "fgsm", seed)
            found = table[table["run"] == f"{name.title}-{name.identity}"]
            columns = ["breakpoint", "iterations", "verdict", "run"]  # all runs have ended
            rows += [{"world": world.name, "seed": seed, **row} for row in found[columns].to_dict("records")]
    breaks = pd.DataFrame(rows)
    if breaks.empty or breaks["breakpoint"].isna().all():
        raise ConfigError("no FGSM run broke: there is no breakpoint to look across")
    return breaks


def kept_iterations(breakpoint_iteration: int, last: int) -> tuple[int, ...]:
    """The start, the iterations around a breakpoint that the run has, and the end."""
    around = {breakpoint_iteration + offset for offset in OFFSETS}
    return tuple(sorted({0, last} | {iteration for iteration in around if 0 < iteration < last}))


def _one(settings: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """A grid of one point."""
    return {name: (value,) for name, value in settings.items()}


_DIGITS: dict[str, Any] = {
    "data": {"name": "digits"},
    "model": {"name": "small_cnn"},
    "box": "none",
    "epochs": 24,
    "batch_size": 64,
    "learning_rate": 0.1,
    "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
    "monitor": {"interval": 40},
}

_SMOKE = Plan(
    scale="smoke",
    worlds=(
        World(
            name="induced",
            why="an injected feature breaks FGSM at a radius that is safe without it",
            settings={
                **_DIGITS,
                "epsilon": 0.25,
                "intervention": {"name": "inject", "carrier": "paired", "beta": 0.15},
            },
        ),
        World(
            name="natural",
            why="a wide network and a high learning rate break FGSM on the data as they are",
            settings={
                **_DIGITS,
                "model": {"name": "small_cnn", "width": 32},
                "epsilon": 0.26,
                "epochs": 36,
                "learning_rate": 0.2,
                "weight_decay": 0.0,
                "schedule": {"kind": "cyclic", "peak": 0.6, "epsilon_warmup": 6},
            },
            seeds=(0, 1, 2, 3, 4, 5, 6, 7),  # some do not break
        ),
    ),
)

_LAPTOP = Plan(
    scale="laptop",
    worlds=(
        World(
            name="natural",
            why="the radius is high enough to break FGSM on the data as they are",
            settings={
                "data": {"name": "fashion_mnist", "train_size": 6000, "test_size": 1000},
                "model": {"name": "small_cnn", "width": 8},
                "box": "none",
                "epsilon": 0.12,
                "epochs": 14,
                "batch_size": 128,
                "learning_rate": 0.1,
                "weight_decay": 0.0,
                "schedule": {"kind": "cyclic", "peak": 0.5, "epsilon_warmup": 3},
                "monitor": {"interval": 40},
            },
            seeds=(0, 1, 2, 3, 4, 5, 6, 7, 8),  # two in five do not break
        ),
    ),
)

PLANS = {"smoke": _SMOKE, "laptop": _LAPTOP}
