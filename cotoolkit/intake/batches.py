"""What a loader yields, which is what is measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    default_collate,
)

from cotoolkit.core.errors import DataError
from cotoolkit.core.reading.items import as_tensors, image_and_label
from cotoolkit.core.user_code import describe


def items_of(data: Any) -> Any:
    """The data set of a loader that yields each of its items once and as it is; other data as they are."""
    if type(data) is not DataLoader or isinstance(data.dataset, IterableDataset):
        return data
    dataset: Any = data.dataset
    sampler: Any = data.sampler
    batches = data.batch_sampler
    once = type(sampler) is SequentialSampler or (type(sampler) is RandomSampler and not sampler.replacement)
    whole = once and sampler.data_source is dataset and len(sampler) == len(dataset)
    in_batches = type(batches) is BatchSampler and batches.sampler is sampler and not batches.drop_last
    return dataset if whole and in_batches and data.collate_fn is default_collate else data


def read_batches(data: Iterable[Any], where: str) -> tuple[Tensor, Tensor] | None:
    """All that a loader yields: batches, or items if its labels are single numbers.

    Args:
        data: a loader of pairs (images, labels), or of dictionaries, see `image_and_label`.
        where: they come from, for messages.

    Returns:
        Images (N, C, H, W) and labels (N,) int64, see `as_tensors`; None if it yields nothing.

    Raises:
        DataError: it fails, its batches are no such pairs, or images differ in shape or type.
    """
    images: list[Tensor] = []
    labels: list[Tensor] = []
    read = 0
    try:
        for batch in data:
            pixels, numbers = image_and_label(batch, where)
            if not isinstance(numbers, list | tuple) and np.ndim(numbers) == 0:  # an item
                pixels, numbers = [pixels], [numbers]
            stacked, numbers = as_tensors(pixels, numbers, where)
            images.extend(stacked)
            labels.append(numbers)
            read += 1
    except DataError:
        raise
    except Exception as failure:
        raise DataError(
            f"{where}: batch {read} cannot be read ({_reason(failure)}); mend it or leave it out"
        ) from failure
    return as_tensors(images, torch.cat(labels), where) if images else None


def _reason(failure: Exception) -> str:
    """Why a loader failed: a worker's error ends with the line that says it."""
    text = str(failure).strip()
    return text.splitlines()[-1] if "Original Traceback" in text else describe(failure)
