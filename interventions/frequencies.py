"""Patterns of a single DCT frequency, the raw material of the carriers.

A frequency (p, q) has p half-waves down the image and q across it; its wave is the outer product of two cosines,
cos(pi p (2 i + 1) / (2 H)) and cos(pi q (2 j + 1) / (2 W)).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def zigzag(height: int, width: int) -> list[tuple[int, int]]:
    """All frequencies (p, q) but (0, 0) in the zig-zag order of JPEG: along antidiagonals, turning at the edges.

    >>> zigzag(3, 3)
    [(0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (1, 2), (2, 1), (2, 2)]
    """
    every = [(p, q) for p in range(height) for q in range(width)]
    return sorted(every, key=lambda pq: (sum(pq), pq[0] if sum(pq) % 2 else pq[1]))[1:]


def patterns(frequencies: list[tuple[int, int]], height: int, width: int, *, binary: bool) -> Tensor:
    """The wave of each frequency, (n, height, width) in float64; `binary` gives its sign, +1 or -1, never 0.

    Where a cosine is zero (only in sizes that are no power of two) its sign counts as +1. The sign is found in integer
    arithmetic, hence the same on every machine. A cosine of p half-waves changes sign p times along its axis, zeros or
    not, so binary patterns of different frequencies differ; and as all have +1 in the first pixel, none is another's
    negative.
    """
    wave = _sign_of_cosine if binary else _cosine
    return torch.stack([torch.outer(wave(p, height), wave(q, width)) for p, q in frequencies])


def released_row_patterns(frequencies: list[tuple[int, int]], height: int, width: int) -> Tensor:
    """Signs of IDCT2(spectrum) where rows p and q of the spectrum are all ones, (n, height, width) in float64.

    The inverse is that of the unnormalised DCT-II: the zeroth coefficient counts half.
    """
    half_first = torch.ones(max(height, width), dtype=torch.float64, device="cpu")
    half_first[0] = 0.5
    across = torch.stack([half_first[q] * _cosine(q, width) for q in range(width)]).sum(dim=0)
    planes = []
    for rows in frequencies:
        down = torch.stack([half_first[p] * _cosine(p, height) for p in sorted(set(rows))]).sum(dim=0)
        planes.append(torch.outer(down, across))
    return _sign(torch.stack(planes) >= 0)


def _cosine(p: int, n: int) -> Tensor:
    return torch.cos(math.pi / (2 * n) * p * (2 * torch.arange(n, dtype=torch.float64, device="cpu") + 1))


def _sign_of_cosine(p: int, n: int) -> Tensor:
    phase = p * (2 * torch.arange(n, device="cpu") + 1) % (4 * n)  # in units of a quarter wave over n
    return _sign((phase <= n) | (phase >= 3 * n))


def _sign(positive: Tensor) -> Tensor:
    return 2 * positive.double() - 1
