"""Lengths and angles of one vector per sample."""

from __future__ import annotations

import torch
from torch import Tensor


def paired_cosines(first: Tensor, second: Tensor) -> Tensor:
    """Cosines of paired samples' vectors; 0 / 0 makes the nan of a pair with a zero vector.

    Args:
        first: (B, ...).
        second: (B, ...).

    Returns:
        (B,), in [-1, 1] or nan.
    """
    return (first * second).flatten(1).sum(1) / (lengths(first) * lengths(second))


def lengths(vectors: Tensor) -> Tensor:
    """l2 length of each sample's vector, (B, ...) -> (B,)."""
    found: Tensor = torch.linalg.vector_norm(vectors.flatten(1), dim=1)  # faster than Tensor.norm on small batches
    return found
