"""A labelled set of images in memory, which every data source yields; and how to make one of what people have."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cotoolkit.core.errors import DataError
from cotoolkit.core.user_code import describe


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with one label each.

    Attributes:
        name: where it comes from, for messages: `cifar10 test`.
        images: (N, C, H, W), uint8 pixel levels or float32 in [0, 1].
        labels: (N,) int64 in [0, classes).
        classes: number of classes, at least 2; a class without an image is allowed.
        class_names: one per class.

    Raises:
        DataError: a shape, type or range is not as above.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: int
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        self._check_images()
        self._check_labels()
        if len(self.class_names) != self.classes:
            raise DataError(f"{self.name}: {self.classes} classes but {len(self.class_names)} class names")

    def _check_images(self) -> None:
        images = self.images
        if images.ndim != 4:
            raise DataError(f"{self.name}: images have shape {tuple(images.shape)}; give (N, C, H, W)")
        if images.numel() == 0:
            raise DataError(f"{self.name}: no images, their shape is {tuple(images.shape)}")
        if images.dtype == torch.uint8:
            return
        if images.dtype != torch.float32:
            raise DataError(f"{self.name}: images are {images.dtype}; give uint8, or float32 in [0, 1]")
        low, high = (float(bound) for bound in torch.aminmax(images))
        if not (low >= 0 and high <= 1):  # written so that nan, which aminmax propagates, fails too
            raise DataError(
                f"{self.name}: pixels run from {low:g} to {high:g}; scale them to [0, 1] and leave normalisation "
                f"to the model"
            )

    def _check_labels(self) -> None:
        if self.labels.dtype != torch.int64:
            raise DataError(f"{self.name}: labels are {self.labels.dtype}; give int64")
        if self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"{self.name}: {len(self.images)} images but labels of shape {tuple(self.labels.shape)}; "
                f"give one label per image"
            )
        if self.classes < 2:
            raise DataError(f"{self.name}: {self.classes} class; a classifier needs at least 2")
        low, high = (int(bound) for bound in torch.aminmax(self.labels))
        if low < 0 or high >= self.classes:
            raise DataError(f"{self.name}: labels run from {low} to {high}; number the classes 0 to {self.classes - 1}")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def pick(self, indices: Tensor) -> ImageSet:
        """The images at `indices` (int64), in that order."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])


def as_float(images: Tensor) -> Tensor:
    """Images as float32 in [0, 1]: pixel levels divided by 255, float images as they are."""
    return images.float() / 255 if images.dtype == torch.uint8 else images


def image_tensor(images: Any, where: str) -> Tensor:
    """Stacked images as a tensor.

    Args:
        images: (N, C, H, W), or (N, H, W) for one channel; tensor, array or nested lists.
        where: they come from, for messages.

    Returns:
        (N, C, H, W), float32 if they are floats and else as they are.

    Raises:
        DataError: no tensor can be made of them, or the channels are last.
    """
    try:
        tensor = torch.as_tensor(images)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise DataError(f"{where}: images must be a tensor or an array ({describe(failure)})") from failure
    if tensor.ndim == 3:
        tensor = tensor.unsqueeze(1)
    if tensor.ndim == 4 and tensor.shape[3] in (1, 3) and tensor.shape[1] not in (1, 3):
        raise DataError(f"{where}: images have shape {tuple(tensor.shape)}; give (N, C, H, W), channels first")
    return tensor.float() if tensor.is_floating_point() else tensor


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
    tensor = image_tensor(images, where)
    try:
        labels = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as failure:
        raise DataError(f"{where}: labels must be a tensor or an array ({describe(failure)})") from failure
    if labels.is_floating_point() or labels.numel() == 0:
        raise DataError(
            f"{where}: labels must be whole numbers, one per image; they are {labels.dtype}, {tuple(labels.shape)}"
        )
    return tensor, labels.to(torch.int64)


def stack_items(data: Any, indices: Iterable[int] | None, where: str) -> tuple[Tensor, Tensor]:
    """Some items of a data set of (image, label), stacked.

    Args:
        data: what `data[index]` gives an image and a label of; images are tensors or arrays (C, H, W) or (H, W), or
            PIL images.
        indices: of the items, at least one; None for all.
        where: they come from, for messages.

    Returns:
        Images (N, C, H, W) or (N, H, W), of the items' type, and labels (N,) int64.

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
