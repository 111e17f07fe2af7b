"""Is the change of the weights across the breakpoint the cause of catastrophic overfitting? Parts of it, put in before.

Each edit has a control that changes every layer as much, with the same spectrum, in random directions
(`analyses.mixtures.edits.random_control`).
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from torch import Tensor, nn

from analyses.breakpoint_mixtures.networks import SeedNetworks
from analyses.breakpoint_mixtures.plan import AFTER, BEFORE
from analyses.mixtures.edits import graft, random_control, remove_direction, unedited
from analyses.mixtures.statistics.directions import common_direction
from analyses.mixtures.units.hidden_units import live_units, units_of
from cotoolkit.config import RunConfig
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.runs.checkpoints import training_images

RANKS = (1, 2, 4, 8, 16)
"""Of each layer's change across the breakpoint, kept in a graft."""

FULL = 10**6
"""A rank beyond that of any layer: the whole change."""

PROTOCOLS = ("clean", "fgsm", "pgd-10")


def edit_table(networks: SeedNetworks, config: RunConfig, points: Points, seed: int) -> pd.DataFrame:
    """Accuracies after edits. Columns: model (the one edited), layer ("" for all), statistic, value.

    Statistics are PROTOCOL_EDIT: `graft_R` puts the best rank R approximation of each layer's change across the
    breakpoint into the network before it, `graft_full` the whole change of all weight matrices (biases stay), with a
    layer's name that of this layer alone; `remove_clean_u1` takes the clean network's common direction out of all units
    of the broken network. `_random` is the control, `none` is no edit. Batch norm, where there is any, is estimated
    anew on training images, also for `none`. Empty where the offsets compared were not kept.

    Args:
        networks: of one seed.
        config: of its FGSM run.
        points: test images.
        seed: of the controls.

    Returns:
        Accuracies in [0, 1].
    """
    before, after = networks.at("fgsm", BEFORE), networks.at("fgsm", AFTER)
    images = training_images(config)
    rows = []
    if before is not None and after is not None:
        edits = [
            *_grafts(before, after, _name(networks, BEFORE), seed, images),
            *_removals(after, networks.models[networks.clean], _name(networks, AFTER), seed, images),
        ]
        for name, layer, edit, model in edits:
            for protocol in PROTOCOLS:
                found = run_protocol(model, points.images, points.labels, config.threat, protocol, seed=config.seed)
                rows.append((name, layer, f"{protocol}_{edit}", found.accuracy.value))
    return pd.DataFrame(rows, columns=["model", "layer", "statistic", "value"])


Edit = tuple[str, str, str, nn.Module]  # model, layer, name of the edit, edited network


def _grafts(before: nn.Module, after: nn.Module, name: str, seed: int, images: Tensor) -> Iterator[Edit]:
    yield name, "", "none", unedited(before, images)
    for rank, label in (*((rank, str(rank)) for rank in RANKS), (FULL, "full")):
        grafted = graft(before, after, rank, images=images)
        yield name, "", f"graft_{label}", grafted
        yield name, "", f"graft_{label}_random", random_control(before, grafted, seed, images)
    for layer in units_of(before):
        grafted = graft(before, after, FULL, [layer], images)
        yield name, layer, "graft_full", grafted
        yield name, layer, "graft_full_random", random_control(before, grafted, seed, images)


def _removals(after: nn.Module, clean: nn.Module, name: str, seed: int, images: Tensor) -> Iterator[Edit]:
    yield name, "", "none", unedited(after, images)
    weights = {layer: units.weight for layer, units in units_of(clean).items()}
    directions = {layer: common_direction(rows[live_units(rows)]) for layer, rows in weights.items()}
    removed = remove_direction(after, directions, images=images)
    yield name, "", "remove_clean_u1", removed
    yield name, "", "remove_clean_u1_random", random_control(after, removed, seed, images)


def _name(networks: SeedNetworks, offset: int) -> str:
    return next(n for n, place in networks.places.items() if (place.arm, place.offset) == ("fgsm", offset))
