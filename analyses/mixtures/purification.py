"""Is the robust network a purification of the clean one? Five items, told apart, layer by layer.

1. `angle`: at least 80 % of the live units are turned by less than 45 degrees from clean to robust, and the median
   angle is below that from start to clean.
2. `shared_removal`: the removed parts v_i / ||w_i|| have at least 3 times the energy in one direction that randomly
   turned ones have, and the energy of the units along it falls by at least half.
3. `sparser`: the codes of the robust units have a larger Hoyer sparsity in a dictionary made of neither network,
   with a 95 % bootstrap interval over units above 0.
4. `causal`: putting the removed shared part back into this layer of the robust network loses at least half of the
   robust accuracy gained, a random direction of equal norm less than a tenth. With images, all these accuracies are
   of networks whose batch norm was estimated on them, so that none is put down to that.
5. `control`: as much training on clean images fails item 2 or item 3.

All thresholds are our choice [M]. Without the items causal and control, "purified" only describes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import pandas as pd
import torch
from torch import Tensor, nn

from analyses.core.statistics import bootstrap
from analyses.mixtures.edits import put_back_parts, random_control, unedited
from analyses.mixtures.statistics.change import hoyer, split_by_reference, unit_angles
from analyses.mixtures.statistics.directions import energy_share, random_grams, removed_direction, top_share
from analyses.mixtures.statistics.sparse import penalised_code
from analyses.mixtures.units.firing import firing_units
from analyses.mixtures.units.hidden_units import check_same_layers, live_units, units_of
from cotoolkit.core.errors import ConfigError

Item = Literal["angle", "shared_removal", "sparser", "causal", "control"]
Finding = tuple[float, bool | None]  # value, holds
OPEN: Finding = (math.nan, None)
RANDOM_SEEDS = 3

MEASURES: tuple[tuple[Item, str, str], ...] = (
    ("angle", "share of units turned by less than 45 degrees", "at least 0.8"),
    ("angle", "median angle less that of clean training, degrees", "below 0"),
    ("shared_removal", "energy of removed parts in one direction over its null", "at least 3"),
    ("shared_removal", "relative fall of the units' energy along it", "at least 0.5"),
    ("sparser", "lower end of the rise of Hoyer sparsity", "above 0"),
    ("causal", "share of the gain lost with the shared part put back", "at least 0.5"),
    ("causal", "the same with random directions", "below 0.1"),
    ("control", "items 2 and 3 that clean training of equal length meets", "fewer than 2"),
)
"""Item, measure and what it needs, of every layer's rows in their order."""


