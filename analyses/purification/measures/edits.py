"""Causal edits of trained networks: take mixtures out, put them back, and see what becomes of robustness.

Every edit keeps the biases of the network that is edited, so that weights alone change.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from analyses.purification.measures.coefficients import DictionaryUnits, units
from analyses.purification.measures.robustness import JudgedPoints, accuracy, fgm_accuracy, moved_accuracy
from analyses.purification.synthetic_world.ball_attack import BallAttack
from analyses.purification.synthetic_world.network import SymmetricNet
from analyses.purification.synthetic_world.synthetic_data import SyntheticWorld

EDITED_UNITS = 10
"""How many single units are edited for the claim that one mixture alone is harmless [M]."""


def dense_mixtures(found: DictionaryUnits, world: SyntheticWorld) -> Tensor:
    """Each unit's dense mixture in input space: its residual's part along w*.

    Args:
        found: the units.
        world: whose dictionary they were seen in.

    Returns:
        (S, m, d).
    """
    d = found.coefficients.shape[-1]
    aligned = found.mixture * (d - 1) / d  # <r_i, w*> / ||w*||^2
    return (aligned[..., None] * world.signs[:, None, :]) @ world.dictionary.mT


def without_mixtures(net: SymmetricNet, world: SyntheticWorld) -> SymmetricNet:
    """Every unit without its mixture.

    Args:
        net: S networks.
        world: of the networks.

    Returns:
        The edited networks.
    """
    return replace(net, weights=net.weights - dense_mixtures(units(net.weights, world), world))


def with_mixtures_of(net: SymmetricNet, donor: SymmetricNet, world: SyntheticWorld) -> SymmetricNet:
    """Every unit's mixture replaced by that of the donor's unit, in units of the networks' features.

    With biases in units of ||w_i||, no decision changes when all weights grow by one factor. So the donor's mixtures
    are scaled to the net's features, by the ratio of sum_i |alpha_i|.

    Args:
        net: S networks.
        donor: as many, with as many units.
        world: of both.

    Returns:
        The edited networks.
    """
    own, other = units(net.weights, world), units(donor.weights, world)
    scale = own.alpha.abs().sum(-1) / other.alpha.abs().sum(-1)
    return replace(
        net, weights=net.weights - dense_mixtures(own, world) + scale[:, None, None] * dense_mixtures(other, world)
    )


def single_edits(net: SymmetricNet, probe: JudgedPoints, world: SyntheticWorld) -> Tensor:
    """Largest change of clean accuracy when ONE unit is reduced to its top atom.

    EDITED_UNITS units are tried, spread evenly over the pure units by |alpha|.

    Args:
        net: S networks.
        probe: points to judge on.
        world: of the networks.

    Returns:
        A share of points, (S,); nan without a pure unit.
    """
    found = units(net.weights, world)
    before = accuracy(net, probe)
    change = torch.zeros_like(before)
    ranked = torch.where(found.pure, found.alpha.abs(), -1.0).argsort(dim=-1, descending=True)
    last = (found.pure.sum(-1, keepdim=True) - 1).clamp_min(0)
    for place in range(EDITED_UNITS):
        chosen = ranked.gather(-1, last * place // (EDITED_UNITS - 1))[..., None].expand(-1, -1, world.coding.d)
        others = found.residual.gather(1, chosen) @ world.dictionary.mT
        edited = replace(net, weights=net.weights.scatter_add(1, chosen, -others))
        change = torch.maximum(change, (accuracy(edited, probe) - before).abs())
    return torch.where(found.pure.any(-1), change, torch.nan)


def edit_statistics(
    clean: SymmetricNet, purified: SymmetricNet, probe: JudgedPoints, world: SyntheticWorld, radius: float
) -> dict[str, Tensor]:
    """Accuracies of edited networks.

    Args:
        clean: the clean-trained networks.
        purified: trained on from those, adversarially.
        probe: points to judge on.
        world: of the networks.
        radius: l2, of the attacks.

    Returns:
        By edit and attack, (S,) each.
    """
    removed = without_mixtures(clean, world)
    restored = with_mixtures_of(purified, clean, world)
    found: dict[str, Tensor] = {"single_edit_change": single_edits(clean, probe, world)}
    for name, net in {"removed": removed, "restored": restored}.items():
        found[f"{name}_accuracy"] = accuracy(net, probe)
        found[f"{name}_universal"] = moved_accuracy(net, probe, "universal", radius)
        found[f"{name}_fgm"] = fgm_accuracy(net, probe, radius)
    return found


def transfer_statistics(
    source: SymmetricNet, clean: SymmetricNet, purified: SymmetricNet, probe: JudgedPoints, radius: float
) -> dict[str, Tensor]:
    """FGM examples made on another clean-trained network of the same world.

    transfer_clean and transfer_purified are accuracies; perturbation_cosine is the mean cosine between the
    perturbations that the source and the clean network's own gradients give.

    Args:
        source: the other networks.
        clean: the clean-trained networks.
        purified: trained on from those, adversarially.
        probe: points to judge on.
        radius: l2, of the examples.

    Returns:
        By name, (S,) each.
    """
    attack = BallAttack("l2", radius)
    rows: dict[str, list[Tensor]] = {"transfer_clean": [], "transfer_purified": [], "perturbation_cosine": []}
    for part in probe.blocks():
        x, y = part.batch.x, part.batch.y
        foreign = attack.perturb(source.input_gradient, x, y)
        own = attack.perturb(clean.input_gradient, x, y)
        rows["transfer_clean"].append((clean(x + foreign) * y > 0).float())
        rows["transfer_purified"].append((purified(x + foreign) * y > 0).float())
        rows["perturbation_cosine"].append(torch.cosine_similarity(foreign, own, dim=-1))
    return {name: torch.cat(parts, dim=-1).mean(-1) for name, parts in rows.items()}
