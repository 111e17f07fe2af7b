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

    Args:
        height: H, of the images.
        width: W, of the images.

    Returns:
        The H W - 1 frequencies.
    """
    every = [(p, q) for p in range(height) for q in range(width)]
    return sorted(every, key=lambda pq: (sum(pq), pq[0] if sum(pq) % 2 else pq[1]))[1:]


def patterns(frequencies: list[tuple[int, int]], height: int, width: int, *, binary: bool) -> Tensor:
    """The wave of each frequency, (n, height, width) in float64; `binary` gives its sign, +1 or -1, never 0.

    Where a cosine is zero (only in sizes that are no power of two) its sign counts as +1. The sign is found in integer
    arithmetic, hence the same on every machine. A cosine of p half-waves changes sign p times along its axis, zeros or
    not, so binary patterns of different frequencies differ; and as all have +1 in the first pixel, none is another's
    negative.

    Args:
        frequencies: n pairs (p, q).
        height: of the images.
        width: of the images.
        binary: the wave's sign in its place.

    Returns:
        (n, height, width), float64.
    """
    wave = _sign_of_cosine if binary else _cosine
    return torch.stack([torch.outer(wave(p, height), wave(q, width)) for p, q in frequencies])


def released_row_patterns(frequencies: list[tuple[int, int]], height: int, width: int) -> Tensor:
    """Signs of IDCT2(spectrum) where rows p and q of the spectrum are all ones, (n, height, width) in float64.

    The inverse is that of the unnormalised DCT-II, in which the zeroth coefficient counts half; a zero counts as +1.
    The sum over a whole row of the spectrum is half a Dirichlet kernel, cot(t / 2) / 2 times (-1)^j at t = pi (2 j + 1)
    / (2 W): never zero. Signs are found in integers where the sum over p and q may vanish.

    Args:
        frequencies: n pairs (p, q).
        height: of the images.
        width: of the images.

    Returns:
        (n, height, width), float64.
    """
    across = 1 - 2 * (torch.arange(width, device="cpu") % 2)
    return torch.stack([_sign(torch.outer(_sign_of_sum(p, q, height), across) >= 0) for p, q in frequencies])


def _cosine(p: int, n: int) -> Tensor:
    return torch.cos(math.pi / (2 * n) * p * _odd(n).double())


def _sign_of_cosine(p: int, n: int) -> Tensor:
    return _sign(_exact_sign(2 * p * _odd(n), n) >= 0)


def _sign_of_sum(p: int, q: int, n: int) -> Tensor:
    """Sign, -1, 0 or 1, of the sum of the waves p and q along n pixels; wave 0 counts half, and p = q is one wave."""
    if p == q:
        return _exact_sign(2 * p * _odd(n), n)
    if 0 in {p, q}:  # 1 / 2 + cos(x) changes sign a third of a turn from its top
        return (8 * n - 3 * _from_top((p + q) * 2 * _odd(n), n)).sign()
    return _exact_sign((p + q) * _odd(n), n) * _exact_sign((p - q) * _odd(n), n)  # cos a + cos b as a product


def _exact_sign(angle: Tensor, n: int) -> Tensor:
    """Sign of the cosine of whole angles, of which 8 n make a turn."""
    return (2 * n - _from_top(angle, n)).sign()


def _from_top(angle: Tensor, n: int) -> Tensor:
    """Distance of an angle from the nearest whole turn, 0 to 4 n."""
    phase = angle % (8 * n)
    return torch.minimum(phase, 8 * n - phase)


def _odd(n: int) -> Tensor:
    return 2 * torch.arange(n, device="cpu") + 1


def _sign(positive: Tensor) -> Tensor:
    return 2 * positive.double() - 1