def purification_items(
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
        holds where all its rows do. All are open in a layer without a live unit in the clean or the robust network.

    Raises:
        ModelError: networks with different layers.
        ConfigError: a network with batch norm and no images for it, or atoms of another length than units.
    """
    networks = {"start": start, "clean": clean, "robust": robust} | ({} if control is None else {"control": control})
    units = {name: units_of(network) for name, network in networks.items()}
    for name, layers in units.items():
        check_same_layers(layers, units["robust"], (name, "robust"))
    firing = {name: firing_units(networks[name], units[name], images) for name in ("clean", "robust")}
    reached = None if accuracy is None else (accuracy(unedited(clean, images)), accuracy(unedited(robust, images)))
    rows = []
    for layer in units["robust"]:
        fires = firing["clean"][layer] | firing["robust"][layer]
        weights = {name: layers[layer].weight[fires] for name, layers in units.items()}
        found = [OPEN] * len(MEASURES)
        if all((live_units(units[name][layer].weight) & firing[name][layer]).any() for name in ("clean", "robust")):
            removed = _shared_part(weights["clean"], weights["robust"])
            basis = _atoms_of(layer, atoms, weights["robust"])
            found = [
                *_of_weights(weights, basis, seed),
                *_causal(clean, robust, {layer: removed}, accuracy, reached, images, seed),
                _control(weights, basis, seed),
            ]
        for (item, measure, needed), (value, holds) in zip(MEASURES, found, strict=True):
            rows.append((layer, item, measure, value, needed, holds))
    return pd.DataFrame(rows, columns=["layer", "item", "measure", "value", "needed", "holds"])


def _atoms_of(layer: str, atoms: Mapping[str, Tensor] | None, units: Tensor) -> Tensor | None:
    if atoms is None or layer not in atoms:
        return None
    found = torch.as_tensor(atoms[layer]).to(units)
    if found.shape[1:] != units.shape[1:]:
        raise ConfigError(f"atoms of layer {layer}: shape {tuple(found.shape)}; units have {units.shape[1]} weights")
    return found


def _of_weights(weights: Mapping[str, Tensor], atoms: Tensor | None, seed: int) -> Iterator[Finding]:
    """Items 1 to 3, which need no pass through a network."""
    clean, robust = weights["clean"], weights["robust"]
    yield from _angle(weights["start"], clean, robust)
    yield from _shared_removal(clean, robust, seed)
    yield _sparser(clean, robust, atoms, seed)


def _shared_part(clean: Tensor, robust: Tensor) -> Tensor:
    """The direction that the removed parts of live units share."""
    live = live_units(clean, robust)
    return removed_direction(split_by_reference(clean[live], robust[live]).rest_per_length)


def _angle(start: Tensor, clean: Tensor, robust: Tensor) -> Iterator[Finding]:
    live = live_units(clean, robust)
    turned = unit_angles(clean[live], robust[live])
    share = float((turned < 45).float().mean())
    yield share, share >= 0.8
    further = float(turned.quantile(0.5) - unit_angles(start[live], clean[live]).quantile(0.5))
    yield further, further < 0


def _shared_removal(clean: Tensor, other: Tensor, seed: int) -> Iterator[Finding]:
    live = live_units(clean, other)
    clean, other = clean[live], other[live]
    removed = split_by_reference(clean, other).rest_per_length
    top = top_share(removed, random_grams(len(clean), clean.shape[1], torch.Generator().manual_seed(seed)))
    over = top.share / top.null
    yield _known(over, over >= 3)
    direction = removed_direction(removed)
    before = energy_share(clean, direction)
    fall = 1 - energy_share(other, direction) / before if before > 0 else math.nan
    yield _known(fall, fall >= 0.5)


def _sparser(clean: Tensor, other: Tensor, atoms: Tensor | None, seed: int) -> Finding:
    if atoms is None or len(atoms) == 0:
        return OPEN
    live = live_units(clean, other)
    rise = hoyer(penalised_code(other[live], atoms)) - hoyer(penalised_code(clean[live], atoms))
    low = bootstrap(rise.cpu().numpy(), seed).low  # over units whose codes are not empty
    return _known(low, low > 0)


def _causal(
    clean: nn.Module,
    robust: nn.Module,
    directions: Mapping[str, Tensor],
    accuracy: Callable[[nn.Module], float] | None,
    reached: tuple[float, float] | None,
    images: Tensor | None,
    seed: int,
) -> Iterator[Finding]:
    if accuracy is None or reached is None:
        yield from (OPEN, OPEN)
        return
    edited = put_back_parts(robust, clean, directions, images)
    gained = reached[1] - reached[0]

    def lost(network: nn.Module) -> float:
        return (reached[1] - accuracy(network)) / gained if gained > 0 else math.nan

    share = lost(edited)
    yield _known(share, share >= 0.5)
    controls = [lost(random_control(robust, edited, seed + draw, images)) for draw in range(RANDOM_SEEDS)]
    mean = sum(controls) / len(controls)
    yield _known(mean, mean < 0.1)


def _control(weights: Mapping[str, Tensor], atoms: Tensor | None, seed: int) -> Finding:
    """How many of the two items the control passes; with one open, failing the other is enough."""
    if "control" not in weights:
        return OPEN
    clean, control = weights["clean"], weights["control"]
    removal = [holds for _, holds in _shared_removal(clean, control, seed)]
    _, sparser = _sparser(clean, control, atoms, seed)
    parts = (*removal, sparser)
    met = float(all(removal) + bool(sparser))
    return met, True if False in parts else None if None in parts else False


def _known(value: float, holds: bool) -> Finding:
    """A measure and whether it is as the item says; what has no value is open."""
    return OPEN if math.isnan(value) else (value, holds)
