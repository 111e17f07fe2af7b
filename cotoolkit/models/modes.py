"""The mode in which an attack sees a network."""

from __future__ import annotations

import contextlib
import functools
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeGuard, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import is_lazy

BatchNormMode = Literal["train", "eval"]
"""How BatchNorm normalises during the attack: by the statistics of the attacked batch, or by the running ones.

"train" is the default inside a training step, since the update that follows normalises by batch statistics too: attack
and update then see the same function. In both modes the running statistics stay as they were. (The field's released
code lets the attack pass update them a second time.)
"""


class _Buffers(NamedTuple):
    """A module's own buffers before an attack, with what they held."""

    module: nn.Module
    tensors: dict[str, Tensor | None]
    values: dict[str, Tensor]
    flags: dict[str, Any]


@contextlib.contextmanager
def attack_mode(model: nn.Module, bn_mode: BatchNormMode) -> Iterator[None]:
    """Put the model into the mode an attack sees it in, and every module and buffer back as it was afterwards.

    With "eval" the whole model is in eval mode. With "train" modules keep their mode, and BatchNorm layers that are
    training use the batch's statistics without touching the running ones. Buffers of other kinds (tracked InstanceNorm,
    spectral norm, counters and averages of one's own) are copied before and put back, so only they cost anything.
    Backward hooks of modules are set aside: they watch training, may replace gradients, and forbid work in place.
    Modules with a `train` of their own, such as adapters that merge their weights for "eval", hear of the way back,
    too, and have their parameters put back as they were.

    Args:
        model: whose mode changes inside the block.
        bn_mode: see `BatchNormMode`.

    Returns:
        A context manager.
    """
    modules = list(model.modules())
    buffers = [_held(module) for module in modules if _may_move_buffers(module)]
    training = {module: module.training for module in modules if _has_mode(module)} if bn_mode == "eval" else {}
    switching = [module for module in training if _switches(module)]
    parameters = {weights: weights.detach().clone() for module in switching for weights in module.parameters()}
    tracking: list[_BatchNorm] = []
    hooks = _without_backward_hooks(modules)
    try:
        if bn_mode == "eval" and _has_mode(model):
            model.eval()
        tracking += [m for m in modules if isinstance(m, _BatchNorm) and m.training and m.track_running_stats]
        for norm in tracking:
            norm.track_running_stats = False
        yield
    finally:
        for norm in tracking:
            norm.track_running_stats = True
        for module in switching:
            module.train(training[module])
        for module, was_training in training.items():
            module.training = was_training
        for weights, value in parameters.items():
            weights.data.copy_(value)
        for held in buffers:
            _put_back(held)
        for members, name, held_hooks in hooks:
            members[name] = held_hooks


def _without_backward_hooks(modules: Iterable[nn.Module]) -> list[tuple[dict[str, Any], str, Any]]:
    """Take the hooks off; the module's members, the name and the value of what has to be put back."""
    found = []
    for module in modules:
        members = vars(module)
        for name in ("_backward_hooks", "_backward_pre_hooks"):
            if members.get(name):
                found.append((members, name, members[name]))
                members[name] = OrderedDict()
    return found


def _has_mode(module: nn.Module) -> bool:
    """Whether it trains or evaluates: a frozen ScriptModule does neither."""
    return hasattr(module, "training")


def _switches(module: nn.Module) -> bool:
    """Whether somebody's own code runs where a module's mode changes."""
    switch = type(module).train
    return switch is not nn.Module.train and not switch.__module__.startswith("torch.")


def _may_move_buffers(module: nn.Module) -> bool:
    """Whether a pass may change a module's buffers: torch's BatchNorm is told not to; those of ours are constants."""
    writer = _writer(cast("Any", type(module)))
    if writer == "cotoolkit" or (writer == "torch" and (not module._buffers or isinstance(module, _BatchNorm))):
        return False
    return not any(tensor is not None and is_lazy(tensor) for _, tensor in module._buffers.items())


@functools.lru_cache(maxsize=1024)
def _writer(kind: Any) -> str:
    """The package that wrote what modules of a kind compute."""
    name: str = getattr(getattr(kind, "forward", None), "__module__", None) or ""  # code that torch.fx made has none
    return name.partition(".")[0] if name.startswith(("cotoolkit.", "torch.nn.")) else ""


def _held(module: nn.Module) -> _Buffers:
    tensors = dict(module._buffers.items())
    values = {name: tensor.detach().clone() for name, tensor in tensors.items() if _can_be_written(tensor)}
    flags = {name: value for name, value in vars(module).items() if value is None or isinstance(value, bool | int)}
    return _Buffers(module, tensors, values, flags)


def _can_be_written(tensor: Tensor | None) -> TypeGuard[Tensor]:
    if tensor is None or (tensor.is_inference() and not torch.is_inference_mode_enabled()):
        return False
    expanded = tensor.layout == torch.strided and any(
        step == 0 and size > 1 for step, size in zip(tensor.stride(), tensor.shape, strict=True)
    )
    return not expanded


def _put_back(held: _Buffers) -> None:
    """Undo what a module did to its buffers, whether it wrote into them, replaced them or made new ones."""
    here = held.module._buffers
    made = [name for name, _ in here.items() if name not in held.tensors]
    for name in made:
        del here[name]
    if made:  # the module may have noted that they are there
        vars(held.module).update(held.flags)
    for name, tensor in held.tensors.items():
        if name not in here or here[name] is not tensor:
            here[name] = tensor
    for name, value in held.values.items():
        # Past autograd, for which a constant in a graph would otherwise have changed.
        tensor = cast("Tensor", held.tensors[name])
        if tensor.layout != torch.strided or (tensor.shape, tensor.dtype) != (value.shape, value.dtype):
            tensor.data = value
        else:
            tensor.data.copy_(value)
