"""What a perturbation looks like: beside another one, and by frequency."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.methods.base import Cost
from cotoolkit.signals.registry import SHARE, signal
from cotoolkit.signals.vectors import paired_cosines
from interventions.frequency import dct2, frequency_radius


@signal(
    title="alignment of FGSM and PGD",
    unit="cosine",
    cost=Cost(10, 10),
    at_break="falls",
    source="Andriushchenko & Flammarion, NeurIPS 2020, figure 4",
)
def perturbation_alignment(fgsm_delta: Tensor, pgd_delta: Tensor) -> Tensor:
    """Cosine between the FGSM and the PGD-10 perturbation of a sample.

    They saw it fall from 0.8 to 0.05 at the breakpoint. The cost is that of PGD-10; FGSM is its first gradient.

    >>> import torch
    >>> perturbation_alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[-2.0, 0.0]]))
    tensor([-1.])

    Args:
        fgsm_delta: (B, ...).
        pgd_delta: (B, ...).

    Returns:
        (B,), in [-1, 1]; nan where one of the two is zero.
    """
    return paired_cosines(fgsm_delta, pgd_delta)


@signal(
    title="collinearity of PGD's steps",
    unit="cosine",
    cost=Cost(40, 40),
    at_break="falls",
    source="C. Gomes, false_sense_of_security; its Table 3: 0.56 and 0.59 healthy, 0.06 after a breakpoint",
)
def step_collinearity(steps: Tensor) -> Tensor:
    """Mean cosine of the first step of an attack with each later one, before any projection.

    >>> import torch
    >>> step_collinearity(torch.tensor([[[1.0, 1.0]], [[1.0, 1.0]], [[1.0, -1.0]]]))
    tensor([0.5000])

    Args:
        steps: (K, B, ...), K >= 2.

    Returns:
        (B,), in [-1, 1]; nan where a step is zero.
    """
    return torch.stack([paired_cosines(steps[0], step) for step in steps[1:]]).mean(0)


@signal(
    title="spectrum of the perturbation",
    unit=SHARE,
    at_break=None,
    source="spectra of perturbations; no default for catastrophic overfitting was found",
)
def perturbation_spectrum(perturbation: Tensor) -> Tensor:
    """Shares of a perturbation's energy by frequency shell max(|p|, |q|) of the DCT, channels together.

    >>> import torch
    >>> perturbation_spectrum(torch.ones(1, 1, 2, 2))
    tensor([[1., 0.]])

    Args:
        perturbation: (B, C, H, W).

    Returns:
        (B, max(H, W)), rows sum to 1; nan where the perturbation is zero.
    """
    height, width = perturbation.shape[-2:]
    energy = dct2(perturbation).square().sum(1).flatten(1)
    shell = frequency_radius(height, width, device=energy.device).flatten().long()
    shells = energy.new_zeros(len(energy), max(height, width))
    shells.index_add_(1, shell, energy)
    return shells / energy.sum(1, keepdim=True)
