"""Networks that are attacked in the place of one that hides its gradient; what they give forward is the same.

Athalye et al. (ICML 2018) name both ways: a step without a slope is given that of a smooth function near it (BPDA), and
a random network is replaced by its expectation (EOT).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class StraightThrough(nn.Module):
    """The network with the gradient led through what has none: rounding, signs, `detach`, and saturated slopes.

    Rounding, `sign`, `detach`, `clamp` and its kin count as the identity going back. Sigmoid and tanh get slopes that
    fade like 1 / x^2 instead of vanishing in float32. Only PyTorch's own functions of floating point numbers are met:
    neither compiled code, nor casts to whole numbers, nor what works in place.

    Args:
        network: in whose place this stands.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """The network's output."""
        follow = torch.is_grad_enabled() and images.requires_grad
        with _Relaxed() if follow else contextlib.nullcontext():
            output: Tensor = self.network(images)
        return output


class Averaged(nn.Module):
    """A random network's expectation: the logarithm of the mean of its probabilities over some draws.

    Args:
        network: logits out, from random layers or noise of its own.
        draws: passes that are averaged, at least 1.
    """

    def __init__(self, network: nn.Module, draws: int) -> None:
        super().__init__()
        self.network, self.draws = network, draws

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, classes), logarithms of probabilities."""
        drawn = torch.stack([self.network(images).float().log_softmax(1) for _ in range(self.draws)])
        return drawn.logsumexp(0) - math.log(self.draws)


class _Replaced(torch.autograd.Function):
    """Forward a value that is at hand; backward the slope of another function."""

    @staticmethod
    def forward(context: Any, values: Tensor, given: Tensor, slope: Tensor | None) -> Tensor:
        context.slope = slope
        return given.clone()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        return gradient if context.slope is None else gradient * context.slope, None, None


def _fading(values: Tensor, width: float, height: float) -> Tensor:
    """A slope of `height` at 0 that falls to a quarter of that a width away, and like 1 / x^2 far out."""
    return height / (1 + values.abs() / width).square()


def _names(*names: str) -> set[Callable[..., Any]]:
    """Functions of these names, wherever PyTorch has them."""
    places = (torch, torch.nn.functional, torch.Tensor)
    return {getattr(place, name) for place in places for name in names if hasattr(place, name)}


IDENTITY = _names("round", "floor", "ceil", "trunc", "fix", "sign", "sgn", "detach") | _names(
    "clamp", "clip", "clamp_min", "clamp_max", "hardtanh", "hardsigmoid", "relu6"
)
SIGMOIDS = _names("sigmoid")
TANHS = _names("tanh")


class _Relaxed(TorchFunctionMode):
    """Every operation that is met, forward as it is, backward with another slope."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[Any], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        given = func(*args, **(kwargs or {}))
        values = args[0] if args else None
        if not (isinstance(values, Tensor) and isinstance(given, Tensor) and values.requires_grad):
            return given
        if not given.is_floating_point() or given.shape != values.shape:
            return given
        if func in IDENTITY:
            return _through(values, given, None)
        if func in SIGMOIDS:
            return _through(values, given, _fading(values, 2, 0.25))
        if func in TANHS:
            return _through(values, given, _fading(values, 1, 1))
        return given


def _through(values: Tensor, given: Tensor, slope: Tensor | None) -> Tensor:
    replaced: Tensor = _Replaced.apply(values, given.detach(), None if slope is None else slope.detach())
    return replaced
