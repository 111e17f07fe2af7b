"""Images and labels as tensors, from what people have: arrays, and data sets of (image, label)."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.user_code import describe


def as_tensors(images: Any, labels: Any, where: str) -> tuple[Tensor, Tensor]:
    """Stacked images and their labels as tensors.

    Args:
        images: (N, C, H, W), or (N, H, W) for one channel; tensor, array or nested lists.
        labels: (N,) whole numbers.
        where: they come from, for messages.

    Returns:
        Images (N, C, H, W), float32 if they are floats and else as they are, and labels (N,) int64.

    Raises:
        DataError: no tensors can be made of them, or a shape or type is another.
    """
    try:
        images, labels = torch.as_tensor(images), torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise DataError(f"{where}: images and labels must be tensors or arrays ({describe(failure)})") from failure
    if images.ndim == 3:
        images = images.unsqueeze(1)
    if images.ndim == 4 and images.shape[3] in (1, 3) and images.shape[1] not in (1, 3):
        raise DataError(f"{where}: images have shape {tuple(images.shape)}; give (N, C, H, W), channels first")
    if labels.is_floating_point() or labels.numel() == 0:
        raise DataError(
            f"{where}: labels must be whole numbers, one per image; they are {labels.dtype}, {tuple(labels.shape)}"
        )
    return images.float() if images.is_floating_point() else images, labels.to(torch.int64)


def collect(data: Any, indices: Iterable[int] | None, where: str) -> tuple[Tensor, Tensor]:
    """Some items of a data set of (image, label), stacked.

    Args:
        data: what `data[index]` gives an image and a label of; images are tensors or arrays (C, H, W) or (H, W), or
            PIL images.
        indices: of the items, at least one; None for all.
        where: they come from, for messages.

    Raises:
        DataError: an item is no such pair, its label no whole number, or shapes differ.
    """
    try:
        items: Iterable[tuple[Any, Any]] = [data[index] for index in (range(len(data)) if indices is None else indices)]
        pairs = [(_tensor(image), operator.index(label)) for image, label in items]
    except Exception as failure:
        raise DataError(f"{where}: not a data set of (image, label): {describe(failure)}") from failure
    shapes = {tuple(image.shape) for image, _ in pairs}
    if len(shapes) != 1:
        raise DataError(f"{where}: images must all have one shape; they have {sorted(shapes) or 'none'}")
    return torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])


def _tensor(image: Any) -> Tensor:
    """An image as a tensor with its channels first."""
    from PIL.Image import Image

    if isinstance(image, Image):
        from torchvision.transforms.v2.functional import pil_to_tensor

        converted: Tensor = pil_to_tensor(image)
        return converted
    return torch.as_tensor(np.asarray(image) if not isinstance(image, Tensor) else image)
