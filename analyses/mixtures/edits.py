"""Causal edits: take a direction out of a network's units, put one in, or graft a change of low rank.

Each edit returns a copy; the network given is untouched. Batch norm is estimated anew on the images given, because its
statistics belong to the old weights; only a network without batch norm needs no images. Layers that are not named,
biases and all other parameters stay those of the first network. `random_control` gives every edit its control.

Source: the edits are our construction [M].
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from analyses.mixtures.statistics.change import split_by_reference
from analyses.mixtures.statistics.directions import coefficients
from analyses.mixtures.units.hidden_units import check_same_layers, units_of, with_units
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.core.numbers import whole_number
from cotoolkit.models.modes import attack_mode

LENGTH_SLACK = 1e-2
"""How far from 1 the length of a direction may be, as half precision rounds."""


def remove_direction(
    model: nn.Module, directions: Mapping[str, Tensor], share: float = 1.0, images: Tensor | None = None
) -> nn.Module:
    """Take a direction out of all units of a layer: w_i - share <w_i, u> u.

    Args:
        model: any network.
        directions: layer name -> u, (n_in,) of length 1.
        share: how much of it, 1 for all.
        images: (B, ...), to estimate batch norm anew.

    Returns:
        The edited copy.
    """
    rows, changed = _rows(model), {}
    for name, u in _directions(directions, rows).items():
        changed[name] = rows[name] - share * torch.outer(rows[name] @ u, u)
    return _edited(model, changed, images)


def put_back_mean(
    model: nn.Module, mixed: nn.Module, directions: Mapping[str, Tensor], images: Tensor | None = None
) -> nn.Module:
    """Give all units of a layer the mean coefficient of another network: w'_i + ||w'_i|| mean_j <w_j / ||w_j||, u> u.

    Args:
        model: the network to change, the robust one (w').
        mixed: the network whose mixture is put back, the clean one (w).
        directions: layer name -> u, (n_in,) of length 1.
        images: (B, ...), to estimate batch norm anew.

    Returns:
        The edited copy.
    """
    rows, source = _same_rows(model, mixed)
    changed = {}
    for name, u in _directions(directions, rows).items():
        amount = coefficients(_get(source, name), u).mean()
        changed[name] = rows[name] + amount * torch.outer(rows[name].norm(dim=1), u)
    return _edited(model, changed, images)


def put_back_parts(
    model: nn.Module,
    mixed: nn.Module,
    layers: Iterable[str] | Mapping[str, Tensor],
    images: Tensor | None = None,
) -> nn.Module:
    """Give each unit back the part of its ancestor that it lost: w'_i + v_i, or only the part of v_i along a direction.

    v_i = w_i - beta_i w'_i (`split_by_reference`), with units paired by index.

    Args:
        model: the network to change, the robust one (w').
        mixed: the network it was trained from, the clean one (w).
        layers: layers in which to put v_i back; or layer name -> u, (n_in,) of length 1, to put back <v_i, u> u.
        images: (B, ...), to estimate batch norm anew.

    Returns:
        The edited copy.
    """
    rows, source = _same_rows(model, mixed)
    changed = {}
    along = _directions(layers, rows) if isinstance(layers, Mapping) else {}
    for name in along or _names(layers):
        part = split_by_reference(_get(source, name), rows[name]).rest
        if name in along:
            part = torch.outer(part @ along[name], along[name])
        changed[name] = rows[name] + part
    return _edited(model, changed, images)


def graft(
    clean: nn.Module, robust: nn.Module, rank: int, layers: Iterable[str] | None = None, images: Tensor | None = None
) -> nn.Module:
    """The clean network plus the best approximation of rank r of what robust training changed: Wc + trunc_r(Wa - Wc).

    Even at full rank it is not the robust network: biases and batch norm's own weights stay those of the clean one.

    Args:
        clean: the network to change (Wc).
        robust: the network trained from it (Wa).
        rank: r >= 1, of each layer's matrix of units.
        layers: which layers; None for all.
        images: (B, ...), to estimate batch norm anew.

    Returns:
        The edited copy.

    Raises:
        ConfigError: a rank below 1.
    """
    rank = whole_number(rank, "rank", 1)
    rows, target = _same_rows(clean, robust)
    changed = {}
    for name in rows if layers is None else _names(layers):
        left, values, right = torch.linalg.svd(_get(target, name) - rows[name], full_matrices=False)
        changed[name] = rows[name] + (left[:, :rank] * values[:rank]) @ right[:rank]
    return _edited(clean, changed, images)


def random_control(model: nn.Module, edited: nn.Module, seed: int, images: Tensor | None = None) -> nn.Module:
    """The control of an edit: every layer changed as much, but in random directions.

    Each layer's change C, (n, d), becomes (C C^T)^(1/2) F^T, or C F^T where n >= d, with F a uniformly random frame of
    orthonormal columns. So the norm of the change of each unit, and the spectrum and the Frobenius norm of each layer's
    change, are those of the edit. Neither form depends on the signs that a decomposition gives to singular vectors.

    Args:
        model: the network before the edit.
        edited: the network after it.
        seed: of the random directions.
        images: (B, ...), to estimate batch norm anew.

    Returns:
        The edited copy.
    """
    rows, target = _same_rows(model, edited)
    generator = torch.Generator().manual_seed(seed)
    changed = {}
    for name, before in rows.items():
        change = target[name] - before
        if change.any():
            left, values, right = torch.linalg.svd(change, full_matrices=False)
            factor = (left * values) @ left.mT if len(left) < right.shape[1] else change
            # LAPACK fixes the signs of Q; those of R's diagonal make it uniform over all orthonormal frames
            frame, triangle = torch.linalg.qr(torch.randn(right.mT.shape, generator=generator, dtype=torch.float32))
            changed[name] = before + factor @ (frame * triangle.diagonal().sign()).mT.to(before)
    return _edited(model, changed, images)


def unedited(model: nn.Module, images: Tensor | None = None) -> nn.Module:
    """A copy with nothing changed but batch norm estimated anew, as after every edit: what edits are compared with.

    Args:
        model: any network.
        images: (B, ...), to estimate batch norm anew.

    Returns:
        The copy.
    """
    return _edited(model, {}, images)


def reestimate_batch_norm(model: nn.Module, images: Tensor, batch_size: int = 256) -> None:
    """Set the running statistics of every BatchNorm to the mean over batches of these images, in place.

    Only batch norm is in training mode meanwhile; afterwards every module is in the mode it was.

    Args:
        model: any network.
        images: (B, ...).
        batch_size: most images a batch; batches are of equal size, so that no image is left alone in the last one.

    Raises:
        ConfigError: fewer than two images, and there is batch norm.
    """
    norms = _batch_norms(model)
    if not norms:
        return
    if len(images) < 2:
        raise ConfigError("batch norm is estimated anew on images: give at least two")
    momenta = [norm.momentum for norm in norms]
    device = next(model.parameters()).device
    try:
        with attack_mode(model, "eval"), torch.no_grad():
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum = None  # a cumulative mean instead of a moving one
                norm.train()
            for batch in images.tensor_split(math.ceil(len(images) / batch_size)):
                model(batch.to(device))
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _edited(model: nn.Module, weights: Mapping[str, Tensor], images: Tensor | None) -> nn.Module:
    changed = with_units(model, weights)
    if images is not None:
        reestimate_batch_norm(changed, images)
    elif _batch_norms(changed):
        raise ConfigError("the network has batch norm: give images to estimate its statistics after the edit")
    return changed


def _batch_norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm) and module.running_mean is not None]


def _rows(model: nn.Module) -> dict[str, Tensor]:
    return {name: units.weight for name, units in units_of(model).items()}


def _same_rows(first: nn.Module, second: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    own, other = units_of(first), units_of(second)
    check_same_layers(own, other, ("the network to edit", "the other"))
    rows = {name: units.weight for name, units in own.items()}
    return rows, {name: units.weight.to(rows[name]) for name, units in other.items()}


def _names(layers: Iterable[str]) -> list[str]:
    return [layers] if isinstance(layers, str) else list(layers)


def _directions(directions: Mapping[str, Any], rows: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A direction of length 1 for each layer, as the layer's units are."""
    if not isinstance(directions, Mapping):
        raise ConfigError(f"directions are a {type(directions).__name__}; give one by layer: {{layer: (n_in,)}}")
    found = {}
    for name, direction in directions.items():
        units = _get(rows, name)
        u = torch.as_tensor(direction).detach().to(units)
        if u.shape != units.shape[1:]:
            raise ConfigError(f"layer {name}: a direction has shape ({units.shape[1]},), not {tuple(u.shape)}")
        if not abs(float(u.norm()) - 1) < LENGTH_SLACK:  # nan, too
            raise ConfigError(f"layer {name}: the direction has length {float(u.norm()):.4g}; give one of length 1")
        found[name] = u
    return found


def _get(rows: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in rows:
        raise ModelError(f"the network has no layer {name}; it has: {', '.join(rows)}")
    return rows[name]
