"""Who trains in the study across the breakpoint, on which data, and which of their iterations are kept.

Two rounds. The first trains single-step FGSM and dates its breakpoints. The second trains all arms, FGSM again
among them, from the same start and over the same batches, and keeps their weights at the same iterations around
that breakpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from typing_extensions import override

from analyses.core.plan import ArmGroup, ConfigData, Plan, with_smoke
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.scale import DIGITS_SEEDS
from cotoolkit.studies.study import Study

NEAR = tuple(range(-4, 9))
"""Offsets from the breakpoint, in iterations, at which every iteration counts. The breakpoint is 0."""

OFFSETS = (-128, -64, -32, -16, -8, *NEAR, 16, 32, 64, 128)
"""All offsets from the breakpoint that are kept."""

BEFORE, AFTER = -32, 64
"""The offsets that are compared, well before and well behind the breakpoint: at the breakpoint itself, half of the
robustness is gone, and the fall has begun some twenty iterations earlier."""

EVERY_CLASS_ALIKE = 0.9
"""Rate of label noise that makes labels of ten classes independent of the images: each class is equally likely."""

METHODS: dict[str, ConfigData] = {
    "standard": {"name": "standard"},
    "fgsm": {"name": "fgsm"},
    "n_fgsm": {"name": "n_fgsm"},
    "gradalign": {"name": "gradalign", "weight": 1.0},
    "pgd": {"name": "pgd", "steps": 10},
}
"""The arms that train on the data of their settings; GradAlign's weight is ours, its published law ends at 16/255."""

SHUFFLED = "shuffled"
"""The control arm: standard training on labels that say nothing about the images."""


class BrokenSeed(NamedTuple):
    """The runs of one seed of a group, whose FGSM run has a breakpoint.

    Attributes:
        group: name of the settings.
        seed: of all its runs.
        breakpoint: that of the FGSM run.
        last: iterations of all runs.
    """

    group: str
    seed: int
    breakpoint: int
    last: int

    def has(self, *offsets: int) -> bool:
        """Whether these offsets lie strictly within training."""
        return all(0 < self.breakpoint + offset < self.last for offset in offsets)


class BreakpointPlan(Plan):
    """The study at one scale.

    Attributes:
        points: test images that the analyses look at.
    """

    offsets: tuple[int, ...] = OFFSETS
    points: int = 128

    def first_round(self) -> Study:
        """FGSM in every group, to find the breakpoints."""
        return self.study(arms=("fgsm",))

    def second_round(self, breakpoints: pd.DataFrame) -> Study:
        """All arms of the seeds with a breakpoint, with the iterations to keep."""
        return self.around_breakpoints(breakpoints, (*METHODS, SHUFFLED))

    @override
    def kept(self, breakpoint_iteration: int, last: int) -> tuple[int, ...]:
        """The start, the iterations around a breakpoint that the run has, and the end."""
        return tuple(sorted({0, *super().kept(breakpoint_iteration, last), last}))

    def folders(self, root: Path | str, broken: BrokenSeed) -> dict[str, RunFolder]:
        """The runs of the second round.

        Args:
            root: folder of runs.
            broken: whose.

        Returns:
            Folders by arm.

        Raises:
            RunError: a run is missing.
        """
        group, keep = self.groups[broken.group], self.kept(broken.breakpoint, broken.last)
        return {arm: RunFolder.of(root, group.config(arm, broken.seed, keep)) for arm in (*METHODS, SHUFFLED)}


def group_with_arms(why: str, settings: ConfigData, seeds: Sequence[int]) -> ArmGroup:
    """All arms over some settings.

    Args:
        why: FGSM training breaks there, for people.
        settings: configuration data that the arms share.
        seeds: of every arm.

    Returns:
        The group.
    """
    noise = {"name": "label_noise", "rate": EVERY_CLASS_ALIKE}
    own = settings.get("intervention")
    intervention = {"name": "compose", "parts": [own, noise]} if own else noise
    arms: dict[str, ConfigData] = {arm: {"method": method} for arm, method in METHODS.items()}
    arms[SHUFFLED] = {"method": METHODS["standard"], "intervention": intervention}
    return ArmGroup(why=why, settings=settings, seeds=tuple(seeds), arms=arms)


_DIGITS: ConfigData = {
    "data": {"name": "digits"},
    "model": {"name": "small_cnn"},
    "box": "none",
    "epochs": 24,
    "batch_size": 64,
    "learning_rate": 0.1,
    "schedule": {"kind": "cyclic", "peak": 0.3, "epsilon_warmup": 6},
    "monitor": {"interval": 40},
}

_QUESTION = "What happens to weight mixtures when single-step training breaks?"

PLANS = with_smoke(
    digits=BreakpointPlan(
        name="across-break",
        question=_QUESTION,
        scale="digits",
        groups={
            "induced": group_with_arms(
                "an injected feature breaks FGSM at a radius that is safe without it",
                {
                    **_DIGITS,
                    "epsilon": 0.25,
                    "intervention": {"name": "inject", "carrier": "paired", "beta": 0.15},
                },
                seeds=DIGITS_SEEDS,
            ),
            "natural": group_with_arms(
                "a wide network and a high learning rate break FGSM on the data as they are",
                {
                    **_DIGITS,
                    "model": {"name": "small_cnn", "width": 32},
                    "epsilon": 0.26,
                    "epochs": 36,
                    "learning_rate": 0.2,
                    "weight_decay": 0.0,
                    "schedule": {"kind": "cyclic", "peak": 0.6, "epsilon_warmup": 6},
                },
                seeds=DIGITS_SEEDS,  # some do not break
            ),
        },
    ),
    laptop=BreakpointPlan(
        name="across-break",
        question=_QUESTION,
        scale="laptop",
        groups={
            "natural": group_with_arms(
                "the radius is high enough to break FGSM on the data as they are",
                {
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
                seeds=range(9),  # a third do not break
            )
        },
    ),
)
"""By scale."""
