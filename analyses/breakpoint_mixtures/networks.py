"""The networks of one seed, by arm and offset from the breakpoint."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import nn

from analyses.breakpoint_mixtures.plan import AFTER, BEFORE, OFFSETS, BreakpointPlan, BrokenSeed
from analyses.mixtures.edits import random_control
from cotoolkit.runs.checkpoints import trained_series, training_images

OTHERS = (-64, BEFORE, -1, 16, AFTER)
"""Offsets of the arms that do not break, the same iterations of the same batches; FGSM is looked at at all offsets."""

NORM_MATCHED = "norm_matched"
"""The control network: the one before the breakpoint, every layer changed as much as FGSM changes it, but anyhow."""


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


class SeedNetworks(NamedTuple):
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
        """The network of an arm at an offset, if it was kept.

        Args:
            arm: who trained it.
            offset: iterations since the breakpoint.

        Returns:
            The network, or None.
        """
        found = [name for name, place in self.places.items() if (place.arm, place.offset) == (arm, offset)]
        return self.models[found[0]] if found else None


def load_networks(plan: BreakpointPlan, root: Path | str, broken: BrokenSeed) -> SeedNetworks:
    """Read the networks that the second round kept, on the CPU.

    Args:
        plan: the study.
        root: folder of runs.
        broken: whose networks.

    Returns:
        All that were kept, and the control network.

    Raises:
        RunError: a run of the second round is missing or damaged.
    """
    folders, last = plan.folders(root, broken), broken.last
    places = [Place("start", None, 0), Place("standard", None, last), Place("pgd", None, last)]
    for arm, folder in folders.items():
        if folder.state == "diverged":  # has no more than the iterations up to there, and no end
            continue
        offsets = OFFSETS if arm == "fgsm" else OTHERS
        places += [Place(arm, offset, broken.breakpoint + offset) for offset in offsets if broken.has(offset)]
    models: dict[str, nn.Module] = {}
    for arm, folder in folders.items():
        own = [place for place in places if place.arm == arm or (place.arm, arm) == ("start", "standard")]
        loaded = trained_series(folder, [place.iteration for place in own])
        models |= {str(place): model for place, model in zip(own, loaded, strict=True)}
    named = {str(place): place for place in places}
    networks = SeedNetworks(named, models, str(places[0]), str(places[1]), str(places[2]))
    before, after = networks.at("fgsm", BEFORE), networks.at("fgsm", AFTER)
    if before is not None and after is not None:
        control = Place(NORM_MATCHED, AFTER, broken.breakpoint + AFTER)
        named[str(control)] = control
        images = training_images(plan.groups[broken.group].config("fgsm", broken.seed))
        models[str(control)] = random_control(before, after, broken.seed, images).eval()
    return networks
