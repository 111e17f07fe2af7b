"""From what a network returns to logits (B, classes): output objects, dictionaries, and one logit for two classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cotoolkit.core.errors import ModelError

HINT = "say which part are the logits: forward=lambda model, images: model(images)"


def logits_in(outputs: Any) -> Tensor:
    """The logits in what a network returned: a tensor, or the part of an object or dictionary that is called so.

    Args:
        outputs: of a network.

    Returns:
        The tensor, of any shape.

    Raises:
        ModelError: there is none, or it is not clear which.
    """
    if isinstance(outputs, Tensor):
        return outputs
    named = outputs.get("logits") if isinstance(outputs, Mapping) else getattr(outputs, "logits", None)
    if isinstance(named, Tensor):
        return named
    kind = type(outputs).__name__
    if isinstance(outputs, tuple | list):
        raise ModelError(f"the model returns a {kind} of {len(outputs)}; {HINT}[0]")
    if isinstance(outputs, Mapping):
        keys = ", ".join(map(repr, list(outputs)[:5]))
        raise ModelError(f"the model returns a {kind} with {keys or 'nothing'}; {HINT}[...]")
    raise ModelError(f"the model returns a {kind}, it must return one tensor of logits (N, classes)")


def is_one_logit(outputs: Tensor, count: int) -> bool:
    """Whether outputs of `count` images are one number for each, (N, 1) or (N,)."""
    return outputs.is_floating_point() and outputs.shape in ((count, 1), (count,))


def two_logits(outputs: Tensor, *, probability: bool) -> Tensor:
    """Two classes from one number each: `z` becomes (0, z), and a probability `p` becomes (1 - p, p).

    Args:
        outputs: (B, 1) or (B,).
        probability: they are those of class 1, in [0, 1].

    Returns:
        (B, 2).
    """
    number = outputs.reshape(-1, 1)
    return torch.cat([1 - number if probability else torch.zeros_like(number), number], 1)
