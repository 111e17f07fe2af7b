"""Which layers a network runs through, and what they put out. Names are those of the user's own network."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from cotoolkit.core.device import device_of
from cotoolkit.core.errors import ModelError
from cotoolkit.intake.model import layers_of
from cotoolkit.models.modes import attack_mode


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """The module of that name, as `named_modules` names it.

    Args:
        model: any network.
        name: of the module.

    Returns:
        The module.

    Raises:
        ModelError: no such module.
    """
    modules = layers_of(model)
    if not isinstance(name, str) or not name or name not in modules:
        known = ", ".join(other for other, module in modules.items() if other and not list(module.children()))
        called = repr(name) if isinstance(name, str) else f"{type(name).__name__}: layers go by name"
        raise ModelError(f"the model has no layer {called}; it has: {known or 'none'}")
    return modules[name]


@contextlib.contextmanager
def layer_output(model: nn.Module, name: str) -> Iterator[Callable[[], Tensor]]:
    """Inside the block, the function that it gives returns what the layer put out in the latest forward pass.

    A copy of the output, still in the graph: an activation that works in place would overwrite the output itself.

    Args:
        model: any network.
        name: of the layer.

    Returns:
        A context manager, whose value is the function.

    Raises:
        ModelError: no such layer, or, from the function, one that did not run or puts out no tensor.
    """
    latest: list[Any] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        latest[:] = [output.clone() if isinstance(output, Tensor) else output]

    def read() -> Tensor:
        if not latest:
            raise ModelError(f"layer {name!r} did not run when the model did")
        if not isinstance(latest[0], Tensor):
            raise ModelError(
                f"layer {name!r} puts out a {type(latest[0]).__name__}, no tensor; name a layer inside or after it"
            )
        return latest[0]

    hook = find_layer(model, name).register_forward_hook(keep)
    try:
        yield read
    finally:
        hook.remove()


def weight_layers(model: nn.Module, image: Tensor) -> list[str]:
    """Names of the convolutions and linear layers, in the order in which an image first passes them.

    Args:
        model: maps images to logits.
        image: (C, H, W), any image that the model takes.

    Returns:
        Module names.
    """
    passed: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *_: passed.append(name)

    kinds = (nn.Conv2d, nn.Linear)
    hooks = [m.register_forward_hook(note(name)) for name, m in layers_of(model).items() if isinstance(m, kinds)]
    try:
        with torch.no_grad(), attack_mode(model, "eval"):
            model(image[None].to(device_of(model)))
    finally:
        for hook in hooks:
            hook.remove()
    return list(dict.fromkeys(passed))


def hidden_layers(model: nn.Module, image: Tensor) -> list[str]:
    """First, middle and last of the `weight_layers` but the one that gives the logits; fewer if it has fewer.

    Args:
        model: maps images to logits.
        image: (C, H, W), any image that the model takes.

    Returns:
        One to three module names.

    Raises:
        ModelError: no convolution or linear layer before the last.
    """
    hidden = weight_layers(model, image)[:-1]
    if not hidden:
        raise ModelError("the model has no hidden convolution or linear layer")
    return list(dict.fromkeys([hidden[0], hidden[len(hidden) // 2], hidden[-1]]))
