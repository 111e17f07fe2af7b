"""How the energy of images, gradients, perturbations and filters is spread over frequencies and over entries.

Frequencies are those of the orthonormal DCT-II of each channel, so that energy (the sum of squares) is conserved. The
relative frequency of a coefficient (p, q) is max(p / H, q / W), in [0, 1): 1 would be the Nyquist frequency. Square
shells, as the filters of `interventions` have.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from interventions.frequency import Shape, dct2, frequency_radius


class BandShares(NamedTuple):
    """Shares of the energy at relative frequencies in [0, 1/3), [1/3, 2/3) and [2/3, 1), each (B,); they sum to 1.

    White noise has the shares of the coefficients: 9/64, 27/64 and 28/64 on 8 x 8 images.
    """

    low: Tensor
    mid: Tensor
    high: Tensor


def shell_shares(images: Tensor, shape: Shape = "square") -> Tensor:
    """Share of each image's energy in each shell of DCT frequencies; the spectrum that plots draw.

    Shell k holds the coefficients (p, q), in half-cycles per image, whose radius, rounded down, is k: max(p, q) for
    square shells, sqrt(p^2 + q^2) for radial ones. An image of zeros gives nan.

    Args:
        images: (B, C, H, W).
        shape: of the shells.

    Returns:
        (B, shells), each row sums to 1; max(H, W) square shells.
    """
    height, width = images.shape[-2:]
    shell = frequency_radius(height, width, shape=shape, device=images.device).floor().long().flatten()
    energy = _coefficient_shares(images).flatten(1)
    return energy.new_zeros(len(images), int(shell.max()) + 1).index_add_(1, shell, energy)


def band_shares(images: Tensor) -> BandShares:
    """Shares of energy in the lowest, middle and highest third of the relative frequencies; nan for zeros.

    Shapes: (B, C, H, W) -> three of (B,).
    """
    energy, frequency = _coefficient_shares(images), _relative_frequency(images)
    third = (frequency >= 1 / 3).long() + (frequency >= 2 / 3).long()
    return BandShares(*((energy * (third == index)).sum((1, 2)) for index in range(3)))


def high_frequency_share(images: Tensor) -> Tensor:
    """Share of the energy above half the Nyquist frequency, in [0, 1]; nan for zeros. (B, C, H, W) -> (B,)."""
    return (_coefficient_shares(images) * (_relative_frequency(images) > 0.5)).sum((1, 2))


def energy_participation_ratio(values: Tensor) -> Tensor:
    """(sum g^2)^2 / sum g^4: over how many entries the energy is spread.

    From 1, all in one entry, to the number of entries, all of one magnitude; a third of it for Gaussian noise. nan for
    zeros. Low values have been linked to catastrophic overfitting (arXiv 2505.02360).

    Shapes: (B, ...) -> (B,).
    """
    return 1 / _energy_shares(values).square().sum(1)


def energy_entropy(values: Tensor) -> Tensor:
    """Entropy, in nats, of each entry's share of the energy, in [0, log(entries)]; nan for zeros. (B, ...) -> (B,)."""
    entropy: Tensor = torch.special.entr(_energy_shares(values)).sum(1)
    return entropy


def gini(values: Tensor) -> Tensor:
    """Gini coefficient of the magnitudes: 0 where all are equal, 1 - 1/n where only one of n is not zero.

    nan for zeros. Shapes: (B, ...) -> (B,).
    """
    sorted_up = _safe_scale(values).abs().sort(dim=1).values
    n = sorted_up.shape[1]
    weight = 2 * torch.arange(1, n + 1, device=values.device) - n - 1
    return (sorted_up * weight).sum(1) / (n * sorted_up.sum(1))


def _coefficient_shares(images: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H, W), the share of energy of each frequency, all channels together."""
    energy = dct2(_safe_scale(images).reshape(images.shape)).square().sum(1)
    return energy / energy.sum((1, 2), keepdim=True)


def _relative_frequency(images: Tensor) -> Tensor:
    height, width = images.shape[-2:]
    p = torch.arange(height, device=images.device, dtype=torch.float64) / height
    q = torch.arange(width, device=images.device, dtype=torch.float64) / width
    return torch.maximum(p[:, None], q[None, :])


def _energy_shares(values: Tensor) -> Tensor:
    energy = _safe_scale(values).square()
    return energy / energy.sum(1, keepdim=True)


def _safe_scale(values: Tensor) -> Tensor:
    """(B, ...) -> (B, entries), float64, largest magnitude 1 (nan for zeros): the squares of tiny gradients vanish."""
    flat = values.detach().flatten(1).double()
    return flat / flat.abs().amax(1, keepdim=True)
