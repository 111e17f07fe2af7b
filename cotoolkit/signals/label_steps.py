"""What a step for a class does, whatever the image's own class: signs that perturbations carry labels.

Each takes the outputs of every image for every class that was stepped for. They show classes that a network put into
its own perturbations: the step that should lead away from a class leads to it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.methods.base import Cost
from cotoolkit.signals.registry import SHARE, signal

LIET = "LIET: ICCV 2025, eq. 3-5"
SELF = "self-fitting: He et al., 2023; as measured for FastAT, 2026"


@signal(
    title="label-information transfer",
    unit=SHARE,
    cost=Cost(10, 0),
    at_break="rises",
    source=f"{LIET}: 0.82 after a breakpoint at 16/255, 0.54 at 8/255",
)
def label_information(probabilities: Tensor, moved: Tensor) -> Tensor:
    """Share of the classes whose probability rises under the step that leads away from them on a grey image.

    >>> label_information(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.6, 0.4]]))
    tensor([0.5000])

    Args:
        probabilities: (B, classes), at the images, of the classes stepped for.
        moved: (B, classes), p_c at the image + eps * sign g(grey, c).

    Returns:
        (B,), in [0, 1]; nan where an output is not finite.
    """
    return _share(moved > probabilities, moved, probabilities)


@signal(
    title="label information that dominates",
    unit=SHARE,
    cost=Cost(10, 0),
    at_break="rises",
    source=f"{LIET}: 0.45 after a breakpoint at 16/255, 0.11 at 8/255",
)
def label_dominance(predicted: Tensor, classes: Tensor) -> Tensor:
    """Share of the classes that are predicted at the image plus their own step from the grey image.

    A network that ignores the step has 1 / classes.

    >>> label_dominance(torch.tensor([[0, 0, 2]]), torch.tensor([0, 1, 2]))
    tensor([0.6667])

    Args:
        predicted: (B, K), the class predicted after the step for each of K classes.
        classes: (K,), those classes.

    Returns:
        (B,), in [0, 1].
    """
    return (predicted == classes).float().mean(1)


@signal(title="self-fitting", unit=SHARE, cost=Cost(20, 10), at_break="rises", source=SELF)
def self_fitting(predicted: Tensor, classes: Tensor) -> Tensor:
    """Share of the classes c that are predicted at x + eps * sign g(x, c), the step that should lead away from c.

    >>> self_fitting(torch.tensor([[0, 1, 1]]), torch.tensor([0, 1, 2]))
    tensor([0.6667])

    Args:
        predicted: (B, K), the class predicted after the step for each of K classes.
        classes: (K,), those classes.

    Returns:
        (B,), in [0, 1].
    """
    return (predicted == classes).float().mean(1)


@signal(title="steps that lower the loss they raise", unit=SHARE, cost=Cost(20, 10), at_break="rises", source=SELF)
def self_defeating_step(losses: Tensor, moved_losses: Tensor) -> Tensor:
    """Share of the classes whose loss falls under the step eps * sign g(x, c) that should raise it.

    >>> self_defeating_step(torch.tensor([[2.0, 1.0]]), torch.tensor([[1.0, 3.0]]))
    tensor([0.5000])

    Args:
        losses: (B, K), the cross-entropy for each of K classes at the images.
        moved_losses: (B, K), that of each class after its own step.

    Returns:
        (B,), in [0, 1]; nan where a loss is not finite.
    """
    return _share(moved_losses < losses, losses, moved_losses)


def _share(true: Tensor, *values: Tensor) -> Tensor:
    known = torch.stack([value.isfinite().all(1) for value in values]).all(0)
    return true.float().mean(1).where(known, torch.nan)
