"""Whether the gradient can be trusted: signals of gradient masking, and of attacks that grow weaker when given more.

None has a direction at the breakpoint of single-step training: they tell other failures of the attack from it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.methods.base import Cost
from cotoolkit.signals.registry import SHARE, signal

AUTOATTACK = "AutoAttack's checks: Croce & Hein, ICML 2020"


@signal(title="zero input gradients", unit=SHARE, at_break=None, source=AUTOATTACK)
def zero_gradient(gradient: Tensor) -> Tensor:
    """1 where a sample's input gradient is exactly zero but for entries that are nan, so that no attack can follow it.

    Attacks take an entry that is nan for zero and follow the others.

    >>> zero_gradient(torch.tensor([[0.0, torch.nan], [0.0, 1e-30], [torch.nan, 1.0]]))
    tensor([1., 0., 0.])

    Args:
        gradient: (B, ...).

    Returns:
        (B,), 0 or 1.
    """
    flat = gradient.flatten(1)
    return ((flat == 0) | flat.isnan()).all(1).float()


@signal(
    title="spread of repeated outputs",
    unit="l2 norm",
    cost=Cost(5, 0),
    at_break=None,
    source=f"{AUTOATTACK} (5 runs; above 1e-4 counts as randomised)",
)
def logit_spread(logits: Tensor) -> Tensor:
    """Largest distance between repeated outputs for one image, each scaled to length 1.

    >>> logit_spread(torch.tensor([[[2.0, 0.0]], [[-5.0, 0.0]]]))
    tensor([2.])

    Args:
        logits: (runs, B, classes), of the same images in each run.

    Returns:
        (B,), l2 distances in [0, 2]; 0 for a deterministic network.
    """
    scaled = logits / (torch.linalg.vector_norm(logits, dim=2, keepdim=True) + 1e-10)
    return torch.stack([(one - scaled).norm(dim=2).amax(0) for one in scaled]).amax(0)


@signal(
    title="accuracy regained by stronger attacks",
    unit=SHARE,
    at_break="rises",
    source="Kim et al., AAAI 2021, for radii; Carlini et al., 2019, for steps and radii",
)
def regained_accuracy(correct: Tensor) -> Tensor:
    """How many points a stronger attack gives back: accuracy minus its least value at any weaker strength, or 0.

    Accuracy must fall with the radius and with the number of steps. Where it rises, the attack is misled.

    >>> regained_accuracy(torch.tensor([[True, True], [False, False], [True, False]]))
    tensor([0.0000, 0.0000, 0.5000])

    Args:
        correct: (K, B) bool, rows from the weakest strength to the strongest.

    Returns:
        (K,), shares of the images, at least 0; 0 at the weakest.
    """
    accuracy = correct.float().mean(1)
    return accuracy - accuracy.cummin(0).values
