"""Is the robust network a purification of the clean one? Five items, told apart, layer by layer.

All thresholds are our choice [M]. Without items 4 (causal) and 5 (control) "purified" only describes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import pandas as pd
import torch
from torch import Tensor, nn

from analyses.mixtures.change import angles, hoyer, split
from analyses.mixtures.directions import energy_share, random_grams, removed_direction, top_share
from analyses.mixtures.edits import put_back_parts, random_control
from analyses.mixtures.firing import firing_units
from analyses.mixtures.sparse import penalised_code
from analyses.mixtures.units import check_same_layers, live_units, units_of
from analyses.statistics import bootstrap

Item = Literal["angle", "shared_removal", "sparser", "causal", "control"]
Row = tuple[Item, str, float, str, bool | None]
RANDOM_SEEDS = 3


def definition(
    start: nn.Module,
    clean: nn.Module,
    robust: nn.Module,
    *,
    atoms: Mapping[str, Tensor] | None = None,
    accuracy: Callable[[nn.Module], float] | None = None,
    control: nn.Module | None = None,
    images: Tensor | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """The five items for a triple of networks whose units are paired by training: start -> clean -> robust.

    1. `angle`: at least 80 % of the live units are turned by less than 45 degrees from clean to robust, and the median
       angle is below that from start to clean.
    2. `shared_removal`: the removed parts v_i / ||w_i|| have at least 3 times the energy in one direction that randomly
       turned ones have, and the energy of the units along it falls by at least half.
    3. `sparser`: the codes of the robust units have a larger Hoyer sparsity in a dictionary made of neither network,
       with a 95 % bootstrap interval over units above 0.
    4. `causal`: putting the removed shared part back into this layer of the robust network loses at least half of the
       robust accuracy gained, a random direction of equal norm less than a tenth.
    5. `control`: as much training on clean images fails item 2 or item 3.

    Args:
        start: initial network (W0).
        clean: trained on clean images from there (Wc).
        robust: trained adversarially from clean (Wa).
        atoms: layer -> (n_atoms, n_in), a dictionary that comes from neither clean nor robust, such as `learn_atoms` of
            another robust network from the same start; None, or a layer without one, leaves item 3 open.
        accuracy: robust accuracy of a network, in [0, 1]; called 2 + 4 times per layer. None leaves item 4 open.
        control: the clean network trained on, for as long as the robust one was (CLEAN+). None leaves item 5 open.
        images: some 2000, to leave out units that fire neither in clean nor in robust (`firing_units`), and to estimate
            batch norm anew after the edits of item 4.
        seed: of the nulls, the bootstrap and the random directions.

    Returns:
        Rows of layer, item, measure, value, needed (the threshold in words), holds (True, False; None if open). An item
        holds where all its rows do.

    Raises:
        ModelError: networks with different layers.
        ConfigError: a network with batch norm and no images for it.
    """
    networks = {"start": start, "clean": clean, "robust": robust} | ({} if control is None else {"control": control})
    units = {name: units_of(network) for name, network in networks.items()}
    for name, layers in units.items():
        check_same_layers(layers, units["robust"], (name, "robust"))
    firing = {name: firing_units(networks[name], units[name], images) for name in ("clean", "robust")}
    reached = None if accuracy is None else (accuracy(clean), accuracy(robust))
    rows = []
    for layer in units["robust"]:
        fires = firing["clean"][layer] | firing["robust"][layer]
        weights = {name: layers[layer].weight[fires] for name, layers in units.items()}
        basis = None if atoms is None else atoms.get(layer)
        direction = removed_direction(split(weights["clean"], weights["robust"]).rest_per_length)
        found = [
            *_angle(weights["start"], weights["clean"], weights["robust"]),
            *_shared_removal(weights["clean"], weights["robust"], seed),
            *_sparser(weights["clean"], weights["robust"], basis, seed),
            *_causal(clean, robust, {layer: direction}, accuracy, reached, images, seed),
            *_control(weights, basis, seed),
        ]
        rows += [(layer, *row) for row in found]
    return pd.DataFrame(rows, columns=["layer", "item", "measure", "value", "needed", "holds"])


def _angle(start: Tensor, clean: Tensor, robust: Tensor) -> Iterator[Row]:
    live = live_units(clean, robust)
    turned = angles(clean[live], robust[live])
    share = float((turned < 45).float().mean())
    yield "angle", "share of units turned by less than 45 degrees", share, "at least 0.8", share >= 0.8
    further = float(turned.quantile(0.5) - angles(start[live], clean[live]).quantile(0.5))
    yield "angle", "median angle less that of clean training, degrees", further, "below 0", further < 0


def _shared_removal(clean: Tensor, other: Tensor, seed: int) -> Iterator[Row]:
    live = live_units(clean, other)
    clean, other = clean[live], other[live]
    removed = split(clean, other).rest_per_length
    top = top_share(removed, random_grams(len(clean), clean.shape[1], torch.Generator().manual_seed(seed)))
    over = top.share / top.null
    yield "shared_removal", "energy of removed parts in one direction over its null", over, "at least 3", over >= 3
    direction = removed_direction(removed)
    before = energy_share(clean, direction)
    fall = 1 - energy_share(other, direction) / before if before > 0 else math.nan
    yield "shared_removal", "relative fall of the units' energy along it", fall, "at least 0.5", fall >= 0.5


def _sparser(clean: Tensor, other: Tensor, atoms: Tensor | None, seed: int) -> Iterator[Row]:
    measure, needed = "lower end of the rise of Hoyer sparsity", "above 0"
    if atoms is None:
        yield "sparser", measure, math.nan, needed, None
        return
    live = live_units(clean, other)
    rise = hoyer(penalised_code(other[live], atoms)) - hoyer(penalised_code(clean[live], atoms))
    low = bootstrap(rise.cpu().numpy(), seed).low
    yield "sparser", measure, low, needed, low > 0


def _causal(
    clean: nn.Module,
    robust: nn.Module,
    directions: Mapping[str, Tensor],
    accuracy: Callable[[nn.Module], float] | None,
    reached: tuple[float, float] | None,
    images: Tensor | None,
    seed: int,
) -> Iterator[Row]:
    own, random = "share of the gain lost with the shared part put back", "the same with random directions"
    needed = "at least 0.5", "below 0.1"
    if accuracy is None or reached is None:
        yield "causal", own, math.nan, needed[0], None
        yield "causal", random, math.nan, needed[1], None
        return
    edited = put_back_parts(robust, clean, directions, images)
    gained = reached[1] - reached[0]

    def lost(network: nn.Module) -> float:
        return (reached[1] - accuracy(network)) / gained if gained > 0 else math.nan

    share = lost(edited)
    yield "causal", own, share, needed[0], share >= 0.5
    controls = [lost(random_control(robust, edited, seed + draw, images)) for draw in range(RANDOM_SEEDS)]
    mean = sum(controls) / len(controls)
    yield "causal", random, mean, needed[1], mean < 0.1


def _control(weights: Mapping[str, Tensor], atoms: Tensor | None, seed: int) -> Iterator[Row]:
    """The row says how many of the two items the control passes; with item 3 open, failing item 2 is enough."""
    measure, needed = "items 2 and 3 that clean training of equal length meets", "fewer than 2"
    if "control" not in weights:
        yield "control", measure, math.nan, needed, None
        return
    clean, control = weights["clean"], weights["control"]
    removal = all(row[-1] for row in _shared_removal(clean, control, seed))
    sparser = next(iter(_sparser(clean, control, atoms, seed)))[-1]
    met = float(removal + bool(sparser))
    yield "control", measure, met, needed, None if removal and sparser is None else met < 2
