"""What a perturbation looks like: beside another one, and by frequency."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.methods.base import Cost
from cotoolkit.signals.registry import FREE, signal
from cotoolkit.signals.vectors import cosine
from interventions.frequency import dct2, frequency_radius


@signal(cost=Cost(10, 10), at_break="falls", source="Andriushchenko & Flammarion, NeurIPS 2020, figure 4")
def perturbation_alignment(fgsm_delta: Tensor, pgd_delta: Tensor) -> Tensor:
    """Cosine between the FGSM and the PGD-10 perturbation of a sample, (B, ...) -> (B,); nan where one is zero.

    They saw it fall from 0.8 to 0.05 at the break. The cost is that of PGD-10; FGSM is its first gradient.
    """
    return cosine(fgsm_delta, pgd_delta)


@signal(cost=FREE, at_break=None, source="spectra of perturbations; no default for catastrophic overfitting was found")
def perturbation_spectrum(delta: Tensor) -> Tensor:
    """Shares of a perturbation's energy by frequency shell max(|p|, |q|) of the DCT, channels together.

    Shapes: (B, C, H, W) -> (B, max(H, W)), rows sum to 1; nan where the perturbation is zero.
    """
    height, width = delta.shape[-2:]
    energy = dct2(delta).square().sum(1).flatten(1)
    shell = frequency_radius(height, width, device=delta.device).flatten().long()
    shells = torch.zeros(len(delta), max(height, width), dtype=energy.dtype, device=delta.device)
    shells.index_add_(1, shell, energy)
    return shells / energy.sum(1, keepdim=True)
