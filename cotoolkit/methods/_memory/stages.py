"""Where in the whole of training a step stands, in epochs."""

from __future__ import annotations

import itertools
from typing import Annotated

from pydantic import AfterValidator

from cotoolkit.core.numbers import Share
from cotoolkit.methods.batch import Batch


def _ascending(drops: tuple[float, ...]) -> tuple[float, ...]:
    if list(drops) != sorted(set(drops)):
        raise ValueError("give shares of training in ascending order")
    return drops


Drops = Annotated[tuple[Share, ...], AfterValidator(_ascending)]
"""Shares of training at which the learning rate drops, ascending: where one stage ends and the next begins."""


def planned_epochs(batch: Batch) -> int | None:
    """Epochs of the whole training, from the share of it that is done; None before the first update."""
    if batch.progress == 0:
        return None
    return round(batch.iteration / batch.progress / batch.epoch_length)


def inside_a_stage(batch: Batch, drops: Drops, stride: float) -> bool:
    """Whether a step's epoch is further than `stride` epochs from both ends of its stage.

    Args:
        batch: of the step.
        drops: see `Drops`.
        stride: in epochs.

    Returns:
        Whether start + stride < epoch < end - stride.
    """
    epochs = planned_epochs(batch)
    if epochs is None:
        return False
    ends = [round(epochs * share, 6) for share in (0.0, *drops, 1.0)]  # 100/110 of 110 epochs are 100
    return any(start + stride < batch.epoch < end - stride for start, end in itertools.pairwise(ends))
