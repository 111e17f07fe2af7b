"""Weights whose features and mixture are known."""

from typing import NamedTuple

import torch
from torch import Tensor


class Planted(NamedTuple):
    """w_i = M_j(i) + e * sum_j M_j / sqrt(d) + noise, M orthonormal."""

    features: Tensor
    pure: Tensor
    mixture: Tensor  # unit length
    e: float
    units: Tensor


def planted(seed: int, n: int = 48, d: int = 64, e: float = 0.6, noise: float = 0.01) -> Planted:
    generator = torch.Generator().manual_seed(seed)
    features = torch.linalg.qr(torch.randn(d, d, generator=generator)).Q
    mixture = features.sum(0) / d**0.5
    pure = features[torch.arange(n) % d]
    rows = pure + e * mixture + noise * torch.randn(n, d, generator=generator) / d**0.5
    return Planted(features, pure, mixture, e, rows)


def random_rows(seed: int, n: int, d: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
