"""A perturbation that goes from each batch to the next: the i-th image's to the i-th image."""

from __future__ import annotations

import torch
from torch import Tensor

from cotoolkit.methods.batch import Batch, TrainingSet


def nothing_carried(data: TrainingSet) -> dict[str, Tensor]:
    """The memory before the first batch: no rows, since nobody knows yet how many a batch has."""
    return {"delta": torch.zeros(0, *data.shape, dtype=torch.float32)}


def carried(batch: Batch) -> Tensor:
    """What the batch before left, (B, C, H, W); zeros for images that none of its stood for."""
    left = batch.memory["delta"][: len(batch.images)]
    return torch.cat([left, left.new_zeros(len(batch.images) - len(left), *left.shape[1:])])


def carry(batch: Batch, delta: Tensor) -> None:
    """Leave a perturbation to the next batch; after a smaller batch, the rest of what there was stays."""
    batch.memory["delta"] = torch.cat([delta.detach(), batch.memory["delta"][len(delta) :]])
