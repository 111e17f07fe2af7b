"""Image patches as sparse combinations of a first layer's filters."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import orthogonal_mp_gram
from torch import Tensor


def patches_of(images: Tensor, size: tuple[int, int] | torch.Size, most: int) -> Tensor:
    """All patches of images, each minus its mean and of length 1; flat ones are left out.

    Args:
        images: (B, C, H, W).
        size: height and width of a patch.
        most: patches, evenly spaced among all, if there are more.

    Returns:
        (patches, C * height * width) float64.
    """
    flat = F.unfold(images.double(), tuple(size)).mT.flatten(0, 1)
    centred = flat - flat.mean(1, keepdim=True)
    length = centred.norm(dim=1)
    kept = centred[length > 1e-3] / length[length > 1e-3, None]
    chosen: Tensor = kept[torch.linspace(0, len(kept) - 1, min(most, len(kept))).long()]
    return chosen


def explained_energy(patches: Tensor, atoms: Tensor, count: int) -> float:
    """Mean share of the energy of patches that their best few atoms explain, by orthogonal matching pursuit.

    Args:
        patches: (n, entries), of length 1.
        atoms: (n_atoms, entries), none of them zero; each is taken minus its mean and to length 1, as the patches are.
        count: atoms that each patch may use.

    Returns:
        In [0, 1].
    """
    rows = atoms.double() - atoms.double().mean(1, keepdim=True)
    basis = (rows / rows.norm(dim=1, keepdim=True)).numpy()
    targets = patches.double().numpy()
    code = orthogonal_mp_gram(basis @ basis.T, basis @ targets.T, n_nonzero_coefs=count)
    missing = targets - np.asarray(code).reshape(len(basis), -1).T @ basis
    return float(1 - (missing**2).sum(1).mean())
