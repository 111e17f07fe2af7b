"""The networks of one world and seed, by arm and offset from the breakpoint."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import nn

from analyses.breakpoint_mixtures.arms import AFTER, BEFORE, METHODS, OFFSETS, SHUFFLED, Plan, kept_iterations
from analyses.mixtures.edits import random_control
from cotoolkit.runs.checkpoints import trained_series, training_images
from cotoolkit.runs.folder import RunFolder

OTHERS = (-64, BEFORE, -1, 16, AFTER)
"""Offsets of the arms that do not break, the same iterations of the same batches; FGSM is looked at at all offsets."""

NORM_MATCHED = "norm_matched"
"""The control network: the one before the break, every layer changed as much as the break changes it, but anyhow."""


class Place(NamedTuple):
    """Where a network stands in the study.

    Attributes:
        arm: who trained it.
        offset: iterations since the breakpoint; None for the start and the end of training.
        iteration: updates done.
    """

    arm: str
    offset: int | None
    iteration: int

    def __str__(self) -> str:
        """Its name in the tables of models."""
        return f"{self.arm}@{self.iteration}"


class Networks(NamedTuple):
    """Networks from the same start, over the same batches.

    Attributes:
        places: where each network stands, by its name.
        models: the networks, in evaluation mode, by name.
        start: name of the untrained network.
        clean: name of the one after all of standard training.
        robust: name of the one after all of PGD training.
    """

    places: dict[str, Place]
    models: dict[str, nn.Module]
    start: str
    clean: str
    robust: str

    def at(self, arm: str, offset: int) -> nn.Module | None:
        """The network of an arm at an offset, if it was kept."""
        found = [name for name, place in self.places.items() if (place.arm, place.offset) == (arm, offset)]
        return self.models[found[0]] if found else None


def arms_of(
    plan: Plan, root: Path | str, world: str, seed: int, breakpoint_iteration: int, last: int
) -> dict[str, RunFolder]:
    """The runs of the second round, by arm."""
    keep = kept_iterations(breakpoint_iteration, last)
    return {arm: RunFolder.of(root, plan.config(world, arm, seed, keep)) for arm in (*METHODS, SHUFFLED)}


def load_networks(
    plan: Plan, root: Path | str, world: str, seed: int, breakpoint_iteration: int, last: int
) -> Networks:
    """Read the networks that the second round kept, on the CPU.

    Raises:
        RunError: a run of the second round is missing or damaged.
    """
    folders = arms_of(plan, root, world, seed, breakpoint_iteration, last)
    places = [Place("start", None, 0), Place("standard", None, last), Place("pgd", None, last)]
    for arm, folder in folders.items():
        if folder.state == "diverged":  # has no more than the iterations up to there, and no end
            continue
        offsets = OFFSETS if arm == "fgsm" else OTHERS
        places += [Place(arm, o, breakpoint_iteration + o) for o in offsets if 0 < breakpoint_iteration + o < last]
    models: dict[str, nn.Module] = {}
    for arm, folder in folders.items():
        own = [place for place in places if place.arm == arm or (place.arm, arm) == ("start", "standard")]
        loaded = trained_series(folder, [place.iteration for place in own])
        models |= {str(place): model for place, model in zip(own, loaded, strict=True)}
    named = {str(place): place for place in places}
    networks = Networks(named, models, str(places[0]), str(places[1]), str(places[2]))
    before, after = networks.at("fgsm", BEFORE), networks.at("fgsm", AFTER)
    if before is not None and after is not None:
        control = Place(NORM_MATCHED, AFTER, breakpoint_iteration + AFTER)
        named[str(control)] = control
        images = training_images(plan.config(world, "fgsm", seed))
        models[str(control)] = random_control(before, after, seed, images).eval()
    return networks
