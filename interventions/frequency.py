"""Orthonormal spectra of images, and how far from zero frequency each coefficient lies.

Two domains. `dct` is the DCT-II over the last two axes, index p vertical and q horizontal, in half-cycles per image;
`dft` is the Fourier transform of a real signal, frequencies in cycles per image. A DCT band of b thus reaches the same
frequencies as a DFT band of b / 2. Both are orthonormal: the energy of an image is the energy of its spectrum.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from interventions.base import check_floating

Domain = Literal["dct", "dft"]
Shape = Literal["square", "radial"]


def dct2(images: Tensor) -> Tensor:
    """Orthonormal 2-D DCT-II over the last two axes, as `scipy.fft.dctn(x, axes=(-2, -1), norm="ortho")`.

    Shapes: (..., H, W) -> (..., H, W). Half precision is computed, and returned, in float32.
    """
    dtype, device = _precision(images), images.device
    down, across = (_dct_matrix(length, dtype, device) for length in images.shape[-2:])
    return down @ images.to(dtype) @ across.mT


def idct2(spectrum: Tensor) -> Tensor:
    """Inverse of `dct2`: orthonormal 2-D DCT-III over the last two axes. Shapes: (..., H, W) -> (..., H, W)."""
    dtype, device = _precision(spectrum), spectrum.device
    down, across = (_dct_matrix(length, dtype, device) for length in spectrum.shape[-2:])
    return down.mT @ spectrum.to(dtype) @ across


def frequency_radius(
    height: int, width: int, domain: Domain = "dct", shape: Shape = "square", device: torch.device | None = None
) -> Tensor:
    """Distance of each coefficient from zero frequency, in the domain's own units.

    Square shells: max(|p|, |q|). Radial shells: sqrt(p^2 + q^2).

    Args:
        height: H, of the images.
        width: W, of the images.
        domain: `dct` or `dft`.
        shape: `square` or `radial` shells.
        device: of the result.

    Returns:
        float32: (H, W) for `dct`; (H, W // 2 + 1), the half-plane that `torch.fft.rfft2` keeps, for `dft`. The radius
        depends on |p| and |q| alone, so any mask made of it is conjugate-symmetric and filters real images to real
        images.
    """
    if domain == "dct":
        p, q = torch.arange(height, device=device), torch.arange(width, device=device)
    else:
        p = torch.fft.fftfreq(height, 1 / height, device=device).abs().round()
        q = torch.fft.rfftfreq(width, 1 / width, device=device).round()
    p, q = p.to(torch.float32)[:, None], q.to(torch.float32)[None, :]
    return torch.maximum(p, q) if shape == "square" else (p.square() + q.square()).sqrt()


def keep_frequencies(
    images: Tensor, passes: Callable[[Tensor], Tensor], domain: Domain = "dct", shape: Shape = "square"
) -> Tensor:
    """Project images on the frequencies whose radius `passes` lets through (radius -> bool, elementwise).

    An orthogonal projection per image and channel: idempotent, and the kept and the removed part share no energy.

    Args:
        images: (..., H, W), floating.
        passes: from radii to bool, element by element.
        domain: `dct` or `dft`.
        shape: `square` or `radial` shells.

    Returns:
        (..., H, W), in the dtype of the images; half precision is filtered in float32.

    Raises:
        InterventionError: the images are not floating.
    """
    check_floating(images, "images")
    height, width = images.shape[-2:]
    keep = passes(frequency_radius(height, width, domain, shape, images.device))
    if domain == "dct":
        kept = idct2(dct2(images) * keep)
    elif not images.numel():  # some builds of torch cannot transform an empty batch
        kept = images
    else:
        spectrum = torch.fft.rfft2(images.to(_precision(images)), norm="ortho")
        kept = torch.fft.irfft2(spectrum * keep, s=(height, width), norm="ortho")
    return kept.to(images.dtype)


def _precision(images: Tensor) -> torch.dtype:
    return torch.promote_types(images.dtype, torch.float32)


@functools.lru_cache(maxsize=64)
def _dct_matrix(n: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The orthonormal (n, n) matrix whose row p is the p-th DCT-II basis vector, built in float64."""
    with torch.inference_mode(False):  # a cached inference tensor would break a later backward pass
        position = torch.arange(n, dtype=torch.float64, device="cpu")
        matrix = torch.cos(math.pi / n * (position[None, :] + 0.5) * position[:, None]) * math.sqrt(2 / n)
        matrix[0] /= math.sqrt(2)
        return matrix.to(dtype).to(device)
