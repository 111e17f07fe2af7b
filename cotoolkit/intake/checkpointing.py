"""Activation checkpoints that attacks can differentiate through."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from torch.utils import checkpoint


class _Differentiable:
    """In place of torch's re-entrant function, which refuses `torch.autograd.grad`."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        return checkpoint.checkpoint(function, *args, use_reentrant=False, preserve_rng_state=preserve_rng_state)


@contextlib.contextmanager
def without_reentry() -> Iterator[None]:
    """Checkpoints made inside the block are non-re-entrant ones: the same values, memory and recomputation."""
    reentrant = checkpoint.CheckpointFunction
    checkpoint.CheckpointFunction = _Differentiable  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        checkpoint.CheckpointFunction = reentrant  # type: ignore[misc]
