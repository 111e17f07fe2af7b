"""The units of a network: what each layer's weights look like as vectors, and a network with other vectors in place.

A unit is one output of a layer, a row of its weight matrix. All other modules of this package work on such matrices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm
from torch.utils.hooks import RemovableHandle

from analyses.mixtures.units.tracing import Conv, Returned, ReturningLayer, hooked
from cotoolkit.core.errors import ModelError
from cotoolkit.intake.model import layers_of
from cotoolkit.intake.preparation import copied

Kind = Literal["linear", "conv", "grouped", "depthwise", "query", "key", "value", "out"]


@dataclass(frozen=True)
class LayerUnits:
    """The units of one layer.

    Attributes:
        name: the module's name; an attention layer has four: `name.query`, `name.key`, `name.value`, `name.out_proj`.
        kind: what the layer is. Units of "grouped" and "depthwise" convolutions see different channels, so that their
            coordinates agree in kernel position only.
        weight: (n_units, n_in), float32 or finer. Convolutions: output channel x (channel, height, width), flattened.
    """

    name: str
    kind: Kind
    weight: Tensor


def units_of(model: nn.Module, fold: Tensor | None = None) -> dict[str, LayerUnits]:
    """The units of every linear, convolution and attention layer, in the order of the modules.

    Transposed convolutions and embeddings have no rows in this sense and are left out.

    Args:
        model: any network; it is not changed, and the units are copies.
        fold: a few images, to fold batch norm into the layers: a BatchNorm that reads the very output of a layer in a
            pass over them scales its units by gamma / sqrt(variance + e). None leaves the weights as they are.

    Returns:
        Layer name -> units.

    Raises:
        ModelError: the network has no such layer, or weights that are not finite.
    """
    layers = list(_weights(model))
    if not layers:
        raise ModelError("the network has no linear, convolution or attention layer, so it has no units to look at")
    norms = {} if fold is None else batch_norm_after(model, fold)
    found = {}
    for name, kind, weight in layers:
        rows = weight.detach().flatten(1).to(torch.promote_types(weight.dtype, torch.float32), copy=True)
        if name in norms:
            rows *= _scale(norms[name])[:, None].to(rows)
        if not rows.isfinite().all():
            raise ModelError(f"layer {name}: some weights are not finite; the training diverged")
        found[name] = LayerUnits(name, kind, rows)
    return found


def with_units(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    """A copy of the network with other units in some layers; the model itself is untouched.

    Args:
        model: any network.
        weights: layer name -> (n_units, n_in), as `units_of` gives them without folding.

    Returns:
        The copy.

    Raises:
        ModelError: a layer that the network lacks, a matrix of another shape, or weights that cannot be set on their
            own: computed from other parameters (weight_norm, spectral_norm, pruning) or tied to another layer's.
    """
    _check_own_weights(model, weights)
    changed = copied(model, "an edit leaves it as it is")
    slots = {name: weight for name, _, weight in _weights(changed)}
    with torch.no_grad():
        for name, rows in weights.items():
            if name not in slots:
                raise ModelError(f"the network has no layer {name}; it has: {', '.join(slots)}")
            if rows.shape != slots[name].flatten(1).shape:
                raise ModelError(f"layer {name}: {_size(slots[name].flatten(1))} in the network, {_size(rows)} given")
            slots[name].copy_(rows.view_as(slots[name]))
    return changed


def check_same_layers(
    first: Mapping[str, LayerUnits], second: Mapping[str, LayerUnits], names: tuple[str, str]
) -> None:
    """Two networks can be compared unit by unit only if they have the same layers.

    Args:
        first: units of one network.
        second: units of the other.
        names: how the message calls them.

    Raises:
        ModelError: a layer that one lacks, or that has another shape.
    """
    for name in [*first, *(name for name in second if name not in first)]:
        sizes = [_size(units[name].weight) if name in units else "missing" for units in (first, second)]
        if sizes[0] != sizes[1]:
            raise ModelError(f"layer {name}: {sizes[0]} in {names[0]}, {sizes[1]} in {names[1]}")


def unit_length(rows: Tensor) -> Tensor:
    """Each row divided by its length; rows of zeros stay zero. Shapes: (n, d) -> (n, d)."""
    lengths = rows.norm(dim=-1, keepdim=True)
    return rows / torch.where(lengths > 0, lengths, torch.ones_like(lengths))


def live_units(*weights: Tensor) -> Tensor:
    """Which units count: dead are those whose norm is below 0.2 x the 95th percentile in every one of the networks.

    Units that are long enough but never fire are found by `analyses.mixtures.units.firing`.

    Shapes: any number of (n_units, n_in) -> bool (n_units,).

    Source: our choice [M].
    """
    norms = torch.stack([weight.norm(dim=1) for weight in weights])
    return ((norms > 0) & (norms >= 0.2 * norms.quantile(0.95, dim=1, keepdim=True))).any(0)


def batch_norm_after(model: nn.Module, images: Tensor) -> dict[str, _BatchNorm]:
    """The BatchNorm that directly follows each layer, found in one pass over images, whatever order modules stand in.

    It follows where it is given the very tensor that the layer returned, not changed in place since. A layer that runs
    several times counts only if the same BatchNorm follows each time.

    Args:
        model: any network.
        images: (B, ...), a few.

    Returns:
        Layer name -> the BatchNorm.
    """
    returned = Returned()
    calls: dict[str, int] = {}
    followers: dict[str, list[_BatchNorm]] = {}

    def saw_output(source: ReturningLayer, output: Tensor) -> None:
        returned.add(source, output)
        calls[source.name] = calls.get(source.name, 0) + 1

    def saw_input(norm: _BatchNorm, given: Tensor) -> None:
        source = returned.source(given)
        if source is not None and source.unit_axis(given) == 1:  # the axis that batch norm scales
            followers.setdefault(source.name, []).append(norm)

    def hook(name: str, module: nn.Module) -> RemovableHandle | None:
        if isinstance(module, nn.Linear | Conv):
            source = ReturningLayer(name or "model", module)
            return module.register_forward_hook(lambda _m, _i, output: saw_output(source, output))
        if isinstance(module, _BatchNorm) and module.running_var is not None:
            return module.register_forward_pre_hook(lambda norm, inputs: saw_input(norm, inputs[0]))
        return None

    with hooked(model, hook):
        model(images.to(next(model.parameters()).device))
    return {name: norms[0] for name, norms in followers.items() if len(norms) == calls[name] and len(set(norms)) == 1}


def _check_own_weights(model: nn.Module, names: Iterable[str]) -> None:
    """By address, since the weights of an attention layer are views of one parameter."""
    starts = {name: weight.data_ptr() for name, _, weight in _weights(model)}
    held = [parameter for module in model.modules() for parameter in module.parameters(recurse=False)]
    for name in starts.keys() & set(names):
        owners = sum(own.data_ptr() <= starts[name] < own.data_ptr() + own.nbytes for own in held)
        if owners == 0:
            raise ModelError(f"layer {name}: its weights are computed from other parameters and cannot be replaced")
        if owners > 1:
            raise ModelError(f"layer {name}: its weights are tied to another layer's and cannot be replaced alone")


def _weights(model: nn.Module) -> Iterator[tuple[str, Kind, Tensor]]:
    """Name, kind and the parameter itself, or a view of it, of every layer."""
    outs: set[nn.Module] = set()
    for name, module in layers_of(model).items():
        if isinstance(module, nn.MultiheadAttention):
            yield from _attention(name, module)
            outs.add(module.out_proj)
        elif isinstance(module, nn.Linear):
            yield name or "model", "out" if module in outs else "linear", _weight(module)
        elif isinstance(module, Conv):
            kind: Kind = "conv"
            if module.groups > 1:
                kind = "depthwise" if module.groups == module.in_channels else "grouped"
            yield name or "model", kind, _weight(module)


def _weight(module: nn.Linear | Conv) -> Tensor:
    """Where `weight_norm` or `spectral_norm` of before parametrisations compute it, what the next pass will see."""
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, WeightNorm):
            weight: Tensor = hook.compute_weight(module)
            return weight
        if isinstance(hook, SpectralNorm):
            return hook.compute_weight(module, do_power_iteration=False)
    return module.weight


def _attention(name: str, module: nn.MultiheadAttention) -> Iterator[tuple[str, Kind, Tensor]]:
    prefix = f"{name}." if name else ""
    if module.in_proj_weight is not None:
        parts = module.in_proj_weight.chunk(3)
    else:
        parts = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    kinds: tuple[Kind, ...] = ("query", "key", "value")
    for kind, part in zip(kinds, parts, strict=True):
        yield f"{prefix}{kind}", kind, part


def _scale(norm: _BatchNorm) -> Tensor:
    assert norm.running_var is not None
    scale: Tensor = (norm.running_var + norm.eps).rsqrt()
    return scale if norm.weight is None else scale * norm.weight.detach()


def _size(rows: Tensor) -> str:
    return f"{len(rows)} units x {rows.shape[1]} weights"
